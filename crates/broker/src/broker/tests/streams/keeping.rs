//! What a stream keeps: across restarts, crashes and cleaning, and within its limits.

use proptest::prelude::*;
use serde_json::json;
use trefoil_amqp::{Method, Properties, Table};
use trefoil_store::testing::{MemoryStorage, Tear};

use super::{
    super::rig::{Rig, SEGMENT, START, Who, persistent},
    attach, counts, declare, messages, publish, read, rig, these,
};
use crate::{
    broker::tests::invariants,
    policy::{Policy, PolicyKind, PolicySource},
};

#[test]
fn a_stream_is_there_after_a_restart_and_after_a_crash() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b"]);
    let mut rig = rig.restart();
    assert_eq!((rig.report.messages, rig.report.unknown), (2, 0));
    assert_eq!(read(&mut rig, "first"), these(&[(0, "a"), (1, "b")]));
    let client = rig.client();
    publish(&mut rig, client, &["c"]);
    let mut rig = rig.crash(7);
    let client = rig.client();
    publish(&mut rig, client, &["d"]);
    let mut rig = rig.killed();
    let all = these(&[(0, "a"), (1, "b"), (2, "c"), (3, "d")]);
    assert_eq!(read(&mut rig, "first"), all);
    // Times are kept too.
    let client = rig.client();
    rig.advance(5_000);
    publish(&mut rig, client, &["e"]);
    assert_eq!(read(&mut rig, "3s"), these(&[(4, "e")]));
    invariants::check(&rig.broker, true);
}

/// A clock that went back while the broker was down makes nothing older than what is before it.
#[test]
fn times_never_go_back() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a"]);
    let mut rig = Rig::on(rig.storage.copy(), START - 1_000_000, SEGMENT);
    let client = rig.client();
    publish(&mut rig, client, &["b"]);
    let start = trefoil_amqp::Value::Timestamp(START / 1000);
    assert_eq!(read(&mut rig, start), these(&[(0, "a"), (1, "b")]));
}

#[test]
fn the_oldest_go_when_there_are_too_many_bytes() {
    // Each message has 14 bytes of header.
    let (mut rig, client) = rig(&Table::new().with("x-max-length-bytes", 3 * (14 + 1)));
    publish(&mut rig, client, &["a", "b", "c"]);
    assert_eq!(counts(&mut rig, client, "s"), (3, 0));
    publish(&mut rig, client, &["d", "e"]);
    let kept = these(&[(2, "c"), (3, "d"), (4, "e")]);
    assert_eq!(read(&mut rig, "first"), kept);
    // An offset that is gone means the first that is not.
    assert_eq!(read(&mut rig, 1), kept);
    // However large it is, the newest stays.
    publish(&mut rig, client, &[&"x".repeat(100)]);
    assert_eq!(counts(&mut rig, client, "s"), (1, 0));
    let mut rig = rig.crash(3);
    assert_eq!(read(&mut rig, "first")[0].0, 5);
    let client = rig.client();
    publish(&mut rig, client, &["f"]);
    assert_eq!(read(&mut rig, "first"), these(&[(6, "f")]));
    invariants::check(&rig.broker, true);
}

#[test]
fn the_oldest_go_when_they_are_too_old() {
    let (mut rig, client) = rig(&Table::new().with("x-max-age", "10s"));
    publish(&mut rig, client, &["a"]);
    rig.advance(5_000);
    publish(&mut rig, client, &["b"]);
    rig.advance(5_000);
    assert_eq!(counts(&mut rig, client, "s"), (2, 0));
    rig.advance(1_001);
    assert_eq!(read(&mut rig, "first"), these(&[(1, "b")]));
    rig.advance(60_000);
    assert_eq!(counts(&mut rig, client, "s"), (1, 0), "the newest stays");
    publish(&mut rig, client, &["c"]);
    rig.advance(1_001);
    assert_eq!(read(&mut rig, "first"), these(&[(2, "c")]));
    // Time passes while nobody is there.
    publish(&mut rig, client, &["d"]);
    let mut rig = Rig::on(rig.storage.copy(), rig.now + 60_000, SEGMENT);
    assert_eq!(read(&mut rig, "first"), these(&[(3, "d")]));
}

#[test]
fn a_policy_says_what_is_kept_and_comes_before_the_arguments() {
    let set = |rig: &mut Rig, definition| {
        let source = PolicySource {
            virtual_host: "/",
            name: "p",
            pattern: "^s$",
            apply_to: Some("streams"),
            priority: None,
            definition: &definition,
        };
        let policy = Policy::new(PolicyKind::User, source).expect("a policy");
        let now = rig.now;
        rig.broker.put_policy(PolicyKind::User, policy, now);
        rig.run();
    };
    let (mut rig, client) = rig(&Table::new().with("x-max-length-bytes", 15));
    set(
        &mut rig,
        json!({"max-length-bytes": 45, "stream-max-segment-size-bytes": 1000}),
    );
    publish(&mut rig, client, &["a", "b", "c", "d"]);
    assert_eq!(counts(&mut rig, client, "s"), (3, 0));
    set(&mut rig, json!({"max-length-bytes": 30}));
    assert_eq!(counts(&mut rig, client, "s"), (2, 0));
    rig.advance(5_000);
    set(&mut rig, json!({"max-age": "1s", "max-length-bytes": 30}));
    assert_eq!(read(&mut rig, "first"), these(&[(3, "d")]));
}

/// Damage costs the message that it is in, and no other gets another offset.
#[test]
fn a_damaged_message_leaves_a_hole() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b", "damaged", "d"]);
    let rig = rig.restart();
    let storage = MemoryStorage::new();
    for (name, mut bytes) in rig.storage.contents() {
        if let Some(at) = bytes.windows(7).position(|window| window == b"damaged") {
            bytes[at] ^= 1;
        }
        storage.put(&name, &bytes);
    }
    let mut rig = Rig::on(storage, rig.now, SEGMENT);
    assert_eq!(rig.report.log.damages.len(), 1);
    let left = these(&[(0, "a"), (1, "b"), (3, "d")]);
    assert_eq!(read(&mut rig, "first"), left);
    assert_eq!(read(&mut rig, 2), left[2..]);
    let client = rig.client();
    publish(&mut rig, client, &["e"]);
    assert_eq!(read(&mut rig, 3), these(&[(3, "d"), (4, "e")]));
    assert_eq!(counts(&mut rig, client, "s"), (4, 0));
    invariants::check(&rig.broker, true);
}

/// Time goes on between the stop and the end of the process, and must not make the stop a crash.
#[test]
fn what_is_cut_off_after_a_stop_does_not_undo_it() {
    let (mut rig, client) = rig(&Table::new().with("x-max-age", "1s"));
    publish(&mut rig, client, &["a", "b"]);
    rig.broker.stop(rig.now);
    rig.run();
    rig.advance(10_000);
    let (_, queue) = rig.broker.queues.iter().next().expect("a queue");
    assert_eq!(queue.message_count(), 1);
    rig.run();
    let mut rig = Rig::on(rig.storage.copy(), rig.now, SEGMENT);
    assert!(rig.report.is_clean);
    assert_eq!(read(&mut rig, "first"), these(&[(1, "b")]));
}

/// Cutting a great deal takes several turns of the lock.
#[test]
fn a_limit_that_became_lower_is_met_bit_by_bit() {
    let (mut rig, client) = rig(&Table::new().with("x-max-age", "10s"));
    for _ in 0..20 {
        for _ in 0..1_000 {
            rig.script(client)
                .publish(1, "", "s", &Properties::default(), b"m");
        }
        rig.run();
    }
    let end = rig.now + 10_001;
    let mut seen = Vec::new();
    while let Some(at) = rig.broker.poll_timeout()
        && at <= end + 10
    {
        rig.now = rig.now.max(at);
        let now = rig.now;
        rig.broker.handle_timeout(now);
        rig.run();
        seen.push(counts(&mut rig, client, "s").0);
    }
    seen.dedup();
    assert_eq!(seen.last(), Some(&1));
    assert!(seen.len() >= 3, "{seen:?}");
    assert_eq!(rig.restart().report.messages, 1);
}

/// A reader that is behind what was cut off goes on with what is left.
#[test]
fn a_reader_that_is_too_slow_loses_what_went() {
    let (mut rig, client) = rig(&Table::new().with("x-max-length-bytes", 45));
    let reader = rig.client();
    let first = Table::new().with("x-stream-offset", "first");
    attach(&mut rig, reader, "r", 1, &first);
    publish(&mut rig, client, &["a", "b", "c", "d", "e", "f"]);
    assert_eq!(messages(&rig.hear(reader)), these(&[(0, "a")]));
    let heard = rig.ask(reader, &super::super::methods::ack(1, false));
    assert_eq!(messages(&heard), these(&[(3, "d")]));
}

/// What an older version left in a queue that was called a stream.
#[test]
fn messages_of_a_stream_that_was_none_become_its_first() {
    let mut rig = Rig::new();
    let client = rig.client();
    declare(&mut rig, client, "s", &Table::new());
    let (id, uid) = {
        let (id, queue) = rig.broker.queues.iter().next().expect("a queue");
        (id, queue.uid)
    };
    // As it was before there were streams: the same declaration, and records as of any queue.
    rig.broker.queues.get_mut(id).expect("it is there").stream = None;
    for body in ["a", "b", "c"] {
        rig.publish(client, "", "s", &persistent(), body);
    }
    let taken = rig.get_unacknowledged(client, "s").expect("a message");
    rig.settle(client, taken.0, true);
    let mut rig = rig.restart();
    for _ in 0..2 {
        assert_eq!(rig.report.messages, 2);
        assert_eq!(read(&mut rig, "first"), these(&[(0, "b"), (1, "c")]));
        let (_, queue) = rig.broker.queues.iter().next().expect("a queue");
        assert_eq!(queue.uid, uid);
        invariants::check(&rig.broker, true);
        rig = rig.crash(1);
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Publish(u16),
    /// Fills and empties another queue, so that segments are cleaned.
    Churn(u8),
    Read,
    Advance(u16),
    Commits(bool),
    Maintain,
    Power(u64, bool),
    Killed,
    Stopped,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => (0u16..600).prop_map(Step::Publish),
        8 => (1u8..20).prop_map(Step::Churn),
        3 => Just(Step::Read),
        2 => (0u16..9_000).prop_map(Step::Advance),
        3 => any::<bool>().prop_map(Step::Commits),
        1 => Just(Step::Maintain),
        1 => (any::<u64>(), any::<bool>()).prop_map(|(seed, torn)| Step::Power(seed, torn)),
        1 => Just(Step::Killed),
        1 => Just(Step::Stopped),
    ];
    prop::collection::vec(step, 1..120)
}

/// What is known of a stream with limits, beside a real one.
struct Book {
    rig: Rig,
    publisher: Who,
    reader: Who,
    /// By message: its offset, once somebody has seen it.
    offsets: Vec<Option<i64>>,
    /// By message: it was confirmed.
    safe: Vec<bool>,
    /// Messages that were published before this publisher came.
    before: usize,
}

impl Book {
    fn new() -> Self {
        let mut rig = Rig::on(MemoryStorage::new(), START, 2 << 10);
        let client = rig.client();
        let limits = Table::new()
            .with("x-max-length-bytes", 4_000)
            .with("x-max-age", "20s");
        declare(&mut rig, client, "s", &limits);
        rig.declare(client, "churn", true, &Table::new());
        let mut book = Self {
            rig,
            publisher: client,
            reader: client,
            offsets: Vec::new(),
            safe: Vec::new(),
            before: 0,
        };
        book.begin();
        book
    }

    fn begin(&mut self) {
        self.publisher = self.rig.client();
        self.rig.confirms(self.publisher);
        self.before = self.offsets.len();
        self.reader = self.rig.client();
        attach(&mut self.rig, self.reader, "live", 60_000, &Table::new());
    }

    fn step(mut self, step: Step) -> Self {
        match step {
            Step::Publish(size) => {
                let body = format!("{:08}{}", self.offsets.len(), "x".repeat(size.into()));
                self.offsets.push(None);
                self.safe.push(false);
                self.rig
                    .publish(self.publisher, "", "s", &Properties::default(), &body);
            }
            Step::Churn(count) => {
                let other = self.rig.client();
                for _ in 0..count {
                    let body = "y".repeat(300);
                    self.rig.publish(other, "", "churn", &persistent(), &body);
                }
                self.rig.drain(other, "churn");
                self.rig.vanish(other);
            }
            Step::Read => drop(self.read()),
            Step::Advance(ms) => self.rig.advance(ms.into()),
            Step::Commits(commits) => self.rig.commits = commits,
            Step::Maintain => self.rig.maintain().expect("it works"),
            Step::Power(..) | Step::Killed | Step::Stopped => return self.end(step),
        }
        self.rig.run();
        self.listen();
        invariants::check(&self.rig.broker, true);
        self
    }

    fn listen(&mut self) {
        let seen = messages(&self.rig.hear(self.reader));
        for one in &seen {
            self.note(one);
        }
        for one in self.rig.hear(self.publisher) {
            if let Method::BasicAck(ack) = one.method() {
                let upto = self.before + usize::try_from(ack.delivery_tag).expect("small");
                self.safe[self.before..upto].fill(true);
            }
        }
    }

    /// Whoever has seen an offset sees the same message there for ever. The number of the message.
    fn note(&mut self, (offset, body): &(i64, String)) -> usize {
        let number: usize = body[..8].parse().expect("a number");
        let known = self.offsets[number].get_or_insert(*offset);
        assert_eq!(known, offset, "message {number}");
        let others = self.offsets.iter().filter(|one| **one == Some(*offset));
        assert_eq!(others.count(), 1, "offset {offset}");
        number
    }

    /// What a new reader sees: in order and without a hole.
    fn read(&mut self) -> Vec<usize> {
        let found = read(&mut self.rig, "first");
        let offsets: Vec<i64> = found.iter().map(|(offset, _)| *offset).collect();
        let first = offsets.first().copied().unwrap_or_default();
        assert!(
            (first..)
                .zip(&offsets)
                .all(|(expected, offset)| expected == *offset)
        );
        found.iter().map(|one| self.note(one)).collect()
    }

    fn end(mut self, step: Step) -> Self {
        self.rig = match step {
            Step::Power(seed, torn) => {
                let tear = if torn { Tear::Byte } else { Tear::Sector };
                self.rig.crash_torn(seed, tear)
            }
            Step::Stopped => {
                self.rig.commits = true;
                self.rig.run();
                self.listen();
                self.rig.restart()
            }
            _ => self.rig.killed(),
        };
        self.begin();
        let found = self.read();
        // What was confirmed or seen is there, but for the oldest, which may have been cut off.
        let oldest = found.first().copied().unwrap_or_default();
        for number in oldest..self.before {
            if self.safe[number] || self.offsets[number].is_some() {
                assert!(found.contains(&number), "message {number} of {found:?}");
            }
        }
        invariants::check(&self.rig.broker, true);
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_an_offset_is_one_message(steps in steps()) {
        let mut book = Book::new();
        for step in steps {
            book = book.step(step);
        }
        book.end(Step::Stopped);
    }
}
