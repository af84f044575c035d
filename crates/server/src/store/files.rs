//! What is known of files besides their content.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use trefoil_jobs::Job;

use super::{SqliteStore, StoreError};
use crate::files::Sha256;

/// A file that the platform keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Its address.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
    /// The name it was given first.
    pub name: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
    /// When it came.
    pub created_ms: u64,
}

pub(super) fn blob(text: &str) -> Result<[u8; 32], StoreError> {
    text.parse::<Sha256>()
        .map(|sha256| *sha256.as_bytes())
        .map_err(|_| StoreError::Damaged(format!("not a SHA-256: {text}")))
}

pub(super) fn file_of(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        sha256: Sha256::from_bytes(row.get(0)?),
        size: row.get(1)?,
        name: row.get(2)?,
        media_type: row.get(3)?,
        created_ms: row.get(4)?,
    })
}

pub(super) fn file(conn: &Connection, sha256: &Sha256) -> Result<Option<FileRow>, StoreError> {
    let mut statement = conn
        .prepare_cached("SELECT sha256, size, name, type, created FROM file WHERE sha256 = ?1")?;
    Ok(statement
        .query_row([sha256.as_bytes()], file_of)
        .optional()?)
}

impl SqliteStore {
    /// Notes a file whose content is stored. Returns the row as it is now: the first name and type stay.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn add_file(&mut self, row: &FileRow) -> Result<FileRow, StoreError> {
        self.conn
            .prepare_cached(
                "INSERT INTO file (sha256, size, name, type, created) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (sha256) DO UPDATE SET name = coalesce(name, excluded.name), \
                 type = coalesce(type, excluded.type)",
            )?
            .execute(params![
                row.sha256.as_bytes(),
                row.size,
                row.name,
                row.media_type,
                row.created_ms
            ])?;
        file(&self.conn, &row.sha256)?
            .ok_or_else(|| StoreError::Damaged("a file row vanished".to_owned()))
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn file(&mut self, sha256: &Sha256) -> Result<Option<FileRow>, StoreError> {
        file(&self.conn, sha256)
    }

    /// Forgets a file unless a job uses it. `None` = unknown; `Some(false)` = in use.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn remove_file(&mut self, sha256: &Sha256) -> Result<Option<bool>, StoreError> {
        if self.file(sha256)?.is_none() {
            return Ok(None);
        }
        let used = self
            .conn
            .prepare_cached("SELECT 1 FROM file_use WHERE sha256 = ?1 LIMIT 1")?
            .exists([sha256.as_bytes()])?;
        if !used {
            self.conn
                .prepare_cached("DELETE FROM file WHERE sha256 = ?1")?
                .execute([sha256.as_bytes()])?;
        }
        Ok(Some(!used))
    }

    /// Whether services are paused or retired, by `key:version`.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn service_states(&mut self) -> Result<Vec<(String, bool, bool)>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT service, paused, retired FROM service_state")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps whether a service is paused or retired.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn set_service_state(
        &mut self,
        service: &str,
        paused: bool,
        retired: bool,
    ) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO service_state (service, paused, retired) VALUES (?1, ?2, ?3)")?
            .execute(params![service, paused, retired])?;
        Ok(())
    }

    pub(super) fn use_file(&self, sha256: &str, job: &Job) -> Result<(), StoreError> {
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO file_use (sha256, seq) VALUES (?1, ?2)")?
            .execute(params![blob(sha256)?, job.seq])?;
        Ok(())
    }

    /// The files among the outputs of a job become known and are kept for it.
    pub(super) fn adopt_output_files(
        &mut self,
        job: &Job,
        outputs: &str,
    ) -> Result<(), StoreError> {
        if !outputs.contains("\"sha256\"") {
            return Ok(());
        }
        let Ok(Value::Object(outputs)) = serde_json::from_str(outputs) else {
            return Ok(());
        };
        for output in outputs.values() {
            let (Some(sha256), Some(size)) = (output["sha256"].as_str(), output["size"].as_u64())
            else {
                continue;
            };
            let Ok(parsed) = sha256.parse::<Sha256>() else {
                continue;
            };
            let text = |member: &str| output[member].as_str().map(str::to_owned);
            let row = FileRow {
                sha256: parsed,
                size,
                name: text("name"),
                media_type: text("type"),
                created_ms: job.ended_ms.unwrap_or(job.created_ms),
            };
            self.add_file(&row)?;
            self.use_file(sha256, job)?;
        }
        Ok(())
    }
}
