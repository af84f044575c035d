//! Services that are functions of the platform itself.
//!
//! They are pure and take a moment, so they run on the asynchronous side, many in one go: what is measured with them is
//! the job engine and nothing else.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use trefoil_director::{CONTRACT_FILE, RunSpec, Service, ServiceFiles, Source, digest_of_files};
use trefoil_jobs::{Failure, FailureClass, Job, Outcome, Spec};

use crate::{clock::wall_ms, engine_thread::EngineHandle, worker};

const ALL: [(&str, &str); 2] = [
    ("echo", include_str!("builtin/echo.yml")),
    ("noop", include_str!("builtin/noop.yml")),
];

/// Jobs taken in one go.
const BATCH: usize = 1_024;

/// The builtin services.
pub(crate) fn services() -> Vec<Service> {
    ALL.iter()
        .map(|(name, metadata)| service(name, metadata))
        .chain([mirror()])
        .collect()
}

/// The service that the Thrift endpoint answers itself.
fn mirror() -> Service {
    let text = include_bytes!("builtin/mirror.thrift");
    let hash = *crate::files::Sha256::of(text).as_bytes();
    let files = ServiceFiles {
        label: "builtin:mirror".to_owned(),
        metadata: None,
        service_toml: None,
        contract: Some([(CONTRACT_FILE.to_owned(), text.to_vec())].into()),
        digest: digest_of_files([(CONTRACT_FILE, hash)]),
        source: Source::Builtin,
    };
    Service::load(&files).expect("the contract is part of the program and tested")
}

fn service(name: &str, metadata: &str) -> Service {
    let hash = *crate::files::Sha256::of(metadata.as_bytes()).as_bytes();
    let files = ServiceFiles {
        label: format!("builtin:{name}"),
        metadata: Some((format!("{name}.yml"), metadata.as_bytes().to_vec())),
        service_toml: None,
        contract: None,
        digest: digest_of_files([("metadata.yml", hash)]),
        source: Source::Builtin,
    };
    let mut service =
        Service::load(&files).expect("the metadata is part of the program and tested");
    service.run = Some(RunSpec::builtin(name));
    service
}

/// A job for a builtin.
pub(crate) type Order = (Box<Job>, Arc<Spec>);

/// Runs builtin jobs until their sender is gone.
pub(crate) async fn run(mut orders: mpsc::Receiver<Order>, engine: EngineHandle) {
    let mut batch = Vec::with_capacity(BATCH);
    while orders.recv_many(&mut batch, BATCH).await > 0 {
        let started_ms = wall_ms();
        let outcomes: Vec<_> = batch
            .drain(..)
            .filter_map(|(job, spec)| Some((job.id, job.attempt_id?, compute(&job, &spec))))
            .collect();
        worker::report(&engine, outcomes, started_ms).await;
    }
}

fn compute(job: &Job, spec: &Spec) -> Outcome {
    let outputs = match job.service.split_once(':').map(|(key, _)| key) {
        Some("trefoil/echo") => {
            let inputs: Map<String, Value> =
                serde_json::from_str(spec.inputs.get()).unwrap_or_default();
            let value = inputs.get("value").cloned().unwrap_or(Value::Null);
            serde_json::json!({ "value": value }).to_string()
        }
        Some("trefoil/noop") => "{}".to_owned(),
        _ => {
            let message = format!("this platform has no builtin for {}", job.service);
            return Outcome::Failed(Failure::new(FailureClass::Rejected, message));
        }
    };
    Outcome::Succeeded {
        outputs: outputs.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn builtins_load() {
        let services = super::services();
        let found: Vec<_> = services
            .iter()
            .map(|service| {
                assert_eq!(service.warnings, []);
                let contract = service.contract.as_ref().unwrap();
                (service.id.to_string(), contract.is_derived())
            })
            .collect();
        let expected = [
            ("trefoil/echo:1.0.0", true),
            ("trefoil/noop:1.0.0", true),
            ("trefoil/mirror:1.0.0", false),
        ];
        assert_eq!(
            found,
            expected.map(|(id, is_derived)| (id.to_owned(), is_derived))
        );
    }
}
