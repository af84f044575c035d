//! Why a request fails, and what that closes.

use std::borrow::Cow;

use trefoil_amqp::{ChannelNumber, CloseReason, MethodId, ReplyCode};

use super::Broker;
use crate::slab::Key;

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Closes the channel, or the connection if the code says so.
    Refused {
        code: ReplyCode,
        text: Cow<'static, str>,
    },
    /// Whoever asked is gone.
    Gone,
}

impl Failure {
    pub(crate) fn channel(code: ReplyCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused {
            code,
            text: text.into(),
        }
    }

    pub(crate) fn connection(code: ReplyCode, text: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!(code.is_hard());
        Self::channel(code, text)
    }

    pub(crate) fn precondition(text: impl Into<Cow<'static, str>>) -> Self {
        Self::channel(ReplyCode::PreconditionFailed, text)
    }
}

impl From<crate::routing::Refusal> for Failure {
    fn from(refusal: crate::routing::Refusal) -> Self {
        Self::channel(refusal.code, refusal.text)
    }
}

impl From<crate::arguments::ArgumentError> for Failure {
    fn from(error: crate::arguments::ArgumentError) -> Self {
        Self::precondition(error.to_string())
    }
}

impl From<crate::access::AccessError> for Failure {
    fn from(error: crate::access::AccessError) -> Self {
        Self::channel(error.reply_code(), error.to_string())
    }
}

impl From<crate::access::LimitError> for Failure {
    fn from(error: crate::access::LimitError) -> Self {
        Self::channel(error.reply_code(), error.to_string())
    }
}

impl Broker {
    /// Closes what a failure closes. What the channel or the connection held is released first.
    pub(super) fn fail(
        &mut self,
        session: Key,
        channel: ChannelNumber,
        failure: Failure,
        method: MethodId,
        now: u64,
    ) {
        let Failure::Refused { code, text } = failure else {
            return;
        };
        let reason = CloseReason::new(code, text, method);
        if code.is_hard() {
            self.release_session(session, now);
            if let Some(state) = self.clients.sessions.get_mut(session) {
                state.connection.close(&reason, now);
            }
        } else {
            self.release_channel(session, channel, now);
            if let Some(state) = self.clients.sessions.get_mut(session) {
                state.connection.close_channel(channel, &reason);
            }
        }
        self.clients.touch(session);
    }
}
