//! The settings of the platform, as the program uses them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::value::{LogFormat, Value};
use super::{ConfigError, Entry, Source};

/// Everything that can be configured, valid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// `http.listen`.
    pub(crate) http_listen: SocketAddr,
    /// `data`.
    pub(crate) data: PathBuf,
    /// `services`.
    pub(crate) services: Vec<PathBuf>,
    /// `insecure`.
    pub(crate) insecure: bool,
    /// `drain_timeout`.
    pub(crate) drain_timeout: Duration,
    /// `workers.enabled`.
    pub(crate) workers_enabled: bool,
    /// `workers.slots`: CPU cores for jobs.
    pub(crate) workers_slots: u64,
    /// `workers.memory`, bytes.
    pub(crate) workers_memory: u64,
    /// `call.max_wait`.
    pub(crate) call_max_wait: Duration,
    /// `body.json_max`, bytes.
    pub(crate) body_json_max: u64,
    /// `body.ndjson_max`, bytes.
    pub(crate) body_ndjson_max: u64,
    /// `files.size_max`, bytes.
    pub(crate) files_size_max: u64,
    /// `jobs.sweep_tasks_max`.
    pub(crate) jobs_sweep_tasks_max: u64,
    /// `jobs.batch_max`.
    pub(crate) jobs_batch_max: u64,
    /// `jobs.retention`.
    pub(crate) jobs_retention: Option<Duration>,
    /// `disk.free_min`, bytes.
    pub(crate) disk_free_min: u64,
    /// `log.format`.
    pub(crate) log_format: LogFormat,
    /// `log.filter`.
    pub(crate) log_filter: String,
}

/// Takes the value of `name` out of `entries`, by the variant that its kind gives.
macro_rules! take {
    ($entries:expr, $name:literal, $variant:ident) => {
        $entries
            .iter()
            .find_map(|entry| match &entry.value {
                Value::$variant(value) if entry.key.name == $name => Some(value.clone()),
                _ => None,
            })
            .expect(concat!(
                $name,
                " is in the table with this kind, see the test below"
            ))
    };
}

impl Settings {
    /// From a value for every key of the table.
    pub(crate) fn from_entries(entries: &[Entry]) -> Settings {
        Settings {
            http_listen: take!(entries, "http.listen", Address),
            data: take!(entries, "data", Path),
            services: take!(entries, "services", Paths),
            insecure: take!(entries, "insecure", Bool),
            drain_timeout: take!(entries, "drain_timeout", Duration),
            workers_enabled: take!(entries, "workers.enabled", Bool),
            workers_slots: take!(entries, "workers.slots", Count),
            workers_memory: take!(entries, "workers.memory", Size),
            call_max_wait: take!(entries, "call.max_wait", Duration),
            body_json_max: take!(entries, "body.json_max", Size),
            body_ndjson_max: take!(entries, "body.ndjson_max", Size),
            files_size_max: take!(entries, "files.size_max", Size),
            jobs_sweep_tasks_max: take!(entries, "jobs.sweep_tasks_max", Count),
            jobs_batch_max: take!(entries, "jobs.batch_max", Count),
            jobs_retention: take!(entries, "jobs.retention", OptionalDuration),
            disk_free_min: take!(entries, "disk.free_min", Size),
            log_format: take!(entries, "log.format", LogFormat),
            log_filter: take!(entries, "log.filter", LogFilter),
        }
    }
}

/// The rules that concern more than one key, and the limits that a value of the right kind can
/// still break.
pub(crate) fn check(entries: &[Entry], errors: &mut Vec<ConfigError>) {
    let find = |name: &str| entries.iter().find(|entry| entry.key.name == name);
    let insecure = find("insecure").is_some_and(|entry| entry.value == Value::Bool(true));
    if let Some(entry) = find("http.listen")
        && let Value::Address(address) = entry.value
        && !address.ip().is_loopback()
        && !insecure
    {
        errors.push(ConfigError {
            source_: entry.source.clone(),
            key: Some(entry.key.name),
            message: format!(
                "http.listen: {address} can be reached from other machines, and there is no \
                 authentication: anyone who connects could run programs here"
            ),
            hint: Some(
                "listen on 127.0.0.1 and put an authenticating proxy in front, or set insecure \
                 (--insecure) if the network is trusted"
                    .to_owned(),
            ),
        });
    }
    for (name, least) in [
        ("body.json_max", 1024),
        ("body.ndjson_max", 1024),
        ("files.size_max", 1),
        // Below this not even a small program starts.
        ("workers.memory", 16 << 20),
    ] {
        if let Some(entry) = find(name)
            && let Value::Size(bytes) = entry.value
            && bytes < least
        {
            errors.push(ConfigError {
                source_: entry.source.clone(),
                key: Some(entry.key.name),
                message: format!("{name}: {} is too small", entry.value),
                hint: Some(format!("at least {}", Value::Size(least))),
            });
        }
    }
    // Only what somebody named must be there: the default is made on the first start.
    if let Some(entry) = find("services")
        && entry.source != Source::Default
        && let Value::Paths(paths) = &entry.value
    {
        for path in paths.iter().filter(|path| !path.is_dir()) {
            errors.push(ConfigError {
                source_: entry.source.clone(),
                key: Some(entry.key.name),
                message: format!("services: {} is no directory", path.display()),
                hint: Some("make it, or correct the path".to_owned()),
            });
        }
    }
}
