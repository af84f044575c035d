//! Connection and scripted client, in memory, on a clock of numbers.

mod closing;
mod content;
mod handshake;
mod misuse;
mod splits;
mod timers;

use std::sync::Arc;

use super::*;
use crate::testing::{Client, Handshake, Received};
use crate::{CloseReason, Properties, ReplyCode};

/// Client and server side, and a broker that agrees with everything.
struct Pair {
    client: Client,
    connection: Connection,
    now: u64,
    /// What the broker saw, printed: events borrow from input that is gone.
    events: Vec<String>,
    /// Answers of the broker to closing.
    releases: bool,
}

impl Pair {
    fn new(settings: Settings) -> Self {
        Self {
            client: Client::new(),
            connection: Connection::new(&Arc::new(settings), 1000),
            now: 1000,
            events: Vec::new(),
            releases: true,
        }
    }

    /// A pair with an open connection and channel 1.
    fn open() -> Self {
        Self::open_with(
            Settings::default(),
            &Handshake::plain("/", "guest", "guest"),
        )
    }

    fn open_with(settings: Settings, handshake: &Handshake<'_>) -> Self {
        let mut pair = Self::new(settings);
        pair.client.handshake_with(handshake);
        pair.client.open_channel(1);
        pair.exchange();
        assert!(
            pair.connection.is_open() && pair.connection.is_channel_open(ChannelNumber(1)),
            "{:?}",
            pair.events
        );
        pair.client.drain();
        pair.events.clear();
        pair
    }

    /// Everything that was said reaches the other side.
    fn exchange(&mut self) {
        let octets = self.client.take_output();
        let left = self.feed(&octets);
        assert!(
            left == 0 || !self.connection.is_open(),
            "{left} octets left over"
        );
        self.deliver_output();
    }

    /// The server gets octets; returns how many it left.
    fn feed(&mut self, octets: &[u8]) -> usize {
        let mut input = octets;
        while let Some(event) = self.connection.poll_event(&mut input, self.now) {
            self.events.push(format!("{event:?}"));
            match event {
                Event::Authenticate { .. } => self.connection.authenticated(),
                Event::Open { .. } => self.connection.open_ok(),
                Event::UpdateSecret { .. } => self.connection.secret_updated(),
                Event::ChannelCloseRequested(channel) if self.releases => {
                    self.connection.channel_close_ok(channel)
                }
                Event::CloseRequested { .. } if self.releases => self.connection.close_ok(self.now),
                _ => {}
            }
        }
        input.len()
    }

    fn deliver_output(&mut self) {
        let mut output = Vec::new();
        self.connection.take_output(&mut output);
        self.client.receive(&output);
    }

    /// The next method for the client, as name and channel.
    fn heard(&mut self) -> Vec<String> {
        self.client
            .drain()
            .iter()
            .map(|received| format!("{}@{}", received.id(), received.channel))
            .collect()
    }

    /// Nothing but a close with this code, text and method was heard.
    #[track_caller]
    fn assert_closed(&mut self, id: MethodId, code: u16, text: &str, method: MethodId) {
        let closed = self.client.expect(id).closed().expect("a close");
        assert_eq!(
            (closed.code, closed.text.as_str(), closed.method),
            (code, text, method)
        );
        assert_eq!(self.client.next(), None);
    }
}
