//! Services for tests, made from text as the real ones are.

use std::path::PathBuf;

use crate::{Problem, Service, ServiceFiles, Source};

/// A service with every kind of port.
pub(crate) const SLEEPER: &str = include_str!("../tests/data/sleeper.yml");
/// A `service.toml` with every key.
pub(crate) const SLEEPER_TOML: &str = include_str!("../tests/data/sleeper.toml");

pub(crate) fn load(metadata: &str, toml: Option<&str>) -> Result<Service, Vec<Problem>> {
    Service::load(&ServiceFiles {
        label: "sleeper".to_owned(),
        metadata: Some(("metadata.yml".to_owned(), metadata.as_bytes().to_vec())),
        contract: None,
        service_toml: toml.map(|text| ("service.toml".to_owned(), text.as_bytes().to_vec())),
        digest: "00".repeat(32),
        source: Source::Directory {
            dir: PathBuf::from("sleeper"),
        },
    })
}

pub(crate) fn service(metadata: &str) -> Service {
    load(metadata, None).unwrap_or_else(|problems| panic!("{}", lines(&problems)))
}

/// A service with ports given as YAML in flow style: `{a: {type: number}}`.
pub(crate) fn service_with(id: &str, inputs: &str, outputs: &str) -> Service {
    let (key, version) = id.rsplit_once(':').unwrap();
    let text = format!(
        "key: {key}\nversion: \"{version}\"\ntype: computational\nname: n\ndescription: d\ninputs: {inputs}\noutputs: {outputs}\n"
    );
    service(&text)
}

pub(crate) fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}
