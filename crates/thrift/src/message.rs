//! Messages: what goes around the struct of arguments or of a result.

use std::borrow::Cow;

use crate::{Malformed, Reader, Result, WireType, Writer, malformed::Fault};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// A call that will be answered.
    Call,
    /// The answer: what the method returned, or an exception that it declares.
    Reply,
    /// The other answer: an [`ApplicationError`].
    Exception,
    /// A call that will not be answered.
    Oneway,
}

impl MessageKind {
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Call => 1,
            Self::Reply => 2,
            Self::Exception => 3,
            Self::Oneway => 4,
        }
    }

    /// Of its number on the wire.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Call,
            2 => Self::Reply,
            3 => Self::Exception,
            4 => Self::Oneway,
            _ => return None,
        })
    }
}

/// What comes before the struct of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHeader<'a> {
    /// The method; for a multiplexed call with the service in front: `Calculator:add`.
    pub name: Cow<'a, str>,
    /// What the message is.
    pub kind: MessageKind,
    /// A number that the answer repeats. It means nothing else: many clients use 0 for all.
    pub sequence: i32,
}

/// Kinds of application errors, by their numbers on the wire (`TApplicationException`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplicationErrorKind {
    /// 0.
    Unknown,
    /// 1: there is no such method, or no such service.
    UnknownMethod,
    /// 2: neither a call nor one-way.
    InvalidMessageType,
    /// 3: the answer is to another method.
    WrongMethodName,
    /// 4: the answer is to another call.
    BadSequenceId,
    /// 5: the answer has no result.
    MissingResult,
    /// 6: the method failed in a way that it does not declare.
    InternalError,
    /// 7: the bytes are not what they should be.
    ProtocolError,
    /// 8: a transform that is not supported.
    InvalidTransform,
    /// 9: a protocol that is not supported.
    InvalidProtocol,
    /// 10: a client that is not supported.
    UnsupportedClientType,
}

impl ApplicationErrorKind {
    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Of its number on the wire; unknown numbers are [`Unknown`](Self::Unknown).
    #[must_use]
    pub const fn of(number: i32) -> Self {
        match number {
            1 => Self::UnknownMethod,
            2 => Self::InvalidMessageType,
            3 => Self::WrongMethodName,
            4 => Self::BadSequenceId,
            5 => Self::MissingResult,
            6 => Self::InternalError,
            7 => Self::ProtocolError,
            8 => Self::InvalidTransform,
            9 => Self::InvalidProtocol,
            10 => Self::UnsupportedClientType,
            _ => Self::Unknown,
        }
    }
}

/// `TApplicationException`: why a call failed otherwise than its method declares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} (TApplicationException {})", .kind.number())]
pub struct ApplicationError {
    /// Which kind.
    pub kind: ApplicationErrorKind,
    /// A text for people.
    pub text: String,
}

impl ApplicationError {
    /// An error of a kind with a text.
    pub fn new(kind: ApplicationErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Reads the struct, as it comes after the header of an exception message.
    ///
    /// # Errors
    ///
    /// If the bytes are not a struct.
    pub fn read<R: Reader>(reader: &mut R) -> Result<Self> {
        let mut error = Self::new(ApplicationErrorKind::Unknown, "");
        let nest = reader.struct_begin()?;
        while let Some(field) = reader.field_begin()? {
            match (field.id, field.wire) {
                (1, WireType::String) => {
                    error.text = String::from_utf8_lossy(reader.bytes()?).into_owned();
                }
                (2, WireType::I32) => error.kind = ApplicationErrorKind::of(reader.i32()?),
                _ => reader.skip(field.wire)?,
            }
            reader.field_end()?;
        }
        reader.struct_end(nest)?;
        Ok(error)
    }

    /// Writes the struct.
    pub fn write<W: Writer>(&self, writer: &mut W) {
        let nest = writer.struct_begin();
        writer.field_begin(WireType::String, 1);
        writer.string(&self.text);
        writer.field_end();
        writer.field_begin(WireType::I32, 2);
        writer.i32(self.kind.number());
        writer.field_end();
        writer.struct_end(nest);
    }
}

/// The kind of a message by its number.
///
/// # Errors
///
/// If there is none with that number.
pub(crate) fn kind_of(number: u8, offset: usize) -> Result<MessageKind> {
    MessageKind::of(number).ok_or_else(|| Malformed::new(Fault::NoMessageKind(number), offset))
}
