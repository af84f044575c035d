//! Following a log over as many connections as it takes, without losing or repeating a byte.
//!
//! Each attempt has a log of its own, and a byte count means something within one of them only. So
//! every request names its attempt, and the job says whether another follows.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use serde_json::Value;

use super::reconnect::Reconnect;
use super::{Answer, Client, ClientError, encode_path};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const PIECE: usize = 64 * 1024;

/// The longest record: the platform cuts lines at 1 MiB, and JSON may need six bytes for one.
const RECORD_MAX: u64 = 8 * 1024 * 1024;

/// In which form a log is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Its bytes.
    Text,
    /// NDJSON records.
    Records,
}

/// Where to write: bytes, or one record a call with its newline.
type Write<'w> = &'w mut dyn FnMut(&[u8]) -> anyhow::Result<()>;

/// Where a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    attempt: u64,
    /// Of the next byte; with records, of the newest one that was written.
    offset: u64,
    /// Whether the record at `offset` was written: it comes again when the stream is taken up.
    written: bool,
}

impl Position {
    fn new(attempt: u64, offset: u64) -> Position {
        Position {
            attempt,
            offset,
            written: false,
        }
    }
}

/// Follows the log of job `id` from `offset` of `attempt` (the newest, if not given) until the job
/// (or the given attempt) has ended and every byte came.
///
/// # Errors
///
/// When the platform refuses or stays away for a minute, or `write` fails.
pub(crate) fn follow(
    client: &Client,
    id: &str,
    attempt: Option<u64>,
    offset: u64,
    form: Form,
    write: Write<'_>,
) -> anyhow::Result<()> {
    let first = match attempt {
        Some(attempt) => attempt,
        None => job(client, id)?["attempt"].as_u64().unwrap_or(0).max(1),
    };
    let mut at = Position::new(first, offset);
    let mut reconnect = Reconnect::new(FIRST_PAUSE);
    let mut connected = attempt.is_none();
    loop {
        let before = at;
        let ended = match connect(client, id, at, form) {
            Ok(answer) => {
                connected = true;
                let reader = answer.into_reader();
                match form {
                    Form::Text => copy_text(reader, &mut at, write)?,
                    Form::Records => copy_records(BufReader::new(reader), &mut at, write)?,
                }
            }
            // A job that ended before its first (or next) attempt began has no such log.
            Err(ClientError::Problem(problem))
                if attempt.is_none() && problem.name == "attempt-not-found" =>
            {
                Ok(None)
            }
            // Only a platform that was there is worth waiting for.
            Err(error) if connected && error.is_passing() => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        if at != before {
            reconnect.healthy();
        }
        let reason = match ended {
            Ok(last) => match after(client, id, at.attempt, attempt.is_some()) {
                Ok(After::Done) => return last.map_or(Ok(()), |record| write(&record)),
                Ok(After::NextAttempt) => {
                    at = Position::new(at.attempt + 1, 0);
                    continue;
                }
                Ok(After::Same) => "the log stream ended early".to_owned(),
                Err(error) if error.is_passing() => error.to_string(),
                Err(error) => return Err(error.into()),
            },
            Err(reason) => reason,
        };
        let url = client.base().to_owned();
        reconnect.pause(ClientError::Unreachable { url, reason }, None)?;
    }
}

fn job(client: &Client, id: &str) -> Result<Value, ClientError> {
    let path = format!("/v1/jobs/{}", encode_path(id));
    client.get(&path).send()?.json()
}

fn connect(client: &Client, id: &str, at: Position, form: Form) -> Result<Answer, ClientError> {
    let accept = match form {
        Form::Text => "text/plain",
        Form::Records => "application/x-ndjson",
    };
    client
        .get(&format!("/v1/jobs/{}/logs", encode_path(id)))
        .query("follow", "true")
        .query("attempt", at.attempt.to_string())
        .query("offset", at.offset.to_string())
        .header("accept", accept)
        .send()
}

/// What comes after a stream that ended properly.
enum After {
    /// Nothing.
    Done,
    /// The log of the next attempt, which may have to begin yet.
    NextAttempt,
    /// The same again: it ended though the attempt goes on, because the platform restarted, say.
    Same,
}

fn after(client: &Client, id: &str, attempt: u64, pinned: bool) -> Result<After, ClientError> {
    let job = job(client, id)?;
    let newest = job["attempt"].as_u64().unwrap_or(0);
    let state = job["state"].as_str().unwrap_or_default();
    let terminal = crate::command::jobs::is_terminal(state);
    let active = matches!(state, "starting" | "running" | "canceling");
    let over = terminal || newest > attempt || (newest == attempt && !active);
    Ok(match over {
        false => After::Same,
        true if pinned || (terminal && newest <= attempt) => After::Done,
        true => After::NextAttempt,
    })
}

/// `Ok(Ok(last))` when the stream ended, with its last record if it has one; `Ok(Err(reason))`
/// when it broke.
type Copied = anyhow::Result<Result<Option<Vec<u8>>, String>>;

fn copy_text(mut reader: impl Read, at: &mut Position, write: Write<'_>) -> Copied {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(Ok(None)),
            Ok(count) => {
                write(&piece[..count])?;
                at.offset += count as u64;
            }
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
}

fn copy_records(mut reader: impl BufRead, at: &mut Position, write: Write<'_>) -> Copied {
    let broke = |reason: &str| Ok(Err(reason.to_owned()));
    loop {
        let mut line = Vec::new();
        match reader
            .by_ref()
            .take(RECORD_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) => return broke("the log stream has no last record"),
            Ok(_) if line.last() != Some(&b'\n') => {
                return broke("the log stream broke within a record");
            }
            Ok(_) => {}
            Err(error) => return broke(&error.to_string()),
        }
        let record: Value = serde_json::from_slice(&line)
            .map_err(|error| anyhow::anyhow!("a log record is not JSON: {error}"))?;
        if record["final"] == Value::Bool(true) {
            return Ok(Ok(Some(line)));
        }
        let offset = record["offset"].as_u64().unwrap_or(at.offset);
        if at.written && offset <= at.offset {
            continue;
        }
        write(&line)?;
        at.offset = offset;
        at.written = true;
    }
}
