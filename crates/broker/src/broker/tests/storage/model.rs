//! What a broker owes its clients, and whether it keeps it: a naive book of every message, beside a real broker.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trefoil_amqp::{
    Method, Properties, Table,
    method::{basic, tx},
    testing::Received,
};
use trefoil_store::{Position, WriteError, testing::Tear};

use super::super::rig::{Rig, Who};

/// Small, so that segments are begun, cleaned and removed all the time.
const SEGMENT: u32 = 2 << 10;
/// Messages in `short` live so long before they go to `dead`.
const TTL_MS: i32 = 60;

/// Where a message is published to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// The queue `a`.
    One,
    /// `a` and `b`.
    Fan,
    /// The queue `levels`, with this priority.
    Levels(u8),
    /// The queue `short`, and from there `dead`.
    Short,
    /// The queue `late`, after so many milliseconds.
    Late(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Acknowledge,
    AcknowledgeAll,
    Requeue,
    Reject,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The power fails.
    Power(u64, Tear),
    /// The process dies, the system lives.
    Killed,
    /// It is stopped in good order.
    Stopped,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Publish {
        to: To,
        size: u16,
        persistent: bool,
    },
    /// A transaction with so many messages for `a`.
    Transaction {
        messages: u8,
        commits: bool,
    },
    Settle {
        which: u8,
        how: How,
    },
    Commit,
    Maintain,
    Advance(u8),
    PublisherVanishes,
    ConsumerVanishes,
    Purge(bool),
    FailWrite(u8),
    FailSync(u8),
    ShortWrites(u64),
    Full(u16),
    Space,
    End(End),
}

pub(super) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let to = prop_oneof![
        3 => Just(To::One),
        3 => Just(To::Fan),
        2 => (0u8..7).prop_map(To::Levels),
        1 => Just(To::Short),
        1 => (0u8..200).prop_map(To::Late),
    ];
    let tear = prop_oneof![Just(Tear::Sector), Just(Tear::Byte)];
    let end = prop_oneof![
        3 => (any::<u64>(), tear).prop_map(|(seed, tear)| End::Power(seed, tear)),
        1 => Just(End::Killed),
        1 => Just(End::Stopped),
    ];
    let how = prop_oneof![
        4 => Just(How::Acknowledge),
        2 => Just(How::AcknowledgeAll),
        2 => Just(How::Requeue),
        1 => Just(How::Reject),
    ];
    let step = prop_oneof![
        30 => (to, 0u16..900, prop::bool::weighted(0.9))
            .prop_map(|(to, size, persistent)| Step::Publish { to, size, persistent }),
        2 => (1u8..5, any::<bool>())
            .prop_map(|(messages, commits)| Step::Transaction { messages, commits }),
        20 => (any::<u8>(), how).prop_map(|(which, how)| Step::Settle { which, how }),
        14 => Just(Step::Commit),
        3 => Just(Step::Maintain),
        3 => any::<u8>().prop_map(Step::Advance),
        1 => Just(Step::PublisherVanishes),
        1 => Just(Step::ConsumerVanishes),
        1 => any::<bool>().prop_map(Step::Purge),
        1 => (0u8..6).prop_map(Step::FailWrite),
        1 => (0u8..4).prop_map(Step::FailSync),
        1 => any::<u64>().prop_map(Step::ShortWrites),
        1 => (0u16..6_000).prop_map(Step::Full),
        2 => Just(Step::Space),
        2 => end.prop_map(Step::End),
    ];
    prop::collection::vec(step, 1..count)
}

/// What is known of one copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live {
        safe: bool,
    },
    /// Settled, purged; for good when the log is durable up to there.
    Gone(Position),
}

#[derive(Debug, Clone, Copy)]
struct Delivery {
    tag: u64,
    queue: &'static str,
    id: usize,
}

/// A message as it was published.
#[derive(Debug, Clone, Copy)]
struct Published {
    to: To,
    size: u16,
    persistent: bool,
}

impl Published {
    /// The queues that get it first; a copy may move on from there, see [`root`].
    fn roots(self) -> &'static [&'static str] {
        match self.to {
            To::One => &["a"],
            To::Fan => &["a", "b"],
            To::Levels(_) => &["levels"],
            To::Short => &["short"],
            To::Late(_) => &["late"],
        }
    }

    fn priority(self) -> u8 {
        match self.to {
            To::Levels(level) => level,
            _ => 0,
        }
    }

    fn body(self, id: usize) -> Vec<u8> {
        let mut body = format!("{id}:").into_bytes();
        let fill = (id as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_le_bytes();
        body.extend(fill.iter().cycle().take(usize::from(self.size)));
        body
    }
}

/// A broker and the book about it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) rig: Rig,
    publisher: Who,
    consumer: Who,
    published: Vec<Published>,
    /// By message and the queue that got this copy first.
    copies: BTreeMap<(usize, &'static str), State>,
    /// Copies that are there twice because the log was torn between the copy and the end of its original.
    doubled: BTreeSet<(usize, &'static str)>,
    /// By confirm number of the current publisher.
    confirming: Vec<usize>,
    outstanding: Vec<Delivery>,
    /// Everything that a consumer ever got.
    seen: BTreeSet<(usize, &'static str)>,
    /// After one, what nobody saw may be marked as redelivered.
    pub(super) restarts: usize,
}

const QUEUES: [&str; 6] = ["a", "b", "levels", "short", "late", "dead"];

impl Machine {
    pub(super) fn new() -> Self {
        let mut rig = Rig::with_segments(SEGMENT);
        let admin = rig.client();
        let to_dead = |table: Table| {
            table
                .with("x-dead-letter-exchange", "")
                .with("x-dead-letter-routing-key", "dead")
        };
        for queue in ["a", "late", "dead"] {
            rig.declare(admin, queue, true, &Table::new());
        }
        rig.declare(admin, "b", true, &to_dead(Table::new()));
        rig.declare(
            admin,
            "levels",
            true,
            &Table::new().with("x-max-priority", 5),
        );
        let short = to_dead(Table::new().with("x-message-ttl", TTL_MS));
        rig.declare(admin, "short", true, &short);
        rig.declare_exchange(admin, "fan", "fanout", &Table::new());
        rig.bind(admin, "a", "fan", "");
        rig.bind(admin, "b", "fan", "");
        let delayed = Table::new().with("x-delayed-type", "direct");
        rig.declare_exchange(admin, "delayed", "x-delayed-message", &delayed);
        rig.bind(admin, "late", "delayed", "late");
        rig.declare(admin, "forgotten", false, &Table::new());
        rig.vanish(admin);
        let mut machine = Self {
            publisher: rig.client(),
            consumer: rig.client(),
            rig,
            published: Vec::new(),
            copies: BTreeMap::new(),
            doubled: BTreeSet::new(),
            confirming: Vec::new(),
            outstanding: Vec::new(),
            seen: BTreeSet::new(),
            restarts: 0,
        };
        machine.begin();
        machine
    }

    /// Clients as they are after a start.
    fn begin(&mut self) {
        self.rig.commits = false;
        self.new_publisher();
        self.new_consumer();
    }

    fn new_publisher(&mut self) {
        self.publisher = self.rig.client();
        self.confirming.clear();
        self.rig.confirms(self.publisher);
    }

    fn new_consumer(&mut self) {
        self.outstanding.clear();
        self.consumer = self.rig.client();
        self.rig.prefetch(self.consumer, 4, false);
        for queue in ["a", "b", "levels", "late", "dead"] {
            let heard = self.rig.consume(self.consumer, queue, queue, false);
            self.delivered(&heard);
        }
    }

    pub(super) fn run(mut self, steps: &[Step]) {
        for step in steps {
            self = self.step(*step);
        }
        self.rig.storage.set_capacity(None);
        self = self.end(End::Killed);
        self.check_references();
    }

    fn step(mut self, step: Step) -> Self {
        match step {
            Step::Publish {
                to,
                size,
                persistent,
            } => self.publish(to, size, persistent),
            Step::Transaction { messages, commits } => self.transact(messages, commits),
            Step::Settle { which, how } => self.settle(which, how),
            Step::Commit => {
                let committed = self.rig.try_commit();
                return self.written(committed.map(|_| ()));
            }
            Step::Maintain => {
                // There is only one at a time to write, and it may be waiting for space.
                let committed = self.rig.try_commit();
                let mut done = committed.map(|_| ());
                if done.is_ok() {
                    done = self.rig.maintain();
                }
                return self.written(done);
            }
            Step::Advance(ms) => self.rig.advance(u64::from(ms)),
            Step::PublisherVanishes => {
                self.rig.vanish(self.publisher);
                self.new_publisher();
            }
            Step::ConsumerVanishes => {
                self.rig.vanish(self.consumer);
                self.new_consumer();
            }
            Step::Purge(short) => self.purge(if short { "short" } else { "a" }),
            Step::FailWrite(after) => self.rig.storage.fail_write(u64::from(after)),
            Step::FailSync(after) => self.rig.storage.fail_sync(u64::from(after)),
            Step::ShortWrites(seed) => self.rig.storage.set_short_writes(Some(seed)),
            Step::Full(more) => {
                let capacity = self.rig.storage.used() + u64::from(more);
                self.rig.storage.set_capacity(Some(capacity));
            }
            Step::Space => self.rig.storage.set_capacity(None),
            Step::End(end) => return self.end(end),
        }
        self.listen();
        self
    }

    /// A storage that failed is the end of the process, as in `trefoil_server`.
    fn written(mut self, outcome: Result<(), WriteError>) -> Self {
        match outcome {
            Ok(()) | Err(WriteError::Full(_)) => {
                self.rig.run();
                self.listen();
                self
            }
            Err(WriteError::Failed(_)) => {
                let seed = self.published.len() as u64;
                self.end(End::Power(seed, Tear::Sector))
            }
        }
    }

    fn new_message(&mut self, to: To, size: u16, persistent: bool) -> usize {
        let id = self.published.len();
        let message = Published {
            to,
            size,
            persistent,
        };
        self.published.push(message);
        for root in message.roots() {
            self.copies.insert((id, root), State::Live { safe: false });
        }
        id
    }

    fn send(&mut self, who: Who, id: usize) {
        let message = self.published[id];
        let (exchange, key) = match message.to {
            To::One => ("", "a"),
            To::Fan => ("fan", ""),
            To::Levels(_) => ("", "levels"),
            To::Short => ("", "short"),
            To::Late(_) => ("delayed", "late"),
        };
        let headers = match message.to {
            To::Late(ms) => Some(Table::new().with("x-delay", i32::from(ms)).to_bytes()),
            _ => None,
        };
        let properties = Properties {
            delivery_mode: Some(if message.persistent { 2 } else { 1 }),
            priority: Some(message.priority()),
            headers: headers.as_deref().map(trefoil_amqp::TableRef::from_bytes),
            ..Properties::default()
        };
        let body = message.body(id);
        self.rig
            .script(who)
            .publish(1, exchange, key, &properties, &body);
        self.rig.run();
    }

    fn publish(&mut self, to: To, size: u16, persistent: bool) {
        let id = self.new_message(to, size, persistent);
        self.confirming.push(id);
        self.send(self.publisher, id);
    }

    /// Its answer is a confirm of all, if it comes.
    fn transact(&mut self, messages: u8, commits: bool) {
        let who = self.rig.client();
        self.rig.ask(who, &Method::TxSelect(tx::Select {}));
        let from = self.published.len();
        for _ in 0..messages {
            let id = if commits {
                self.new_message(To::One, 50, true)
            } else {
                // Never published: nobody may ever see it.
                self.published.push(Published {
                    to: To::One,
                    size: 50,
                    persistent: true,
                });
                self.published.len() - 1
            };
            self.send(who, id);
        }
        if !commits {
            self.rig.ask(who, &Method::TxRollback(tx::Rollback {}));
            self.rig.vanish(who);
            return;
        }
        self.rig.ask(who, &Method::TxCommit(tx::Commit {}));
        let committed = self.rig.try_commit();
        self.rig.run();
        let heard = self.rig.hear(who);
        if heard
            .iter()
            .any(|one| matches!(one.method(), Method::TxCommitOk(_)))
        {
            assert!(
                committed.is_ok(),
                "a commit is answered that never was written"
            );
            for id in from..self.published.len() {
                self.safe(id);
            }
        }
        self.rig.vanish(who);
    }

    fn safe(&mut self, id: usize) {
        for root in self.published[id].roots() {
            if let Some(State::Live { safe }) = self.copies.get_mut(&(id, *root)) {
                *safe = true;
            }
        }
    }

    fn settle(&mut self, which: u8, how: How) {
        if self.outstanding.is_empty() {
            return;
        }
        let index = usize::from(which) % self.outstanding.len();
        let tag = self.outstanding[index].tag;
        let method = match how {
            How::Acknowledge | How::AcknowledgeAll => Method::BasicAck(basic::Ack {
                delivery_tag: tag,
                multiple: how == How::AcknowledgeAll,
            }),
            How::Requeue => Method::BasicNack(basic::Nack {
                delivery_tag: tag,
                multiple: false,
                requeue: true,
            }),
            How::Reject => Method::BasicReject(basic::Reject {
                delivery_tag: tag,
                requeue: false,
            }),
        };
        let is_settled = |delivery: &Delivery| match how {
            How::AcknowledgeAll => delivery.tag <= tag,
            _ => delivery.tag == tag,
        };
        let settled: Vec<Delivery> = self
            .outstanding
            .iter()
            .copied()
            .filter(is_settled)
            .collect();
        self.outstanding.retain(|delivery| !is_settled(delivery));
        let heard = self.rig.ask(self.consumer, &method);
        let end = self.rig.broker.logs.durable.end();
        for delivery in settled {
            let moves_on = how == How::Reject && delivery.queue == "b";
            if how != How::Requeue && !moves_on {
                let root = self.root(delivery.id, delivery.queue);
                self.copies.insert((delivery.id, root), State::Gone(end));
            }
        }
        self.delivered(&heard);
    }

    /// Where a copy that is in this queue was first.
    fn root(&self, id: usize, queue: &'static str) -> &'static str {
        let roots = self.published[id].roots();
        let first = match queue {
            "dead" => *roots.last().expect("every message is for some queue"),
            other => other,
        };
        assert!(
            self.copies.contains_key(&(id, first)),
            "message {id} was never for {queue}: {:?}",
            self.published[id]
        );
        first
    }

    fn purge(&mut self, queue: &'static str) {
        let ready = self.ready(queue);
        let admin = self.rig.client();
        let purge = trefoil_amqp::method::queue::Purge {
            ticket: 0,
            queue,
            no_wait: false,
        };
        let heard = self.rig.ask(admin, &Method::QueuePurge(purge));
        assert!(
            matches!(heard[0].method(), Method::QueuePurgeOk(ok) if ok.message_count as usize == ready.len())
        );
        let end = self.rig.broker.logs.durable.end();
        for (id, _) in ready {
            let root = self.root(id, queue);
            self.copies.insert((id, root), State::Gone(end));
        }
        self.rig.vanish(admin);
    }

    /// What the clients heard meanwhile.
    fn listen(&mut self) {
        let heard = self.rig.hear(self.consumer);
        self.delivered(&heard);
        for one in self.rig.hear(self.publisher) {
            let Method::BasicAck(ack) = one.method() else {
                panic!("a publisher hears {:?}", one.method());
            };
            let upto = usize::try_from(ack.delivery_tag).expect("few");
            let from = if ack.multiple { 0 } else { upto - 1 };
            for index in from..upto {
                self.safe(self.confirming[index]);
            }
        }
    }

    fn delivered(&mut self, heard: &[Received]) {
        for one in heard {
            let Method::BasicDeliver(deliver) = one.method() else {
                continue;
            };
            let queue = known(deliver.consumer_tag);
            let id = self.identify(one.body().expect("a delivery has a body"));
            let root = self.root(id, queue);
            let again = !self.seen.insert((id, queue));
            // In `late` and `dead` the broker itself publishes: if that was not synced it publishes once more.
            let is_new = self.restarts > 0 && matches!(queue, "late" | "dead");
            assert!(
                deliver.redelivered || !again || is_new,
                "message {id} comes again from {queue} as if it were new"
            );
            if deliver.redelivered && self.restarts == 0 {
                assert!(again, "message {id} from {queue} was never delivered");
            }
            if let State::Gone(_) = self.copies[&(id, root)]
                && !self.doubled.contains(&(id, root))
            {
                panic!("message {id} comes from {queue} after it was settled");
            }
            self.outstanding.push(Delivery {
                tag: deliver.delivery_tag,
                queue,
                id,
            });
        }
    }

    fn identify(&self, body: &[u8]) -> usize {
        let colon = body
            .iter()
            .position(|byte| *byte == b':')
            .expect("a number first");
        let id: usize = std::str::from_utf8(&body[..colon])
            .ok()
            .and_then(|text| text.parse().ok())
            .expect("a number first");
        assert_eq!(
            body,
            self.published[id].body(id),
            "the body of message {id} is another"
        );
        id
    }

    /// What waits in a queue, in order: message and whether it counts as redelivered.
    fn ready(&mut self, queue: &str) -> Vec<(usize, bool)> {
        let broker = &mut self.rig.broker;
        let entries: Vec<_> = broker
            .queues
            .iter()
            .find(|(_, one)| *one.name == *queue)
            .map(|(_, one)| one.ready.iter().copied().collect())
            .unwrap_or_else(|| panic!("queue {queue} is gone"));
        let bodies: Vec<(Vec<u8>, bool)> = entries
            .iter()
            .map(|entry| {
                let stored = broker.logs.read(entry).expect("what waits can be read");
                (stored.message.body.to_vec(), entry.is_redelivered())
            })
            .collect();
        bodies
            .into_iter()
            .map(|(body, redelivered)| (self.identify(&body), redelivered))
            .collect()
    }

    /// The broker ends and starts again; what it owes is compared with what it has.
    fn end(mut self, end: End) -> Self {
        self.listen();
        let durable = self.rig.broker.logs.durable.durable();
        self.rig = match end {
            End::Power(seed, tear) => self.rig.crash_torn(seed, tear),
            End::Killed => self.rig.killed(),
            End::Stopped if self.rig.is_stuck() => self.rig.killed(),
            End::Stopped => {
                self.rig.storage.set_capacity(None);
                match self.rig.try_restart() {
                    Ok(rig) => rig,
                    Err(rig) => rig.crash_torn(7, Tear::Byte),
                }
            }
        };
        self.restarts += 1;
        assert!(
            self.rig.report.log.is_intact(),
            "nothing was damaged: {}",
            self.rig.report
        );
        self.check_topology();
        self.check_messages(durable);
        self.check_references();
        self.begin();
        self
    }

    fn check_topology(&self) {
        let vhost = self.rig.broker.vhost_names["/"];
        let topology = &self.rig.broker.vhost(vhost).topology;
        for queue in QUEUES {
            assert!(topology.queue_id(queue).is_some(), "queue {queue} is gone");
        }
        assert_eq!(
            topology.queue_id("forgotten"),
            None,
            "it was not to survive"
        );
        for exchange in ["fan", "delayed"] {
            assert!(
                topology.exchange_id(exchange).is_some(),
                "exchange {exchange} is gone"
            );
        }
    }

    fn check_messages(&mut self, durable: Position) {
        let mut found = BTreeSet::new();
        for queue in QUEUES {
            let ready = self.ready(queue);
            let ids: Vec<usize> = ready.iter().map(|(id, _)| *id).collect();
            for (id, redelivered) in &ready {
                let root = self.root(*id, queue);
                assert!(
                    self.published[*id].persistent,
                    "message {id} in {queue} was transient"
                );
                if let State::Gone(end) = self.copies[&(*id, root)]
                    && !self.doubled.contains(&(*id, root))
                {
                    assert!(end > durable, "message {id} in {queue} was settled durably");
                    assert!(
                        redelivered,
                        "message {id} in {queue} comes again as if it were new"
                    );
                }
                // A copy that moves on is in the log before its original leaves: a tear between them leaves both.
                if !found.insert((*id, root)) {
                    assert!(
                        matches!(queue, "dead" | "late"),
                        "message {id} is twice in {queue}"
                    );
                    self.doubled.insert((*id, root));
                }
            }
            match queue {
                "a" | "b" | "short" => assert!(ids.is_sorted(), "{queue} is out of order: {ids:?}"),
                "levels" => {
                    let level = |id: &usize| {
                        (
                            std::cmp::Reverse(self.published[*id].priority().min(5)),
                            *id,
                        )
                    };
                    assert!(
                        ids.is_sorted_by_key(level),
                        "{queue} is out of order: {ids:?}"
                    );
                }
                _ => {}
            }
        }
        for id in self.waiting_delayed() {
            if !found.insert((id, "late")) {
                self.doubled.insert((id, "late"));
            }
        }
        for ((id, root), state) in std::mem::take(&mut self.copies) {
            let is_there = found.contains(&(id, root));
            match state {
                State::Live { safe: true } if self.published[id].persistent => {
                    assert!(
                        is_there,
                        "message {id} for {root} was confirmed and is lost"
                    );
                }
                State::Live { .. } | State::Gone(_) => {}
            }
            if is_there {
                self.copies.insert((id, root), State::Live { safe: true });
            }
        }
    }

    /// Messages of the delayed exchange whose time has not come.
    fn waiting_delayed(&mut self) -> Vec<usize> {
        let places = self.rig.broker.delayed.places();
        places
            .into_iter()
            .map(|at| {
                let (_, record) = self
                    .rig
                    .broker
                    .logs
                    .durable
                    .read(at)
                    .expect("it can be read");
                let (_, stored) =
                    crate::message::read_delayed(record).expect("it is a record of its kind");
                stored.message.body.to_vec()
            })
            .collect::<Vec<_>>()
            .iter()
            .map(|body| self.identify(body))
            .collect()
    }

    /// Whatever is in the durable log is there for a reason: nothing leaks, nothing is given up that is needed.
    pub(super) fn check_references(&self) {
        let broker = &self.rig.broker;
        let persistent = |entry: &crate::queue::Entry| u64::from(entry.is_persistent());
        let ready: u64 = broker
            .queues
            .iter()
            .flat_map(|(_, queue)| queue.ready.iter().map(persistent))
            .sum();
        let unacked: u64 = broker
            .clients
            .sessions
            .iter()
            .flat_map(|(_, session)| session.channels.iter().flatten())
            .flat_map(|channel| {
                channel
                    .unacked
                    .iter()
                    .map(|delivery| persistent(&delivery.entry))
            })
            .sum();
        let delayed = broker.delayed.places().len() as u64;
        let entities = broker.catalog.positions.len() as u64;
        assert_eq!(
            broker.logs.durable.references(),
            ready + unacked + delayed + entities,
            "{ready} ready, {unacked} unacknowledged, {delayed} delayed, {entities} entities"
        );
        assert_eq!(broker.logs.unreadable, 0);
    }
}

fn known(queue: &str) -> &'static str {
    QUEUES
        .into_iter()
        .find(|known| *known == queue)
        .unwrap_or_else(|| panic!("nobody consumes from {queue}"))
}
