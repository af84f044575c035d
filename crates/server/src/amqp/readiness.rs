//! Whether the broker takes work.

use std::sync::atomic::Ordering;

use super::Amqp;
use crate::Check;

/// A log that takes longer than this to write what it was given has failed: disks that are merely busy take seconds.
const WRITE_MAX_MS: u64 = 30_000;

/// What readiness depends on.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    is_stopped: bool,
    is_accepting: bool,
    /// For how long the log has been writing the same.
    writing_ms: u64,
    /// It waits for space.
    is_full: bool,
    memory_alarm: bool,
    disk_alarm: bool,
    connections: usize,
}

impl Facts {
    /// Alarms are told, and are no reason to send clients away: consumers are served, and they are who makes space.
    fn verdict(self) -> Result<String, String> {
        if self.is_stopped {
            return Err("stopped with stop_app".to_owned());
        }
        if !self.is_accepting {
            return Err("the listeners are suspended".to_owned());
        }
        if self.writing_ms > WRITE_MAX_MS && !self.is_full {
            let seconds = self.writing_ms / 1_000;
            return Err(format!("a write to the log has not ended for {seconds} s"));
        }
        let waits = match (self.memory_alarm, self.disk_alarm) {
            (false, false) => "",
            (true, false) => ", publishers wait: low on memory",
            (false, true) => ", publishers wait: low on disk",
            (true, true) => ", publishers wait: low on memory and disk",
        };
        Ok(format!("{} connections{waits}", self.connections))
    }
}

impl Amqp {
    /// A line of readiness.
    #[must_use]
    pub fn readiness(&self) -> Check {
        let shared = &self.shared;
        let (is_stopped, alarms) = {
            let core = shared.lock();
            (core.broker.is_stopped(), core.broker.alarms())
        };
        let since = shared.writing_since.load(Ordering::Acquire);
        let facts = Facts {
            is_stopped,
            is_accepting: self.is_accepting(),
            writing_ms: self.now_ms().saturating_sub(since),
            is_full: shared.monitor.full.load(Ordering::Acquire),
            memory_alarm: alarms.memory,
            disk_alarm: alarms.disk,
            connections: self.connections(),
        };
        let (ok, detail) = match facts.verdict() {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Check {
            name: "amqp",
            ok,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_and_what_stops_the_broker_is_a_no() {
        let well = Facts {
            is_accepting: true,
            connections: 3,
            ..Facts::default()
        };
        let check = |change: fn(&mut Facts), expected: Result<&str, &str>| {
            let mut facts = well;
            change(&mut facts);
            let verdict = facts.verdict();
            assert_eq!(
                verdict.as_deref().map_err(String::as_str),
                expected,
                "{facts:?}"
            );
        };
        check(|_| (), Ok("3 connections"));
        check(
            |facts| facts.memory_alarm = true,
            Ok("3 connections, publishers wait: low on memory"),
        );
        check(
            |facts| (facts.memory_alarm, facts.disk_alarm) = (true, true),
            Ok("3 connections, publishers wait: low on memory and disk"),
        );
        check(|facts| facts.writing_ms = 30_000, Ok("3 connections"));
        check(
            |facts| facts.writing_ms = 31_000,
            Err("a write to the log has not ended for 31 s"),
        );
        check(
            |facts| (facts.writing_ms, facts.is_full, facts.disk_alarm) = (31_000, true, true),
            Ok("3 connections, publishers wait: low on disk"),
        );
        check(
            |facts| facts.is_accepting = false,
            Err("the listeners are suspended"),
        );
        check(
            |facts| (facts.is_accepting, facts.is_stopped) = (false, true),
            Err("stopped with stop_app"),
        );
    }
}
