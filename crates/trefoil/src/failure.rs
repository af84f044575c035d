//! How a command ends when it does not end well: the exit code, what went wrong, what to do next.

use std::process::ExitCode;

use serde_json::{Value, json};

/// The exit codes of `trefoil`, the same for every command. They are documented in
/// `docs/src/cli.md` and in `--help`: scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The job or the call failed, or the platform has a fault.
    Failed = 1,
    /// Wrong usage or invalid input.
    Invalid = 2,
    /// No such thing.
    NotFound = 3,
    /// The state of the thing does not allow it.
    Conflict = 4,
    /// The platform cannot be reached or is not ready.
    Unavailable = 5,
    /// A time limit ran out.
    TimedOut = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The exit code for an HTTP error status.
    pub(crate) fn of_status(status: u16) -> Exit {
        match status {
            404 | 410 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            429 | 503 => Exit::Unavailable,
            504 => Exit::TimedOut,
            400..=499 => Exit::Invalid,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error of the command line itself, ready to be shown.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) exit: Exit,
    /// Stable name, the last part of the problem `type`.
    pub(crate) name: &'static str,
    /// What went wrong, where and why.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: String,
}

impl Failure {
    /// Wrong usage or invalid input, found before anything was sent.
    pub(crate) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Invalid,
            name: "invalid-usage",
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The platform cannot do its work here.
    pub(crate) fn unavailable(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure {
            exit: Exit::Unavailable,
            name: "unavailable",
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A file or directory of this machine that cannot be used.
    pub(crate) fn local_file(
        what: &str,
        path: &std::path::Path,
        error: &std::io::Error,
    ) -> Failure {
        Failure {
            exit: Exit::Invalid,
            name: "local-file",
            message: format!("{what} {}: {error}", path.display()),
            hint: "check the path and its permissions".to_owned(),
        }
    }

    /// The same as problem JSON, for `--json`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "type": format!("urn:trefoil:problem:{}", self.name),
            "title": self.name.replace('-', " "),
            "detail": self.message,
            "hint": self.hint,
        })
    }
}

/// Standard output was closed by its reader (`trefoil jobs ls | head -1`): not an error.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub(crate) struct StdoutClosed;

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn statuses_map_to_the_documented_exit_codes() {
        for (status, exit) in [
            (400, 2),
            (404, 3),
            (409, 4),
            (410, 3),
            (412, 4),
            (413, 2),
            (422, 2),
            (429, 5),
            (500, 1),
            (502, 1),
            (503, 5),
            (504, 6),
        ] {
            assert_eq!(Exit::of_status(status) as u8, exit, "status {status}");
        }
    }
}
