//! Which instances there are, and which of them the next call goes to.
//!
//! [`Instances`] is a value: registrations, heartbeats, checks and outcomes of calls go in with the time, and picks, checks to
//! be made and events come out. Defaults and their sources are in `docs/internals/director.md`.

mod balance;
mod breaker;
mod budget;
mod check;
mod lease;
mod load;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    instance::{InstanceId, InstanceName, InstanceState, NewInstance},
    key::ServiceId,
};
pub use balance::{NoProvider, Picked};
use breaker::Breaker;
use budget::RetryBudget;
use check::Checks;
pub use check::ProbeOrder;
pub use lease::Heartbeat;
use load::Load;

/// Events that nobody took are forgotten beyond so many, the oldest first.
const EVENTS_MAX: usize = 1_024;
/// How long one that is gone can still be seen.
const GONE_MS: u64 = 600_000;
/// Instances of one service version.
pub const INSTANCES_MAX: usize = 4_096;

/// An instance as long as it is registered. One that registers anew under its name keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey {
    slot: u32,
    stamp: u32,
}

/// The instances of a service version; valid for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(u32);

/// How a call ended, as far as it says something of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// With a reply, a declared exception, or an answer that is the caller's fault.
    Success,
    /// With something that is the instance's fault: lost, late, malformed, an internal error.
    Failure,
    /// With a refusal because it is busy: it gets less, and is not left alone.
    Busy,
    /// The caller left, or the call never got there: says nothing.
    Unknown,
}

/// What happened to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceEvent {
    /// Which.
    pub id: InstanceId,
    /// What.
    pub what: InstanceChange,
    /// When, in milliseconds of the caller's clock.
    pub at_ms: u64,
}

/// Changes of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceChange {
    /// It registered, for the first time or again.
    Registered {
        /// How often it has.
        generation: u32,
    },
    /// Its state is another.
    State {
        /// What it was.
        from: InstanceState,
        /// What it is.
        to: InstanceState,
        /// Why.
        reason: String,
    },
    /// It failed too often and is left alone until then.
    Ejected {
        /// Until when.
        until_ms: u64,
    },
}

/// What a registration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// The instance.
    pub key: InstanceKey,
    /// How often it has registered, this time included.
    pub generation: u32,
}

/// Why an instance is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There are as many as may be.
    #[error("{service} has {INSTANCES_MAX} instances, which is the limit")]
    TooMany {
        /// The service.
        service: ServiceId,
    },
}

/// There is no such instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no instance `{0}`")]
pub struct UnknownInstance(pub InstanceId);

/// An instance as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceView {
    /// As it registered.
    pub registered: Arc<NewInstance>,
    /// How often.
    pub generation: u32,
    /// When it did the last time.
    pub registered_at_ms: u64,
    /// Whether it may be called.
    pub state: InstanceState,
    /// Why it is in that state.
    pub reason: String,
    /// When the state began.
    pub since_ms: u64,
    /// It failed too often and is left alone until then.
    pub ejected_until_ms: Option<u64>,
    /// When its lease ends, if it has one.
    pub lease_until_ms: Option<u64>,
    /// Calls under way.
    pub pending: u32,
    /// Calls that ended.
    pub calls: u64,
    /// Those that failed by its fault.
    pub failures: u64,
    /// What a call takes, in milliseconds; none if none has ended.
    pub took_ms: Option<f64>,
}

#[derive(Debug)]
struct Member {
    stamp: u32,
    group: GroupKey,
    registered: Arc<NewInstance>,
    generation: u32,
    registered_at: u64,
    first_seen: u64,
    state: InstanceState,
    reason: String,
    since: u64,
    /// Its lease ran out in a mass expiry, which is more likely our fault than theirs.
    is_suspect: bool,
    lease_until: Option<u64>,
    breaker: Breaker,
    load: Load,
    checks: Checks,
    calls: u64,
    failures: u64,
}

#[derive(Debug)]
struct Group {
    members: Vec<InstanceKey>,
    budget: RetryBudget,
}

/// See the module.
#[derive(Debug)]
pub struct Instances {
    groups: Vec<Group>,
    by_service: BTreeMap<ServiceId, GroupKey>,
    slots: Vec<Option<Member>>,
    free: Vec<u32>,
    stamp: u32,
    /// What is due, by time: leases, checks, and the end of those that are gone.
    timers: BTreeSet<(u64, InstanceKey)>,
    probes: VecDeque<InstanceKey>,
    events: VecDeque<InstanceEvent>,
    revision: u64,
    random: u64,
}

impl Instances {
    /// None; `seed` is for random choices.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            groups: Vec::new(),
            by_service: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            stamp: 0,
            timers: BTreeSet::new(),
            probes: VecDeque::new(),
            events: VecDeque::new(),
            revision: 0,
            random: seed | 1,
        }
    }

    /// Grows with every registration and change of state.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The instances of a service version, whether there are some or not.
    pub fn group(&mut self, service: &ServiceId) -> GroupKey {
        if let Some(group) = self.by_service.get(service) {
            return *group;
        }
        let group = GroupKey(self.groups.len() as u32);
        self.groups.push(Group {
            members: Vec::new(),
            budget: RetryBudget::default(),
        });
        self.by_service.insert(service.clone(), group);
        group
    }

    /// Registers an instance. One that has the name already is replaced, and keeps its state and what is known of it unless
    /// it is elsewhere now.
    ///
    /// # Errors
    ///
    /// If the service has too many.
    pub fn register(&mut self, new: NewInstance, now: u64) -> Result<Registered, RegisterError> {
        let id = new.id.clone();
        let group = self.group(&id.service);
        let key = match self.find(&id) {
            Some(key) => {
                self.register_again(key, new, now);
                key
            }
            None if self.groups[group.0 as usize].members.len() >= INSTANCES_MAX => {
                return Err(RegisterError::TooMany {
                    service: id.service,
                });
            }
            None => self.insert(group, new, now),
        };
        let generation = self.member(key).generation;
        self.tell(id, InstanceChange::Registered { generation }, now);
        self.schedule(key);
        Ok(Registered { key, generation })
    }

    fn insert(&mut self, group: GroupKey, new: NewInstance, now: u64) -> InstanceKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.stamp = self.stamp.wrapping_add(1);
        let key = InstanceKey {
            slot,
            stamp: self.stamp,
        };
        self.slots[slot as usize] = Some(Member {
            stamp: key.stamp,
            group,
            generation: 1,
            registered_at: now,
            first_seen: now,
            state: InstanceState::Starting,
            reason: "no check has passed yet".to_owned(),
            since: now,
            is_suspect: false,
            lease_until: new.lease_ms.map(|lease| now + lease),
            registered: Arc::new(new),
            breaker: Breaker::default(),
            load: Load::new(now),
            checks: Checks::new(now),
            calls: 0,
            failures: 0,
        });
        self.groups[group.0 as usize].members.push(key);
        key
    }

    fn register_again(&mut self, key: InstanceKey, new: NewInstance, now: u64) {
        let member = self.member_mut(key);
        member.generation += 1;
        member.registered_at = now;
        member.is_suspect = false;
        member.lease_until = new.lease_ms.map(|lease| now + lease);
        let is_other =
            member.registered.address != new.address || member.registered.thrift != new.thrift;
        let was = member.state;
        member.registered = Arc::new(new);
        if is_other || matches!(was, InstanceState::Gone | InstanceState::Draining) {
            member.breaker = Breaker::default();
            member.checks = Checks::new(now);
            member.first_seen = now;
            self.change(key, InstanceState::Starting, "registered anew", now);
        }
    }

    /// It takes no more calls; those under way may end.
    ///
    /// # Errors
    ///
    /// If it is unknown.
    pub fn drain(&mut self, id: &InstanceId, now: u64) -> Result<(), UnknownInstance> {
        let key = self.known(id)?;
        if self.member(key).state != InstanceState::Gone {
            self.change(key, InstanceState::Draining, "told to drain", now);
        }
        Ok(())
    }

    /// It leaves.
    ///
    /// # Errors
    ///
    /// If it is unknown.
    pub fn deregister(
        &mut self,
        id: &InstanceId,
        reason: &str,
        now: u64,
    ) -> Result<(), UnknownInstance> {
        let key = self.known(id)?;
        self.leave(key, reason, now);
        Ok(())
    }

    fn leave(&mut self, key: InstanceKey, reason: &str, now: u64) {
        self.change(key, InstanceState::Gone, reason, now);
        self.member_mut(key).lease_until = None;
        self.schedule(key);
    }

    /// An instance, by its key.
    #[must_use]
    pub fn registered(&self, key: InstanceKey) -> Option<&Arc<NewInstance>> {
        self.get(key).map(|member| &member.registered)
    }

    /// An instance.
    #[must_use]
    pub fn view(&self, id: &InstanceId) -> Option<InstanceView> {
        self.find(id).map(|key| self.member(key).view())
    }

    /// The instances of a service version, by name.
    #[must_use]
    pub fn views(&self, service: &ServiceId) -> Vec<InstanceView> {
        let Some(group) = self.by_service.get(service) else {
            return Vec::new();
        };
        let members = &self.groups[group.0 as usize].members;
        let mut views: Vec<_> = members.iter().map(|key| self.member(*key).view()).collect();
        views.sort_by(|a, b| a.registered.id.cmp(&b.registered.id));
        views
    }

    /// A service version has an instance that is not gone.
    #[must_use]
    pub fn has_any(&self, service: &ServiceId) -> bool {
        self.by_service.get(service).is_some_and(|group| {
            let mut members = self.groups[group.0 as usize].members.iter();
            members.any(|key| self.member(*key).state != InstanceState::Gone)
        })
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<InstanceEvent> {
        self.events.pop_front()
    }

    fn find(&self, id: &InstanceId) -> Option<InstanceKey> {
        let group = self.by_service.get(&id.service)?;
        let named = |key: &&InstanceKey| self.name_of(**key) == &id.name;
        self.groups[group.0 as usize]
            .members
            .iter()
            .find(named)
            .copied()
    }

    fn name_of(&self, key: InstanceKey) -> &InstanceName {
        &self.member(key).registered.id.name
    }

    fn known(&self, id: &InstanceId) -> Result<InstanceKey, UnknownInstance> {
        self.find(id).ok_or_else(|| UnknownInstance(id.clone()))
    }

    fn get(&self, key: InstanceKey) -> Option<&Member> {
        let member = self.slots.get(key.slot as usize)?.as_ref()?;
        (member.stamp == key.stamp).then_some(member)
    }

    fn get_mut(&mut self, key: InstanceKey) -> Option<&mut Member> {
        let member = self.slots.get_mut(key.slot as usize)?.as_mut()?;
        (member.stamp == key.stamp).then_some(member)
    }

    fn member(&self, key: InstanceKey) -> &Member {
        self.get(key).expect("a group has only keys of its members")
    }

    fn member_mut(&mut self, key: InstanceKey) -> &mut Member {
        self.get_mut(key)
            .expect("a group has only keys of its members")
    }

    fn change(&mut self, key: InstanceKey, to: InstanceState, reason: &str, now: u64) {
        let member = self.member_mut(key);
        let from = member.state;
        if from == to {
            return;
        }
        member.state = to;
        member.since = now;
        reason.clone_into(&mut member.reason);
        let id = member.registered.id.clone();
        let reason = reason.to_owned();
        self.tell(id, InstanceChange::State { from, to, reason }, now);
    }

    fn tell(&mut self, id: InstanceId, what: InstanceChange, at_ms: u64) {
        self.revision += 1;
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(InstanceEvent { id, what, at_ms });
    }

    /// Forgets an instance that is gone.
    fn remove(&mut self, key: InstanceKey) {
        let group = self.member(key).group;
        self.groups[group.0 as usize]
            .members
            .retain(|member| *member != key);
        self.slots[key.slot as usize] = None;
        self.free.push(key.slot);
        self.revision += 1;
    }

    /// xorshift: for choices that nobody must be able to foresee but nobody is hurt by either.
    fn next_random(&mut self) -> u64 {
        let mut x = self.random;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

impl Member {
    fn view(&self) -> InstanceView {
        InstanceView {
            registered: Arc::clone(&self.registered),
            generation: self.generation,
            registered_at_ms: self.registered_at,
            state: self.state,
            reason: self.reason.clone(),
            since_ms: self.since,
            ejected_until_ms: self.breaker.open_until(),
            lease_until_ms: self.lease_until,
            pending: self.load.pending,
            calls: self.calls,
            failures: self.failures,
            took_ms: self.load.took_ms(),
        }
    }
}
