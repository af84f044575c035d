//! The R-peak detector: local maxima that stand out of their surroundings, one for each beat.
//!
//! 1. The baseline is a moving average, so slow drift does not hide or invent beats.
//! 2. A candidate is a local maximum at least half as high over the baseline as the usual maximum
//!    of a stretch of two seconds. The median of stretches ignores a few wild or silent ones.
//! 3. A candidate must fall off by half that height on both sides before something higher comes,
//!    which drops the ripples on a broad wave.
//! 4. Of candidates closer than the refractory distance only the highest stays.

use folder_contract::{Cancel, Stop};

/// Window of the moving average, s: longer than a QRS complex many times over, so the complex
/// hardly lifts it; shorter than the drift of breathing and electrodes.
const BASELINE_S: f64 = 1.0;
/// Each stretch holds a beat at 30 beats a minute or more.
const STRETCH_S: f64 = 2.0;
/// Part of the usual height that makes a candidate; R waves are seldom below, T waves above.
const HEIGHT_PART: f64 = 0.5;
/// Part of the usual height that it must fall off by on both sides …
const PROMINENCE_PART: f64 = 0.5;
/// … within this time, s.
const PROMINENCE_REACH_S: f64 = 1.0;

/// How to detect.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    /// Samples a second.
    pub sampling_rate: f64,
    /// Least amplitude of a peak, in the signal's own unit; absent: found from the signal.
    pub min_height: Option<f64>,
    /// Least time between two peaks, s.
    pub min_distance: f64,
}

impl Detector {
    /// The indices of the R peaks, ascending.
    ///
    /// # Errors
    ///
    /// [`Stop::Cancelled`].
    pub fn peaks(&self, signal: &[f64], cancel: &Cancel) -> Result<Vec<usize>, Stop> {
        let baseline = moving_average(signal, self.samples(BASELINE_S));
        cancel.check()?;
        let usual = self.usual_height(signal, &baseline);
        let reach = self.samples(PROMINENCE_REACH_S);
        let mut candidates = Vec::new();
        for peak in local_maxima(signal) {
            // Each time: a high sampling rate makes the look at the surroundings a long one.
            cancel.check()?;
            let high = match self.min_height {
                Some(least) => signal[peak] >= least,
                None => signal[peak] - baseline[peak] >= HEIGHT_PART * usual,
            };
            if high && prominence(signal, peak, reach) >= PROMINENCE_PART * usual {
                candidates.push(peak);
            }
        }
        let apart = (self.min_distance * self.sampling_rate).ceil() as usize;
        Ok(keep_highest(signal, &candidates, apart))
    }

    fn samples(&self, seconds: f64) -> usize {
        ((seconds * self.sampling_rate).round() as usize).max(1)
    }

    /// The median over stretches of the highest value above the baseline.
    fn usual_height(&self, signal: &[f64], baseline: &[f64]) -> f64 {
        let stretches = (signal.len() as f64 / self.samples(STRETCH_S) as f64).round();
        let length = signal.len().div_ceil((stretches as usize).max(1)).max(1);
        let mut heights: Vec<f64> = signal
            .chunks(length)
            .zip(baseline.chunks(length))
            .map(|(values, base)| {
                let above = values.iter().zip(base).map(|(v, b)| v - b);
                above.fold(f64::MIN, f64::max)
            })
            .collect();
        heights.sort_by(f64::total_cmp);
        heights[heights.len() / 2]
    }
}

/// The mean of the `window` samples around each sample, fewer at the ends.
fn moving_average(signal: &[f64], window: usize) -> Vec<f64> {
    let half = window / 2;
    let mut sum: f64 = signal.iter().take(half).sum();
    let mut count = half.min(signal.len());
    (0..signal.len())
        .map(|i| {
            if let Some(entering) = signal.get(i + half) {
                sum += entering;
                count += 1;
            }
            if i > half {
                sum -= signal[i - half - 1];
                count -= 1;
            }
            sum / count as f64
        })
        .collect()
}

/// Samples higher than both neighbours; of a flat top, the middle one.
fn local_maxima(signal: &[f64]) -> Vec<usize> {
    let mut maxima = Vec::new();
    let mut rise = None;
    for i in 1..signal.len() {
        if signal[i] > signal[i - 1] {
            rise = Some(i);
        } else if signal[i] < signal[i - 1]
            && let Some(start) = rise.take()
        {
            maxima.push((start + i - 1) / 2);
        }
    }
    maxima
}

/// How far the signal falls off on both sides of `peak`, within `reach`, before it gets higher.
fn prominence(signal: &[f64], peak: usize, reach: usize) -> f64 {
    let top = signal[peak];
    let lowest = |side: &mut dyn Iterator<Item = &f64>| {
        side.take(reach)
            .take_while(|&&v| v <= top)
            .fold(top, |low, &v| low.min(v))
    };
    let left = lowest(&mut signal[..peak].iter().rev());
    let right = lowest(&mut signal[peak + 1..].iter());
    top - left.max(right)
}

/// Drops each peak that is closer than `apart` samples to a higher one that stays.
fn keep_highest(signal: &[f64], peaks: &[usize], apart: usize) -> Vec<usize> {
    let mut by_height: Vec<usize> = (0..peaks.len()).collect();
    by_height.sort_by(|&a, &b| signal[peaks[b]].total_cmp(&signal[peaks[a]]));
    let mut keep = vec![true; peaks.len()];
    for i in by_height {
        if !keep[i] {
            continue;
        }
        let near = |j: &usize| peaks[*j].abs_diff(peaks[i]) < apart;
        for j in (0..i)
            .rev()
            .take_while(near)
            .chain((i + 1..peaks.len()).take_while(near))
        {
            keep[j] = false;
        }
    }
    peaks
        .iter()
        .zip(keep)
        .filter_map(|(&peak, keep)| keep.then_some(peak))
        .collect()
}

#[cfg(test)]
mod tests;
