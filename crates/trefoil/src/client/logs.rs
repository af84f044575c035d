//! Following a log over as many connections as it takes, without losing or repeating a byte.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use serde_json::Value;

use super::reconnect::Reconnect;
use super::{Client, ClientError};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const PIECE: usize = 64 * 1024;
/// The longest record: a line of a log is at most the log (256 MiB), but one that long is no line.
const RECORD_MAX: u64 = 64 * 1024 * 1024;

/// In which form a log is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Its bytes.
    Text,
    /// NDJSON records.
    Records,
}

/// Where a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    attempt: Option<u64>,
    offset: u64,
}

/// Follows the log of job `id` from `offset` until the job has ended and every byte came, calling
/// `write` with the bytes (or with one record a call, newline included).
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
    write: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut at = Position { attempt, offset };
    let mut reconnect = Reconnect::new(FIRST_PAUSE);
    let mut connected = false;
    loop {
        let before = at;
        let ended = match connect(client, id, at, form) {
            Ok(answer) => {
                connected = true;
                let named = answer
                    .header("trefoil-attempt")
                    .and_then(|n| n.parse().ok());
                at.attempt = at.attempt.or(named);
                let reader = answer.into_reader();
                match form {
                    Form::Text => copy_text(reader, &mut at, write)?,
                    Form::Records => copy_records(BufReader::new(reader), &mut at, write)?,
                }
            }
            // Only a stream that once worked is worth waiting for.
            Err(error @ ClientError::Unreachable { .. }) if connected => Err(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        if at != before {
            reconnect.healthy();
        }
        let reason = match ended {
            Ok(true) => return Ok(()),
            Ok(false) => match newer_attempt(client, id, &at, attempt.is_some()) {
                Ok(After::Done) => return Ok(()),
                Ok(After::Attempt(newer)) => {
                    at = Position {
                        attempt: Some(newer),
                        offset: 0,
                    };
                    continue;
                }
                Ok(After::Same) => "the log stream ended early".to_owned(),
                Err(error @ ClientError::Unreachable { .. }) => error.to_string(),
                Err(error) => return Err(error.into()),
            },
            Err(reason) => reason,
        };
        let url = client.base().to_owned();
        reconnect.pause(ClientError::Unreachable { url, reason }, None)?;
    }
}

fn connect(
    client: &Client,
    id: &str,
    at: Position,
    form: Form,
) -> Result<super::Answer, ClientError> {
    let accept = match form {
        Form::Text => "text/plain",
        Form::Records => "application/x-ndjson",
    };
    client
        .get(&format!("/v1/jobs/{}/logs", super::encode_path(id)))
        .query("follow", "true")
        .query("offset", at.offset.to_string())
        .query_opt("attempt", at.attempt.map(|attempt| attempt.to_string()))
        .header("accept", accept)
        .send()
}

/// What follows a stream that ended properly.
enum After {
    /// The job has ended and its newest attempt was read.
    Done,
    /// A newer attempt has its own log.
    Attempt(u64),
    /// The stream ended though the attempt goes on: a restart of the platform, say.
    Same,
}

/// A text stream has no last record, so the job itself says whether that was all.
fn newer_attempt(
    client: &Client,
    id: &str,
    at: &Position,
    pinned: bool,
) -> Result<After, ClientError> {
    let path = format!("/v1/jobs/{}", super::encode_path(id));
    let job: Value = client.get(&path).send()?.json()?;
    let newest = job["attempt"].as_u64();
    let current = at.attempt.or(newest);
    if newest > current {
        return Ok(match newest {
            // Whoever asked for one attempt does not get the next.
            Some(newest) if !pinned => After::Attempt(newest),
            _ => After::Done,
        });
    }
    let state = job["state"].as_str().unwrap_or_default();
    Ok(if crate::command::jobs::is_terminal(state) {
        After::Done
    } else {
        After::Same
    })
}

/// `Ok(Ok(false))` when the stream ended, `Ok(Err(reason))` when it broke.
type Copied = anyhow::Result<Result<bool, String>>;

fn copy_text(
    mut reader: impl Read,
    at: &mut Position,
    write: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> Copied {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(Ok(false)),
            Ok(count) => {
                write(&piece[..count])?;
                at.offset += count as u64;
            }
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
}

fn copy_records(
    mut reader: impl BufRead,
    at: &mut Position,
    write: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> Copied {
    loop {
        let mut line = Vec::new();
        match reader
            .by_ref()
            .take(RECORD_MAX)
            .read_until(b'\n', &mut line)
        {
            Ok(0) => return Ok(Ok(false)),
            Ok(_) if line.last() != Some(&b'\n') => {
                return Ok(Err("the log stream broke within a record".to_owned()));
            }
            Ok(_) => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
        let record: Value = serde_json::from_slice(&line)
            .map_err(|error| anyhow::anyhow!("a log record is not JSON: {error}"))?;
        write(&line)?;
        if record["final"] == Value::Bool(true) {
            return Ok(Ok(true));
        }
        if let Some(attempt) = record["attempt"].as_u64() {
            at.attempt = Some(attempt);
        }
        if let (Some(offset), Some(length)) = (record["offset"].as_u64(), line_length(&record)) {
            at.offset = offset + length;
        }
    }
}

/// The bytes of the log that a record stands for, its newline included.
fn line_length(record: &Value) -> Option<u64> {
    let length = match (record["text"].as_str(), record["base64"].as_str()) {
        (Some(text), _) => text.len(),
        (None, Some(base64)) => {
            let digits = base64.trim_end_matches('=').len();
            digits * 3 / 4
        }
        (None, None) => return None,
    };
    Some(length as u64 + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_record_knows_how_much_of_the_log_it_is() {
        assert_eq!(super::line_length(&json!({"text": "äb"})), Some(4));
        assert_eq!(super::line_length(&json!({"base64": "/w=="})), Some(2));
        assert_eq!(super::line_length(&json!({"base64": "//8="})), Some(3));
        assert_eq!(super::line_length(&json!({"base64": "////"})), Some(4));
        assert_eq!(super::line_length(&json!({"final": true})), None);
    }
}
