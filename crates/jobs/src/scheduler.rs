//! Which queued job starts next, and where.
//!
//! Submitters share: the one with the least running is served first, among equals the one served longest ago, so nobody
//! starves however many jobs another has. Priority orders one submitter's own jobs. A job that is too large for what is free now is
//! passed over, but not for ever: after [`HOLD_AFTER_MS`] everything of its kind waits for it.
//!
//! Only the first [`WINDOW`] candidates of a group are in memory; the rest of the backlog is a number.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{Candidate, GroupKey, Refusal, Resources};

/// Candidates of a group kept in memory: enough that refilling is rare, little enough that ten thousand groups are small.
pub(crate) const WINDOW: u32 = 256;

/// How long a job may be passed over for want of resources before others wait for it.
const HOLD_AFTER_MS: u64 = 30_000;

/// The name of a worker, unique on this platform.
pub type WorkerName = Arc<str>;

/// What it takes to run a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerKind {
    /// A program on this machine.
    Program,
    /// A function of the platform itself.
    Builtin,
}

/// What the scheduler must know of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceStatus {
    /// What it takes to run it; `None` if nothing here can.
    pub runner: Option<RunnerKind>,
    /// Starts nothing until resumed.
    pub paused: bool,
    /// Is not offered any more.
    pub retired: bool,
    /// At most this many attempts at a time.
    pub slots: Option<u32>,
}

/// What a worker can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// What it runs.
    pub kind: RunnerKind,
    /// All it has.
    pub total: Resources,
    /// Attempts at a time, whatever they reserve.
    pub slots: u32,
}

/// Why a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// Nothing here runs the service.
    NoWorker,
    /// Every worker is busy with other jobs.
    Resources,
    /// The service is paused.
    Paused,
    /// The service was retired.
    Retired,
    /// The service runs as many attempts as it allows.
    Slots,
    /// It is not to start before a certain time.
    Delayed,
    /// It failed and waits before the next attempt.
    Backoff,
    /// The platform is shutting down.
    Draining,
}

impl WaitReason {
    /// The word used on every wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoWorker => "no-worker",
            Self::Resources => "resources",
            Self::Paused => "paused",
            Self::Retired => "retired",
            Self::Slots => "slots",
            Self::Delayed => "delayed",
            Self::Backoff => "backoff",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Pick {
    /// Start this one there; it is not a candidate any more.
    Start(GroupKey, Candidate, WorkerName),
    /// The group has more jobs than are in memory: load its window.
    Refill(GroupKey),
    /// Nothing can start.
    Nothing,
}

type Rank = (Reverse<i32>, u64);

fn rank(candidate: &Candidate) -> Rank {
    (Reverse(candidate.priority), candidate.seq)
}

#[derive(Debug, Default)]
struct Group {
    window: BTreeMap<Rank, Candidate>,
    /// Queued jobs of the group, those outside the window included.
    backlog: u64,
    held_since: Option<u64>,
}

#[derive(Debug, Default)]
struct Share {
    running: u64,
    served: u64,
    services: BTreeSet<Arc<str>>,
}

#[derive(Debug)]
struct Lane {
    status: ServiceStatus,
    running: u32,
}

#[derive(Debug)]
struct Worker {
    capacity: Capacity,
    used: Resources,
    used_slots: u32,
}

impl Worker {
    fn fits(&self, asked: Resources) -> bool {
        self.used_slots < self.capacity.slots
            && self.used.milli_cpus + asked.milli_cpus <= self.capacity.total.milli_cpus
            && self.used.memory + asked.memory <= self.capacity.total.memory
    }
}

/// The order of starting.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    lanes: HashMap<Arc<str>, Lane>,
    groups: HashMap<GroupKey, Group>,
    shares: HashMap<Arc<str>, Share>,
    /// Submitters with queued jobs: least running first, then served longest ago.
    order: BTreeSet<(u64, u64, Arc<str>)>,
    held: BTreeSet<(u64, GroupKey)>,
    workers: BTreeMap<WorkerName, Worker>,
    turn: u64,
    draining: bool,
}

impl Scheduler {
    /// Forgets jobs; services and workers stay.
    pub(crate) fn clear_jobs(&mut self) {
        self.groups.clear();
        self.shares.clear();
        self.order.clear();
        self.held.clear();
        self.lanes.values_mut().for_each(|lane| lane.running = 0);
        for worker in self.workers.values_mut() {
            worker.used = Resources {
                milli_cpus: 0,
                memory: 0,
            };
            worker.used_slots = 0;
        }
    }

    pub(crate) fn set_service(&mut self, service: &Arc<str>, status: ServiceStatus) {
        let lane = self
            .lanes
            .entry(Arc::clone(service))
            .or_insert(Lane { status, running: 0 });
        lane.status = status;
    }

    pub(crate) fn add_worker(&mut self, name: WorkerName, capacity: Capacity) {
        let used = Resources {
            milli_cpus: 0,
            memory: 0,
        };
        self.workers.insert(
            name,
            Worker {
                capacity,
                used,
                used_slots: 0,
            },
        );
    }

    pub(crate) fn remove_worker(&mut self, name: &str) {
        self.workers.remove(name);
    }

    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Jobs waiting in all groups.
    pub(crate) fn backlog(&self) -> u64 {
        self.groups.values().map(|group| group.backlog).sum()
    }

    /// Whether a job that asks for so much could ever run here.
    pub(crate) fn admits(&self, service: &str, asked: Resources) -> Result<(), Refusal> {
        let Some(kind) = self.lanes.get(service).and_then(|lane| lane.status.runner) else {
            return Ok(());
        };
        let mut able = self
            .workers
            .values()
            .filter(|worker| worker.capacity.kind == kind)
            .peekable();
        if able.peek().is_none() {
            return Ok(());
        }
        let mut largest = Resources {
            milli_cpus: 0,
            memory: 0,
        };
        for worker in able {
            let total = worker.capacity.total;
            if asked.milli_cpus <= total.milli_cpus && asked.memory <= total.memory {
                return Ok(());
            }
            largest.milli_cpus = largest.milli_cpus.max(total.milli_cpus);
            largest.memory = largest.memory.max(total.memory);
        }
        Err(Refusal::too_big(asked, largest))
    }

    /// Why a queued job of the service does not start at once.
    pub(crate) fn explain(&self, service: &str) -> WaitReason {
        let Some(lane) = self.lanes.get(service) else {
            return WaitReason::NoWorker;
        };
        let kind = lane.status.runner;
        match lane.status {
            _ if self.draining => WaitReason::Draining,
            ServiceStatus { retired: true, .. } => WaitReason::Retired,
            ServiceStatus { paused: true, .. } => WaitReason::Paused,
            _ if !self
                .workers
                .values()
                .any(|worker| Some(worker.capacity.kind) == kind) =>
            {
                WaitReason::NoWorker
            }
            ServiceStatus {
                slots: Some(slots), ..
            } if lane.running >= slots => WaitReason::Slots,
            _ => WaitReason::Resources,
        }
    }

    /// Adds a group that has `count` queued jobs in the store.
    pub(crate) fn add_backlog(&mut self, key: GroupKey, count: u64) {
        self.enlist(&key);
        self.groups.entry(key).or_default().backlog += count;
    }

    /// Adds one queued job.
    pub(crate) fn enqueue(&mut self, key: &GroupKey, candidate: Candidate) {
        if !self.groups.contains_key(key) {
            self.enlist(key);
            self.groups.insert(key.clone(), Group::default());
        }
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let whole = group.backlog == group.window.len() as u64;
        group.backlog += 1;
        let rank = rank(&candidate);
        let before_last = group
            .window
            .last_key_value()
            .is_some_and(|(last, _)| rank < *last);
        if before_last || (whole && group.window.len() < WINDOW as usize) {
            group.window.insert(rank, candidate);
            if group.window.len() > WINDOW as usize {
                group.window.pop_last();
            }
        }
    }

    /// Replaces the window of a group by what the store has; `candidates` are the first of the group.
    pub(crate) fn refill(&mut self, key: &GroupKey, candidates: Vec<Candidate>) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        if candidates.len() < WINDOW as usize {
            // The whole group is in memory again, so its size is certain.
            group.backlog = candidates.len() as u64;
        }
        group.window = candidates
            .into_iter()
            .map(|candidate| (rank(&candidate), candidate))
            .collect();
        if group.backlog == 0 {
            self.remove_group(key);
        }
    }

    /// A queued job is not queued any more, for another reason than that it was picked.
    pub(crate) fn dequeue(&mut self, key: &GroupKey, priority: i32, seq: u64) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        group.window.remove(&(Reverse(priority), seq));
        group.backlog = group.backlog.saturating_sub(1);
        let empty = group.backlog == 0;
        self.release_hold(key);
        if empty {
            self.remove_group(key);
        }
    }

    /// An attempt of the group is with a worker; used by recovery too.
    pub(crate) fn occupy(&mut self, key: &GroupKey, worker: &str, asked: Resources) {
        self.turn += 1;
        let turn = self.turn;
        self.reshare(&key.submitter, |share| {
            share.running += u64::from(asked.milli_cpus);
            share.served = turn;
        });
        if let Some(lane) = self.lanes.get_mut(&key.service) {
            lane.running += 1;
        }
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.used.milli_cpus += asked.milli_cpus;
            worker.used.memory += asked.memory;
            worker.used_slots += 1;
        }
    }

    /// That attempt is over.
    pub(crate) fn release(&mut self, key: &GroupKey, worker: &str, asked: Resources) {
        self.reshare(&key.submitter, |share| {
            share.running = share.running.saturating_sub(u64::from(asked.milli_cpus))
        });
        if self
            .shares
            .get(&key.submitter)
            .is_some_and(|share| share.running == 0 && share.services.is_empty())
        {
            self.shares.remove(&key.submitter);
        }
        if let Some(lane) = self.lanes.get_mut(&key.service) {
            lane.running = lane.running.saturating_sub(1);
        }
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.used.milli_cpus = worker.used.milli_cpus.saturating_sub(asked.milli_cpus);
            worker.used.memory = worker.used.memory.saturating_sub(asked.memory);
            worker.used_slots = worker.used_slots.saturating_sub(1);
        }
    }

    /// The next thing to do. After [`Pick::Start`] the caller calls [`Self::occupy`]; after [`Pick::Refill`],
    /// [`Self::refill`]; then it asks again.
    pub(crate) fn pick(&mut self, mono_ms: u64) -> Pick {
        if self.draining
            || !self
                .workers
                .values()
                .any(|worker| worker.used_slots < worker.capacity.slots)
        {
            return Pick::Nothing;
        }
        let reserved = self.reservation(mono_ms);
        if let Some((key, _)) = &reserved
            && let Some(start) = self.try_start(&key.clone())
        {
            return start;
        }
        let reserved = reserved.map(|(_, kind)| kind);
        let mut held = Vec::new();
        let mut chosen = None;
        'submitters: for (_, _, submitter) in &self.order {
            let mut heads = Vec::new();
            for service in &self.shares[submitter].services {
                let Some(kind) = self.open_lane(service) else {
                    continue;
                };
                let key = GroupKey {
                    service: Arc::clone(service),
                    submitter: Arc::clone(submitter),
                };
                match self
                    .groups
                    .get(&key)
                    .map(|group| group.window.first_key_value())
                {
                    Some(Some((rank, candidate))) => heads.push((*rank, *candidate, kind, key)),
                    Some(None) => return Pick::Refill(key),
                    None => {}
                }
            }
            heads.sort_unstable_by_key(|head| head.0);
            for (_, candidate, kind, key) in heads {
                if reserved == Some(kind) {
                    continue;
                }
                if self.place(kind, candidate.resources).is_some() {
                    chosen = Some(key);
                    break 'submitters;
                }
                held.push(key);
            }
        }
        for key in held {
            self.hold(key, mono_ms);
        }
        chosen
            .and_then(|key| self.try_start(&key))
            .unwrap_or(Pick::Nothing)
    }

    /// The kind of runner of a service that may start something now.
    fn open_lane(&self, service: &Arc<str>) -> Option<RunnerKind> {
        let lane = self.lanes.get(service)?;
        let full = lane.status.slots.is_some_and(|slots| lane.running >= slots);
        if full || lane.status.paused || lane.status.retired {
            None
        } else {
            lane.status.runner
        }
    }

    fn place(&self, kind: RunnerKind, asked: Resources) -> Option<&WorkerName> {
        let able = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.capacity.kind == kind && worker.fits(asked));
        able.min_by_key(|(_, worker)| worker.used_slots)
            .map(|(name, _)| name)
    }

    fn try_start(&mut self, key: &GroupKey) -> Option<Pick> {
        let kind = self.open_lane(&key.service)?;
        let candidate = *self.groups.get(key)?.window.first_key_value()?.1;
        let worker = Arc::clone(self.place(kind, candidate.resources)?);
        self.dequeue(key, candidate.priority, candidate.seq);
        Some(Pick::Start(key.clone(), candidate, worker))
    }

    /// The group that has been passed over for too long, and the kind of worker that is kept for it.
    fn reservation(&self, mono_ms: u64) -> Option<(GroupKey, RunnerKind)> {
        let (since, key) = self.held.first()?;
        let kind = self.open_lane(&key.service)?;
        (mono_ms.saturating_sub(*since) > HOLD_AFTER_MS).then(|| (key.clone(), kind))
    }

    fn hold(&mut self, key: GroupKey, mono_ms: u64) {
        if let Some(group) = self.groups.get_mut(&key)
            && group.held_since.is_none()
        {
            group.held_since = Some(mono_ms);
            self.held.insert((mono_ms, key));
        }
    }

    fn release_hold(&mut self, key: &GroupKey) {
        if let Some(since) = self
            .groups
            .get_mut(key)
            .and_then(|group| group.held_since.take())
        {
            self.held.remove(&(since, key.clone()));
        }
    }

    fn enlist(&mut self, key: &GroupKey) {
        self.reshare(&key.submitter, |share| {
            share.services.insert(Arc::clone(&key.service));
        });
    }

    fn remove_group(&mut self, key: &GroupKey) {
        self.release_hold(key);
        self.groups.remove(key);
        self.reshare(&key.submitter, |share| {
            share.services.remove(&key.service);
        });
        if self
            .shares
            .get(&key.submitter)
            .is_some_and(|share| share.running == 0 && share.services.is_empty())
        {
            self.shares.remove(&key.submitter);
        }
    }

    /// Changes a share and keeps `order` in step with it.
    fn reshare(&mut self, submitter: &Arc<str>, change: impl FnOnce(&mut Share)) {
        let share = self.shares.entry(Arc::clone(submitter)).or_default();
        self.order
            .remove(&(share.running, share.served, Arc::clone(submitter)));
        change(share);
        if !share.services.is_empty() {
            self.order
                .insert((share.running, share.served, Arc::clone(submitter)));
        }
    }
}

#[cfg(test)]
mod tests;
