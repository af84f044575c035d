//! Certificates that are replaced while the platform runs.
//!
//! Files are looked at when somebody connects, so a silent listener does nothing. Connections that are there keep what they
//! began with.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::ServerConfig;

use super::{TlsError, TlsFiles, server_config};

/// How often there is a look at most: soon enough for whoever replaces a file, and no cost beside that of a handshake.
const EVERY_MS: u64 = 1_000;

/// The files of a listener with TLS, and what was in them when they could be used last.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: TlsFiles,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    /// What the files looked like when they were read last, whether they could be used or not.
    seen: Seen,
    /// When to look again.
    due: u64,
}

/// Certificate, key, authorities; `None` for a file that is not there.
type Seen = [Option<Stamp>; 3];

/// What changes when a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    modified: (i64, i64),
    size: u64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            file: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        })
    }
}

fn seen(files: &TlsFiles) -> Seen {
    [
        Some(&files.certificate),
        Some(&files.key),
        files.client_ca.as_ref(),
    ]
    .map(|path| path.and_then(|path| Stamp::of(path)))
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        // Before they are read: what is written meanwhile is for the next look.
        let seen = seen(files);
        let state = State {
            config: server_config(files)?,
            seen,
            due: 0,
        };
        Ok(Self {
            files: files.clone(),
            state: Mutex::new(state),
        })
    }

    /// What a new connection is served with.
    pub(crate) fn current(&self, now: u64) -> Arc<ServerConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= state.due {
            state.due = now + EVERY_MS;
            let seen = seen(&self.files);
            // What could not be used is not tried again before it changes.
            if std::mem::replace(&mut state.seen, seen) != seen {
                self.renew(&mut state);
            }
        }
        Arc::clone(&state.config)
    }

    fn renew(&self, state: &mut State) {
        match server_config(&self.files) {
            Ok(config) => {
                state.config = config;
                tracing::info!(certificate = %self.files.certificate.display(), "TLS certificates were read again");
            }
            Err(error) => {
                tracing::warn!(%error, "TLS certificates changed and cannot be used: the old ones stay");
            }
        }
    }
}
