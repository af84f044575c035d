//! `trefoil services`.

pub(crate) mod publish;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::ServicesCommand;
use crate::client::{Client, encode_path, pages};
use crate::command::text_of;
use crate::failure::Failure;
use crate::output::{Cell, Style, Table, Ui, one_line};

/// Runs `trefoil services …`.
pub(crate) fn run(ui: &Ui, client: &Client, command: ServicesCommand) -> anyhow::Result<ExitCode> {
    match command {
        ServicesCommand::Ls {
            key,
            kind,
            state,
            limit,
        } => {
            let page = pages::collect(limit, None, || {
                client
                    .get("/v1/services")
                    .query_opt("key", key.as_deref())
                    .query_opt("type", kind.as_deref())
                    .query_opt("state", state.as_deref())
            })?;
            list(ui, &page)?;
        }
        ServicesCommand::Show { service } => {
            let service: Value = client.get(&path_of(&service)).send()?.json()?;
            match ui.json {
                true => ui.document(&service)?,
                false => show(ui, &service)?,
            }
        }
        ServicesCommand::Publish {
            path,
            replace,
            files,
            key,
            version,
            force,
            include,
        } => {
            let how = publish::How { replace, force };
            match publish::contract_in(&path) {
                Some(file) => {
                    let id = (key, version);
                    publish::contract::run(ui, client, &file, &include, id, how)?;
                }
                None if key.is_some() || version.is_some() => {
                    return Err(Failure::invalid(
                        "--key and --version are for contracts without metadata.yml",
                        "write key and version in metadata.yml",
                    )
                    .into());
                }
                None => publish::run(ui, client, &path, how, &files)?,
            }
        }
        ServicesCommand::Rm { service } => {
            exact(&service)?;
            client.delete(&path_of(&service)).send()?;
            done(ui, &service, "retired")?;
        }
        ServicesCommand::Pause { service } => switch(ui, client, &service, "pause")?,
        ServicesCommand::Resume { service } => switch(ui, client, &service, "resume")?,
        ServicesCommand::Versions { key } => {
            let answer: Value = client
                .get(&format!("{}/versions", path_of(&key)))
                .send()?
                .json()?;
            if ui.json {
                ui.document(&answer)?;
            } else {
                for version in answer["items"].as_array().into_iter().flatten() {
                    ui.line(version.as_str().unwrap_or_default())?;
                }
            }
        }
        ServicesCommand::Match {
            from,
            to,
            output,
            input,
        } => matches(ui, client, &from, &to, output.as_deref(), input.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn path_of(service: &str) -> String {
    format!("/v1/services/{}", encode_path(service))
}

/// Changes are made to one version, never to whatever is newest.
pub(crate) fn exact(service: &str) -> Result<(&str, &str), Failure> {
    match service.rsplit_once(':') {
        Some((key, version)) if !key.is_empty() && !version.is_empty() => Ok((key, version)),
        _ => Err(Failure::invalid(
            format!("`{service}` names no version"),
            format!("write KEY:VERSION; `trefoil services versions {service}` lists them"),
        )),
    }
}

fn done(ui: &Ui, service: &str, state: &str) -> anyhow::Result<()> {
    match ui.json {
        true => ui.document(&json!({"service": service, "state": state})),
        false => ui.line(&format!("{service} {state}")),
    }
}

fn switch(ui: &Ui, client: &Client, service: &str, verb: &str) -> anyhow::Result<()> {
    exact(service)?;
    let path = format!("{}:{verb}", path_of(service));
    let answer: Value = client.post(&path).send()?.json()?;
    match ui.json {
        true => ui.document(&answer),
        false => ui.line(&format!("{service} {}", text_of(&answer, "state"))),
    }
}

fn list(ui: &Ui, page: &pages::Page) -> anyhow::Result<()> {
    if ui.json {
        return ui.document(page);
    }
    let mut table = Table::new(&["KEY", "VERSION", "TYPE", "STATE", "SOURCE", "NAME"]);
    for service in &page.items {
        table.row([
            text_of(service, "key").into(),
            text_of(service, "version").into(),
            text_of(service, "type").into(),
            Cell::state(&text_of(service, "state")),
            text_of(service, "source").into(),
            text_of(service, "name").into(),
        ]);
    }
    if table.is_empty() {
        ui.note("no services; publish one with `trefoil services publish DIR`");
    } else {
        ui.table(&table)?;
    }
    let broken = page.rest.get("broken").and_then(Value::as_array);
    for problem in broken.into_iter().flatten() {
        let word = ui.styled_err("broken:", Style::Yellow);
        let detail = broken_line(problem);
        ui.note(&format!("{word} {detail}"));
    }
    if page.next.is_some() {
        ui.note("there are more; raise --limit");
    }
    Ok(())
}

/// `dir/metadata.yml:1:6: key: upper-case letters are not allowed (for example `nerve/hh-axon`)`.
fn broken_line(problem: &Value) -> String {
    let text = |member| text_of(problem, member);
    let mut line = text("file");
    for part in [text("line"), text("column")] {
        if !part.is_empty() {
            line.push_str(&format!(":{part}"));
        }
    }
    for part in [text("field"), text("reason")] {
        if !part.is_empty() {
            line.push_str(&format!(": {part}"));
        }
    }
    match text("hint") {
        hint if hint.is_empty() => one_line(&line),
        hint => one_line(&format!("{line} ({hint})")),
    }
}

fn show(ui: &Ui, service: &Value) -> anyhow::Result<()> {
    let title = format!(
        "{}:{}",
        text_of(service, "key"),
        text_of(service, "version")
    );
    ui.line(&ui.styled(&title, Style::Bold))?;
    let run = service.get("run").unwrap_or(&Value::Null);
    let workers = service.get("workers").unwrap_or(&Value::Null);
    let runs_here = match workers.get("able") {
        Some(Value::Bool(false)) => format!("nowhere: {}", text_of(workers, "reason")),
        Some(Value::Number(count)) if count.as_u64() == Some(0) => {
            format!("nowhere: {}", text_of(workers, "reason"))
        }
        _ => "here".to_owned(),
    };
    for (label, value) in [
        ("name", text_of(service, "name")),
        ("description", text_of(service, "description")),
        ("contact", text_of(service, "contact")),
        ("type", text_of(service, "type")),
        ("state", text_of(service, "state")),
        ("source", text_of(service, "source")),
        ("digest", text_of(service, "digest")),
        ("run", text_of(run, "kind")),
        ("command", words(&run["command"])),
        ("resources", text_of(run, "resources")),
        ("runs", runs_here),
    ] {
        if !value.is_empty() {
            ui.line(&field(label, &value))?;
        }
    }
    for (member, title) in [("inputs", "Inputs"), ("outputs", "Outputs")] {
        let ports = service.get(member).and_then(Value::as_object);
        let Some(ports) = ports.filter(|ports| !ports.is_empty()) else {
            continue;
        };
        ui.line("")?;
        ui.line(&ui.styled(title, Style::Bold))?;
        let mut table = Table::new(&["PORT", "TYPE", "UNIT", "DEFAULT", "LABEL"]);
        let mut ports: Vec<(&String, &Value)> = ports.iter().collect();
        // As the author ordered them; the rest behind, by name.
        ports.sort_by(|(_, a), (_, b)| {
            let order = |port: &Value| port["display_order"].as_f64().unwrap_or(f64::MAX);
            order(a).total_cmp(&order(b))
        });
        for (name, port) in ports {
            let default = match port.get("default") {
                Some(default) => default.to_string(),
                None if member == "inputs" && port["required"] == true => "(required)".to_owned(),
                None => String::new(),
            };
            table.row([
                name.clone().into(),
                text_of(port, "type").into(),
                text_of(port, "unit").into(),
                default.into(),
                text_of(port, "label").into(),
            ]);
        }
        ui.table(&table)?;
    }
    Ok(())
}

/// A list of texts for reading.
pub(crate) fn words(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten();
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    words.join(" ")
}

/// A labelled line of a `show` command.
pub(crate) fn field(label: &str, value: &str) -> String {
    format!("{label:<12} {}", one_line(value))
}

fn matches(
    ui: &Ui,
    client: &Client,
    from: &str,
    to: &str,
    output: Option<&str>,
    input: Option<&str>,
) -> anyhow::Result<()> {
    let call = match input {
        // Which outputs may feed this one input: asked from the giving side.
        Some(input) => {
            let (key, version) = exact(to)?;
            client
                .get(&format!("{}/outputs:match", path_of(from)))
                .query("toService", key)
                .query("toVersion", version)
                .query("toInput", input)
        }
        None => {
            let (key, version) = exact(from)?;
            client
                .get(&format!("{}/inputs:match", path_of(to)))
                .query("fromService", key)
                .query("fromVersion", version)
                .query_opt("fromOutput", output)
        }
    };
    let answer: Value = call.send()?.json()?;
    if ui.json {
        return ui.document(&answer);
    }
    let port = |pair: &Value, side: &str| text_of(&pair[side], "port");
    let mut table = Table::new(&["OUTPUT", "INPUT", "FITS", "WHY"]);
    for pair in answer["pairs"].as_array().into_iter().flatten() {
        table.row([
            port(pair, "from").into(),
            port(pair, "to").into(),
            Cell::styled("yes", Style::Green),
            text_of(pair, "note").into(),
        ]);
    }
    for pair in answer["refused"].as_array().into_iter().flatten() {
        table.row([
            port(pair, "from").into(),
            port(pair, "to").into(),
            Cell::styled("no", Style::Dim),
            format!("{}: {}", text_of(pair, "rule"), text_of(pair, "reason")).into(),
        ]);
    }
    ui.table(&table)
}
