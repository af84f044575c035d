//! The thread that owns the engine and the writing connection.
//!
//! It works in rounds: take every command that waits, run them in one transaction, settle, commit (one fsync for all of
//! them), then answer and carry out the effects. While a commit is on its way to the disk the next round's commands
//! gather, so the busier the platform, the larger the rounds: group commit without a timer.

use std::{thread, time::Duration};

use tokio::sync::{mpsc, oneshot};
use trefoil_jobs::{AttemptId, Effect, Engine, EngineError, JobId, Now, Outcome, Refusal};

use crate::{
    clock::Clock,
    metrics::Metrics,
    store::{SqliteStore, StoreError},
};

/// Commands that may wait. Full means that callers wait: they hold at most one command each.
const MAILBOX: usize = 4_096;
/// Commands of one round: bounds the time between fsyncs, and so the latency of the first of them.
const ROUND: usize = 2_048;
/// After a failed round with nothing else to do, the store is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// The engine as this platform has it.
pub type PlatformEngine = Engine<SqliteStore>;

/// What a command leaves to be done after the commit, given whether that succeeded.
type Finish = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;
type Command = Box<dyn FnOnce(&mut PlatformEngine, Now) -> Finish + Send>;

/// A way to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Command>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine refused; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<EngineError<StoreError>> for CallError {
    fn from(error: EngineError<StoreError>) -> Self {
        match error {
            EngineError::Store(error) => Self::Store(error),
            EngineError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl EngineHandle {
    /// Runs `command` on the engine and waits until what it did is durable.
    ///
    /// # Errors
    /// [`CallError::Refused`] as the engine says; [`CallError::Store`] if it could not be made durable: then it did not happen.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not happen.
    pub async fn call<T, E, F>(&self, command: F) -> Result<T, CallError>
    where
        T: Send + 'static,
        E: Into<CallError> + 'static,
        F: FnOnce(&mut PlatformEngine, Now) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |engine, now| {
            let done = command(engine, now).map_err(Into::into);
            let failed = matches!(done, Err(CallError::Store(_)));
            if failed {
                engine.store().poison();
            }
            Box::new(move |committed| {
                let _ = reply.send(match (done, committed) {
                    (Ok(_), Err(error)) => Err(StoreError::Round(error.to_string()).into()),
                    (done, _) => done,
                });
            })
        });
        self.commands
            .send(command)
            .await
            .map_err(|_| StoreError::Closed)?;
        // Dropped unanswered: its round failed before its turn came. Only a closed mailbox means the end.
        let not_run = || StoreError::Round("it failed before this command's turn".to_owned());
        answer.await.unwrap_or_else(|_| Err(not_run().into()))
    }
}

/// Where effects go. Called on the engine's thread, after the commit; must not wait for the engine.
pub(crate) trait Sink: Send + 'static {
    /// Carries out one effect.
    fn carry_out(&mut self, effect: Effect);
}

/// Starts the thread. It ends when every handle is gone and what they asked for is done.
///
/// # Errors
/// When the thread cannot be started.
pub(crate) fn spawn(
    engine: PlatformEngine,
    clock: Clock,
    metrics: Metrics,
    sink: impl Sink,
) -> std::io::Result<(EngineHandle, thread::JoinHandle<()>)> {
    let (commands, mailbox) = mpsc::channel(MAILBOX);
    let timer = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let owner = Owner {
        engine,
        clock,
        metrics,
        sink,
        recovered: true,
        untold: Vec::new(),
    };
    let thread = thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || owner.run(&timer, mailbox))?;
    Ok((EngineHandle { commands }, thread))
}

struct Owner<S> {
    engine: PlatformEngine,
    clock: Clock,
    metrics: Metrics,
    sink: S,
    /// False after a round that failed, until the engine knows again what is durable.
    recovered: bool,
    /// Attempts that a failed round left active although no worker was told of them.
    untold: Vec<(JobId, AttemptId)>,
}

impl<S: Sink> Owner<S> {
    fn run(mut self, timer: &tokio::runtime::Runtime, mut mailbox: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(ROUND);
        let mut due = Some(0);
        loop {
            let wait = due
                .map(|at: u64| Duration::from_millis(at.saturating_sub(self.clock.now().mono_ms)));
            let received = timer.block_on(async {
                match wait {
                    Some(wait) => {
                        tokio::time::timeout(wait, mailbox.recv_many(&mut commands, ROUND))
                            .await
                            .ok()
                    }
                    None => Some(mailbox.recv_many(&mut commands, ROUND).await),
                }
            });
            if received == Some(0) {
                return;
            }
            due = self.round(&mut commands);
        }
    }

    /// One round; the monotonic instant of the next one that nobody asks for.
    fn round(&mut self, commands: &mut Vec<Command>) -> Option<u64> {
        let now = self.clock.now();
        let mut finishes = Vec::with_capacity(commands.len());
        let kept = self.keep(now, commands, &mut finishes);
        match &kept {
            Ok(_) => self.effects(),
            Err(error) => self.failed(error),
        }
        // What a failed round did not come to is answered with its failure, not kept for ever more rounds.
        commands.clear();
        let committed = kept.as_ref().map(drop);
        finishes.into_iter().for_each(|finish| finish(committed));
        kept.unwrap_or_else(|_| Some(now.mono_ms.saturating_add(RETRY.as_millis() as u64)))
    }

    fn keep(
        &mut self,
        now: Now,
        commands: &mut Vec<Command>,
        finishes: &mut Vec<Finish>,
    ) -> Result<Option<u64>, StoreError> {
        self.recover(now)?;
        self.engine.store().begin()?;
        for (job, attempt) in self.untold.clone() {
            let message = "the store failed before it was started".to_owned();
            self.engine.finished(
                now,
                job,
                attempt,
                None,
                Outcome::Lost {
                    started: false,
                    message,
                },
            )?;
        }
        for command in commands.drain(..) {
            finishes.push(command(&mut self.engine, now));
            // Not one statement more: SQLite may have rolled back by itself (a full disk does that), and whatever came
            // then would be kept, each statement for itself.
            if self.engine.store().take_poison() {
                return Err(StoreError::Round("another command of it failed".to_owned()));
            }
        }
        self.engine.settle(now)?;
        let due = self.engine.poll_timeout(now)?;
        self.engine.store().commit()?;
        self.untold.clear();
        Ok(due)
    }

    fn effects(&mut self) {
        let load = self.engine.load();
        self.metrics.load(load);
        for effect in self.engine.take_effects() {
            self.metrics.effect(&effect);
            self.sink.carry_out(effect);
        }
    }

    /// Gives up the round; the next one begins with what is durable.
    fn failed(&mut self, error: &StoreError) {
        tracing::error!(%error, "a round was not kept");
        self.recovered = false;
        self.metrics.round_failed();
        self.engine.store().rollback();
    }

    fn recover(&mut self, now: Now) -> Result<(), StoreError> {
        if !self.recovered {
            let untold = self.engine.recover(now)?;
            self.untold.extend(untold);
            self.recovered = true;
            tracing::info!("back to what the store has");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
