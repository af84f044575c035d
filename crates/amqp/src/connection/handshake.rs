//! From the protocol header to `open-ok`, and the methods of class connection.

use std::borrow::Cow;

use super::timers::SILENT_CLOSE_MS;
use super::{Capabilities, Connection, Phase, is_known, method_id};
use crate::frame::{self, FRAME_MAX_MIN, FRAME_OVERHEAD, Frame};
use crate::method::connection::{
    OpenOk, Secure, Start, StartOk, Tune as TuneMethod, TuneOk, UpdateSecretOk,
};
use crate::{CloseReason, Event, Method, MethodId, ReplyCode, Table, TableRef, Tune};

/// The one protocol spoken here, as a client's first octets name it and ours do when we refuse another.
const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// The header of 0-9, which is 0-9-1 in all that matters.
const PROTOCOL_HEADER_0_9: [u8; 8] = *b"AMQP\x01\x01\x00\x09";
/// A connection without a channel is of no use.
const CHANNEL_MAX_MIN: u16 = 1;

impl Connection {
    /// `Ok(true)`: it was a good one. `Ok(false)`: it is not whole yet.
    pub(super) fn handle_protocol_header(
        &mut self,
        input: &mut &[u8],
    ) -> Result<bool, Event<'static>> {
        let Some((header, rest)) = input.split_first_chunk::<8>() else {
            return Ok(false);
        };
        if *header == PROTOCOL_HEADER || *header == PROTOCOL_HEADER_0_9 {
            *input = rest;
            self.send_start();
            return Ok(true);
        }
        // Who speaks something else learns what is spoken here.
        self.output.extend_from_slice(&PROTOCOL_HEADER);
        self.phase = Phase::Closed;
        let text = match header {
            [b'A', b'M', b'Q', b'P', id, major, minor, revision] => {
                format!("unsupported protocol version {id} {major} {minor} {revision}").into()
            }
            [b'G', b'E', b'T', b' ', ..] => Cow::Borrowed("an HTTP client on the port of AMQP"),
            [0x16, 0x03, ..] => Cow::Borrowed("a TLS client on the port of AMQP without TLS"),
            other => format!("no protocol header but '{}'", other.escape_ascii()).into(),
        };
        *input = &[];
        Err(Event::Violation(CloseReason::new(
            ReplyCode::NotImplemented,
            text,
            MethodId::NONE,
        )))
    }

    fn send_start(&mut self) {
        let server_properties = self.settings.server_properties.to_bytes();
        let mechanisms = self.settings.mechanisms.join(" ");
        self.send_on_connection(&Method::ConnectionStart(Start {
            version_major: 0,
            version_minor: 9,
            server_properties: TableRef::from_bytes(&server_properties),
            mechanisms: mechanisms.as_bytes(),
            locales: b"en_US",
        }));
        self.phase = Phase::Starting;
    }

    /// A frame of channel 0, or any frame before the connection is open.
    pub(super) fn handle_connection_frame<'a>(
        &mut self,
        frame: Frame<'a>,
        now: u64,
    ) -> Option<Event<'a>> {
        if frame.channel != 0 {
            return Some(self.fail_with_frame(ReplyCode::UnexpectedFrame, &frame, "", now));
        }
        if !is_known(&frame) {
            return Some(self.fail_with_frame(
                ReplyCode::FrameError,
                &frame,
                ": unknown_frame",
                now,
            ));
        }
        match frame.kind {
            frame::METHOD => match Method::decode(frame.payload) {
                Ok(method) => self.handle_connection_method(method, now),
                Err(error) => Some(self.fail_to_decode(frame.payload, error, now)),
            },
            frame::HEARTBEAT => None,
            _ => Some(self.fail_with_frame(ReplyCode::UnexpectedFrame, &frame, "", now)),
        }
    }

    fn handle_connection_method<'a>(&mut self, method: Method<'a>, now: u64) -> Option<Event<'a>> {
        match (self.phase, method) {
            (Phase::Starting, Method::ConnectionStartOk(start_ok)) => {
                Some(self.handle_start_ok(start_ok, now))
            }
            (
                Phase::Securing {
                    awaiting_broker: false,
                },
                Method::ConnectionSecureOk(secure_ok),
            ) => {
                self.phase = Phase::Securing {
                    awaiting_broker: true,
                };
                let mechanism = Cow::Owned(self.mechanism.clone());
                Some(Event::Authenticate {
                    mechanism,
                    response: secure_ok.response,
                })
            }
            (Phase::Tuning, Method::ConnectionTuneOk(tune_ok)) => self.handle_tune_ok(tune_ok, now),
            (Phase::Opening, Method::ConnectionOpen(open)) => {
                self.phase = Phase::OpenRequested;
                Some(Event::Open {
                    virtual_host: open.virtual_host,
                })
            }
            (Phase::Running, Method::ConnectionUpdateSecret(update)) => Some(Event::UpdateSecret {
                secret: update.new_secret,
                reason: update.reason,
            }),
            (Phase::Running, Method::ConnectionClose(close)) => {
                self.phase = Phase::CloseRequested;
                self.channels.clear();
                Some(Event::CloseRequested {
                    code: close.reply_code,
                    text: close.reply_text,
                })
            }
            (_, method) => {
                let text = format!("unexpected method in connection state {}", self.state());
                Some(self.fail(
                    CloseReason::new(ReplyCode::ChannelError, text, method.id()),
                    now,
                ))
            }
        }
    }

    fn handle_start_ok<'a>(&mut self, start_ok: StartOk<'a>, now: u64) -> Event<'a> {
        self.client_properties = start_ok.client_properties.to_table().unwrap_or_default();
        self.capabilities = Capabilities::of(&self.client_properties);
        start_ok.mechanism.clone_into(&mut self.mechanism);
        if !self
            .settings
            .mechanisms
            .iter()
            .any(|offered| offered == start_ok.mechanism)
        {
            let text = format!("unknown authentication mechanism '{}'", start_ok.mechanism);
            let reason = CloseReason::new(
                ReplyCode::CommandInvalid,
                text,
                MethodId::CONNECTION_START_OK,
            );
            return self.fail(reason, now);
        }
        self.phase = Phase::Securing {
            awaiting_broker: true,
        };
        Event::Authenticate {
            mechanism: Cow::Borrowed(start_ok.mechanism),
            response: start_ok.response,
        }
    }

    fn handle_tune_ok(&mut self, asked: TuneOk, now: u64) -> Option<Event<'static>> {
        let offered = self.tune;
        let checked = check_limit(
            "frame_max",
            asked.frame_max,
            FRAME_MAX_MIN,
            offered.frame_max,
        )
        .and_then(|()| {
            let (asked, offered) = (u32::from(asked.channel_max), u32::from(offered.channel_max));
            check_limit("channel_max", asked, u32::from(CHANNEL_MAX_MIN), offered)
        });
        if let Err(text) = checked {
            return Some(self.fail(
                CloseReason::new(ReplyCode::NotAllowed, text, MethodId::CONNECTION_TUNE),
                now,
            ));
        }
        self.tune = Tune {
            channel_max: asked.channel_max,
            frame_max: asked.frame_max,
            heartbeat_s: asked.heartbeat,
        };
        self.payload_max = match asked.frame_max {
            // Without an agreed limit, a frame may be as long as a body, or anything else a client reasonably sends.
            0 => u32::try_from(self.settings.message_size_max)
                .unwrap_or(u32::MAX)
                .max(FRAME_MAX_MIN),
            frame_max => frame_max - FRAME_OVERHEAD,
        };
        self.channels.set_limit(asked.channel_max);
        self.heartbeats.start(asked.heartbeat, now);
        self.phase = Phase::Opening;
        None
    }

    /// Asks the client for more, by the mechanism it chose.
    pub fn challenge(&mut self, challenge: &[u8]) {
        if self.phase
            == (Phase::Securing {
                awaiting_broker: true,
            })
        {
            self.send_on_connection(&Method::ConnectionSecure(Secure { challenge }));
            self.phase = Phase::Securing {
                awaiting_broker: false,
            };
        }
    }

    /// The client is who it says it is: sends the limits.
    pub fn authenticated(&mut self) {
        if self.phase
            == (Phase::Securing {
                awaiting_broker: true,
            })
        {
            self.send_on_connection(&Method::ConnectionTune(TuneMethod {
                channel_max: self.settings.channel_max,
                frame_max: self.settings.frame_max,
                heartbeat: self.settings.heartbeat_s,
            }));
            self.phase = Phase::Tuning;
        }
    }

    /// The client is not who it says it is. A client that can be told is told 403 with this text; another is cut off
    /// after a while, so that guessing takes time. For a malformed response use [`close`](Self::close) with 502.
    pub fn refuse_authentication(&mut self, text: &str, now: u64) {
        if self.phase
            != (Phase::Securing {
                awaiting_broker: true,
            })
        {
            return;
        }
        let deadline = now.saturating_add(SILENT_CLOSE_MS);
        if self.capabilities.authentication_failure_close {
            let reason =
                CloseReason::new(ReplyCode::AccessRefused, text.to_owned(), MethodId::NONE);
            self.send_close(&reason);
            self.phase = Phase::Closing { deadline };
        } else {
            self.phase = Phase::Silent { deadline };
        }
    }

    /// The virtual host is open to the client.
    pub fn open_ok(&mut self) {
        if self.phase == Phase::OpenRequested {
            self.send_on_connection(&Method::ConnectionOpenOk(OpenOk { known_hosts: "" }));
            self.phase = Phase::Running;
        }
    }

    /// The new secret is good.
    pub fn secret_updated(&mut self) {
        if self.phase == Phase::Running {
            self.send_on_connection(&Method::ConnectionUpdateSecretOk(UpdateSecretOk {}));
        }
    }
}

/// A client may lower a limit, not raise it; 0 is no limit, and so the highest.
fn check_limit(name: &str, asked: u32, min: u32, max: u32) -> Result<(), String> {
    let (comparison, which, limit) = if asked != 0 && asked < min {
        ("lower", "minimum", min)
    } else if max != 0 && (asked == 0 || asked > max) {
        ("higher", "maximum", max)
    } else {
        return Ok(());
    };
    let detail = if asked == 0 { " (no limit)" } else { "" };
    Err(format!(
        "negotiated {name} = {asked}{detail} is {comparison} than the {which} allowed value ({limit})"
    ))
}

impl Capabilities {
    fn of(client_properties: &Table) -> Self {
        let table = client_properties
            .get("capabilities")
            .and_then(|value| value.as_table());
        let has = |name| {
            table
                .and_then(|table| table.get(name))
                .and_then(|value| value.as_bool())
                .unwrap_or(false)
        };
        Self {
            authentication_failure_close: has("authentication_failure_close"),
            connection_blocked: has("connection.blocked"),
            consumer_cancel_notify: has("consumer_cancel_notify"),
            basic_nack: has("basic.nack"),
            publisher_confirms: has("publisher_confirms"),
            exchange_exchange_bindings: has("exchange_exchange_bindings"),
        }
    }
}

/// For errors: the method whose payload cannot be read, if it is one.
pub(super) fn offending_method(payload: &[u8]) -> MethodId {
    method_id(payload)
        .filter(|id| id.name().is_some())
        .unwrap_or(MethodId::NONE)
}
