//! The member `sweep` of a submission: which inputs take which values.

use serde_json::Value;
use trefoil_jobs::{Axis, SweepMode};

use crate::extract::{Members, escape};

/// Values that one sweep may spell out together: a few bytes of body can ask for any number of them.
const VALUES_MAX: u64 = 2_000_000;
/// So near to a whole number of steps counts as one: `[0, 1, 0.1]` has eleven values, whatever 0.1 is as a double.
const STEP_SLACK: f64 = 1e-9;
/// Doubles up to here hold whole numbers exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads the member; `None` if it is not there, or something is wrong with it.
pub(super) fn read(members: &mut Members<'_>, tasks_max: u32) -> Option<(SweepMode, Vec<Axis>)> {
    let mut members = members.inner("sweep")?;
    let mode = match members.text("mode").as_deref() {
        None | Some("product") => SweepMode::Product,
        Some("zip") => SweepMode::Zip,
        Some(_) => {
            members.wrong("mode", "enum", "expected product or zip");
            SweepMode::Product
        }
    };
    let values = members.take("values");
    let axes = match values {
        Some(Value::Object(values)) => Some(values),
        Some(_) => {
            members.wrong("values", "type", "expected an object: input to its values");
            None
        }
        None => {
            members.wrong(
                "values",
                "required",
                "`values` is missing: which inputs take which values?",
            );
            None
        }
    };
    let mut read = Vec::new();
    let mut left = VALUES_MAX.min(u64::from(tasks_max).saturating_mul(8));
    let mut whole = axes.is_some();
    for (port, given) in axes.unwrap_or_default() {
        let counted = Series::of(given).and_then(|series| {
            let count = series.count();
            match left.checked_sub(count) {
                Some(rest) if count <= u64::from(tasks_max) => left = rest,
                _ => return Err(format!("these are {count} values, too many for one sweep")),
            }
            Ok(series.values())
        });
        match counted {
            Ok(values) => read.push(Axis { port, values }),
            Err(detail) => {
                whole = false;
                let name = format!("values/{}", escape(&port));
                members.wrong_at(&name, "axis", detail);
            }
        }
    }
    members.end();
    whole.then_some((mode, read))
}

/// The values of one input, before they are spelled out.
enum Series {
    List(Vec<Value>),
    /// From, to, how many.
    Linear(f64, f64, u64),
    /// The same, by equal factors.
    Geometric(f64, f64, u64),
    /// From, step, how many.
    Steps(f64, f64, u64),
}

impl Series {
    fn of(given: Value) -> Result<Self, String> {
        const EXPECTED: &str = "expected a list, {\"linspace\": [from, to, count]}, {\"logspace\": [from, to, count]} or \
             {\"range\": [from, to, step]}";
        let object = match given {
            Value::Array(values) if values.is_empty() => return Err("it has no values".to_owned()),
            Value::Array(values) => return Ok(Self::List(values)),
            Value::Object(object) if object.len() == 1 => object,
            _ => return Err(EXPECTED.to_owned()),
        };
        let Some((name, Value::Array(numbers))) = object.iter().next() else {
            return Err(EXPECTED.to_owned());
        };
        let numbers: Vec<f64> = numbers.iter().filter_map(Value::as_f64).collect();
        let three: Result<[f64; 3], _> = numbers.try_into();
        match (name.as_str(), three) {
            ("linspace", Ok([from, to, count])) => Ok(Self::Linear(from, to, whole_count(count)?)),
            ("logspace", Ok([from, to, count])) if from > 0.0 && to > 0.0 => {
                Ok(Self::Geometric(from, to, whole_count(count)?))
            }
            ("logspace", Ok(_)) => {
                Err("logspace goes from one positive number to another".to_owned())
            }
            ("range", Ok([from, to, step])) => {
                let steps = (to - from) / step;
                if !steps.is_finite() || steps < 0.0 {
                    return Err(format!("no steps of {step} lead from {from} to {to}"));
                }
                // More than a u64 saturates, and is too many in any case.
                Ok(Self::Steps(
                    from,
                    step,
                    ((steps + STEP_SLACK).floor() as u64).saturating_add(1),
                ))
            }
            ("linspace" | "logspace" | "range", Err(_)) => {
                Err(format!("`{name}` takes three numbers"))
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::List(values) => values.len() as u64,
            Self::Linear(_, _, count) | Self::Geometric(_, _, count) | Self::Steps(_, _, count) => {
                *count
            }
        }
    }

    fn values(self) -> Vec<Value> {
        // Both ends are met exactly; between them, rounding may err in the last digit.
        let between = |from: f64, to: f64, count: u64, at: &dyn Fn(f64) -> f64| {
            let value = |i: u64| match i {
                0 => from,
                i if i + 1 == count => to,
                i => at(i as f64 / (count - 1) as f64),
            };
            (0..count).map(value).map(number).collect()
        };
        match self {
            Self::List(values) => values,
            Self::Linear(from, to, count) => between(from, to, count, &|t| {
                match to - from {
                    span if span.is_finite() => from + span * t,
                    // Two ends of which each fits, and their distance does not.
                    _ => from * (1.0 - t) + to * t,
                }
            }),
            Self::Geometric(from, to, count) => between(from, to, count, &|t| match to / from {
                factor if factor.is_normal() => from * factor.powf(t),
                _ => (from.ln() * (1.0 - t) + to.ln() * t).exp(),
            }),
            Self::Steps(from, step, count) => {
                (0..count).map(|i| number(from + step * i as f64)).collect()
            }
        }
    }
}

fn whole_count(count: f64) -> Result<u64, String> {
    if count >= 1.0 && count.fract() == 0.0 {
        Ok(count as u64)
    } else {
        Err("the count must be a whole number from 1".to_owned())
    }
}

/// A whole number is written as one: inputs that are integers can be swept too.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(given: Value) -> Value {
        Series::of(given).map_or_else(Value::from, |series| Value::Array(series.values()))
    }

    #[test]
    fn series_are_spelled_out() {
        assert_eq!(values(json!([1, "a"])), json!([1, "a"]));
        assert_eq!(
            values(json!({"linspace": [10, 1000, 100]}))[99],
            json!(1000)
        );
        assert_eq!(
            values(json!({"linspace": [0, 1, 5]})),
            json!([0, 0.25, 0.5, 0.75, 1])
        );
        assert_eq!(values(json!({"linspace": [3, 9, 1]})), json!([3]));
        assert_eq!(
            values(json!({"logspace": [1, 100, 3]})),
            json!([1, 10, 100])
        );
        // The distance of the ends is more than a double holds, their middle is not.
        assert_eq!(
            values(json!({"linspace": [-1e308, 1e308, 3]})),
            json!([-1e308, 0, 1e308])
        );
        let wide = values(json!({"logspace": [1e-300, 1e300, 3]}));
        assert!((wide[1].as_f64().unwrap() - 1.0).abs() < 1e-9, "{wide}");
        assert_eq!(
            values(json!({"range": [0, 1, 0.1]}))
                .as_array()
                .unwrap()
                .len(),
            11
        );
        assert_eq!(values(json!({"range": [5, 0, -2]})), json!([5, 3, 1]));
        assert_eq!(values(json!({"range": [1, 1, 7]})), json!([1]));
    }

    #[test]
    fn odd_series_are_refused() {
        let refused = [
            json!([]),
            json!(5),
            json!({}),
            json!({"linspace": [1, 2]}),
            json!({"linspace": [1, 2, 0]}),
            json!({"linspace": [1, 2, 1.5]}),
            json!({"linspace": [1, "2", 3]}),
            json!({"logspace": [0, 1, 3]}),
            json!({"range": [0, 1, 0]}),
            json!({"range": [0, 1, -1]}),
            json!({"lins": [0, 1, 2]}),
            json!({"linspace": [0, 1, 2], "range": [0, 1, 1]}),
        ];
        for given in refused {
            assert!(Series::of(given.clone()).is_err(), "{given}");
        }
    }

    #[test]
    fn a_few_bytes_cannot_ask_for_the_whole_memory() {
        let mut found = Vec::new();
        let check = |values: Value, found: &mut Vec<_>| {
            let mut members = Members::of(
                json!({"sweep": {"mode": "zip", "values": values}}),
                "",
                found,
            )
            .unwrap();
            read(&mut members, 1_000_000)
        };
        assert!(check(json!({"a": {"linspace": [0, 1, 1e18]}}), &mut found).is_none());
        assert!(check(json!({"a": {"range": [0, 1e300, 1]}}), &mut found).is_none());
        let axis = json!({"linspace": [0, 1, 1_000_000]});
        assert!(check(json!({"a": axis, "b": axis, "c": axis}), &mut found).is_none());
        let pointers: Vec<&str> = found
            .iter()
            .map(|violation| violation.pointer.as_str())
            .collect();
        assert_eq!(
            pointers,
            ["/sweep/values/a", "/sweep/values/a", "/sweep/values/c"]
        );
    }
}
