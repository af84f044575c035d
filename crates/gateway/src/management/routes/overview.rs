//! The broker as a whole.

use serde_json::{Map, Value, json};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body,
    format::Numbers,
    node,
    rates::{self, Watched},
};

pub(super) fn whoami(call: &Call<'_>) -> Answered {
    Ok(Answer::Json(json!({
        "name": call.caller.name(),
        "tags": call.caller.user.tags,
    })))
}

/// Exchange types, as documents have them.
pub(in crate::management) fn exchange_types() -> Value {
    let types = [
        ("direct", "Routes by the whole key"),
        ("fanout", "Routes to all"),
        ("headers", "Routes by headers"),
        ("topic", "Routes by patterns of words"),
        (
            "x-consistent-hash",
            "Spreads by a hash, evenly when queues come and go",
        ),
        ("x-modulus-hash", "Spreads by a hash over what is bound"),
        ("x-random", "Routes to one of what is bound"),
        (
            "x-local-random",
            "Routes to one of what is bound on this node",
        ),
        (
            "x-recent-history",
            "Routes to all, and tells newcomers the last messages",
        ),
        ("x-delayed-message", "Routes later"),
    ];
    types
        .iter()
        .map(|(name, description)| json!({"name": name, "description": description, "enabled": true}))
        .collect()
}

pub(super) fn overview(call: &Call<'_>) -> Answered {
    let api = call.api;
    let numbers = Numbers::of(call.request, api.amqp.now_ms());
    let (view, cluster) = call.look(|broker| (broker.overview(), broker.cluster_name().to_owned()));
    let config = &api.config;
    let mut rates = api.rates();
    let mut add = |watched, values: &rates::Numbers, history| {
        let mut object = Map::new();
        rates.add(&mut object, watched, values, numbers.now, history);
        Value::Object(object)
    };
    let counters = rates::of_clients(&view.messages);
    let stats = match counters.iter().any(|(_, value)| *value > 0) {
        true => add(Watched::Overview, &counters, numbers.messages),
        false => json!({}),
    };
    let totals = add(
        Watched::TotalLengths,
        &rates::lengths(&view.depth),
        numbers.lengths,
    );
    let churn = vec![
        ("connection_created", view.churn.connection_created),
        ("connection_closed", view.churn.connection_closed),
        ("channel_created", view.churn.channel_created),
        ("channel_closed", view.churn.channel_closed),
        ("queue_declared", view.churn.queue_declared),
        ("queue_created", view.churn.queue_created),
        ("queue_deleted", view.churn.queue_deleted),
    ];
    let churn = add(Watched::Churn, &churn, numbers.messages);
    let document = json!({
        "management_version": config.rabbitmq_version,
        "rates_mode": "basic",
        "sample_retention_policies": {"global": [60], "basic": [60], "detailed": [60]},
        "exchange_types": exchange_types(),
        "product_name": config.product.0,
        "product_version": config.product.1,
        "rabbitmq_version": config.rabbitmq_version,
        "cluster_name": cluster,
        "cluster_tags": {},
        "node_tags": {},
        // There is no Erlang. Clients insist on a version of it, so it is said what there is instead.
        "erlang_version": "none",
        "erlang_full_version": "none: this broker is written in Rust",
        "crypto_lib_version": "rustls",
        "release_series_support_status": "supported",
        "disable_stats": false,
        "enable_queue_totals": false,
        "default_queue_type": "classic",
        "is_op_policy_updating_enabled": true,
        "message_stats": stats,
        "churn_rates": churn,
        "queue_totals": totals,
        "object_totals": {
            "channels": view.totals.channels,
            "connections": view.totals.connections,
            "consumers": view.totals.consumers,
            "exchanges": view.totals.exchanges,
            "queues": view.totals.queues,
        },
        "statistics_db_event_queue": 0,
        "node": config.node,
        "listeners": node::listeners(api),
        "contexts": node::contexts(api),
    });
    drop(rates);
    let wanted = crate::management::listing::Wanted::of(call.request)?;
    Ok(Answer::Json(wanted.cut(document)))
}

pub(super) fn version(call: &Call<'_>) -> Answered {
    Ok(Answer::Json(Value::from(
        call.api.config.rabbitmq_version.as_str(),
    )))
}

pub(super) fn cluster_name(call: &Call<'_>) -> Answered {
    match call.verb() {
        Verb::Get => {
            let name = call.look(|broker| broker.cluster_name().to_owned());
            Ok(Answer::Json(json!({"name": name})))
        }
        Verb::Put => {
            call.caller.need_administrator()?;
            let object = call.request.object()?;
            body::need(&object, &["name"])?;
            let name = body::text(&object, "name")?.unwrap_or_default().to_owned();
            call.change(|broker, _| {
                broker.set_cluster_name(&name);
                Ok(())
            })?;
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, PUT, OPTIONS")),
    }
}

/// Flags of RabbitMQ that say what this broker does too.
const FEATURE_FLAGS: &[&str] = &[
    "classic_mirrored_queue_version",
    "classic_queue_type_delivery_support",
    "detailed_queues_endpoint",
    "direct_exchange_routing_v2",
    "drop_unroutable_metric",
    "empty_basic_get_metric",
    "feature_flags_v2",
    "implicit_default_bindings",
    "khepri_db",
    "listener_records_in_ets",
    "maintenance_mode_status",
    "message_containers",
    "quorum_queue",
    "rabbitmq_4.0.0",
    "rabbitmq_4.1.0",
    "rabbitmq_4.2.0",
    "stream_queue",
    "tracking_records_in_ets",
    "user_limits",
    "virtual_host_metadata",
];

pub(super) fn feature_flags(_: &Call<'_>) -> Answered {
    let flags = FEATURE_FLAGS.iter().map(|name| {
        json!({
            "name": name, "desc": "It is as if it were on", "doc_url": "", "state": "enabled", "stability": "stable", "provided_by": "rabbit",
        })
    });
    Ok(Answer::Json(flags.collect()))
}

pub(super) fn enable_feature_flag(call: &Call<'_>, name: &str) -> Answered {
    call.caller.need_administrator()?;
    if call.verb() != Verb::Put {
        return Err(Refused::method("PUT, OPTIONS"));
    }
    match FEATURE_FLAGS.contains(&name) {
        true => Ok(Answer::Done),
        false => Err(Refused::bad_request("unsupported")),
    }
}

/// What RabbitMQ wants to be rid of, and this broker keeps.
const DEPRECATED: &[(&str, &str)] = &[
    ("global_qos", "Prefetch limits of a whole channel"),
    (
        "transient_nonexcl_queues",
        "Queues that are neither durable nor exclusive",
    ),
    (
        "queue_master_locator",
        "The argument that says on which node a queue is to be",
    ),
    (
        "management_metrics_collection",
        "Rates and counters in the management API",
    ),
    ("ram_node_type", "Nodes that keep nothing on disk"),
];

/// All of them, or those that somebody uses.
pub(super) fn deprecated_features(call: &Call<'_>, used: bool) -> Answered {
    let is_used = |name: &str| match name {
        "global_qos" => call.look(|broker| {
            let mut channels = broker.channel_views().into_iter();
            channels.any(|channel| channel.global_prefetch_count > 0)
        }),
        "transient_nonexcl_queues" => call.look(|broker| broker.has_transient_shared_queue()),
        // Whoever asks sees rates.
        "management_metrics_collection" => true,
        _ => false,
    };
    let features = DEPRECATED
        .iter()
        .filter(|(name, _)| !used || is_used(name))
        .map(|(name, description)| {
            // The one node there is keeps everything on disk.
            let (phase, state) = match *name {
                "ram_node_type" => ("removed", "denied"),
                _ => ("permitted_by_default", "permitted"),
            };
            json!({
                "name": name, "desc": description, "deprecation_phase": phase, "doc_url": "", "provided_by": "rabbit",
                "state": state,
            })
        });
    Ok(Answer::Json(features.collect()))
}

/// What a single node need not do.
pub(super) fn nothing_to_do(call: &Call<'_>, verb: Verb) -> Answered {
    call.caller.need_administrator()?;
    match call.verb() == verb {
        true => Ok(Answer::Done),
        false => Err(Refused::method("POST, OPTIONS")),
    }
}

/// Forgets all samples.
pub(super) fn reset(call: &Call<'_>) -> Answered {
    call.caller.need_administrator()?;
    if call.verb() != Verb::Delete {
        return Err(Refused::method("DELETE, OPTIONS"));
    }
    *call.api.rates() = rates::Rates::default();
    Ok(Answer::Done)
}
