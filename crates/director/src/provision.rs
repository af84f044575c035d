//! Who provides a service with a contract, as far as its files say it.

use std::{collections::BTreeMap, time::Duration};

use crate::instance::{InstanceName, ThriftProvider};

/// The tables `[[instances]]` and `[provider]` of `service.toml`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provision {
    /// Instances that somebody else runs, and that are always where they are.
    pub instances: Vec<StaticInstance>,
    /// What the platform starts.
    pub process: Option<ProviderSpec>,
}

/// An instance without a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticInstance {
    /// Its name.
    pub name: InstanceName,
    /// `host:port`, or `unix:` and a path.
    pub address: String,
    /// How to speak to it.
    pub speaks: Speaks,
}

/// How to speak to a provider, and how much it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaks {
    /// Transport, protocol and the like.
    pub thrift: ThriftProvider,
    /// Calls that it works on at a time.
    pub slots: Option<u32>,
    /// Its share of calls.
    pub weight: f64,
}

/// A process that the platform starts, and starts again when it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSpec {
    /// The program, then its arguments. Never empty. `{port}` and `{service_dir}` are still in it.
    pub command: Vec<String>,
    /// Environment variables besides those that every provider gets; `{port}` and `{service_dir}` are still in them.
    pub env: BTreeMap<String, String>,
    /// How many of it run.
    pub instances: u32,
    /// How to speak to each.
    pub speaks: Speaks,
    /// How long one may take until its first check passes.
    pub ready: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

impl ProviderSpec {
    /// What is true when `ready` says nothing: time for a JVM that loads its classes from a cold disk.
    pub(crate) const READY: Duration = Duration::from_secs(60);
    /// What is true when `grace` says nothing.
    pub(crate) const GRACE: Duration = Duration::from_secs(10);

    /// A text of `command` or `env` with what it stands for.
    #[must_use]
    pub fn fill(text: &str, port: u16, service_dir: &str) -> String {
        text.replace("{port}", &port.to_string())
            .replace("{service_dir}", service_dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_something_is_filled_in() {
        let filled = ProviderSpec::fill("{service_dir}/x:{port}:{port}{other}", 90, "/a b");
        assert_eq!(filled, "/a b/x:90:90{other}");
    }
}
