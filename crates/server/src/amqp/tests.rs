//! The shell with a real broker on a real disk, over loopback.

mod client;
mod connections;
mod flow;
mod tls;

use std::{path::Path, time::Duration};

use tempfile::TempDir;

use super::{Amqp, AmqpConfig, Listeners};
use client::Client;

/// A broker with a directory of its own. It is stopped when it is dropped.
struct Server {
    amqp: Amqp,
    directory: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::start_with(|_| ())
    }

    fn start_with(change: impl FnOnce(&mut AmqpConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start_in(directory, change)
    }

    fn start_in(directory: TempDir, change: impl FnOnce(&mut AmqpConfig)) -> Self {
        let config = config(directory.path(), change);
        let listeners = Listeners::bind(&config).unwrap();
        let amqp = Amqp::open(config, listeners).unwrap();
        Self { amqp, directory }
    }

    /// Stops it and starts it with the same directory.
    fn restart(self) -> Self {
        let empty = tempfile::tempdir().unwrap();
        self.amqp.stop(Duration::ZERO);
        let mut this = self;
        let directory = std::mem::replace(&mut this.directory, empty);
        drop(this);
        Self::start_in(directory, |_| ())
    }

    /// A client that has logged in and opened channel 1.
    fn client(&self) -> Client {
        let mut client = Client::connect(&self.amqp);
        client.log_in();
        client
    }

    /// Waits until there are so many connections.
    fn until_connections(&self, count: usize) {
        client::until(|| self.amqp.connections() == count);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.amqp.stop(Duration::ZERO);
    }
}

fn config(directory: &Path, change: impl FnOnce(&mut AmqpConfig)) -> AmqpConfig {
    let mut config = AmqpConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        threads: 2,
        memory_high: 0,
        disk_free_min: 0,
        ..AmqpConfig::new(directory.to_owned())
    };
    change(&mut config);
    config
}
