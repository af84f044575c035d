//! The reading side: consistent snapshots beside the writer, on blocking threads.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value as Sql};
use tokio::sync::Semaphore;
use trefoil_jobs::{AttemptId, AttemptRecord, Job, JobId, Remembered, Spec, State};

use super::{
    FileRow, StoreError,
    engine_store::remembered,
    files::{file, file_of},
    open_reader,
    row::{COLUMNS, FROM, failure_of, job_of},
};
use crate::files::Sha256;

/// Reads at a time: more only wait for the same two or four cores, and each costs a page cache.
const CONNECTIONS: usize = 4;

/// Connections that read.
#[derive(Debug, Clone)]
pub struct Readers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// Which jobs a list shows.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Any of these; all if empty.
    pub states: Vec<State>,
    /// `key:version`, or a key for all its versions.
    pub service: Option<String>,
    /// Who asked.
    pub submitter: Option<String>,
    /// `Some(None)` hides tasks.
    pub parent: Option<Option<JobId>>,
    /// One batch.
    pub batch: Option<JobId>,
    /// All of these.
    pub labels: Vec<(String, String)>,
    /// Accepted at or after, milliseconds.
    pub created_from_ms: Option<u64>,
    /// Accepted before, milliseconds.
    pub created_to_ms: Option<u64>,
    /// Oldest first.
    pub ascending: bool,
}

/// Some of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts, if there is one.
    pub next: Option<u64>,
}

/// A job with what was asked for.
#[derive(Debug, Clone)]
pub struct JobView {
    /// The changing part.
    pub job: Job,
    /// The other.
    pub spec: Spec,
}

impl Readers {
    /// Readers of the database at `path`, which must exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(Arc::new(Pool {
            path: path.to_owned(),
            idle: Mutex::default(),
            permits: Semaphore::new(CONNECTIONS),
        }))
    }

    async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let pool = Arc::clone(&self.0);
        let _permit = self
            .0
            .permits
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let work = move || {
            let idle = pool
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let conn = idle.map_or_else(|| open_reader(&pool.path), Ok)?;
            // One snapshot for all that the query reads.
            conn.execute_batch("BEGIN")?;
            let answer = query(&conn);
            conn.execute_batch("COMMIT")?;
            pool.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(conn);
            answer
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| StoreError::Damaged(error.to_string()))?
    }

    /// A job.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(move |conn| job(conn, id)).await
    }

    /// A job with its spec; `Err(true)` inside if it was deleted, `Err(false)` if it never was.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn view(&self, id: JobId) -> Result<Result<JobView, bool>, StoreError> {
        self.read(move |conn| match job(conn, id)? {
            Some(job) => Ok(Ok(JobView {
                spec: spec(conn, &job)?,
                job,
            })),
            None => Ok(Err(conn
                .prepare_cached("SELECT 1 FROM tombstone WHERE id = ?1")?
                .exists([id.as_bytes()])?)),
        })
        .await
    }

    /// The outputs of a job that succeeded.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn result(&self, seq: u64) -> Result<Option<String>, StoreError> {
        self.read(move |conn| result(conn, seq)).await
    }

    /// The attempts of a job that were followed by another, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn attempts(&self, seq: u64) -> Result<Vec<AttemptRecord>, StoreError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT n, id, worker, started, ended, failure FROM attempt WHERE seq = ?1 ORDER BY n",
            )?;
            let mut rows = statement.query([seq])?;
            let mut attempts = Vec::new();
            while let Some(row) = rows.next()? {
                let failure: Option<String> = row.get(5)?;
                attempts.push(AttemptRecord {
                    attempt: row.get(0)?,
                    id: AttemptId::from_bytes(row.get(1)?),
                    worker: row.get(2)?,
                    started_ms: row.get(3)?,
                    ended_ms: row.get(4)?,
                    failure: failure.map(|text| failure_of(&text)).transpose()?,
                });
            }
            Ok(attempts)
        })
        .await
    }

    /// A page of jobs; `cursor` is the `next` of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn jobs(
        &self,
        filter: JobFilter,
        cursor: Option<u64>,
        limit: u32,
    ) -> Result<Page<JobView>, StoreError> {
        self.read(move |conn| list(conn, &filter, cursor, limit))
            .await
    }

    /// The ids of the jobs of a batch, in the order of its lines.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn batch(&self, batch: JobId) -> Result<Vec<JobId>, StoreError> {
        self.read(move |conn| {
            let mut statement =
                conn.prepare_cached("SELECT id FROM job WHERE batch = ?1 ORDER BY idx")?;
            let ids = statement
                .query_map([batch.as_bytes()], |row| Ok(JobId::from_bytes(row.get(0)?)))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Tasks of a sweep by index from `from` on, with their outputs.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tasks(
        &self,
        parent: JobId,
        states: Vec<State>,
        from: u64,
        limit: u32,
    ) -> Result<Page<(JobView, Option<String>)>, StoreError> {
        self.read(move |conn| {
            let states = states_sql(&states);
            let mut statement = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} {FROM} WHERE job.parent = ?1 AND job.idx >= ?2 AND {states} ORDER BY job.idx LIMIT ?3"
            ))?;
            let mut rows = statement.query(params![parent.as_bytes(), from, u64::from(limit) + 1])?;
            let mut items = Vec::new();
            let mut next = None;
            while let Some(row) = rows.next()? {
                let job = job_of(row)?;
                if items.len() == limit as usize {
                    next = Some(u64::from(job.index));
                    break;
                }
                let outputs = result(conn, job.seq)?;
                items.push((JobView { spec: spec(conn, &job)?, job }, outputs));
            }
            Ok(Page { items, next })
        })
        .await
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn file(&self, sha256: Sha256) -> Result<Option<FileRow>, StoreError> {
        self.read(move |conn| file(conn, &sha256)).await
    }

    /// What an idempotency key of a submitter stands for.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remembered(
        &self,
        submitter: Arc<str>,
        key: Arc<str>,
    ) -> Result<Option<Remembered>, StoreError> {
        self.read(move |conn| remembered(conn, &submitter, &key))
            .await
    }

    /// A page of files, newest first; `cursor` is the `next` of the page before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn files(
        &self,
        name: Option<String>,
        sha256: Option<Sha256>,
        cursor: Option<u64>,
        limit: u32,
    ) -> Result<Page<FileRow>, StoreError> {
        self.read(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT sha256, size, name, type, created, seq FROM file WHERE seq < ?1 \
                 AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR sha256 = ?3) ORDER BY seq DESC LIMIT ?4",
            )?;
            let before = cursor.unwrap_or(i64::MAX.cast_unsigned());
            let key = sha256.as_ref().map(Sha256::as_bytes);
            let rows = statement.query_map(params![before, name, key, u64::from(limit) + 1], |row| {
                Ok((file_of(row)?, row.get::<_, u64>(5)?))
            })?;
            let mut items = rows.collect::<Result<Vec<_>, _>>()?;
            let more = items.len() > limit as usize;
            items.truncate(limit as usize);
            let next = items.last().filter(|_| more).map(|(_, seq)| *seq);
            Ok(Page { items: items.into_iter().map(|(file, _)| file).collect(), next })
        })
        .await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|conn| Ok(conn.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()))?))
            .await
    }
}

fn job(conn: &Connection, id: JobId) -> Result<Option<Job>, StoreError> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} {FROM} WHERE job.id = ?1"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    rows.next()?.map(job_of).transpose()
}

fn spec(conn: &Connection, job: &Job) -> Result<Spec, StoreError> {
    let text: String = conn
        .prepare_cached("SELECT json FROM spec WHERE seq = ?1")?
        .query_row([job.seq], |row| row.get(0))?;
    serde_json::from_str(&text)
        .map_err(|error| StoreError::Damaged(format!("spec of job {}: {error}", job.id)))
}

fn result(conn: &Connection, seq: u64) -> Result<Option<String>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT json FROM result WHERE seq = ?1")?;
    Ok(statement.query_row([seq], |row| row.get(0)).optional()?)
}

fn states_sql(states: &[State]) -> String {
    if states.is_empty() {
        return "1".to_owned();
    }
    let numbers = states
        .iter()
        .map(|state| (*state as u8).to_string())
        .collect::<Vec<_>>()
        .join(",");
    // Said in the words of the index `job_bad`, so that what is looked for among a million is found without looking at them.
    let bad = states
        .iter()
        .all(|state| *state as u8 > State::Succeeded as u8);
    let index = if bad { "job.state > 8 AND " } else { "" };
    format!("{index}job.state IN ({numbers})")
}

fn list(
    conn: &Connection,
    filter: &JobFilter,
    cursor: Option<u64>,
    limit: u32,
) -> Result<Page<JobView>, StoreError> {
    let mut clauses = vec![states_sql(&filter.states)];
    let mut values: Vec<Sql> = Vec::new();
    let mut clause = |text: &str, value: Sql| {
        values.push(value);
        clauses.push(text.replace('?', &format!("?{}", values.len())));
    };
    let int = |value: u64| Sql::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    match &filter.service {
        Some(service) if service.contains(':') => clause("s.text = ?", Sql::Text(service.clone())),
        // ':' + 1 is ';': all versions of the key, by the index on names.
        Some(key) => clause(
            "s.text >= ? || ':' AND s.text < ? || ';'",
            Sql::Text(key.clone()),
        ),
        None => {}
    }
    if let Some(submitter) = &filter.submitter {
        clause("u.text = ?", Sql::Text(submitter.clone()));
    }
    match &filter.parent {
        Some(Some(parent)) => clause("job.parent = ?", Sql::Blob(parent.as_bytes().to_vec())),
        Some(None) => clause("(job.parent IS NULL) = ?", Sql::Integer(1)),
        None => {}
    }
    if let Some(batch) = &filter.batch {
        clause("job.batch = ?", Sql::Blob(batch.as_bytes().to_vec()));
    }
    for (key, value) in &filter.labels {
        clause(
            "EXISTS (SELECT 1 FROM label l WHERE l.seq = job.seq AND l.key || char(0) || l.value = ?)",
            Sql::Text(format!("{key}\0{value}")),
        );
    }
    if let Some(from) = filter.created_from_ms {
        clause("job.created >= ?", int(from));
    }
    if let Some(to) = filter.created_to_ms {
        clause("job.created < ?", int(to));
    }
    let (order, beyond) = if filter.ascending {
        ("ASC", "job.seq > ?")
    } else {
        ("DESC", "job.seq < ?")
    };
    if let Some(cursor) = cursor {
        clause(beyond, int(cursor));
    }
    let sql = format!(
        "SELECT {COLUMNS} {FROM} WHERE {} ORDER BY job.seq {order} LIMIT {}",
        clauses.join(" AND "),
        u64::from(limit) + 1
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut items: Vec<JobView> = Vec::new();
    let mut next = None;
    while let Some(row) = rows.next()? {
        if items.len() == limit as usize {
            next = items.last().map(|view| view.job.seq);
            break;
        }
        let job = job_of(row)?;
        items.push(JobView {
            spec: spec(conn, &job)?,
            job,
        });
    }
    Ok(Page { items, next })
}
