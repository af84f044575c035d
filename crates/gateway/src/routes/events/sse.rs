//! Events of a job as text, and which of them a reader has had already. No I/O.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use trefoil_jobs::{Counts, Job, State};
use trefoil_server::hub::Progress;

use crate::{
    error::failure_json,
    view::{counts_json, time},
};

/// What a stream begins with: how soon a browser connects again.
pub(crate) const PREAMBLE: &str = "retry: 2000\n\n";
/// What keeps a silent connection alive.
pub(crate) const PING: &str = ": ping\n\n";

/// Writes events, none of them twice.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The newest revision whose state the reader knows.
    after: u32,
    progress: Option<Progress>,
    counts: Option<Counts>,
}

impl Writer {
    /// For a reader that knows the states up to revision `after`.
    pub(crate) fn new(after: u32) -> Self {
        Self {
            after,
            progress: None,
            counts: None,
        }
    }

    /// The states that the reader does not know, the counts of a sweep if they changed, and the end if it was reached.
    /// `reason` is why the job waits now.
    pub(crate) fn job(&mut self, job: &Job, reason: Option<Value>, out: &mut String) {
        let last = job.history.last();
        for entry in job
            .history
            .entries()
            .filter(|entry| entry.revision > self.after)
        {
            let mut data = Map::new();
            data.insert("revision".to_owned(), entry.revision.into());
            data.insert("state".to_owned(), entry.state.as_str().into());
            // Reason and error are known of the present only.
            if Some(entry) == last {
                if let Some(reason) = &reason {
                    data.insert("reason".to_owned(), reason.clone());
                }
                if let (State::Failed | State::Retrying, Some(failure)) =
                    (entry.state, &job.failure)
                {
                    data.insert("error".to_owned(), failure_json(failure));
                }
            }
            data.insert("attempt".to_owned(), entry.attempt.into());
            data.insert("at".to_owned(), time(entry.at_ms).into());
            event("state", Some(entry.revision), &Value::Object(data), out);
        }
        if let Some(last) = last {
            self.after = self.after.max(last.revision);
        }
        if let Some(counts) = job.counts
            && self.counts != job.counts
        {
            self.counts = job.counts;
            event("tasks", None, &counts_json(counts), out);
        }
        if job.state.is_terminal() {
            let data = json!({"revision": job.revision, "state": job.state.as_str()});
            event("end", None, &data, out);
        }
    }

    /// Whether the reader does not know this progress.
    pub(crate) fn is_new(&self, progress: Option<&Progress>) -> bool {
        progress.is_some() && self.progress.as_ref() != progress
    }

    /// How far the job is.
    pub(crate) fn progress(&mut self, progress: Progress, out: &mut String) {
        // As many digits as anybody sees, instead of those by which a double differs from a float.
        let fraction = (f64::from(progress.fraction) * 1e6).round() / 1e6;
        let mut data = json!({"progress": fraction});
        if let Some(message) = &progress.message {
            data["message"] = Value::from(&**message);
        }
        event("progress", None, &data, out);
        self.progress = Some(progress);
    }
}

fn event(name: &str, id: Option<u32>, data: &Value, out: &mut String) {
    // Writing to a string cannot fail, and JSON text has no line ends that would end the field.
    let _ = writeln!(out, "event: {name}");
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    let _ = write!(out, "data: {data}\n\n");
}

#[cfg(test)]
mod tests;
