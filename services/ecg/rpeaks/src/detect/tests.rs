use super::*;

fn detect(detector: Detector, signal: &[f64]) -> Vec<usize> {
    detector.peaks(signal, &Cancel::default()).unwrap()
}

fn usual(sampling_rate: f64) -> Detector {
    Detector {
        sampling_rate,
        min_height: None,
        min_distance: 0.25,
    }
}

/// The recording that the service ships.
fn recording() -> Vec<f64> {
    let text = include_str!("../../data/ecg.csv");
    crate::signal::read(text.as_bytes(), 1, &Cancel::default()).unwrap()
}

/// A made-up lead: P, Q, R, S and T waves around known beats, drift, and noise from a fixed seed.
fn synthetic(rate: f64, bpm: f64, drift: f64, noise: f64) -> (Vec<f64>, Vec<usize>) {
    let mut seed = 42u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let mut beats = Vec::new();
    let mut at = 0.6;
    while at < 29.5 {
        beats.push((at * rate).round() as usize);
        at += 60.0 / bpm * (1.0 + 0.1 * random());
    }
    // Part of the beat's time, width in s, height.
    let waves = [
        (-0.17, 0.02, 0.15),
        (-0.03, 0.008, -0.1),
        (0.0, 0.01, 1.0),
        (0.03, 0.01, -0.2),
        (0.25, 0.04, 0.3),
    ];
    let mut signal: Vec<f64> = (0..(30.0 * rate) as usize)
        .map(|i| {
            let t = i as f64 / rate;
            drift * (0.3 * std::f64::consts::TAU * t).sin() + noise * random()
        })
        .collect();
    for &beat in &beats {
        for (delay, width, height) in waves {
            let middle = beat as f64 / rate + delay;
            let (from, to) = ((middle - 6.0 * width) * rate, (middle + 6.0 * width) * rate);
            for (i, value) in signal
                .iter_mut()
                .enumerate()
                .take(to as usize)
                .skip(from as usize)
            {
                let z = (i as f64 / rate - middle) / width;
                *value += height * (-0.5 * z * z).exp();
            }
        }
    }
    (signal, beats)
}

#[test]
fn the_recording_has_its_three_beats() {
    let signal = recording();
    assert_eq!(signal.len(), 1024);
    assert_eq!(signal.iter().sum::<f64>(), -57656.0);
    assert_eq!(detect(usual(360.0), &signal), [190, 518, 848]);
    // The rate is not known for certain, so the answer must not hang on it.
    for rate in [180.0, 250.0, 300.0, 500.0] {
        assert_eq!(detect(usual(rate), &signal), [190, 518, 848], "{rate} Hz");
    }
    // The call that gave the reference: height 120, distance 100 samples.
    let as_scipy = Detector {
        min_height: Some(120.0),
        min_distance: 100.0 / 360.0,
        ..usual(360.0)
    };
    assert_eq!(detect(as_scipy, &signal), [190, 518, 848]);
    let only_high = Detector {
        min_height: Some(200.0),
        ..usual(360.0)
    };
    assert_eq!(detect(only_high, &signal), [190, 518]);
}

#[test]
fn gain_and_offset_change_nothing() {
    let signal = recording();
    for (gain, offset) in [(0.005, 0.0), (1.0, 1e4), (37.0, -500.0)] {
        let other: Vec<f64> = signal.iter().map(|v| gain * v + offset).collect();
        assert_eq!(
            detect(usual(360.0), &other),
            [190, 518, 848],
            "{gain} {offset}"
        );
    }
}

#[test]
fn known_beats_are_found_through_drift_and_noise() {
    for rate in [125.0, 250.0, 360.0, 1000.0] {
        for bpm in [35.0, 60.0, 100.0, 170.0] {
            for (drift, noise) in [(0.0, 0.0), (1.5, 0.0), (0.0, 0.1), (1.0, 0.1)] {
                let (signal, beats) = synthetic(rate, bpm, drift, noise);
                let found = detect(usual(rate), &signal);
                let case = format!("{rate} Hz, {bpm} bpm, drift {drift}, noise {noise}");
                assert_eq!(found.len(), beats.len(), "{case}");
                // Noise may move the highest sample of a 20 ms wide peak by a few milliseconds.
                let slack = (0.008 * rate) as usize + 1;
                for (found, beat) in found.iter().zip(&beats) {
                    assert!(found.abs_diff(*beat) <= slack, "{case}: {found} for {beat}");
                }
            }
        }
    }
}

#[test]
fn one_artefact_does_not_hide_the_beats() {
    let (mut signal, beats) = synthetic(250.0, 60.0, 0.0, 0.05);
    let at = beats[10] + 125;
    signal[at] = 30.0;
    let found = detect(usual(250.0), &signal);
    let missed = beats
        .iter()
        .filter(|b| !found.iter().any(|f| f.abs_diff(**b) <= 3))
        .count();
    // Its neighbours' baseline is lifted, so at most those may be lost.
    assert!(missed <= 2, "{missed} missed");
    assert!(found.contains(&at));
}

#[test]
fn local_maxima_take_the_middle_of_flat_tops() {
    assert_eq!(
        local_maxima(&[0.0, 1.0, 0.0, 2.0, 2.0, 2.0, 1.0, 1.0, 3.0]),
        [1, 4]
    );
    assert_eq!(local_maxima(&[1.0, 0.0, 0.0, 1.0]), [0usize; 0]);
    assert_eq!(local_maxima(&[1.0]), [0usize; 0]);
}

#[test]
fn prominence_is_the_smaller_fall() {
    let signal = [0.0, 5.0, 2.0, 4.0, 1.0, 9.0];
    assert_eq!(prominence(&signal, 3, 10), 2.0);
    assert_eq!(prominence(&signal, 1, 10), 4.0 + 1.0 - 1.0);
    assert_eq!(prominence(&signal, 1, 1), 3.0);
}

#[test]
fn of_close_peaks_the_highest_stays() {
    let mut signal = vec![0.0; 40];
    for (at, height) in [(5, 1.0), (9, 3.0), (13, 2.0), (17, 2.5), (30, 1.0)] {
        signal[at] = height;
    }
    let peaks = [5, 9, 13, 17, 30];
    assert_eq!(keep_highest(&signal, &peaks, 5), [9, 17, 30]);
    assert_eq!(keep_highest(&signal, &peaks, 4), peaks);
    assert_eq!(keep_highest(&signal, &peaks, 100), [9]);
}

#[test]
fn the_moving_average_shrinks_at_the_ends() {
    assert_eq!(
        moving_average(&[1.0, 2.0, 3.0, 4.0, 9.0], 3),
        [1.5, 2.0, 3.0, 16.0 / 3.0, 6.5]
    );
    assert_eq!(moving_average(&[7.0], 360), [7.0]);
}

#[test]
fn a_flat_line_has_no_beat() {
    assert_eq!(detect(usual(360.0), &[3.0; 2000]), [0usize; 0]);
    assert_eq!(detect(usual(360.0), &[3.0]), [0usize; 0]);
}
