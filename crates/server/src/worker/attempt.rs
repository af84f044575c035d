//! One attempt of a job whose service is a program, from its files to its outcome.

mod conclude;
mod follow;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde_json::{Map, Value};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use trefoil_director::{Ports, RunKind, Service, ServiceId, file_refs};
use trefoil_jobs::{AttemptId, Failure, FailureClass, Job, JobId, Outcome, Spec};

use super::{Stop, report};
use crate::{
    engine_thread::EngineHandle,
    files::{FileStore, Pin, Sha256},
    program::{
        AttemptDir, ExitReport, Limits, Program, Running, Supervisor,
        cpus::{CpuPool, CpuShare},
        folder::{self, Context, InputFile, PortSpec},
        tail::LogWatch,
    },
    services::Services,
    store::StoreError,
};

pub(crate) use self::conclude::clear;

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
