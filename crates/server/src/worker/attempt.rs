//! One attempt of a job whose service is a program, from its files to its outcome.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256 as Hasher};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};
use trefoil_director::{PortKind, Ports, RunKind, Service, ServiceId, file_refs, validate_outputs};
use trefoil_jobs::{AttemptId, Failure, FailureClass, Job, JobId, Outcome, Spec};

use super::{AttemptReport, LogDigest, Stop, describe_host, report};
use crate::{
    engine_thread::EngineHandle,
    files::{FileStore, Pin, Sha256},
    program::{
        AttemptDir, End, ExitReport, Limits, Program, Running, Supervisor,
        cpus::{CpuPool, CpuShare},
        folder::{self, Context, InputFile, PortSpec},
        progress::{Progress, ProgressParser},
        tail::LogWatch,
    },
    services::Services,
    store::StoreError,
};

/// Progress and signs of life are told at most so often: people cannot read faster.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// Lines of the log that a failure carries.
const TAIL_LINES: usize = 20;
/// Bytes of the log that those lines may have.
const TAIL_BYTES: usize = 4_096;

/// What running programs takes.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) data: PathBuf,
    pub(crate) supervisor: Supervisor,
    pub(crate) cpus: CpuPool,
    pub(crate) engine: EngineHandle,
    pub(crate) services: Services,
    pub(crate) files: FileStore,
    pub(crate) logs: LogWatch,
}

/// An attempt that an earlier platform started.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) job: Box<Job>,
    pub(crate) attempt: AttemptId,
    pub(crate) found: Found,
}

/// What was found of it.
#[derive(Debug)]
pub(crate) enum Found {
    Running(Box<Running>),
    Ended(ExitReport),
}

/// What an attempt was given, to be kept in its report.
struct Given {
    service: Arc<Service>,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// How the log of an attempt went.
struct Logged {
    digest: LogDigest,
    tail: Vec<u8>,
    too_long: bool,
}

impl Programs {
    /// Runs an attempt from the beginning.
    pub(crate) async fn start(
        self: Arc<Self>,
        job: Box<Job>,
        spec: Arc<Spec>,
        stop: watch::Receiver<Stop>,
    ) -> AttemptId {
        let attempt = job.attempt_id.expect("a started job has an attempt");
        let dir = AttemptDir::new(&self.data, attempt);
        let begun_ms = crate::clock::wall_ms();
        // Output files are pinned until the store knows who uses them.
        let mut pins = Vec::new();
        let outcome = match self.begin(&job, &spec, &dir, &stop).await {
            Err(outcome) => outcome,
            Ok((given, running, share)) => {
                let outcome = self
                    .attend(&job, &dir, given, running, stop, &mut pins)
                    .await;
                drop(share);
                outcome
            }
        };
        report(&self.engine, vec![(job.id, attempt, outcome)], begun_ms).await;
        drop(pins);
        attempt
    }

    /// Goes on with an attempt that an earlier platform started.
    pub(crate) async fn resume(
        self: Arc<Self>,
        resumed: Resumed,
        stop: watch::Receiver<Stop>,
    ) -> AttemptId {
        let Resumed {
            job,
            attempt,
            found,
        } = resumed;
        let mut pins = Vec::new();
        let dir = AttemptDir::new(&self.data, attempt);
        let begun_ms = job.started_ms.unwrap_or_else(crate::clock::wall_ms);
        let outcome = match (self.service_of(&job), found) {
            (None, Found::Running(running)) => {
                // Its service is gone: what it computes could not be checked.
                let _ = running.kill().await;
                gone(&job)
            }
            (None, Found::Ended(_)) => gone(&job),
            (Some(service), found) => {
                // What the earlier platform wrote for the supervisor is what the program got.
                let program = dir.program().ok();
                let cpus = program
                    .as_ref()
                    .and_then(|program| program.limits.cpus.clone())
                    .unwrap_or_default();
                let reserved = f64::from(job.resources.milli_cpus) / 1000.0;
                let _share = self.cpus.retake(reserved, cpus);
                let (command, environment) =
                    program.map_or_else(Default::default, |program| (program.argv, program.env));
                let given = Given {
                    service,
                    command,
                    environment,
                };
                match found {
                    Found::Running(running) => {
                        self.attend(&job, &dir, given, *running, stop, &mut pins)
                            .await
                    }
                    Found::Ended(exit) => {
                        let (final_, is_final) = watch::channel(true);
                        let logged = self
                            .follow(&job, &given.service, &dir, is_final, None)
                            .await;
                        drop(final_);
                        self.conclude(&dir, given, exit, logged, false, &mut pins)
                            .await
                    }
                }
            }
        };
        report(&self.engine, vec![(job.id, attempt, outcome)], begun_ms).await;
        drop(pins);
        attempt
    }

    /// The service of a job, even if it was retired since: what it promised is still owed.
    fn service_of(&self, job: &Job) -> Option<Arc<Service>> {
        let id: ServiceId = job.service.parse().ok()?;
        self.services
            .snapshot()
            .get(&id)
            .map(|entry| Arc::clone(&entry.service))
    }

    /// Prepares the folders and starts the program.
    async fn begin(
        &self,
        job: &Job,
        spec: &Spec,
        dir: &AttemptDir,
        stop: &watch::Receiver<Stop>,
    ) -> Result<(Given, Running, CpuShare), Outcome> {
        let service = self.service_of(job).ok_or_else(|| gone(job))?;
        let Some(run) = service.run.clone() else {
            return Err(gone(job));
        };
        let RunKind::Program { command } = &run.kind else {
            return Err(gone(job));
        };
        let inputs: Map<String, Value> =
            serde_json::from_str(spec.inputs.get()).unwrap_or_default();
        let files = self.input_files(&service, &inputs).await?;
        let ports = port_specs(&service.metadata.inputs);
        let (to, given_inputs) = (dir.clone(), inputs.clone());
        let prepared = blocking(move || folder::prepare(&to, &ports, &given_inputs, &files)).await;
        let inputs = prepared
            .and_then(|prepared| prepared.map_err(|error| error.to_string()))
            .map_err(|error| {
                failed(
                    FailureClass::Temporary,
                    format!("cannot prepare the attempt: {error}"),
                )
            })?;
        let share = self.cpus.take(f64::from(job.resources.milli_cpus) / 1000.0);
        let ids = (
            job.id.to_string(),
            dir.id().to_owned(),
            job.service.to_string(),
        );
        let context = Context {
            job_id: &ids.0,
            attempt: job.attempt,
            service: &ids.2,
            nano_cpus: u64::from(job.resources.milli_cpus) * 1_000_000,
            memory_bytes: job.resources.memory,
            env: &run.env,
        };
        let environment = folder::environment(dir, &inputs, &context);
        let command = resolve_command(command, &service);
        let program = Program {
            argv: command.clone(),
            env: environment.clone(),
            cwd: dir.work(),
            limits: Limits {
                memory_bytes: (job.resources.memory > 0).then_some(job.resources.memory),
                cpus: Some(share.cpus().to_vec()),
                log_bytes: Some(run.limits.log),
            },
            grace_ms: spec.limits.grace_ms.unwrap_or(10_000),
        };
        if *stop.borrow() != Stop::No {
            return Err(Outcome::Stopped);
        }
        let running = self
            .supervisor
            .start(dir, &program)
            .await
            .map_err(|error| failed(FailureClass::Rejected, error.to_string()))?;
        Ok((
            Given {
                service,
                command,
                environment,
            },
            running,
            share,
        ))
    }

    async fn input_files(
        &self,
        service: &Service,
        inputs: &Map<String, Value>,
    ) -> Result<Vec<InputFile>, Outcome> {
        let mut files = Vec::new();
        for file in file_refs(service, inputs) {
            let source = file
                .sha256
                .parse::<Sha256>()
                .map(|sha256| self.files.path(&sha256));
            let source = source.map_err(|_| {
                failed(
                    FailureClass::Rejected,
                    format!("bad file for {}", file.port),
                )
            })?;
            files.push(InputFile {
                port: file.port,
                source,
                file_name: file.name,
            });
        }
        Ok(files)
    }

    /// Watches over a running program until it has ended, and says how that went.
    async fn attend(
        &self,
        job: &Job,
        dir: &AttemptDir,
        given: Given,
        mut running: Running,
        mut stop: watch::Receiver<Stop>,
        pins: &mut Vec<Pin>,
    ) -> Outcome {
        let (id, attempt) = (
            job.id,
            job.attempt_id.expect("a running job has an attempt"),
        );
        if !tell_started(&self.engine, id, attempt).await {
            let _ = running.kill().await;
        }
        let (finality, is_final) = watch::channel(false);
        let (too_long, mut over) = watch::channel(false);
        let service = Arc::clone(&given.service);
        let follow = self.follow(job, &service, dir, is_final, Some(too_long));
        let wait = async {
            let mut stopped = Stop::No;
            loop {
                tokio::select! {
                    exit = running.wait() => break (exit, stopped != Stop::No),
                    Ok(()) = stop.changed() => {
                        let wanted = *stop.borrow_and_update();
                        stopped = stopped.max(wanted);
                        let done = match wanted {
                            Stop::No => Ok(()),
                            Stop::Ask => running.stop(),
                            Stop::Kill => running.kill().await,
                        };
                        if let Err(error) = done {
                            tracing::warn!(job = %id, %error, "a program could not be stopped");
                        }
                    }
                    Ok(()) = over.changed() => {
                        let _ = running.kill().await;
                    }
                }
            }
        };
        let ended = async {
            let exit = wait.await;
            let _ = finality.send(true);
            exit
        };
        let ((exit, stopped), logged) = tokio::join!(ended, follow);
        self.conclude(dir, given, exit, logged, stopped, pins).await
    }

    /// Reads the log as it grows: hashes it, tells progress, keeps its end.
    async fn follow(
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

    /// Collects the outputs, keeps the report, clears up, and gives the outcome.
    async fn conclude(
        &self,
        dir: &AttemptDir,
        given: Given,
        exit: ExitReport,
        logged: io::Result<Logged>,
        stopped: bool,
        pins: &mut Vec<Pin>,
    ) -> Outcome {
        if let End::Lost(message) = &exit.end {
            return Outcome::Lost {
                started: true,
                message: message.clone(),
            };
        }
        let logged = match logged {
            Ok(logged) => logged,
            Err(error) => {
                return Outcome::Lost {
                    started: true,
                    message: format!("its log cannot be read: {error}"),
                };
            }
        };
        let outcome = self
            .outcome(&given.service, dir, &exit, &logged, stopped, pins)
            .await;
        let kept = AttemptReport {
            outcome: outcome.clone(),
            exit: Some(exit),
            log: logged.digest,
            service_digest: given.service.digest.clone(),
            command: given.command,
            environment: given.environment,
            software: concat!("trefoil ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: describe_host().clone(),
            log_files: log_files(dir),
        };
        let to = dir.clone();
        let written = blocking(move || {
            std::fs::File::open(to.log()).and_then(|log| log.sync_all())?;
            kept.write(&to)?;
            for folder in [to.inputs(), to.outputs(), to.work(), to.tmp()] {
                if let Err(error) = std::fs::remove_dir_all(&folder)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!(folder = %folder.display(), %error, "a folder of an attempt stays behind");
                }
            }
            Ok::<_, io::Error>(())
        });
        match written.await {
            Ok(Ok(())) => outcome,
            Ok(Err(error)) => failed(
                FailureClass::Temporary,
                format!("the attempt's report was not kept: {error}"),
            ),
            Err(error) => failed(FailureClass::Temporary, error),
        }
    }

    async fn outcome(
        &self,
        service: &Arc<Service>,
        dir: &AttemptDir,
        exit: &ExitReport,
        logged: &Logged,
        stopped: bool,
        pins: &mut Vec<Pin>,
    ) -> Outcome {
        let lines = tail_lines(&logged.tail);
        let failure = |class, message: String| Failure {
            log_tail: lines.clone(),
            ..Failure::new(class, message)
        };
        if logged.too_long {
            let limit = service.run.as_ref().map_or(0, |run| run.limits.log);
            let message = format!("the log grew beyond its limit of {limit} bytes");
            return Outcome::Failed(failure(FailureClass::Application, message));
        }
        let asked = stopped || exit.stopped_by.is_some();
        match &exit.end {
            End::Exited(0) => match self.collect(service, dir).await {
                Ok((outputs, stored)) => {
                    pins.extend(stored);
                    Outcome::Succeeded {
                        outputs: outputs.into(),
                    }
                }
                Err(_) if asked => Outcome::Stopped,
                Err(bad) => Outcome::Failed(Failure {
                    log_tail: lines,
                    exit_code: Some(0),
                    ..bad
                }),
            },
            _ if asked => Outcome::Stopped,
            End::Exited(code) => {
                let retry = service
                    .run
                    .as_ref()
                    .is_some_and(|run| run.retry.retry_exit_codes.contains(code));
                let class = if *code == 75 || retry {
                    FailureClass::Temporary
                } else {
                    FailureClass::Application
                };
                let message = format!("the program exited with code {code}");
                Outcome::Failed(Failure {
                    exit_code: Some(*code),
                    ..failure(class, message)
                })
            }
            End::Signaled(signal) => {
                let hint = "if it needs more memory than it reserves, raise [resources] memory in service.toml";
                let message = format!("the program was ended by signal {signal}");
                Outcome::Failed(Failure {
                    signal: Some(*signal),
                    hint: matches!(signal, 6 | 9 | 11).then(|| hint.to_owned()),
                    ..failure(FailureClass::Application, message)
                })
            }
            End::ExecFailed(reason) => Outcome::Failed(Failure {
                hint: Some("check run.command in service.toml".to_owned()),
                ..failure(
                    FailureClass::Rejected,
                    format!("the program could not be started: {reason}"),
                )
            }),
            End::Lost(message) => Outcome::Lost {
                started: true,
                message: message.clone(),
            },
        }
    }

    /// Takes the outputs into the store; the text of the outputs object.
    async fn collect(
        &self,
        service: &Arc<Service>,
        dir: &AttemptDir,
    ) -> Result<(String, Vec<Pin>), Failure> {
        let (service, dir, files) = (Arc::clone(service), dir.clone(), self.files.clone());
        let collected = blocking(move || collect_outputs(&service, &dir, &files)).await;
        collected.unwrap_or_else(|error| Err(Failure::new(FailureClass::Temporary, error)))
    }
}

fn collect_outputs(
    service: &Service,
    dir: &AttemptDir,
    files: &FileStore,
) -> Result<(String, Vec<Pin>), Failure> {
    let limit = service
        .run
        .as_ref()
        .map_or(u64::MAX, |run| run.limits.outputs);
    let collected =
        folder::collect(dir, &port_specs(&service.metadata.outputs), limit).map_err(|bad| {
            Failure {
                port: bad.port.clone(),
                ..Failure::new(FailureClass::BadOutputs, bad.to_string())
            }
        })?;
    let mut outputs = collected.values;
    let mut pins = Vec::new();
    for file in collected.files {
        let stored = files.ingest(&file.path).map_err(|error| {
            let message = format!("output {} was not kept: {error}", file.port);
            Failure {
                port: Some(file.port.clone()),
                ..Failure::new(FailureClass::Temporary, message)
            }
        })?;
        let media_type = service
            .metadata
            .outputs
            .get(&file.port)
            .and_then(media_type);
        let sha256 = stored.sha256.to_string();
        let mut value = json!({ "sha256": sha256, "size": stored.size, "name": file.name });
        if let Some(media_type) = media_type {
            value["type"] = Value::from(media_type);
        }
        value["href"] = Value::from(format!("/v1/files/{sha256}"));
        outputs.insert(file.port, value);
        pins.push(stored.pin);
    }
    for key in collected.unknown {
        outputs.entry(key).or_insert(Value::Null);
    }
    let outputs = validate_outputs(service, outputs).map_err(|violations| {
        let message = violations
            .iter()
            .take(5)
            .map(|v| format!("{}: {}", v.pointer, v.detail))
            .collect::<Vec<_>>();
        let port = violations
            .first()
            .and_then(|v| v.pointer.split('/').nth(1))
            .map(str::to_owned);
        Failure {
            port,
            ..Failure::new(FailureClass::BadOutputs, message.join("; "))
        }
    })?;
    Ok((Value::Object(outputs).to_string(), pins))
}

fn media_type(port: &trefoil_director::Port) -> Option<String> {
    match &port.kind {
        PortKind::Data(patterns) => patterns
            .first()
            .map(ToString::to_string)
            .filter(|text| !text.contains('*')),
        PortKind::Number
        | PortKind::Integer
        | PortKind::Boolean
        | PortKind::String
        | PortKind::Schema(_) => None,
    }
}

fn port_specs(ports: &Ports) -> Vec<PortSpec> {
    ports
        .iter()
        .map(|port| PortSpec {
            key: port.key.clone(),
            is_file: port.kind.is_file(),
            file_names: port.file_name().map(str::to_owned).into_iter().collect(),
        })
        .collect()
}

/// `{service_dir}` is replaced; a program with a slash is relative to the service's directory.
fn resolve_command(command: &[String], service: &Service) -> Vec<String> {
    let dir = service
        .source
        .dir()
        .map(|dir| dir.display().to_string())
        .unwrap_or_default();
    let mut command: Vec<String> = command
        .iter()
        .map(|part| part.replace("{service_dir}", &dir))
        .collect();
    if let Some(program) = command.first_mut()
        && program.contains('/')
        && !program.starts_with('/')
    {
        *program = format!("{dir}/{program}");
    }
    command
}

fn failed(class: FailureClass, message: String) -> Outcome {
    Outcome::Failed(Failure::new(class, message))
}

fn gone(job: &Job) -> Outcome {
    failed(
        FailureClass::Rejected,
        format!("the service {} is not here any more", job.service),
    )
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())
}

async fn tell_started(engine: &EngineHandle, id: JobId, attempt: AttemptId) -> bool {
    loop {
        match engine
            .call(move |engine, now| engine.started(now, id, attempt))
            .await
        {
            Ok(current) => return current,
            Err(crate::engine_thread::CallError::Store(StoreError::Closed)) => return true,
            Err(error) => {
                tracing::warn!(job = %id, %error, "a start was not kept, repeating");
                sleep(super::REPEAT).await;
            }
        }
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

fn tail_lines(tail: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

fn log_files(dir: &AttemptDir) -> BTreeMap<String, u64> {
    let Ok(entries) = std::fs::read_dir(dir.logs()) else {
        return BTreeMap::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            Some((
                entry.file_name().into_string().ok()?,
                entry.metadata().ok()?.len(),
            ))
        })
        .take(1_000)
        .collect()
}
