//! Why the engine did not do what it was asked.

use crate::{JobId, Resources, State};

/// A refusal, or a failure of the store underneath.
#[derive(Debug, thiserror::Error)]
pub enum EngineError<E> {
    /// The store failed: nothing was changed, or the caller must roll back.
    #[error(transparent)]
    Store(E),
    /// The request cannot be carried out.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A request that the engine understood and will not carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such job.
    #[error("no job {0}")]
    UnknownJob(JobId),
    /// There was such a job; it was deleted.
    #[error("job {0} was deleted")]
    Gone(JobId),
    /// No worker could ever run it.
    #[error("no worker could ever run this: {reason}")]
    NeverRunnable {
        /// What is asked for and what there is.
        reason: String,
    },
    /// Nothing here runs the service, and the caller does not want to wait.
    #[error("no worker runs {service} now")]
    NoWorker {
        /// `key:version`.
        service: String,
    },
    /// The same idempotency key came with another request before.
    #[error("idempotency key '{key}' was used for a different request")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The job has not ended.
    #[error("job {id} has not ended, it is {state}")]
    NotEnded {
        /// Which.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// Only what failed or was canceled can be retried.
    #[error("nothing to retry: job {id} is {state}")]
    NothingToRetry {
        /// Which.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// Only what succeeded can be compared with a rerun.
    #[error("job {id} cannot be rerun: it is {state}, not succeeded")]
    NothingToRerun {
        /// Which.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// It is a task; act on its parent, or it is a parent; act on its tasks.
    #[error("{0}")]
    WrongKind(&'static str),
    /// The job changed since the caller looked.
    #[error("job {id} is at revision {actual}, not {expected}")]
    Stale {
        /// Which.
        id: JobId,
        /// What the caller saw.
        expected: u32,
        /// What it is.
        actual: u32,
    },
}

impl Refusal {
    pub(crate) fn too_big(asked: Resources, largest: Resources) -> Self {
        let cpus = |milli: u32| f64::from(milli) / 1000.0;
        let reason = if asked.milli_cpus > largest.milli_cpus {
            format!(
                "it asks for {} CPUs, the largest worker has {}",
                cpus(asked.milli_cpus),
                cpus(largest.milli_cpus)
            )
        } else {
            format!(
                "it asks for {} bytes of memory, the largest worker has {}",
                asked.memory, largest.memory
            )
        };
        Self::NeverRunnable { reason }
    }
}
