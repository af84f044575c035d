//! What the threads of the broker share, and how they take turns with it.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use trefoil_broker::{Broker, ConnectionId};

use super::{
    AmqpConfig, Listening,
    commit::{Desk, Work},
    gate::Gate,
    give_up,
    link::{Link, Sent, ask},
    mailbox::{Adopt, Kind, Letter, Mailbox},
    monitor::Monitor,
    pool::Pool,
    tls::{self, Certificates},
};
use crate::clock::Clock;

/// What all threads share.
pub(super) struct Shared {
    pub(super) config: AmqpConfig,
    pub(super) clock: Clock,
    pub(super) core: Mutex<Core>,
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) desk: Desk,
    pub(super) pool: Pool,
    pub(super) monitor: Monitor,
    pub(super) tls: Option<Certificates>,
    pub(super) listening: Vec<Listening>,
    pub(super) gate: Gate,
    /// When the broker's next timer is due; the first reactor sleeps no longer.
    pub(super) timer: AtomicU64,
    /// Since when the committer has been writing what it was given; the end of time while it writes nothing.
    pub(super) writing_since: AtomicU64,
    /// Connections that are there, those before AMQP too.
    pub(super) connections: AtomicUsize,
    /// Told when there are none any more.
    pub(super) empty: (Mutex<()>, Condvar),
    /// Of the reactors, in turn.
    pub(super) next: AtomicUsize,
    pub(super) threads: Mutex<Threads>,
}

#[derive(Default)]
pub(super) struct Threads {
    pub(super) reactors: Vec<thread::JoinHandle<()>>,
    pub(super) committer: Option<thread::JoinHandle<()>>,
}

/// What is behind the lock.
pub(super) struct Core {
    pub(super) broker: Broker,
    /// By the index of their id.
    pub(super) links: Vec<Option<Arc<Link>>>,
    /// The committer is at work, and looks for more when it is done.
    pub(super) is_committing: bool,
    /// There was no space for transient messages: they stay in memory until then, and it is tried again.
    pub(super) transient_paused: Option<Instant>,
}

impl Core {
    /// A connection has an id.
    pub(super) fn join(&mut self, id: ConnectionId, link: &Arc<Link>) {
        link.set_id(id);
        let at = id.index();
        if self.links.len() <= at {
            self.links.resize(at + 1, None);
        }
        self.links[at] = Some(Arc::clone(link));
    }

    /// The socket of a connection is gone.
    pub(super) fn disconnect(&mut self, id: ConnectionId, now: u64) {
        self.broker.handle_disconnect(id, now);
        if self.link(id).is_some() {
            self.links[id.index()] = None;
        }
    }

    pub(super) fn link(&self, id: ConnectionId) -> Option<&Arc<Link>> {
        let link = self.links.get(id.index())?.as_ref()?;
        (link.id() == Some(id)).then_some(link)
    }
}

/// What is to be done when the lock is given back.
#[derive(Default)]
pub(super) struct After {
    pub(super) links: Vec<(Arc<Link>, u8)>,
    pub(super) work: Option<Work>,
    pub(super) is_timer_earlier: bool,
    /// Connections whose output is sent, to be told to the broker with the next turn.
    pub(super) drained: Vec<ConnectionId>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        match self.core.lock() {
            Ok(core) => core,
            Err(poisoned) => give_up("the broker", &poisoned),
        }
    }

    /// Does something with the broker, and collects what comes out.
    pub(super) fn turn<T>(
        &self,
        after: &mut After,
        f: impl FnOnce(&mut Core, &mut After, u64) -> T,
    ) -> T {
        let mut core = self.lock();
        let done = f(&mut core, after, self.clock.steady_ms());
        self.collect(&mut core, after);
        if !core.is_committing {
            after.work = Work::of(&mut core);
            core.is_committing = after.work.is_some();
        }
        done
    }

    /// The same for the committer, who takes the next work with it.
    pub(super) fn turn_of_committer(
        &self,
        after: &mut After,
        f: impl FnOnce(&mut Core, u64),
    ) -> Option<Work> {
        let mut core = self.lock();
        f(&mut core, self.clock.steady_ms());
        self.collect(&mut core, after);
        let work = Work::of(&mut core);
        core.is_committing = work.is_some();
        work
    }

    pub(super) fn collect(&self, core: &mut Core, after: &mut After) {
        while let Some(id) = core.broker.poll_output() {
            self.take(core, after, id);
        }
        let due = core.broker.poll_timeout().unwrap_or(u64::MAX);
        if due < self.timer.load(Ordering::Relaxed) {
            self.timer.store(due, Ordering::Release);
            after.is_timer_earlier = true;
        }
    }

    /// Takes the output of a connection. Whether it is to be read.
    pub(super) fn take(&self, core: &mut Core, after: &mut After, id: ConnectionId) -> bool {
        let Some(link) = core.link(id).map(Arc::clone) else {
            return false;
        };
        let mut output = link.buffer(&self.pool);
        let status = core.broker.take_output(id, &mut output, link.unsent());
        let mut asks = 0;
        if status.resumed {
            asks |= ask::RESUME;
        }
        if status.closed {
            asks |= ask::FINISH;
            core.disconnect(id, self.clock.steady_ms());
        }
        if !output.is_empty() {
            link.push(&mut output);
        } else if asks == 0 {
            return status.reading;
        }
        self.pool.give(output);
        if status.notify_when_drained {
            link.notify();
        }
        after.links.push((link, asks));
        status.reading
    }

    /// Sends what was collected. `me` is the reactor that does it, if one does; if it `leaves` sending to the others,
    /// because it has more to read itself, they do it at the same time on their cores.
    pub(super) fn carry_out(&self, after: &mut After, me: Option<usize>, leaves: bool) {
        // First the disk, which takes longest.
        if let Some(work) = after.work.take() {
            self.desk.give(work);
        }
        if std::mem::take(&mut after.is_timer_earlier) && me != Some(0) {
            self.mailboxes[0].post(Letter::Look);
        }
        for (link, mut asks) in after.links.drain(..) {
            if asks & ask::FINISH != 0 {
                link.finish();
            }
            if leaves && Some(link.reactor) != me {
                asks |= ask::FLUSH;
            } else {
                match link.flush(&self.pool, false) {
                    Sent::All if !link.is_drained() => {}
                    Sent::All if me.is_some() => after.drained.extend(link.id()),
                    // It is for reactors to tell, which have other things to do than this one's consumers.
                    Sent::All => asks |= ask::DRAINED,
                    Sent::Full | Sent::Busy => {}
                    Sent::Broken => asks |= ask::BROKEN,
                }
            }
            if asks != 0 {
                self.ask(&link, asks);
            }
        }
    }

    /// Asks something of the reactor that owns a connection.
    pub(super) fn ask(&self, link: &Arc<Link>, bits: u8) {
        if link.ask(bits) {
            self.mailboxes[link.reactor].post(Letter::Asked(Arc::clone(link)));
        }
    }

    /// Does what the broker's timers say.
    pub(super) fn expire(&self, after: &mut After) {
        let mut core = self.lock();
        let now = self.clock.steady_ms();
        core.broker.handle_timeout(now);
        // From here on earlier timers are found by whoever makes them.
        self.timer.store(u64::MAX, Ordering::Release);
        self.collect(&mut core, after);
        if !core.is_committing {
            after.work = Work::of(&mut core);
            core.is_committing = after.work.is_some();
        }
    }

    /// Gives a new connection to a reactor.
    pub(super) fn give(&self, adopt: Adopt) {
        self.connections.fetch_add(1, Ordering::AcqRel);
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
        self.mailboxes[next].post(Letter::Adopt(adopt));
    }

    /// A connection is gone.
    pub(super) fn forget_one(&self) {
        if self.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _told = self.empty.0.lock().unwrap_or_else(PoisonError::into_inner);
            self.empty.1.notify_all();
        }
    }

    /// The TLS side of a new connection.
    pub(super) fn session(&self, kind: Kind) -> io::Result<Option<tls::Session>> {
        match (&self.tls, kind) {
            (Some(certificates), Kind::Tls) => {
                let session = certificates.session(self.clock.steady_ms());
                session.map(Some).map_err(io::Error::other)
            }
            _ => Ok(None),
        }
    }

    /// What the committer found out about the disk: a write waits for space, or the next one may have to. True if that is
    /// news.
    pub(super) fn set_disk_full(&self, full: bool, low: bool) -> bool {
        let was_full = self.monitor.full.swap(full, Ordering::AcqRel);
        let was_low = self.monitor.low.swap(low, Ordering::AcqRel);
        if (was_full, was_low) == (full, low) {
            return false;
        }
        self.monitor.look_now();
        self.mailboxes[0].post(Letter::Look);
        was_full != full
    }
}
