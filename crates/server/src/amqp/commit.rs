//! The thread that writes the logs: it takes what the broker has gathered, writes and syncs it, and tells the broker how
//! far it came. While it is at it the next batch gathers, so the slower the disk, the larger the batches.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use trefoil_store::{Batch, Done, WriteError, Writer};

use super::{After, Core, Shared};

/// Between steps of tidying.
const STEP: Duration = Duration::from_millis(1);
/// After so long without anything to write, the logs are tidied up.
const QUIET: Duration = Duration::from_millis(100);

/// After a write for which there was no space, the same is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// What is to be written by the thread that does it.
#[derive(Debug)]
pub(super) struct Work {
    durable: Option<(Batch, bool)>,
    transient: Option<Batch>,
}

impl Work {
    /// What the broker has, if anything.
    pub(super) fn of(core: &mut Core) -> Option<Self> {
        let durable = core.broker.take_batch();
        let is_paused = core
            .transient_paused
            .is_some_and(|until| Instant::now() < until);
        let transient = if is_paused {
            None
        } else {
            core.transient_paused = None;
            core.broker.take_transient_batch()
        };
        (durable.is_some() || transient.is_some()).then_some(Self { durable, transient })
    }
}

/// Where the thread waits for work. One piece at a time is under way, see [`Core::is_committing`].
#[derive(Debug, Default)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    work: Option<Work>,
    stop: bool,
}

impl Desk {
    pub(super) fn give(&self, work: Work) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.work = Some(work);
        drop(inner);
        self.changed.notify_one();
    }

    /// The thread ends when it has nothing to do, or cannot do it.
    pub(super) fn stop(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.stop = true;
        drop(inner);
        self.changed.notify_one();
    }

    /// The next work; waits for it no longer than `patience`.
    fn take(&self, patience: Option<Duration>) -> Taken {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = |inner: &mut Inner| inner.work.is_none() && !inner.stop;
        let mut inner = match patience {
            None => self
                .changed
                .wait_while(inner, is_quiet)
                .unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                self.changed
                    .wait_timeout_while(inner, patience, is_quiet)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        match inner.work.take() {
            Some(work) => Taken::Work(work),
            None if inner.stop => Taken::Stop,
            None => Taken::Nothing,
        }
    }

    /// Waits a little; true if it is over.
    fn pause(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (inner, _) = self
            .changed
            .wait_timeout_while(inner, RETRY, |inner| !inner.stop)
            .unwrap_or_else(PoisonError::into_inner);
        inner.stop
    }
}

enum Taken {
    Work(Work),
    Nothing,
    Stop,
}

/// What became of transient messages that memory has no room for.
enum Spilled {
    /// There were none.
    Nothing,
    Done(Done),
    /// There was no space. They stay in memory.
    Full(Batch),
}

/// The back ends of the logs.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) durable: Writer,
    pub(super) transient: Writer,
    /// There was no space for transient messages the last time.
    pub(super) is_transient_full: bool,
}

impl Committer {
    /// Until the desk is closed. What cannot be written any more is the end of the process: memory and disk would tell
    /// different stories from then on, and only the disk's is true.
    pub(super) fn run(mut self) {
        let mut patience = Some(QUIET);
        loop {
            let (work, again) = match self.shared.desk.take(patience) {
                Taken::Work(work) => (Some(work), true),
                Taken::Nothing => self.maintain(),
                Taken::Stop => return,
            };
            patience = match (&work, again) {
                (Some(_), _) => Some(QUIET),
                (None, true) => Some(STEP),
                (None, false) => self.is_transient_full.then_some(RETRY),
            };
            let mut next = work;
            while let Some(work) = next {
                let shared = &self.shared;
                shared
                    .writing_since
                    .store(shared.clock.steady_ms(), Ordering::Release);
                let committed = self.commit(work);
                self.shared.writing_since.store(u64::MAX, Ordering::Release);
                match committed {
                    Ok(Some((durable, spilled))) => {
                        next = self.tell(durable, spilled);
                        // After the confirms are out: files that nobody needs go, the next one is made.
                        self.durable.tidy();
                        self.transient.tidy();
                    }
                    Ok(None) => return,
                    Err(error) => super::give_up("the log cannot be written", &error),
                }
            }
        }
    }

    /// Tells the broker what is done, and takes what is next.
    fn tell(&self, durable: Option<Done>, spilled: Spilled) -> Option<Work> {
        let mut after = After::default();
        let next = self.shared.turn_of_committer(&mut after, |core, now| {
            if let Some(done) = durable {
                core.broker.handle_committed(done, now);
            }
            match spilled {
                Spilled::Nothing => {}
                Spilled::Done(done) => core.broker.handle_transient_written(done),
                Spilled::Full(batch) => {
                    core.broker.handle_transient_unwritten(&batch);
                    core.transient_paused = Some(Instant::now() + RETRY);
                }
            }
        });
        self.shared.carry_out(&mut after, None, false);
        next
    }

    /// When nothing happens: syncs what was only written, prepares what will be needed, in small steps. What came in the
    /// meantime, and whether there is more of this to do.
    fn maintain(&mut self) -> (Option<Work>, bool) {
        {
            let mut core = self.shared.lock();
            if std::mem::replace(&mut core.is_committing, true) {
                // Work is on its way to the desk.
                return (None, true);
            }
        }
        self.transient.tidy();
        match self.durable.maintain() {
            Ok(rest) => {
                let next = self.tell(rest.done, Spilled::Nothing);
                let is_spilling = next.as_ref().is_some_and(|work| work.transient.is_some());
                if self.is_transient_full && !is_spilling && !self.is_transient_paused() {
                    // Consumers took what there was no space for.
                    self.is_transient_full = false;
                    self.shared.set_disk_full(false, false);
                }
                (next, rest.again)
            }
            Err(WriteError::Full(_)) => {
                self.shared.set_disk_full(self.is_transient_full, true);
                (self.tell(None, Spilled::Nothing), false)
            }
            Err(error @ WriteError::Failed(_)) => {
                super::give_up("the log cannot be written", &error)
            }
        }
    }

    fn is_transient_paused(&self) -> bool {
        let paused = self.shared.lock().transient_paused;
        paused.is_some_and(|until| Instant::now() < until)
    }

    /// `None` if it is over and there is still no space.
    fn commit(&mut self, work: Work) -> Result<Option<(Option<Done>, Spilled)>, WriteError> {
        let mut durable = None;
        if let Some((batch, sync)) = &work.durable {
            let is_full = self.is_transient_full;
            durable = write(&self.shared, &mut self.durable, batch, *sync, is_full)?;
            if durable.is_none() {
                return Ok(None);
            }
        }
        let spilled = match work.transient {
            Some(batch) => self.spill(batch)?,
            None => Spilled::Nothing,
        };
        Ok(Some((durable, spilled)))
    }

    /// Nobody waits for this to be written, and what is durable must not wait for it: acknowledgements make the space.
    fn spill(&mut self, batch: Batch) -> Result<Spilled, WriteError> {
        match self.transient.commit(&batch, false) {
            Ok(done) => {
                if std::mem::take(&mut self.is_transient_full) {
                    self.shared.set_disk_full(false, false);
                }
                Ok(Spilled::Done(done))
            }
            Err(error @ WriteError::Full(_)) => {
                self.is_transient_full = true;
                if self.shared.set_disk_full(true, true) {
                    tracing::error!(%error, "publishers wait until there is space on the disk");
                }
                Ok(Spilled::Full(batch))
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes what has to survive; waits for space if there is none. `is_full`: there is none for the other log.
fn write(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    batch: &Batch,
    sync: bool,
    is_full: bool,
) -> Result<Option<Done>, WriteError> {
    loop {
        match writer.commit(batch, sync) {
            Ok(done) => {
                shared.set_disk_full(is_full, is_full || done.is_low_on_space());
                return Ok(Some(done));
            }
            Err(error @ WriteError::Full(_)) => {
                if shared.set_disk_full(true, true) {
                    tracing::error!(%error, "publishers wait until there is space on the disk");
                }
                if shared.desk.pause() {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
}
