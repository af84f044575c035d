//! How busy an instance is: what the balancer compares.

/// Half of what was seen is forgotten in about seven tenths of this time.
const DECAY_MS: f64 = 10_000.0;
/// What an instance without calls is thought to take.
const SEED_MS: f64 = 30.0;
/// Calls that take longer than this are long: for them, what the last ones took says nothing of the next.
const LONG_MS: f64 = 1_000.0;

/// Calls under way, and what calls took lately: an average that follows peaks at once and forgets them slowly
/// (peak-EWMA, as in Finagle and tower).
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) pending: u32,
    /// None before the first call ended.
    took_ms: Option<f64>,
    seen_ms: u64,
}

impl Load {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            pending: 0,
            took_ms: None,
            seen_ms: now,
        }
    }

    /// A call ended that took so long.
    pub(super) fn handle_end(&mut self, took_ms: f64, now: u64) {
        self.pending = self.pending.saturating_sub(1);
        let average = match self.took_ms {
            Some(average) if took_ms < average => {
                let weight = self.weight(now);
                average * weight + took_ms * (1.0 - weight)
            }
            _ => took_ms,
        };
        self.took_ms = Some(average);
        self.seen_ms = now;
    }

    /// How much of the past still counts.
    fn weight(&self, now: u64) -> f64 {
        (-(now.saturating_sub(self.seen_ms) as f64) / DECAY_MS).exp()
    }

    /// What a call took lately, in milliseconds.
    pub(super) const fn took_ms(&self) -> Option<f64> {
        self.took_ms
    }

    /// What one more call would cost; smaller is better.
    pub(super) fn cost(&self, slots: Option<u32>, weight: f64, now: u64) -> f64 {
        let calls = f64::from(self.pending) + 1.0;
        let cost = match self.took_ms {
            // One that was never called is tried, with one call.
            None if self.pending == 0 => 0.0,
            None => calls * SEED_MS,
            Some(took_ms) if took_ms >= LONG_MS => {
                calls / f64::from(slots.unwrap_or(1).max(1)) * LONG_MS
            }
            // Without news the average fades: an instance that was slow is tried again.
            Some(took_ms) => calls * took_ms * self.weight(now),
        };
        cost / weight
    }

    /// It is as busy as it wants to be.
    pub(super) fn is_full(&self, slots: Option<u32>) -> bool {
        slots.is_some_and(|slots| self.pending >= slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(took_ms: f64) -> Load {
        let mut load = Load::new(0);
        load.handle_end(took_ms, 0);
        load
    }

    #[test]
    fn a_peak_is_believed_at_once_and_forgotten_slowly() {
        let mut load = after(1.0);
        load.handle_end(500.0, 0);
        assert!(load.cost(None, 1.0, 0) > 499.0);
        load.handle_end(1.0, 100);
        assert!(load.cost(None, 1.0, 100) > 450.0);
        load.handle_end(1.0, 30_000);
        assert!(load.cost(None, 1.0, 30_000) < 60.0);
    }

    #[test]
    fn without_news_it_is_tried_again() {
        assert!(after(900.0).cost(None, 1.0, 100_000) < 1.0);
    }

    #[test]
    fn one_that_was_never_called_is_tried_with_one_call() {
        let mut load = Load::new(0);
        assert!(load.cost(None, 1.0, 0) < after(0.1).cost(None, 1.0, 0));
        load.pending = 1;
        assert!(load.cost(None, 1.0, 0) > after(20.0).cost(None, 1.0, 0));
    }

    #[test]
    fn a_busy_one_costs_more_and_a_heavy_one_less() {
        let mut load = after(10.0);
        let idle = load.cost(None, 1.0, 0);
        load.pending = 3;
        assert!(load.cost(None, 1.0, 0) > 3.9 * idle);
        assert!(load.cost(None, 4.0, 0) <= 1.01 * idle);
    }

    #[test]
    fn long_calls_are_compared_by_what_is_under_way() {
        let mut slow = Load::new(0);
        slow.pending = 1;
        slow.handle_end(60_000.0, 0);
        let mut slower = Load::new(0);
        slower.pending = 1;
        slower.handle_end(90_000.0, 0);
        assert!((slow.cost(Some(4), 1.0, 0) - slower.cost(Some(4), 1.0, 0)).abs() < 1e-9);
        slow.pending = 2;
        assert!(slow.cost(Some(4), 1.0, 0) > slower.cost(Some(4), 1.0, 0));
        assert!(!slow.is_full(Some(3)));
        assert!(slow.is_full(Some(2)));
    }
}
