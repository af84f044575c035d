//! Reply codes, and why a connection or a channel is closed.

use std::borrow::Cow;

use crate::MethodId;
use crate::wire::SHORT_STRING_MAX;

macro_rules! reply_codes {
    ($($(#[$doc:meta])* $variant:ident = $value:literal, $name:literal, $hard:literal;)*) => {
        /// Codes of `connection.close`, `channel.close` and `basic.return`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ReplyCode {
            $($(#[$doc])* $variant = $value,)*
        }

        impl ReplyCode {
            /// The number on the wire.
            pub const fn value(self) -> u16 {
                self as u16
            }

            /// The name that opens the reply text.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether the error closes the connection rather than the channel.
            pub const fn is_hard(self) -> bool {
                match self {
                    $(Self::$variant => $hard,)*
                }
            }

            /// The code of a number.
            pub const fn from_value(value: u16) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

reply_codes! {
    /// All is well: the code of a close without a fault.
    Success = 200, "SUCCESS", true;
    /// Content that could not be taken.
    ContentTooLarge = 311, "CONTENT_TOO_LARGE", false;
    /// A mandatory message that no queue took.
    NoRoute = 312, "NO_ROUTE", false;
    /// An immediate message that no consumer took.
    NoConsumers = 313, "NO_CONSUMERS", false;
    /// An operator closed the connection.
    ConnectionForced = 320, "CONNECTION_FORCED", true;
    /// An unknown virtual host.
    InvalidPath = 402, "INVALID_PATH", true;
    /// No permission.
    AccessRefused = 403, "ACCESS_REFUSED", false;
    /// No such entity.
    NotFound = 404, "NOT_FOUND", false;
    /// An entity of somebody else.
    ResourceLocked = 405, "RESOURCE_LOCKED", false;
    /// A condition of the request does not hold.
    PreconditionFailed = 406, "PRECONDITION_FAILED", false;
    /// A frame that could not be read.
    FrameError = 501, "FRAME_ERROR", true;
    /// A field with an impossible value.
    SyntaxError = 502, "SYNTAX_ERROR", true;
    /// A method nobody expects there.
    CommandInvalid = 503, "COMMAND_INVALID", true;
    /// A channel in the wrong state.
    ChannelError = 504, "CHANNEL_ERROR", true;
    /// A frame out of order.
    UnexpectedFrame = 505, "UNEXPECTED_FRAME", true;
    /// The server lacks what it needs.
    ResourceError = 506, "RESOURCE_ERROR", true;
    /// Forbidden to everybody.
    NotAllowed = 530, "NOT_ALLOWED", true;
    /// Never built.
    NotImplemented = 540, "NOT_IMPLEMENTED", true;
    /// Our fault.
    InternalError = 541, "INTERNAL_ERROR", true;
}

impl std::fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why the server closes a connection or a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code.
    pub code: ReplyCode,
    /// The text that follows the code's name and a dash.
    pub text: Cow<'static, str>,
    /// The method that failed; [`MethodId::NONE`] if it was none.
    pub method: MethodId,
}

impl CloseReason {
    /// A reason.
    pub fn new(code: ReplyCode, text: impl Into<Cow<'static, str>>, method: MethodId) -> Self {
        Self {
            code,
            text: text.into(),
            method,
        }
    }

    /// The reply text on the wire, such as `NOT_FOUND - no queue 'q' in vhost '/'`. What a short string cannot hold is
    /// cut, and three dots say so.
    pub fn reply_text(&self) -> String {
        const DOTS: &str = "...";
        if self.text.is_empty() {
            return self.code.name().to_owned();
        }
        let mut text = format!("{} - {}", self.code.name(), self.text);
        if text.len() > SHORT_STRING_MAX {
            text.truncate(text.floor_char_boundary(SHORT_STRING_MAX - DOTS.len()));
            text.push_str(DOTS);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_text_names_the_code_and_fits_a_short_string() {
        let text = |text: &str| {
            CloseReason::new(ReplyCode::NotFound, text.to_owned(), MethodId::NONE).reply_text()
        };
        assert_eq!(text("no queue"), "NOT_FOUND - no queue");
        assert_eq!(text(""), "NOT_FOUND");
        let longest = "x".repeat(255 - "NOT_FOUND - ".len());
        assert_eq!(text(&longest), format!("NOT_FOUND - {longest}"));
        let cut = text(&format!("{longest}x"));
        assert_eq!(cut.len(), 255);
        assert!(cut.ends_with("x..."));
    }

    #[test]
    fn codes_have_one_number_each() {
        for value in 0..=u16::MAX {
            if let Some(code) = ReplyCode::from_value(value) {
                assert_eq!(code.value(), value);
            }
        }
        let is_soft = |value| ReplyCode::from_value(value).is_some_and(|code| !code.is_hard());
        let soft: Vec<u16> = (0..=u16::MAX).filter(|&value| is_soft(value)).collect();
        assert_eq!(soft, [311, 312, 313, 403, 404, 405, 406]);
    }
}
