//! `GET /v1/jobs/{id}/events`: what happens to a job, as server-sent events.
//!
//! States come from the history in the store, which is durable and numbered, so a reader that comes back with the last
//! number it saw loses and repeats none, even after a restart. The hub only says when to look. Progress is not durable:
//! the newest is sent, at most ten times a second.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use trefoil_jobs::{Job, JobId};
use trefoil_server::{Node, hub::Seen, store::StoreError};

use self::sse::{PING, PREAMBLE, Writer};
use crate::{
    error::Problem,
    extract::{JobPath, Query, accepts, one_header},
    routes::logs::watch_of,
    wait::find,
};

mod sse;

/// Between two comments on a silent connection.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Between two reports of progress or of counts: ten a second are more than anybody sees.
const SOFT_EVERY: Duration = Duration::from_millis(100);

/// Events of one job, pulled: nothing runs for a reader that is slow or gone.
struct Events {
    node: Arc<Node>,
    id: JobId,
    watch: watch::Receiver<Seen>,
    writer: Writer,
    /// The job when it was read last; `None` = to be read now.
    known: Option<Known>,
    /// When progress and counts may be sent again.
    soft_at: Instant,
    ping_at: Instant,
    has_begun: bool,
    has_ended: bool,
}

/// What tells whether the job must be read again.
#[derive(Debug, Clone, Copy)]
struct Known {
    revision: u32,
    state: trefoil_jobs::State,
    is_parent: bool,
}

/// How soon the job must be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Now,
    Soon,
    No,
}

impl Events {
    /// The next events; `None` after the last. An error closes the connection: the reader comes back.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let mut out = String::new();
        if !self.has_begun {
            self.has_begun = true;
            out.push_str(PREAMBLE);
        }
        while !self.has_ended {
            // Before anything is read: what changes after this wakes the wait below.
            self.watch.mark_unchanged();
            let now = Instant::now();
            let is_soft_due = now >= self.soft_at;
            let look = self.look();
            if look == Look::Now || look == Look::Soon && is_soft_due {
                self.read(&mut out).await?;
            }
            let progress = self.node.hub.progress_of(self.id);
            let is_new = self.writer.is_new(progress.as_ref());
            if let Some(progress) = progress.filter(|_| is_new && is_soft_due && !self.has_ended) {
                self.writer.progress(progress, &mut out);
            }
            if !out.is_empty() {
                if is_soft_due {
                    self.soft_at = now + SOFT_EVERY;
                }
                self.ping_at = now + PING_EVERY;
                return Ok(Some(out.into()));
            }
            let is_soft_pending = !is_soft_due && (look == Look::Soon || is_new);
            tokio::select! {
                changed = self.watch.changed() => if changed.is_err() {
                    // The hub let go of the job: it has ended.
                    self.watch = self.node.hub.watch(self.id);
                    self.known = None;
                },
                () = sleep_until(self.soft_at), if is_soft_pending => {}
                () = sleep_until(self.ping_at) => {
                    self.ping_at = Instant::now() + PING_EVERY;
                    return Ok(Some(Bytes::from_static(PING.as_bytes())));
                }
            }
        }
        Ok(None)
    }

    /// Whether the store has something that the reader does not. The counts of a sweep may change thousands of times a second.
    fn look(&self) -> Look {
        let Some(known) = self.known else {
            return Look::Now;
        };
        let seen = self.watch.borrow();
        match seen.changed.as_deref() {
            Some(changed) if changed.revision > known.revision => {
                let is_count = known.is_parent && changed.state == known.state;
                if is_count { Look::Soon } else { Look::Now }
            }
            Some(_) | None => Look::No,
        }
    }

    async fn read(&mut self, out: &mut String) -> Result<(), StoreError> {
        let Some(job) = self.node.readers.job(self.id).await? else {
            // Deleted: whatever it was, it had ended.
            self.has_ended = true;
            return Ok(());
        };
        let reason = reason(&self.node, &job).await;
        self.writer.job(&job, reason, out);
        self.has_ended = job.state.is_terminal();
        self.known = Some(Known {
            revision: job.revision,
            state: job.state,
            is_parent: job.counts.is_some(),
        });
        Ok(())
    }
}

/// Why the job waits now.
async fn reason(node: &Node, job: &Job) -> Option<Value> {
    let (reason, detail) = node.reason(job).await?;
    Some(json!({"code": reason.as_str(), "detail": detail}))
}

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new().route("/v1/jobs/{id}/events", get(events))
}

async fn events(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accepts(&headers, &["text/event-stream"])?;
    let after = after(&mut query, &headers)?;
    query.end()?;
    let job = find(&node, id).await?.job;
    let now = Instant::now();
    let events = Events {
        watch: watch_of(&node, &job),
        node,
        id,
        writer: Writer::new(after),
        known: None,
        soft_at: now,
        ping_at: now + PING_EVERY,
        has_begun: false,
        has_ended: false,
    };
    let stream = stream::try_unfold(events, |mut events| async {
        let next = events
            .next()
            .await
            .inspect_err(|error| tracing::warn!(%error, "events end early"))?;
        Ok::<_, StoreError>(next.map(|bytes| (bytes, events)))
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // A proxy that collects the answer before it passes it on would make events useless.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// The newest revision that the reader has. A browser that connects again uses the same address, so its header is newer.
fn after(query: &mut Query, headers: &HeaderMap) -> Result<u32, Problem> {
    const LAST_EVENT_ID: &str = "Last-Event-ID";
    let asked = query.number("after", 0..=u64::MAX)?;
    let last = one_header(headers, LAST_EVENT_ID)?.map(|text| {
        let number = text
            .parse()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let detail = format!("`{LAST_EVENT_ID}` must be the number of a revision");
        number.ok_or_else(|| Problem::bad_header(LAST_EVENT_ID, detail, "format"))
    });
    Ok(last
        .transpose()?
        .or(asked)
        .map_or(0, |after| u32::try_from(after).unwrap_or(u32::MAX)))
}
