//! Sending a file to the platform: in one request, or resumably when it is large.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{damaged, hex};
use crate::client::reconnect::Reconnect;
use crate::client::{Client, ClientError, http::Method};
use crate::command::{is_dash, text_of};
use crate::failure::Failure;
use crate::output::Ui;
use crate::progress::{ByteProgress, Watched};

/// From here on it is worth two more requests that a broken connection costs only what was under
/// way.
const RESUMABLE_MIN: u64 = 64 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Streams a file (or standard input for `-`) to the platform and checks that the platform stored
/// what was read here.
pub(crate) fn upload(
    ui: &Ui,
    client: &Client,
    path: &Path,
    name: Option<&str>,
    media_type: &str,
) -> anyhow::Result<Value> {
    let own_name = path.file_name().and_then(|name| name.to_str());
    let name = name.or(own_name.filter(|_| !is_dash(path)));
    let source = Source::open(path)?;
    let length = match &source {
        Source::Known(_, length) => Some(*length),
        Source::Stream(_) => None,
    };
    let progress = ByteProgress::new(ui, name.unwrap_or("standard input"), length);
    let mut meter = Meter::new(&progress);
    let stored = match source {
        Source::Known(file, length) if length >= RESUMABLE_MIN => {
            let about = json!({"name": name, "type": media_type, "size": length});
            resumable(client, &file, length, &about, &mut meter)?
        }
        // Cut at the length, so that a file which grows meanwhile is sent as it was.
        Source::Known(file, length) => {
            let input = file.take(length);
            at_once(client, input, Some(length), name, media_type, &mut meter)?
        }
        Source::Stream(input) => at_once(client, input, None, name, media_type, &mut meter)?,
    };
    let sent = hex(&meter.digest.finalize());
    if stored["sha256"] != json!(sent) {
        return Err(damaged("stored", &sent, &text_of(&stored, "sha256")).into());
    }
    Ok(stored)
}

/// What is sent.
enum Source {
    /// A regular file knows its length.
    Known(File, u64),
    /// A pipe does not, and is sent in chunks.
    Stream(Box<dyn Read>),
}

impl Source {
    fn open(path: &Path) -> Result<Source, Failure> {
        if is_dash(path) {
            return Ok(Source::Stream(Box::new(std::io::stdin())));
        }
        let fault = |error: std::io::Error| Failure::local_file("cannot upload", path, &error);
        let file = File::open(path).map_err(fault)?;
        let about = file.metadata().map_err(fault)?;
        if about.is_dir() {
            return Err(fault(std::io::ErrorKind::IsADirectory.into()));
        }
        Ok(match about.is_file() {
            true => Source::Known(file, about.len()),
            false => Source::Stream(Box::new(file)),
        })
    }
}

/// Hashes and counts every byte once, however often it is sent.
struct Meter<'p> {
    progress: &'p ByteProgress,
    digest: Sha256,
    hashed: u64,
    at: u64,
}

impl<'p> Meter<'p> {
    fn new(progress: &'p ByteProgress) -> Meter<'p> {
        Meter {
            progress,
            digest: Sha256::new(),
            hashed: 0,
            at: 0,
        }
    }

    fn see(&mut self, piece: &[u8]) {
        let known = self.hashed.saturating_sub(self.at).min(piece.len() as u64);
        let new = &piece[known as usize..];
        self.digest.update(new);
        self.progress.add(new.len() as u64);
        self.at += piece.len() as u64;
        self.hashed = self.hashed.max(self.at);
    }
}

fn at_once(
    client: &Client,
    input: impl Read,
    length: Option<u64>,
    name: Option<&str>,
    media_type: &str,
    meter: &mut Meter<'_>,
) -> Result<Value, ClientError> {
    let mut reader = Watched::new(input, |piece: &[u8]| meter.see(piece));
    client
        .post("/v1/files")
        .query_opt("name", name)
        .stream(media_type, length, &mut reader)
        .send()?
        .json()
}

/// Sends from where the platform is, again and again, until it has everything.
fn resumable(
    client: &Client,
    mut file: &File,
    length: u64,
    about: &Value,
    meter: &mut Meter<'_>,
) -> Result<Value, ClientError> {
    let created = client.post("/v1/uploads").json(about).send()?;
    let bad = |reason: String| ClientError::BadAnswer {
        url: "/v1/uploads".to_owned(),
        reason,
    };
    let place = match created.header("location") {
        Some(place) if place.starts_with('/') => place.to_owned(),
        other => return Err(bad(format!("no path to upload to: {other:?}"))),
    };
    let mut reconnect = Reconnect::new(FIRST_PAUSE);
    let mut offset = 0;
    loop {
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| ClientError::BadRequest(format!("cannot read the file: {error}")))?;
        meter.at = offset;
        let mut reader = Watched::new(file.take(length - offset), |piece: &[u8]| meter.see(piece));
        let sent = client
            .call(Method::PATCH, &place)
            .header("upload-offset", offset.to_string())
            .stream(
                "application/octet-stream",
                Some(length - offset),
                &mut reader,
            )
            .send();
        match sent {
            Ok(_) => break,
            Err(error) if is_worth_another(&error) => reconnect.pause(error, None)?,
            Err(error) => return Err(error),
        }
        match client.call(Method::HEAD, &place).send() {
            Ok(answer) => {
                let text = answer.header("upload-offset").unwrap_or_default();
                let stored = text.parse::<u64>().ok().filter(|stored| *stored <= length);
                let stored = stored.ok_or_else(|| bad(format!("`{text}` is no offset")))?;
                if stored > offset {
                    reconnect.healthy();
                }
                // Never beyond what was read here: the hash would have a hole.
                offset = stored.min(meter.hashed);
            }
            Err(error) if is_worth_another(&error) => reconnect.pause(error, None)?,
            Err(error) => return Err(error),
        }
    }
    client.post(&format!("{place}:complete")).send()?.json()
}

/// A connection that broke, or a platform that still holds the previous one (409).
fn is_worth_another(error: &ClientError) -> bool {
    let held = matches!(error, ClientError::Problem(problem) if problem.status == 409);
    held || error.is_passing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::{Reply, Scripted};
    use crate::output::ColorChoice;

    #[test]
    fn a_broken_upload_goes_on_where_the_platform_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "hello world").unwrap();
        let at = |offset: u64| vec![("upload-offset", offset.to_string())];
        let server = Scripted::start(vec![
            Reply::Bare(201, vec![("location", "/v1/uploads/u".to_owned())]),
            Reply::Drop(5),
            Reply::Bare(204, at(3)),
            Reply::Bare(409, at(4)),
            Reply::Bare(204, at(4)),
            Reply::Bare(204, at(11)),
            Reply::Full(201, "application/json", "{\"sha256\":\"x\"}".into()),
        ]);
        let client = Client::new(&server.url(), None).unwrap();
        let progress = ByteProgress::new(&Ui::new(true, true, ColorChoice::Never), "f", Some(11));
        let mut meter = Meter::new(&progress);
        let file = File::open(&path).unwrap();
        let stored = resumable(&client, &file, 11, &json!({"size": 11}), &mut meter).unwrap();
        assert_eq!(stored, json!({"sha256": "x"}));
        assert_eq!(meter.digest.finalize(), Sha256::digest("hello world"));
        let seen = server.requests();
        let sent: Vec<(&str, Option<&str>, &[u8])> = seen
            .iter()
            .map(|seen| {
                (
                    seen.line.as_str(),
                    seen.header("upload-offset"),
                    &seen.body[..],
                )
            })
            .collect();
        assert_eq!(
            sent,
            [
                ("POST /v1/uploads", None, &b"{\"size\":11}"[..]),
                ("PATCH /v1/uploads/u", Some("0"), b"hello"),
                ("HEAD /v1/uploads/u", None, b""),
                ("PATCH /v1/uploads/u", Some("3"), b"lo world"),
                ("HEAD /v1/uploads/u", None, b""),
                ("PATCH /v1/uploads/u", Some("4"), b"o world"),
                ("POST /v1/uploads/u:complete", None, b""),
            ]
        );
    }
}
