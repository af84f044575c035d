//! The types of field values.

use super::{Value, ValueRef};

/// What values have in common, borrowed or not: their variants are named as the types.
macro_rules! impl_value {
    ($value:ty: $($variant:ident)*) => {
        impl $value {
            /// Which type the value has on the wire.
            pub const fn kind(&self) -> FieldType {
                match self {
                    $(Self::$variant { .. } => FieldType::$variant,)*
                }
            }

            /// The type's name as RabbitMQ prints it, such as `signedint`.
            pub const fn type_name(&self) -> &'static str {
                self.kind().name()
            }

            /// Which types count as the same when a declaration is compared with an earlier one.
            pub const fn type_class(&self) -> TypeClass {
                self.kind().class()
            }

            /// The number, if it is a whole one of any width. Timestamps and decimals are none.
            pub const fn as_integer(&self) -> Option<i64> {
                match *self {
                    Self::I8(value) => Some(value as i64),
                    Self::U8(value) => Some(value as i64),
                    Self::I16(value) => Some(value as i64),
                    Self::U16(value) => Some(value as i64),
                    Self::I32(value) => Some(value as i64),
                    Self::U32(value) => Some(value as i64),
                    Self::I64(value) | Self::I64Upper(value) => Some(value),
                    _ => None,
                }
            }

            /// The truth value.
            pub const fn as_bool(&self) -> Option<bool> {
                match *self {
                    Self::Bool(value) => Some(value),
                    _ => None,
                }
            }
        }
    };
}

macro_rules! field_types {
    ($($(#[$doc:meta])* $variant:ident = $tag:literal, $name:literal, $class:ident;)*) => {
        /// The type of a field's value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum FieldType {
            $($(#[$doc])* $variant = $tag,)*
        }

        impl FieldType {
            /// The type a tag stands for.
            #[inline]
            pub const fn from_tag(tag: u8) -> Option<Self> {
                match tag {
                    $($tag => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name as RabbitMQ prints it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Which types count as the same in comparisons of arguments.
            pub const fn class(self) -> TypeClass {
                match self {
                    $(Self::$variant => TypeClass::$class,)*
                }
            }
        }

        impl_value!(ValueRef<'_>: $($variant)*);
        impl_value!(Value: $($variant)*);
    };
}

field_types! {
    /// A truth value.
    Bool = b't', "bool", Bool;
    /// 8 bits, signed.
    I8 = b'b', "byte", Integer;
    /// 8 bits, unsigned.
    U8 = b'B', "unsignedbyte", Integer;
    /// 16 bits, signed. Other dialects have a short string here; RabbitMQ and its clients do not.
    I16 = b's', "short", Integer;
    /// 16 bits, unsigned.
    U16 = b'u', "unsignedshort", Integer;
    /// 32 bits, signed.
    I32 = b'I', "signedint", Integer;
    /// 32 bits, unsigned.
    U32 = b'i', "unsignedint", Integer;
    /// 64 bits, signed.
    I64 = b'l', "long", Integer;
    /// 64 bits, signed, with the other tag.
    I64Upper = b'L', "long", Integer;
    /// 32 bits, floating.
    F32 = b'f', "float", Float;
    /// 64 bits, floating.
    F64 = b'd', "double", Float;
    /// Digits and the place of the point.
    Decimal = b'D', "decimal", Integer;
    /// Octets, mostly text.
    LongString = b'S', "longstr", LongString;
    /// Values.
    Array = b'A', "array", Array;
    /// Seconds since 1970.
    Timestamp = b'T', "timestamp", Timestamp;
    /// Names and values.
    Table = b'F', "table", Table;
    /// Nothing.
    Void = b'V', "void", Void;
    /// Octets.
    Bytes = b'x', "binary", Bytes;
}

impl FieldType {
    /// The octet on the wire.
    pub const fn tag(self) -> u8 {
        self as u8
    }
}

/// Types that count as the same when a declaration is compared with an earlier one: all whole numbers, and decimals, are
/// one class; floats another; every other type its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeClass {
    /// Truth values.
    Bool,
    /// Whole numbers of any width, and decimals.
    Integer,
    /// Floating point numbers.
    Float,
    /// Long strings.
    LongString,
    /// Arrays.
    Array,
    /// Timestamps.
    Timestamp,
    /// Tables.
    Table,
    /// The void.
    Void,
    /// Byte strings.
    Bytes,
}
