//! Waiting for jobs: `wait`, `watch`, `events`, `result`, `rerun --wait`, and `call`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::client::events::{Event, Events};
use crate::client::{Answer, Client, ClientError, Problem, pages};
use crate::command::jobs::{exit_of, is_terminal, path_of, show};
use crate::command::services::words;
use crate::command::text_of;
use crate::failure::Exit;
use crate::interrupt;
use crate::output::{Style, Ui, one_line, percent};
use crate::progress::JobProgress;

/// Longer waits than this would overflow the clock; it means for ever.
const WAIT_MAX: u64 = 100 * 365 * 24 * 3600;

/// A moment from now, if there is a limit.
pub(crate) fn deadline(seconds: Option<u64>) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(seconds?.min(WAIT_MAX)))
}

/// Waits until job `id` has ended, showing progress, and gives it.
pub(crate) fn until_ended(
    ui: &Ui,
    client: &Client,
    id: &str,
    limit: Option<u64>,
    until: Option<Instant>,
) -> anyhow::Result<Value> {
    interrupt::say_on_interrupt(format!(
        "job {id} goes on; see it with `trefoil jobs watch {id}`"
    ));
    let mut progress = JobProgress::new(ui, &short(id));
    let mut events = Events::new(client, format!("{}/events", path_of(id)), None).until(until);
    loop {
        match events.next() {
            Ok(Some(event)) => feed(&mut progress, &event),
            Ok(None) => break,
            Err(error) => return Err(ran_out(error, limit, until, id).into()),
        }
    }
    drop(progress);
    Ok(client.get(&path_of(id)).send()?.json()?)
}

/// The end of an id: the start of a UUIDv7 is the time, which neighbours share.
fn short(id: &str) -> String {
    let from = id.chars().count().saturating_sub(8);
    id.chars().skip(from).collect()
}

/// A limit of ours that ran out is not the platform's silence.
fn ran_out(
    error: ClientError,
    limit: Option<u64>,
    until: Option<Instant>,
    id: &str,
) -> ClientError {
    match (&error, limit, until) {
        (ClientError::NoAnswer { .. }, Some(seconds), Some(until)) if Instant::now() >= until => {
            let id = id.to_owned();
            ClientError::WaitRanOut { seconds, id }
        }
        _ => error,
    }
}

fn feed(progress: &mut JobProgress<'_>, event: &Event) {
    // An event of a later version that is no JSON is no reason to stop waiting.
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
        return;
    };
    match event.name.as_str() {
        "state" => progress.state(&show::state_line(&data)),
        "progress" => {
            let share = data["progress"].as_f64().unwrap_or_default();
            let message = data["message"].as_str().map(one_line);
            progress.share(share, message.as_deref());
        }
        "tasks" => {
            let (done, total) = tasks_done(&data);
            if total > 0 {
                let message = format!("{done} of {total} tasks");
                progress.share(done as f64 / total as f64, Some(&message));
            }
        }
        _ => {}
    }
}

/// How many tasks of a sweep have ended, of how many.
fn tasks_done(data: &Value) -> (u64, u64) {
    let counts = data.get("tasks").unwrap_or(data);
    let count = |name: &str| counts[name].as_u64().unwrap_or_default();
    let done = count("succeeded") + count("failed") + count("canceled");
    (done, count("total"))
}

/// `trefoil jobs wait`.
pub(crate) fn run(
    ui: &Ui,
    client: &Client,
    ids: &[String],
    timeout: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let until = deadline(timeout);
    let mut worst = Exit::Ok;
    let mut jobs = Vec::new();
    for id in ids {
        let job = until_ended(ui, client, id, timeout, until)?;
        worst = worse(worst, exit_of(&job));
        if !ui.json {
            ui.line(&verdict(ui, &job))?;
        }
        jobs.push(job);
    }
    match (ui.json, jobs.as_slice()) {
        (false, _) => {}
        (true, [one]) => ui.document(one)?,
        (true, many) => ui.document(&json!({ "items": many }))?,
    }
    Ok(worst.into())
}

/// One failure among many is a failure; a time limit shows only when nothing else failed.
fn worse(a: Exit, b: Exit) -> Exit {
    match (a, b) {
        (Exit::Ok, other) | (other, Exit::Ok) => other,
        (a, b) if a == b => a,
        _ => Exit::Failed,
    }
}

/// `ID failed application: exit status 3`.
fn verdict(ui: &Ui, job: &Value) -> String {
    let state = text_of(job, "state");
    let painted = ui.styled(&state, Style::of_state(&state));
    let line = format!("{} {painted} {}", text_of(job, "id"), show::error_line(job));
    line.trim_end().to_owned()
}

/// `trefoil jobs events`.
pub(crate) fn events(ui: &Ui, client: &Client, id: &str, after: Option<u64>) -> anyhow::Result<()> {
    let mut events = Events::new(client, format!("{}/events", path_of(id)), after);
    while let Some(event) = events.next()? {
        match ui.json {
            true => ui.json_line(&event_json(&event))?,
            false => ui.line(&format!("{}\t{}", event.name, event.data))?,
        }
    }
    Ok(())
}

/// An event as one object: its name beside its data.
fn event_json(event: &Event) -> Value {
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(event.name));
    match serde_json::from_str(&event.data) {
        Ok(Value::Object(data)) => object.extend(data),
        Ok(data) => drop(object.insert("data".to_owned(), data)),
        Err(_) => drop(object.insert("data".to_owned(), json!(event.data))),
    }
    Value::Object(object)
}

/// `trefoil jobs watch`.
pub(crate) fn watch(ui: &Ui, client: &Client, id: &str) -> anyhow::Result<ExitCode> {
    // Lines are the output here, so plain progress lines beside them would say it twice.
    let mut quiet = ui.clone();
    quiet.quiet |= !ui.bars;
    interrupt::say_on_interrupt(format!("job {id} goes on"));
    let mut progress = JobProgress::new(&quiet, &short(id));
    let mut events = Events::new(client, format!("{}/events", path_of(id)), None);
    while let Some(event) = events.next()? {
        feed(&mut progress, &event);
        progress.suspend(|| match ui.json {
            true => ui.json_line(&event_json(&event)),
            false => match describe(&event) {
                // A bar shows it already.
                Some(_) if ui.bars && event.name != "state" => Ok(()),
                Some(line) => ui.line(&line),
                None => Ok(()),
            },
        })?;
    }
    drop(progress);
    let job: Value = client.get(&path_of(id)).send()?.json()?;
    if !ui.json && exit_of(&job) != Exit::Ok {
        ui.line(&verdict(ui, &job))?;
    }
    Ok(exit_of(&job).into())
}

fn describe(event: &Event) -> Option<String> {
    let data: Value = serde_json::from_str(&event.data).ok()?;
    match event.name.as_str() {
        "state" => {
            let line = format!("{} {}", text_of(&data, "at"), show::state_line(&data));
            Some(match data["attempt"].as_u64() {
                Some(attempt) if attempt > 0 => format!("{line} attempt {attempt}"),
                _ => line,
            })
        }
        "progress" => {
            let share = percent(data["progress"].as_f64().unwrap_or_default());
            Some(
                format!("{share} {}", one_line(&text_of(&data, "message")))
                    .trim_end()
                    .to_owned(),
            )
        }
        "tasks" => {
            let (done, total) = tasks_done(&data);
            Some(format!("{done} of {total} tasks"))
        }
        _ => None,
    }
}

/// `trefoil jobs result`.
pub(crate) fn result(
    ui: &Ui,
    client: &Client,
    id: &str,
    wait: Option<u64>,
    swept: bool,
    limit: Option<u64>,
) -> anyhow::Result<()> {
    if wait.is_some() {
        let until = deadline(wait);
        until_ended(ui, client, id, wait, until)?;
    }
    let document = outputs(client, id, swept, limit)?;
    ui.document(&document)
}

/// The outputs of a job that has ended.
///
/// # Errors
///
/// [`ClientError::Job`] when it has not succeeded.
pub(crate) fn outputs(
    client: &Client,
    id: &str,
    swept: bool,
    limit: Option<u64>,
) -> Result<Value, ClientError> {
    let path = format!("{}/result", path_of(id));
    let call = || {
        client
            .get(&path)
            .query_opt("swept", swept.then_some("true"))
    };
    let first = call()
        .query_opt("limit", limit.map(|limit| limit.clamp(1, 1000).to_string()))
        .send();
    match first {
        Ok(answer) => {
            let value: Value = answer.json()?;
            // Only a sweep pages; an output port named `next` is a member beside no `items` list.
            let is_page = value["items"].is_array() && value["next"].is_string();
            let more = limit.is_none_or(|limit| limit > 1000);
            if is_page && more && is_sweep(client, id)? {
                let page = pages::collect(limit, None, call)?;
                return Ok(json!({"items": page.items, "next": page.next}));
            }
            Ok(value)
        }
        Err(ClientError::Problem(problem)) => Err(explain(client, id, problem)),
        Err(error) => Err(error),
    }
}

fn is_sweep(client: &Client, id: &str) -> Result<bool, ClientError> {
    let job: Value = client.get(&path_of(id)).send()?.json()?;
    Ok(job["tasks"].is_object())
}

/// The statuses of a failed job's result are those of a synchronous call (503, 504, …). Here the
/// request went well and the job did not, so the job gives the exit code.
fn explain(client: &Client, id: &str, mut problem: Box<Problem>) -> ClientError {
    let Ok(job) = client
        .get(&path_of(id))
        .send()
        .and_then(Answer::json::<Value>)
    else {
        return ClientError::Problem(problem);
    };
    let state = text_of(&job, "state");
    if state == "succeeded" {
        return ClientError::Problem(problem);
    }
    if !is_terminal(&state) {
        // The platform's hint is about headers.
        problem.raw.remove("hint");
        problem.hint = Some(format!(
            "it is {}; wait with `trefoil jobs wait {id}`",
            show::state_line(&job)
        ));
        let exit = Exit::Conflict;
        return ClientError::Job { problem, exit };
    }
    problem.hint.get_or_insert(format!(
        "see `trefoil jobs show {id}` and `trefoil jobs logs {id}`"
    ));
    if let Some(error) = job.get("error") {
        problem.raw.entry("error").or_insert_with(|| error.clone());
    }
    problem.raw.entry("job").or_insert_with(|| json!(id));
    ClientError::Job {
        problem,
        exit: exit_of(&job),
    }
}

/// `trefoil jobs rerun --wait`.
pub(crate) fn rerun(ui: &Ui, client: &Client, job: &Value) -> anyhow::Result<ExitCode> {
    let id = text_of(job, "id");
    let job = until_ended(ui, client, &id, None, None)?;
    let identical = job["rerun"]["identical"].as_bool();
    if ui.json {
        ui.document(&job)?;
    } else {
        let line = match identical {
            Some(true) => format!("{id} outputs identical"),
            Some(false) => format!(
                "{id} outputs differ: {}",
                words(&job["rerun"]["differences"])
            ),
            None => verdict(ui, &job),
        };
        ui.line(&line)?;
    }
    Ok(match (exit_of(&job), identical) {
        (Exit::Ok, Some(false)) => Exit::Failed.into(),
        (exit, _) => exit.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Event, describe, event_json, short, worse};
    use crate::failure::Exit;

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_as_lines_and_objects() {
        let state = event(
            "state",
            r#"{"revision":3,"state":"running","attempt":1,"at":"T"}"#,
        );
        assert_eq!(describe(&state).unwrap(), "T running attempt 1");
        assert_eq!(event_json(&state)["event"], "state");
        assert_eq!(event_json(&state)["revision"], 3);
        let progress = event("progress", r#"{"progress":0.42,"message":"half"}"#);
        assert_eq!(describe(&progress).unwrap(), "42% half");
        let tasks = event("tasks", r#"{"total":4,"succeeded":2,"failed":1}"#);
        assert_eq!(describe(&tasks).unwrap(), "3 of 4 tasks");
        assert_eq!(describe(&event("later", "{}")), None);
        assert_eq!(
            event_json(&event("x", "no json")),
            json!({"event": "x", "data": "no json"})
        );
    }

    #[test]
    fn the_end_of_an_id_tells_jobs_apart() {
        assert_eq!(short("01890a5d-ac96-774b-bcce-b302099a8057"), "099a8057");
        assert_eq!(short("ä"), "ä");
    }

    #[test]
    fn one_failure_among_many_is_a_failure() {
        assert_eq!(worse(Exit::Ok, Exit::TimedOut), Exit::TimedOut);
        assert_eq!(worse(Exit::TimedOut, Exit::Failed), Exit::Failed);
        assert_eq!(worse(Exit::Ok, Exit::Ok), Exit::Ok);
    }
}
