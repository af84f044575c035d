//! Contracts of services that were written without one: `run` with typed inputs and outputs, from the ports of
//! `metadata.yml`.
//!
//! A derived contract is text first, which can be shown and given to any Thrift compiler, and is then loaded as any other.
//! Numbers of fields do not depend on the other ports nor on their order, so that a version which has one more port is
//! compatible with what was compiled against the version before.

mod names;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    contract::{CONTRACT_FILE, ServiceContract},
    inputs::{Violation, escape},
    metadata::Metadata,
    port::{Port, Ports},
    problem::Problem,
    service::Service,
};
use text::Form;

/// Runs the service and returns its outputs.
pub const RUN_METHOD: &str = "run";
/// Begins a job and returns its id.
pub const SUBMIT_METHOD: &str = "submit";
/// Waits for the end of a job and returns its outputs.
pub const RESULT_METHOD: &str = "result";

/// Fields from here on are numbered by their names; those before are of ports that have a number for a name.
const HASHED: u16 = 1_000;
/// The largest number of a field.
const FIELD_MAX: u16 = i16::MAX.unsigned_abs();

const FILE: &str = "\
/** A file: `sha256` or `href` of one that was uploaded over REST, or the `content` of an input. Outputs are downloaded over REST. */
struct File {
  /** Hexadecimal SHA-256 of its content. */
  1: optional string sha256
  /** Where it is, below the platform's address: /v1/files/{sha256}. */
  2: optional string href
  /** Its name. */
  3: optional string name
  /** Its media type. */
  4: optional string media_type (api.key = \"type\")
  /** How many bytes it has. */
  5: optional i64 size
  /** Its content, which is kept as that of an upload. Outputs have none. */
  6: optional binary content
}

";

const FAILED: &str = "\
/** The job did not succeed. */
exception Failed {
  /** Whose fault it is: application, temporary, timed_out, lost, rejected, expired, upstream, bad_outputs, or canceled. */
  1: required string failure_class (api.key = \"class\")
  /** What happened. */
  2: required string message
  /** The program's exit code. */
  3: optional i32 exit_code
  /** The job. */
  4: string job
  /** The signal that ended the program. */
  5: optional i32 signal
  /** The time limit that was met. */
  6: optional string limit
  /** The port that is to blame. */
  7: optional string port
  /** What to do next. */
  8: optional string hint
  /** The last lines of the log. */
  9: optional list<string> log_tail
}

";

const METHODS: &str = "  \
  /**
   * Runs it and returns its outputs. When the time of the call is over before, the job goes on, and the error names it:
   * `result` waits for it again.
   */
  Outputs run(1: Inputs inputs) throws (1: Failed failed)
  /** Begins a job, which is on disk when its id is returned. */
  string submit(1: Inputs inputs)
  /** Waits for the end of a job and returns its outputs. */
  Outputs result(1: string job) throws (1: Failed failed) (trefoil.safe = \"true\")
";

/// The contract of a service that has ports only.
///
/// # Errors
///
/// What is wrong with the text, which is never expected.
pub(crate) fn derive(metadata: &Metadata) -> Result<ServiceContract, Vec<Problem>> {
    let files = [(
        CONTRACT_FILE.to_owned(),
        contract_text(metadata).into_bytes(),
    )]
    .into();
    let (contract, _) = ServiceContract::load(CONTRACT_FILE, &files)?;
    Ok(contract.into_derived())
}

/// The text of a derived contract.
fn contract_text(metadata: &Metadata) -> String {
    let mut out = String::with_capacity(4_096);
    let service = names::of_service(&metadata.key);
    let about = format!(
        "{}, version {}: {}\n\nDerived from the ports in its metadata.yml.",
        metadata.name.trim(),
        metadata.version,
        metadata.description.trim()
    );
    text::comment(&mut out, "", &about);
    out.push_str(&format!(
        "namespace * {}\n\n",
        names::namespace(&metadata.key)
    ));
    if metadata
        .inputs
        .iter()
        .chain(&metadata.outputs)
        .any(|port| port.kind.is_file())
    {
        out.push_str(FILE);
    }
    write_struct(&mut out, "Inputs", &metadata.inputs);
    write_struct(&mut out, "Outputs", &metadata.outputs);
    out.push_str(FAILED);
    text::comment(&mut out, "", &metadata.description);
    out.push_str(&format!("service {service} {{\n{METHODS}}}"));
    out.push_str(&text::annotations(&[
        ("trefoil.key", metadata.key.to_string()),
        ("trefoil.version", metadata.version.to_string()),
    ]));
    out.push('\n');
    out
}

fn write_struct(out: &mut String, name: &str, ports: &Ports) {
    out.push_str(&format!("struct {name} {{\n"));
    let names = names::of_ports(ports);
    let numbers = numbers(ports);
    for ((port, name), number) in ports.iter().zip(names).zip(numbers) {
        write_field(out, port, &name, number);
    }
    out.push_str("}\n\n");
}

fn write_field(out: &mut String, port: &Port, name: &str, number: u16) {
    let form = Form::of(&port.kind);
    let default = port.default.as_ref().filter(|default| !default.is_null());
    let constant = default.and_then(|default| form.constant(default));
    text::comment(
        out,
        "  ",
        &about(port, &form, default.filter(|_| constant.is_none())),
    );
    let requiredness = if port.required {
        "required"
    } else {
        "optional"
    };
    out.push_str(&format!(
        "  {number}: {requiredness} {} {name}",
        form.name()
    ));
    if let Some(constant) = constant {
        out.push_str(&format!(" = {constant}"));
    }
    let mut annotations = Vec::new();
    if name != port.key {
        annotations.push(("api.key", port.key.clone()));
    }
    if port.label != port.key {
        annotations.push(("trefoil.label", port.label.clone()));
    }
    if let Some(unit) = &port.unit {
        annotations.push(("trefoil.unit", unit.clone()));
    }
    match form {
        Form::File => annotations.push(("trefoil.type", port.kind.to_string())),
        Form::Json => annotations.push(("trefoil.json", "true".to_owned())),
        Form::Double | Form::I64 | Form::Bool | Form::Text | Form::List(_) => {}
    }
    out.push_str(&text::annotations(&annotations));
    out.push('\n');
}

/// What is said about a port: label, unit and description, and what its type does not say.
fn about(port: &Port, form: &Form, default: Option<&Value>) -> String {
    let unit = port
        .unit
        .as_ref()
        .map(|unit| format!(" ({unit})"))
        .unwrap_or_default();
    let mut about = format!("{}{unit}", port.label.trim());
    if !port.description.trim().is_empty() {
        about = format!("{about}: {}", port.description.trim());
    }
    if *form == Form::Json {
        about.push_str("\nJSON text.");
    }
    if let Some(default) = default {
        about.push_str(&format!("\nIf it is not given: {default}"));
    }
    about
}

/// The number of each port's field: that of `input_3` and `output_3` is 3, that of others comes of the key.
fn numbers(ports: &Ports) -> Vec<u16> {
    let mut used = BTreeSet::new();
    let mut by_key: Vec<(&str, u16)> = ports.keys().map(|key| (key, 0)).collect();
    // Of two keys that hash to one number the first by name has it, in whatever order they are shown.
    by_key.sort_unstable();
    for (key, number) in &mut by_key {
        *number = own_number(key).unwrap_or_else(|| {
            let mut number = hashed_number(key);
            while used.contains(&number) {
                number = if number == FIELD_MAX {
                    HASHED
                } else {
                    number + 1
                };
            }
            number
        });
        used.insert(*number);
    }
    let number_of = |key: &str| {
        by_key
            .binary_search_by_key(&key, |(key, _)| key)
            .map(|at| by_key[at].1)
    };
    ports.keys().filter_map(|key| number_of(key).ok()).collect()
}

fn own_number(key: &str) -> Option<u16> {
    let digits = key
        .strip_prefix("input_")
        .or_else(|| key.strip_prefix("output_"))?;
    // Otherwise `input_01` would be `input_1`.
    if digits.starts_with(['0', '+']) {
        return None;
    }
    digits.parse().ok().filter(|number| *number < HASHED)
}

fn hashed_number(key: &str) -> u16 {
    let hash = Sha256::digest(key.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    HASHED + (number % u32::from(FIELD_MAX - HASHED + 1)) as u16
}

/// The inputs of a call of a derived method, as [`crate::validate_inputs`] takes them: JSON texts become what they say.
///
/// # Errors
///
/// Every text that is not JSON.
pub fn derived_inputs(
    service: &Service,
    mut inputs: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Violation>> {
    let mut violations = Vec::new();
    for port in json_ports(&service.metadata.inputs) {
        let Some(Value::String(text)) = inputs.get(&port.key) else {
            continue;
        };
        match serde_json::from_str(text) {
            Ok(value) => {
                inputs.insert(port.key.clone(), value);
            }
            Err(error) => violations.push(Violation {
                pointer: format!("/{}", escape(&port.key)),
                rule: "json".to_owned(),
                detail: format!("is not JSON text: {error}"),
            }),
        }
    }
    if violations.is_empty() {
        Ok(inputs)
    } else {
        Err(violations)
    }
}

/// The outputs of a job in the form of a derived contract: what Thrift has no type for becomes JSON text.
///
/// # Errors
///
/// If they are not an object.
pub fn derived_outputs(service: &Service, outputs: &str) -> serde_json::Result<String> {
    if json_ports(&service.metadata.outputs).next().is_none() {
        return Ok(outputs.to_owned());
    }
    let mut outputs: Map<String, Value> = serde_json::from_str(outputs)?;
    for port in json_ports(&service.metadata.outputs) {
        if let Some(value) = outputs.get_mut(&port.key) {
            *value = Value::String(value.to_string());
        }
    }
    Ok(Value::Object(outputs).to_string())
}

fn json_ports(ports: &Ports) -> impl Iterator<Item = &Port> {
    ports
        .iter()
        .filter(|port| Form::of(&port.kind) == Form::Json)
}
