//! Leases, and everything else that time brings.

use super::{GONE_MS, InstanceKey, Instances, UnknownInstance};
use crate::instance::{InstanceId, InstanceState};

/// With fewer instances, many leases that end at once are believed.
const GUARD_MIN: usize = 10;
/// How many leases a suspect gets.
const GUARD_LEASES: u64 = 3;

/// What an instance says of itself when it says that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// Whether it is well; nothing said leaves it to the checks.
    pub is_ready: Option<bool>,
}

impl Instances {
    /// It lives: its lease begins anew. Returns when it ends, if it has one.
    ///
    /// # Errors
    ///
    /// If it is unknown, or gone: it has to register again.
    pub fn renew(
        &mut self,
        id: &InstanceId,
        heartbeat: Heartbeat,
        now: u64,
    ) -> Result<Option<u64>, UnknownInstance> {
        let key = self.known(id)?;
        let member = self.member_mut(key);
        if member.state == InstanceState::Gone {
            return Err(UnknownInstance(id.clone()));
        }
        member.is_suspect = false;
        member.lease_until = member.registered.lease_ms.map(|lease| now + lease);
        let until = member.lease_until;
        let state = member.state;
        match (heartbeat.is_ready, state) {
            (Some(true), InstanceState::Starting) => {
                self.change(key, InstanceState::Healthy, "it says that it is ready", now);
            }
            (Some(false), InstanceState::Healthy | InstanceState::Degraded) => {
                self.change(
                    key,
                    InstanceState::Unhealthy,
                    "it says that it is not ready",
                    now,
                );
            }
            _ => {}
        }
        self.schedule(key);
        Ok(until)
    }

    /// When something is due; none if nothing ever is.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due: leases end, checks begin (see [`poll_probe`](Self::poll_probe)), those long gone are forgotten.
    pub fn handle_timeout(&mut self, now: u64) {
        let mut due = Vec::new();
        while let Some((_, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            due.push(key);
        }
        let expired: Vec<InstanceKey> = due
            .iter()
            .copied()
            .filter(|key| {
                self.get(*key)
                    .is_some_and(|member| member.lease_until.is_some_and(|until| until <= now))
            })
            .collect();
        self.expire(&expired, now);
        for key in due {
            let Some(member) = self.get(key) else {
                continue;
            };
            match member.state {
                InstanceState::Gone if member.since + GONE_MS <= now => {
                    self.remove(key);
                    continue;
                }
                InstanceState::Gone | InstanceState::Draining => {}
                _ if member.checks.due() <= now => self.start_probe(key, now),
                _ => {}
            }
            self.schedule(key);
        }
    }

    fn expire(&mut self, expired: &[InstanceKey], now: u64) {
        for key in expired {
            let group = self.member(*key).group;
            let members = &self.groups[group.0 as usize].members;
            let leased = members
                .iter()
                .filter(|key| self.member(**key).lease_until.is_some())
                .count();
            let together = expired
                .iter()
                .filter(|other| self.member(**other).group == group)
                .count();
            // When most of many fall silent at once, it is more likely the wire to them.
            let is_mass = leased >= GUARD_MIN && 2 * together > leased;
            let member = self.member_mut(*key);
            if is_mass && !member.is_suspect {
                member.is_suspect = true;
                let lease = member.registered.lease_ms.unwrap_or_default();
                member.lease_until = Some(now + GUARD_LEASES * lease);
                "suspect: its lease ran out together with most others"
                    .clone_into(&mut member.reason);
            } else {
                self.leave(*key, "its lease ran out", now);
            }
        }
    }

    /// Sets the timer of an instance to what it waits for next.
    pub(super) fn schedule(&mut self, key: InstanceKey) {
        self.timers.retain(|(_, other)| *other != key);
        let member = self.member(key);
        let due = match member.state {
            InstanceState::Gone => member.since + GONE_MS,
            InstanceState::Draining => member.lease_until.unwrap_or(u64::MAX),
            _ => member
                .checks
                .due()
                .min(member.lease_until.unwrap_or(u64::MAX)),
        };
        if due != u64::MAX {
            self.timers.insert((due, key));
        }
    }
}
