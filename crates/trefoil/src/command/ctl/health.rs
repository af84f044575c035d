//! Checks of health, as `rabbitmq-diagnostics` has them: the exit code is the answer.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Context, Fault,
    api::changed,
    output::{Output, Rows},
};
use crate::api_path;

/// How long a port may take to accept a connection: this machine's own.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Asks for a check, and fails with what it says.
fn check(context: &Context<'_>, path: &str, passed: &str) -> Result<Output, Fault> {
    let reply = context
        .api
        .ask(crate::client::http::Method::GET, path, None, &[])?;
    match reply.status {
        200 => Ok(Output::Text(passed.to_owned())),
        _ => Err(Fault::new(Fault::UNAVAILABLE, reply.reason())),
    }
}

fn node<'a>(context: &'a Context<'_>) -> &'a str {
    context.options.node()
}

pub(super) fn check_alarms(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Asking node {} to report any resource alarms ...",
        node(context)
    ));
    let passed = format!(
        "Node {} reported no alarms, local or clusterwide",
        node(context)
    );
    check(context, &api_path!("health", "checks", "alarms"), &passed)
}

pub(super) fn check_running(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Checking if RabbitMQ is running on node {} ...",
        node(context)
    ));
    let passed = format!(
        "RabbitMQ on node {} is fully booted and running",
        node(context)
    );
    check(
        context,
        &api_path!("health", "checks", "is-in-service"),
        &passed,
    )
}

pub(super) fn check_virtual_hosts(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Checking if all vhosts are running on node {} ...",
        node(context)
    ));
    let passed = format!("Node {} reported all vhosts as running", node(context));
    check(
        context,
        &api_path!("health", "checks", "virtual-hosts"),
        &passed,
    )
}

pub(super) fn check_port_listener(context: &Context<'_>) -> Result<Output, Fault> {
    let port = context.argument(0);
    context.say(&format!(
        "Asking node {} if there's an active listener on port {port} ...",
        node(context)
    ));
    let passed = format!(
        "A listener for port {port} is running on node {}.",
        node(context)
    );
    check(
        context,
        &api_path!("health", "checks", "port-listener", port),
        &passed,
    )
}

pub(super) fn check_protocol_listener(context: &Context<'_>) -> Result<Output, Fault> {
    let protocol = context.argument(0);
    context.say(&format!(
        "Asking node {} if there's an active listener for protocol {protocol} ...",
        node(context)
    ));
    let passed = format!(
        "A listener for protocol {protocol} is running on node {}.",
        node(context)
    );
    check(
        context,
        &api_path!("health", "checks", "protocol-listener", protocol),
        &passed,
    )
}

/// Connects to every listener that the broker says it has.
pub(super) fn check_port_connectivity(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Testing TCP connections to all active listeners on node {} ...",
        node(context)
    ));
    for (protocol, address) in addresses(context)? {
        if let Err(error) = TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            return Err(Fault::new(
                Fault::UNAVAILABLE,
                format!("the {protocol} listener at {address} cannot be reached: {error}"),
            ));
        }
    }
    Ok(Output::Text(format!(
        "Successfully connected to ports of all active listeners on node {}",
        node(context)
    )))
}

/// Listeners as they are reached from here: one for all addresses is reached by this machine's.
fn addresses(context: &Context<'_>) -> Result<Vec<(String, SocketAddr)>, Fault> {
    let overview = context.api.get(&api_path!("overview"))?;
    let listeners = overview["listeners"].as_array().into_iter().flatten();
    let address = |listener: &Value| {
        let ip: std::net::IpAddr = listener["ip_address"].as_str()?.parse().ok()?;
        let ip = match ip {
            std::net::IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let port = u16::try_from(listener["port"].as_u64()?).ok()?;
        Some((
            listener["protocol"].as_str()?.to_owned(),
            SocketAddr::new(ip, port),
        ))
    };
    Ok(listeners.filter_map(address).collect())
}

pub(super) fn listeners(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Asking node {} to report its protocol listeners ...",
        node(context)
    ));
    let overview = context.api.get(&api_path!("overview"))?;
    let listeners = overview["listeners"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text: String = listeners
        .iter()
        .map(|listener| {
            format!(
                "Interface: {}, port: {}, protocol: {}\n",
                listener["ip_address"].as_str().unwrap_or_default(),
                listener["port"],
                listener["protocol"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    Ok(Output::Document {
        json: json!({"result": "ok", "node": overview["node"], "listeners": listeners}),
        text,
    })
}

pub(super) fn alarms(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Asking node {} to report any known resource alarms ...",
        node(context)
    ));
    let settings = context.api.get(&api_path!("trefoil", "settings"))?;
    let on = |name: &str| settings[name].as_bool().unwrap_or(false);
    let alarms: Vec<&str> = [("memory", "memory_alarm"), ("disk", "disk_alarm")]
        .into_iter()
        .filter_map(|(name, member)| on(member).then_some(name))
        .collect();
    let text = match alarms.is_empty() {
        true => format!(
            "Node {} reported no alarms, local or clusterwide\n",
            node(context)
        ),
        false => alarms
            .iter()
            .map(|alarm| format!("{alarm} alarm on node {}\n", node(context)))
            .collect(),
    };
    Ok(Output::Document {
        json: json!({"result": "ok", "alarms": alarms}),
        text,
    })
}

pub(super) fn server_version(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Asking node {} for its RabbitMQ version...",
        node(context)
    ));
    let overview = context.api.get(&api_path!("overview"))?;
    Ok(Output::Text(
        overview["rabbitmq_version"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    ))
}

pub(super) fn is_running(context: &Context<'_>) -> Result<Output, Fault> {
    let path = api_path!("health", "checks", "is-in-service");
    let is_running = check(context, &path, "").is_ok();
    let word = if is_running { "" } else { " not" };
    Ok(Output::Text(format!(
        "RabbitMQ on node {} is{word} fully booted and running",
        node(context)
    )))
}

pub(super) fn list_node_auth_attempt_stats(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Listing authentication attempts for node \"{}\" ...",
        node(context)
    ));
    let overview = context.api.get(&api_path!("overview"))?;
    let name = overview["node"].as_str().unwrap_or_default();
    let items = context.api.list(&api_path!("auth", "attempts", name))?;
    let columns = [
        "protocol",
        "auth_attempts",
        "auth_attempts_failed",
        "auth_attempts_succeeded",
    ];
    Ok(Output::Rows(Rows {
        columns: columns.map(str::to_owned).to_vec(),
        rows: items
            .iter()
            .map(|item| columns.iter().map(|column| item[*column].clone()).collect())
            .collect(),
    }))
}

fn listen(context: &Context<'_>, verb: &str) -> Result<Output, Fault> {
    let reply = context.api.post(&api_path!("trefoil", verb), &json!({}))?;
    changed(reply, || {
        Fault::new(
            Fault::UNAVAILABLE,
            "this broker does not know the operation",
        )
    })?;
    Ok(Output::Nothing)
}

pub(super) fn suspend_listeners(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Will suspend client connection listeners of node {} ...",
        node(context)
    ));
    listen(context, "suspend")
}

pub(super) fn resume_listeners(context: &Context<'_>) -> Result<Output, Fault> {
    context.say(&format!(
        "Will resume client connection listeners of node {} ...",
        node(context)
    ));
    listen(context, "resume")
}
