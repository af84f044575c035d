//! The Thrift endpoint's part of the configuration.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use trefoil_thrift::Limits;

use super::{ConfigError, Entry, Value};

/// What can be configured of the Thrift endpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ThriftSettings {
    /// `thrift.enabled`.
    pub(crate) enabled: bool,
    /// `thrift.listen`.
    pub(crate) listen: Vec<SocketAddr>,
    /// `thrift.unix_listen`.
    pub(crate) unix_listen: Option<PathBuf>,
    /// `thrift.tls_certificate`.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// `thrift.tls_key`, there if there is a certificate.
    pub(crate) tls_key: Option<PathBuf>,
    /// `thrift.tls_required`.
    pub(crate) tls_required: bool,
    /// `thrift.tls_client_ca`.
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// `thrift.tls_directory`.
    pub(crate) tls_directory: Option<PathBuf>,
    /// `thrift.tls_client_required`.
    pub(crate) tls_client_required: bool,
    /// `thrift.threads`.
    pub(crate) threads: u64,
    /// `thrift.connections_max`.
    pub(crate) connections_max: u64,
    /// `thrift.call_timeout`.
    pub(crate) call_timeout: Duration,
    /// `thrift.message_max`, bytes.
    pub(crate) message_max: u64,
    /// `thrift.frame_max`, bytes.
    pub(crate) frame_max: u64,
    /// `thrift.depth_max`.
    pub(crate) depth_max: u64,
    /// `thrift.container_max`.
    pub(crate) container_max: u64,
    /// `thrift.string_max`, bytes.
    pub(crate) string_max: u64,
    /// `thrift.headers_max`, bytes.
    pub(crate) headers_max: u64,
    /// `thrift.inflated_max`, bytes.
    pub(crate) inflated_max: u64,
    /// `thrift.name_max`, bytes.
    pub(crate) name_max: u64,
    /// `thrift.handshake_timeout`.
    pub(crate) handshake_timeout: Duration,
    /// `thrift.connect_timeout`.
    pub(crate) connect_timeout: Duration,
    /// `thrift.idle_timeout`.
    pub(crate) idle_timeout: Duration,
    /// `thrift.pool_max`.
    pub(crate) pool_max: u64,
    /// `thrift.queue_max`.
    pub(crate) queue_max: u64,
}

impl ThriftSettings {
    pub(super) fn from_entries(entries: &[Entry]) -> ThriftSettings {
        ThriftSettings {
            enabled: take!(entries, "thrift.enabled", Bool),
            listen: take!(entries, "thrift.listen", Addresses),
            unix_listen: take!(entries, "thrift.unix_listen", File),
            tls_certificate: take!(entries, "thrift.tls_certificate", File),
            tls_key: take!(entries, "thrift.tls_key", File),
            tls_required: take!(entries, "thrift.tls_required", Bool),
            tls_client_ca: take!(entries, "thrift.tls_client_ca", File),
            tls_directory: take!(entries, "thrift.tls_directory", File),
            tls_client_required: take!(entries, "thrift.tls_client_required", Bool),
            threads: take!(entries, "thrift.threads", Count),
            connections_max: take!(entries, "thrift.connections_max", Count),
            call_timeout: take!(entries, "thrift.call_timeout", Duration),
            message_max: take!(entries, "thrift.message_max", Size),
            frame_max: take!(entries, "thrift.frame_max", Size),
            depth_max: take!(entries, "thrift.depth_max", Count),
            container_max: take!(entries, "thrift.container_max", Count),
            string_max: take!(entries, "thrift.string_max", Size),
            headers_max: take!(entries, "thrift.headers_max", Size),
            inflated_max: take!(entries, "thrift.inflated_max", Size),
            name_max: take!(entries, "thrift.name_max", Size),
            handshake_timeout: take!(entries, "thrift.handshake_timeout", Duration),
            connect_timeout: take!(entries, "thrift.connect_timeout", Duration),
            idle_timeout: take!(entries, "thrift.idle_timeout", Duration),
            pool_max: take!(entries, "thrift.pool_max", Count),
            queue_max: take!(entries, "thrift.queue_max", Count),
        }
    }
}

/// The limits that a number of the right kind can still break.
pub(super) fn check(entries: &[Entry], errors: &mut Vec<ConfigError>) {
    for (name, most) in [
        // Values are read by functions that call themselves, and a stack has an end.
        ("thrift.depth_max", u64::from(Limits::DEPTH_MOST)),
        // What counts of elements are on the wire.
        ("thrift.container_max", i32::MAX as u64),
    ] {
        let entry = entries.iter().find(|entry| entry.key.name == name);
        if let Some(entry) = entry
            && let Value::Count(count) = entry.value
            && count > most
        {
            errors.push(ConfigError {
                source_: entry.source.clone(),
                key: Some(entry.key.name),
                message: format!("{name}: {count} is too many"),
                hint: Some(format!("at most {most}")),
            });
        }
    }
}
