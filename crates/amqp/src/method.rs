//! Methods: what client and server ask of each other.
//!
//! A method is a class, a number and fields; `<class>` modules have a struct a method, [`Method`] is any of them. Strings
//! and tables borrow from the octets they were read from. On the wire, neighbouring bits share an octet.

mod id;

pub use id::MethodId;

use crate::Malformed;
use crate::wire::Reader;

/// Declares the struct of a method: its fields up to the bits, the bits in `[]`, the fields after them.
macro_rules! method {
    (
        $(#[$meta:meta])* $name:ident<$lifetime:lifetime> { $($field:ident: $kind:ty),* }
        $([$($bit:ident),+] { $($late:ident: $late_kind:ty),* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<$lifetime> {
            $(#[doc = concat!("Field `", stringify!($field), "`.")] pub $field: $kind,)*
            $($(#[doc = concat!("Flag `", stringify!($bit), "`.")] pub $bit: bool,)+
            $(#[doc = concat!("Field `", stringify!($late), "`.")] pub $late: $late_kind,)*)?
        }

        impl<$lifetime> $name<$lifetime> {
            pub(crate) fn read(reader: &mut $crate::wire::Reader<$lifetime>) -> Result<Self, $crate::Malformed> {
                method!(@read reader, { $($field),* } $([$($bit),+] { $($late),* })?)
            }
        }

        impl $name<'_> {
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                method!(@write self, out, { $($field),* } $([$($bit),+] { $($late),* })?)
            }
        }
    };
    (
        $(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty),* }
        $([$($bit:ident),+] { $($late:ident: $late_kind:ty),* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = concat!("Field `", stringify!($field), "`.")] pub $field: $kind,)*
            $($(#[doc = concat!("Flag `", stringify!($bit), "`.")] pub $bit: bool,)+
            $(#[doc = concat!("Field `", stringify!($late), "`.")] pub $late: $late_kind,)*)?
        }

        impl $name {
            pub(crate) fn read(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::Malformed> {
                method!(@read reader, { $($field),* } $([$($bit),+] { $($late),* })?)
            }

            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                method!(@write self, out, { $($field),* } $([$($bit),+] { $($late),* })?)
            }
        }
    };
    (@read $reader:ident, { $($field:ident),* }) => {{
        let _ = &$reader;
        Ok(Self { $($field: $crate::wire::Field::read($reader)?,)* })
    }};
    (@read $reader:ident, { $($field:ident),* } [$($bit:ident),+] { $($late:ident),* }) => {{
        $(let $field = $crate::wire::Field::read($reader)?;)*
        let bits = $reader.octet()?;
        let mut place = 0;
        $(
            let $bit = bits >> place & 1 == 1;
            place += 1;
        )+
        let _ = place;
        $(let $late = $crate::wire::Field::read($reader)?;)*
        Ok(Self { $($field,)* $($bit,)+ $($late,)* })
    }};
    (@write $self:ident, $out:ident, { $($field:ident),* }) => {{
        let _ = &$out;
        $($crate::wire::Field::write(&$self.$field, $out);)*
    }};
    (@write $self:ident, $out:ident, { $($field:ident),* } [$($bit:ident),+] { $($late:ident),* }) => {{
        $($crate::wire::Field::write(&$self.$field, $out);)*
        $out.push($crate::wire::pack_bits(&[$($self.$bit),+]));
        $($crate::wire::Field::write(&$self.$late, $out);)*
    }};
}

pub mod access;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;
pub mod tx;

/// Declares [`Method`] from the list of all methods.
macro_rules! methods {
    ($($id:ident => $variant:ident($($path:ident)::+ $(<$lifetime:lifetime>)?),)*) => {
        /// Any method of client or server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Method<'a> {
            $(
                #[doc = concat!("[`", stringify!($($path)::+), "`].")]
                $variant($($path)::+ $(<$lifetime>)?),
            )*
        }

        impl<'a> Method<'a> {
            /// Reads the payload of a method frame.
            ///
            /// # Errors
            /// Malformed octets, a class or method that does not exist, octets after the last field.
            pub fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
                let mut reader = Reader::new(payload);
                let id = MethodId::from_bytes(reader.array()?);
                let method = match id {
                    $(MethodId::$id => Self::$variant($($path)::+::read(&mut reader)?),)*
                    _ => return Err(Malformed::UnknownMethod(id)),
                };
                reader.finish()?;
                Ok(method)
            }

            /// Which method it is.
            pub const fn id(&self) -> MethodId {
                match self {
                    $(Self::$variant(_) => MethodId::$id,)*
                }
            }

            /// Appends the payload of a method frame: class, number and fields. Short strings that are too long are cut.
            pub fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.id().to_bytes());
                match self {
                    $(Self::$variant(method) => method.write(out),)*
                }
            }
        }
    };
}

methods! {
    CONNECTION_START => ConnectionStart(connection::Start<'a>),
    CONNECTION_START_OK => ConnectionStartOk(connection::StartOk<'a>),
    CONNECTION_SECURE => ConnectionSecure(connection::Secure<'a>),
    CONNECTION_SECURE_OK => ConnectionSecureOk(connection::SecureOk<'a>),
    CONNECTION_TUNE => ConnectionTune(connection::Tune),
    CONNECTION_TUNE_OK => ConnectionTuneOk(connection::TuneOk),
    CONNECTION_OPEN => ConnectionOpen(connection::Open<'a>),
    CONNECTION_OPEN_OK => ConnectionOpenOk(connection::OpenOk<'a>),
    CONNECTION_CLOSE => ConnectionClose(connection::Close<'a>),
    CONNECTION_CLOSE_OK => ConnectionCloseOk(connection::CloseOk),
    CONNECTION_BLOCKED => ConnectionBlocked(connection::Blocked<'a>),
    CONNECTION_UNBLOCKED => ConnectionUnblocked(connection::Unblocked),
    CONNECTION_UPDATE_SECRET => ConnectionUpdateSecret(connection::UpdateSecret<'a>),
    CONNECTION_UPDATE_SECRET_OK => ConnectionUpdateSecretOk(connection::UpdateSecretOk),
    CHANNEL_OPEN => ChannelOpen(channel::Open<'a>),
    CHANNEL_OPEN_OK => ChannelOpenOk(channel::OpenOk<'a>),
    CHANNEL_FLOW => ChannelFlow(channel::Flow),
    CHANNEL_FLOW_OK => ChannelFlowOk(channel::FlowOk),
    CHANNEL_CLOSE => ChannelClose(channel::Close<'a>),
    CHANNEL_CLOSE_OK => ChannelCloseOk(channel::CloseOk),
    ACCESS_REQUEST => AccessRequest(access::Request<'a>),
    ACCESS_REQUEST_OK => AccessRequestOk(access::RequestOk),
    EXCHANGE_DECLARE => ExchangeDeclare(exchange::Declare<'a>),
    EXCHANGE_DECLARE_OK => ExchangeDeclareOk(exchange::DeclareOk),
    EXCHANGE_DELETE => ExchangeDelete(exchange::Delete<'a>),
    EXCHANGE_DELETE_OK => ExchangeDeleteOk(exchange::DeleteOk),
    EXCHANGE_BIND => ExchangeBind(exchange::Bind<'a>),
    EXCHANGE_BIND_OK => ExchangeBindOk(exchange::BindOk),
    EXCHANGE_UNBIND => ExchangeUnbind(exchange::Unbind<'a>),
    EXCHANGE_UNBIND_OK => ExchangeUnbindOk(exchange::UnbindOk),
    QUEUE_DECLARE => QueueDeclare(queue::Declare<'a>),
    QUEUE_DECLARE_OK => QueueDeclareOk(queue::DeclareOk<'a>),
    QUEUE_BIND => QueueBind(queue::Bind<'a>),
    QUEUE_BIND_OK => QueueBindOk(queue::BindOk),
    QUEUE_PURGE => QueuePurge(queue::Purge<'a>),
    QUEUE_PURGE_OK => QueuePurgeOk(queue::PurgeOk),
    QUEUE_DELETE => QueueDelete(queue::Delete<'a>),
    QUEUE_DELETE_OK => QueueDeleteOk(queue::DeleteOk),
    QUEUE_UNBIND => QueueUnbind(queue::Unbind<'a>),
    QUEUE_UNBIND_OK => QueueUnbindOk(queue::UnbindOk),
    BASIC_QOS => BasicQos(basic::Qos),
    BASIC_QOS_OK => BasicQosOk(basic::QosOk),
    BASIC_CONSUME => BasicConsume(basic::Consume<'a>),
    BASIC_CONSUME_OK => BasicConsumeOk(basic::ConsumeOk<'a>),
    BASIC_CANCEL => BasicCancel(basic::Cancel<'a>),
    BASIC_CANCEL_OK => BasicCancelOk(basic::CancelOk<'a>),
    BASIC_PUBLISH => BasicPublish(basic::Publish<'a>),
    BASIC_RETURN => BasicReturn(basic::Return<'a>),
    BASIC_DELIVER => BasicDeliver(basic::Deliver<'a>),
    BASIC_GET => BasicGet(basic::Get<'a>),
    BASIC_GET_OK => BasicGetOk(basic::GetOk<'a>),
    BASIC_GET_EMPTY => BasicGetEmpty(basic::GetEmpty<'a>),
    BASIC_ACK => BasicAck(basic::Ack),
    BASIC_REJECT => BasicReject(basic::Reject),
    BASIC_RECOVER_ASYNC => BasicRecoverAsync(basic::RecoverAsync),
    BASIC_RECOVER => BasicRecover(basic::Recover),
    BASIC_RECOVER_OK => BasicRecoverOk(basic::RecoverOk),
    BASIC_NACK => BasicNack(basic::Nack),
    CONFIRM_SELECT => ConfirmSelect(confirm::Select),
    CONFIRM_SELECT_OK => ConfirmSelectOk(confirm::SelectOk),
    TX_SELECT => TxSelect(tx::Select),
    TX_SELECT_OK => TxSelectOk(tx::SelectOk),
    TX_COMMIT => TxCommit(tx::Commit),
    TX_COMMIT_OK => TxCommitOk(tx::CommitOk),
    TX_ROLLBACK => TxRollback(tx::Rollback),
    TX_ROLLBACK_OK => TxRollbackOk(tx::RollbackOk),
}

impl Method<'_> {
    /// Whether a content header, and usually a body, follows the method.
    pub const fn has_content(&self) -> bool {
        matches!(
            self,
            Self::BasicPublish(_)
                | Self::BasicReturn(_)
                | Self::BasicDeliver(_)
                | Self::BasicGetOk(_)
        )
    }

    /// Whether a broker understands the method on an open channel, its content and its closing aside. Others are
    /// answers and orders of servers, and methods of the connection itself.
    pub const fn is_request(&self) -> bool {
        matches!(
            self,
            Self::AccessRequest(_)
                | Self::ExchangeDeclare(_)
                | Self::ExchangeDelete(_)
                | Self::ExchangeBind(_)
                | Self::ExchangeUnbind(_)
                | Self::QueueDeclare(_)
                | Self::QueueBind(_)
                | Self::QueuePurge(_)
                | Self::QueueDelete(_)
                | Self::QueueUnbind(_)
                | Self::BasicQos(_)
                | Self::BasicConsume(_)
                | Self::BasicCancel(_)
                | Self::BasicGet(_)
                | Self::BasicAck(_)
                | Self::BasicReject(_)
                | Self::BasicRecoverAsync(_)
                | Self::BasicRecover(_)
                | Self::BasicNack(_)
                | Self::ConfirmSelect(_)
                | Self::TxSelect(_)
                | Self::TxCommit(_)
                | Self::TxRollback(_)
        )
    }
}

#[cfg(test)]
mod tests;
