use proptest::prelude::*;

use super::*;
use crate::{Table, TableRef};

/// Methods as RabbitMQ 3.10.8 encodes them: `rabbit_framing_amqp_0_9_1:encode_method_fields/1` behind class and number.
const RABBITMQ: &str = include_str!("tests/rabbitmq.txt");
const TAG: u64 = 0x0807_0605_0403_0201;

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// The methods of the file, in its order.
fn methods(arguments: TableRef<'_>) -> Vec<Method<'_>> {
    vec![
        Method::ConnectionStart(connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: arguments,
            mechanisms: b"PLAIN AMQPLAIN",
            locales: b"en_US",
        }),
        Method::ConnectionStartOk(connection::StartOk {
            client_properties: arguments,
            mechanism: "PLAIN",
            response: b"\0u\0p",
            locale: "en_US",
        }),
        Method::ConnectionSecure(connection::Secure {
            challenge: b"challenge",
        }),
        Method::ConnectionSecureOk(connection::SecureOk {
            response: b"response",
        }),
        Method::ConnectionTune(connection::Tune {
            channel_max: 0x0102,
            frame_max: 0x0102_0304,
            heartbeat: 0x0304,
        }),
        Method::ConnectionTuneOk(connection::TuneOk {
            channel_max: 0x0102,
            frame_max: 0x0102_0304,
            heartbeat: 0x0304,
        }),
        Method::ConnectionOpen(connection::Open {
            virtual_host: "vhost",
            capabilities: "cap",
            insist: true,
        }),
        Method::ConnectionOpenOk(connection::OpenOk {
            known_hosts: "hosts",
        }),
        Method::ConnectionClose(connection::Close {
            reply_code: 320,
            reply_text: "text",
            class_id: 60,
            method_id: 40,
        }),
        Method::ConnectionCloseOk(connection::CloseOk {}),
        Method::ConnectionBlocked(connection::Blocked {
            reason: "low on memory",
        }),
        Method::ConnectionUnblocked(connection::Unblocked {}),
        Method::ConnectionUpdateSecret(connection::UpdateSecret {
            new_secret: b"secret",
            reason: "reason",
        }),
        Method::ConnectionUpdateSecretOk(connection::UpdateSecretOk {}),
        Method::ChannelOpen(channel::Open { out_of_band: "oob" }),
        Method::ChannelOpenOk(channel::OpenOk { channel_id: b"id" }),
        Method::ChannelFlow(channel::Flow { active: true }),
        Method::ChannelFlowOk(channel::FlowOk { active: true }),
        Method::ChannelClose(channel::Close {
            reply_code: 404,
            reply_text: "text",
            class_id: 50,
            method_id: 20,
        }),
        Method::ChannelCloseOk(channel::CloseOk {}),
        Method::AccessRequest(access::Request {
            realm: "/data",
            exclusive: true,
            passive: false,
            active: true,
            write: false,
            read: true,
        }),
        Method::AccessRequestOk(access::RequestOk { ticket: 1 }),
        Method::ExchangeDeclare(exchange::Declare {
            ticket: 1,
            exchange: "e",
            kind: "topic",
            passive: true,
            durable: false,
            auto_delete: true,
            internal: false,
            no_wait: true,
            arguments,
        }),
        Method::ExchangeDeclareOk(exchange::DeclareOk {}),
        Method::ExchangeDelete(exchange::Delete {
            ticket: 1,
            exchange: "e",
            if_unused: true,
            no_wait: false,
        }),
        Method::ExchangeDeleteOk(exchange::DeleteOk {}),
        Method::ExchangeBind(exchange::Bind {
            ticket: 1,
            destination: "d",
            source: "s",
            routing_key: "k",
            no_wait: true,
            arguments,
        }),
        Method::ExchangeBindOk(exchange::BindOk {}),
        Method::ExchangeUnbind(exchange::Unbind {
            ticket: 1,
            destination: "d",
            source: "s",
            routing_key: "k",
            no_wait: true,
            arguments,
        }),
        Method::ExchangeUnbindOk(exchange::UnbindOk {}),
        Method::QueueDeclare(queue::Declare {
            ticket: 1,
            queue: "q",
            passive: false,
            durable: true,
            exclusive: false,
            auto_delete: true,
            no_wait: false,
            arguments,
        }),
        Method::QueueDeclareOk(queue::DeclareOk {
            queue: "q",
            message_count: 5,
            consumer_count: 6,
        }),
        Method::QueueBind(queue::Bind {
            ticket: 1,
            queue: "q",
            exchange: "e",
            routing_key: "k",
            no_wait: true,
            arguments,
        }),
        Method::QueueBindOk(queue::BindOk {}),
        Method::QueuePurge(queue::Purge {
            ticket: 1,
            queue: "q",
            no_wait: true,
        }),
        Method::QueuePurgeOk(queue::PurgeOk { message_count: 5 }),
        Method::QueueDelete(queue::Delete {
            ticket: 1,
            queue: "q",
            if_unused: true,
            if_empty: false,
            no_wait: true,
        }),
        Method::QueueDeleteOk(queue::DeleteOk { message_count: 5 }),
        Method::QueueUnbind(queue::Unbind {
            ticket: 1,
            queue: "q",
            exchange: "e",
            routing_key: "k",
            arguments,
        }),
        Method::QueueUnbindOk(queue::UnbindOk {}),
        Method::BasicQos(basic::Qos {
            prefetch_size: 5,
            prefetch_count: 6,
            global: true,
        }),
        Method::BasicQosOk(basic::QosOk {}),
        Method::BasicConsume(basic::Consume {
            ticket: 1,
            queue: "q",
            consumer_tag: "c",
            no_local: false,
            no_ack: true,
            exclusive: false,
            no_wait: true,
            arguments,
        }),
        Method::BasicConsumeOk(basic::ConsumeOk { consumer_tag: "c" }),
        Method::BasicCancel(basic::Cancel {
            consumer_tag: "c",
            no_wait: true,
        }),
        Method::BasicCancelOk(basic::CancelOk { consumer_tag: "c" }),
        Method::BasicPublish(basic::Publish {
            ticket: 1,
            exchange: "e",
            routing_key: "k",
            mandatory: false,
            immediate: true,
        }),
        Method::BasicReturn(basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE",
            exchange: "e",
            routing_key: "k",
        }),
        Method::BasicDeliver(basic::Deliver {
            consumer_tag: "c",
            delivery_tag: TAG,
            redelivered: true,
            exchange: "e",
            routing_key: "k",
        }),
        Method::BasicGet(basic::Get {
            ticket: 1,
            queue: "q",
            no_ack: true,
        }),
        Method::BasicGetOk(basic::GetOk {
            delivery_tag: TAG,
            redelivered: true,
            exchange: "e",
            routing_key: "k",
            message_count: 5,
        }),
        Method::BasicGetEmpty(basic::GetEmpty { cluster_id: "id" }),
        Method::BasicAck(basic::Ack {
            delivery_tag: TAG,
            multiple: true,
        }),
        Method::BasicReject(basic::Reject {
            delivery_tag: TAG,
            requeue: true,
        }),
        Method::BasicRecoverAsync(basic::RecoverAsync { requeue: true }),
        Method::BasicRecover(basic::Recover { requeue: true }),
        Method::BasicRecoverOk(basic::RecoverOk {}),
        Method::BasicNack(basic::Nack {
            delivery_tag: TAG,
            multiple: false,
            requeue: true,
        }),
        Method::ConfirmSelect(confirm::Select { no_wait: true }),
        Method::ConfirmSelectOk(confirm::SelectOk {}),
        Method::TxSelect(tx::Select {}),
        Method::TxSelectOk(tx::SelectOk {}),
        Method::TxCommit(tx::Commit {}),
        Method::TxCommitOk(tx::CommitOk {}),
        Method::TxRollback(tx::Rollback {}),
        Method::TxRollbackOk(tx::RollbackOk {}),
    ]
}

#[test]
fn every_method_is_as_rabbitmq_has_it() {
    let arguments = Table::new().with("x-a", 7).with("b", "v").to_bytes();
    let methods = methods(TableRef::from_bytes(&arguments));
    assert_eq!(RABBITMQ.lines().count(), methods.len());
    for (line, method) in RABBITMQ.lines().zip(methods) {
        let (name, hex) = line.split_once(' ').unwrap();
        assert_eq!(method.id().to_string(), name);
        let expected = octets(hex);
        assert_eq!(Method::decode(&expected), Ok(method), "{name}");
        let mut encoded = Vec::new();
        method.encode(&mut encoded);
        assert_eq!(encoded, expected, "{name}");
    }
}

#[test]
fn every_prefix_and_every_extension_of_a_method_is_malformed() {
    for line in RABBITMQ.lines() {
        let (name, hex) = line.split_once(' ').unwrap();
        let whole = octets(hex);
        for len in 0..whole.len() {
            let error = Method::decode(&whole[..len]).expect_err(name);
            assert!(
                matches!(error, Malformed::Truncated { offset } if offset <= len),
                "{name} {len}: {error:?}"
            );
        }
        let longer = [whole.as_slice(), &[0]].concat();
        assert_eq!(
            Method::decode(&longer),
            Err(Malformed::TrailingOctets {
                offset: whole.len()
            }),
            "{name}"
        );
    }
}

#[test]
fn long_names_are_cut_between_characters() {
    let name = "ü".repeat(200);
    let mut encoded = Vec::new();
    Method::BasicConsumeOk(basic::ConsumeOk {
        consumer_tag: &name,
    })
    .encode(&mut encoded);
    let Ok(Method::BasicConsumeOk(consume_ok)) = Method::decode(&encoded) else {
        panic!("{encoded:?}")
    };
    assert_eq!(consume_ok.consumer_tag, "ü".repeat(127));
}

proptest! {
    #[test]
    fn any_octets_behind_any_number_do_no_harm(index in 0_usize..66, tail in prop::collection::vec(any::<u8>(), 0..80)) {
        let hex = RABBITMQ.lines().nth(index).and_then(|line| line.split_once(' ')).unwrap().1;
        let payload = [octets(&hex[..8]), tail].concat();
        if let Ok(method) = Method::decode(&payload) {
            let mut encoded = Vec::new();
            method.encode(&mut encoded);
            prop_assert_eq!(Method::decode(&encoded), Ok(method));
            prop_assert_eq!(encoded.len(), payload.len());
        }
    }

    #[test]
    fn strings_and_numbers_survive(
        (a, b, c) in ("\\PC{0,60}", "\\PC{0,60}", "\\PC{0,60}"),
        tag in any::<u64>(),
        (count, ticket) in any::<(u32, u16)>(),
        (x, y, z) in any::<(bool, bool, bool)>(),
    ) {
        let methods = [
            Method::BasicDeliver(basic::Deliver {
                consumer_tag: &a,
                delivery_tag: tag,
                redelivered: x,
                exchange: &b,
                routing_key: &c,
            }),
            Method::BasicGetOk(basic::GetOk {
                delivery_tag: tag,
                redelivered: x,
                exchange: &b,
                routing_key: &c,
                message_count: count,
            }),
            Method::BasicPublish(basic::Publish { ticket, exchange: &a, routing_key: &b, mandatory: x, immediate: y }),
            Method::QueueDelete(queue::Delete { ticket, queue: &a, if_unused: x, if_empty: y, no_wait: z }),
            Method::QueueDeclareOk(queue::DeclareOk { queue: &a, message_count: count, consumer_count: !count }),
        ];
        for method in methods {
            let mut encoded = Vec::new();
            method.encode(&mut encoded);
            prop_assert_eq!(Method::decode(&encoded), Ok(method));
        }
    }
}
