//! Waiting for the end of a job, for as long as a client asks and the platform grants.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use trefoil_jobs::{Changed, Ended, JobId, Refusal};
use trefoil_server::{Node, hub::Seen, store::JobView};

use crate::error::Problem;

/// A job with its spec; 404 if there is none, 410 if it was deleted.
pub(crate) async fn find(node: &Node, id: JobId) -> Result<JobView, Problem> {
    node.readers.view(id).await?.map_err(|deleted| {
        let refusal = if deleted {
            Refusal::Gone(id)
        } else {
            Refusal::UnknownJob(id)
        };
        refusal.into()
    })
}

/// The same, after waiting until it has ended or `wait` is over.
pub(crate) async fn find_ended(
    node: &Node,
    id: JobId,
    wait: Option<Duration>,
) -> Result<JobView, Problem> {
    let view = find(node, id).await?;
    let Some(wait) = wait.filter(|wait| !wait.is_zero() && !view.job.state.is_terminal()) else {
        return Ok(view);
    };
    let mut watch = node.hub.watch(id);
    // It may have ended between the first look and the watch.
    let view = find(node, id).await?;
    if view.job.state.is_terminal() {
        return Ok(view);
    }
    ended(&mut watch, granted(node, wait)).await;
    find(node, id).await
}

/// How long a request may be held that asks for `wait`.
pub(crate) fn granted(node: &Node, wait: Duration) -> Duration {
    wait.min(node.config.call_max_wait)
}

/// The change that ended the job; `None` if it takes longer than `wait`.
///
/// # Cancel safety
/// Nothing is lost: the job does not know who watches it.
pub(crate) async fn ended(
    watch: &mut watch::Receiver<Seen>,
    wait: Duration,
) -> Option<Arc<Changed>> {
    let has_ended = |seen: &Seen| end_of(seen).is_some();
    let seen = tokio::time::timeout(wait, watch.wait_for(has_ended))
        .await
        .ok()?;
    seen.ok()?.changed.clone()
}

fn end_of(seen: &Seen) -> Option<&Ended> {
    seen.changed.as_ref()?.ended.as_ref()
}
