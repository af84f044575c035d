//! From the end of a program to the outcome of its attempt: outputs, record, folders.

use std::{collections::BTreeMap, io, sync::Arc};

use serde_json::{Value, json};
use tokio::time::sleep;
use trefoil_director::{PortKind, Service, validate_outputs};
use trefoil_jobs::{Failure, FailureClass, Outcome};

use super::super::{AttemptReport, REPEAT, describe_host};
use super::{
    Given, Programs, blocking,
    follow::{Logged, tail_lines},
    port_specs,
};
use crate::{
    files::{FileError, FileStore, Pin},
    program::{AttemptDir, End, ExitReport, folder},
};

impl Programs {
    /// Collects the outputs, keeps the report, clears up, and gives the outcome.
    pub(super) async fn conclude(
        &self,
        dir: &AttemptDir,
        given: Given,
        exit: ExitReport,
        logged: io::Result<Logged>,
        stopped: bool,
        pins: &mut Vec<Pin>,
    ) -> Outcome {
        if let End::Lost(message) = &exit.end {
            let to = dir.clone();
            let _ = blocking(move || clear(&to)).await;
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
        // What a program computed is not given up because the disk is full for a while.
        loop {
            let (to, record) = (dir.clone(), kept.clone());
            let written = blocking(move || {
                std::fs::File::open(to.log()).and_then(|log| log.sync_all())?;
                record.write(&to)?;
                clear(&to);
                Ok::<_, io::Error>(())
            });
            match written.await {
                Ok(Ok(())) => return outcome,
                Ok(Err(error)) => tracing::warn!(%error, "a record was not kept, repeating"),
                Err(error) => tracing::error!(error, "a record was not written, repeating"),
            }
            sleep(REPEAT).await;
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
            End::Exited(0) => match self.collect_when_there_is_space(service, dir).await {
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

    /// Takes the outputs into the store; waits while that is full.
    async fn collect_when_there_is_space(
        &self,
        service: &Arc<Service>,
        dir: &AttemptDir,
    ) -> Result<(String, Vec<Pin>), Failure> {
        loop {
            let (service, dir, files) = (Arc::clone(service), dir.clone(), self.files.clone());
            let collected = blocking(move || collect_outputs(&service, &dir, &files)).await;
            match collected {
                Ok(Ok(collected)) => return Ok(collected),
                Ok(Err(Unkept::Failed(failure))) => return Err(failure),
                Ok(Err(Unkept::NoSpace)) => {
                    tracing::warn!("outputs were not kept for want of space, repeating");
                }
                Err(error) => return Err(Failure::new(FailureClass::Temporary, error)),
            }
            sleep(REPEAT).await;
        }
    }
}

/// Why outputs are not in the store.
enum Unkept {
    /// There may be space later.
    NoSpace,
    /// They will not be.
    Failed(Failure),
}

impl From<Failure> for Unkept {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The outputs as the text of one object, and what keeps its files until somebody is known to use them.
fn collect_outputs(
    service: &Service,
    dir: &AttemptDir,
    files: &FileStore,
) -> Result<(String, Vec<Pin>), Unkept> {
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
            if let FileError::NoSpace { .. } = error {
                return Unkept::NoSpace;
            }
            let message = format!("output {} was not kept: {error}", file.port);
            Unkept::Failed(Failure {
                port: Some(file.port.clone()),
                ..Failure::new(FailureClass::Temporary, message)
            })
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

/// Removes what only the program needed; its log and record stay.
pub(crate) fn clear(dir: &AttemptDir) {
    for folder in [dir.inputs(), dir.outputs(), dir.work(), dir.tmp()] {
        if let Err(error) = std::fs::remove_dir_all(&folder)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %folder.display(), %error, "a folder of an attempt stays behind");
        }
    }
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
