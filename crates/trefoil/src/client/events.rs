//! Server-sent events of a job, over as many connections as it takes.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use super::reconnect::Reconnect;
use super::{Client, ClientError};

/// The platform sends a comment every 15 s; three missed ones mean the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// The longest line taken: an event carries at most a job, never outputs.
const LINE_MAX: u64 = 16 * 1024 * 1024;

/// Until the server names its own pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    /// `event:`.
    pub(crate) name: String,
    /// `data:`, lines joined.
    pub(crate) data: String,
}

/// The events of one job until `end`.
pub(crate) struct Events<'c> {
    client: &'c Client,
    path: String,
    last_id: Option<String>,
    deadline: Option<Instant>,
    reconnect: Reconnect,
    stream: Option<BufReader<Box<dyn Read>>>,
    connected: bool,
    ended: bool,
}

impl<'c> Events<'c> {
    /// The events at `path`, after revision `after` if given. Nothing is sent before
    /// [`Events::next`].
    pub(crate) fn new(client: &'c Client, path: String, after: Option<u64>) -> Events<'c> {
        Events {
            client,
            path,
            last_id: after.map(|revision| revision.to_string()),
            deadline: None,
            reconnect: Reconnect::new(FIRST_PAUSE),
            stream: None,
            connected: false,
            ended: false,
        }
    }

    /// Stops waiting at `deadline`: [`Events::next`] then gives [`ClientError::NoAnswer`].
    pub(crate) fn until(mut self, deadline: Option<Instant>) -> Events<'c> {
        self.deadline = deadline;
        self
    }

    /// The next event; `None` after the `end` event. Connections that break are taken up again
    /// behind the last event that had an id.
    ///
    /// # Errors
    ///
    /// When the platform refuses, stays away for a minute, or the deadline passed.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, ClientError> {
        while !self.ended {
            if self.is_late() {
                return Err(self.late());
            }
            if self.stream.is_none() {
                match self.connect() {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        self.connected = true;
                    }
                    Err(_) if self.is_late() => return Err(self.late()),
                    // Only a stream that once worked is worth waiting for.
                    Err(error) if self.connected && error.is_passing() => {
                        self.reconnect.pause(error, self.deadline)?;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let Some(stream) = &mut self.stream else {
                continue;
            };
            match read_block(stream) {
                Ok(Some(block)) => {
                    self.reconnect.healthy();
                    if let Some(retry) = block.retry {
                        self.reconnect.set_pause(retry);
                    }
                    if block.id.is_some() {
                        self.last_id = block.id;
                    }
                    match block.event {
                        Some(event) if event.name == "end" => self.ended = true,
                        Some(event) => return Ok(Some(event)),
                        None => {}
                    }
                }
                Ok(None) => self.broke("the stream ended early")?,
                Err(error) => self.broke(&error.to_string())?,
            }
        }
        Ok(None)
    }

    fn connect(&self) -> Result<BufReader<Box<dyn Read>>, ClientError> {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let answer = self
            .client
            .get(&self.path)
            .header("accept", "text/event-stream")
            .header_opt("last-event-id", self.last_id.as_deref())
            .body_limits(left, Some(SILENCE_MAX))
            .send()?;
        let reader: Box<dyn Read> = Box::new(answer.into_reader());
        Ok(BufReader::new(reader))
    }

    fn broke(&mut self, reason: &str) -> Result<(), ClientError> {
        self.stream = None;
        if self.is_late() {
            return Err(self.late());
        }
        let error = ClientError::Unreachable {
            url: self.client.base().to_owned(),
            reason: reason.to_owned(),
        };
        self.reconnect.pause(error, self.deadline)
    }

    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn late(&self) -> ClientError {
        ClientError::NoAnswer {
            url: self.client.base().to_owned(),
            reason: "the wait ran out".to_owned(),
        }
    }
}

/// What stands between two blank lines.
#[derive(Debug, Default)]
struct Block {
    event: Option<Event>,
    id: Option<String>,
    retry: Option<Duration>,
}

/// Reads up to a blank line. `None` when the stream ended, even within a block: the standard says
/// that an unfinished event is dropped.
fn read_block(stream: &mut impl BufRead) -> std::io::Result<Option<Block>> {
    let mut block = Block::default();
    let mut name = String::new();
    let mut data: Vec<String> = Vec::new();
    loop {
        let mut line = Vec::new();
        stream
            .by_ref()
            .take(LINE_MAX)
            .read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() {
            if !data.is_empty() || name == "end" {
                let name = if name.is_empty() {
                    "message".to_owned()
                } else {
                    name
                };
                let data = data.join("\n");
                block.event = Some(Event { name, data });
            }
            return Ok(Some(block));
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data.push(value.to_owned()),
            "id" => block.id = Some(value.to_owned()),
            "retry" => block.retry = value.parse().ok().map(Duration::from_millis),
            // Comments (an empty field) and fields of later versions.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Event, read_block};

    fn blocks(text: &str) -> Vec<Block> {
        let mut stream = text.as_bytes();
        std::iter::from_fn(|| read_block(&mut stream).unwrap()).collect()
    }

    #[test]
    fn fields_comments_and_line_ends() {
        let blocks = blocks(
            ": ping\n\nretry: 2000\n\nevent: state\r\nid: 7\r\ndata: {\"a\":1}\r\n\r\n\
             data:one\ndata: two\n\nevent: end\n\n",
        );
        assert_eq!(blocks.len(), 5);
        assert!(blocks[0].event.is_none());
        assert_eq!(blocks[1].retry.unwrap().as_millis(), 2000);
        assert_eq!(blocks[2].id.as_deref(), Some("7"));
        let event = |name: &str, data: &str| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        assert_eq!(blocks[2].event, Some(event("state", "{\"a\":1}")));
        assert_eq!(blocks[3].event, Some(event("message", "one\ntwo")));
        assert_eq!(blocks[4].event, Some(event("end", "")));
    }

    #[test]
    fn an_unfinished_event_is_dropped() {
        assert!(blocks("event: state\nid: 3\ndata: {\"cut").is_empty());
        assert!(blocks("event: state\nid: 3\ndata: {}\n").is_empty());
    }
}
