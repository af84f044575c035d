//! What a platform that came up finds of an attempt that another one started.

use std::io;

use rustix::fd::OwnedFd;

use super::{
    AttemptDir, ExitReport, Running,
    attempt_dir::Claim,
    process::{ProcessId, sweep},
    running::blocking,
};

/// The state of an attempt that was started, or was about to be, by an earlier platform.
#[derive(Debug)]
pub enum Adoption {
    /// Its program never ran, and now it never will.
    NeverStarted,
    /// It ended.
    Ended(ExitReport),
    /// It runs on.
    Running(Box<Running>),
    /// Its program was started but its supervisor is gone without a report; what was left of it is killed.
    Vanished,
}

/// An attempt could not be adopted; nothing is known about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot adopt the attempt {id}: {source}")]
pub struct AdoptError {
    /// The attempt.
    pub id: String,
    /// Why.
    pub source: io::Error,
}

/// Finds out what became of the attempt in `dir` and takes it over.
///
/// # Errors
/// Its directory or `/proc` cannot be read, or something left of it cannot be killed.
///
/// # Cancel safety
/// Cancel safe; may be called again.
pub async fn adopt(dir: &AttemptDir) -> Result<Adoption, AdoptError> {
    let id = || dir.id().to_owned();
    let at = dir.clone();
    let found = blocking(move || find(&at))
        .await
        .map_err(|source| AdoptError { id: id(), source })?;
    Ok(match found {
        Found::NeverStarted => Adoption::NeverStarted,
        Found::Ended(report) => Adoption::Ended(report),
        Found::Vanished => Adoption::Vanished,
        Found::Alive(supervisor, pidfd) => {
            let running = Running::adopted(dir.clone(), supervisor, pidfd);
            Adoption::Running(Box::new(
                running.map_err(|source| AdoptError { id: id(), source })?,
            ))
        }
    })
}

enum Found {
    NeverStarted,
    Ended(ExitReport),
    Alive(ProcessId, OwnedFd),
    Vanished,
}

fn find(dir: &AttemptDir) -> io::Result<Found> {
    dir.create()?;
    if let Some(report) = report(dir)? {
        return Ok(Found::Ended(report));
    }
    let Claim::Supervisor(supervisor) = dir.claim(Claim::Revoked)? else {
        return Ok(Found::NeverStarted);
    };
    if let Some(pidfd) = supervisor.open()? {
        return Ok(Found::Alive(supervisor, pidfd));
    }
    // It may have ended properly since the first look.
    if let Some(report) = report(dir)? {
        return Ok(Found::Ended(report));
    }
    sweep(dir.id(), Some(&supervisor))?;
    Ok(Found::Vanished)
}

fn report(dir: &AttemptDir) -> io::Result<Option<ExitReport>> {
    match dir.exit_report() {
        // A report that cannot be understood is as good as none: the attempt must not stay for ever.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        report => report,
    }
}
