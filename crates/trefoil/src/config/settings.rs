//! The settings of the platform, as the program uses them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use trefoil_server::amqp::AlternativeName;

use super::value::{Advertise, LogFormat, LoginFrom, Value};
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
    /// `thrift.…`.
    pub(crate) thrift: ThriftSettings,
    /// `amqp.…` and `management.…`.
    pub(crate) amqp: AmqpSettings,
    /// `log.format`.
    pub(crate) log_format: LogFormat,
    /// `log.filter`.
    pub(crate) log_filter: String,
}

/// What can be configured of the broker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AmqpSettings {
    /// `amqp.enabled`.
    pub(crate) enabled: bool,
    /// `amqp.listen`.
    pub(crate) listen: Vec<SocketAddr>,
    /// `amqp.tls_listen`.
    pub(crate) tls_listen: Vec<SocketAddr>,
    /// `amqp.tls_certificate`, there if `tls_listen` is not empty.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// `amqp.tls_key`, likewise.
    pub(crate) tls_key: Option<PathBuf>,
    /// `amqp.tls_client_ca`.
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// `amqp.tls_client_required`.
    pub(crate) tls_client_required: bool,
    /// `amqp.tls_login_from`.
    pub(crate) tls_login_from: LoginFrom,
    /// `amqp.tls_login_san_type`.
    pub(crate) tls_login_san_type: AlternativeName,
    /// `amqp.proxy_protocol`.
    pub(crate) proxy_protocol: bool,
    /// `amqp.threads`.
    pub(crate) threads: u64,
    /// `amqp.connections_max`.
    pub(crate) connections_max: u64,
    /// `amqp.heartbeat`.
    pub(crate) heartbeat: Duration,
    /// `amqp.frame_max`, bytes.
    pub(crate) frame_max: u64,
    /// `amqp.channel_max`.
    pub(crate) channel_max: u64,
    /// `amqp.message_max`, bytes.
    pub(crate) message_max: u64,
    /// `amqp.memory_high`, bytes.
    pub(crate) memory_high: u64,
    /// `amqp.disk_free_min`, bytes.
    pub(crate) disk_free_min: u64,
    /// `amqp.advertise`.
    pub(crate) advertise: Advertise,
    /// `amqp.websocket_origins`.
    pub(crate) websocket_origins: Vec<String>,
    /// `management.listen`.
    pub(crate) management_listen: Vec<SocketAddr>,
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

// Behind the macro, which it uses.
mod thrift;

pub(crate) use thrift::ThriftSettings;

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
            thrift: ThriftSettings::from_entries(entries),
            amqp: AmqpSettings::from_entries(entries),
            log_format: take!(entries, "log.format", LogFormat),
            log_filter: take!(entries, "log.filter", LogFilter),
        }
    }
}

impl AmqpSettings {
    fn from_entries(entries: &[Entry]) -> AmqpSettings {
        AmqpSettings {
            enabled: take!(entries, "amqp.enabled", Bool),
            listen: take!(entries, "amqp.listen", Addresses),
            tls_listen: take!(entries, "amqp.tls_listen", Addresses),
            tls_certificate: take!(entries, "amqp.tls_certificate", File),
            tls_key: take!(entries, "amqp.tls_key", File),
            tls_client_ca: take!(entries, "amqp.tls_client_ca", File),
            tls_client_required: take!(entries, "amqp.tls_client_required", Bool),
            tls_login_from: take!(entries, "amqp.tls_login_from", LoginFrom),
            tls_login_san_type: take!(entries, "amqp.tls_login_san_type", AlternativeName),
            proxy_protocol: take!(entries, "amqp.proxy_protocol", Bool),
            threads: take!(entries, "amqp.threads", Count),
            connections_max: take!(entries, "amqp.connections_max", Count),
            heartbeat: take!(entries, "amqp.heartbeat", Duration),
            frame_max: take!(entries, "amqp.frame_max", Size),
            channel_max: take!(entries, "amqp.channel_max", Count),
            message_max: take!(entries, "amqp.message_max", Size),
            memory_high: take!(entries, "amqp.memory_high", Size),
            disk_free_min: take!(entries, "amqp.disk_free_min", Size),
            advertise: take!(entries, "amqp.advertise", Advertise),
            websocket_origins: take!(entries, "amqp.websocket_origins", Texts),
            management_listen: take!(entries, "management.listen", Addresses),
        }
    }
}

/// The rules that concern more than one key, and the limits that a value of the right kind can
/// still break.
pub(crate) fn check(entries: &[Entry], errors: &mut Vec<ConfigError>) {
    let find = |name: &str| entries.iter().find(|entry| entry.key.name == name);
    let insecure = find("insecure").is_some_and(|entry| entry.value == Value::Bool(true));
    // What a stranger could do there. TLS keeps passwords secret, so those listeners need no leave.
    for (name, danger) in [
        (
            "http.listen",
            "there is no authentication: anyone who connects could run programs here",
        ),
        (
            "thrift.listen",
            "there is no authentication: anyone who connects could call services here",
        ),
        (
            "amqp.listen",
            "passwords and messages are not encrypted on the way",
        ),
        (
            "management.listen",
            "passwords are not encrypted on the way",
        ),
    ] {
        let Some(entry) = find(name) else {
            continue;
        };
        let addresses = match &entry.value {
            Value::Address(address) => std::slice::from_ref(address),
            Value::Addresses(addresses) => addresses,
            _ => continue,
        };
        let open = addresses.iter().find(|at| !at.ip().is_loopback());
        // There only those come in who have a certificate.
        let is_guarded = name == "thrift.listen"
            && find("thrift.tls_client_required")
                .is_some_and(|entry| entry.value == Value::Bool(true));
        if let Some(address) = open.filter(|_| !insecure && !is_guarded) {
            let instead = match name {
                "amqp.listen" => "listen on 127.0.0.1, or with TLS (amqp.tls_listen),",
                "thrift.listen" => {
                    "listen on 127.0.0.1, or require certificates (thrift.tls_client_required),"
                }
                _ => "listen on 127.0.0.1 and put an authenticating proxy in front,",
            };
            errors.push(ConfigError {
                source_: entry.source.clone(),
                key: Some(entry.key.name),
                message: format!(
                    "{name}: {address} can be reached from other machines, and {danger}"
                ),
                hint: Some(format!(
                    "{instead} or set insecure (--insecure) if the network is trusted"
                )),
            });
        }
    }
    check_amqp(entries, errors);
    thrift::check(entries, errors);
    check_tls(entries, errors);
    for (name, least) in [
        ("body.json_max", 1024),
        ("body.ndjson_max", 1024),
        ("files.size_max", 1),
        // Below this not even a small program starts.
        ("workers.memory", 16 << 20),
        // The least that the protocol allows.
        ("amqp.frame_max", 4_096),
        ("amqp.message_max", 1),
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

/// The rules of the broker's keys.
fn check_amqp(entries: &[Entry], errors: &mut Vec<ConfigError>) {
    let find = |name: &str| entries.iter().find(|entry| entry.key.name == name);
    let mut refuse = |entry: &Entry, message: String, hint: &str| {
        errors.push(ConfigError {
            source_: entry.source.clone(),
            key: Some(entry.key.name),
            message: format!("{}: {message}", entry.key.name),
            hint: Some(hint.to_owned()),
        });
    };
    for (name, most) in [
        // Buffers of connections have space for two.
        ("amqp.frame_max", 16 << 20),
        // What RabbitMQ allows too.
        ("amqp.message_max", 512 << 20),
    ] {
        if let Some(entry) = find(name)
            && let Value::Size(bytes) = entry.value
            && bytes > most
        {
            let hint = format!("at most {}", Value::Size(most));
            refuse(entry, format!("{} is too large", entry.value), &hint);
        }
    }
    if let Some(entry) = find("amqp.channel_max")
        && let Value::Count(count) = entry.value
        && count > u64::from(u16::MAX)
    {
        refuse(entry, format!("{count} is too many"), "at most 65535");
    }
    if let Some(entry) = find("amqp.heartbeat")
        && let Value::Duration(every) = entry.value
        && every.as_secs() > u64::from(u16::MAX)
    {
        refuse(
            entry,
            format!("{} is too long", entry.value),
            "at most 65535s",
        );
    }
    let is_set = |name| find(name).is_some_and(|entry| !matches!(&entry.value, Value::File(None)));
    if let Some(entry) = find("amqp.tls_listen")
        && matches!(&entry.value, Value::Addresses(addresses) if !addresses.is_empty())
    {
        for name in ["amqp.tls_certificate", "amqp.tls_key"] {
            if !is_set(name) {
                let message = format!("TLS needs {name}");
                refuse(entry, message, "the path of a PEM file");
            }
        }
    }
}

/// The rules of keys that TLS has at every endpoint.
fn check_tls(entries: &[Entry], errors: &mut Vec<ConfigError>) {
    let find = |name: &str| entries.iter().find(|entry| entry.key.name == name);
    let is_set = |name| find(name).is_some_and(|entry| !matches!(&entry.value, Value::File(None)));
    let is_true = |name| find(name).filter(|entry| entry.value == Value::Bool(true));
    let mut refuse = |entry: &Entry, message: &str, hint: &str| {
        errors.push(ConfigError {
            source_: entry.source.clone(),
            key: Some(entry.key.name),
            message: format!("{}: {message}", entry.key.name),
            hint: Some(hint.to_owned()),
        });
    };
    for name in [
        "amqp.tls_certificate",
        "amqp.tls_key",
        "amqp.tls_client_ca",
        "thrift.tls_certificate",
        "thrift.tls_key",
        "thrift.tls_client_ca",
    ] {
        if let Some(entry) = find(name)
            && let Value::File(Some(path)) = &entry.value
            && !path.is_file()
        {
            let message = format!("{} is no file", path.display());
            refuse(entry, &message, "correct the path");
        }
    }
    if let Some(entry) = find("thrift.tls_directory")
        && let Value::File(Some(path)) = &entry.value
        && !path.is_dir()
    {
        let message = format!("{} is no directory", path.display());
        refuse(entry, &message, "correct the path");
    }
    for (required, authorities, hint) in [
        (
            "amqp.tls_client_required",
            "amqp.tls_client_ca",
            "name the authorities with amqp.tls_client_ca",
        ),
        (
            "thrift.tls_client_required",
            "thrift.tls_client_ca",
            "name the authorities with thrift.tls_client_ca",
        ),
    ] {
        if let Some(entry) = is_true(required)
            && !is_set(authorities)
        {
            refuse(entry, "nobody's certificate would be believed", hint);
        }
    }
    // Whatever asks for TLS needs both, and each the other.
    for (name, other) in [
        ("thrift.tls_certificate", "thrift.tls_key"),
        ("thrift.tls_key", "thrift.tls_certificate"),
        ("thrift.tls_client_ca", "thrift.tls_certificate"),
        ("thrift.tls_required", "thrift.tls_certificate"),
    ] {
        let asked = find(name).filter(|_| is_set(name));
        let asked = asked.filter(|entry| entry.value != Value::Bool(false));
        if let Some(entry) = asked
            && !is_set(other)
        {
            let message = format!("TLS needs {other}");
            refuse(entry, &message, "the path of a PEM file");
        }
    }
}
