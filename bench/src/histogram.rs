//! Times, counted in classes that are 0.8 % wide: recording costs a few nanoseconds and no memory.

use std::time::Duration;

/// Classes of each power of two.
const FINE: usize = 128;
/// Powers of two of a nanosecond above the first: far more than any run takes.
const POWERS: usize = 40;

/// How often which time was seen.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    classes: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            classes: vec![0; FINE * POWERS],
            count: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        let class = class(nanoseconds).min(self.classes.len() - 1);
        self.classes[class] += 1;
        self.count += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The time below which this share of them is; `None` when nothing was recorded.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let class = self.classes.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_nanos(middle(class)))
    }
}

/// Below `FINE` every nanosecond is a class; above, the highest bits are.
fn class(value: u64) -> usize {
    let power = (u64::BITS - value.leading_zeros()).saturating_sub(FINE.ilog2() + 1);
    FINE * power as usize + (value >> power) as usize
}

fn middle(class: usize) -> u64 {
    let power = (class / FINE).saturating_sub(1);
    let fine = class - FINE * power;
    ((fine as u64) << power) + (1_u64 << power) / 2
}

#[cfg(test)]
mod tests {
    use super::{Histogram, class, middle};

    #[test]
    fn a_class_is_as_fine_as_it_says() {
        let mut last = 0;
        for value in (0..100).chain((100..1_000_000_000).step_by(9_973)) {
            let class = class(value);
            assert!(class >= last, "{value}");
            last = class;
            let error = middle(class).abs_diff(value) as f64;
            assert!(error <= value as f64 / 128.0, "{value}: {}", middle(class));
        }
    }

    #[test]
    fn quantiles_are_found() {
        let mut half = Histogram::default();
        let mut other = Histogram::default();
        assert_eq!(half.quantile(0.5), None);
        for micros in 1..=500 {
            half.record(micros * 1_000);
            other.record((micros + 500) * 1_000);
        }
        half.merge(&other);
        assert_eq!(half.count(), 1_000);
        for (share, micros) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = half.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!((found / micros - 1.0).abs() < 0.01, "{share}: {found}");
        }
    }
}
