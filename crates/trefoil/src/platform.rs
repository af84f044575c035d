//! A platform in this process: a node and its HTTP side, a broker and its management, from settings to shutdown. `up` and
//! `demo` both run one.

mod broker;
mod thrift;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle};
use trefoil_server::{DataLock, Node, NodeConfig, StartError};

use crate::{cli::Only, config::Settings, failure::Failure};
use broker::Broker;

/// Threads for blocking work: file uploads and reads of the store, which wait for one disk anyway.
const BLOCKING_THREADS: usize = 64;
/// How long answers under way may take after everything else has ended.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// A platform that runs.
#[derive(Debug)]
pub(crate) struct Platform {
    /// Services, calls and jobs; absent if only the broker runs.
    node: Option<(SocketAddr, Arc<Node>)>,
    broker: Option<Broker>,
    /// Taken by the node if there is one.
    _lock: Option<DataLock>,
    close: watch::Sender<bool>,
    http: Vec<JoinHandle<std::io::Result<()>>>,
}

/// The runtime of a platform. With the broker alone, one thread is enough for its management.
pub(crate) fn runtime(only: Option<Only>) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if only.is_some() {
        builder.worker_threads(1);
    }
    builder
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("trefoil")
        .build()
        .context("cannot start the runtime")
}

impl Platform {
    /// Binds the listeners, starts what is to run, serves.
    pub(crate) async fn start(settings: &Settings, only: Option<Only>) -> anyhow::Result<Self> {
        let has_node = only.is_none();
        if !has_node && !settings.amqp.enabled {
            let hint = "leave out --only, or set amqp.enabled";
            return Err(
                Failure::invalid("there is nothing to run: amqp.enabled is false", hint).into(),
            );
        }
        // All ports before anything is recovered: what cannot be served need not be started.
        let listener = match has_node {
            true => Some(bind(settings, settings.http_listen, "http.listen").await?),
            false => None,
        };
        let listeners = match settings.amqp.enabled {
            true => Some(broker::Listeners::bind(settings).await?),
            false => None,
        };
        let thrift_listeners = match has_node && settings.thrift.enabled {
            true => Some(thrift::Listeners::bind(settings).await?),
            false => None,
        };
        let (close, closing) = watch::channel(false);
        let (node, lock) = match has_node {
            true => {
                let started = Node::start(node_config(settings)?).await;
                (Some(started.map_err(|error| cannot_start(&error))?), None)
            }
            false => {
                let lock = DataLock::take(&settings.data);
                let lock = lock.map_err(|error| cannot_start(&StartError::Lock(error)))?;
                (None, Some(lock))
            }
        };
        let mut http = Vec::new();
        let mut serve = |listener, router| {
            let mut closing = closing.clone();
            http.push(tokio::spawn(trefoil_gateway::serve_router(
                listener,
                router,
                async move {
                    // Closed for good counts as well.
                    let _ = closing.wait_for(|closing| *closing).await;
                },
            )));
        };
        let mut more = axum::Router::new();
        let mut broker = None;
        if let Some(listeners) = listeners {
            let (started, served) = match Broker::start(settings, listeners).await {
                Ok(started) => started,
                Err(error) => {
                    if let Some(node) = node {
                        node.stop(Duration::ZERO).await;
                    }
                    return Err(error);
                }
            };
            for listener in served.listeners {
                serve(listener, served.alone.clone());
            }
            more = served.beside;
            if let Some(node) = &node {
                node.watch_broker(started.amqp.clone());
            }
            broker = Some(started);
        }
        let node = match (node, listener) {
            (Some(node), Some(listener)) => {
                let address = listener
                    .local_addr()
                    .context("cannot tell the address of the listener")?;
                let router = trefoil_gateway::router_with(Arc::clone(&node), more);
                serve(listener, router.clone());
                if let Some(listeners) = thrift_listeners {
                    let amqp = broker.as_ref().map(|broker| broker.amqp.clone());
                    let (endpoint, handed) =
                        listeners.serve(&settings.thrift, amqp, node.metrics.thrift().clone())?;
                    node.serve_thrift(endpoint);
                    let mut closing = closing.clone();
                    http.push(tokio::spawn(trefoil_gateway::serve_streams(
                        handed,
                        router,
                        async move {
                            // Closed for good counts as well.
                            let _ = closing.wait_for(|closing| *closing).await;
                        },
                    )));
                }
                Some((address, node))
            }
            _ => None,
        };
        Ok(Self {
            node,
            broker,
            _lock: lock,
            close,
            http,
        })
    }

    /// The address of the platform's API as a client writes it.
    pub(crate) fn url(&self) -> Option<String> {
        let (address, _) = self.node.as_ref()?;
        Some(format!("http://{address}"))
    }

    /// Addresses of the Thrift endpoint.
    pub(crate) fn thrift_addresses(&self) -> impl Iterator<Item = String> {
        let thrift = self.node.iter().filter_map(|(_, node)| node.thrift());
        thrift.flat_map(|thrift| thrift.listening().iter().map(ToString::to_string))
    }

    /// Addresses of the broker.
    pub(crate) fn amqp_urls(&self) -> impl Iterator<Item = String> {
        self.amqp_urls_with(false)
    }

    /// Addresses of the broker with TLS.
    pub(crate) fn amqps_urls(&self) -> impl Iterator<Item = String> {
        self.amqp_urls_with(true)
    }

    fn amqp_urls_with(&self, tls: bool) -> impl Iterator<Item = String> {
        let listening = self
            .broker
            .iter()
            .flat_map(|broker| broker.amqp.listening());
        let scheme = if tls { "amqps" } else { "amqp" };
        listening
            .filter(move |at| at.tls == tls)
            .map(move |at| format!("{scheme}://{}", at.address))
    }

    /// Addresses of the management API.
    pub(crate) fn management_urls(&self) -> impl Iterator<Item = String> {
        let addresses = self.broker.iter().flat_map(|broker| &broker.management);
        addresses.map(|address| format!("http://{address}"))
    }

    /// Whether more than the broker runs.
    pub(crate) fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// Accepts no more, lets what runs end for at most `patience`, hands the rest back, closes.
    pub(crate) async fn stop(self, patience: Duration) {
        if let Some((_, node)) = self.node {
            if let Some(thrift) = node.thrift() {
                thrift.stop(patience).await;
            }
            node.stop(patience).await;
        }
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
        let _ = self.close.send(true);
        let http = async {
            for http in self.http {
                match http.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "an HTTP listener failed"),
                    Err(error) => tracing::error!(%error, "an HTTP task failed"),
                }
            }
        };
        if tokio::time::timeout(HTTP_GRACE, http).await.is_err() {
            tracing::info!("requests that were still open are cut");
        }
    }
}

/// Takes the address that `key` names.
async fn bind(
    settings: &Settings,
    address: SocketAddr,
    key: &str,
) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| cannot_listen(settings, address, key, &error))
}

/// A taken port is told with its flag; but if the data directory is taken too, that is the cause to tell.
fn cannot_listen(
    settings: &Settings,
    address: SocketAddr,
    key: &str,
    error: &std::io::Error,
) -> anyhow::Error {
    let flag = key.replace(['.', '_'], "-");
    if let Err(held @ trefoil_server::LockError::Held { .. }) = DataLock::take(&settings.data) {
        let hint = format!(
            "stop that process, or give this one another directory (--data) and port (--{flag})"
        );
        return Failure::unavailable(held.to_string(), hint).into();
    }
    let hint =
        format!("choose another address with --{flag}, for example 127.0.0.1:0 for any free port");
    Failure::unavailable(format!("cannot listen on {address} ({key}): {error}"), hint).into()
}

fn cannot_start(error: &StartError) -> Failure {
    let hint = match error {
        StartError::Lock(trefoil_server::LockError::Held { .. }) => {
            "stop that process, or give this one another directory (--data)"
        }
        StartError::Lock(_) => {
            "give it a directory that can be written with --data; `trefoil doctor` tells more"
        }
        StartError::Services { .. } => "check --services",
        _ => "`trefoil doctor` looks at the usual causes",
    };
    Failure::unavailable(error.to_string(), hint)
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
