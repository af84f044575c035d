//! What there is to say about the process and its machine.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use super::{Api, routes::exchange_types};

/// What listens, as documents and checks call it.
struct Listening {
    protocol: &'static str,
    address: SocketAddr,
}

/// All, also those that are suspended: so RabbitMQ lists them.
fn listening(api: &Api) -> Vec<Listening> {
    let amqp = api.amqp.listening().iter().map(|listening| Listening {
        protocol: if listening.tls { "amqp/ssl" } else { "amqp" },
        address: listening.address,
    });
    let http = api.config.listen.iter().map(|address| Listening {
        protocol: "http",
        address: *address,
    });
    amqp.chain(http).collect()
}

pub(super) fn listeners(api: &Api) -> Value {
    let listeners = listening(api).into_iter().map(|listening| {
        json!({
            "node": api.config.node,
            "protocol": listening.protocol,
            "ip_address": listening.address.ip().to_string(),
            "port": listening.address.port(),
            "socket_opts": {"nodelay": true},
        })
    });
    listeners.collect()
}

pub(super) fn contexts(api: &Api) -> Value {
    let contexts = api.config.listen.iter().map(|address| {
        json!({
            "node": api.config.node, "description": "RabbitMQ Management", "path": "/", "ip": address.ip().to_string(),
            "port": address.port().to_string(), "ssl_opts": [],
        })
    });
    contexts.collect()
}

/// Those where somebody who knocks is let in.
fn active(api: &Api) -> impl Iterator<Item = Listening> {
    let is_accepting = api.amqp.is_accepting();
    let mut listening = listening(api);
    listening.retain(|listening| is_accepting || listening.protocol == "http");
    listening.into_iter()
}

pub(super) fn ports(api: &Api) -> Vec<u16> {
    active(api)
        .map(|listening| listening.address.port())
        .collect()
}

pub(super) fn protocols(api: &Api) -> Vec<&'static str> {
    let mut protocols: Vec<&str> = active(api).map(|listening| listening.protocol).collect();
    protocols.dedup();
    protocols
}

/// A number of kilobytes in a file of `/proc`: `VmRSS:   1024 kB`.
fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let number = line.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    number.checked_mul(1024)
}

/// Bytes of the machine's memory.
pub(super) fn memory_total() -> u64 {
    kilobytes("/proc/meminfo", "MemTotal:").unwrap_or(0)
}

pub(super) fn resident() -> u64 {
    kilobytes("/proc/self/status", "VmRSS:").unwrap_or(0)
}

fn threads() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("Threads:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(1)
}

pub(super) fn descriptors() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
}

/// The soft limit of open files.
pub(super) fn descriptors_max() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .unwrap_or(0)
}

/// The node as `nodes` shows it.
pub(super) fn document(api: &Api) -> Value {
    let now = api.amqp.now_ms();
    let view = api.amqp.with(|broker, _| broker.overview());
    let (memory_high, _) = api.amqp.memory();
    let (disk_free_min, disk_free) = api.amqp.disk();
    let config = &api.config;
    let application = |name: &str, description: &str| json!({"name": name, "description": description, "version": config.rabbitmq_version});
    let mut document = json!({
        "name": config.node,
        "type": "disc",
        "running": true,
        "being_drained": false,
        "partitions": [],
        "os_pid": std::process::id().to_string(),
        "os": std::env::consts::OS,
        "uptime": now.saturating_sub(api.started_at).max(1),
        "run_queue": 0,
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "rates_mode": "basic",
        "net_ticktime": 0,
        "exchange_types": exchange_types(),
        "auth_mechanisms": [
            {"name": "PLAIN", "description": "Name and password", "enabled": true},
            {"name": "AMQPLAIN", "description": "Name and password in a field table", "enabled": true},
        ],
        "applications": [
            application("rabbit", &format!("{} in the place of RabbitMQ", config.product.0)),
            application("rabbitmq_management", "The management API"),
        ],
        // What works as if the plugin were there.
        "enabled_plugins": [
            "rabbitmq_consistent_hash_exchange", "rabbitmq_management", "rabbitmq_management_agent", "rabbitmq_prometheus",
        ],
        "rabbitmq_version": config.rabbitmq_version,
        "erlang_version": "none",
        "erlang_full_version": "none: this broker is written in Rust",
        "crypto_lib_version": "rustls",
        "contexts": contexts(api),
        "log_files": [],
        "config_files": config.config_files,
        "db_dir": config.data.display().to_string(),
    });
    let numbers = [
        ("mem_used", resident()),
        ("fd_used", descriptors()),
        ("sockets_used", view.totals.connections),
        ("proc_used", threads()),
        ("disk_free", disk_free),
        ("gc_num", 0),
        ("gc_bytes_reclaimed", 0),
        ("context_switches", 0),
        ("connection_created", view.churn.connection_created),
        ("connection_closed", view.churn.connection_closed),
        ("channel_created", view.churn.channel_created),
        ("channel_closed", view.churn.channel_closed),
        ("queue_declared", view.churn.queue_declared),
        ("queue_created", view.churn.queue_created),
        ("queue_deleted", view.churn.queue_deleted),
    ];
    if let Value::Object(object) = &mut document {
        let mut rates = api.rates();
        rates.add(
            object,
            super::rates::Watched::Node,
            &numbers.to_vec(),
            now,
            Default::default(),
        );
        let limits = [
            ("mem_limit", json!(memory_high)),
            ("mem_alarm", json!(view.alarms.memory)),
            ("mem_calculation_strategy", json!("rss")),
            ("disk_free_limit", json!(disk_free_min)),
            ("disk_free_alarm", json!(view.alarms.disk)),
            ("fd_total", json!(descriptors_max())),
            ("sockets_total", json!(descriptors_max())),
            // Threads stand for processes.
            ("proc_total", json!(1_048_576)),
        ];
        object.extend(limits.map(|(name, value)| (name.to_owned(), value)));
    }
    document
}

/// Where memory goes, in RabbitMQ's categories. This process cannot tell them apart, so all of it is `other_proc`.
pub(super) fn memory(api: &Api, relative: bool) -> Value {
    const NAMES: [&str; 26] = [
        "connection_readers",
        "connection_writers",
        "connection_channels",
        "connection_other",
        "queue_procs",
        "queue_slave_procs",
        "quorum_queue_procs",
        "quorum_queue_dlx_procs",
        "stream_queue_procs",
        "stream_queue_replica_reader_procs",
        "stream_queue_coordinator_procs",
        "plugins",
        "metadata_store",
        "metrics",
        "mgmt_db",
        "mnesia",
        "quorum_ets",
        "metadata_store_ets",
        "other_ets",
        "binary",
        "msg_index",
        "code",
        "atom",
        "other_system",
        "allocated_unused",
        "reserved_unallocated",
    ];
    // A look at the memory that alarms go by, to be sure that both tell the same.
    let (_, watched) = api.amqp.memory();
    let resident = resident().max(watched);
    let mut memory = json!({
        "other_proc": if relative { 100 } else { resident },
        "strategy": "rss",
        "total": {"rss": resident, "allocated": resident, "erlang": resident},
    });
    if relative {
        memory["total"] = json!(100);
    }
    for name in NAMES {
        memory[name] = json!(0);
    }
    memory
}

/// When the certificates of listeners end, in seconds since 1970. What cannot be read has no end that could be told.
pub(super) fn certificates(api: &Api) -> Vec<(String, i64)> {
    let end = |path: &Path| {
        Some((
            path.display().to_string(),
            end_of_certificate(&std::fs::read(path).ok()?)?,
        ))
    };
    api.config
        .certificates
        .iter()
        .filter_map(|path| end(path))
        .collect()
}

/// The end of the first certificate in a PEM file: the second time in its `Validity`.
fn end_of_certificate(pem: &[u8]) -> Option<i64> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (encoded, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let encoded: String = encoded.split_whitespace().collect();
    let der = STANDARD.decode(encoded).ok()?;
    // Validity is the one sequence of two times, and times are nowhere else before the extensions.
    let mut times = der.windows(2).enumerate().filter_map(|(at, head)| {
        let text = |length: usize| std::str::from_utf8(der.get(at + 2..at + 2 + length)?).ok();
        match head {
            [0x17, 13] => {
                let text = text(13)?;
                let century = if text < "5" { "20" } else { "19" };
                time(&format!("{century}{text}"))
            }
            [0x18, 15] => time(text(15)?),
            _ => None,
        }
    });
    times.nth(1)
}

/// `20261122161745Z`
fn time(text: &str) -> Option<i64> {
    if text.len() != 15 || !text.ends_with('Z') || !text.is_ascii() {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text[range].parse::<i8>().ok();
    let year = text[..4].parse::<i16>().ok()?;
    let date = jiff::civil::DateTime::new(
        year,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?,
        0,
    );
    Some(
        date.ok()?
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_second(),
    )
}

#[cfg(test)]
mod tests {
    use super::{descriptors_max, end_of_certificate, memory_total, resident, time};

    #[test]
    fn the_system_tells() {
        assert!(memory_total() > resident());
        assert!(resident() > 1 << 20);
        assert!(descriptors_max() > 0);
    }

    #[test]
    fn times_of_certificates_are_read() {
        assert_eq!(time("19700102000000Z"), Some(86_400));
        assert_eq!(time("20260230000000Z"), None);
        // Two times of a validity, with what is around them left out.
        let der = b"\x30\x1e\x17\x0d250101000000Z\x17\x0d260101000000Z";
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(der)
        );
        assert_eq!(end_of_certificate(pem.as_bytes()), Some(1_767_225_600));
    }
}
