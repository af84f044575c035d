//! Content headers: the properties of a message.
//!
//! ```text
//! class (60) | weight (0) | body size | flags | the properties whose flag is set, in the order of the flags
//!        u16 |        u16 |       u64 |   u16 |
//! ```
//! The broker keeps the header as it came. [`ContentHeader`] looks single properties up in it without reading the
//! others more than is needed to step over them; [`Properties`] has all of them.

mod header;

pub use header::{ContentHeader, Property, PropertyFlags};

use crate::wire::{put_long, put_short};
use crate::{Malformed, TableRef};

/// Class basic, the only one with content.
pub(crate) const CLASS_BASIC: u16 = 60;
/// Class, weight, body size and flags.
pub(crate) const HEADER_MIN: usize = 14;

/// The properties of a message, borrowed from a content header. Short strings are octets: nobody promises UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    /// MIME type.
    pub content_type: Option<&'a [u8]>,
    /// MIME encoding.
    pub content_encoding: Option<&'a [u8]>,
    /// Headers, not looked through.
    pub headers: Option<TableRef<'a>>,
    /// 1 transient, 2 persistent.
    pub delivery_mode: Option<u8>,
    /// 0 to 255, the higher the sooner.
    pub priority: Option<u8>,
    /// Which request a reply answers.
    pub correlation_id: Option<&'a [u8]>,
    /// Where a reply goes.
    pub reply_to: Option<&'a [u8]>,
    /// Lifetime in milliseconds, as decimal digits.
    pub expiration: Option<&'a [u8]>,
    /// The application's name of the message.
    pub message_id: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub timestamp: Option<u64>,
    /// The application's type of message.
    pub kind: Option<&'a [u8]>,
    /// Who published.
    pub user_id: Option<&'a [u8]>,
    /// Which application published.
    pub app_id: Option<&'a [u8]>,
    /// A remnant.
    pub cluster_id: Option<&'a [u8]>,
}

impl<'a> Properties<'a> {
    /// Reads the payload of a content header frame.
    ///
    /// # Errors
    /// Octets missing or left over, flags that do not exist.
    pub fn parse(header_payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut properties = Self::default();
        ContentHeader::new(header_payload).walk(|property, octets| {
            let octet = octets.first().copied();
            match property {
                Property::ContentType => properties.content_type = Some(&octets[1..]),
                Property::ContentEncoding => properties.content_encoding = Some(&octets[1..]),
                Property::Headers => properties.headers = Some(TableRef::from_bytes(&octets[4..])),
                Property::DeliveryMode => properties.delivery_mode = octet,
                Property::Priority => properties.priority = octet,
                Property::CorrelationId => properties.correlation_id = Some(&octets[1..]),
                Property::ReplyTo => properties.reply_to = Some(&octets[1..]),
                Property::Expiration => properties.expiration = Some(&octets[1..]),
                Property::MessageId => properties.message_id = Some(&octets[1..]),
                Property::Timestamp => {
                    properties.timestamp = octets.first_chunk().map(|b| u64::from_be_bytes(*b))
                }
                Property::Kind => properties.kind = Some(&octets[1..]),
                Property::UserId => properties.user_id = Some(&octets[1..]),
                Property::AppId => properties.app_id = Some(&octets[1..]),
                Property::ClusterId => properties.cluster_id = Some(&octets[1..]),
            }
        })?;
        Ok(properties)
    }

    /// Appends a whole payload of a content header frame. Short strings that are too long are cut.
    pub fn encode(&self, body_size: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&CLASS_BASIC.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&body_size.to_be_bytes());
        out.extend_from_slice(&self.flags().bits().to_be_bytes());
        let short = |property: Option<&[u8]>, out: &mut Vec<u8>| {
            if let Some(octets) = property {
                put_short(out, octets);
            }
        };
        short(self.content_type, out);
        short(self.content_encoding, out);
        if let Some(headers) = self.headers {
            put_long(out, headers.as_bytes());
        }
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        short(self.correlation_id, out);
        short(self.reply_to, out);
        short(self.expiration, out);
        short(self.message_id, out);
        if let Some(timestamp) = self.timestamp {
            out.extend_from_slice(&timestamp.to_be_bytes());
        }
        short(self.kind, out);
        short(self.user_id, out);
        short(self.app_id, out);
        short(self.cluster_id, out);
    }

    /// Which properties are there.
    pub fn flags(&self) -> PropertyFlags {
        let present = [
            self.content_type.is_some(),
            self.content_encoding.is_some(),
            self.headers.is_some(),
            self.delivery_mode.is_some(),
            self.priority.is_some(),
            self.correlation_id.is_some(),
            self.reply_to.is_some(),
            self.expiration.is_some(),
            self.message_id.is_some(),
            self.timestamp.is_some(),
            self.kind.is_some(),
            self.user_id.is_some(),
            self.app_id.is_some(),
            self.cluster_id.is_some(),
        ];
        let bits = Property::ALL
            .iter()
            .zip(present)
            .filter(|(_, present)| *present);
        PropertyFlags::from_bits(bits.fold(0, |bits, (property, _)| bits | property.bit()))
    }
}

#[cfg(test)]
mod tests;
