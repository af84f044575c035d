//! The embedded store: one SQLite database, `jobs.db`, in write-ahead mode with `synchronous=FULL`.
//!
//! One connection writes ([`SqliteStore`]), owned by the engine's thread; a few read ([`Readers`]), for whoever asks. A
//! commit is on disk when it returns.

mod engine_store;
mod files;
mod read;
mod row;

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

pub use engine_store::SqliteStore;
pub use files::FileRow;
pub use read::{JobFilter, JobView, Page, Readers};

/// The schema this build writes.
const SCHEMA: i64 = 1;

/// Why the store did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left where the store is.
    #[error("no space left on the device of the store")]
    Full,
    /// SQLite or the system failed.
    #[error("store failed: {0}")]
    Sqlite(rusqlite::Error),
    /// A stored value is not what was written.
    #[error("store is damaged: {0}")]
    Damaged(String),
    /// A job changed underneath: two writers.
    #[error("store refused an outdated write of job {0}")]
    Outdated(trefoil_jobs::JobId),
    /// The database belongs to a newer Trefoil.
    #[error("the store has schema {found}, this Trefoil reads up to {SCHEMA}: use a newer Trefoil")]
    Newer {
        /// What it has.
        found: i64,
    },
    /// The store is closed: the platform is stopping, or gave up after a failure.
    #[error("the store is closed")]
    Closed,
    /// Another command of the same round failed, so this one was not kept either.
    #[error("the round was not kept: {0}")]
    Round(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(code, _)
                if matches!(code.code, rusqlite::ErrorCode::DiskFull) =>
            {
                Self::Full
            }
            _ => Self::Sqlite(error),
        }
    }
}

/// Opens the writing connection; makes the database if there is none.
///
/// # Errors
/// When the file cannot be opened, is not a database, is damaged, or has a newer schema.
pub fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open(path)?;
    // Durable means: the commit is synced to the disk before it returns (DESIGN §7).
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", "OFF")?;
    // 16 MiB of pages: the working set of the indexes, not of the backlog.
    conn.pragma_update(None, "cache_size", -16_384)?;
    // Checkpoints copy pages while the writer waits: every 16 MiB keeps each one short.
    conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    // A log that grew in a burst gives its space back.
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.set_prepared_statement_cache_capacity(128);
    stable_plans(&conn)?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        0 => {
            conn.execute_batch(&format!(
                "BEGIN IMMEDIATE; {} PRAGMA user_version = {SCHEMA}; COMMIT;",
                include_str!("store/schema.sql")
            ))?;
        }
        SCHEMA => {}
        found => return Err(StoreError::Newer { found }),
    }
    Ok(conn)
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(10))?;
    conn.pragma_update(None, "cache_size", -2_048)?;
    conn.set_prepared_statement_cache_capacity(64);
    stable_plans(&conn)?;
    Ok(conn)
}

/// Keeps SQLite from looking for a better plan whenever a parameter has another value, which it would do at each use of a
/// statement whose table has partial indexes, and which costs thirty times the statement itself.
fn stable_plans(conn: &Connection) -> Result<(), StoreError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

#[cfg(test)]
mod tests;
