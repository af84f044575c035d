//! `[[instances]]` and `[provider]`.

use std::collections::BTreeSet;

use super::{
    parse::{read_command, read_env},
    table::Table,
};
use crate::{
    fields::Report,
    instance::{InstanceName, ThriftProtocol, ThriftProvider, ThriftTls, ThriftTransport},
    place::Place,
    provision::{ProviderSpec, Provision, Speaks, StaticInstance},
};

/// Static instances of a service: more are a registry, which is what the API is for.
const INSTANCES_MAX: usize = 1_000;
/// Processes of a service on this machine.
const PROCESSES_MAX: u32 = 1_000;
/// The heaviest weight, and one over the lightest.
const WEIGHT_MAX: f64 = 1_000.0;

const TRANSPORTS: [(&str, ThriftTransport); 6] = [
    ("framed", ThriftTransport::Framed),
    ("buffered", ThriftTransport::Buffered),
    ("header", ThriftTransport::Header),
    ("http", ThriftTransport::Http),
    ("zlib", ThriftTransport::Zlib),
    ("websocket", ThriftTransport::WebSocket),
];
const PROTOCOLS: [(&str, ThriftProtocol); 3] = [
    ("binary", ThriftProtocol::Binary),
    ("compact", ThriftProtocol::Compact),
    ("json", ThriftProtocol::Json),
];

pub(super) fn read(root: &mut Table<'_>, report: &mut Report<'_>) -> Provision {
    let mut names = BTreeSet::new();
    let mut instances = Vec::new();
    let tables = root.tables("instances", report);
    if tables.len() > INSTANCES_MAX
        && let Some(value) = root.get("instances")
    {
        let reason = format!("at most {INSTANCES_MAX} are allowed");
        root.error(value.span(), "instances", &reason, report);
    }
    for table in tables.into_iter().take(INSTANCES_MAX) {
        if report.is_full() {
            break;
        }
        instances.extend(read_instance(table, &mut names, report));
    }
    let process = root
        .table("provider", report)
        .and_then(|table| read_process(table, report));
    Provision { instances, process }
}

fn read_instance(
    mut table: Table<'_>,
    names: &mut BTreeSet<InstanceName>,
    report: &mut Report<'_>,
) -> Option<StaticInstance> {
    let name = table.required("name", report).and_then(|value| {
        let name = table.text(value, "name", report)?;
        match name.parse::<InstanceName>() {
            Ok(name) if names.insert(name.clone()) => Some(name),
            Ok(name) => {
                let reason = format!("`{name}` is the name of another instance");
                table.error(value.span(), "name", &reason, report);
                None
            }
            Err(error) => {
                table.error(value.span(), "name", &error.to_string(), report);
                None
            }
        }
    });
    let address = table.required("address", report).and_then(|value| {
        let address = table.text(value, "address", report)?;
        if Place::parse(address).is_none() {
            let reason = "expected host:port, unix: and an absolute path, or http://host:port/path (https, ws, wss)";
            table.error(value.span(), "address", reason, report);
            return None;
        }
        Some(address.to_owned())
    });
    let speaks = read_speaks(&mut table, report);
    table.finish(report);
    Some(StaticInstance {
        name: name?,
        address: address?,
        speaks,
    })
}

fn read_process(mut table: Table<'_>, report: &mut Report<'_>) -> Option<ProviderSpec> {
    let command = table
        .required("command", report)
        .and_then(|value| read_command(&table, value, report));
    let env = table
        .table("env", report)
        .map(|table| read_env(table, report))
        .unwrap_or_default();
    if let (Some(command), Some(value)) = (&command, table.get("command"))
        && !command
            .iter()
            .chain(env.values())
            .any(|text| text.contains("{port}"))
    {
        let reason = "does not say where `{port}` goes: the platform chooses the port";
        table.error(value.span(), "command", reason, report);
    }
    let instances = table.count("instances", 1..=PROCESSES_MAX, report);
    let speaks = read_speaks(&mut table, report);
    let ready = table.duration("ready", report);
    let grace = table.duration_or_zero("grace", report);
    table.finish(report);
    Some(ProviderSpec {
        command: command?,
        env,
        instances: instances.unwrap_or(1),
        speaks,
        ready: ready.unwrap_or(ProviderSpec::READY),
        grace: grace.unwrap_or(ProviderSpec::GRACE),
    })
}

fn read_speaks(table: &mut Table<'_>, report: &mut Report<'_>) -> Speaks {
    let transport = table.choice("transport", &TRANSPORTS, report);
    let protocol = table.choice("protocol", &PROTOCOLS, report);
    let multiplex = table.get("multiplex").and_then(|value| {
        let name = table.text(value, "multiplex", report)?;
        if name.is_empty() {
            let reason = "is empty: leave it out for a provider that is not multiplexed";
            table.error(value.span(), "multiplex", reason, report);
        }
        Some(name.to_owned())
    });
    let is_pipelined = table.flag("pipelined", report);
    let tls = read_tls(table, report);
    let slots = table.count("slots", 1..=u32::MAX, report);
    let weight = table.get("weight").and_then(|value| {
        let weight = table.number(value, "weight", report)?;
        if !(1.0 / WEIGHT_MAX..=WEIGHT_MAX).contains(&weight) {
            let reason = format!("must be {} to {WEIGHT_MAX}", 1.0 / WEIGHT_MAX);
            table.error(value.span(), "weight", &reason, report);
        }
        Some(weight)
    });
    Speaks {
        thrift: ThriftProvider {
            transport,
            protocol,
            multiplex,
            is_pipelined: is_pipelined.unwrap_or(false),
            tls,
        },
        slots,
        weight: weight.unwrap_or(1.0),
    }
}

/// `tls = true`, or a table with the authorities and the name that is believed, and what is shown to it.
fn read_tls(table: &mut Table<'_>, report: &mut Report<'_>) -> Option<ThriftTls> {
    if table.get("tls")?.get_ref().as_table().is_none() {
        let is_tls = table.flag("tls", report)?;
        return is_tls.then(ThriftTls::default);
    }
    let mut tls = table.table("tls", report)?;
    let mut text = |name| {
        let value = tls.get(name)?;
        tls.text(value, name, report).map(ToOwned::to_owned)
    };
    let said = ThriftTls {
        ca: text("ca"),
        name: text("name"),
        certificate: text("certificate"),
        key: text("key"),
    };
    for (there, missing, name) in [
        (&said.certificate, &said.key, "certificate"),
        (&said.key, &said.certificate, "key"),
    ] {
        if there.is_some()
            && missing.is_none()
            && let Some(value) = tls.get(name)
        {
            let reason = "certificate and key go together";
            tls.error(value.span(), name, reason, report);
        }
    }
    tls.finish(report);
    Some(said)
}
