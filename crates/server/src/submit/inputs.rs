//! The inputs of a request, swept ones included, against the ports of its service.

use serde_json::{Map, Value, value::RawValue};
use trefoil_director::{Service, Violation, file_refs, validate_inputs};
use trefoil_jobs::{Axis, Sweep, SweepMode};

use super::{VIOLATIONS_MAX, below, violation};

/// Checks inputs, every swept value included; returns the text, the sweep and the files of all of them.
#[expect(clippy::type_complexity, reason = "three parts of one spec, used once")]
pub(super) fn check_inputs(
    service: &Service,
    tasks_max: u32,
    inputs: Map<String, Value>,
    sweep: Option<(SweepMode, Vec<Axis>)>,
) -> Result<(Box<RawValue>, Option<Sweep>, Vec<String>), Vec<Violation>> {
    let Some((mode, axes)) = sweep else {
        let inputs = validate_inputs(service, inputs).map_err(|found| below("/inputs", found))?;
        let files = files_of(service, &inputs);
        return Ok((raw(&inputs), None, files));
    };
    let sweep = Sweep::new(mode, axes, tasks_max)
        .map_err(|error| vec![violation("/sweep", "sweep", error.to_string())])?;
    let both = sweep
        .axes()
        .iter()
        .filter(|axis| inputs.contains_key(&axis.port));
    let mut violations: Vec<Violation> = both
        .map(|axis| {
            violation(
                &format!("/inputs/{}", axis.port),
                "swept",
                "is swept: give it once".to_owned(),
            )
        })
        .collect();
    // Ports are checked one by one, so each swept value needs to be looked at only once, whatever the combinations.
    let mut base = inputs;
    base.extend(
        sweep
            .task(0)
            .map(|(port, value)| (port.to_owned(), value.clone())),
    );
    let checked = validate_inputs(service, base.clone());
    let mut files = Vec::new();
    let mut axes = sweep.axes().to_vec();
    match checked {
        // What was checked is the first value of each axis beside the inputs.
        Err(found) => {
            violations.extend(found.into_iter().map(|violation| at_axis(violation, &axes)))
        }
        Ok(checked) => {
            files.extend(files_of(service, &checked));
            for axis in &mut axes {
                for (i, value) in axis.values.iter_mut().enumerate() {
                    let mut one = checked.clone();
                    one.insert(axis.port.clone(), value.clone());
                    match validate_inputs(service, one) {
                        Ok(one) => {
                            files.extend(files_of(service, &one));
                            if let Some(normal) = one.get(&axis.port) {
                                *value = normal.clone();
                            }
                        }
                        Err(found) => {
                            let pointer = format!("/sweep/values/{}/{i}", axis.port);
                            violations.extend(found.into_iter().map(|v| Violation {
                                pointer: pointer.clone(),
                                ..v
                            }));
                        }
                    }
                    if violations.len() >= VIOLATIONS_MAX {
                        return Err(violations);
                    }
                }
            }
            base = checked;
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    files.sort_unstable();
    files.dedup();
    let sweep = Sweep::new(mode, axes, tasks_max)
        .map_err(|error| vec![violation("/sweep", "sweep", error.to_string())])?;
    for axis in sweep.axes() {
        base.remove(&axis.port);
    }
    Ok((raw(&base), Some(sweep), files))
}

fn files_of(service: &Service, inputs: &Map<String, Value>) -> Vec<String> {
    let mut files: Vec<String> = file_refs(service, inputs)
        .into_iter()
        .map(|file| file.sha256)
        .collect();
    files.sort_unstable();
    files.dedup();
    files
}

fn raw(value: &Map<String, Value>) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a JSON tree always has a text")
}

/// Puts the place before a violation: the first value of a sweep, or the inputs.
fn at_axis(violation: Violation, axes: &[Axis]) -> Violation {
    let below = |axis: &&Axis| {
        let rest = violation
            .pointer
            .strip_prefix('/')?
            .strip_prefix(&axis.port)?;
        (rest.is_empty() || rest.starts_with('/'))
            .then(|| format!("/sweep/values/{}/0{rest}", axis.port))
    };
    let pointer = axes.iter().find_map(|axis| below(&axis));
    let pointer = pointer.unwrap_or_else(|| format!("/inputs{}", violation.pointer));
    Violation {
        pointer,
        ..violation
    }
}
