//! How many processes of a provider run, and when one is started, drained and stopped.
//!
//! [`Processes`] is a value for one service version: what its files say, what became of its processes and the time go in,
//! orders come out.
//!
//! ```text
//!            ┌──────────── ended, or not ready in time: back-off ───────────┐
//!            ▼                                                              │
//!   (none) ──start──▶ starting ──first check passes──▶ running ─────────────┤
//!                        │                                │ not wanted, or another took its place
//!                        │ not wanted                     ▼
//!                        │                            draining ──no call is left, or 30 s──┐
//!                        └───────────────────────▶ stopping (SIGTERM, grace, SIGKILL) ◀────┘──▶ ended
//! ```
//!
//! When the files change, the new process is ready before the old one is drained: no call finds nobody.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

/// The wait after the first end; each further one doubles it.
const BACKOFF_MIN_MS: u64 = 1_000;
/// The longest wait: a broken provider costs one start a minute, and a mended one is back within it.
const BACKOFF_MAX_MS: u64 = 60_000;
/// Who was ready for so long begins anew with the shortest wait.
const HEALTHY_MS: u64 = 60_000;
/// How long calls under way may take before the process is told to end.
const DRAIN_MS: u64 = 30_000;

/// A process of a provider, as long as it runs. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessNumber(pub u64);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessOrder {
    /// Start one, as the files say now, and register it.
    Start(ProcessNumber),
    /// No new calls to it; tell [`Processes::handle_idle`] when none is left.
    Drain(ProcessNumber),
    /// Ask it to end.
    Terminate(ProcessNumber),
    /// End it.
    Kill(ProcessNumber),
}

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedProcesses {
    /// What the files are: with others, every process is replaced.
    pub digest: String,
    /// How many.
    pub instances: u32,
    /// How long one may take to be ready.
    pub ready_ms: u64,
    /// How long one may take to end.
    pub grace_ms: u64,
}

#[derive(Debug)]
enum Phase {
    Starting { until: u64 },
    Running { since: u64 },
    Draining { until: u64 },
    Stopping { kill_at: Option<u64> },
}

#[derive(Debug)]
struct Process {
    place: u32,
    digest: String,
    grace_ms: u64,
    phase: Phase,
}

/// What is remembered of the processes that had a place before.
#[derive(Debug, Default)]
struct Place {
    failures: u32,
    retry_at: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Processes {
    wanted: Option<WantedProcesses>,
    places: Vec<Place>,
    processes: BTreeMap<ProcessNumber, Process>,
    next: u64,
    random: u64,
    orders: VecDeque<ProcessOrder>,
}

impl Processes {
    /// None runs, none is wanted; `seed` spreads waits.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            wanted: None,
            places: Vec::new(),
            processes: BTreeMap::new(),
            next: 1,
            random: seed | 1,
            orders: VecDeque::new(),
        }
    }

    /// The files say something else, or (`None`) nothing runs any more.
    pub fn set_wanted(&mut self, wanted: Option<WantedProcesses>, now: u64) {
        if self.wanted == wanted {
            return;
        }
        // Whoever changed the files does not wait for what those before had done.
        let is_other = self.wanted.as_ref().map(|wanted| &wanted.digest)
            != wanted.as_ref().map(|wanted| &wanted.digest);
        if is_other {
            self.places.clear();
        }
        let count = wanted.as_ref().map_or(0, |wanted| wanted.instances);
        self.places.resize_with(count as usize, Place::default);
        self.wanted = wanted;
        for number in self.numbers() {
            let process = &self.processes[&number];
            let is_superfluous = process.place >= count;
            // One that is not ready yet has no calls, and nobody waits for it.
            let is_outdated = !self.is_current(process);
            match process.phase {
                Phase::Starting { .. } if is_superfluous || is_outdated => {
                    self.terminate(number, now)
                }
                Phase::Running { .. } if is_superfluous => self.drain(number, now),
                _ => {}
            }
        }
        self.fill(now);
    }

    /// Its first check passed.
    pub fn handle_ready(&mut self, number: ProcessNumber, now: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        if !matches!(process.phase, Phase::Starting { .. }) {
            return;
        }
        process.phase = Phase::Running { since: now };
        let place = process.place;
        for other in self.numbers() {
            let process = &self.processes[&other];
            let is_before = other != number && process.place == place;
            if is_before && matches!(process.phase, Phase::Running { .. }) {
                self.drain(other, now);
            }
        }
    }

    /// No call to it is left.
    pub fn handle_idle(&mut self, number: ProcessNumber, now: u64) {
        let phase = self.processes.get(&number).map(|process| &process.phase);
        if let Some(Phase::Draining { .. }) = phase {
            self.terminate(number, now);
        }
    }

    /// It ended, or could not be started.
    pub fn handle_ended(&mut self, number: ProcessNumber, now: u64) {
        let Some(process) = self.processes.remove(&number) else {
            return;
        };
        match process.phase {
            Phase::Starting { .. } => self.fail(&process, 0, now),
            Phase::Running { since } => self.fail(&process, now.saturating_sub(since), now),
            Phase::Draining { .. } | Phase::Stopping { .. } => {}
        }
        self.fill(now);
    }

    /// Every process is to end, without waiting for its calls.
    pub fn stop(&mut self, now: u64) {
        self.wanted = None;
        self.places.clear();
        for number in self.numbers() {
            if !matches!(self.processes[&number].phase, Phase::Stopping { .. }) {
                self.terminate(number, now);
            }
        }
    }

    /// None runs, and none is wanted.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.wanted.is_none() && self.processes.is_empty() && self.orders.is_empty()
    }

    /// Those that are starting: whose first check is waited for.
    pub fn starting(&self) -> impl Iterator<Item = ProcessNumber> {
        self.in_phase(|phase| matches!(phase, Phase::Starting { .. }))
    }

    /// Those that are draining: whose last call is waited for.
    pub fn draining(&self) -> impl Iterator<Item = ProcessNumber> {
        self.in_phase(|phase| matches!(phase, Phase::Draining { .. }))
    }

    /// When something is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let processes = self
            .processes
            .values()
            .filter_map(|process| match process.phase {
                Phase::Starting { until } | Phase::Draining { until } => Some(until),
                Phase::Stopping { kill_at } => kill_at,
                Phase::Running { .. } => None,
            });
        let places = self.places.iter().filter_map(|place| place.retry_at);
        processes.chain(places).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: u64) {
        for number in self.numbers() {
            let Some(process) = self.processes.get_mut(&number) else {
                continue;
            };
            match &mut process.phase {
                Phase::Starting { until } if *until <= now => {
                    self.terminate(number, now);
                    let process = &self.processes[&number];
                    let (place, digest) = (process.place, process.digest.clone());
                    self.back_off(place, &digest, 0, now);
                }
                Phase::Draining { until } if *until <= now => self.terminate(number, now),
                Phase::Stopping {
                    kill_at: kill_at @ Some(_),
                } if *kill_at <= Some(now) => {
                    *kill_at = None;
                    self.orders.push_back(ProcessOrder::Kill(number));
                }
                _ => {}
            }
        }
        self.fill(now);
    }

    /// The next thing to be done.
    pub fn poll_order(&mut self) -> Option<ProcessOrder> {
        self.orders.pop_front()
    }

    fn numbers(&self) -> Vec<ProcessNumber> {
        self.processes.keys().copied().collect()
    }

    fn in_phase(&self, is_in: fn(&Phase) -> bool) -> impl Iterator<Item = ProcessNumber> {
        let processes = self.processes.iter();
        processes.filter_map(move |(number, process)| is_in(&process.phase).then_some(*number))
    }

    fn is_current(&self, process: &Process) -> bool {
        self.wanted
            .as_ref()
            .is_some_and(|wanted| wanted.digest == process.digest)
    }

    /// Starts what is missing and need not wait.
    fn fill(&mut self, now: u64) {
        let Some(wanted) = self.wanted.clone() else {
            return;
        };
        for (index, place) in self.places.iter_mut().enumerate() {
            let index = index as u32;
            let is_taken = self.processes.values().any(|process| {
                process.place == index
                    && process.digest == wanted.digest
                    && matches!(
                        process.phase,
                        Phase::Starting { .. } | Phase::Running { .. }
                    )
            });
            if is_taken || place.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            place.retry_at = None;
            let number = ProcessNumber(self.next);
            self.next += 1;
            let process = Process {
                place: index,
                digest: wanted.digest.clone(),
                grace_ms: wanted.grace_ms,
                phase: Phase::Starting {
                    until: now + wanted.ready_ms,
                },
            };
            self.processes.insert(number, process);
            self.orders.push_back(ProcessOrder::Start(number));
        }
    }

    fn fail(&mut self, process: &Process, healthy_ms: u64, now: u64) {
        self.back_off(process.place, &process.digest, healthy_ms, now);
    }

    fn back_off(&mut self, place: u32, digest: &str, healthy_ms: u64, now: u64) {
        let random = self.next_random();
        let is_current = self
            .wanted
            .as_ref()
            .is_some_and(|wanted| wanted.digest == digest);
        let Some(place) = self.places.get_mut(place as usize).filter(|_| is_current) else {
            return;
        };
        if healthy_ms >= HEALTHY_MS {
            place.failures = 0;
        }
        let wait = BACKOFF_MIN_MS
            .saturating_mul(1 << place.failures.min(30))
            .min(BACKOFF_MAX_MS);
        place.failures = place.failures.saturating_add(1);
        // A tenth more or less, so that providers that fell together do not rise together.
        let spread = wait / 5;
        place.retry_at = Some(now + wait - spread / 2 + random % (spread + 1));
    }

    fn drain(&mut self, number: ProcessNumber, now: u64) {
        self.enter(
            number,
            Phase::Draining {
                until: now + DRAIN_MS,
            },
        );
        self.orders.push_back(ProcessOrder::Drain(number));
    }

    fn terminate(&mut self, number: ProcessNumber, now: u64) {
        let grace_ms = self.processes[&number].grace_ms;
        let kill_at = Some(now.saturating_add(grace_ms));
        self.enter(number, Phase::Stopping { kill_at });
        self.orders.push_back(ProcessOrder::Terminate(number));
    }

    fn enter(&mut self, number: ProcessNumber, phase: Phase) {
        if let Some(process) = self.processes.get_mut(&number) {
            process.phase = phase;
        }
    }

    /// xorshift: for waits, which nobody must be able to foresee but nobody is hurt by either.
    fn next_random(&mut self) -> u64 {
        let mut x = self.random;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random = x;
        x
    }
}
