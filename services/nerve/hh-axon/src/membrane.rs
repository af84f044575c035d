//! The squid giant axon's membrane: Hodgkin & Huxley, J. Physiol. 117 (1952) 500-544, in today's
//! sign convention with a rest of about −65 mV. Millivolts, milliseconds, mS/cm², µA/cm².

/// Membrane capacitance, µF/cm².
pub(crate) const CAPACITANCE: f64 = 1.0;
const G_NA: f64 = 120.0;
const G_K: f64 = 36.0;
const G_LEAK: f64 = 0.3;
const E_NA: f64 = 50.0;
const E_K: f64 = -77.0;
const E_LEAK: f64 = -54.387;

/// The rates were measured at this temperature, °C …
const RATES_AT: f64 = 6.3;
/// … and are this much faster for each 10 °C more.
const Q10: f64 = 3.0;

/// How much faster the gates move at `celsius` than at 6.3 °C.
#[must_use]
pub(crate) fn speed_up(celsius: f64) -> f64 {
    Q10.powf((celsius - RATES_AT) / 10.0)
}

/// Opening and closing rate of one gate, 1/ms.
#[derive(Debug, Clone, Copy)]
struct Rate {
    alpha: f64,
    beta: f64,
}

impl Rate {
    fn steady(self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// The gate after `time`, exact while the voltage holds still.
    fn advance(self, gate: f64, time: f64) -> f64 {
        let steady = self.steady();
        steady + (gate - steady) * (-(self.alpha + self.beta) * time).exp()
    }
}

/// `x / (1 − exp(−x / k))`, which at `x = 0` is `k`, not 0/0.
fn linoid(x: f64, k: f64) -> f64 {
    let z = x / k;
    if z.abs() < 1e-6 {
        return k * (1.0 + z / 2.0);
    }
    k * z / -(-z).exp_m1()
}

fn rate_m(v: f64) -> Rate {
    Rate {
        alpha: 0.1 * linoid(v + 40.0, 10.0),
        beta: 4.0 * (-(v + 65.0) / 18.0).exp(),
    }
}

fn rate_h(v: f64) -> Rate {
    Rate {
        alpha: 0.07 * (-(v + 65.0) / 20.0).exp(),
        beta: 1.0 / (1.0 + (-(v + 35.0) / 10.0).exp()),
    }
}

fn rate_n(v: f64) -> Rate {
    Rate {
        alpha: 0.01 * linoid(v + 55.0, 10.0),
        beta: 0.125 * (-(v + 65.0) / 80.0).exp(),
    }
}

/// The three gates of a patch of membrane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gates {
    m: f64,
    h: f64,
    n: f64,
}

impl Gates {
    /// The gates after a long time at `v`.
    #[must_use]
    pub(crate) fn steady(v: f64) -> Self {
        Self {
            m: rate_m(v).steady(),
            h: rate_h(v).steady(),
            n: rate_n(v).steady(),
        }
    }

    /// The gates after `time` at `v`; `time` is in milliseconds of 6.3 °C.
    #[must_use]
    pub(crate) fn advance(self, v: f64, time: f64) -> Self {
        Self {
            m: rate_m(v).advance(self.m, time),
            h: rate_h(v).advance(self.h, time),
            n: rate_n(v).advance(self.n, time),
        }
    }

    /// The ionic current is `conductance · v − drive`; gives the two.
    #[must_use]
    pub(crate) fn conductance_and_drive(self) -> (f64, f64) {
        let na = G_NA * self.m * self.m * self.m * self.h;
        let k = G_K * self.n.powi(4);
        let conductance = na + k + G_LEAK;
        (conductance, na * E_NA + k * E_K + G_LEAK * E_LEAK)
    }
}

/// The voltage at which no net current flows, found by bisection.
#[must_use]
pub(crate) fn resting_voltage() -> f64 {
    let outward = |v: f64| {
        let (conductance, drive) = Gates::steady(v).conductance_and_drive();
        conductance * v - drive
    };
    // The steady current rises through zero once between the potassium and leak potentials' reach.
    let (mut low, mut high) = (E_K, -50.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if outward(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_the_values_of_the_paper() {
        // At rest alpha_n, alpha_m and alpha_h of the 1952 paper: V = 0 there.
        let v = -65.0;
        let e = std::f64::consts::E;
        assert!((rate_n(v).alpha - 0.1 / (e - 1.0)).abs() < 1e-12);
        assert!((rate_m(v).alpha - 2.5 / (2.5f64.exp() - 1.0)).abs() < 1e-12);
        assert!((rate_h(v).alpha - 0.07).abs() < 1e-12);
        assert!((rate_n(v).beta - 0.125).abs() < 1e-12);
        assert!((rate_m(v).beta - 4.0).abs() < 1e-12);
        assert!((rate_h(v).beta - 1.0 / (3f64.exp() + 1.0)).abs() < 1e-12);
    }

    #[test]
    fn removable_singularities_are_removed() {
        for (rate, v, limit) in [(rate_m(-40.0), -40.0, 1.0), (rate_n(-55.0), -55.0, 0.1)] {
            assert!((rate.alpha - limit).abs() < 1e-12, "at {v}");
        }
        let beside = (rate_m(-40.0 + 1.1e-5).alpha - rate_m(-40.0 + 0.9e-5).alpha) / 2e-6;
        assert!((beside - 0.05).abs() < 1e-3, "slope {beside}");
    }

    #[test]
    fn rest_is_at_minus_65_mv_and_is_a_rest() {
        let v = resting_voltage();
        assert!((v + 65.0).abs() < 0.01, "{v}");
        let (conductance, drive) = Gates::steady(v).conductance_and_drive();
        assert!((conductance * v - drive).abs() < 1e-9);
        let moved = Gates::steady(v).advance(v, 1.0);
        assert!((moved.m - Gates::steady(v).m).abs() < 1e-12);
    }

    #[test]
    fn ten_degrees_are_three_times_as_fast() {
        assert!((speed_up(6.3) - 1.0).abs() < 1e-12);
        assert!((speed_up(16.3) - 3.0).abs() < 1e-12);
    }
}
