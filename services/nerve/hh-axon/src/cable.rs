//! The cable equation with active membrane on a row of equal compartments with sealed ends.
//!
//! Second order in space and time, staggered: the gates live at half steps, the voltage at whole
//! ones (Hines, Int. J. Biomed. Comput. 15 (1984) 69-76). With the gates at t + dt/2 known, the
//! voltage's equation is linear: an implicit half step, then its mirror image (Crank-Nicolson).

use crate::membrane::{CAPACITANCE, Gates};

/// Geometry and discretisation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// Diameter, cm.
    pub(crate) diameter: f64,
    /// Axial resistivity, Ω·cm.
    pub(crate) resistivity: f64,
    /// Length, cm.
    pub(crate) length: f64,
    /// Nodes of the grid, ends included.
    pub(crate) nodes: usize,
    /// Time step, ms.
    pub(crate) dt: f64,
    /// Speed-up of the gates against 6.3 °C.
    pub(crate) speed_up: f64,
}

/// State of the axon.
#[derive(Debug)]
pub(crate) struct Cable {
    voltage: Vec<f64>,
    gates: Vec<Gates>,
    /// Axial conductance between neighbours for the membrane area of one node, mS/cm².
    axial: f64,
    /// Capacitance over half a step, mS/cm².
    inertia: f64,
    /// One step in the gates' own time, ms of 6.3 °C.
    gate_step: f64,
    /// Scratch of the elimination: what is left right of the diagonal, and the right-hand side.
    upper: Vec<f64>,
    right: Vec<f64>,
}

impl Cable {
    /// The axon at rest.
    #[must_use]
    pub(crate) fn at_rest(grid: &Grid, resting_voltage: f64) -> Self {
        let spacing = grid.length / (grid.nodes - 1) as f64;
        let siemens = grid.diameter / (4.0 * grid.resistivity * spacing * spacing);
        Self {
            voltage: vec![resting_voltage; grid.nodes],
            gates: vec![Gates::steady(resting_voltage); grid.nodes],
            axial: 1e3 * siemens,
            inertia: 2.0 * CAPACITANCE / grid.dt,
            gate_step: grid.dt * grid.speed_up,
            upper: vec![0.0; grid.nodes],
            right: vec![0.0; grid.nodes],
        }
    }

    /// The voltage along the axon, mV.
    #[must_use]
    pub(crate) fn voltage(&self) -> &[f64] {
        &self.voltage
    }

    /// Advances one step with `stimulus` µA/cm² injected into the first `stimulated` nodes.
    pub(crate) fn step(&mut self, stimulus: f64, stimulated: usize) {
        let last = self.voltage.len() - 1;
        let (mut upper, mut right) = (0.0, 0.0);
        for i in 0..=last {
            let v = self.voltage[i];
            self.gates[i] = self.gates[i].advance(v, self.gate_step);
            let (conductance, drive) = self.gates[i].conductance_and_drive();
            let injected = if i < stimulated { stimulus } else { 0.0 };
            // An end node has half the area, so its one neighbour counts twice.
            let lower = match i {
                0 => 0.0,
                _ if i == last => 2.0 * self.axial,
                _ => self.axial,
            };
            let above = match i {
                0 => 2.0 * self.axial,
                _ if i == last => 0.0,
                _ => self.axial,
            };
            // Forward elimination; the matrix is diagonally dominant, so no pivot is needed.
            let diagonal = self.inertia + conductance + 2.0 * self.axial + lower * upper;
            upper = -above / diagonal;
            right = (self.inertia * v + drive + injected + lower * right) / diagonal;
            self.upper[i] = upper;
            self.right[i] = right;
        }
        let mut middle = self.right[last];
        self.voltage[last] = 2.0 * middle - self.voltage[last];
        for i in (0..last).rev() {
            middle = self.right[i] - self.upper[i] * middle;
            self.voltage[i] = 2.0 * middle - self.voltage[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membrane::resting_voltage;

    fn grid(dt: f64) -> Grid {
        Grid {
            diameter: 0.0476,
            resistivity: 35.4,
            length: 2.0,
            nodes: 101,
            dt,
            speed_up: 1.0,
        }
    }

    #[test]
    fn rest_stays_rest() {
        let rest = resting_voltage();
        let mut cable = Cable::at_rest(&grid(0.01), rest);
        for _ in 0..1000 {
            cable.step(0.0, 0);
        }
        for v in cable.voltage() {
            assert!((v - rest).abs() < 1e-9, "{v}");
        }
    }

    #[test]
    fn a_small_current_decays_over_the_length_constant() {
        // A passive check: near rest the membrane is almost ohmic, so a weak steady current into
        // the end decays with distance; neighbours' ratio is the same all along but at the ends.
        let rest = resting_voltage();
        let mut cable = Cable::at_rest(
            &Grid {
                length: 6.0,
                ..grid(0.01)
            },
            rest,
        );
        for _ in 0..20_000 {
            cable.step(0.01, 1);
        }
        let dv: Vec<f64> = cable.voltage().iter().map(|v| v - rest).collect();
        assert!(dv[0] > 0.0 && dv[0] < 0.1);
        let (near, far) = (dv[11] / dv[10], dv[31] / dv[30]);
        assert!((near - far).abs() < 1e-3, "{near} {far}");
        assert!(near < 0.99);
    }

    #[test]
    fn the_scheme_is_of_second_order_in_time() {
        // Richardson: halving dt must quarter the difference to the next halving.
        let at = |steps: usize| {
            let dt = 0.8 / steps as f64;
            let mut cable = Cable::at_rest(&grid(dt), resting_voltage());
            for _ in 0..steps {
                cable.step(150.0, 101);
            }
            cable.voltage()[50]
        };
        let (a, b, c) = (at(100), at(200), at(400));
        let order = ((a - b) / (b - c)).abs().log2();
        assert!((1.8..2.3).contains(&order), "order {order}: {a} {b} {c}");
    }
}
