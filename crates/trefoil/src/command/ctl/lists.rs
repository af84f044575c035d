//! The lists of things: which columns they have, and where those come from.

use serde_json::Value;

use super::{
    Context, Fault,
    output::{Output, Rows},
};
use crate::api_path;

/// A column, and the member of the management API that fills it (dots go into objects).
type Column = (&'static str, &'static str);

#[rustfmt::skip]
const QUEUE: &[Column] = &[
    ("name", "name"), ("durable", "durable"), ("auto_delete", "auto_delete"), ("arguments", "arguments"),
    ("policy", "policy"), ("operator_policy", "operator_policy"), ("effective_policy_definition", "effective_policy_definition"),
    ("pid", "pid"), ("owner_pid", "owner_pid"), ("exclusive", "exclusive"),
    ("exclusive_consumer_pid", "exclusive_consumer_pid"), ("exclusive_consumer_tag", "exclusive_consumer_tag"),
    ("single_active_consumer_pid", "single_active_consumer_pid"), ("single_active_consumer_tag", "single_active_consumer_tag"),
    ("messages_ready", "messages_ready"), ("messages_unacknowledged", "messages_unacknowledged"), ("messages", "messages"),
    ("messages_ready_ram", "messages_ready_ram"), ("messages_unacknowledged_ram", "messages_unacknowledged_ram"),
    ("messages_ram", "messages_ram"), ("messages_persistent", "messages_persistent"),
    ("message_bytes", "message_bytes"), ("message_bytes_ready", "message_bytes_ready"),
    ("message_bytes_unacknowledged", "message_bytes_unacknowledged"), ("message_bytes_ram", "message_bytes_ram"),
    ("message_bytes_persistent", "message_bytes_persistent"), ("head_message_timestamp", "head_message_timestamp"),
    ("disk_reads", "disk_reads"), ("disk_writes", "disk_writes"), ("consumers", "consumers"),
    ("consumer_utilisation", "consumer_utilisation"), ("consumer_capacity", "consumer_capacity"), ("memory", "memory"),
    ("state", "state"), ("type", "type"), ("leader", "leader"), ("members", "members"), ("online", "online"),
    ("slave_pids", "slave_pids"), ("synchronised_slave_pids", "synchronised_slave_pids"),
];

#[rustfmt::skip]
const EXCHANGE: &[Column] = &[
    ("name", "name"), ("type", "type"), ("durable", "durable"), ("auto_delete", "auto_delete"), ("internal", "internal"),
    ("arguments", "arguments"), ("policy", "policy"),
];

#[rustfmt::skip]
const BINDING: &[Column] = &[
    ("source_name", "source"), ("source_kind", "=exchange"), ("destination_name", "destination"),
    ("destination_kind", "destination_type"), ("routing_key", "routing_key"), ("arguments", "arguments"),
];

#[rustfmt::skip]
const CONNECTION: &[Column] = &[
    ("pid", "pid"), ("name", "name"), ("port", "port"), ("host", "host"), ("peer_port", "peer_port"), ("peer_host", "peer_host"),
    ("ssl", "ssl"), ("ssl_protocol", "ssl_protocol"), ("ssl_key_exchange", "ssl_key_exchange"), ("ssl_cipher", "ssl_cipher"),
    ("ssl_hash", "ssl_hash"), ("peer_cert_subject", "peer_cert_subject"), ("peer_cert_issuer", "peer_cert_issuer"),
    ("peer_cert_validity", "peer_cert_validity"), ("state", "state"), ("channels", "channels"), ("protocol", "protocol"),
    ("auth_mechanism", "auth_mechanism"), ("user", "user"), ("vhost", "vhost"), ("timeout", "timeout"),
    ("frame_max", "frame_max"), ("channel_max", "channel_max"), ("client_properties", "client_properties"),
    ("connected_at", "connected_at"), ("recv_oct", "recv_oct"), ("recv_cnt", "recv_cnt"), ("send_oct", "send_oct"),
    ("send_cnt", "send_cnt"), ("send_pend", "send_pend"), ("user_provided_name", "user_provided_name"),
];

#[rustfmt::skip]
const CHANNEL: &[Column] = &[
    ("pid", "pid"), ("connection", "connection_details.pid"), ("name", "name"), ("number", "number"), ("user", "user"),
    ("vhost", "vhost"), ("transactional", "transactional"), ("confirm", "confirm"), ("consumer_count", "consumer_count"),
    ("messages_unacknowledged", "messages_unacknowledged"), ("messages_uncommitted", "messages_uncommitted"),
    ("acks_uncommitted", "acks_uncommitted"), ("messages_unconfirmed", "messages_unconfirmed"),
    ("prefetch_count", "prefetch_count"), ("global_prefetch_count", "global_prefetch_count"),
];

#[rustfmt::skip]
const CONSUMER: &[Column] = &[
    ("queue_name", "queue.name"), ("channel_pid", "channel_details.pid"), ("consumer_tag", "consumer_tag"),
    ("ack_required", "ack_required"), ("prefetch_count", "prefetch_count"), ("active", "active"),
    ("activity_status", "activity_status"), ("arguments", "arguments"),
];

#[rustfmt::skip]
const VHOST: &[Column] = &[
    ("name", "name"), ("tracing", "tracing"), ("cluster_state", "cluster_state"), ("description", "description"),
    ("tags", "tags"), ("default_queue_type", "default_queue_type"), ("protected_from_deletion", "protected_from_deletion"),
];

#[rustfmt::skip]
const FEATURE_FLAG: &[Column] = &[
    ("name", "name"), ("state", "state"), ("stability", "stability"), ("provided_by", "provided_by"), ("desc", "desc"),
    ("doc_url", "doc_url"),
];

/// The columns that are asked for, or those that one gets unasked.
fn choose(
    context: &Context<'_>,
    known: &'static [Column],
    usual: &[&str],
) -> Result<Vec<Column>, Fault> {
    let asked: Vec<&str> = context
        .arguments
        .iter()
        // `name,messages` is one argument to a shell and two columns to rabbitmqctl.
        .flat_map(|argument| argument.split([',', ' ']))
        .filter(|name| !name.is_empty())
        .collect();
    let asked = if asked.is_empty() { usual } else { &asked };
    let find = |name: &&str| known.iter().find(|column| column.0 == *name).copied();
    let unknown: Vec<&str> = asked
        .iter()
        .copied()
        .filter(|name| find(name).is_none())
        .collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        return Err(Fault::usage(format!(
            "Info key(s) {unknown} are not supported"
        )));
    }
    Ok(asked.iter().filter_map(find).collect())
}

/// A member, or one of an object in it.
fn member(item: &Value, path: &str) -> Value {
    if let Some(constant) = path.strip_prefix('=') {
        return constant.into();
    }
    let mut found = item;
    for name in path.split('.') {
        match found.get(name) {
            Some(inner) => found = inner,
            None => return Value::Null,
        }
    }
    found.clone()
}

fn table(items: &[Value], columns: &[Column]) -> Output {
    Output::Rows(Rows {
        columns: columns.iter().map(|column| column.0.to_owned()).collect(),
        rows: items
            .iter()
            .map(|item| {
                columns
                    .iter()
                    .map(|column| member(item, column.1))
                    .collect()
            })
            .collect(),
    })
}

/// Lists what a virtual host has.
fn of_vhost(context: &Context<'_>, path: &str) -> Result<Vec<Value>, Fault> {
    context.api.list(path).map_err(|fault| match fault.code {
        Fault::DATA => Fault::new(
            Fault::DATA,
            format!("Virtual host '{}' does not exist", context.vhost()),
        ),
        _ => fault,
    })
}

pub(super) fn list_queues(context: &Context<'_>) -> Result<Output, Fault> {
    let columns = choose(context, QUEUE, &["name", "messages"])?;
    let vhost = context.vhost();
    context.say(&format!(
        "Timeout: {:.1} seconds ...",
        context.options.timeout_s()?.unwrap_or(60) as f64
    ));
    context.say(&format!("Listing queues for vhost {vhost} ..."));
    if context.options.has("offline") {
        return Ok(table(&[], &columns));
    }
    let items = of_vhost(context, &api_path!("queues", vhost))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_exchanges(context: &Context<'_>) -> Result<Output, Fault> {
    let columns = choose(context, EXCHANGE, &["name", "type"])?;
    let vhost = context.vhost();
    context.say(&format!("Listing exchanges for vhost {vhost} ..."));
    let items = of_vhost(context, &api_path!("exchanges", vhost))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_bindings(context: &Context<'_>) -> Result<Output, Fault> {
    let all: Vec<&str> = BINDING.iter().map(|column| column.0).collect();
    let columns = choose(context, BINDING, &all)?;
    let vhost = context.vhost();
    context.say(&format!("Listing bindings for vhost {vhost}..."));
    let items = of_vhost(context, &api_path!("bindings", vhost))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_connections(context: &Context<'_>) -> Result<Output, Fault> {
    let columns = choose(
        context,
        CONNECTION,
        &["user", "peer_host", "peer_port", "state"],
    )?;
    context.say("Listing connections ...");
    let items = context.api.list(&api_path!("connections"))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_channels(context: &Context<'_>) -> Result<Output, Fault> {
    let usual = ["pid", "user", "consumer_count", "messages_unacknowledged"];
    let columns = choose(context, CHANNEL, &usual)?;
    context.say("Listing channels ...");
    let items = context.api.list(&api_path!("channels"))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_consumers(context: &Context<'_>) -> Result<Output, Fault> {
    let usual = [
        "queue_name",
        "channel_pid",
        "consumer_tag",
        "ack_required",
        "prefetch_count",
        "active",
        "arguments",
    ];
    let columns = choose(context, CONSUMER, &usual)?;
    let vhost = context.vhost();
    context.say(&format!("Listing consumers in vhost {vhost} ..."));
    let items = of_vhost(context, &api_path!("consumers", vhost))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_vhosts(context: &Context<'_>) -> Result<Output, Fault> {
    let columns = choose(context, VHOST, &["name"])?;
    context.say("Listing vhosts ...");
    let items = context.api.list(&api_path!("vhosts"))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_feature_flags(context: &Context<'_>) -> Result<Output, Fault> {
    let columns = choose(context, FEATURE_FLAG, &["name", "state"])?;
    context.say("Listing feature flags ...");
    let items = context.api.list(&api_path!("feature-flags"))?;
    Ok(table(&items, &columns))
}

pub(super) fn list_unresponsive_queues(context: &Context<'_>) -> Result<Output, Fault> {
    let columns = choose(context, QUEUE, &["name"])?;
    context.say(&format!(
        "Listing unresponsive queues for vhost {} ...",
        context.vhost()
    ));
    // That the broker answers means that every queue does.
    context.api.get(&api_path!("whoami"))?;
    Ok(table(&[], &columns))
}
