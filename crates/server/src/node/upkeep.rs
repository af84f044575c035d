//! What a node does by itself while it runs.

use std::{sync::Weak, time::Duration};

use super::Node;
use crate::{
    clock::wall_ms,
    services::{DirectoryWatch, Services},
    store::StoreError,
};

/// How often what nobody asked to forget is forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// Jobs that retention removes in one go.
const RETENTION_BATCH: u32 = 1_000;

pub(super) async fn watch_services(services: Services) {
    let mut watch = match DirectoryWatch::new(services.roots()) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::error!(%error, "service directories are not watched");
            return;
        }
    };
    while watch.changed().await.is_ok() {
        services.refresh().await;
    }
}

pub(super) async fn housekeeping(node: Weak<Node>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    loop {
        ticks.tick().await;
        let Some(node) = node.upgrade() else { return };
        node.hub.sweep();
        let (uploads, now_ms) = (node.uploads.clone(), wall_ms());
        let expired = tokio::task::spawn_blocking(move || uploads.expire(now_ms)).await;
        if let Ok(Err(error)) = expired {
            tracing::warn!(%error, "old uploads were not removed");
        }
        if let Some(retention) = node.config.retention {
            node.forget_old_jobs(retention).await;
        }
    }
}

impl Node {
    async fn forget_old_jobs(&self, retention: Duration) {
        let before =
            wall_ms().saturating_sub(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
        loop {
            let removed = self.engine.call(move |engine, now| {
                let old = engine.store().ended_before(before, RETENTION_BATCH)?;
                let mut attempts = Vec::new();
                for id in &old {
                    match engine.delete(now, *id) {
                        Ok(deleted) => attempts.extend(deleted),
                        Err(trefoil_jobs::EngineError::Store(error)) => return Err(error),
                        Err(trefoil_jobs::EngineError::Refused(_)) => {}
                    }
                }
                Ok::<_, StoreError>((old.len(), attempts))
            });
            match removed.await {
                Ok((count, attempts)) => {
                    self.forget_attempts(attempts).await;
                    if count < RETENTION_BATCH as usize {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "old jobs were not removed");
                    return;
                }
            }
        }
    }
}
