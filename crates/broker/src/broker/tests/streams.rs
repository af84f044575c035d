//! Streams: what is read stays, and everybody has a place of their own.

mod keeping;
mod misuse;
mod reading;

use trefoil_amqp::{
    Method, Properties, Table, TableRef, Value,
    method::{basic, queue},
    testing::Received,
};

use super::{
    methods::consume,
    rig::{Rig, Who, bodies, header, octets},
};

/// A broker with a stream `s` with these arguments, and a client that publishes.
fn rig(arguments: &Table) -> (Rig, Who) {
    let mut rig = Rig::new();
    let client = rig.client();
    declare(&mut rig, client, "s", arguments);
    (rig, client)
}

fn declare(rig: &mut Rig, client: Who, name: &str, arguments: &Table) {
    let arguments = arguments.clone().with("x-queue-type", "stream");
    rig.declare(client, name, true, &arguments);
}

fn publish(rig: &mut Rig, client: Who, bodies: &[&str]) {
    for body in bodies {
        rig.publish(client, "", "s", &Properties::default(), body);
    }
}

/// A consumer of `s` with these arguments that takes at most so many unacknowledged. What it gets at once.
fn attach(
    rig: &mut Rig,
    who: Who,
    tag: &str,
    prefetch: u16,
    arguments: &Table,
) -> Vec<(i64, String)> {
    rig.prefetch(who, prefetch, false);
    let octets = octets(arguments);
    let consume = basic::Consume {
        arguments: TableRef::from_bytes(&octets),
        ..consume("s", tag)
    };
    let heard = rig.ask(who, &Method::BasicConsume(consume));
    let first = heard.first().map(Received::method);
    assert!(
        matches!(first, Some(Method::BasicConsumeOk(_))),
        "{heard:?}"
    );
    messages(&heard)
}

/// Everything from there on, as a new client sees it.
fn read(rig: &mut Rig, offset: impl Into<Value>) -> Vec<(i64, String)> {
    let reader = rig.client();
    let from = Table::new().with("x-stream-offset", offset);
    let found = attach(rig, reader, "r", 10_000, &from);
    rig.vanish(reader);
    found
}

/// Offsets and bodies of deliveries.
fn messages(heard: &[Received]) -> Vec<(i64, String)> {
    let offset = |one: &Received| match header(one, "x-stream-offset") {
        Some(Value::I64(offset)) => offset,
        other => panic!("no offset: {other:?}"),
    };
    let delivered = heard.iter().filter(|one| one.body().is_some());
    delivered
        .map(|one| (offset(one), bodies(std::slice::from_ref(one)).remove(0)))
        .collect()
}

/// What a list of messages is to be.
fn these(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    let owned = expected
        .iter()
        .map(|(offset, body)| (*offset, (*body).to_owned()));
    owned.collect()
}

/// What a passive declare says: messages and consumers.
fn counts(rig: &mut Rig, who: Who, name: &str) -> (u32, u32) {
    let passive = queue::Declare {
        passive: true,
        ..super::methods::declare(name)
    };
    let heard = rig.ask(who, &Method::QueueDeclare(passive));
    match heard.first().map(Received::method) {
        Some(Method::QueueDeclareOk(ok)) => (ok.message_count, ok.consumer_count),
        other => panic!("{other:?}"),
    }
}
