//! What a worker keeps of an attempt, beside its log: `report.json` in the attempt's directory.
//!
//! It is written, whole and synced, before the outcome is reported; so after a crash in between, the outcome is reported
//! from it and nothing is looked at twice.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trefoil_jobs::Outcome;

use crate::program::{AttemptDir, ExitReport};

const NAME: &str = "report.json";

/// The record of an attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptReport {
    /// How it ended, for the engine.
    pub outcome: Outcome,
    /// How the program ended, if it ran.
    pub exit: Option<ExitReport>,
    /// The whole log.
    pub log: LogDigest,
    /// The service's digest when the attempt was started.
    pub service_digest: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The environment that the program got.
    pub environment: BTreeMap<String, String>,
    /// The version of Trefoil that ran it.
    #[serde(default)]
    pub software: String,
    /// The machine.
    pub host: Value,
    /// Files that the program left in `LOG_FOLDER`: name to size.
    pub log_files: BTreeMap<String, u64>,
}

/// Size and hash of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogDigest {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl AttemptReport {
    pub(crate) fn write(&self, dir: &AttemptDir) -> io::Result<()> {
        let (path, temporary) = (dir.path().join(NAME), dir.path().join("report.tmp"));
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(dir.path())?.sync_all()
    }

    /// Reads the report of an attempt, if there is one; blocking.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(dir: &AttemptDir) -> io::Result<Option<Self>> {
        match fs::read(dir.path().join(NAME)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
