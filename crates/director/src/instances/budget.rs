//! How many retries a service gets: enough for a hiccup, too few for a storm.

/// Time over which calls are counted.
const TTL_MS: u64 = 10_000;
const SLOTS: usize = 10;
/// Retries a second that are always allowed.
const PER_SECOND: i64 = 5;
/// Calls that pay for a retry.
const RETRY: i64 = 5;

/// Tokens of one service: each call puts in one, each retry takes five.
#[derive(Debug, Clone, Default)]
pub(super) struct RetryBudget {
    slots: [(u64, i64); SLOTS],
}

impl RetryBudget {
    fn slot(&mut self, now: u64) -> &mut i64 {
        let slice = now / (TTL_MS / SLOTS as u64) + 1;
        let slot = &mut self.slots[slice as usize % SLOTS];
        if slot.0 != slice {
            *slot = (slice, 0);
        }
        &mut slot.1
    }

    /// A call that is no retry.
    pub(super) fn deposit(&mut self, now: u64) {
        *self.slot(now) += 1;
    }

    /// Takes a retry; false if there is none left.
    pub(super) fn withdraw(&mut self, now: u64) -> bool {
        let oldest = (now / (TTL_MS / SLOTS as u64) + 1).saturating_sub(SLOTS as u64 - 1);
        let reserve = RETRY * PER_SECOND * TTL_MS as i64 / 1_000;
        let recent = self.slots.iter().filter(|(slice, _)| *slice >= oldest);
        let tokens = reserve + recent.map(|(_, tokens)| tokens).sum::<i64>();
        if tokens < RETRY {
            return false;
        }
        *self.slot(now) -= RETRY;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_and_a_fifth_of_the_calls() {
        let mut budget = RetryBudget::default();
        for _ in 0..100 {
            budget.deposit(0);
        }
        let allowed = (0..1_000).filter(|_| budget.withdraw(500)).count();
        assert_eq!(allowed, 70, "50 in reserve and a fifth of 100");
        assert!(!budget.withdraw(9_999));
        assert!(budget.withdraw(10_500), "what was taken is forgotten too");
    }
}
