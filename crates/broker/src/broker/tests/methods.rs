//! Methods with nothing special about them.

use trefoil_amqp::{
    Method, Properties, Table, TableRef,
    method::{basic, exchange, queue},
};

pub(super) const EMPTY: TableRef<'static> = TableRef::EMPTY;

pub(super) fn declare(name: &str) -> queue::Declare<'_> {
    queue::Declare {
        ticket: 0,
        queue: name,
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: EMPTY,
    }
}

pub(super) fn delete(name: &str) -> queue::Delete<'_> {
    queue::Delete {
        ticket: 0,
        queue: name,
        if_unused: false,
        if_empty: false,
        no_wait: false,
    }
}

pub(super) fn purge(name: &str) -> Method<'_> {
    Method::QueuePurge(queue::Purge {
        ticket: 0,
        queue: name,
        no_wait: false,
    })
}

pub(super) fn bind<'a>(queue: &'a str, exchange: &'a str, routing_key: &'a str) -> Method<'a> {
    Method::QueueBind(queue::Bind {
        ticket: 0,
        queue,
        exchange,
        routing_key,
        no_wait: false,
        arguments: EMPTY,
    })
}

pub(super) fn unbind<'a>(queue: &'a str, exchange: &'a str, routing_key: &'a str) -> Method<'a> {
    Method::QueueUnbind(queue::Unbind {
        ticket: 0,
        queue,
        exchange,
        routing_key,
        arguments: EMPTY,
    })
}

pub(super) fn declare_exchange<'a>(name: &'a str, kind: &'a str) -> exchange::Declare<'a> {
    exchange::Declare {
        ticket: 0,
        exchange: name,
        kind,
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments: EMPTY,
    }
}

pub(super) fn delete_exchange(name: &str) -> exchange::Delete<'_> {
    exchange::Delete {
        ticket: 0,
        exchange: name,
        if_unused: false,
        no_wait: false,
    }
}

pub(super) fn bind_exchange<'a>(destination: &'a str, source: &'a str) -> Method<'a> {
    Method::ExchangeBind(exchange::Bind {
        ticket: 0,
        destination,
        source,
        routing_key: "",
        no_wait: false,
        arguments: EMPTY,
    })
}

pub(super) fn unbind_exchange<'a>(destination: &'a str, source: &'a str) -> Method<'a> {
    Method::ExchangeUnbind(exchange::Unbind {
        ticket: 0,
        destination,
        source,
        routing_key: "",
        no_wait: false,
        arguments: EMPTY,
    })
}

pub(super) fn consume<'a>(queue: &'a str, tag: &'a str) -> basic::Consume<'a> {
    basic::Consume {
        ticket: 0,
        queue,
        consumer_tag: tag,
        no_local: false,
        no_ack: false,
        exclusive: false,
        no_wait: false,
        arguments: EMPTY,
    }
}

pub(super) fn cancel(tag: &str) -> Method<'_> {
    Method::BasicCancel(basic::Cancel {
        consumer_tag: tag,
        no_wait: false,
    })
}

pub(super) fn get(queue: &str) -> Method<'_> {
    Method::BasicGet(basic::Get {
        ticket: 0,
        queue,
        no_ack: false,
    })
}

pub(super) fn ack(delivery_tag: u64, multiple: bool) -> Method<'static> {
    Method::BasicAck(basic::Ack {
        delivery_tag,
        multiple,
    })
}

pub(super) fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> Method<'static> {
    Method::BasicNack(basic::Nack {
        delivery_tag,
        multiple,
        requeue,
    })
}

pub(super) fn publish<'a>(exchange: &'a str, routing_key: &'a str) -> basic::Publish<'a> {
    basic::Publish {
        ticket: 0,
        exchange,
        routing_key,
        mandatory: false,
        immediate: false,
    }
}

/// Properties of a message that nothing is said about.
pub(super) fn plain() -> Properties<'static> {
    Properties::default()
}

/// A table with one field, as octets.
pub(super) fn one(name: &str, value: impl Into<trefoil_amqp::Value>) -> Vec<u8> {
    super::rig::octets(&Table::new().with(name, value))
}
