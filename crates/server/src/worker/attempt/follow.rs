//! Reading the log of a running attempt as it grows.

use std::{io, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256 as Hasher};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use trefoil_director::Service;
use trefoil_jobs::Job;

use super::super::LogDigest;
use super::Programs;
use crate::{
    engine_thread::EngineHandle,
    files::Sha256,
    program::{
        AttemptDir,
        progress::{Progress, ProgressParser},
    },
    store::StoreError,
};

/// Progress and signs of life are told at most so often: people cannot read faster.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Lines of the log that a failure carries.
const TAIL_LINES: usize = 20;
/// Bytes of the log that those lines may have.
const TAIL_BYTES: usize = 4_096;

/// How the log of an attempt went.
pub(super) struct Logged {
    pub(super) digest: LogDigest,
    pub(super) tail: Vec<u8>,
    pub(super) too_long: bool,
}

impl Programs {
    /// Reads the log as it grows: hashes it, tells progress, keeps its end.
    pub(super) async fn follow(
        &self,
        job: &Job,
        service: &Service,
        dir: &AttemptDir,
        is_final: watch::Receiver<bool>,
        too_long: Option<watch::Sender<bool>>,
    ) -> io::Result<Logged> {
        let limit = service.run.as_ref().map_or(u64::MAX, |run| run.limits.log);
        let custom = service.progress().map(|pattern| pattern.as_str());
        let mut parser = ProgressParser::new(custom)
            .or_else(|_| ProgressParser::new(None))
            .map_err(io::Error::other)?;
        let mut log = self.logs.follow(&dir.log(), 0, is_final).await?;
        let mut hasher = Hasher::new();
        let mut logged = Logged {
            digest: LogDigest::default(),
            tail: Vec::new(),
            too_long: false,
        };
        let mut newest: Option<Progress> = None;
        let mut tell_at = Instant::now();
        let mut alive = false;
        loop {
            let pending = alive || newest.is_some();
            tokio::select! {
                chunk = log.next_chunk() => {
                    let Some(chunk) = chunk? else { break };
                    alive = true;
                    hasher.update(&chunk);
                    logged.digest.bytes += chunk.len() as u64;
                    keep_tail(&mut logged.tail, &chunk);
                    newest = parser.push(&chunk).or(newest);
                    if logged.digest.bytes > limit && !logged.too_long {
                        logged.too_long = true;
                        if let Some(too_long) = &too_long {
                            let _ = too_long.send(true);
                        }
                    }
                }
                () = sleep(tell_at.saturating_duration_since(Instant::now())), if pending => {
                    tell_at = Instant::now() + TELL_EVERY;
                    alive = false;
                    tell_progress(&self.engine, job, newest.take()).await;
                }
            }
        }
        if let Some(progress) = parser.finish().or(newest) {
            tell_progress(&self.engine, job, Some(progress)).await;
        }
        logged.digest.sha256 = Sha256::from_bytes(hasher.finalize().into()).to_string();
        Ok(logged)
    }
}

async fn tell_progress(engine: &EngineHandle, job: &Job, progress: Option<Progress>) {
    let Some(attempt) = job.attempt_id else {
        return;
    };
    let id = job.id;
    let progress = progress.map(|progress| (progress.fraction, progress.message.map(Arc::from)));
    let told = engine.call(move |engine, now| {
        engine.progress(now, id, attempt, progress);
        Ok::<_, StoreError>(())
    });
    if let Err(error) = told.await {
        tracing::debug!(job = %id, %error, "progress was not told");
    }
}

fn keep_tail(tail: &mut Vec<u8>, chunk: &[u8]) {
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL_BYTES)..]);
    let surplus = tail.len().saturating_sub(TAIL_BYTES);
    tail.drain(..surplus);
}

pub(super) fn tail_lines(tail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
