//! The broker itself: state, alarms, stop and start.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{
    Context, Fault,
    api::changed,
    catalog::COMMANDS,
    output::{Output, Rows},
};
use crate::api_path;

/// How long `await_startup` waits unless told otherwise: rabbitmqctl's own limit.
const STARTUP_LIMIT: Duration = Duration::from_secs(300);

fn refused() -> Fault {
    Fault::new(
        Fault::UNAVAILABLE,
        "this broker does not know the operation: is it Trefoil?",
    )
}

pub(super) fn await_startup(context: &Context<'_>) -> Result<Output, Fault> {
    let limit = context.options.timeout_s()?.map(Duration::from_secs);
    let path = api_path!("health", "checks", "is-in-service");
    context
        .api
        .await_answer(&path, limit.unwrap_or(STARTUP_LIMIT))?;
    Ok(Output::Nothing)
}

pub(super) fn ping(context: &Context<'_>) -> Result<Output, Fault> {
    let seconds = context.options.timeout_s()?.unwrap_or(60);
    context.say(&format!(
        "Will ping {}. This only checks that the broker answers. Timeout: {} ms.",
        context.options.node(),
        seconds * 1000
    ));
    context.api.get(&api_path!("whoami"))?;
    Ok(Output::Text("Ping succeeded".to_owned()))
}

pub(super) fn version(_: &Context<'_>) -> Result<Output, Fault> {
    Ok(Output::Text(env!("CARGO_PKG_VERSION").to_owned()))
}

pub(super) fn stop_app(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Stopping rabbit application on node {} ...",
        context.options.node()
    ));
    let reply = context
        .api
        .post(&api_path!("trefoil", "stop"), &json!({}))?;
    changed(reply, refused)?;
    Ok(Output::Nothing)
}

pub(super) fn start_app(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!("Starting node {} ...", context.options.node()));
    let reply = context
        .api
        .post(&api_path!("trefoil", "start"), &json!({}))?;
    changed(reply, refused)?;
    Ok(Output::Nothing)
}

pub(super) fn not_supported(context: &Context<'_>) -> Result<Output, Fault> {
    // The command asked for is the one whose `run` this is and whose arguments fit: both say so in their help.
    let names: Vec<&str> = COMMANDS
        .iter()
        .filter(|command| command.about.starts_with("Not supported"))
        .map(|command| command.name)
        .collect();
    Err(Fault::new(
        Fault::UNAVAILABLE,
        format!(
            "not supported: {} need a node that runs on Erlang. What suites and operators do with eval has commands of its own: set_alarm, clear_alarm, set_channel_max, set_loopback_users, list_loopback_users{}",
            names.join(" and "),
            match context.arguments {
                [] => "",
                _ => " (see help)",
            }
        ),
    ))
}

/// The first node, and the overview.
fn state(context: &Context<'_>) -> Result<(Value, Value), Fault> {
    let overview = context.api.get(&api_path!("overview"))?;
    let nodes = context.api.list(&api_path!("nodes"))?;
    let node = nodes.into_iter().next().unwrap_or(Value::Null);
    Ok((overview, node))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn alarms(node: &Value) -> Vec<&'static str> {
    let on = |name: &str| node[name].as_bool().unwrap_or(false);
    let memory = on("mem_alarm").then_some("memory");
    let disk = on("disk_free_alarm").then_some("disk");
    memory.into_iter().chain(disk).collect()
}

fn gigabytes(value: &Value) -> String {
    format!("{:.4} gb", value.as_f64().unwrap_or(0.0) / 1e9)
}

pub(super) fn status(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!("Status of node {} ...", context.options.node()));
    let (overview, node) = state(context)?;
    let alarms = alarms(&node);
    let totals = &overview["object_totals"];
    let json = json!({
        "product_name": overview["product_name"],
        "product_version": overview["product_version"],
        "rabbitmq_version": overview["rabbitmq_version"],
        "os": node["os"],
        "pid": text(&node["os_pid"]).parse::<u64>().unwrap_or(0),
        "uptime": node["uptime"].as_u64().unwrap_or(0) / 1000,
        "is_under_maintenance": false,
        "alarms": alarms,
        "active_plugins": node["enabled_plugins"],
        "config_files": node["config_files"],
        "log_files": node["log_files"],
        "data_directory": node["db_dir"],
        "disk_free": node["disk_free"],
        "disk_free_limit": node["disk_free_limit"],
        "file_descriptors": {"total_limit": node["fd_total"], "total_used": node["fd_used"],
            "sockets_limit": node["sockets_total"], "sockets_used": node["sockets_used"]},
        "memory": {"total": {"rss": node["mem_used"]}, "strategy": "rss"},
        "vm_memory_high_watermark_limit": node["mem_limit"],
        "listeners": overview["listeners"],
        "totals": {"connection_count": totals["connections"], "queue_count": totals["queues"]},
    });
    let mut page = String::new();
    let mut line = |text: &str| {
        page.push_str(text);
        page.push('\n');
    };
    line("Runtime\n");
    line(&format!("OS PID: {}", text(&node["os_pid"])));
    line(&format!("OS: {}", text(&node["os"])));
    line(&format!("Uptime (seconds): {}", text(&json["uptime"])));
    line("Is under maintenance?: false");
    line(&format!(
        "{} version: {}",
        text(&overview["product_name"]),
        text(&overview["product_version"])
    ));
    line(&format!(
        "RabbitMQ version: {}",
        text(&overview["rabbitmq_version"])
    ));
    line(&format!("Node name: {}", text(&overview["node"])));
    line("\nData directory\n");
    line(&format!("Node data directory: {}", text(&node["db_dir"])));
    line("\nAlarms\n");
    match alarms.is_empty() {
        true => line("(none)"),
        false => alarms
            .iter()
            .for_each(|alarm| line(&format!("{alarm} alarm on node {}", text(&node["name"])))),
    }
    line("\nMemory\n");
    line(&format!(
        "Total memory used: {}",
        gigabytes(&node["mem_used"])
    ));
    line(&format!(
        "Memory high watermark setting: computed to: {}",
        gigabytes(&node["mem_limit"])
    ));
    line("\nFile Descriptors\n");
    line(&format!(
        "Total: {}, limit: {}",
        text(&node["fd_used"]),
        text(&node["fd_total"])
    ));
    line("\nFree Disk Space\n");
    line(&format!(
        "Low free disk space watermark: {}",
        gigabytes(&node["disk_free_limit"])
    ));
    line(&format!(
        "Free disk space: {}",
        gigabytes(&node["disk_free"])
    ));
    line("\nTotals\n");
    line(&format!(
        "Connection count: {}",
        text(&totals["connections"])
    ));
    line(&format!("Queue count: {}", text(&totals["queues"])));
    line("\nListeners\n");
    for listener in overview["listeners"].as_array().into_iter().flatten() {
        line(&format!(
            "Interface: {}, port: {}, protocol: {}",
            text(&listener["ip_address"]),
            text(&listener["port"]),
            text(&listener["protocol"])
        ));
    }
    Ok(Output::Document { json, text: page })
}

pub(super) fn cluster_status(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Cluster status of node {} ...",
        context.options.node()
    ));
    let (overview, node) = state(context)?;
    let name = text(&node["name"]);
    let alarms = alarms(&node);
    let json = json!({
        "cluster_name": overview["cluster_name"],
        "disk_nodes": [name],
        "running_nodes": [name],
        "ram_nodes": [],
        "partitions": {},
        "alarms": alarms,
        "listeners": {&*name: overview["listeners"]},
        "versions": {&*name: {"rabbitmq_version": overview["rabbitmq_version"]}},
        "maintenance_status": {&*name: "not under maintenance"},
    });
    let alarms = match alarms.is_empty() {
        true => "(none)".to_owned(),
        false => alarms.join(", "),
    };
    let page = format!(
        "Basics\n\nCluster name: {}\n\nDisk Nodes\n\n{name}\n\nRunning Nodes\n\n{name}\n\nVersions\n\n{name}: RabbitMQ {}\n\nAlarms\n\n{alarms}\n\nNetwork Partitions\n\n(none)\n",
        text(&overview["cluster_name"]),
        text(&overview["rabbitmq_version"]),
    );
    Ok(Output::Document { json, text: page })
}

/// One document of everything: what a bug report needs.
pub(super) fn report(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Reporting server status of node {} ...",
        context.options.node()
    ));
    let mut json = json!({});
    let mut page = String::new();
    for section in [
        "overview",
        "nodes",
        "vhosts",
        "users",
        "permissions",
        "policies",
        "connections",
        "channels",
        "queues",
        "exchanges",
        "bindings",
        "consumers",
    ] {
        let found = context.api.get(&api_path!(section))?;
        let _ = writeln!(page, "{section}\n\n{found:#}\n");
        json[section] = found;
    }
    Ok(Output::Document { json, text: page })
}

pub(super) fn environment(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Application environment of node {} ...",
        context.options.node()
    ));
    let json = context.api.get(&api_path!("trefoil", "settings"))?;
    Ok(Output::Document {
        text: format!("{json:#}\n"),
        json,
    })
}

pub(super) fn set_cluster_name(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Setting cluster name to {name} ..."));
    let reply = context
        .api
        .put(&api_path!("cluster-name"), &json!({"name": name}))?;
    changed(reply, refused)?;
    Ok(Output::Nothing)
}

/// Changes one of the settings that have no place in RabbitMQ's API.
fn change(context: &Context<'_>, name: &str, value: Value) -> Result<Output, Fault> {
    let path = api_path!("trefoil", "settings");
    let reply = context.api.put(&path, &json!({name: value}))?;
    changed(reply, refused)?;
    Ok(Output::Nothing)
}

/// `1GiB`, `50MB`, `1000`.
fn bytes(text: &str) -> Result<u64, Fault> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let scale: u64 = match unit {
        "" | "B" => 1,
        "k" | "kiB" | "KiB" | "Ki" => 1 << 10,
        "M" | "MiB" | "Mi" => 1 << 20,
        "G" | "GiB" | "Gi" => 1 << 30,
        "T" | "TiB" | "Ti" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => 0,
    };
    let number = digits.parse::<u64>().ok().filter(|_| scale > 0);
    number
        .and_then(|number| number.checked_mul(scale))
        .ok_or_else(|| {
            Fault::new(
                Fault::DATA,
                format!("{text} is no amount of bytes, like 500MB or 2GiB"),
            )
        })
}

fn fraction(text: &str) -> Result<f64, Fault> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(Fault::new(
            Fault::DATA,
            format!("{text} is no fraction, like 0.4"),
        )),
    }
}

pub(super) fn set_memory_watermark(context: &Context<'_>) -> Result<Output, Fault> {
    let node = context.options.node();
    if context.argument(0) == "absolute" {
        let limit = context.argument(1);
        context.say(&format!(
            "Setting memory threshold on {node} to {limit} bytes ..."
        ));
        return change(context, "memory_high_watermark_bytes", bytes(limit)?.into());
    }
    let share = context.argument(0);
    context.say(&format!(
        "Setting memory threshold on {node} to {share} ..."
    ));
    change(context, "memory_high_watermark", fraction(share)?.into())
}

pub(super) fn set_disk_free_limit(context: &Context<'_>) -> Result<Output, Fault> {
    let node = context.options.node();
    if context.argument(0) == "mem_relative" {
        let share = context.argument(1);
        context.say(&format!(
            "Setting disk free limit on {node} to {share} times the total RAM ..."
        ));
        return change(
            context,
            "disk_free_limit_of_memory",
            fraction(share)?.into(),
        );
    }
    let limit = context.argument(0);
    context.say(&format!(
        "Setting disk free limit on {node} to {limit} bytes ..."
    ));
    change(context, "disk_free_limit_bytes", bytes(limit)?.into())
}

fn alarm(context: &Context<'_>, on: bool) -> Result<Output, Fault> {
    let which = context.argument(0);
    let name = match which {
        "memory" => "memory_alarm",
        "disk" => "disk_alarm",
        other => {
            return Err(Fault::usage(format!(
                "there is no alarm {other}: memory or disk"
            )));
        }
    };
    context.say(&format!(
        "{} the {which} alarm ...",
        if on { "Raising" } else { "Clearing" }
    ));
    change(context, name, on.into())
}

pub(super) fn set_alarm(context: &Context<'_>) -> Result<Output, Fault> {
    alarm(context, true)
}

pub(super) fn clear_alarm(context: &Context<'_>) -> Result<Output, Fault> {
    alarm(context, false)
}

pub(super) fn set_channel_max(context: &Context<'_>) -> Result<Output, Fault> {
    let text = context.argument(0);
    let number: u16 = text.parse().map_err(|_| {
        Fault::new(
            Fault::DATA,
            format!("{text} is no number of channels, 0 to 65535"),
        )
    })?;
    context.say(&format!("Setting channel_max to {number} ..."));
    change(context, "channel_max", number.into())
}

pub(super) fn set_loopback_users(context: &Context<'_>) -> Result<Output, Fault> {
    // What list_loopback_users prints is accepted back: [<<"guest">>]
    let users: Vec<&str> = context
        .arguments
        .iter()
        .flat_map(|argument| argument.split([',', ' ', '[', ']', '<', '>', '"']))
        .filter(|name| !name.is_empty())
        .collect();
    context.say(&format!(
        "Setting loopback users to [{}] ...",
        users.join(", ")
    ));
    change(context, "loopback_users", json!(users))
}

pub(super) fn list_loopback_users(context: &Context<'_>) -> Result<Output, Fault> {
    context.say("Listing loopback users ...");
    let settings = context.api.get(&api_path!("trefoil", "settings"))?;
    let users = settings["loopback_users"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Ok(Output::Rows(Rows {
        columns: vec!["user".to_owned()],
        rows: users.into_iter().map(|user| vec![user]).collect(),
    }))
}

pub(super) fn enable_feature_flag(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&match name {
        "all" => "Enabling all feature flags ...".to_owned(),
        name => format!("Enabling feature flag \"{name}\" ..."),
    });
    if name == "all" {
        return Ok(Output::Nothing);
    }
    let flags = context.api.list(&api_path!("feature-flags"))?;
    match flags.iter().any(|flag| flag["name"] == name) {
        true => Ok(Output::Nothing),
        false => Err(Fault::new(
            Fault::UNAVAILABLE,
            format!("the feature flag \"{name}\" is not supported"),
        )),
    }
}
