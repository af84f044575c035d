//! `trefoil call`.
//!
//! Every call is submitted to be answered at once and then watched: the job is durable before
//! anything is shown, progress can be shown, and Ctrl-C or `--wait` leave a job that can be taken
//! up again. A method of a contract is no job: the platform answers with what it returned.

use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::CallArgs;
use crate::client::{Answer, Client, ClientError, encode_path};
use crate::command::files::upload::upload;
use crate::command::jobs::{submit, wait};
use crate::command::{read_text, text_of};
use crate::failure::Failure;
use crate::inputs::{insert_new, parse_assignment, split_assignment};
use crate::output::{Style, Ui, one_line};
use crate::target::Target;

/// Runs `trefoil call`.
pub(crate) fn run(ui: &Ui, client: &Client, args: CallArgs) -> anyhow::Result<ExitCode> {
    let inputs = inputs(ui, client, &args)?;
    let inputs = Value::Object(inputs);
    let mut target = args.target.clone();
    let answer = match send(client, &args, &target, &inputs) {
        // `a/b/step` may be the service `a/b/step`, or `step` of the service `a/b`.
        Err(error) if is_unknown_service(&error) => match target.other() {
            Some(other) => {
                target = other;
                send(client, &args, &target, &inputs).map_err(|second| {
                    if is_unknown_service(&second) {
                        error
                    } else {
                        second
                    }
                })?
            }
            None => return Err(error.into()),
        },
        answer => answer?,
    };
    warn_of_deprecation(ui, &target, &answer);
    let status = answer.status();
    let job = match answer.json_if_any()? {
        Some(job) if status == 202 => job,
        Some(returned) => {
            ui.document(&returned)?;
            return Ok(ExitCode::SUCCESS);
        }
        // The method returns nothing, or nobody waits for what it returns.
        None => {
            if ui.json {
                ui.document(&Value::Null)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    if args.detach {
        submit::announce(ui, &job)?;
        return Ok(ExitCode::SUCCESS);
    }
    let id = text_of(&job, "id");
    wait::until_ended(ui, client, &id, args.wait, wait::deadline(args.wait))?;
    let outputs = wait::outputs(client, &id, false, None)?;
    ui.document(&outputs)?;
    Ok(ExitCode::SUCCESS)
}

/// The platform says that the method should no longer be used.
fn warn_of_deprecation(ui: &Ui, target: &Target, answer: &Answer) {
    let Some(since) = answer.header("deprecation") else {
        return;
    };
    let day = |seconds: i64| Some(Timestamp::from_second(seconds).ok()?.strftime("%Y-%m-%d"));
    let since = since.strip_prefix('@').and_then(|it| it.parse().ok());
    let since = since.filter(|seconds| *seconds > 0).and_then(day);
    let since = since.map_or_else(String::new, |day| format!(" since {day}"));
    let end = answer.header("sunset").map_or_else(String::new, |end| {
        format!(", and may be gone from {} on", one_line(end))
    });
    let word = ui.styled_err("warning:", Style::Yellow);
    let (service, method) = (&target.service, &target.method);
    ui.note(&format!(
        "{word} {service}/{method} is deprecated{since}{end}"
    ));
    ui.note(&format!(
        "hint: `trefoil contract show {service}` says what to use instead"
    ));
}

fn send(
    client: &Client,
    args: &CallArgs,
    target: &Target,
    inputs: &Value,
) -> Result<Answer, ClientError> {
    let path = format!(
        "/v1/call/{}/{}",
        encode_path(&target.service),
        encode_path(&target.method)
    );
    let deadline_ms = args
        .deadline
        .map(|seconds| (seconds * 1000.0).ceil() as u64);
    // A refusal may come before the inputs were read, and then the connection is of no more use.
    let may_ask_again = target.other().is_some();
    client
        .post(&path)
        .header_opt("connection", may_ask_again.then_some("close"))
        .header("prefer", "respond-async")
        .header_opt("idempotency-key", args.idempotency_key.as_deref())
        .header_opt("trefoil-priority", args.priority.map(|n| n.to_string()))
        .header_opt("deadline-ms", deadline_ms.map(|n| n.to_string()))
        .json(inputs)
        .send()
}

/// There is no such service, or none with such a path to it.
fn is_unknown_service(error: &ClientError) -> bool {
    let ClientError::Problem(problem) = error else {
        return false;
    };
    matches!(&*problem.name, "service-not-found" | "no-such-resource")
}

/// The inputs of all sources. A port may come from one of them only.
fn inputs(ui: &Ui, client: &Client, args: &CallArgs) -> anyhow::Result<Map<String, Value>> {
    let mut inputs = match &args.inputs_file {
        None => Map::new(),
        Some(path) => object(path)?,
    };
    for text in &args.inputs {
        let (name, value) = parse_assignment(text)?;
        insert_new(&mut inputs, name, value)?;
    }
    // Names first: nothing is uploaded for a call that is wrong.
    let mut uploads = Vec::new();
    for text in &args.files {
        let (port, path) = split_assignment(text, "--file mesh=./head.stl")?;
        insert_new(&mut inputs, port.to_owned(), Value::Null)?;
        uploads.push((port, Path::new(path)));
    }
    for (port, path) in uploads {
        let file = upload(ui, client, path, None, "application/octet-stream")?;
        let mut reference = json!({ "sha256": file["sha256"] });
        let own_name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = own_name {
            reference["name"] = json!(name);
        }
        inputs.insert(port.to_owned(), reference);
    }
    Ok(inputs)
}

/// An object that is given as such, or by the file that it is in.
fn object(given: &Path) -> Result<Map<String, Value>, Failure> {
    let inline = given.to_str().filter(|text| text.starts_with('{'));
    let (text, name) = match inline {
        Some(text) => (text.to_owned(), "the object of inputs".to_owned()),
        None => (read_text(given)?, given.display().to_string()),
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(inputs)) => Ok(inputs),
        Ok(_) => Err(Failure::invalid(
            format!("{name} is JSON but no object"),
            "write the inputs as {\"port\": value}",
        )),
        Err(error) => Err(Failure::invalid(
            format!("{name} is not JSON: {error}"),
            "write the inputs as {\"port\": value}",
        )),
    }
}
