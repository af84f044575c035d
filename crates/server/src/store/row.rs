//! A row of the job table to a [`Job`] and back.

use std::sync::Arc;

use rusqlite::Row;
use trefoil_jobs::{AttemptId, Counts, Failure, History, Job, JobId, Resources, State};

use super::StoreError;

/// The columns that [`job_of`] reads, in its order; `s` and `u` are the names of service and submitter.
pub(super) const COLUMNS: &str = "job.seq, job.id, s.text, u.text, job.state, job.priority, job.parent, job.idx, \
     job.batch, job.attempt, job.attempt_id, job.worker, job.failures, job.crashes, job.revision, job.created, \
     job.queued, job.started, job.ended, job.wake, job.deadline, job.cpus, job.memory, job.history, job.failure, \
     job.cancel, job.counts";

/// Where those columns come from.
pub(super) const FROM: &str =
    "FROM job JOIN name s ON s.id = job.service JOIN name u ON u.id = job.submitter";

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

fn id(bytes: Option<[u8; 16]>) -> Option<JobId> {
    bytes.map(JobId::from_bytes)
}

/// The job in a row selected with [`COLUMNS`].
pub(super) fn job_of(row: &Row<'_>) -> Result<Job, StoreError> {
    let failure: Option<String> = row.get(24)?;
    let counts: Option<String> = row.get(26)?;
    Ok(Job {
        seq: row.get(0)?,
        id: JobId::from_bytes(row.get(1)?),
        service: row.get(2)?,
        submitter: row.get(3)?,
        state: State::from_number(row.get(4)?).ok_or_else(|| damaged("job.state"))?,
        priority: row.get(5)?,
        parent: id(row.get(6)?),
        index: row.get(7)?,
        batch: id(row.get(8)?),
        attempt: row.get(9)?,
        attempt_id: row
            .get::<_, Option<[u8; 16]>>(10)?
            .map(AttemptId::from_bytes),
        worker: row.get(11)?,
        failures: row.get(12)?,
        crashes: row.get(13)?,
        revision: row.get(14)?,
        created_ms: row.get(15)?,
        queued_ms: row.get(16)?,
        started_ms: row.get(17)?,
        ended_ms: row.get(18)?,
        wake_ms: row.get(19)?,
        deadline_ms: row.get(20)?,
        resources: Resources {
            milli_cpus: row.get(21)?,
            memory: row.get(22)?,
        },
        history: History::from_bytes(row.get(23)?).ok_or_else(|| damaged("job.history"))?,
        failure: failure.map(|text| failure_of(&text)).transpose()?,
        cancel: row.get(25)?,
        counts: counts
            .map(|text| serde_json::from_str::<Counts>(&text).map_err(|_| damaged("job.counts")))
            .transpose()?,
    })
}

pub(super) fn failure_of(text: &str) -> Result<Arc<Failure>, StoreError> {
    serde_json::from_str::<Failure>(text)
        .map(Arc::new)
        .map_err(|_| damaged("job.failure"))
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data always has a JSON text")
}
