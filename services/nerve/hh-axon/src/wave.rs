//! One experiment: stimulate an end, record at 0.4 L and 0.7 L, measure the wave between them.

use folder_contract::Stop;

use crate::cable::{Cable, Grid};
use crate::membrane::{resting_voltage, speed_up};

/// Axial resistivity of the squid giant axon, Ω·cm (Hodgkin & Huxley 1952).
const RESISTIVITY: f64 = 35.4;
/// Diameter, µm, and length, cm, of the reference experiment.
const REFERENCE: (f64, f64) = (476.0, 6.0);
/// A wave arrives when the voltage rises through this, mV: well above rest, and below the peak
/// of the small action potentials of a warm axon.
const THRESHOLD: f64 = -30.0;
/// The electrodes, as parts of the length.
const ELECTRODES: [f64; 2] = [0.4, 0.7];
/// The stimulus enters this part of the length. A part, so that scaling the length with
/// the square root of the diameter gives the same problem in other units.
const STIMULATED: f64 = 0.02;
/// The trace has a row about each 10 µs: a smooth curve, and a small file.
const TRACE_INTERVAL_MS: f64 = 0.01;

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Diameter, µm.
    pub diameter: f64,
    /// Temperature, °C.
    pub temperature: f64,
    /// Length, cm; absent: see [`Setup::length_cm`].
    pub length: Option<f64>,
    /// Nodes along the length, ends included.
    pub compartments: usize,
    /// Time step, µs.
    pub dt: f64,
    /// Stimulus, µA/cm².
    pub stimulus_amplitude: f64,
    /// How long it is on, ms.
    pub stimulus_duration: f64,
    /// Longest simulated time, ms.
    pub duration: f64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            diameter: REFERENCE.0,
            temperature: 18.5,
            length: None,
            compartments: 601,
            dt: 2.5,
            stimulus_amplitude: 1000.0,
            stimulus_duration: 0.2,
            duration: 20.0,
        }
    }
}

impl Setup {
    /// The length given, else 6 cm · √(diameter / 476 µm): the space constant grows with the root
    /// of the diameter, so this keeps compartments per space constant, and a sweep over diameters
    /// has the same accuracy everywhere.
    #[must_use]
    pub fn length_cm(&self) -> f64 {
        self.length
            .unwrap_or_else(|| REFERENCE.1 * (self.diameter / REFERENCE.0).sqrt())
    }
}

/// What was found.
#[derive(Debug)]
pub struct Wave {
    /// Conduction velocity between the electrodes, m/s.
    pub velocity: f64,
    /// Highest voltage at the second electrode, mV.
    pub peak: f64,
    /// Voltage before the stimulus, mV.
    pub rest: f64,
    /// Steps taken.
    pub steps: u64,
    /// Rows of time, ms, and the voltages at the two electrodes, mV.
    pub trace: Vec<[f64; 3]>,
}

/// Where the simulation is, for logs.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Simulated time, ms.
    pub time: f64,
    /// The farthest point above threshold, as part of the length.
    pub front: f64,
}

/// Simulates until the wave has passed the second electrode.
///
/// `watch` is called after each step and may stop the run.
///
/// # Errors
///
/// What `watch` gave, or [`Stop::Failed`] when no wave travels past both electrodes.
pub fn simulate(
    setup: &Setup,
    mut watch: impl FnMut(Moment) -> Result<(), Stop>,
) -> Result<Wave, Stop> {
    let last_node = setup.compartments - 1;
    let rest = resting_voltage();
    let dt = setup.dt * 1e-3;
    let grid = Grid {
        diameter: setup.diameter * 1e-4,
        resistivity: RESISTIVITY,
        length: setup.length_cm(),
        nodes: setup.compartments,
        dt,
        speed_up: speed_up(setup.temperature),
    };
    let mut cable = Cable::at_rest(&grid, rest);
    let at = ELECTRODES.map(|part| (part * last_node as f64).round() as usize);
    let stimulated = (STIMULATED * last_node as f64) as usize + 1;
    let trace_every = (TRACE_INTERVAL_MS / dt).round().max(1.0) as u64;
    let last_step = (setup.duration / dt).ceil() as u64;

    let mut arrival = [None; 2];
    let mut before = [rest; 2];
    let mut peak = rest;
    let mut trace = vec![[0.0, rest, rest]];
    for step in 1..=last_step {
        // The stimulus is sampled at the middle of the step, where the scheme wants it.
        let on = (step as f64 - 0.5) * dt < setup.stimulus_duration;
        cable.step(if on { setup.stimulus_amplitude } else { 0.0 }, stimulated);

        let time = step as f64 * dt;
        let now = at.map(|node| cable.voltage()[node]);
        if !now.iter().all(|v| v.is_finite()) {
            return Err(Stop::Failed(format!(
                "the voltage is no number any more at {time:.4} ms: take a smaller dt"
            )));
        }
        for (arrival, (&before, &now)) in arrival.iter_mut().zip(before.iter().zip(&now)) {
            if arrival.is_none() && now >= THRESHOLD {
                let part = (THRESHOLD - before) / (now - before);
                *arrival = Some(time - dt + part * dt);
            }
        }
        before = now;
        peak = peak.max(now[1]);
        if step % trace_every == 0 {
            trace.push([time, now[0], now[1]]);
        }
        let front = cable.voltage().iter().rposition(|&v| v >= THRESHOLD);
        let front = front.map_or(0.0, |node| node as f64 / last_node as f64);
        watch(Moment { time, front })?;

        if let [Some(first), Some(second)] = arrival
            && now[1] < THRESHOLD
        {
            if second <= first {
                return Err(Stop::Failed(format!(
                    "0.7 L was excited at {second:.4} ms, not after 0.4 L at {first:.4} ms: the stimulus reached both"
                )));
            }
            let distance = (at[1] - at[0]) as f64 / last_node as f64 * grid.length;
            return Ok(Wave {
                // cm/ms is 10 m/s.
                velocity: 10.0 * distance / (second - first),
                peak,
                rest,
                steps: step,
                trace,
            });
        }
    }
    Err(not_propagated(setup, arrival))
}

fn not_propagated(setup: &Setup, arrival: [Option<f64>; 2]) -> Stop {
    let limit = setup.duration;
    Stop::Failed(match arrival {
        [None, _] => format!(
            "no action potential reached 0.4 L within {limit} ms: the stimulus is too weak or the axon does not conduct at {} degC",
            setup.temperature
        ),
        [Some(first), None] => format!(
            "the action potential passed 0.4 L at {first:.4} ms but did not reach 0.7 L within {limit} ms"
        ),
        [Some(_), Some(second)] => format!(
            "the action potential reached 0.7 L at {second:.4} ms but had not passed it within {limit} ms: allow a longer duration"
        ),
    })
}
