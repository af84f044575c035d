//! `trefoil jobs`.

pub(crate) mod logs;
pub(crate) mod show;
pub(crate) mod submit;
pub(crate) mod wait;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::JobsCommand;
use crate::cli::jobs::ListArgs;
use crate::client::{Client, encode_path, pages};
use crate::command::text_of;
use crate::failure::Exit;
use crate::output::Ui;

/// Runs `trefoil jobs …`.
pub(crate) fn run(ui: &Ui, client: &Client, command: JobsCommand) -> anyhow::Result<ExitCode> {
    match command {
        JobsCommand::Ls(args) => list(ui, client, &args)?,
        JobsCommand::Show { id } => {
            let job: Value = client.get(&path_of(&id)).send()?.json()?;
            show::job(ui, &job)?;
        }
        JobsCommand::Result {
            id,
            wait,
            swept,
            limit,
        } => wait::result(ui, client, &id, wait, swept, limit)?,
        JobsCommand::Inputs { id } => document(ui, client, &id, "inputs")?,
        JobsCommand::Logs(args) => logs::run(ui, client, &args)?,
        JobsCommand::Wait { ids, timeout } => return wait::run(ui, client, &ids, timeout),
        JobsCommand::Cancel { ids, reason } => cancel(ui, client, &ids, reason.as_deref())?,
        JobsCommand::Retry { id } => {
            let job = again(client, &id, "retry")?;
            submit::announce(ui, &job)?;
        }
        JobsCommand::Rerun { id, wait } => {
            let job = again(client, &id, "rerun")?;
            if wait {
                return wait::rerun(ui, client, &job);
            }
            submit::announce(ui, &job)?;
        }
        JobsCommand::Watch { id } => return wait::watch(ui, client, &id),
        JobsCommand::Events { id, after } => wait::events(ui, client, &id, after)?,
        JobsCommand::Attempts { id } => {
            let path = format!("{}/attempts", path_of(&id));
            let answer: Value = client.get(&path).send()?.json()?;
            show::attempts(ui, &answer)?;
        }
        JobsCommand::Tasks { id, state, limit } => {
            let path = format!("{}/tasks", path_of(&id));
            let page = pages::collect(limit, None, || {
                let call = client.get(&path);
                state
                    .iter()
                    .fold(call, |call, state| call.query("state", state))
            })?;
            show::jobs(ui, &page, "no tasks")?;
        }
        JobsCommand::Provenance { id } => document(ui, client, &id, "provenance")?,
        JobsCommand::Rm { ids } => {
            for id in &ids {
                client.delete(&path_of(id)).send()?;
                if !ui.json {
                    ui.line(&format!("{id} removed"))?;
                }
            }
            if ui.json {
                ui.document(&json!({ "removed": ids }))?;
            }
        }
        JobsCommand::Submit(args) => submit::run(ui, client, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a job.
pub(crate) fn path_of(id: &str) -> String {
    format!("/v1/jobs/{}", encode_path(id))
}

/// Whether a job in this state will never change again.
pub(crate) fn is_terminal(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "canceled")
}

/// The exit code that the end of a job means.
pub(crate) fn exit_of(job: &Value) -> Exit {
    let class = job["error"]["class"].as_str();
    match (job["state"].as_str(), class) {
        (Some("succeeded"), _) => Exit::Ok,
        (Some("failed"), Some("timed_out" | "expired")) => Exit::TimedOut,
        _ => Exit::Failed,
    }
}

/// What is JSON for people too.
fn document(ui: &Ui, client: &Client, id: &str, member: &str) -> anyhow::Result<()> {
    let path = format!("{}/{member}", path_of(id));
    let answer: Value = client.get(&path).send()?.json()?;
    ui.document(&answer)
}

fn again(client: &Client, id: &str, verb: &str) -> anyhow::Result<Value> {
    let path = format!("{}:{verb}", path_of(id));
    Ok(client.post(&path).send()?.json()?)
}

fn cancel(ui: &Ui, client: &Client, ids: &[String], reason: Option<&str>) -> anyhow::Result<()> {
    let mut jobs = Vec::new();
    for id in ids {
        let call = client.post(&format!("{}:cancel", path_of(id)));
        let call = match reason {
            Some(reason) => call.json(&json!({ "reason": reason })),
            None => call,
        };
        let job: Value = call.send()?.json()?;
        if !ui.json {
            ui.line(&format!("{id} {}", text_of(&job, "state")))?;
        }
        jobs.push(job);
    }
    match (ui.json, jobs.as_slice()) {
        (false, _) => Ok(()),
        (true, [one]) => ui.document(one),
        (true, many) => ui.document(&json!({ "items": many })),
    }
}

fn list(ui: &Ui, client: &Client, args: &ListArgs) -> anyhow::Result<()> {
    let limit = (!args.all).then_some(args.limit);
    let page = pages::collect(limit, args.cursor.as_deref(), || {
        let mut call = client
            .get("/v1/jobs")
            .query_opt("service", args.service.as_deref())
            .query_opt("submitter", args.of.as_deref())
            .query_opt("parent", args.parent.as_deref())
            .query_opt("batch", args.batch.as_deref())
            .query_opt("created_after", args.created_after.as_deref())
            .query_opt("created_before", args.created_before.as_deref())
            .query_opt("order", args.oldest.then_some("asc"));
        for state in &args.state {
            call = call.query("state", state);
        }
        for label in &args.label {
            call = call.query("label", label);
        }
        call
    })?;
    show::jobs(ui, &page, "no such jobs")
}
