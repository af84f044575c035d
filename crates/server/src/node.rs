//! A whole platform in one process, without its HTTP side.

mod start;
mod upkeep;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use trefoil_jobs::{AttemptId, Engine, Job, State, WaitReason};

use crate::{
    amqp::Amqp,
    builtin,
    clock::{Clock, wall_ms},
    config::NodeConfig,
    engine_thread::{self, CallError, EngineHandle},
    files::{self, FileError, FileStore, Stored, Uploads},
    hub::Hub,
    lock::{DataLock, LockError},
    metrics::Metrics,
    program::{AdoptError, AttemptDir, Supervisor, cpus::CpuPool, tail::LogWatch},
    services::Services,
    store::{self, FileRow, Readers, SqliteStore, StoreError},
    submit::SubmitError,
    thrift::Thrift,
    worker::{self, AttemptReport, Dispatch, Ending, Programs},
};

/// Builtin attempts in flight: deep enough that one commit carries hundreds of them.
const BUILTIN_SLOTS: u32 = 1_024;
/// Programs at a time, for services that reserve no CPU: a bound on processes, not on work.
const PROGRAM_SLOTS: u32 = 256;

/// How long attempts that were killed may take to be told and kept.
const KILL_MAX: Duration = Duration::from_secs(10);

/// A platform. Make one with [`Node::start`]; end it with [`Node::stop`].
#[derive(Debug)]
pub struct Node {
    /// How it was configured.
    pub config: NodeConfig,
    /// The machine's clocks.
    pub clock: Clock,
    /// Changes jobs.
    pub engine: EngineHandle,
    /// Reads jobs.
    pub readers: Readers,
    /// Who watches which job.
    pub hub: Hub,
    /// Contents of files.
    pub files: FileStore,
    /// Uploads that can be resumed.
    pub uploads: Uploads,
    /// The services.
    pub services: Services,
    /// Follows growing logs.
    pub logs: LogWatch,
    /// What is counted.
    pub metrics: Metrics,
    /// When it started, wall-clock milliseconds.
    pub started_at_ms: u64,
    amqp: OnceLock<Amqp>,
    thrift: OnceLock<Thrift>,
    draining: AtomicBool,
    ending: watch::Sender<Ending>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    programs: std::sync::Mutex<Option<JoinHandle<()>>>,
    thread: std::sync::Mutex<Option<thread::JoinHandle<()>>>,
    _lock: DataLock,
}

/// Why a platform did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else has the data directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Store {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The file store cannot be opened.
    #[error("cannot open the file store: {0}")]
    Files(#[from] FileError),
    /// A services directory is not there.
    #[error("cannot read the services directory {}: {source}", path.display())]
    Services {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What an earlier platform left running cannot be taken over.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// The system refuses something.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// One line of readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What it is.
    pub detail: String,
}

impl Node {
    /// Writes down that a stored content is a file, which is durable when this returns; second, whether it is a new one. Its
    /// pin is held until then.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep_file(
        &self,
        stored: Stored,
        name: Option<String>,
        media_type: Option<String>,
    ) -> Result<(FileRow, bool), CallError> {
        let (sha256, size) = (stored.sha256, stored.size);
        let kept = self.engine.call(move |engine, now| {
            let store = engine.store();
            let is_new = store.file(&sha256)?.is_none();
            let row = store.add_file(&FileRow {
                sha256,
                size,
                name,
                media_type,
                created_ms: now.wall_ms,
            })?;
            Ok::<_, StoreError>((row, is_new))
        });
        let kept = kept.await?;
        drop(stored.pin);
        Ok(kept)
    }

    /// Starts a platform: takes the data directory, recovers jobs, takes over what still runs.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: NodeConfig) -> Result<Arc<Self>, StartError> {
        let lock = DataLock::take(&config.data)?;
        let clock = Clock::start();
        let metrics = Metrics::default();
        let hub = Hub::default();
        let logs = LogWatch::new()?;
        for path in &config.services {
            std::fs::read_dir(path).map_err(|source| StartError::Services {
                path: path.clone(),
                source,
            })?;
        }
        let limits = files::Limits {
            size_max: config.files_size_max,
            free_min: config.disk_free_min,
            ..files::Limits::default()
        };
        let files = FileStore::open(&config.data.join("files"), limits)?;
        let uploads = Uploads::open(files.clone())?;
        let path = config.data.join("jobs.db");
        let store_error = |source| StartError::Store {
            path: path.clone(),
            source,
        };
        let mut store = SqliteStore::new(store::open_writer(&path).map_err(store_error)?);
        let states = store.service_states().map_err(store_error)?;
        let services = Services::load(
            config.services.clone(),
            config.data.join("services"),
            &states,
        )?;
        let mut engine = Engine::new(store, start::seed()?);
        let retired: Vec<String> = states
            .into_iter()
            .filter(|(_, _, retired)| *retired)
            .map(|(service, _, _)| service)
            .collect();
        services.introduce(&mut engine, &retired);
        start::add_workers(&mut engine, &config, &clock);
        engine.recover(clock.now()).map_err(store_error)?;
        let found = start::adopt(&mut engine, &config.data, &clock)
            .await?
            .map_err(store_error)?;

        let (to_programs, program_orders) = mpsc::channel(PROGRAM_SLOTS as usize * 2);
        let (to_builtins, builtin_orders) = mpsc::channel(BUILTIN_SLOTS as usize * 2);
        let dispatch = Dispatch {
            hub: hub.clone(),
            programs: to_programs,
            builtins: to_builtins,
        };
        let (engine, thread) = engine_thread::spawn(engine, clock, metrics.clone(), dispatch)?;
        services.attach(engine.clone());
        let programs = Arc::new(Programs {
            data: config.data.clone(),
            supervisor: Supervisor::new(config.supervisor.clone()),
            cpus: CpuPool::of_this_process()?,
            engine: engine.clone(),
            services: services.clone(),
            files: files.clone(),
            logs: logs.clone(),
        });
        let (ending, end) = watch::channel(Ending::No);
        let programs = tokio::spawn(worker::run_programs(programs, found, program_orders, end));
        let builtins = tokio::spawn(builtin::run(builtin_orders, engine.clone()));
        let node = Arc::new(Self {
            readers: Readers::new(&path),
            config,
            clock,
            engine,
            hub,
            files,
            uploads,
            services,
            logs,
            metrics,
            started_at_ms: wall_ms(),
            amqp: OnceLock::new(),
            thrift: OnceLock::new(),
            draining: AtomicBool::new(false),
            ending,
            tasks: std::sync::Mutex::new(vec![builtins]),
            programs: std::sync::Mutex::new(Some(programs)),
            thread: std::sync::Mutex::new(Some(thread)),
            _lock: lock,
        });
        let housekeeping = tokio::spawn(upkeep::housekeeping(Arc::downgrade(&node)));
        let watching = tokio::spawn(upkeep::watch_services(node.services.clone()));
        node.lock_tasks().extend([housekeeping, watching]);
        Ok(node)
    }

    fn lock_tasks(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether [`Self::drain`] was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Starts nothing more and accepts no more jobs; what runs goes on. `/readyz` says so.
    pub async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let told = self.engine.call(|engine, _| {
            engine.drain();
            Ok::<_, StoreError>(())
        });
        if let Err(error) = told.await {
            tracing::warn!(%error, "the engine was not told to drain");
        }
    }

    /// Ends the platform: lets running attempts end for at most `patience`, then stops them and hands them back, to be run
    /// again after the next start. Returns when nothing of it runs any more and everything is on disk.
    pub async fn stop(&self, patience: Duration) {
        self.drain().await;
        let programs = self
            .programs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(mut programs) = programs {
            // What runs may end by itself, then with its grace, then without.
            self.ending.send_replace(Ending::WhenIdle);
            let mut ended = tokio::time::timeout(patience, &mut programs).await.is_ok();
            if !ended {
                self.ending.send_replace(Ending::HandBack);
                let grace = patience.max(Duration::from_secs(1));
                ended = tokio::time::timeout(grace, &mut programs).await.is_ok();
            }
            if !ended {
                self.ending.send_replace(Ending::Kill);
                if tokio::time::timeout(KILL_MAX, &mut programs).await.is_err() {
                    // Their outcomes cannot be kept, as on a full disk: the next platform finds them where they are.
                    tracing::error!("attempts are left for the next start");
                    programs.abort();
                }
            }
        }
        for task in self.lock_tasks().drain(..) {
            task.abort();
        }
        self.services.detach();
    }

    /// Waits for the engine's thread, after the last handle to it is gone; for callers that own the node alone.
    pub fn join(self: Arc<Self>) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(node) = Arc::into_inner(self) {
            let Self { engine, .. } = node;
            drop(engine);
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }

    /// From now on readiness is that of this broker too. The first one counts.
    pub fn watch_broker(&self, amqp: Amqp) {
        let _ = self.amqp.set(amqp);
    }

    /// From now on services are called through this endpoint, and it knows them. The first one counts.
    pub fn serve_thrift(self: &Arc<Self>, thrift: Thrift) {
        thrift.serve_jobs(Arc::downgrade(self));
        let mut changes = self.services.watch();
        let services = self.services.clone();
        thrift.set_catalog(&services.snapshot());
        if self.thrift.set(thrift.clone()).is_ok() {
            let started =
                thrift.start_providers(self.config.supervisor.clone(), self.config.data.clone());
            if let Err(error) = started {
                tracing::error!(%error, "providers of services are not started");
            }
            let follow = async move {
                while changes.changed().await.is_ok() {
                    thrift.set_catalog(&services.snapshot());
                }
            };
            self.lock_tasks().push(tokio::spawn(follow));
        }
    }

    /// The Thrift endpoint, through which instances are called.
    #[must_use]
    pub fn thrift(&self) -> Option<&Thrift> {
        self.thrift.get()
    }

    /// What is as it should be and what is not.
    pub async fn readiness(&self) -> Vec<Check> {
        let check = |name, ok, detail| Check { name, ok, detail };
        let write = self.engine.call(|engine, _| engine.store().ping()).await;
        let store = match (&write, self.readers.ping().await) {
            (Ok(()), Ok(())) => check("store", true, "reads and writes".to_owned()),
            (Err(error), _) => check("store", false, error.to_string()),
            (_, Err(error)) => check("store", false, error.to_string()),
        };
        let workers = if self.config.workers_enabled {
            check(
                "workers",
                true,
                format!("{} slots", self.config.worker_slots),
            )
        } else {
            check(
                "workers",
                true,
                "programs are not run here (workers.enabled)".to_owned(),
            )
        };
        let disk = match self.check_space() {
            Ok(free) => check("disk", true, format!("{free} bytes free")),
            Err(error) => check("disk", false, error.to_string()),
        };
        let catalog = self.services.snapshot();
        let (good, broken) = (catalog.iter().count(), catalog.broken().count());
        // A broken service is its author's trouble, not the platform's: it is told, and nothing stops for it.
        let services = check(
            "services",
            true,
            format!("{good} versions, {broken} broken entries"),
        );
        let draining = self.is_draining();
        let detail = if draining { "shutting down" } else { "no" };
        let draining = check("draining", !draining, detail.to_owned());
        let broker = self.amqp.get().map(Amqp::readiness);
        [store, workers, disk, services]
            .into_iter()
            .chain(broker)
            .chain([draining])
            .collect()
    }

    pub(crate) fn check_space(&self) -> Result<u64, SubmitError> {
        let min = self.config.disk_free_min;
        match self.files.space() {
            Ok(space) if space.available < min => Err(SubmitError::DiskFull {
                free: space.available,
                min,
            }),
            Ok(space) => Ok(space.available),
            Err(error) => {
                tracing::warn!(%error, "free space is unknown");
                Ok(u64::MAX)
            }
        }
    }

    /// Why a job waits, and the same in words; `None` for one that does not.
    pub async fn reason(&self, job: &Job) -> Option<(WaitReason, String)> {
        let reason = match job.state {
            State::Accepted | State::Created | State::Blocked if job.counts.is_none() => {
                WaitReason::Delayed
            }
            State::Retrying => WaitReason::Backoff,
            State::Queued => {
                let service = Arc::clone(&job.service);
                let asked = self
                    .engine
                    .call(move |engine, _| Ok::<_, StoreError>(engine.explain(&service)));
                asked.await.unwrap_or(WaitReason::Draining)
            }
            _ => return None,
        };
        let detail = match reason {
            WaitReason::NoWorker => format!("nothing here runs {}", job.service),
            WaitReason::Resources => "every worker is busy".to_owned(),
            WaitReason::Paused => format!("{} is paused", job.service),
            WaitReason::Retired => format!(
                "{} was retired: publish it again or cancel this job",
                job.service
            ),
            WaitReason::Slots => format!("{} runs as many attempts as it allows", job.service),
            WaitReason::Delayed => "it is not to start yet".to_owned(),
            WaitReason::Backoff => "the last attempt failed, the next one has its time".to_owned(),
            WaitReason::Draining => "the platform is shutting down".to_owned(),
        };
        Some((reason, detail))
    }

    /// Where an attempt keeps what belongs to it.
    #[must_use]
    pub fn attempt_dir(&self, attempt: AttemptId) -> AttemptDir {
        AttemptDir::new(&self.config.data, attempt)
    }

    /// The log of an attempt; it may not exist yet, or never.
    #[must_use]
    pub fn attempt_log(&self, attempt: AttemptId) -> PathBuf {
        self.attempt_dir(attempt).log()
    }

    /// What was recorded of an attempt that has ended.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn attempt_report(&self, attempt: AttemptId) -> io::Result<Option<AttemptReport>> {
        let dir = self.attempt_dir(attempt);
        tokio::task::spawn_blocking(move || AttemptReport::read(&dir))
            .await
            .map_err(io::Error::other)?
    }

    /// Removes what attempts of deleted jobs have left on disk.
    pub async fn forget_attempts(&self, attempts: Vec<AttemptId>) {
        let data = self.config.data.clone();
        let removed = tokio::task::spawn_blocking(move || {
            for attempt in attempts {
                let dir = AttemptDir::new(&data, attempt);
                if let Err(error) = dir.remove() {
                    tracing::warn!(attempt = %attempt, %error, "an attempt's directory stays behind");
                }
            }
        });
        let _ = removed.await;
    }
}
