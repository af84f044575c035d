//! The directory of one attempt, `<data>/attempts/<last two hex digits of the id>/<id>/`:
//!
//! | File | Written by | Content |
//! |---|---|---|
//! | `program.json` | platform | [`Program`]: arguments, environment, limits, grace |
//! | `claim` | whoever is first | [`Claim`]: the supervisor that may run the program, or that none may |
//! | `supervisor.json` | supervisor | [`SupervisorRecord`]: the supervisor and its program |
//! | `supervisor.err` | supervisor | what it could not report otherwise |
//! | `log` | supervisor | the program's stdout and stderr, in order, byte for byte |
//! | `work/`, `inputs/`, `outputs/`, `logs/`, `tmp/` | program | see [`super::folder`] |
//! | `exec-error` | second stage | why the program could not be started |
//! | `exit.json` | supervisor | [`ExitReport`]; once it is there, the log and the outputs are final |
//!
//! `program.json`, `claim` and `exit.json` are complete and on disk as soon as they have their names.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use trefoil_jobs::AttemptId;

use super::{ExitReport, Program, process::ProcessId};

/// `exit.json` must fit even if the program has filled the disk, so that much is set aside for it before the start.
const EXIT_RESERVE: usize = 4096;

/// The fence of an attempt: it is written once, by whoever comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Claim {
    /// This supervisor runs the program; no other may.
    Supervisor(ProcessId),
    /// A platform found the attempt unclaimed and gave it up: a supervisor that comes late runs nothing.
    Revoked,
}

/// The content of `supervisor.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SupervisorRecord {
    /// The supervisor.
    pub(super) supervisor: ProcessId,
    /// Its program; the pid is the id of its process group as well.
    pub(super) program: ProcessId,
}

/// The directory of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptDir {
    root: PathBuf,
    id: String,
}

impl AttemptDir {
    /// The directory of `attempt` below the platform's data directory. Nothing is created.
    #[must_use]
    pub fn new(data: &Path, attempt: AttemptId) -> Self {
        // The program is told these paths and has another working directory.
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        let id = attempt.to_string();
        // The last digits are random; the first ones are the time and would put everything in one place.
        let shard = id.get(id.len().saturating_sub(2)..).unwrap_or_default();
        Self {
            root: data.join("attempts").join(shard).join(&id),
            id,
        }
    }

    /// The attempt directory at `path`, which a supervisor was given.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(path)?;
        let id = root
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "an attempt directory is named by its id",
                )
            })?
            .to_owned();
        Ok(Self { root, id })
    }

    /// The attempt's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The program's stdout and stderr.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The program's working directory.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// `INPUT_FOLDER`.
    #[must_use]
    pub fn inputs(&self) -> PathBuf {
        self.root.join("inputs")
    }

    /// `OUTPUT_FOLDER`.
    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.root.join("outputs")
    }

    /// `LOG_FOLDER`.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// `TMPDIR`.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Creates the directory, its subdirectories and an empty log; what is there already stays. Blocking.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn create(&self) -> io::Result<()> {
        if !self.root.is_dir() {
            fs::create_dir_all(&self.root)?;
            // The claim is only as durable as the directories above it.
            for above in self.root.ancestors().skip(1).take(3) {
                sync_dir(above)?;
            }
        }
        for dir in [
            self.work(),
            self.inputs(),
            self.outputs(),
            self.logs(),
            self.tmp(),
        ] {
            fs::create_dir_all(dir)?;
        }
        self.open_log().map(drop)
    }

    /// Removes the directory with everything in it. Blocking.
    ///
    /// # Errors
    /// Whatever the file system says; that there is no such directory is none.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The report in `exit.json`, if the attempt has ended. Blocking.
    ///
    /// # Errors
    /// The file cannot be read or is not a report.
    pub fn exit_report(&self) -> io::Result<Option<ExitReport>> {
        read_json(&self.root.join("exit.json"))
    }

    pub(super) fn open_log(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
    }

    pub(super) fn exec_error(&self) -> PathBuf {
        self.root.join("exec-error")
    }

    pub(super) fn supervisor_err(&self) -> PathBuf {
        self.root.join("supervisor.err")
    }

    pub(crate) fn program(&self) -> io::Result<Program> {
        read_json(&self.root.join("program.json"))?.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "no program.json in the attempt directory",
            )
        })
    }

    pub(super) fn write_program(&self, program: &Program) -> io::Result<()> {
        let temporary = self.root.join("program.json.tmp");
        write_synced(&temporary, &serde_json::to_vec(program)?)?;
        // The directory is synced by the claim, before anything depends on this file.
        fs::rename(&temporary, self.root.join("program.json"))
    }

    /// The pid of the program, which is the id of its process group as well, if it runs. Blocking.
    ///
    /// # Errors
    /// The supervisor's record or `/proc` cannot be read.
    pub fn program_pid(&self) -> io::Result<Option<i32>> {
        let record: Option<SupervisorRecord> = read_json(&self.root.join("supervisor.json"))?;
        let Some(SupervisorRecord { program, .. }) = record else {
            return Ok(None);
        };
        Ok(program.open()?.map(|_alive| program.pid))
    }

    pub(super) fn write_supervisor_record(&self, record: &SupervisorRecord) -> io::Result<()> {
        // Not synced: after a crash of the machine there is no process to find.
        let temporary = self.root.join("supervisor.json.tmp");
        fs::write(&temporary, serde_json::to_vec(record)?)?;
        fs::rename(&temporary, self.root.join("supervisor.json"))
    }

    pub(super) fn read_claim(&self) -> io::Result<Option<Claim>> {
        read_json(&self.root.join("claim"))
    }

    /// Makes `claim` the claim of this attempt unless it has one, and returns the one it has.
    pub(super) fn claim(&self, claim: Claim) -> io::Result<Claim> {
        let temporary = self.root.join(format!("claim.{}.tmp", std::process::id()));
        write_synced(&temporary, &serde_json::to_vec(&claim)?)?;
        // A link never replaces, and what it makes visible is complete.
        let linked = fs::hard_link(&temporary, self.root.join("claim"));
        fs::remove_file(&temporary)?;
        match linked {
            Ok(()) => {
                sync_dir(&self.root)?;
                Ok(claim)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.read_claim()?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets space aside for `exit.json`.
    pub(super) fn reserve_exit_report(&self) -> io::Result<()> {
        fs::write(self.exit_temporary(), [b' '; EXIT_RESERVE])
    }

    pub(super) fn write_exit_report(&self, report: &ExitReport) -> io::Result<()> {
        let temporary = self.exit_temporary();
        let text = serde_json::to_vec(report)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&temporary)?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)?;
        file.sync_all()?;
        fs::rename(&temporary, self.root.join("exit.json"))?;
        sync_dir(&self.root)
    }

    fn exit_temporary(&self) -> PathBuf {
        self.root.join("exit.json.tmp")
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {error}", path.display()),
        )
    })
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
