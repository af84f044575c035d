//! A broker and its clients, without a socket, a thread or a clock.

use std::{net::SocketAddr, sync::Arc};

use trefoil_amqp::{
    ContentHeader, Method, Properties, Table, TableRef, Value,
    method::{basic, confirm, exchange, queue},
    testing::{Client, Closed, Handshake, Received},
};
use trefoil_store::{Batch, Position, WriteError, testing::MemoryStorage};

use crate::{
    access::AccessSettings,
    broker::{Broker, ConnectionId, OpenReport, Settings, Writers},
    session::Peer,
};

/// Where all tests begin: not at 0, so that times before it exist.
pub(crate) const START: u64 = 1_700_000_000_000;

/// A client of a rig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who(usize);

/// A broker, its storage, its clients.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) broker: Broker,
    /// What its opening found.
    pub(crate) report: OpenReport,
    writers: Writers,
    pub(crate) storage: MemoryStorage,
    clients: Vec<(Option<ConnectionId>, Client, Vec<u8>)>,
    pub(crate) now: u64,
    /// Whether what the log gathers is written at once.
    pub(crate) commits: bool,
    /// Up to where the log has what clients did; and what cleaning added to it.
    logged: (Position, Position),
    /// What the storage had no space for.
    unwritten: Option<(Batch, bool)>,
    segment_size: u32,
    /// Whose socket is full, and what waits for it.
    stalled: Option<(Who, Vec<u8>)>,
}

/// Bytes of a segment: so small that every longer test has some.
pub(crate) const SEGMENT: u32 = 16 << 10;

fn settings(segment_size: u32) -> Settings {
    Settings {
        connection: trefoil_amqp::Settings::default(),
        access: AccessSettings::default(),
        node: "trefoil@test".to_owned(),
        cluster: "test".to_owned(),
        log: trefoil_store::Options {
            segment_size,
            preallocate: false,
            ..trefoil_store::Options::durable()
        },
        transient: trefoil_store::Options::spill(1 << 20),
        seed: [1, 2],
        connections_max: 0,
        consumers_max: 0,
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(MemoryStorage::new(), START, SEGMENT)
    }

    /// A broker whose log has segments of this size.
    pub(crate) fn with_segments(segment_size: u32) -> Self {
        Self::on(MemoryStorage::new(), START, segment_size)
    }

    /// A broker on what another one left behind.
    pub(crate) fn on(storage: MemoryStorage, now: u64, segment_size: u32) -> Self {
        let (broker, writers, report) = Broker::open(
            settings(segment_size),
            Arc::new(storage.clone()),
            Arc::new(MemoryStorage::new()),
            now,
        )
        .expect("the broker opens");
        let mut rig = Self {
            report,
            broker,
            writers,
            storage,
            clients: Vec::new(),
            now,
            commits: true,
            logged: (Position::default(), Position::default()),
            unwritten: None,
            stalled: None,
            segment_size,
        };
        rig.run();
        rig
    }

    /// The machine dies and comes back with what was synced.
    pub(crate) fn crash(self, seed: u64) -> Self {
        let image = self
            .storage
            .crash(seed, trefoil_store::testing::Tear::Sector);
        Self::on(image, self.now + 1_000, self.segment_size)
    }

    /// The same, torn in a way of its own.
    pub(crate) fn crash_torn(self, seed: u64, tear: trefoil_store::testing::Tear) -> Self {
        let image = self.storage.crash(seed, tear);
        Self::on(image, self.now + 1_000, self.segment_size)
    }

    /// The process dies, and the machine does not: what was written is there.
    pub(crate) fn killed(self) -> Self {
        Self::on(self.storage.copy(), self.now + 1_000, self.segment_size)
    }

    /// Whether something waits for space on the disk.
    pub(crate) fn is_stuck(&self) -> bool {
        self.unwritten.is_some()
    }

    /// Stopped in good order and started again, unless its storage fails while it stops: then it is still there.
    #[expect(
        clippy::result_large_err,
        reason = "a test moves it a few times at most"
    )]
    pub(crate) fn try_restart(mut self) -> Result<Self, Self> {
        self.broker.stop(self.now);
        loop {
            match self.try_commit() {
                Ok(true) => self.run(),
                Ok(false) => return Ok(self.killed()),
                Err(_) => return Err(self),
            }
        }
    }

    /// The broker is stopped in good order and started again.
    pub(crate) fn restart(mut self) -> Self {
        self.broker.stop(self.now);
        self.run();
        Self::on(self.storage.copy(), self.now + 1_000, self.segment_size)
    }

    /// A client with channel 1 open.
    pub(crate) fn client(&mut self) -> Who {
        let who = self.guest(&Handshake::plain("/", "guest", "guest"));
        self.clients[who.0].1.open_channel(1);
        self.run();
        self.clients[who.0].1.drain();
        who
    }

    /// A client that shakes hands in its own way.
    pub(crate) fn guest(&mut self, handshake: &Handshake<'_>) -> Who {
        let peer = Peer {
            address: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            local: SocketAddr::from(([127, 0, 0, 1], 5672)),
            tls: None,
        };
        let id = self.broker.connect(peer, self.now);
        let mut client = Client::new();
        client.handshake_with(handshake);
        self.clients.push((Some(id), client, Vec::new()));
        self.run();
        Who(self.clients.len() - 1)
    }

    /// Moves bytes until nobody has any, and commits what the log gathered.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = false;
            for (id, client, rest) in &mut self.clients {
                let Some(id) = *id else { continue };
                rest.extend(client.take_output());
                if !rest.is_empty() {
                    let used = self.broker.handle_input(id, rest, self.now);
                    moved |= used > 0;
                    rest.drain(..used);
                }
            }
            if self.commits {
                moved |= self.commit();
            }
            moved |= self.collect();
            if !moved {
                return;
            }
        }
    }

    pub(crate) fn commit(&mut self) -> bool {
        self.try_commit().expect("the storage of this test works")
    }

    /// Whether all that clients did until the last commit is on the disk.
    pub(crate) fn is_synced(&self) -> bool {
        self.broker.logs.durable.durable() >= self.logged.0
    }

    /// Writes what the log gathered, on a storage that may fail. What it has no space for is kept for the next time.
    pub(crate) fn try_commit(&mut self) -> Result<bool, WriteError> {
        let end = self.broker.logs.durable.end();
        if end > self.logged.1 {
            self.logged.0 = end;
        }
        let batch = self.unwritten.take().or_else(|| self.broker.take_batch());
        self.logged.1 = self.broker.logs.durable.end();
        let Some((batch, sync)) = batch else {
            return Ok(false);
        };
        match self.writers.durable.commit(&batch, sync) {
            Ok(done) => {
                self.broker.handle_committed(done, self.now);
                Ok(true)
            }
            Err(error) => {
                self.unwritten = Some((batch, sync));
                Err(error)
            }
        }
    }

    /// Writes what the log gathered and does not sync it.
    pub(crate) fn write(&mut self) {
        if let Some((batch, _)) = self.broker.take_batch() {
            let done = self.writers.durable.commit(&batch, false);
            let done = done.expect("the storage of this test works");
            self.broker.handle_committed(done, self.now);
        }
    }

    /// What the thread that writes does when it has nothing to write.
    pub(crate) fn maintain(&mut self) -> Result<(), WriteError> {
        if let Some(done) = self.writers.durable.maintain()?.done {
            self.broker.handle_committed(done, self.now);
        }
        Ok(())
    }

    fn collect(&mut self) -> bool {
        let mut moved = false;
        while let Some(id) = self.broker.poll_output() {
            let mut output = Vec::new();
            if let Some((stalled, waiting)) = &mut self.stalled
                && self.clients[stalled.0].0 == Some(id)
            {
                let unsent = waiting.len();
                self.broker.take_output(id, waiting, unsent);
                continue;
            }
            let status = self.broker.take_output(id, &mut output, 0);
            moved |= !output.is_empty() || status.resumed;
            if let Some((at, client, _)) = self.clients.iter_mut().find(|(at, ..)| *at == Some(id))
            {
                client.receive(&output);
                if status.closed {
                    *at = None;
                    self.broker.handle_disconnect(id, self.now);
                } else if status.notify_when_drained {
                    self.broker.handle_drained(id, self.now);
                }
            }
        }
        moved
    }

    /// The client's socket takes nothing more.
    pub(crate) fn stall(&mut self, who: Who) {
        self.stalled = Some((who, Vec::new()));
    }

    /// The socket takes everything again.
    pub(crate) fn unstall(&mut self, who: Who) {
        if let Some((_, waiting)) = self.stalled.take() {
            self.clients[who.0].1.receive(&waiting);
        }
        if let Some(id) = self.clients[who.0].0 {
            self.broker.handle_drained(id, self.now);
            self.run();
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(at) = self.broker.poll_timeout()
            && at <= end
        {
            self.now = self.now.max(at);
            self.broker.handle_timeout(self.now);
            self.run();
        }
        self.now = end;
    }

    /// The client's socket breaks.
    pub(crate) fn vanish(&mut self, who: Who) {
        if let Some(id) = self.clients[who.0].0.take() {
            self.broker.handle_disconnect(id, self.now);
            self.run();
        }
    }

    pub(crate) fn script(&mut self, who: Who) -> &mut Client {
        &mut self.clients[who.0].1
    }

    /// Sends a method on channel 1 and gives everything that comes back.
    pub(crate) fn ask(&mut self, who: Who, method: &Method<'_>) -> Vec<Received> {
        self.clients[who.0].1.send(1, method);
        self.run();
        self.hear(who)
    }

    /// The same on any channel.
    pub(crate) fn ask_on(&mut self, who: Who, channel: u16, method: &Method<'_>) -> Vec<Received> {
        self.clients[who.0].1.send(channel, method);
        self.run();
        self.hear(who)
    }

    /// Tags of the deliveries that a channel holds.
    pub(crate) fn held(&self, who: Who, number: u16) -> Vec<u64> {
        let session = self.clients[who.0]
            .0
            .and_then(|id| self.broker.clients.sessions.get(id));
        let channel = session
            .and_then(|session| session.channels.get(usize::from(number)))
            .and_then(Option::as_deref);
        let held = channel
            .into_iter()
            .flat_map(|channel| channel.unacked.iter());
        held.map(|delivery| delivery.tag).collect()
    }

    /// What a client has heard since.
    pub(crate) fn hear(&mut self, who: Who) -> Vec<Received> {
        self.clients[who.0].1.drain()
    }

    /// The close that answers a method.
    pub(crate) fn refused(&mut self, who: Who, method: &Method<'_>) -> Closed {
        let heard = self.ask(who, method);
        heard
            .iter()
            .find_map(Received::closed)
            .unwrap_or_else(|| panic!("nothing was closed: {heard:?}"))
    }

    pub(crate) fn declare(&mut self, who: Who, name: &str, durable: bool, arguments: &Table) {
        let octets = octets(arguments);
        let heard = self.ask(
            who,
            &Method::QueueDeclare(declare(name, durable, TableRef::from_bytes(&octets))),
        );
        assert!(
            matches!(
                heard.first().map(Received::method),
                Some(Method::QueueDeclareOk(_))
            ),
            "{heard:?}"
        );
    }

    pub(crate) fn declare_exchange(&mut self, who: Who, name: &str, kind: &str, arguments: &Table) {
        let octets = octets(arguments);
        let declare = exchange::Declare {
            ticket: 0,
            exchange: name,
            kind,
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            no_wait: false,
            arguments: TableRef::from_bytes(&octets),
        };
        let heard = self.ask(who, &Method::ExchangeDeclare(declare));
        assert!(
            matches!(
                heard.first().map(Received::method),
                Some(Method::ExchangeDeclareOk(_))
            ),
            "{heard:?}"
        );
    }

    pub(crate) fn bind(&mut self, who: Who, queue: &str, exchange: &str, routing_key: &str) {
        let octets = octets(&Table::new());
        let bind = queue::Bind {
            ticket: 0,
            queue,
            exchange,
            routing_key,
            no_wait: false,
            arguments: TableRef::from_bytes(&octets),
        };
        let heard = self.ask(who, &Method::QueueBind(bind));
        assert!(
            matches!(
                heard.first().map(Received::method),
                Some(Method::QueueBindOk(_))
            ),
            "{heard:?}"
        );
    }

    pub(crate) fn publish(
        &mut self,
        who: Who,
        exchange: &str,
        key: &str,
        properties: &Properties<'_>,
        body: &str,
    ) {
        self.clients[who.0]
            .1
            .publish(1, exchange, key, properties, body.as_bytes());
        self.run();
    }

    pub(crate) fn consume(
        &mut self,
        who: Who,
        queue: &str,
        tag: &str,
        no_ack: bool,
    ) -> Vec<Received> {
        let octets = octets(&Table::new());
        let consume = basic::Consume {
            ticket: 0,
            queue,
            consumer_tag: tag,
            no_local: false,
            no_ack,
            exclusive: false,
            no_wait: false,
            arguments: TableRef::from_bytes(&octets),
        };
        self.ask(who, &Method::BasicConsume(consume))
    }

    pub(crate) fn get(&mut self, who: Who, queue: &str) -> Option<(String, Received)> {
        let get = basic::Get {
            ticket: 0,
            queue,
            no_ack: true,
        };
        let answers = self.ask(who, &Method::BasicGet(get));
        let heard = answers.into_iter().find(|one| one.body().is_some())?;
        let body = String::from_utf8(heard.body()?.to_vec()).ok()?;
        Some((body, heard))
    }

    /// The next message of a queue, to be settled: its tag and its body.
    pub(crate) fn get_unacknowledged(&mut self, who: Who, queue: &str) -> Option<(u64, String)> {
        let get = basic::Get {
            ticket: 0,
            queue,
            no_ack: false,
        };
        let answers = self.ask(who, &Method::BasicGet(get));
        let heard = answers.into_iter().find(|one| one.body().is_some())?;
        let Method::BasicGetOk(ok) = heard.method() else {
            return None;
        };
        Some((
            ok.delivery_tag,
            bodies(std::slice::from_ref(&heard)).remove(0),
        ))
    }

    /// Acknowledges, or puts back.
    pub(crate) fn settle(&mut self, who: Who, delivery_tag: u64, is_done: bool) {
        let nack = basic::Nack {
            delivery_tag,
            multiple: false,
            requeue: true,
        };
        let ack = basic::Ack {
            delivery_tag,
            multiple: false,
        };
        let method = match is_done {
            true => Method::BasicAck(ack),
            false => Method::BasicNack(nack),
        };
        self.ask(who, &method);
    }

    /// Bodies of what waits in a queue, seen from within; `None` if there is no such queue.
    pub(crate) fn waiting(&mut self, queue: &str) -> Option<Vec<String>> {
        let Broker { queues, logs, .. } = &mut self.broker;
        let (_, found) = queues.iter().find(|(_, one)| *one.name == *queue)?;
        let body = |entry| {
            let stored = logs.read(entry).expect("what waits can be read");
            String::from_utf8_lossy(stored.message.body).into_owned()
        };
        Some(found.ready.iter().map(body).collect())
    }

    /// Everything in a queue, by `basic.get`.
    pub(crate) fn drain(&mut self, who: Who, queue: &str) -> Vec<String> {
        std::iter::from_fn(|| self.get(who, queue).map(|(body, _)| body)).collect()
    }

    pub(crate) fn confirms(&mut self, who: Who) {
        self.ask(
            who,
            &Method::ConfirmSelect(confirm::Select { no_wait: false }),
        );
    }

    pub(crate) fn prefetch(&mut self, who: Who, count: u16, global: bool) {
        let qos = basic::Qos {
            prefetch_size: 0,
            prefetch_count: count,
            global,
        };
        self.ask(who, &Method::BasicQos(qos));
    }
}

pub(crate) fn declare<'a>(
    name: &'a str,
    durable: bool,
    arguments: TableRef<'a>,
) -> queue::Declare<'a> {
    queue::Declare {
        ticket: 0,
        queue: name,
        passive: false,
        durable,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments,
    }
}

pub(crate) fn persistent() -> Properties<'static> {
    Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    }
}

/// Bodies of deliveries.
pub(crate) fn bodies(heard: &[Received]) -> Vec<String> {
    heard
        .iter()
        .filter_map(Received::body)
        .map(|body| String::from_utf8_lossy(body).into_owned())
        .collect()
}

/// Delivery tags and redelivered flags of deliveries.
pub(crate) fn deliveries(heard: &[Received]) -> Vec<(u64, bool)> {
    heard
        .iter()
        .filter_map(|one| match one.method() {
            Method::BasicDeliver(deliver) => Some((deliver.delivery_tag, deliver.redelivered)),
            _ => None,
        })
        .collect()
}

/// A header of a message.
pub(crate) fn header(received: &Received, name: &str) -> Option<Value> {
    let content = received.content()?;
    let value = ContentHeader::new(&content.header).headers()?.get(name)?;
    value.to_value().ok()
}

/// A table as it stands on the wire, without its length.
pub(crate) fn octets(table: &Table) -> Vec<u8> {
    let mut octets = Vec::new();
    table.encode(&mut octets);
    octets
}
