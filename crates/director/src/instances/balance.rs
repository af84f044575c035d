//! Which instance a call goes to: the better of two chosen at random (power of two choices).

use std::sync::Arc;

use super::{CallOutcome, GroupKey, InstanceChange, InstanceKey, Instances, Member};
use crate::instance::{InstanceState, NewInstance};

/// An instance that was never called gets its share little by little, over this time.
const SLOW_START_MS: u64 = 30_000;
/// The least share of one that starts or flaps.
const SHARE_MIN: f64 = 0.1;
/// Of the instances of a service, not more than one in so many are left alone because of failures (but one may always be).
const EJECTED_MAX: usize = 3;

/// Where a call goes.
#[derive(Debug, Clone)]
pub struct Picked {
    /// The instance; its outcome is to be told, see [`Instances::handle_outcome`].
    pub key: InstanceKey,
    /// How it registered.
    pub instance: Arc<NewInstance>,
    /// Most instances are unhealthy, so this may be one of them: better a bad answer than none.
    pub is_panic: bool,
}

/// Why no instance can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoProvider {
    /// There is none.
    #[error("no instance is registered")]
    None,
    /// There are some, but none is ready.
    #[error("none of {0} instances is ready")]
    NotReady(usize),
    /// All work on as many calls as they have slots.
    #[error("all {0} instances have as many calls as slots")]
    Full(usize),
    /// All that could be called were tried.
    #[error("all {0} instances were tried")]
    Tried(usize),
}

impl Instances {
    /// Chooses an instance that is not among `tried`, and counts the call as its.
    ///
    /// # Errors
    ///
    /// If there is none to choose.
    pub fn pick(
        &mut self,
        group: GroupKey,
        tried: &[InstanceKey],
        now: u64,
    ) -> Result<Picked, NoProvider> {
        let random = self.next_random();
        let members = &self.groups[group.0 as usize].members;
        let (key, is_panic) = match members.as_slice() {
            // Nothing to choose, and nothing to leave alone: no other would do better. A check may be wrong, and a refusal comes
            // soon enough.
            [only] if !tried.contains(only) => {
                let member = self.member(*only);
                (member.is_known() && !member.is_full())
                    .then_some((*only, !member.is_candidate()))
                    .ok_or_else(|| self.nobody(group, tried))?
            }
            _ => self
                .choose(group, tried, random, now)
                .ok_or_else(|| self.nobody(group, tried))?,
        };
        let member = self.member_mut(key);
        member.load.pending += 1;
        member.breaker.handle_call(now);
        let instance = Arc::clone(&member.registered);
        Ok(Picked {
            key,
            instance,
            is_panic,
        })
    }

    fn choose(
        &self,
        group: GroupKey,
        tried: &[InstanceKey],
        random: u64,
        now: u64,
    ) -> Option<(InstanceKey, bool)> {
        let members = &self.groups[group.0 as usize].members;
        let here = |key: &InstanceKey| !tried.contains(key);
        let healthy = |member: &Member| {
            member.state == InstanceState::Healthy
                && !member.is_suspect
                && member.breaker.admits(now)
        };
        let known = members
            .iter()
            .filter(|key| self.member(**key).is_known())
            .count();
        let well = members
            .iter()
            .filter(|key| healthy(self.member(**key)))
            .count();
        let is_panic = 2 * well < known;
        let second = |member: &Member| member.is_candidate() && member.breaker.admits(now);
        let any = |member: &Member| is_panic && member.is_known();
        let tiers: [&dyn Fn(&Member) -> bool; 3] = [&healthy, &second, &any];
        for (tier, accepts) in tiers.into_iter().enumerate() {
            let eligible = |key: &&InstanceKey| {
                let member = self.member(**key);
                here(key) && accepts(member) && !member.is_full()
            };
            let count = members.iter().filter(eligible).count();
            if count == 0 {
                continue;
            }
            let nth = |n: usize| members.iter().filter(eligible).nth(n).copied();
            let first = nth((random as u32 as usize) % count)?;
            if count == 1 {
                return Some((first, tier == 2));
            }
            // Another one than the first: by a step of 1 to count - 1.
            let step = 1 + (random >> 32) as usize % (count - 1);
            let second = nth((random as u32 as usize % count + step) % count)?;
            let better = if self.cost(first, now) <= self.cost(second, now) {
                first
            } else {
                second
            };
            return Some((better, tier == 2));
        }
        None
    }

    fn cost(&self, key: InstanceKey, now: u64) -> f64 {
        let member = self.member(key);
        let age = now.saturating_sub(member.first_seen);
        let started = (age as f64 / SLOW_START_MS as f64).clamp(SHARE_MIN, 1.0);
        let share = if member.state == InstanceState::Degraded {
            SHARE_MIN
        } else {
            started
        };
        let weight = member.registered.weight.max(0.001) * share;
        member.load.cost(member.registered.slots, weight, now)
    }

    #[cold]
    fn nobody(&self, group: GroupKey, tried: &[InstanceKey]) -> NoProvider {
        let all = self.groups[group.0 as usize]
            .members
            .iter()
            .map(|key| (key, self.member(*key)))
            .filter(|(_, member)| member.state != InstanceState::Gone);
        let (mut count, mut full, mut seen) = (0, 0, 0);
        for (key, member) in all {
            count += 1;
            full += usize::from(member.is_candidate() && member.is_full());
            seen += usize::from(tried.contains(key));
        }
        match count {
            0 => NoProvider::None,
            _ if seen == count => NoProvider::Tried(count),
            _ if full > 0 => NoProvider::Full(count),
            _ => NoProvider::NotReady(count),
        }
    }

    /// A call that was picked has ended after so many milliseconds.
    pub fn handle_outcome(
        &mut self,
        key: InstanceKey,
        outcome: CallOutcome,
        took_ms: f64,
        now: u64,
    ) {
        let jitter = self.next_random();
        let Some(member) = self.get_mut(key) else {
            return;
        };
        let group = member.group;
        member.calls += 1;
        match outcome {
            CallOutcome::Unknown => {
                member.load.pending = member.load.pending.saturating_sub(1);
            }
            CallOutcome::Busy => member.load.handle_end(took_ms.max(1_000.0), now),
            CallOutcome::Success => {
                member.load.handle_end(took_ms, now);
                member.breaker.handle_outcome(true, now, jitter);
            }
            CallOutcome::Failure => {
                member.load.handle_end(took_ms, now);
                member.failures += 1;
                self.handle_failure(key, group, now, jitter);
            }
        }
    }

    fn handle_failure(&mut self, key: InstanceKey, group: GroupKey, now: u64, jitter: u64) {
        let members = &self.groups[group.0 as usize].members;
        let known = members
            .iter()
            .filter(|key| self.member(**key).is_known())
            .count();
        let others_open = members
            .iter()
            .filter(|other| {
                **other != key
                    && self
                        .member(**other)
                        .breaker
                        .open_until()
                        .is_some_and(|until| until > now)
            })
            .count();
        // The last one is never left alone.
        let may_eject = known > 1 && others_open < (known / EJECTED_MAX).max(1);
        let member = self.member_mut(key);
        if !may_eject {
            return;
        }
        if member.breaker.handle_outcome(false, now, jitter)
            && let Some(until_ms) = member.breaker.open_until()
        {
            let id = member.registered.id.clone();
            self.tell(id, InstanceChange::Ejected { until_ms }, now);
        }
    }

    /// A call that is no retry comes in: it pays for later retries.
    pub fn handle_first_try(&mut self, group: GroupKey, now: u64) {
        self.groups[group.0 as usize].budget.deposit(now);
    }

    /// Whether a call may be tried again: retries are a fifth of the calls, and five a second.
    pub fn may_retry(&mut self, group: GroupKey, now: u64) -> bool {
        self.groups[group.0 as usize].budget.withdraw(now)
    }
}

impl Member {
    /// It may be called if there is nobody better.
    fn is_candidate(&self) -> bool {
        matches!(self.state, InstanceState::Healthy | InstanceState::Degraded)
    }

    /// It is there: neither leaving, nor never seen well.
    fn is_known(&self) -> bool {
        matches!(
            self.state,
            InstanceState::Healthy | InstanceState::Degraded | InstanceState::Unhealthy
        )
    }

    fn is_full(&self) -> bool {
        self.load.is_full(self.registered.slots)
    }
}
