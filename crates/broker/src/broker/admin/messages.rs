//! Publishing and fetching on behalf of an operator.

use std::borrow::Cow;

use trefoil_amqp::{Method, Publish, method::basic};

use super::{Broker, CHANNEL, Failure, Refusal};
use crate::{access::User, inspect::FetchedMessage, session::Settle, slab::Key};

/// How messages are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// At most so many.
    pub count: usize,
    /// They are gone at once.
    pub no_ack: bool,
    /// They go back where they were; otherwise they are rejected, and perhaps dead-lettered.
    pub requeue: bool,
}

impl Broker {
    /// Publishes a message. `header` is its whole content header. Whether a queue took it.
    ///
    /// # Errors
    /// What closes the channel of a client that publishes this.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a message, and who and when"
    )]
    pub fn publish_as(
        &mut self,
        user: &User,
        vhost: &str,
        exchange: &str,
        routing_key: &str,
        header: &[u8],
        body: &[u8],
        now: u64,
    ) -> Result<bool, Refusal> {
        self.as_user(user, vhost, now, |broker, session| {
            let publish = Publish {
                channel: CHANNEL,
                exchange: Cow::Borrowed(exchange),
                routing_key: Cow::Borrowed(routing_key),
                mandatory: true,
                immediate: false,
                header: Cow::Borrowed(header),
                body: Cow::Borrowed(body),
            };
            broker.handle_publish(session, &publish, now)?;
            let channel = broker
                .clients
                .channel(session, CHANNEL)
                .ok_or(Failure::Gone)?;
            Ok(channel.counters.return_unroutable == 0)
        })
    }

    /// Fetches messages of a queue.
    ///
    /// # Errors
    /// What closes the channel of a client that fetches from this queue.
    pub fn fetch(
        &mut self,
        user: &User,
        vhost: &str,
        queue: &str,
        fetch: Fetch,
        now: u64,
    ) -> Result<Vec<FetchedMessage>, Refusal> {
        self.as_user(user, vhost, now, |broker, session| {
            let mut messages = Vec::new();
            let get = Method::BasicGet(basic::Get {
                ticket: 0,
                queue,
                no_ack: fetch.no_ack,
            });
            while messages.len() < fetch.count {
                broker.handle_method(session, CHANNEL, &get, now)?;
                match broker.fetched(session) {
                    Some(message) => messages.push(message),
                    None => break,
                }
            }
            if !fetch.no_ack && !messages.is_empty() {
                let how = match fetch.requeue {
                    true => Settle::Requeue,
                    false => Settle::Reject,
                };
                broker.handle_settle(session, CHANNEL, 0, true, how, now)?;
            }
            Ok(messages)
        })
    }

    /// The message in what the session was answered; none if there was none.
    fn fetched(&mut self, session: Key) -> Option<FetchedMessage> {
        let state = self.clients.sessions.get_mut(session)?;
        let mut output = Vec::new();
        state.connection.take_output(&mut output);
        read(&output)
    }
}

/// Reads `basic.get-ok` and the content behind it.
fn read(output: &[u8]) -> Option<FetchedMessage> {
    let mut frames = Frames(output);
    let (_, method) = frames.next()?;
    let Ok(Method::BasicGetOk(got)) = Method::decode(method) else {
        return None;
    };
    let (_, header) = frames.next()?;
    let mut body = Vec::new();
    for (_, part) in frames {
        body.extend_from_slice(part);
    }
    Some(FetchedMessage {
        redelivered: got.redelivered,
        exchange: got.exchange.into(),
        routing_key: got.routing_key.into(),
        remaining: got.message_count.into(),
        header: header.to_vec(),
        body,
    })
}

/// Kinds and payloads of whole frames: they are ours, so they are well formed.
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<7>()?;
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let payload = rest.get(..length)?;
        // The end octet.
        self.0 = rest.get(length + 1..)?;
        Some((head[0], payload))
    }
}
