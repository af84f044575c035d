//! Whether an instance that fails is left alone for a while.

/// Failures in a row after which an instance is left alone.
const CONSECUTIVE_MAX: u32 = 5;
/// Time over which successes are counted.
const WINDOW_MS: u64 = 10_000;
/// The parts of the window that are forgotten one by one.
const BUCKETS: usize = 10;
/// Calls within the window below which the rate of successes says nothing.
const CALLS_MIN: u32 = 20;
/// The least rate of successes, in percent.
const SUCCESS_MIN: u32 = 80;
/// How long an instance is left alone the first time; each time doubles it.
const BACKOFF_MIN_MS: u64 = 5_000;
/// How long at most.
const BACKOFF_MAX_MS: u64 = 300_000;
/// When it was closed for so long, the next time counts as the first.
const FORGIVEN_MS: u64 = 600_000;

/// The breaker of one instance: closed while calls succeed, open while it is left alone, and on probation when it may show
/// with a single call that it is well again.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    state: State,
    consecutive: u32,
    buckets: [Bucket; BUCKETS],
    /// How often it opened without a quiet time between.
    opened: u32,
    /// When it is tried again after it opened last.
    tried_again: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Until then.
    Open(u64),
    /// One call is under way, since then. A call that never ends must not keep an instance away for ever.
    Probation(u64),
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Number of the second since the beginning.
    slice: u64,
    calls: u32,
    failures: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            consecutive: 0,
            buckets: [Bucket::default(); BUCKETS],
            opened: 0,
            tried_again: 0,
        }
    }
}

impl Breaker {
    /// A call may go there.
    pub(super) const fn admits(&self, now: u64) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(until) => until <= now,
            State::Probation(since) => since + BACKOFF_MAX_MS <= now,
        }
    }

    /// It is left alone, or on probation.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Until when it is left alone.
    pub(super) const fn open_until(&self) -> Option<u64> {
        match self.state {
            State::Open(until) => Some(until),
            State::Closed | State::Probation(_) => None,
        }
    }

    /// A call goes there.
    pub(super) fn handle_call(&mut self, now: u64) {
        if self.is_open() {
            self.state = State::Probation(now);
        }
    }

    /// A call ended. `jitter` is a random number; true if the breaker opened by this.
    pub(super) fn handle_outcome(&mut self, is_success: bool, now: u64, jitter: u64) -> bool {
        self.count(is_success, now);
        if is_success {
            self.consecutive = 0;
            if matches!(self.state, State::Probation(_)) {
                self.close();
            }
            return false;
        }
        self.consecutive = self.consecutive.saturating_add(1);
        let fails = match self.state {
            State::Open(_) => false,
            State::Probation(_) => true,
            State::Closed => self.consecutive >= CONSECUTIVE_MAX || self.rate_is_low(now),
        };
        if fails {
            self.open(now, jitter);
        }
        fails
    }

    fn open(&mut self, now: u64, jitter: u64) {
        if self.tried_again + FORGIVEN_MS <= now {
            self.opened = 0;
        }
        let backoff = (BACKOFF_MIN_MS << self.opened.min(10)).min(BACKOFF_MAX_MS);
        self.opened = self.opened.saturating_add(1);
        // Equal jitter: between one half and the whole.
        self.tried_again = now + backoff / 2 + jitter % (backoff / 2 + 1);
        self.state = State::Open(self.tried_again);
    }

    /// It is well: by a call on probation, or by a check that passed.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.consecutive = 0;
        self.buckets = [Bucket::default(); BUCKETS];
    }

    const fn slice(now: u64) -> u64 {
        now / (WINDOW_MS / BUCKETS as u64)
    }

    fn count(&mut self, is_success: bool, now: u64) {
        let slice = Self::slice(now);
        let bucket = &mut self.buckets[slice as usize % BUCKETS];
        if bucket.slice != slice {
            *bucket = Bucket {
                slice,
                ..Bucket::default()
            };
        }
        bucket.calls += 1;
        bucket.failures += u32::from(!is_success);
    }

    fn rate_is_low(&self, now: u64) -> bool {
        let oldest = Self::slice(now).saturating_sub(BUCKETS as u64 - 1);
        let recent = self.buckets.iter().filter(|bucket| bucket.slice >= oldest);
        let (calls, failures) = recent.fold((0, 0), |(calls, failures), bucket| {
            (calls + bucket.calls, failures + bucket.failures)
        });
        calls >= CALLS_MIN && (calls - failures) * 100 < calls * SUCCESS_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.handle_outcome(false, 0, 0));
        }
        assert!(breaker.admits(0));
        assert!(breaker.handle_outcome(false, 0, 0));
        assert!(!breaker.admits(2_499));
        assert!(breaker.admits(2_500), "half of five seconds without jitter");
        breaker.handle_call(2_500);
        assert!(!breaker.admits(2_500), "one call only");
        assert!(!breaker.handle_outcome(true, 2_510, 0));
        assert!(breaker.admits(2_510));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_failure_on_probation_doubles_the_time() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.handle_outcome(false, 0, 0);
        }
        let mut now = 0;
        for wait in [
            2_500, 5_000, 10_000, 20_000, 40_000, 80_000, 150_000, 150_000,
        ] {
            assert_eq!(breaker.open_until(), Some(now + wait));
            now += wait;
            breaker.handle_call(now);
            assert!(breaker.handle_outcome(false, now, 0));
        }
        breaker.close();
        now += 150_000 + FORGIVEN_MS;
        for _ in 0..5 {
            breaker.handle_outcome(false, now, u64::MAX);
        }
        let until = breaker.open_until();
        assert!(
            until.is_some_and(|until| (2_500..=5_000).contains(&(until - now))),
            "{until:?}"
        );
    }

    #[test]
    fn a_low_rate_of_successes_opens_it() {
        let mut breaker = Breaker::default();
        for call in 0..19 {
            assert!(
                !breaker.handle_outcome(call % 4 != 0, call * 100, 0),
                "{call}"
            );
        }
        assert!(!breaker.handle_outcome(true, 1_900, 0));
        assert!(breaker.handle_outcome(false, 2_000, 0));
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut breaker = Breaker::default();
        for call in 0..40_u64 {
            // One in two fails, but only four calls within any ten seconds.
            assert!(!breaker.handle_outcome(call % 2 == 0, call * 2_500, 0));
        }
    }

    #[test]
    fn a_call_that_never_ends_does_not_keep_it_away_for_ever() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            breaker.handle_outcome(false, 0, 0);
        }
        breaker.handle_call(5_000);
        assert!(!breaker.admits(5_000 + BACKOFF_MAX_MS - 1));
        assert!(breaker.admits(5_000 + BACKOFF_MAX_MS));
    }
}
