//! Parameter sweeps: one definition, many tasks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the axes are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SweepMode {
    /// Every combination; the last axis varies fastest.
    #[default]
    Product,
    /// The n-th values together.
    Zip,
}

/// One swept input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The input port.
    pub port: String,
    /// Its values, in order.
    pub values: Vec<Value>,
}

/// A whole sweep, with at least one axis and one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    mode: SweepMode,
    axes: Vec<Axis>,
}

/// Why a sweep was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// Nothing is swept.
    #[error("a sweep needs at least one input to sweep")]
    NoAxis,
    /// An axis has no value.
    #[error("the sweep of input '{0}' has no values")]
    EmptyAxis(String),
    /// A zip of different lengths.
    #[error(
        "a zip needs equally many values: '{first}' has {first_count}, '{other}' has {other_count}"
    )]
    UnequalZip {
        /// The first axis.
        first: String,
        /// Its length.
        first_count: usize,
        /// An axis that differs.
        other: String,
        /// Its length.
        other_count: usize,
    },
    /// Too many combinations.
    #[error("the sweep has {count} tasks, more than the {limit} allowed (jobs.sweep_tasks_max)")]
    TooMany {
        /// How many it would be; saturating.
        count: u64,
        /// How many there may be.
        limit: u32,
    },
}

impl Sweep {
    /// Checks the shape and the size of a sweep.
    ///
    /// # Errors
    ///
    /// [`SweepError`] names the axis.
    pub fn new(mode: SweepMode, axes: Vec<Axis>, tasks_max: u32) -> Result<Self, SweepError> {
        let Some(first) = axes.first() else {
            return Err(SweepError::NoAxis);
        };
        if let Some(empty) = axes.iter().find(|axis| axis.values.is_empty()) {
            return Err(SweepError::EmptyAxis(empty.port.clone()));
        }
        let count = match mode {
            SweepMode::Product => axes.iter().fold(1u64, |count, axis| {
                count.saturating_mul(axis.values.len() as u64)
            }),
            SweepMode::Zip => {
                if let Some(other) = axes
                    .iter()
                    .find(|axis| axis.values.len() != first.values.len())
                {
                    return Err(SweepError::UnequalZip {
                        first: first.port.clone(),
                        first_count: first.values.len(),
                        other: other.port.clone(),
                        other_count: other.values.len(),
                    });
                }
                first.values.len() as u64
            }
        };
        if count > u64::from(tasks_max) {
            return Err(SweepError::TooMany {
                count,
                limit: tasks_max,
            });
        }
        Ok(Self { mode, axes })
    }

    /// The swept inputs.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many tasks there are.
    #[must_use]
    pub fn task_count(&self) -> u32 {
        let count = match self.mode {
            SweepMode::Product => self.axes.iter().map(|axis| axis.values.len()).product(),
            SweepMode::Zip => self.axes[0].values.len(),
        };
        u32::try_from(count).expect("checked against a u32 limit when it was made")
    }

    /// The port and value of each axis for one task.
    pub fn task(&self, index: u32) -> impl Iterator<Item = (&str, &Value)> {
        let mut rest = index as usize;
        let mut chosen = vec![0; self.axes.len()];
        for (slot, axis) in chosen.iter_mut().zip(&self.axes).rev() {
            match self.mode {
                SweepMode::Product => {
                    *slot = rest % axis.values.len();
                    rest /= axis.values.len();
                }
                SweepMode::Zip => *slot = index as usize,
            }
        }
        self.axes
            .iter()
            .zip(chosen)
            .map(|(axis, i)| (axis.port.as_str(), &axis.values[i]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn axis(port: &str, values: &[i64]) -> Axis {
        Axis {
            port: port.to_owned(),
            values: values.iter().map(|value| json!(value)).collect(),
        }
    }

    fn tasks(sweep: &Sweep) -> Vec<Vec<i64>> {
        (0..sweep.task_count())
            .map(|i| {
                sweep
                    .task(i)
                    .map(|(_, value)| value.as_i64().unwrap())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn product_varies_the_last_axis_fastest() {
        let sweep = Sweep::new(
            SweepMode::Product,
            vec![axis("a", &[1, 2]), axis("b", &[10, 20, 30])],
            6,
        )
        .unwrap();
        assert_eq!(
            tasks(&sweep),
            [[1, 10], [1, 20], [1, 30], [2, 10], [2, 20], [2, 30]]
        );
    }

    #[test]
    fn zip_pairs_values() {
        let sweep = Sweep::new(
            SweepMode::Zip,
            vec![axis("a", &[1, 2]), axis("b", &[10, 20])],
            2,
        )
        .unwrap();
        assert_eq!(tasks(&sweep), [[1, 10], [2, 20]]);
    }

    #[test]
    fn odd_sweeps_are_refused_with_the_reason() {
        let refused = |mode, axes, max| Sweep::new(mode, axes, max).unwrap_err().to_string();
        assert_eq!(
            refused(SweepMode::Product, vec![], 9),
            "a sweep needs at least one input to sweep"
        );
        assert_eq!(
            refused(SweepMode::Zip, vec![axis("a", &[])], 9),
            "the sweep of input 'a' has no values"
        );
        let unequal = refused(SweepMode::Zip, vec![axis("a", &[1]), axis("b", &[1, 2])], 9);
        assert_eq!(
            unequal,
            "a zip needs equally many values: 'a' has 1, 'b' has 2"
        );
        let many = vec![axis("a", &[0; 1000]); 30];
        assert!(refused(SweepMode::Product, many, 9).contains(&format!("{} tasks", u64::MAX)));
    }
}
