//! Jobs and attempts as tables and fields.

use serde_json::Value;

use crate::client::pages::Page;
use crate::command::services::{field, words};
use crate::command::text_of;
use crate::output::{Cell, Style, Table, Ui, human_size, one_line, percent};

/// The counts of a sweep's tasks, in the order of a job's life.
const TASK_COUNTS: [&str; 6] = [
    "total",
    "waiting",
    "running",
    "succeeded",
    "failed",
    "canceled",
];

/// The state with the reason a job waits, for one line.
pub(crate) fn state_line(job: &Value) -> String {
    let state = text_of(job, "state");
    let reason = job.get("reason").unwrap_or(&Value::Null);
    let (code, detail) = (text_of(reason, "code"), text_of(reason, "detail"));
    // Shown on terminals: what a program or a platform wrote must not steer them.
    one_line(&match (code.is_empty(), detail.is_empty()) {
        (true, _) => state,
        (false, true) => format!("{state} ({code})"),
        (false, false) => format!("{state} ({code}: {detail})"),
    })
}

/// `application: exit status 3`.
pub(crate) fn error_line(job: &Value) -> String {
    let error = job.get("error").unwrap_or(&Value::Null);
    one_line(
        &match (text_of(error, "class"), text_of(error, "message")) {
            (class, message) if class.is_empty() => message,
            (class, message) => format!("{class}: {message}"),
        },
    )
}

fn share(job: &Value) -> String {
    job["progress"].as_f64().map(percent).unwrap_or_default()
}

/// A page of jobs.
pub(crate) fn jobs(ui: &Ui, page: &Page, nothing: &str) -> anyhow::Result<()> {
    if ui.json {
        return ui.document(page);
    }
    let mut table = Table::new(&[
        "ID",
        "STATE",
        "SERVICE",
        "SUBMITTER",
        "DONE",
        "CREATED",
        "NAME",
    ]);
    for job in &page.items {
        table.row([
            text_of(job, "id").into(),
            Cell::state(&text_of(job, "state")),
            text_of(job, "service").into(),
            text_of(job, "submitter").into(),
            share(job).into(),
            text_of(job, "created_at").into(),
            text_of(job, "name").into(),
        ]);
    }
    match table.is_empty() {
        true => ui.note(nothing),
        false => ui.table(&table)?,
    }
    if page.next.is_some() {
        ui.note("there are more; raise --limit, or take --all");
    }
    Ok(())
}

/// One job.
pub(crate) fn job(ui: &Ui, job: &Value) -> anyhow::Result<()> {
    if ui.json {
        return ui.document(job);
    }
    let state = text_of(job, "state");
    let title = text_of(job, "id");
    ui.line(&ui.styled(&title, Style::Bold))?;
    let painted = ui.styled(&state, Style::of_state(&state));
    // Padded by hand: `field` would strip the colour.
    ui.line(&format!(
        "{:<12} {}",
        "state",
        state_line(job).replacen(&state, &painted, 1)
    ))?;
    for (label, member) in [
        ("name", "name"),
        ("service", "service"),
        ("submitter", "submitter"),
        ("priority", "priority"),
        ("attempt", "attempt"),
        ("message", "message"),
        ("created", "created_at"),
        ("not before", "not_before"),
        ("queued", "queued_at"),
        ("started", "started_at"),
        ("ended", "ended_at"),
        ("deadline", "deadline"),
        ("parent", "parent"),
        ("index", "index"),
        ("batch", "batch"),
        ("retry of", "retry_of"),
        ("rerun of", "rerun_of"),
    ] {
        let value = text_of(job, member);
        if !value.is_empty() {
            ui.line(&field(label, &value))?;
        }
    }
    if let Some(labels) = job["labels"]
        .as_object()
        .filter(|labels| !labels.is_empty())
    {
        let labels: Vec<String> = labels
            .keys()
            .map(|key| format!("{key}:{}", text_of(&job["labels"], key)))
            .collect();
        ui.line(&field("labels", &labels.join(" ")))?;
    }
    if !share(job).is_empty() {
        ui.line(&field("progress", &share(job)))?;
    }
    if job["tasks"].is_object() {
        let counts: Vec<String> = TASK_COUNTS
            .iter()
            .filter_map(|name| Some(format!("{} {name}", job["tasks"][name].as_u64()?)))
            .collect();
        ui.line(&field("tasks", &counts.join(", ")))?;
    }
    if let Some(rerun) = job.get("rerun").filter(|rerun| rerun.is_object()) {
        let verdict = match rerun["identical"].as_bool() {
            Some(true) => "outputs identical".to_owned(),
            Some(false) => format!("outputs differ: {}", words(&rerun["differences"])),
            None => "the original was deleted, there is nothing to compare with".to_owned(),
        };
        ui.line(&field("rerun", &verdict))?;
    }
    error(ui, job)
}

fn error(ui: &Ui, job: &Value) -> anyhow::Result<()> {
    let Some(error) = job.get("error").filter(|error| error.is_object()) else {
        return Ok(());
    };
    ui.line(&field("error", &error_line(job)))?;
    for (label, member) in [
        ("exit code", "exit_code"),
        ("signal", "signal"),
        ("limit", "limit"),
        ("port", "port"),
        ("hint", "hint"),
    ] {
        let value = text_of(error, member);
        if !value.is_empty() {
            ui.line(&field(label, &value))?;
        }
    }
    for line in crate::report::log_tail(error) {
        ui.line(&field("  |", line))?;
    }
    Ok(())
}

/// The attempts of a job.
pub(crate) fn attempts(ui: &Ui, answer: &Value) -> anyhow::Result<()> {
    if ui.json {
        return ui.document(answer);
    }
    let mut table = Table::new(&[
        "ATTEMPT", "STATE", "STARTED", "ENDED", "EXIT", "LOG", "ERROR",
    ]);
    for attempt in answer["items"].as_array().into_iter().flatten() {
        let exit = match (text_of(attempt, "exit_code"), text_of(attempt, "signal")) {
            (code, signal) if code.is_empty() && !signal.is_empty() => format!("signal {signal}"),
            (code, _) => code,
        };
        let log = attempt["log_bytes"].as_u64().unwrap_or_default();
        table.row([
            text_of(attempt, "attempt").into(),
            Cell::state(&text_of(attempt, "state")),
            text_of(attempt, "started_at").into(),
            text_of(attempt, "ended_at").into(),
            exit.into(),
            match ui.terminal {
                true => human_size(log),
                false => log.to_string(),
            }
            .into(),
            error_line(attempt).into(),
        ]);
    }
    match table.is_empty() {
        true => ui.note("no attempt yet"),
        false => ui.table(&table)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{error_line, state_line};
    use crate::command::jobs::exit_of;
    use crate::failure::Exit;

    #[test]
    fn a_waiting_job_says_why() {
        assert_eq!(state_line(&json!({"state": "running"})), "running");
        assert_eq!(
            state_line(&json!({"state": "queued", "reason": {"code": "slots"}})),
            "queued (slots)"
        );
        assert_eq!(
            state_line(&json!({"state": "queued", "reason": {"code": "no-worker", "detail": "x"}})),
            "queued (no-worker: x)"
        );
    }

    #[test]
    fn the_end_of_a_job_gives_the_exit_code() {
        let failed =
            |class: &str| json!({"state": "failed", "error": {"class": class, "message": "m"}});
        assert_eq!(exit_of(&json!({"state": "succeeded"})), Exit::Ok);
        assert_eq!(exit_of(&failed("application")), Exit::Failed);
        assert_eq!(exit_of(&failed("lost")), Exit::Failed);
        assert_eq!(exit_of(&failed("timed_out")), Exit::TimedOut);
        assert_eq!(exit_of(&failed("expired")), Exit::TimedOut);
        assert_eq!(exit_of(&json!({"state": "canceled"})), Exit::Failed);
        assert_eq!(error_line(&failed("lost")), "lost: m");
    }
}
