//! The last messages of an exchange of the type `x-recent-history`.
//!
//! They are in memory, and gone after a restart.

use std::{collections::VecDeque, sync::Arc};

use crate::message::Message;

/// How many are kept if the exchange was declared without a number. RabbitMQ's.
pub(super) const LENGTH_DEFAULT: usize = 20;
/// Bytes that they take, but for the newest, which is kept whatever its size: such a history is for small messages, and any client may
/// declare exchanges. In tests it is small.
const BYTES_MAX: usize = if cfg!(test) { 10_000 } else { 16 << 20 };
/// What a message takes beside its bytes.
const OVERHEAD: usize = size_of::<Remembered>() + 4 * 16;

/// A message as it was published.
#[derive(Debug)]
pub(crate) struct Remembered {
    exchange: Box<str>,
    routing_key: Box<str>,
    header: Box<[u8]>,
    body: Box<[u8]>,
    history: u8,
}

impl Remembered {
    pub(super) fn new(message: Message<'_>) -> Self {
        Self {
            exchange: message.exchange.into(),
            routing_key: message.routing_key.into(),
            header: message.header.into(),
            body: message.body.into(),
            history: message.history,
        }
    }

    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            header: &self.header,
            body: &self.body,
            history: self.history,
        }
    }

    fn bytes(&self) -> usize {
        let names = self.exchange.len() + self.routing_key.len();
        OVERHEAD + names + self.header.len() + self.body.len()
    }
}

/// What one exchange keeps.
#[derive(Debug)]
pub(super) struct History {
    length_max: usize,
    messages: VecDeque<Arc<Remembered>>,
    bytes: usize,
}

impl History {
    pub(super) fn new(length_max: usize) -> Self {
        Self {
            length_max,
            messages: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, message: Arc<Remembered>) {
        self.bytes += message.bytes();
        self.messages.push_back(message);
        while self.messages.len() > 1
            && (self.messages.len() > self.length_max || self.bytes > BYTES_MAX)
        {
            if let Some(oldest) = self.messages.pop_front() {
                self.bytes -= oldest.bytes();
            }
        }
    }

    /// The oldest first.
    pub(super) fn messages(&self) -> impl Iterator<Item = Arc<Remembered>> {
        self.messages.iter().cloned()
    }
}
