//! `trefoil instances`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{InstancesCommand, RegisterArgs};
use crate::client::{Client, encode_path};
use crate::command::services::exact;
use crate::command::text_of;
use crate::output::{Cell, Table, Ui};

/// Runs `trefoil instances …`.
pub(crate) fn run(ui: &Ui, client: &Client, command: InstancesCommand) -> anyhow::Result<ExitCode> {
    match command {
        InstancesCommand::Ls { service } => list(ui, client, &service)?,
        InstancesCommand::Register(args) => register(ui, client, &args)?,
        InstancesCommand::Heartbeat {
            service,
            name,
            ready,
        } => {
            let body = match ready {
                true => json!({ "ready": true }),
                false => json!({}),
            };
            let path = format!("{}/heartbeat", path_of(&service, &name)?);
            shown(ui, &client.put(&path).json(&body).send()?.json()?)?;
        }
        InstancesCommand::Drain { service, name } => {
            let path = format!("{}:drain", path_of(&service, &name)?);
            shown(ui, &client.post(&path).send()?.json()?)?;
        }
        InstancesCommand::Rm { service, name } => {
            client.delete(&path_of(&service, &name)?).send()?;
            match ui.json {
                true => {
                    ui.document(&json!({ "service": service, "name": name, "state": "gone" }))?
                }
                false => ui.line(&format!("{name} removed"))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn instances_of(service: &str) -> anyhow::Result<String> {
    exact(service)?;
    Ok(format!("/v1/services/{}/instances", encode_path(service)))
}

fn path_of(service: &str, name: &str) -> anyhow::Result<String> {
    Ok(format!("{}/{}", instances_of(service)?, encode_path(name)))
}

fn register(ui: &Ui, client: &Client, args: &RegisterArgs) -> anyhow::Result<()> {
    let mut thrift = json!({});
    for (member, value) in [
        ("transport", &args.transport),
        ("protocol", &args.protocol),
        ("multiplex", &args.multiplex),
    ] {
        if let Some(value) = value {
            thrift[member] = value.as_str().into();
        }
    }
    if args.pipelined {
        thrift["pipelined"] = true.into();
    }
    let mut body = json!({ "address": args.address, "thrift": thrift });
    if let Some(slots) = args.slots {
        body["slots"] = slots.into();
    }
    if let Some(weight) = args.weight {
        body["weight"] = weight.into();
    }
    if let Some(seconds) = args.lease {
        body["lease_ms"] = (seconds * 1_000).into();
    }
    let path = path_of(&args.service, &args.name)?;
    shown(ui, &client.put(&path).json(&body).send()?.json()?)
}

/// An instance after a change.
fn shown(ui: &Ui, instance: &Value) -> anyhow::Result<()> {
    if ui.json {
        return ui.document(instance);
    }
    let text = |member| text_of(instance, member);
    ui.line(&format!("{} {}", text("name"), text("state")))
}

fn list(ui: &Ui, client: &Client, service: &str) -> anyhow::Result<()> {
    let answer: Value = client.get(&instances_of(service)?).send()?.json()?;
    if ui.json {
        return ui.document(&answer);
    }
    let mut table = Table::new(&[
        "NAME",
        "ADDRESS",
        "STATE",
        "PENDING",
        "CALLS",
        "FAILURES",
        "LEASE UNTIL",
        "REASON",
    ]);
    for instance in answer["items"].as_array().into_iter().flatten() {
        let text = |member| text_of(instance, member);
        table.row([
            text("name").into(),
            text("address").into(),
            Cell::state(&text("state")),
            text("pending").into(),
            text("calls").into(),
            text("failures").into(),
            text("lease_until").into(),
            text("reason").into(),
        ]);
    }
    if table.is_empty() {
        ui.note(&format!(
            "{service} has no instances; add one with `trefoil instances register {service} NAME HOST:PORT`"
        ));
        return Ok(());
    }
    ui.table(&table)
}
