//! The writing side, as the engine sees it.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};
use trefoil_jobs::{
    AttemptId, AttemptRecord, Candidate, GroupKey, Job, JobId, JobStore, Remembered, Resources,
    Spec, State,
};

use super::{
    StoreError,
    row::{COLUMNS, FROM, job_of, json},
};

/// Names kept in memory; more than a platform has services and submitters, less than would be felt.
const NAMES_CACHED: usize = 10_000;
/// Days that a deleted job is remembered as deleted.
const TOMBSTONE_DAYS: u64 = 7;

/// The one connection that writes.
#[derive(Debug)]
pub struct SqliteStore {
    pub(super) conn: Connection,
    names: HashMap<Arc<str>, i64>,
    poisoned: bool,
}

impl SqliteStore {
    /// Wraps a connection made by [`super::open_writer`].
    #[must_use]
    pub fn new(conn: Connection) -> Self {
        Self {
            conn,
            names: HashMap::new(),
            poisoned: false,
        }
    }

    /// Opens a transaction. Nothing is locked until something is written.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        Ok(self.conn.prepare_cached("BEGIN")?.execute([]).map(drop)?)
    }

    /// Commits; what was written is on disk when this returns.
    ///
    /// # Errors
    /// When SQLite fails; then roll back.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.conn.prepare_cached("COMMIT")?.execute([]).map(drop)?)
    }

    /// Gives up the transaction, if one is open.
    pub fn rollback(&mut self) {
        self.names.clear();
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "rollback failed");
        }
    }

    /// Marks the transaction as not to be committed: a command of it failed half-way.
    pub(crate) fn poison(&mut self) {
        self.poisoned = true;
    }

    /// Whether the transaction was marked so; clears the mark.
    pub(crate) fn take_poison(&mut self) -> bool {
        std::mem::take(&mut self.poisoned)
    }

    /// Whether the database can be written.
    ///
    /// # Errors
    /// When it cannot.
    pub fn ping(&mut self) -> Result<(), StoreError> {
        // Takes the write lock and, with it, notices a full or failing disk.
        self.conn
            .prepare_cached("UPDATE service_state SET paused = paused WHERE service = ''")?
            .execute([])?;
        Ok(())
    }

    /// Jobs, tasks excepted, that ended before an instant, oldest first.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn ended_before(&mut self, wall_ms: u64, limit: u32) -> Result<Vec<JobId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM job WHERE ended < ?1 AND parent IS NULL AND state IN (8, 9, 10) ORDER BY seq LIMIT ?2",
        )?;
        let ids = statement.query_map(params![wall_ms, limit], |row| {
            Ok(JobId::from_bytes(row.get(0)?))
        })?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    fn name(&mut self, text: &Arc<str>) -> Result<i64, StoreError> {
        if let Some(id) = self.names.get(text) {
            return Ok(*id);
        }
        let id = self
            .conn
            .prepare_cached("INSERT INTO name (text) VALUES (?1) ON CONFLICT (text) DO UPDATE SET text = text RETURNING id")?
            .query_row([text], |row| row.get(0))?;
        if self.names.len() >= NAMES_CACHED {
            self.names.clear();
        }
        self.names.insert(Arc::clone(text), id);
        Ok(id)
    }

    fn jobs(&self, tail: &str, params: impl rusqlite::Params) -> Result<Vec<Job>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached(&format!("SELECT {COLUMNS} {FROM} {tail}"))?;
        let mut rows = statement.query(params)?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            jobs.push(job_of(row)?);
        }
        Ok(jobs)
    }

    fn write_labels(&self, job: &Job, spec: &Spec) -> Result<(), StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("INSERT INTO label (key, value, seq) VALUES (?1, ?2, ?3)")?;
        for (key, value) in &spec.labels {
            statement.execute(params![key, value, job.seq])?;
        }
        Ok(())
    }
}

impl JobStore for SqliteStore {
    type Error = StoreError;

    fn insert(&mut self, job: &mut Job, spec: &Spec) -> Result<(), StoreError> {
        let (service, submitter) = (self.name(&job.service)?, self.name(&job.submitter)?);
        self.conn
            .prepare_cached(
                "INSERT INTO job (id, service, submitter, state, priority, parent, idx, batch, attempt, failures, \
                 crashes, revision, created, queued, wake, deadline, cpus, memory, history, counts) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            )?
            .execute(params![
                job.id.as_bytes(),
                service,
                submitter,
                job.state as u8,
                job.priority,
                job.parent.as_ref().map(JobId::as_bytes),
                job.index,
                job.batch.as_ref().map(JobId::as_bytes),
                job.attempt,
                job.failures,
                job.crashes,
                job.revision,
                job.created_ms,
                job.queued_ms,
                job.wake_ms,
                job.deadline_ms,
                job.resources.milli_cpus,
                job.resources.memory,
                job.history.as_bytes(),
                job.counts.as_ref().map(json),
            ])?;
        job.seq = self.conn.last_insert_rowid().cast_unsigned();
        self.conn
            .prepare_cached("INSERT INTO spec (seq, json) VALUES (?1, ?2)")?
            .execute(params![job.seq, json(spec)])?;
        self.write_labels(job, spec)?;
        for sha256 in &spec.files {
            self.use_file(sha256, job)?;
        }
        Ok(())
    }

    fn save(&mut self, job: &Job) -> Result<(), StoreError> {
        let changed = self
            .conn
            .prepare_cached(
                "UPDATE job SET state = ?2, priority = ?3, attempt = ?4, attempt_id = ?5, worker = ?6, failures = ?7, \
                 crashes = ?8, revision = ?9, queued = ?10, started = ?11, ended = ?12, wake = ?13, history = ?14, \
                 failure = ?15, cancel = ?16, counts = ?17 WHERE seq = ?1 AND revision < ?9",
            )?
            .execute(params![
                job.seq,
                job.state as u8,
                job.priority,
                job.attempt,
                job.attempt_id.as_ref().map(|id| id.as_bytes()),
                job.worker,
                job.failures,
                job.crashes,
                job.revision,
                job.queued_ms,
                job.started_ms,
                job.ended_ms,
                job.wake_ms,
                job.history.as_bytes(),
                job.failure.as_deref().map(json),
                job.cancel,
                job.counts.as_ref().map(json),
            ])?;
        if changed == 1 {
            Ok(())
        } else {
            Err(StoreError::Outdated(job.id))
        }
    }

    fn save_result(&mut self, job: &Job, outputs: &str) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT INTO result (seq, json) VALUES (?1, ?2)")?
            .execute(params![job.seq, outputs])?;
        self.adopt_output_files(job, outputs)
    }

    fn save_attempt(&mut self, job: &Job, attempt: &AttemptRecord) -> Result<(), StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO attempt (seq, n, id, worker, started, ended, failure) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                job.seq,
                attempt.attempt,
                attempt.id.as_bytes(),
                attempt.worker,
                attempt.started_ms,
                attempt.ended_ms,
                attempt.failure.as_deref().map(json),
            ])?;
        Ok(())
    }

    fn save_labels(&mut self, job: &Job, spec: &Spec) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM label WHERE seq = ?1")?
            .execute([job.seq])?;
        self.conn
            .prepare_cached("UPDATE spec SET json = ?2 WHERE seq = ?1")?
            .execute(params![job.seq, json(spec)])?;
        self.write_labels(job, spec)
    }

    fn job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.jobs("WHERE job.id = ?1", [id.as_bytes()])?.pop())
    }

    fn spec(&mut self, job: &Job) -> Result<Spec, StoreError> {
        let text: String = self
            .conn
            .prepare_cached("SELECT json FROM spec WHERE seq = ?1")?
            .query_row([job.seq], |row| row.get(0))?;
        serde_json::from_str(&text)
            .map_err(|error| StoreError::Damaged(format!("spec of job {}: {error}", job.id)))
    }

    fn is_deleted(&mut self, id: JobId) -> Result<bool, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM tombstone WHERE id = ?1")?;
        Ok(statement.exists([id.as_bytes()])?)
    }

    fn delete(&mut self, job: &Job, wall_ms: u64) -> Result<Vec<AttemptId>, StoreError> {
        let mut attempts: Vec<AttemptId> = self
            .conn
            .prepare_cached("SELECT id FROM attempt WHERE seq = ?1 ORDER BY n")?
            .query_map([job.seq], |row| Ok(AttemptId::from_bytes(row.get(0)?)))?
            .collect::<Result<_, _>>()?;
        // The last attempt of a job that ended may be kept apart too.
        attempts.extend(job.attempt_id.filter(|last| !attempts.contains(last)));
        for table in ["job", "spec", "result", "attempt", "label", "file_use"] {
            self.conn
                .prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?1"))?
                .execute([job.seq])?;
        }
        if job.parent.is_none() {
            self.conn
                .prepare_cached("DELETE FROM tombstone WHERE deleted < ?1")?
                .execute([wall_ms.saturating_sub(TOMBSTONE_DAYS * 86_400_000)])?;
        }
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO tombstone (id, deleted) VALUES (?1, ?2)")?
            .execute(params![job.id.as_bytes(), wall_ms])?;
        Ok(attempts)
    }

    fn delete_tasks(&mut self, parent: JobId, wall_ms: u64) -> Result<Vec<AttemptId>, StoreError> {
        let tasks = "(SELECT seq FROM job WHERE parent = ?1)";
        let mut attempts: Vec<AttemptId> = self
            .conn
            .prepare_cached(&format!(
                "SELECT id FROM attempt WHERE seq IN {tasks} UNION \
                 SELECT attempt_id FROM job WHERE parent = ?1 AND attempt_id IS NOT NULL"
            ))?
            .query_map([parent.as_bytes()], |row| {
                Ok(AttemptId::from_bytes(row.get(0)?))
            })?
            .collect::<Result<_, _>>()?;
        attempts.sort_unstable();
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO tombstone (id, deleted) SELECT id, ?2 FROM job WHERE parent = ?1")?
            .execute(params![parent.as_bytes(), wall_ms])?;
        for table in ["spec", "result", "attempt", "label", "file_use"] {
            self.conn
                .prepare_cached(&format!("DELETE FROM {table} WHERE seq IN {tasks}"))?
                .execute([parent.as_bytes()])?;
        }
        self.conn
            .prepare_cached("DELETE FROM job WHERE parent = ?1")?
            .execute([parent.as_bytes()])?;
        Ok(attempts)
    }

    fn backlog(&mut self) -> Result<Vec<(GroupKey, u64)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT s.text, u.text, n FROM (SELECT service, submitter, count(*) AS n FROM job WHERE state = 3 \
             GROUP BY service, submitter) JOIN name s ON s.id = service JOIN name u ON u.id = submitter \
             ORDER BY s.text, u.text",
        )?;
        let groups = statement.query_map([], |row| {
            Ok((
                GroupKey {
                    service: row.get(0)?,
                    submitter: row.get(1)?,
                },
                row.get(2)?,
            ))
        })?;
        Ok(groups.collect::<Result<_, _>>()?)
    }

    fn window(&mut self, group: &GroupKey, limit: u32) -> Result<Vec<Candidate>, StoreError> {
        let (service, submitter) = (self.name(&group.service)?, self.name(&group.submitter)?);
        let mut statement = self.conn.prepare_cached(
            "SELECT id, seq, priority, cpus, memory FROM job WHERE state = 3 AND service = ?1 AND submitter = ?2 \
             ORDER BY priority DESC, seq LIMIT ?3",
        )?;
        let candidates = statement.query_map(params![service, submitter, limit], |row| {
            Ok(Candidate {
                id: JobId::from_bytes(row.get(0)?),
                seq: row.get(1)?,
                priority: row.get(2)?,
                resources: Resources {
                    milli_cpus: row.get(3)?,
                    memory: row.get(4)?,
                },
            })
        })?;
        Ok(candidates.collect::<Result<_, _>>()?)
    }

    fn active(&mut self) -> Result<Vec<Job>, StoreError> {
        self.jobs(
            "WHERE job.state > 3 AND job.state < 8 AND job.state <> 6 AND job.counts IS NULL ORDER BY job.seq",
            [],
        )
    }

    fn due(&mut self, wall_ms: u64, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.jobs(
            "WHERE job.wake <= ?1 AND job.wake IS NOT NULL AND job.state NOT IN (4, 5, 7) ORDER BY job.wake LIMIT ?2",
            params![wall_ms, limit],
        )
    }

    fn next_wake(&mut self) -> Result<Option<u64>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT wake FROM job WHERE wake IS NOT NULL AND state NOT IN (4, 5, 7) ORDER BY wake LIMIT 1",
        )?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }

    fn tasks(
        &mut self,
        parent: JobId,
        states: &[State],
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        let states = states
            .iter()
            .map(|state| (*state as u8).to_string())
            .collect::<Vec<_>>()
            .join(",");
        self.jobs(
            &format!("WHERE job.parent = ?1 AND job.idx > ?2 AND job.state IN ({states}) ORDER BY job.idx LIMIT ?3"),
            params![parent.as_bytes(), after.map_or(-1, i64::from), limit],
        )
    }

    fn remembered(&mut self, submitter: &str, key: &str) -> Result<Option<Remembered>, StoreError> {
        remembered(&self.conn, submitter, key)
    }

    fn remember(
        &mut self,
        submitter: &str,
        key: &str,
        what: &Remembered,
        wall_ms: u64,
        forget_before_ms: u64,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("DELETE FROM idempotency WHERE created < ?1")?
            .execute([forget_before_ms])?;
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO idempotency (submitter, key, fingerprint, first, count, batch, created) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                submitter,
                key,
                what.fingerprint,
                what.first.as_bytes(),
                what.count,
                what.batch.as_ref().map(JobId::as_bytes),
                wall_ms,
            ])?;
        Ok(())
    }
}

/// What an idempotency key of a submitter stands for.
pub(super) fn remembered(
    conn: &Connection,
    submitter: &str,
    key: &str,
) -> Result<Option<Remembered>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT fingerprint, first, count, batch FROM idempotency WHERE submitter = ?1 AND key = ?2",
    )?;
    let found = statement.query_row([submitter, key], |row| {
        Ok(Remembered {
            fingerprint: row.get(0)?,
            first: JobId::from_bytes(row.get(1)?),
            count: row.get(2)?,
            batch: row.get::<_, Option<[u8; 16]>>(3)?.map(JobId::from_bytes),
        })
    });
    Ok(found.optional()?)
}
