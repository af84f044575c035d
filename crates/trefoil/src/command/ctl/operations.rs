//! Queues, connections and definitions.

use std::{io::Write as _, path::Path};

use serde_json::{Value, json};

use super::{Context, Fault, api::changed, output::Output};
use crate::{api_path, client::http, command};

fn no_queue() -> Fault {
    Fault::new(Fault::USAGE, "Queue not found")
}

pub(super) fn delete_queue(context: &Context<'_>) -> Result<Output, Fault> {
    let (name, vhost) = (context.argument(0), context.vhost());
    let (if_empty, if_unused) = (
        context.options.has("if-empty"),
        context.options.has("if-unused"),
    );
    let mut conditions: Vec<&str> = Vec::new();
    if if_empty {
        conditions.push("queue is empty");
    }
    if if_unused {
        conditions.push("queue is unused");
    }
    let conditions = match conditions.is_empty() {
        true => String::new(),
        false => format!(" if {}", conditions.join(" and if ")),
    };
    context.say(&format!(
        "Deleting queue '{name}' on vhost '{vhost}'{conditions} ..."
    ));
    let path = api_path!("queues", vhost, name);
    let found = context.api.get(&path).map_err(|fault| match fault.code {
        Fault::DATA => no_queue(),
        _ => fault,
    })?;
    let ready = found["messages_ready"].as_u64().unwrap_or(0);
    let flags: Vec<&str> = [("if-empty=true", if_empty), ("if-unused=true", if_unused)]
        .into_iter()
        .filter_map(|(flag, set)| set.then_some(flag))
        .collect();
    let reply = context.api.delete(&format!("{path}?{}", flags.join("&")))?;
    changed(reply, no_queue)?;
    Ok(Output::Text(format!(
        "Queue was successfully deleted with {ready} ready messages"
    )))
}

pub(super) fn purge_queue(context: &Context<'_>) -> Result<Output, Fault> {
    let (name, vhost) = (context.argument(0), context.vhost());
    context.say(&format!("Purging queue '{name}' in vhost '{vhost}' ..."));
    let reply = context
        .api
        .delete(&api_path!("queues", vhost, name, "contents"))?;
    changed(reply, no_queue)?;
    Ok(Output::Nothing)
}

/// Closes one connection. One that is gone already is closed too.
fn close(context: &Context<'_>, name: &str, reason: &str) -> Result<bool, Fault> {
    let reply = context.api.ask(
        http::Method::DELETE,
        &api_path!("connections", name),
        None,
        &[("x-reason", reason)],
    )?;
    if reply.status == 404 {
        return Ok(false);
    }
    changed(reply, || {
        Fault::new(Fault::UNAVAILABLE, "no such connection")
    })?;
    Ok(true)
}

pub(super) fn close_connection(context: &Context<'_>) -> Result<Output, Fault> {
    let (pid, reason) = (context.argument(0), context.argument(1));
    context.say(&format!("Closing connection {pid}, reason: {reason}..."));
    let connections = context.api.list(&api_path!("connections"))?;
    let found = connections
        .iter()
        .find(|connection| connection["pid"] == pid || connection["name"] == pid);
    let Some(name) = found.and_then(|found| found["name"].as_str()) else {
        return Err(Fault::new(
            Fault::UNAVAILABLE,
            format!("there is no connection {pid}: see list_connections pid name"),
        ));
    };
    close(context, name, reason)?;
    Ok(Output::Nothing)
}

pub(super) fn close_all_connections(context: &Context<'_>) -> Result<Output, Fault> {
    let reason = context.argument(0);
    let limit = match context.options.get("limit") {
        None | Some("0") => usize::MAX,
        Some(text) => text
            .parse()
            .map_err(|_| Fault::usage(format!("invalid value for --limit: {text}")))?,
    };
    let path = match (context.options.get("vhost"), context.options.has("global")) {
        (Some(vhost), false) => {
            context.say(&format!(
                "Closing all connections in vhost {vhost}, reason: {reason}..."
            ));
            api_path!("vhosts", vhost, "connections")
        }
        _ => {
            context.say(&format!("Closing all connections, reason: {reason}..."));
            api_path!("connections")
        }
    };
    let connections = context.api.list(&path)?;
    let mut closed = 0;
    for connection in connections.iter().take(limit) {
        if let Some(name) = connection["name"].as_str()
            && close(context, name, reason)?
        {
            closed += 1;
        }
    }
    Ok(match context.options.chatty() {
        true => Output::Text(format!("Closed {closed} connections")),
        false => Output::Nothing,
    })
}

pub(super) fn close_all_user_connections(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, reason) = (context.argument(0), context.argument(1));
    context.say(&format!(
        "Closing connections of user {user}, reason: {reason}..."
    ));
    let reply = context.api.ask(
        http::Method::DELETE,
        &api_path!("connections", "username", user),
        None,
        &[("x-reason", reason)],
    )?;
    if reply.status != 404 {
        changed(reply, no_queue)?;
    }
    Ok(Output::Nothing)
}

pub(super) fn export_definitions(context: &Context<'_>) -> Result<Output, Fault> {
    let path = context.argument(0);
    json_only(context)?;
    let definitions = context.api.get(&api_path!("definitions"))?;
    if path == "-" {
        return Ok(Output::Document {
            text: format!("{definitions}\n"),
            json: definitions,
        });
    }
    context.say(&format!(
        "Exporting definitions in JSON to a file at \"{path}\" ..."
    ));
    let written = std::fs::File::create(path)
        .and_then(|mut file| file.write_all(definitions.to_string().as_bytes()));
    written
        .map_err(|error| Fault::new(Fault::NO_INPUT, format!("cannot write {path}: {error}")))?;
    Ok(Output::Nothing)
}

fn json_only(context: &Context<'_>) -> Result<(), Fault> {
    match context
        .options
        .get("format")
        .map(str::to_lowercase)
        .as_deref()
    {
        None | Some("json") => Ok(()),
        Some(other) => Err(Fault::usage(format!(
            "format {other} is not supported: definitions are JSON"
        ))),
    }
}

pub(super) fn import_definitions(context: &Context<'_>) -> Result<Output, Fault> {
    let path = context.argument(0);
    json_only(context)?;
    context.say(&match path {
        "-" => "Importing definitions in JSON from standard input ...".to_owned(),
        path => format!("Importing definitions in JSON from a file at \"{path}\" ..."),
    });
    let text = command::read_text(Path::new(path))
        .map_err(|failure| Fault::new(Fault::NO_INPUT, failure.message))?;
    let definitions: Value = serde_json::from_str(&text)
        .map_err(|error| Fault::new(Fault::DATA, format!("{path} is not JSON: {error}")))?;
    let reply = context.api.post(&api_path!("definitions"), &definitions)?;
    let done = changed(reply, || Fault::new(Fault::UNAVAILABLE, "not found"))?;
    let warnings = done["warnings"].as_array().into_iter().flatten();
    let warnings: String = warnings
        .filter_map(Value::as_str)
        .map(|warning| format!("warning: {warning}\n"))
        .collect();
    Ok(Output::Document {
        json: match &done["warnings"] {
            Value::Null => json!({"result": "ok"}),
            warnings => json!({"result": "ok", "warnings": warnings}),
        },
        text: format!("Successfully imported definitions\n{warnings}"),
    })
}
