//! `trefoil jobs logs`.

use std::io::Read;

use crate::cli::jobs::LogsArgs;
use crate::client::logs::{Form, follow};
use crate::client::{Client, ClientError};
use crate::command::jobs::path_of;
use crate::failure::Failure;
use crate::output::Ui;

const PIECE: usize = 64 * 1024;

/// Prints a log: its bytes, or NDJSON records with `--json`.
pub(crate) fn run(ui: &Ui, client: &Client, args: &LogsArgs) -> anyhow::Result<()> {
    let number = match args.attempt.as_deref() {
        None | Some("all") => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| {
            Failure::invalid(
                format!("--attempt {text} is neither a number nor all"),
                "`trefoil jobs attempts ID` lists them",
            )
        })?),
    };
    let (form, accept) = match ui.json {
        true => (Form::Records, "application/x-ndjson"),
        false => (Form::Text, "text/plain"),
    };
    if args.follow {
        if args.attempt.as_deref() == Some("all") {
            return Err(Failure::invalid(
                "--follow with --attempt all",
                "leave out --attempt: following goes on with the newest attempt",
            )
            .into());
        }
        let offset = args.offset.unwrap_or(0);
        return follow(client, &args.id, number, offset, form, &mut |bytes| {
            ui.bytes(bytes)
        });
    }
    let mut reader = client
        .get(&format!("{}/logs", path_of(&args.id)))
        .query_opt("attempt", args.attempt.as_deref())
        .query_opt("tail", args.tail.map(|tail| tail.to_string()))
        .query_opt("offset", args.offset.map(|offset| offset.to_string()))
        .header("accept", accept)
        .send()?
        .into_reader();
    let mut piece = vec![0; PIECE];
    loop {
        let count = reader
            .read(&mut piece)
            .map_err(|error| ClientError::Unreachable {
                url: client.base().to_owned(),
                reason: format!("the log broke off: {error}"),
            })?;
        if count == 0 {
            return Ok(());
        }
        ui.bytes(&piece[..count])?;
    }
}
