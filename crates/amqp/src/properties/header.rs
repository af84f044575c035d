//! Looking properties up in a content header that stays as it is.

use std::ops::Range;

use super::{CLASS_BASIC, HEADER_MIN};
use crate::{Malformed, TableRef};

/// How a property lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// As many octets.
    Fixed(usize),
    /// A length of one octet, and the octets.
    Short,
    /// A length of four octets, and the octets.
    Long,
}

macro_rules! properties {
    ($($(#[$doc:meta])* $variant:ident = $place:literal, $layout:expr;)*) => {
        /// A property of a message, in the order on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Property {
            $($(#[$doc])* $variant = $place,)*
        }

        impl Property {
            /// All properties, in the order on the wire.
            pub const ALL: [Self; 14] = [$(Self::$variant),*];

            const fn layout(self) -> Layout {
                match self {
                    $(Self::$variant => $layout,)*
                }
            }
        }
    };
}

properties! {
    /// `content-type`.
    ContentType = 0, Layout::Short;
    /// `content-encoding`.
    ContentEncoding = 1, Layout::Short;
    /// `headers`.
    Headers = 2, Layout::Long;
    /// `delivery-mode`.
    DeliveryMode = 3, Layout::Fixed(1);
    /// `priority`.
    Priority = 4, Layout::Fixed(1);
    /// `correlation-id`.
    CorrelationId = 5, Layout::Short;
    /// `reply-to`.
    ReplyTo = 6, Layout::Short;
    /// `expiration`.
    Expiration = 7, Layout::Short;
    /// `message-id`.
    MessageId = 8, Layout::Short;
    /// `timestamp`.
    Timestamp = 9, Layout::Fixed(8);
    /// `type`.
    Kind = 10, Layout::Short;
    /// `user-id`.
    UserId = 11, Layout::Short;
    /// `app-id`.
    AppId = 12, Layout::Short;
    /// `cluster-id`.
    ClusterId = 13, Layout::Short;
}

impl Property {
    /// The property's flag: the first property has the highest.
    pub const fn bit(self) -> u16 {
        0x8000 >> self as u8
    }
}

/// Which properties a header has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyFlags(u16);

impl PropertyFlags {
    /// Announces another word of flags. The bit above it belongs to no property either; as RabbitMQ does, it is left to
    /// mean nothing.
    const CONTINUATION: u16 = 1;
    /// The two bits without a property.
    const UNUSED: u16 = 0b11;

    /// The flags of a header.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The flags as they are on the wire.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether the property is there.
    #[inline]
    pub const fn has(self, property: Property) -> bool {
        self.0 & property.bit() != 0
    }
}

/// The payload of a content header frame, kept as it came and looked into.
///
/// A look-up steps over what precedes the property and costs nanoseconds; one for a property that is not there costs a
/// comparison. In a malformed header, what cannot be reached counts as absent. Headers of `Event::Publish` were
/// [validated](Self::validate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a>(&'a [u8]);

impl<'a> ContentHeader<'a> {
    /// Takes octets as a header.
    #[inline]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    /// The whole payload.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// How many octets the body has.
    pub fn body_size(self) -> u64 {
        self.0
            .get(4..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |octets| u64::from_be_bytes(*octets))
    }

    /// Which properties are there.
    #[inline]
    pub fn flags(self) -> PropertyFlags {
        PropertyFlags(
            self.0
                .get(12..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |octets| u16::from_be_bytes(*octets)),
        )
    }

    /// Where a property lies in the payload, its length octets included.
    #[inline]
    pub fn range(self, property: Property) -> Option<Range<usize>> {
        let flags = self.flags();
        if !flags.has(property) {
            return None;
        }
        let mut at = HEADER_MIN;
        let mut before = flags.0 & !(property.bit() | (property.bit() - 1));
        while before != 0 {
            let place = before.leading_zeros() as usize;
            at = self.end_of(Property::ALL[place], at)?;
            before &= !(0x8000 >> place);
        }
        Some(at..self.end_of(property, at)?)
    }

    /// Where the property that begins at `at` ends.
    #[inline]
    fn end_of(self, property: Property, at: usize) -> Option<usize> {
        let rest = self.0.get(at..)?;
        let len = match property.layout() {
            Layout::Fixed(len) => len,
            Layout::Short => 1 + usize::from(*rest.first()?),
            Layout::Long => 4 + u32::from_be_bytes(*rest.first_chunk()?) as usize,
        };
        (len <= rest.len()).then_some(at + len)
    }

    /// Gives every property with its octets, lengths included.
    pub(super) fn walk(self, mut see: impl FnMut(Property, &'a [u8])) -> Result<(), Malformed> {
        if self.0.len() < HEADER_MIN {
            return Err(Malformed::Truncated { offset: 0 });
        }
        let flags = self.flags();
        if flags.0 & PropertyFlags::CONTINUATION != 0 {
            return Err(Malformed::UnknownProperty);
        }
        let mut at = HEADER_MIN;
        let mut left = flags.0 & !PropertyFlags::UNUSED;
        while left != 0 {
            let place = left.leading_zeros() as usize;
            let property = Property::ALL[place];
            let end = self
                .end_of(property, at)
                .ok_or(Malformed::Truncated { offset: at })?;
            see(property, &self.0[at..end]);
            at = end;
            left &= !(0x8000 >> place);
        }
        if at == self.0.len() {
            Ok(())
        } else {
            Err(Malformed::TrailingOctets { offset: at })
        }
    }

    /// Checks that every property is whole, that nothing follows, and that the headers are a field table.
    ///
    /// # Errors
    /// Octets missing or left over, flags that do not exist, a malformed table.
    #[inline]
    pub fn validate(self) -> Result<(), Malformed> {
        self.walk(|_, _| ())?;
        match self.range(Property::Headers) {
            None => Ok(()),
            Some(range) => {
                let start = range.start + 4;
                TableRef::from_bytes(&self.0[start..range.end])
                    .validate()
                    .map_err(|error| error.shifted(start))
            }
        }
    }

    fn octets(self, property: Property, prefix: usize) -> Option<&'a [u8]> {
        self.range(property)
            .map(|range| &self.0[range.start + prefix..range.end])
    }

    /// 1 transient, 2 persistent; 1 when nothing is said.
    #[inline]
    pub fn delivery_mode(self) -> u8 {
        self.octets(Property::DeliveryMode, 0)
            .map_or(1, |octets| octets[0])
    }

    /// Whether the message is to outlive the broker.
    #[inline]
    pub fn is_persistent(self) -> bool {
        self.delivery_mode() == 2
    }

    /// The priority.
    #[inline]
    pub fn priority(self) -> Option<u8> {
        self.octets(Property::Priority, 0).map(|octets| octets[0])
    }

    /// The lifetime in milliseconds, as decimal digits.
    #[inline]
    pub fn expiration(self) -> Option<&'a [u8]> {
        self.octets(Property::Expiration, 1)
    }

    /// Where a reply goes.
    #[inline]
    pub fn reply_to(self) -> Option<&'a [u8]> {
        self.octets(Property::ReplyTo, 1)
    }

    /// Who published.
    #[inline]
    pub fn user_id(self) -> Option<&'a [u8]> {
        self.octets(Property::UserId, 1)
    }

    /// The headers.
    #[inline]
    pub fn headers(self) -> Option<TableRef<'a>> {
        self.octets(Property::Headers, 4).map(TableRef::from_bytes)
    }

    /// Class and weight, as content assembly checks them.
    pub(crate) fn class(self) -> Option<u16> {
        self.0
            .first_chunk()
            .map(|octets| u16::from_be_bytes(*octets))
    }

    pub(crate) fn is_basic(self) -> bool {
        self.class() == Some(CLASS_BASIC)
    }

    pub(crate) fn weight(self) -> u16 {
        self.0
            .get(2..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |octets| u16::from_be_bytes(*octets))
    }
}
