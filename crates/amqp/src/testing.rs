//! A scripted client, for tests that drive a [`Connection`](crate::Connection), or a broker, in memory.
//!
//! ```
//! # use trefoil_amqp::{testing::Client, Method, method::queue};
//! let mut client = Client::new();
//! client.handshake("/", "guest", "guest");
//! client.open_channel(1);
//! let octets = client.take_output(); // for the server; what it answers goes into `client.receive(..)`
//! # assert!(octets.starts_with(b"AMQP"));
//! assert!(client.next().is_none());
//! ```
//! It checks nothing that it sends, so that tests can break every rule, and everything that it gets: a frame that no
//! server may send fails the test.

mod received;

use std::collections::VecDeque;

pub use received::{Closed, Content, Received};

use crate::frame::{self, FRAME_OVERHEAD, Frame};
use crate::method::{channel, connection};
use crate::{ChannelNumber, Method, MethodId, Properties, Table, TableRef, Tune, encode};

/// The header that opens a connection of AMQP 0-9-1.
pub const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";

/// What a client says to get in.
#[derive(Clone, Debug)]
pub struct Handshake<'a> {
    /// Name and capabilities.
    pub client_properties: Table,
    /// The mechanism.
    pub mechanism: &'a str,
    /// What the mechanism wants.
    pub response: Vec<u8>,
    /// The limits of `tune-ok`.
    pub tune: Tune,
    /// The virtual host.
    pub virtual_host: &'a str,
}

impl<'a> Handshake<'a> {
    /// Name and password, all capabilities, the usual limits, no heartbeats.
    pub fn plain(virtual_host: &'a str, user: &str, password: &str) -> Self {
        let capabilities = [
            "authentication_failure_close",
            "basic.nack",
            "connection.blocked",
            "consumer_cancel_notify",
            "exchange_exchange_bindings",
            "publisher_confirms",
        ];
        let capabilities = capabilities
            .into_iter()
            .fold(Table::new(), |table, name| table.with(name, true));
        Self {
            client_properties: Table::new()
                .with("product", "scripted client")
                .with("capabilities", capabilities),
            mechanism: "PLAIN",
            response: format!("\0{user}\0{password}").into_bytes(),
            tune: Tune {
                channel_max: 2047,
                frame_max: 131_072,
                heartbeat_s: 0,
            },
            virtual_host,
        }
    }
}

/// A client that says what it is told to say and remembers what it hears.
#[derive(Debug, Default)]
pub struct Client {
    output: Vec<u8>,
    input: Vec<u8>,
    received: VecDeque<Received>,
    /// A method whose content has not come whole.
    pending: Option<Received>,
    /// How many heartbeats came.
    heartbeats: usize,
    /// The protocol header a server refused with.
    refusal: Option<[u8; 8]>,
    /// The largest frame that bodies are cut for. 0: no limit.
    frame_max: u32,
}

impl Client {
    /// A client that has said nothing yet.
    pub fn new() -> Self {
        Self {
            frame_max: 131_072,
            ..Self::default()
        }
    }

    /// Says everything up to `connection.open`, without waiting for what the server says in between. Its methods come
    /// from [`next`](Self::next): `start`, `tune`, `open-ok`.
    pub fn handshake(&mut self, virtual_host: &str, user: &str, password: &str) {
        self.handshake_with(&Handshake::plain(virtual_host, user, password));
    }

    /// The same in words of one's own.
    pub fn handshake_with(&mut self, handshake: &Handshake<'_>) {
        self.send_octets(PROTOCOL_HEADER);
        self.start_ok(handshake);
        self.tune_ok(handshake.tune);
        self.open(handshake.virtual_host);
    }

    /// Sends `connection.start-ok`.
    pub fn start_ok(&mut self, handshake: &Handshake<'_>) {
        let client_properties = handshake.client_properties.to_bytes();
        self.send(
            0,
            &Method::ConnectionStartOk(connection::StartOk {
                client_properties: TableRef::from_bytes(&client_properties),
                mechanism: handshake.mechanism,
                response: &handshake.response,
                locale: "en_US",
            }),
        );
    }

    /// Sends `connection.tune-ok`.
    pub fn tune_ok(&mut self, tune: Tune) {
        self.frame_max = tune.frame_max;
        self.send(
            0,
            &Method::ConnectionTuneOk(connection::TuneOk {
                channel_max: tune.channel_max,
                frame_max: tune.frame_max,
                heartbeat: tune.heartbeat_s,
            }),
        );
    }

    /// Sends `connection.open`.
    pub fn open(&mut self, virtual_host: &str) {
        self.send(
            0,
            &Method::ConnectionOpen(connection::Open {
                virtual_host,
                capabilities: "",
                insist: false,
            }),
        );
    }

    /// Sends `connection.close`.
    pub fn close(&mut self) {
        self.send(
            0,
            &Method::ConnectionClose(connection::Close {
                reply_code: 200,
                reply_text: "bye",
                class_id: 0,
                method_id: 0,
            }),
        );
    }

    /// Sends `channel.open`.
    pub fn open_channel(&mut self, channel: u16) {
        self.send(
            channel,
            &Method::ChannelOpen(channel::Open { out_of_band: "" }),
        );
    }

    /// Sends `channel.close`.
    pub fn close_channel(&mut self, channel: u16) {
        self.send(
            channel,
            &Method::ChannelClose(channel::Close {
                reply_code: 200,
                reply_text: "bye",
                class_id: 0,
                method_id: 0,
            }),
        );
    }

    /// Sends a method.
    pub fn send(&mut self, channel: u16, method: &Method<'_>) {
        encode::method(&mut self.output, ChannelNumber(channel), method);
    }

    /// Sends a message.
    pub fn publish(
        &mut self,
        channel: u16,
        exchange: &str,
        routing_key: &str,
        properties: &Properties<'_>,
        body: &[u8],
    ) {
        let publish = crate::method::basic::Publish {
            ticket: 0,
            exchange,
            routing_key,
            mandatory: false,
            immediate: false,
        };
        self.send_with_content(channel, &Method::BasicPublish(publish), properties, body);
    }

    /// Sends a method with content: a publish with flags, for instance.
    pub fn send_with_content(
        &mut self,
        channel: u16,
        method: &Method<'_>,
        properties: &Properties<'_>,
        body: &[u8],
    ) {
        let mut header = Vec::new();
        properties.encode(body.len() as u64, &mut header);
        self.send(channel, method);
        encode::content(
            &mut self.output,
            ChannelNumber(channel),
            &header,
            body,
            self.frame_max,
        );
    }

    /// Sends a frame of any kind: 1 method, 2 header, 3 body, 8 heartbeat.
    pub fn send_frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        frame::put_payload(&mut self.output, kind, channel, payload);
    }

    /// Sends a heartbeat.
    pub fn heartbeat(&mut self) {
        encode::heartbeat(&mut self.output);
    }

    /// Sends anything.
    pub fn send_octets(&mut self, octets: &[u8]) {
        self.output.extend_from_slice(octets);
    }

    /// What was sent since the last time: input of the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Hears octets of the server, of any number of frames or parts of frames.
    ///
    /// # Panics
    /// If they are nothing that a server may send.
    pub fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        if self.input.starts_with(b"AMQP") {
            if let Some((header, rest)) = self.input.split_first_chunk::<8>() {
                self.refusal = Some(*header);
                self.input = rest.to_vec();
            }
            return;
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        let limit = match self.frame_max {
            0 => u32::MAX,
            frame_max => frame_max - FRAME_OVERHEAD,
        };
        loop {
            match Frame::split(&mut rest, limit) {
                Ok(Some(frame)) => self.receive_frame(frame, limit),
                Ok(None) => break,
                Err(unframed) => panic!("the server sent no frame: {unframed}"),
            }
        }
        self.input = rest.to_vec();
    }

    fn receive_frame(&mut self, frame: Frame<'_>, limit: u32) {
        assert!(
            frame.payload.len() <= limit as usize,
            "the server sent a frame beyond the agreed limit"
        );
        match frame.kind {
            frame::METHOD => {
                assert!(
                    self.pending.is_none(),
                    "the server sent a method within content"
                );
                let received = Received::new(frame.channel, frame.payload);
                if received.method().has_content() {
                    self.pending = Some(received);
                } else {
                    self.received.push_back(received);
                }
            }
            frame::HEADER | frame::BODY => {
                let mut pending = self
                    .pending
                    .take()
                    .expect("the server sends content only after a method that has some");
                assert_eq!(
                    pending.channel.0, frame.channel,
                    "the server mixes contents of channels"
                );
                if frame.kind == frame::HEADER {
                    pending.handle_header(frame.payload);
                } else {
                    pending.handle_body(frame.payload);
                }
                if pending.is_whole() {
                    self.received.push_back(pending);
                } else {
                    self.pending = Some(pending);
                }
            }
            frame::HEARTBEAT => self.heartbeats += 1,
            kind => panic!("the server sent a frame of type {kind}"),
        }
    }

    /// The next method of the server, with its content if it has some. (An iterator would end where more may come.)
    #[expect(
        clippy::should_implement_trait,
        reason = "a client has more to hear after it heard nothing for a while"
    )]
    pub fn next(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    /// The next method, which must be this one.
    ///
    /// # Panics
    /// If it is another, or none came.
    #[track_caller]
    pub fn expect(&mut self, id: MethodId) -> Received {
        match self.next() {
            Some(received) if received.id() == id => received,
            Some(received) => panic!("expected {id}, got {:?}", received.method()),
            None => panic!("expected {id}, got nothing"),
        }
    }

    /// All methods that came and were not asked for.
    pub fn drain(&mut self) -> Vec<Received> {
        self.received.drain(..).collect()
    }

    /// How many heartbeats came so far.
    pub fn heartbeats(&self) -> usize {
        self.heartbeats
    }

    /// The protocol header with which the server refused ours.
    pub fn refusal(&self) -> Option<[u8; 8]> {
        self.refusal
    }
}
