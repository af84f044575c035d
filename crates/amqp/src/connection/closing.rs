//! The ways a connection ends.

use super::handshake::offending_method;
use super::timers::{CLOSE_TIMEOUT_MS, HANDSHAKE_CLOSE_TIMEOUT_MS, SILENT_CLOSE_MS};
use super::{Connection, Phase, method_id};
use crate::frame::{self, Frame, Octets, Snippet, Unframed};
use crate::method::connection::{Close, CloseOk};
use crate::{CloseReason, Event, Malformed, Method, MethodId, ReplyCode};

impl Connection {
    /// Closes the connection for a reason of the broker's: sends `connection.close` and discards what comes until
    /// `close-ok`. A client that has not got as far as `tune-ok` is not told, except of limits it cannot have.
    pub fn close(&mut self, reason: &CloseReason, now: u64) {
        match self.phase {
            Phase::Running | Phase::Opening | Phase::OpenRequested => {
                self.send_close_and_wait(reason, now)
            }
            Phase::Tuning if reason.code == ReplyCode::NotAllowed => {
                self.send_close_and_wait(reason, now)
            }
            Phase::Header | Phase::Starting | Phase::Securing { .. } | Phase::Tuning => {
                self.phase = Phase::Silent {
                    deadline: now.saturating_add(SILENT_CLOSE_MS),
                };
            }
            Phase::CloseRequested
            | Phase::Closing { .. }
            | Phase::Silent { .. }
            | Phase::Closed => {}
        }
    }

    fn send_close_and_wait(&mut self, reason: &CloseReason, now: u64) {
        self.send_close(reason);
        self.channels.clear();
        let wait = match self.phase {
            Phase::Running | Phase::Opening | Phase::OpenRequested => {
                match u64::from(self.tune.heartbeat_s) * 1000 {
                    0 => CLOSE_TIMEOUT_MS,
                    heartbeat => heartbeat.min(CLOSE_TIMEOUT_MS),
                }
            }
            _ => HANDSHAKE_CLOSE_TIMEOUT_MS,
        };
        self.phase = Phase::Closing {
            deadline: now.saturating_add(wait),
        };
    }

    pub(super) fn send_close(&mut self, reason: &CloseReason) {
        self.send_on_connection(&Method::ConnectionClose(Close {
            reply_code: reason.code.value(),
            reply_text: &reason.reply_text(),
            class_id: reason.method.class,
            method_id: reason.method.method,
        }));
    }

    /// Answers [`Event::CloseRequested`], after everything of the connection is released. The socket is left to the
    /// client to close, for a while.
    pub fn close_ok(&mut self, now: u64) {
        if self.phase == Phase::CloseRequested {
            self.send_on_connection(&Method::ConnectionCloseOk(CloseOk {}));
            self.phase = Phase::Silent {
                deadline: now.saturating_add(SILENT_CLOSE_MS),
            };
        }
    }

    /// The peer broke the protocol.
    pub(super) fn fail(&mut self, reason: CloseReason, now: u64) -> Event<'static> {
        self.close(&reason, now);
        Event::Violation(reason)
    }

    /// As [`fail`](Self::fail), with a text that shows the frame.
    pub(super) fn fail_with_frame(
        &mut self,
        code: ReplyCode,
        frame: &Frame<'_>,
        tail: &str,
        now: u64,
    ) -> Event<'static> {
        let text = format!(
            "{}{tail}",
            Snippet {
                kind: frame.kind,
                payload: frame.payload
            }
        );
        self.fail(CloseReason::new(code, text, MethodId::NONE), now)
    }

    /// A method cannot be read.
    pub(super) fn fail_to_decode(
        &mut self,
        payload: &[u8],
        error: Malformed,
        now: u64,
    ) -> Event<'static> {
        let text = match error {
            Malformed::NotUtf8 { .. } => "Malformed UTF-8 in shortstr".to_owned(),
            Malformed::Truncated { .. } | Malformed::TrailingOctets { .. } => {
                format!(
                    "cannot decode {}",
                    Octets(payload.get(4..).unwrap_or_default())
                )
            }
            Malformed::UnknownMethod(_)
            | Malformed::UnknownTag { .. }
            | Malformed::TooDeep { .. }
            | Malformed::UnknownProperty => format!("cannot decode: {error}"),
        };
        self.fail(
            CloseReason::new(ReplyCode::FrameError, text, offending_method(payload)),
            now,
        )
    }

    /// Octets that are no frame: whatever follows cannot be understood either, so the peer is told, if it is far enough,
    /// and left some time to read it. `None` if the broker knows already that the connection ends.
    pub(super) fn lose(&mut self, unframed: Unframed<'_>, now: u64) -> Option<Event<'static>> {
        let reason = CloseReason::new(ReplyCode::FrameError, unframed.to_string(), MethodId::NONE);
        let is_news = match self.phase {
            Phase::Running | Phase::Opening => {
                self.send_close(&reason);
                true
            }
            Phase::CloseRequested | Phase::Closing { .. } => false,
            _ => true,
        };
        self.channels.clear();
        self.phase = Phase::Silent {
            deadline: now.saturating_add(SILENT_CLOSE_MS),
        };
        is_news.then_some(Event::Violation(reason))
    }

    /// While either side closes, only the closing itself is of interest.
    pub(super) fn handle_frame_while_closing(&mut self, frame: Frame<'_>) {
        if frame.kind != frame::METHOD {
            return;
        }
        match (method_id(frame.payload), self.phase) {
            // Both sides close at once. Our own close is still to be answered.
            (Some(MethodId::CONNECTION_CLOSE), Phase::Closing { .. }) => {
                self.send_on_connection(&Method::ConnectionCloseOk(CloseOk {}));
            }
            (Some(MethodId::CONNECTION_CLOSE_OK), Phase::Closing { .. }) => {
                self.phase = Phase::Closed
            }
            _ => {}
        }
    }
}
