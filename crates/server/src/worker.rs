//! Workers in this process: what the engine starts goes to one of them, what they find out goes back to it.
//!
//! A worker knows the engine only through commands about (job, attempt), and the engine a worker only through
//! [`Effect::Start`] and [`Effect::Stop`]. A worker in another process, fed by messages, says and hears the same.

mod attempt;
mod host;
mod report;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use trefoil_jobs::{AttemptId, Effect, Job, JobId, Outcome, Spec};

use crate::{
    builtin,
    engine_thread::{CallError, EngineHandle, Sink},
    hub::Hub,
    store::StoreError,
};

pub(crate) use attempt::{Found, Programs, Resumed, clear};
pub(crate) use host::describe as describe_host;
pub use report::{AttemptReport, LogDigest};

/// A report that could not be kept is repeated after this long: the store is full or failing.
const REPEAT: Duration = Duration::from_secs(1);

/// How far an attempt is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Stop {
    /// Not at all.
    #[default]
    No,
    /// Ask, and kill after the grace.
    Ask,
    /// Kill now.
    Kill,
}

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Order {
    Start { job: Box<Job>, spec: Arc<Spec> },
    Stop { attempt: AttemptId, stop: Stop },
}

/// Hands effects to whom they concern. The channels are as deep as their worker has slots, twice over, so that they are
/// never full; should one be, the engine waits, and no worker ever waits for the engine while it takes orders.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) hub: Hub,
    pub(crate) programs: mpsc::Sender<Order>,
    pub(crate) builtins: mpsc::Sender<builtin::Order>,
}

/// The names under which the workers of this process are known.
pub(crate) const PROGRAMS: &str = "local";
pub(crate) const BUILTINS: &str = "builtin";

impl Sink for Dispatch {
    fn carry_out(&mut self, effect: Effect) {
        let gone = match effect {
            Effect::Start { worker, job, spec } if &*worker == BUILTINS => {
                self.builtins.blocking_send((job, spec)).is_err()
            }
            Effect::Start { job, spec, .. } => self
                .programs
                .blocking_send(Order::Start { job, spec })
                .is_err(),
            Effect::Stop {
                worker,
                attempt,
                kill,
                ..
            } if &*worker == PROGRAMS => {
                let stop = if kill { Stop::Kill } else { Stop::Ask };
                self.programs
                    .blocking_send(Order::Stop { attempt, stop })
                    .is_err()
            }
            // A builtin ends before a stop could reach it.
            Effect::Stop { .. } => false,
            Effect::Changed(changed) => {
                self.hub.changed(*changed);
                false
            }
            Effect::Progress {
                job,
                fraction,
                message,
            } => {
                self.hub.progress(job, fraction, message);
                false
            }
        };
        if gone {
            // Only while the process ends: the job is found and handed back at the next start.
            tracing::debug!("a worker is gone");
        }
    }
}

/// Reports how attempts ended, until that is durable. All in one go if that can be kept; otherwise one by one, so that
/// what fits into a store that is nearly full gets in.
pub(crate) async fn report(
    engine: &EngineHandle,
    outcomes: Vec<(JobId, AttemptId, Outcome)>,
    started_ms: u64,
) {
    if tell(engine, outcomes.clone(), started_ms).await {
        return;
    }
    for outcome in outcomes {
        while !tell(engine, vec![outcome.clone()], started_ms).await {
            tokio::time::sleep(REPEAT).await;
        }
    }
}

/// Whether the outcomes were kept, or nobody is left to keep them.
async fn tell(
    engine: &EngineHandle,
    outcomes: Vec<(JobId, AttemptId, Outcome)>,
    started_ms: u64,
) -> bool {
    let told = engine.call(move |engine, now| {
        for (job, attempt, outcome) in outcomes {
            engine.finished(now, job, attempt, Some(started_ms), outcome)?;
        }
        Ok::<_, StoreError>(())
    });
    match told.await {
        Ok(()) | Err(CallError::Store(StoreError::Closed)) => true,
        Err(error) => {
            tracing::warn!(%error, "outcomes were not kept, repeating");
            false
        }
    }
}

/// The attempts that are being run, and a way to stop each.
#[derive(Debug, Clone, Default)]
struct Stops(Arc<Mutex<HashMap<AttemptId, watch::Sender<Stop>>>>);

impl Stops {
    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptId, watch::Sender<Stop>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, attempt: AttemptId) -> watch::Receiver<Stop> {
        let (sender, receiver) = watch::channel(Stop::No);
        self.lock().insert(attempt, sender);
        receiver
    }

    fn remove(&self, attempt: AttemptId) {
        self.lock().remove(&attempt);
    }

    fn stop(&self, attempt: AttemptId, stop: Stop) {
        if let Some(sender) = self.lock().get(&attempt) {
            sender.send_modify(|now| *now = (*now).max(stop));
        }
    }

    fn stop_all(&self, stop: Stop) {
        for sender in self.lock().values() {
            sender.send_modify(|now| *now = (*now).max(stop));
        }
    }
}

/// Runs programs until told to end: one task an attempt.
pub(crate) async fn run_programs(
    programs: Arc<Programs>,
    resumed: Vec<Resumed>,
    mut orders: mpsc::Receiver<Order>,
    mut ending: watch::Receiver<Ending>,
) {
    let stops = Stops::default();
    let mut attempts = JoinSet::new();
    for one in resumed {
        let stop = stops.add(one.attempt);
        attempts.spawn(programs.clone().resume(one, stop));
    }
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Start { job, spec }) => {
                    let Some(attempt) = job.attempt_id else { continue };
                    let stop = stops.add(attempt);
                    attempts.spawn(programs.clone().start(job, spec, stop));
                }
                Some(Order::Stop { attempt, stop }) => stops.stop(attempt, stop),
                None => break,
            },
            Some(ended) = attempts.join_next() => match ended {
                Ok(attempt) => stops.remove(attempt),
                Err(error) => tracing::error!(%error, "an attempt's task failed"),
            },
            Ok(()) = ending.changed() => match *ending.borrow_and_update() {
                Ending::No | Ending::WhenIdle => {}
                Ending::HandBack => stops.stop_all(Stop::Ask),
                Ending::Kill => stops.stop_all(Stop::Kill),
            },
        }
        if *ending.borrow() != Ending::No && attempts.is_empty() && orders.is_empty() {
            break;
        }
    }
}

/// How a worker is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not yet.
    No,
    /// When nothing runs any more.
    WhenIdle,
    /// Stop what runs, with grace, and hand it back.
    HandBack,
    /// The same without grace.
    Kill,
}
