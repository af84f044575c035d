//! A broker and the model, step by step.

use std::collections::{BTreeMap, BTreeSet};

use trefoil_amqp::{
    Method, Properties, Table, TableRef,
    method::{basic, exchange, queue, tx},
    testing::Received,
};

use super::{
    Step,
    state::{
        Consumer, GRAVEYARD, Held, How, KINDS, Kind, LENGTH_MAX, Message, Model, PRIORITY_MAX, TTL,
    },
};
use crate::{
    broker::tests::rig::{Rig, Who, declare, octets},
    routing::QueueId,
};

const NAMES: [&str; 5] = ["q0", "q1", "q2", "q3", "q4"];
const ALL: [usize; 5] = [0, 1, 2, 3, 4];
/// The queues of the fan-out exchange.
const FAN: [usize; 3] = [0, 3, 4];
const CONTROL: u16 = 7;
const PLAIN: u16 = 8;
const CONFIRMS: u16 = 9;
/// Small, so that logs are cleaned.
const SEGMENT: u32 = 1 << 10;

/// A message of a queue as the broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    id: u64,
    expires: u64,
    is_persistent: bool,
    is_redelivered: bool,
}

pub(super) struct History {
    rig: Option<Rig>,
    who: Who,
    model: Model,
    names: u64,
    /// Publishes that wait for their confirm: the message, where it went, and whether it was refused.
    unconfirmed: BTreeMap<u64, (u64, &'static [usize], bool)>,
    confirmed: u64,
}

fn channel(at: usize) -> u16 {
    u16::try_from(at + 1).expect("there are five queues")
}

fn body(id: u64) -> Vec<u8> {
    let mut body = format!("{id}:").into_bytes();
    body.resize(
        body.len() + usize::try_from(id * 37 % 500).expect("it is small"),
        b'.',
    );
    body
}

fn id_of(body: &[u8]) -> u64 {
    let text = std::str::from_utf8(body).expect("bodies are text");
    let (id, _) = text
        .split_once(':')
        .expect("bodies begin with their number");
    id.parse().expect("bodies begin with their number")
}

fn arguments(kind: Kind) -> Table {
    let graveyard = |table: Table| {
        table
            .with("x-dead-letter-exchange", "")
            .with("x-dead-letter-routing-key", NAMES[GRAVEYARD])
    };
    let length = i64::try_from(LENGTH_MAX).expect("it is small");
    match kind {
        Kind::Plain => Table::new(),
        Kind::Short => graveyard(Table::new().with("x-max-length", length)),
        Kind::Fading => {
            graveyard(Table::new().with("x-message-ttl", i64::try_from(TTL).expect("it is small")))
        }
        Kind::Prioritized => Table::new().with("x-max-priority", i64::from(PRIORITY_MAX)),
        Kind::Refusing => Table::new()
            .with("x-max-length", length)
            .with("x-overflow", "reject-publish"),
    }
}

impl History {
    pub(super) fn new() -> Self {
        let mut rig = Rig::with_segments(SEGMENT);
        let who = rig.client();
        let model = Model::new(rig.now);
        let mut history = Self {
            rig: Some(rig),
            who,
            model,
            names: 0,
            unconfirmed: BTreeMap::new(),
            confirmed: 0,
        };
        history.settle_in();
        history
    }

    fn rig(&mut self) -> &mut Rig {
        self.rig
            .as_mut()
            .expect("only a crash takes it, and gives another")
    }

    /// Channels, queues and bindings of a new connection.
    fn settle_in(&mut self) {
        let who = self.who;
        let rig = self.rig();
        rig.commits = true;
        for number in [2, 3, 4, 5, CONTROL, PLAIN, CONFIRMS] {
            rig.script(who).open_channel(number);
        }
        rig.run();
        rig.hear(who);
        self.unconfirmed.clear();
        self.confirmed = 0;
        let select = trefoil_amqp::method::confirm::Select { no_wait: true };
        self.rig()
            .ask_on(who, CONFIRMS, &Method::ConfirmSelect(select));
        let fan = exchange::Declare {
            ticket: 0,
            exchange: "fan",
            kind: "fanout",
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            no_wait: true,
            arguments: TableRef::default(),
        };
        self.rig()
            .ask_on(who, CONTROL, &Method::ExchangeDeclare(fan));
        for at in 0..NAMES.len() {
            self.declare(at);
        }
        self.sync();
    }

    fn declare(&mut self, at: usize) {
        let who = self.who;
        let octets = octets(&arguments(KINDS[at]));
        let declare = declare(
            NAMES[at],
            KINDS[at].is_durable(),
            TableRef::from_bytes(&octets),
        );
        let heard = self
            .rig()
            .ask_on(who, CONTROL, &Method::QueueDeclare(declare));
        assert!(
            matches!(heard[0].method(), Method::QueueDeclareOk(_)),
            "{heard:?}"
        );
        if FAN.contains(&at) {
            let bind = queue::Bind {
                ticket: 0,
                queue: NAMES[at],
                exchange: "fan",
                routing_key: "",
                no_wait: true,
                arguments: TableRef::default(),
            };
            self.rig().ask_on(who, CONTROL, &Method::QueueBind(bind));
        }
    }

    /// Has something durable answered: everything before it is durable too.
    fn sync(&mut self) {
        let who = self.who;
        let new = declare("sync", true, TableRef::default());
        self.rig().ask_on(who, CONTROL, &Method::QueueDeclare(new));
        self.delete("sync");
        assert!(self.rig().is_synced());
        self.model.synced();
    }

    fn delete(&mut self, name: &str) -> Vec<Received> {
        let who = self.who;
        let delete = queue::Delete {
            ticket: 0,
            queue: name,
            if_unused: false,
            if_empty: false,
            no_wait: false,
        };
        self.rig()
            .ask_on(who, CONTROL, &Method::QueueDelete(delete))
    }

    fn ask(&mut self, at: usize, method: &Method<'_>) -> Vec<Received> {
        let who = self.who;
        self.rig().ask_on(who, channel(at), method)
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.model.now = self.rig().now;
        let heard = self.act(step);
        self.listen(&heard);
        let who = self.who;
        self.model.expire_all();
        self.rig().advance(0);
        let heard = self.rig().hear(who);
        self.listen(&heard);
        let rig = self.rig();
        if rig.commits {
            let is_synced = rig.is_synced();
            if is_synced {
                self.model.synced();
            }
            assert_eq!(
                self.unconfirmed,
                BTreeMap::new(),
                "all is written, and not all is confirmed"
            );
        }
        self.compare();
    }

    /// Whatever happened, nothing stays behind once everybody is gone and everything is deleted.
    pub(super) fn end(&mut self) {
        self.take(&Step::Commits(true));
        let who = self.who;
        self.rig().vanish(who);
        self.who = self.rig().client();
        self.settle_in();
        for name in NAMES {
            self.delete(name);
        }
        let logs = &self.rig().broker.logs;
        assert_eq!(logs.transient.references(), 0);
        let entities = self.rig().broker.catalog.positions.len() as u64;
        assert_eq!(self.rig().broker.logs.durable.references(), entities);
    }

    fn act(&mut self, step: &Step) -> Vec<Received> {
        match *step {
            Step::Publish {
                to,
                persistent,
                priority,
                ttl,
                confirmed,
            } => self.publish(
                usize::from(to),
                persistent,
                priority,
                ttl.map(u64::from),
                confirmed,
            ),
            Step::Get { queue, no_ack } => self.get(usize::from(queue), no_ack),
            Step::Consume { queue, no_ack } => {
                let at = usize::from(queue);
                self.names += 1;
                let tag = format!("c{}", self.names);
                let channel = &mut self.model.queues[at].channel;
                channel.consumers.push(Consumer {
                    tag: tag.clone(),
                    no_ack,
                    prefetch: channel.prefetch,
                    held: 0,
                });
                let consume = basic::Consume {
                    ticket: 0,
                    queue: NAMES[at],
                    consumer_tag: &tag,
                    no_local: false,
                    no_ack,
                    exclusive: false,
                    no_wait: false,
                    arguments: TableRef::default(),
                };
                self.ask(at, &Method::BasicConsume(consume))
            }
            Step::Cancel { queue, which } => {
                let at = usize::from(queue);
                let consumers = &mut self.model.queues[at].channel.consumers;
                if consumers.is_empty() {
                    return Vec::new();
                }
                let gone = consumers.remove(usize::from(which) % consumers.len());
                let cancel = basic::Cancel {
                    consumer_tag: &gone.tag,
                    no_wait: false,
                };
                self.ask(at, &Method::BasicCancel(cancel))
            }
            Step::Prefetch {
                queue,
                count,
                global,
            } => {
                let channel = &mut self.model.queues[usize::from(queue)].channel;
                if global {
                    channel.limit = count;
                } else {
                    channel.prefetch = count;
                    channel.limit = 0;
                }
                let qos = basic::Qos {
                    prefetch_size: 0,
                    prefetch_count: u16::from(count),
                    global,
                };
                self.ask(usize::from(queue), &Method::BasicQos(qos))
            }
            Step::Settle {
                queue,
                which,
                multiple,
                how,
            } => self.settle(usize::from(queue), which, multiple, how),
            Step::Recover { queue } => {
                let at = usize::from(queue);
                let held = std::mem::take(&mut self.model.queues[at].channel.held);
                self.model.settle(at, held, How::Requeue);
                self.model.expire(at);
                let recover = basic::Recover { requeue: true };
                self.ask(at, &Method::BasicRecover(recover))
            }
            Step::Select { queue } => {
                let channel = &mut self.model.queues[usize::from(queue)].channel;
                channel.transaction.get_or_insert_default();
                self.ask(usize::from(queue), &Method::TxSelect(tx::Select {}))
            }
            Step::Finish { queue, commit } => self.finish(usize::from(queue), commit),
            Step::Purge { queue } => {
                let at = usize::from(queue);
                let ready = std::mem::take(&mut self.model.queues[at].ready);
                let count = ready.len();
                for message in ready {
                    self.model.leave(at, message, false);
                }
                let purge = queue::Purge {
                    ticket: 0,
                    queue: NAMES[at],
                    no_wait: false,
                };
                let heard = self.ask(at, &Method::QueuePurge(purge));
                assert!(
                    matches!(heard[0].method(), Method::QueuePurgeOk(ok) if ok.message_count as usize == count),
                    "{heard:?}"
                );
                heard
            }
            Step::Delete { queue } => self.delete_and_declare(usize::from(queue)),
            Step::CloseChannel { queue } => {
                let at = usize::from(queue);
                let who = self.who;
                self.model.release(at);
                self.model.expire(at);
                let rig = self.rig();
                rig.script(who).close_channel(channel(at));
                rig.run();
                let heard = rig.hear(who);
                rig.script(who).open_channel(channel(at));
                rig.run();
                heard
            }
            Step::Vanish => {
                let who = self.who;
                self.rig().vanish(who);
                self.everybody_gone();
                self.who = self.rig().client();
                self.settle_in();
                Vec::new()
            }
            Step::Advance { ms } => {
                let who = self.who;
                let end = self.model.now + u64::from(ms);
                while self.model.next_expiry() <= end {
                    self.model.now = self.model.now.max(self.model.next_expiry());
                    self.model.expire_all();
                }
                self.model.now = end;
                self.rig().advance(u64::from(ms));
                self.rig().hear(who)
            }
            Step::Commits(is_on) => {
                let who = self.who;
                let rig = self.rig();
                rig.commits = is_on;
                rig.run();
                rig.hear(who)
            }
            Step::Crash { seed } => {
                self.crash(seed);
                Vec::new()
            }
            Step::Restart => {
                self.restart();
                Vec::new()
            }
        }
    }

    fn publish(
        &mut self,
        to: usize,
        is_persistent: bool,
        priority: u8,
        ttl: Option<u64>,
        is_confirmed: bool,
    ) -> Vec<Received> {
        let id = self.model.published.len() as u64 + 1;
        let message = Message {
            id,
            place: 0,
            priority,
            expires: u64::MAX,
            is_persistent,
            is_redelivered: false,
            is_safe: false,
            is_direct: false,
        };
        self.model.published.insert(id, message.clone());
        let (exchange, key, targets): (_, _, &[usize]) = match NAMES.get(to) {
            Some(name) => ("", *name, &ALL[to..=to]),
            None => ("fan", "", &FAN),
        };
        let mut is_refused = false;
        for at in targets {
            is_refused |= self.model.publish(*at, &message, ttl, targets.len() == 1);
        }
        if is_confirmed {
            self.confirmed += 1;
            self.unconfirmed
                .insert(self.confirmed, (id, targets, is_refused));
        }
        let expiration = ttl.map(|ttl| ttl.to_string());
        let properties = Properties {
            delivery_mode: Some(1 + u8::from(is_persistent)),
            priority: Some(priority),
            expiration: expiration.as_ref().map(String::as_bytes),
            ..Properties::default()
        };
        let who = self.who;
        let number = if is_confirmed { CONFIRMS } else { PLAIN };
        let rig = self.rig();
        rig.script(who)
            .publish(number, exchange, key, &properties, &body(id));
        rig.run();
        rig.hear(who)
    }

    fn get(&mut self, at: usize, no_ack: bool) -> Vec<Received> {
        self.model.expire(at);
        let get = basic::Get {
            ticket: 0,
            queue: NAMES[at],
            no_ack,
        };
        let mut heard = self.ask(at, &Method::BasicGet(get));
        let place = heard.iter().position(|one| {
            matches!(
                one.method(),
                Method::BasicGetOk(_) | Method::BasicGetEmpty(_)
            )
        });
        let answer = heard.remove(place.expect("an answer"));
        let queue = &mut self.model.queues[at];
        let expected = (!queue.ready.is_empty()).then(|| queue.ready.remove(0));
        // What it hid and is old goes at once, and is not counted.
        self.model.expire(at);
        let queue = &mut self.model.queues[at];
        match (answer.method(), expected) {
            (Method::BasicGetEmpty(_), None) => {}
            (Method::BasicGetOk(ok), Some(message)) => {
                queue.channel.last_tag += 1;
                assert_eq!(id_of(answer.body().expect("a body")), message.id);
                assert_eq!(ok.delivery_tag, queue.channel.last_tag);
                assert_eq!(ok.redelivered, message.is_redelivered);
                assert_eq!(ok.message_count as usize, queue.ready.len());
                if no_ack {
                    self.model.leave(at, message, false);
                } else {
                    queue.channel.held.push(Held {
                        tag: ok.delivery_tag,
                        consumer: None,
                        is_alive: true,
                        message,
                    });
                }
            }
            (answer, expected) => panic!("got {answer:?}, and not {expected:?}"),
        }
        heard
    }

    fn settle(&mut self, at: usize, which: u8, is_multiple: bool, how: u8) -> Vec<Received> {
        let channel = &mut self.model.queues[at].channel;
        if channel.held.is_empty() {
            return Vec::new();
        }
        let place = usize::from(which) % channel.held.len();
        let mut tag = channel.held[place].tag;
        let deliveries: Vec<Held> = if how == 4 && is_multiple {
            tag = 0;
            channel.held.drain(..).collect()
        } else if is_multiple {
            channel.held.drain(..=place).collect()
        } else {
            vec![channel.held.remove(place)]
        };
        let settle = match how {
            2 => How::Requeue,
            3 => How::Reject,
            _ => How::Acknowledge,
        };
        let method = match settle {
            How::Acknowledge => Method::BasicAck(basic::Ack {
                delivery_tag: tag,
                multiple: is_multiple,
            }),
            _ => Method::BasicNack(basic::Nack {
                delivery_tag: tag,
                multiple: is_multiple,
                requeue: settle == How::Requeue,
            }),
        };
        match &mut channel.transaction {
            Some(transaction) => transaction.push((deliveries, settle)),
            None => {
                self.model.settle(at, deliveries, settle);
                self.model.expire(at);
            }
        }
        self.ask(at, &method)
    }

    fn finish(&mut self, at: usize, is_commit: bool) -> Vec<Received> {
        let channel = &mut self.model.queues[at].channel;
        let Some(transaction) = &mut channel.transaction else {
            return Vec::new();
        };
        let settlements = std::mem::take(transaction);
        if is_commit {
            for (held, how) in settlements {
                self.model.settle(at, held, how);
            }
            self.model.expire(at);
            return self.ask(at, &Method::TxCommit(tx::Commit {}));
        }
        channel
            .held
            .extend(settlements.into_iter().flat_map(|(held, _)| held));
        channel.held.sort_by_key(|held| held.tag);
        self.ask(at, &Method::TxRollback(tx::Rollback {}))
    }

    fn delete_and_declare(&mut self, at: usize) -> Vec<Received> {
        let who = self.who;
        let rig = self.rig();
        rig.commits = true;
        rig.run();
        let mut heard = rig.hear(who);
        let queue = &mut self.model.queues[at];
        let count = std::mem::take(&mut queue.ready).len();
        queue.ghosts.clear();
        queue.channel.consumers.clear();
        let settled = queue.channel.transaction.iter_mut().flatten();
        let held = queue.channel.held.iter_mut();
        for held in held.chain(settled.flat_map(|(held, _)| held)) {
            held.is_alive = false;
        }
        let answers = self.delete(NAMES[at]);
        assert!(
            answers.iter().any(|answer| matches!(answer.method(), Method::QueueDeleteOk(ok) if ok.message_count as usize == count)),
            "{answers:?}"
        );
        self.declare(at);
        heard.extend(answers);
        heard
    }

    /// What everybody held is back.
    fn everybody_gone(&mut self) {
        for at in 0..NAMES.len() {
            self.model.release(at);
        }
        for at in (0..NAMES.len()).rev() {
            self.model.expire(at);
        }
    }

    fn restart(&mut self) {
        let rig = self.rig();
        rig.commits = true;
        rig.run();
        let rig = self.rig.take().expect("it is there");
        self.everybody_gone();
        for queue in &mut self.model.queues {
            queue.ready.retain(|message| message.is_persistent);
            queue.ghosts.clear();
        }
        self.rig = Some(rig.restart());
        self.come_back();
    }

    fn come_back(&mut self) {
        self.model.now = self.rig().now;
        self.who = self.rig().client();
        self.settle_in();
    }

    fn crash(&mut self, seed: u64) {
        let rig = self.rig.take().expect("it is there");
        self.rig = Some(rig.crash(seed));
        let found: Vec<Vec<Found>> = (0..NAMES.len()).map(|at| self.found(at)).collect();
        let ids = |at: usize| -> BTreeSet<u64> { found[at].iter().map(|found| found.id).collect() };
        let buried = ids(GRAVEYARD);
        for (at, kind) in KINDS.into_iter().enumerate() {
            let here = ids(at);
            let known: BTreeMap<u64, u64> = self
                .model
                .all(at)
                .chain(
                    self.model.queues[at]
                        .ghosts
                        .iter()
                        .map(|ghost| &ghost.message),
                )
                .map(|message| (message.id, message.place))
                .collect();
            for found in &found[at] {
                // What was too much for its queue when that was read is buried by now, as a new message.
                let is_new = at == GRAVEYARD && !known.contains_key(&found.id);
                assert!(
                    found.is_persistent && (found.is_redelivered || at == GRAVEYARD),
                    "{} of {at} came back as {found:?}",
                    found.id
                );
                let may_be_here = known.contains_key(&found.id) || is_new;
                assert!(may_be_here, "{} is in {at}, where it cannot be", found.id);
            }
            if at != GRAVEYARD {
                assert_eq!(here.len(), found[at].len(), "a message is twice in {at}");
                let level = |id: u64| match kind {
                    Kind::Prioritized => self.model.published[&id].priority.min(PRIORITY_MAX),
                    _ => 0,
                };
                let order: Vec<(u8, u64)> = found[at]
                    .iter()
                    .map(|found| (PRIORITY_MAX - level(found.id), known[&found.id]))
                    .collect();
                assert!(
                    order.is_sorted(),
                    "the order of {at} is another: {:?}",
                    found[at]
                );
            }
            for message in self.model.all(at) {
                let is_here = here.contains(&message.id)
                    || matches!(kind, Kind::Short | Kind::Fading) && buried.contains(&message.id);
                assert!(
                    is_here || !message.is_persistent || !message.is_safe,
                    "{} of {at} is lost",
                    message.id
                );
            }
            for ghost in &self.model.queues[at].ghosts {
                let id = ghost.message.id;
                let is_in_graveyard = self.model.all(GRAVEYARD).any(|message| message.id == id);
                assert!(
                    !ghost.is_buried
                        || !ghost.message.is_safe
                        || !is_in_graveyard
                        || here.contains(&id)
                        || buried.contains(&id),
                    "{id} was lost on its way from {at} to the graveyard"
                );
            }
        }
        self.adopt(found);
        self.come_back();
    }

    /// From now on the model has what the broker found.
    fn adopt(&mut self, found: Vec<Vec<Found>>) {
        let published = std::mem::take(&mut self.model.published);
        let mut model = Model::new(self.rig().now);
        for (at, found) in found.into_iter().enumerate() {
            for found in found {
                let message = Message {
                    place: model.next_place(),
                    expires: found.expires,
                    is_redelivered: found.is_redelivered,
                    is_persistent: true,
                    ..published[&found.id].clone()
                };
                model.insert(at, message);
            }
        }
        model.published = published;
        self.model = model;
    }

    fn listen(&mut self, heard: &[Received]) {
        for one in heard {
            if let Some(closed) = one.closed() {
                panic!("{closed:?}");
            }
            match one.method() {
                Method::BasicDeliver(deliver) => {
                    let at = usize::from(one.channel.0) - 1;
                    let id = id_of(one.body().expect("a body"));
                    self.delivered(at, &deliver, id);
                }
                Method::BasicAck(ack) => self.confirm(ack.delivery_tag, ack.multiple, false),
                Method::BasicNack(nack) => self.confirm(nack.delivery_tag, nack.multiple, true),
                _ => {}
            }
        }
    }

    fn delivered(&mut self, at: usize, deliver: &basic::Deliver<'_>, id: u64) {
        self.model.expire(at);
        let queue = &mut self.model.queues[at];
        assert!(
            !queue.ready.is_empty(),
            "{id} was delivered from {at}, which is empty"
        );
        let message = queue.ready.remove(0);
        assert_eq!(id, message.id, "of queue {at}");
        assert_eq!(deliver.redelivered, message.is_redelivered);
        let channel = &mut queue.channel;
        channel.last_tag += 1;
        assert_eq!(deliver.delivery_tag, channel.last_tag);
        let place = channel
            .consumers
            .iter()
            .position(|consumer| consumer.tag == deliver.consumer_tag)
            .expect("it goes to a consumer that is there");
        assert!(
            channel.is_free(&channel.consumers[place]),
            "it can take no more"
        );
        if channel.consumers[place].no_ack {
            self.model.leave(at, message, false);
        } else {
            channel.consumers[place].held += 1;
            channel.held.push(Held {
                tag: deliver.delivery_tag,
                consumer: Some(deliver.consumer_tag.to_owned()),
                is_alive: true,
                message: Message {
                    is_direct: false,
                    ..message
                },
            });
        }
        // The next one may have expired behind this one.
        self.model.expire(at);
    }

    fn confirm(&mut self, tag: u64, is_multiple: bool, is_refusal: bool) {
        let mut rest = self.unconfirmed.split_off(&(tag + 1));
        let mut answered = std::mem::take(&mut self.unconfirmed);
        if !is_multiple {
            let one = answered.remove(&tag).expect("it waits");
            rest.extend(std::mem::replace(
                &mut answered,
                BTreeMap::from([(tag, one)]),
            ));
        }
        self.unconfirmed = rest;
        assert!(
            !answered.is_empty(),
            "nothing waits that {tag} could confirm"
        );
        for (id, targets, is_refused) in answered.into_values() {
            assert_eq!(is_refused, is_refusal, "the answer for {id}");
            if is_refused {
                continue;
            }
            // Copies that are buried by now were not what was confirmed.
            for at in targets {
                let queue = &mut self.model.queues[*at];
                let held = queue.channel.held.iter_mut().map(|held| &mut held.message);
                let ghosts = queue.ghosts.iter_mut().map(|ghost| &mut ghost.message);
                for message in queue.ready.iter_mut().chain(held).chain(ghosts) {
                    message.is_safe |= message.id == id;
                }
            }
        }
    }

    fn queue_id(&mut self, at: usize) -> Option<QueueId> {
        let broker = &self.rig().broker;
        let vhost = *broker.vhost_names.get("/").expect("it is there");
        broker.vhost(vhost).topology.queue_id(NAMES[at])
    }

    fn found(&mut self, at: usize) -> Vec<Found> {
        let Some(id) = self.queue_id(at) else {
            assert!(!KINDS[at].is_durable(), "queue {at} is lost");
            return Vec::new();
        };
        let broker = &mut self.rig().broker;
        let entries: Vec<_> = broker
            .queues
            .get(id)
            .expect("it has a name")
            .ready
            .iter()
            .copied()
            .collect();
        entries
            .iter()
            .map(|entry| {
                let stored = broker.logs.read(entry).expect("it can be read");
                Found {
                    id: id_of(stored.message.body),
                    expires: entry.expires_at,
                    is_persistent: entry.is_persistent(),
                    is_redelivered: entry.is_redelivered(),
                }
            })
            .collect()
    }

    /// Everything is where the model says, and nothing else is kept.
    fn compare(&mut self) {
        let (mut durable, mut transient) = (0, 0);
        for at in 0..NAMES.len() {
            let expected: Vec<Found> = self.model.queues[at]
                .ready
                .iter()
                .map(|message| Found {
                    id: message.id,
                    expires: message.expires,
                    is_persistent: message.is_persistent,
                    is_redelivered: message.is_redelivered,
                })
                .collect();
            assert_eq!(self.found(at), expected, "queue {at}");
            let channel = &self.model.queues[at].channel;
            assert!(
                expected.is_empty() || !channel.is_any_free(),
                "somebody waits for what is in {at}"
            );
            for message in self.model.all(at) {
                *(if message.is_persistent {
                    &mut durable
                } else {
                    &mut transient
                }) += 1;
            }
            let held = self.model.all(at).count() - expected.len();
            let id = self.queue_id(at).expect("it is there");
            let queue = self.rig().broker.queues.get(id).expect("it has a name");
            assert_eq!(queue.unacked, held, "deliveries of queue {at}");
        }
        let broker = &self.rig().broker;
        let entities = broker.catalog.positions.len() as u64;
        let kept = broker.logs.durable.references();
        // A message for several queues counts once for each of them.
        assert_eq!(kept, durable + entities, "references of the durable log");
        assert_eq!(
            broker.logs.transient.references(),
            transient,
            "references of the transient log"
        );
        assert_eq!(broker.logs.unreadable, 0);
    }
}
