//! The thread that writes the logs: it takes what the broker has gathered, writes and syncs it, and tells the broker how
//! far it came. While it is at it the next batch gathers, so the slower the disk, the larger the batches.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
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
        let transient = core.broker.take_transient_batch();
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

/// The back ends of the logs.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) durable: Writer,
    pub(super) transient: Writer,
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
                (None, false) => None,
            };
            let mut next = work;
            while let Some(work) = next {
                match self.commit(&work) {
                    Ok(Some((durable, transient))) => {
                        next = self.tell(durable, transient);
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
    fn tell(&self, durable: Option<Done>, transient: Option<Done>) -> Option<Work> {
        let mut after = After::default();
        let next = self.shared.turn_of_committer(&mut after, |core, now| {
            if let Some(done) = durable {
                core.broker.handle_committed(done, now);
            }
            if let Some(done) = transient {
                core.broker.handle_transient_written(done);
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
            Ok(rest) => (self.tell(rest.done, None), rest.again),
            Err(WriteError::Full(_)) => {
                self.shared.set_disk_full(false, true);
                (self.tell(None, None), false)
            }
            Err(error @ WriteError::Failed(_)) => {
                super::give_up("the log cannot be written", &error)
            }
        }
    }

    /// `None` if it is over and there is still no space.
    #[expect(
        clippy::type_complexity,
        reason = "two logs, of which each may have had nothing"
    )]
    fn commit(&mut self, work: &Work) -> Result<Option<(Option<Done>, Option<Done>)>, WriteError> {
        let mut durable = None;
        if let Some((batch, sync)) = &work.durable {
            durable = write(&self.shared, &mut self.durable, batch, *sync)?;
            if durable.is_none() {
                return Ok(None);
            }
        }
        let mut transient = None;
        if let Some(batch) = &work.transient {
            transient = write(&self.shared, &mut self.transient, batch, false)?;
            if transient.is_none() {
                return Ok(None);
            }
        }
        Ok(Some((durable, transient)))
    }
}

/// Writes; waits for space if there is none.
fn write(
    shared: &Arc<Shared>,
    writer: &mut Writer,
    batch: &Batch,
    sync: bool,
) -> Result<Option<Done>, WriteError> {
    loop {
        match writer.commit(batch, sync) {
            Ok(done) => {
                shared.set_disk_full(false, done.is_low_on_space());
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
