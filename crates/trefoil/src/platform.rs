//! A platform in this process: a node and its HTTP side, from settings to shutdown. `up` and `demo` both run one.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};
use trefoil_server::{DataLock, Node, NodeConfig};

use crate::{config::Settings, failure::Failure};

/// Threads for blocking work: file uploads and reads of the store, which wait for one disk anyway.
const BLOCKING_THREADS: usize = 64;
/// How long answers under way may take after everything else has ended.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// A platform that runs.
#[derive(Debug)]
pub(crate) struct Platform {
    /// Where HTTP is served.
    pub(crate) address: SocketAddr,
    node: Arc<Node>,
    close: oneshot::Sender<()>,
    http: JoinHandle<std::io::Result<()>>,
}

/// The runtime of a platform.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("trefoil")
        .build()
        .context("cannot start the runtime")
}

impl Platform {
    /// Binds the listener, starts the node, serves.
    pub(crate) async fn start(settings: &Settings) -> anyhow::Result<Self> {
        let config = node_config(settings)?;
        let listener = match tokio::net::TcpListener::bind(settings.http_listen).await {
            Ok(listener) => listener,
            Err(error) => return Err(cannot_listen(settings, &error)),
        };
        let address = listener
            .local_addr()
            .context("cannot tell the address of the listener")?;
        let node = Node::start(config).await.map_err(|error| {
            let hint = match &error {
                trefoil_server::StartError::Lock(trefoil_server::LockError::Held { .. }) => {
                    "stop that process, or give this one another directory (--data)"
                }
                trefoil_server::StartError::Lock(_) => {
                    "give it a directory that can be written with --data; `trefoil doctor` tells more"
                }
                trefoil_server::StartError::Services { .. } => "check --services",
                _ => "`trefoil doctor` looks at the usual causes",
            };
            Failure::unavailable(error.to_string(), hint)
        })?;
        let (close, closed) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = closed.await;
        };
        let http = tokio::spawn(trefoil_gateway::serve(
            listener,
            Arc::clone(&node),
            shutdown,
        ));
        Ok(Self {
            address,
            node,
            close,
            http,
        })
    }

    /// The address as a client writes it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts no more, lets what runs end for at most `patience`, hands the rest back, closes.
    pub(crate) async fn stop(self, patience: Duration) {
        self.node.stop(patience).await;
        let _ = self.close.send(());
        match tokio::time::timeout(HTTP_GRACE, self.http).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the HTTP listener failed"),
            Ok(Err(error)) => tracing::error!(%error, "the HTTP task failed"),
            Err(_) => tracing::info!("requests that were still open are cut"),
        }
    }
}

/// A taken port is told with its flag; but if the data directory is taken too, that is the cause to tell.
fn cannot_listen(settings: &Settings, error: &std::io::Error) -> anyhow::Error {
    let address = settings.http_listen;
    if let Err(held @ trefoil_server::LockError::Held { .. }) = DataLock::take(&settings.data) {
        let hint = "stop that process, or give this one another directory (--data) and port (--http-listen)";
        return Failure::unavailable(held.to_string(), hint).into();
    }
    let hint =
        "choose another address with --http-listen, for example 127.0.0.1:0 for any free port";
    Failure::unavailable(
        format!("cannot listen on {address} (http.listen): {error}"),
        hint,
    )
    .into()
}

fn node_config(settings: &Settings) -> anyhow::Result<NodeConfig> {
    let executable = std::env::current_exe()
        .context("cannot find this executable, which supervises programs")?;
    let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(NodeConfig {
        services: settings.services.clone(),
        workers_enabled: settings.workers_enabled,
        worker_slots: count(settings.workers_slots),
        worker_memory: settings.workers_memory,
        call_max_wait: settings.call_max_wait,
        json_max: settings.body_json_max,
        ndjson_max: settings.body_ndjson_max,
        files_size_max: settings.files_size_max,
        sweep_tasks_max: count(settings.jobs_sweep_tasks_max),
        batch_max: count(settings.jobs_batch_max),
        disk_free_min: settings.disk_free_min,
        retention: settings.jobs_retention,
        ..NodeConfig::new(settings.data.clone(), executable)
    })
}
