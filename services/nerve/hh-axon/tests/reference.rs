//! Published and derived values that the axon must reproduce.
#![forbid(unsafe_code)]

use hh_axon::{Setup, Wave, simulate};

fn wave(setup: Setup) -> Wave {
    simulate(&setup, |_| Ok(())).expect("a wave")
}

fn check_velocity(setup: Setup, expected: f64, within: f64) {
    let found = wave(setup).velocity;
    assert!(
        (found - expected).abs() <= within,
        "{found} m/s, not {expected}: {setup:?}"
    );
}

/// 18.8 m/s: Hodgkin & Huxley 1952, computed for 18.5 °C and 238 µm radius.
#[test]
fn velocity_is_that_of_hodgkin_and_huxley() {
    check_velocity(Setup::default(), 18.75, 0.1);
    check_velocity(
        Setup {
            length: Some(6.0),
            ..Setup::default()
        },
        18.75,
        0.1,
    );
}

#[test]
fn velocity_at_the_temperature_of_the_voltage_clamp() {
    check_velocity(
        Setup {
            temperature: 6.3,
            ..Setup::default()
        },
        12.33,
        0.1,
    );
}

#[test]
fn a_finer_grid_and_step_change_little() {
    let fine = Setup {
        compartments: 1201,
        dt: 1.25,
        ..Setup::default()
    };
    let (coarse, fine) = (wave(Setup::default()).velocity, wave(fine).velocity);
    assert!((coarse - fine).abs() < 0.05, "{coarse} {fine}");
}

#[test]
fn the_stimulus_does_not_matter_once_the_wave_runs() {
    let strong = Setup {
        stimulus_amplitude: 2000.0,
        ..Setup::default()
    };
    let (usual, strong) = (wave(Setup::default()).velocity, wave(strong).velocity);
    assert!((usual - strong).abs() < 0.01, "{usual} {strong}");
}

/// Slope of log velocity over log diameter.
fn slope(setups: impl Iterator<Item = Setup>) -> f64 {
    let points: Vec<[f64; 2]> = setups
        .map(|setup| [setup.diameter.ln(), wave(setup).velocity.ln()])
        .collect();
    let mean = |i: usize| points.iter().map(|p| p[i]).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(0), mean(1));
    let covariance: f64 = points.iter().map(|p| (p[0] - x) * (p[1] - y)).sum();
    covariance / points.iter().map(|p| (p[0] - x).powi(2)).sum::<f64>()
}

#[test]
fn velocity_grows_with_the_root_of_the_diameter() {
    let sweep = [10.0, 50.0, 200.0, 476.0, 1000.0];
    let scaled = slope(
        sweep
            .map(|diameter| Setup {
                diameter,
                ..Setup::default()
            })
            .into_iter(),
    );
    assert!((scaled - 0.5).abs() < 1e-6, "{scaled}");
    // The same without the scaled length, where the root is no consequence of the set-up: one
    // length, and grids fine enough for the thinnest.
    let fixed = [150.0, 250.0, 476.0].map(|diameter| Setup {
        diameter,
        length: Some(6.0),
        compartments: 1201,
        ..Setup::default()
    });
    let fixed = slope(fixed.into_iter());
    assert!((fixed - 0.5).abs() < 0.005, "{fixed}");
}

#[test]
fn the_action_potential_has_its_shape() {
    let wave = wave(Setup::default());
    assert!((wave.rest + 65.0).abs() < 0.01, "{}", wave.rest);
    assert!((20.0..45.0).contains(&wave.peak), "{}", wave.peak);
    let highest = wave.trace.iter().map(|row| row[2]).fold(f64::MIN, f64::max);
    assert!((highest - wave.peak).abs() < 1.0, "{highest} {}", wave.peak);
    assert_eq!(wave.trace[0], [0.0, wave.rest, wave.rest]);
}

#[test]
fn no_wave_is_a_failure_that_says_so() {
    let failed = |setup: Setup| simulate(&setup, |_| Ok(())).unwrap_err().to_string();
    let quiet = failed(Setup {
        stimulus_amplitude: 1.0,
        ..Setup::default()
    });
    assert!(
        quiet.starts_with("no action potential reached 0.4 L within 20 ms"),
        "{quiet}"
    );
    // Above about 35 °C the squid axon's membrane is too fast for its own sodium current.
    let hot = failed(Setup {
        temperature: 45.0,
        ..Setup::default()
    });
    assert!(hot.contains("45 degC"), "{hot}");
    let short = failed(Setup {
        duration: 1.6,
        ..Setup::default()
    });
    assert!(
        short.contains("but did not reach 0.7 L within 1.6 ms"),
        "{short}"
    );
}
