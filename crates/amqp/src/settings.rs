//! What a server offers to its clients.

use crate::Table;

/// What every connection of a listener has in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many channels a connection may have. 0: as many as there are numbers.
    pub channel_max: u16,
    /// The largest frame, its header and end included. 0: no limit but [`message_size_max`](Self::message_size_max).
    pub frame_max: u32,
    /// The heartbeat interval offered, in seconds. 0: none offered. The client decides.
    pub heartbeat_s: u16,
    /// The authentication mechanisms offered, best first. `EXTERNAL` belongs only into the settings of listeners that
    /// verify client certificates.
    pub mechanisms: Vec<String>,
    /// What `connection.start` tells of the server, capabilities included.
    pub server_properties: Table,
    /// The longest body of a message. A longer one closes its channel.
    pub message_size_max: u64,
    /// How long a client may take from connecting to `connection.open`.
    pub handshake_timeout_ms: u64,
}

impl Default for Settings {
    /// As RabbitMQ 4 comes: 2047 channels, frames of 128 KiB, heartbeats of a minute, messages of 16 MiB.
    fn default() -> Self {
        Self {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat_s: 60,
            mechanisms: vec!["PLAIN".to_owned(), "AMQPLAIN".to_owned()],
            server_properties: Table::new(),
            message_size_max: 16 << 20,
            handshake_timeout_ms: 10_000,
        }
    }
}

/// What client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tune {
    /// How many channels. 0: no limit.
    pub channel_max: u16,
    /// The largest frame, its header and end included. 0: no limit.
    pub frame_max: u32,
    /// The heartbeat interval in seconds. 0: no heartbeats.
    pub heartbeat_s: u16,
}
