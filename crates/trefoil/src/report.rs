//! How errors are shown: a line, its details, and always a hint; or problem JSON with `--json`.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::client::ClientError;
use crate::config::ConfigError;
use crate::failure::{Exit, Failure, StdoutClosed};
use crate::output::{Style, Ui, one_line};

/// Several mistakes of the configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} {}", .0.len(), if .0.len() == 1 { "error" } else { "errors" })]
pub(crate) struct ConfigErrors(pub(crate) Vec<ConfigError>);

/// Shows `error` and gives the exit code for it.
pub(crate) fn failure(ui: &Ui, error: &anyhow::Error) -> ExitCode {
    if error.is::<StdoutClosed>() {
        return Exit::Ok.into();
    }
    let shown = Shown::of(error);
    let text = if ui.json {
        format!("{:#}\n", shown.json)
    } else {
        // What others wrote must not steer a terminal.
        let mut text = format!(
            "{} {}\n",
            ui.styled_err("error:", Style::Red),
            one_line(&shown.message)
        );
        for detail in &shown.details {
            text.push_str(&format!("  {}\n", one_line(detail)));
        }
        if !shown.hint.is_empty() {
            text.push_str(&format!(
                "{} {}\n",
                ui.styled_err("hint:", Style::Cyan),
                one_line(&shown.hint)
            ));
        }
        text
    };
    // Nobody is left to tell when standard error is gone.
    let _ = std::io::stderr().write_all(text.as_bytes());
    shown.exit.into()
}

struct Shown {
    exit: Exit,
    message: String,
    details: Vec<String>,
    hint: String,
    json: Value,
}

impl Shown {
    fn of(error: &anyhow::Error) -> Shown {
        if let Some(error) = error.downcast_ref::<ClientError>() {
            let details = match error {
                ClientError::Problem(problem) | ClientError::Job { problem, .. } => {
                    details_of(&problem.raw, problem.violations())
                }
                _ => Vec::new(),
            };
            return Shown {
                exit: error.exit(),
                message: error.to_string(),
                details,
                hint: error.hint(),
                json: error.to_json(),
            };
        }
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Shown {
                exit: failure.exit,
                message: failure.message.clone(),
                details: Vec::new(),
                hint: failure.hint.clone(),
                json: failure.to_json(),
            };
        }
        if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
            return Shown::of_config(errors);
        }
        let message = format!("{error:#}");
        Shown {
            exit: Exit::Failed,
            json: json!({"type": "urn:trefoil:problem:failed", "title": "failed", "detail": message}),
            message,
            details: Vec::new(),
            hint: "`trefoil doctor` checks this machine and the platform".to_owned(),
        }
    }

    fn of_config(errors: &ConfigErrors) -> Shown {
        let describe = |error: &ConfigError| match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        };
        let list: Vec<Value> = errors.0.iter().map(config_error_json).collect();
        let hint = "correct these, then check with `trefoil config check`".to_owned();
        Shown {
            exit: Exit::Invalid,
            message: errors.to_string(),
            details: errors.0.iter().map(describe).collect(),
            json: json!({
                "type": "urn:trefoil:problem:invalid-configuration",
                "title": "invalid configuration",
                "detail": errors.to_string(),
                "errors": list,
                "hint": hint,
            }),
            hint,
        }
    }
}

/// One mistake for machines.
pub(crate) fn config_error_json(error: &ConfigError) -> Value {
    json!({
        "source": error.source_.to_string(),
        "key": error.key,
        "detail": error.message,
        "hint": error.hint,
    })
}

/// More lines of a log than this hide what the error says.
const LOG_LINES_MAX: usize = 10;

/// The last lines of the log that came with an error of a job.
pub(crate) fn log_tail(error: &Value) -> Vec<&str> {
    let lines = error["log_tail"].as_array().into_iter().flatten();
    let lines: Vec<&str> = lines.filter_map(Value::as_str).collect();
    let skipped = lines.len().saturating_sub(LOG_LINES_MAX);
    lines[skipped..].to_vec()
}

/// Members of a problem that list what there is instead.
const LISTS: &[(&str, &str)] = &[("available", "there are"), ("near", "near names")];

/// What else a problem says: each violation, near names, versions there are, the end of the log.
fn details_of(raw: &serde_json::Map<String, Value>, mut details: Vec<String>) -> Vec<String> {
    // A hint of the platform's has the names already.
    let lists = if raw.contains_key("hint") {
        &[][..]
    } else {
        LISTS
    };
    for (member, title) in lists {
        if let Some(names) = raw.get(*member).and_then(Value::as_array) {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            if !names.is_empty() {
                details.push(format!("{title}: {}", names.join(", ")));
            }
        }
    }
    if let Some(exception) = raw.get("exception") {
        let name = exception["name"].as_str().unwrap_or_default();
        details.push(format!("{name} {}", exception["fields"]));
    }
    let error = raw.get("error").unwrap_or(&Value::Null);
    let tail = log_tail(error);
    if !tail.is_empty() {
        details.push("the log ends:".to_owned());
        details.extend(tail.iter().map(|line| format!("  | {line}")));
    }
    details
}
