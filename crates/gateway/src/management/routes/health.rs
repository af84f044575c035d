//! Whether all is well.

use axum::http::StatusCode;
use serde_json::{Value, json};
use trefoil_amqp::{Method, TableRef, method::queue::Declare};
use trefoil_broker::admin::Fetch;

use super::{Answered, Call};
use crate::management::{
    answer::{Answer, Refused},
    node, properties,
};

fn well() -> Answered {
    Ok(Answer::Json(json!({"status": "ok"})))
}

fn failed(mut document: Value) -> Answered {
    document["status"] = "failed".into();
    Ok(Answer::Status(StatusCode::SERVICE_UNAVAILABLE, document))
}

/// The queue that messages of the test go through.
const QUEUE: &str = "aliveness-test";

/// Declares a queue, publishes to it and fetches from it.
pub(super) fn aliveness(call: &Call<'_>, vhost: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    let declare = Declare {
        ticket: 0,
        queue: QUEUE,
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: TableRef::EMPTY,
    };
    let body = b"test_message";
    let header = properties::to_header(&serde_json::Map::new(), body.len() as u64)?;
    let user = &call.caller.user;
    let fetched = call.change(|broker, now| {
        broker.perform(user, vhost, &Method::QueueDeclare(declare), now)?;
        broker.publish_as(user, vhost, "", QUEUE, &header, body, now)?;
        let fetch = Fetch {
            count: 1,
            no_ack: true,
            requeue: false,
        };
        broker.fetch(user, vhost, QUEUE, fetch, now)
    })?;
    match fetched.is_empty() {
        false => well(),
        true => failed(json!({"reason": "the message that was published is not there"})),
    }
}

/// The check of old clients.
pub(super) fn node(call: &Call<'_>) -> Answered {
    check(call, &["alarms"])
}

pub(super) fn check(call: &Call<'_>, check: &[&str]) -> Answered {
    match *check {
        ["alarms" | "local-alarms"] => alarms(call),
        ["virtual-hosts"] => well(),
        ["node-is-quorum-critical" | "node-is-mirror-sync-critical"] => Ok(Answer::Json(
            json!({"status": "ok", "reason": "single node cluster"}),
        )),
        ["quorum-queues-without-elected-leaders", ..] => well(),
        ["metadata-store", "initialized"] | ["metadata-store", "initialized", "with-data"] => {
            well()
        }
        ["port-listener", port] => port_listener(call, port),
        ["protocol-listener", protocols] => protocol_listener(call, protocols),
        ["certificate-expiration", within, unit] => certificates(call, within, unit),
        ["is-in-service" | "ready-to-serve-clients"] => {
            let reason = |how: &str| json!({"reason": format!("the node does not accept connections: {how}")});
            match call.look(|broker| broker.is_stopped()) {
                true => failed(reason("it was stopped with stop_app")),
                false if !call.api.amqp.is_accepting() => failed(reason(
                    "its listeners were suspended with suspend_listeners",
                )),
                false => well(),
            }
        }
        ["below-node-connection-limit"] => well(),
        _ => Err(Refused::not_found()),
    }
}

fn alarms(call: &Call<'_>) -> Answered {
    let alarms = call.look(|broker| broker.overview().alarms);
    let node = &call.api.config.node;
    let on: Vec<Value> = [("memory", alarms.memory), ("disk", alarms.disk)]
        .iter()
        .filter(|(_, on)| *on)
        .map(|(resource, _)| json!({"node": node, "resource": resource}))
        .collect();
    match on.is_empty() {
        true => well(),
        false => {
            failed(json!({"reason": "There are alarms in effect in the cluster", "alarms": on}))
        }
    }
}

fn port_listener(call: &Call<'_>, port: &str) -> Answered {
    let port: u16 = port
        .parse()
        .map_err(|_| Refused::bad_request("Invalid port"))?;
    let ports = node::ports(call.api);
    match ports.contains(&port) {
        true => Ok(Answer::Json(json!({"status": "ok", "port": port}))),
        false => failed(json!({"reason": "No active listener", "missing": port, "ports": ports})),
    }
}

fn protocol_listener(call: &Call<'_>, names: &str) -> Answered {
    let active = node::protocols(call.api);
    // Names that mean the same.
    let real = |name: &str| match name {
        "amqp091" | "amqp0.9.1" | "amqp10" | "amqp1.0" => "amqp".to_owned(),
        "amqps" | "amqp/tls" => "amqp/ssl".to_owned(),
        "https" => "https".to_owned(),
        name => name.to_owned(),
    };
    let missing: Vec<&str> = names
        .split(',')
        .filter(|name| !active.iter().any(|known| *known == real(name)))
        .collect();
    match missing.is_empty() {
        true => Ok(Answer::Json(json!({"status": "ok", "protocol": names}))),
        false => {
            failed(json!({"reason": "No active listener", "missing": missing, "protocols": active}))
        }
    }
}

/// Seconds of a span like `4 weeks`.
fn span_s(within: &str, unit: &str) -> Option<i64> {
    let number: i64 = within.parse().ok().filter(|number| *number > 0)?;
    let day = 86_400;
    let scale = match unit {
        "days" => day,
        "weeks" => 7 * day,
        "months" => 30 * day,
        "years" => 365 * day,
        _ => return None,
    };
    number.checked_mul(scale)
}

fn certificates(call: &Call<'_>, within: &str, unit: &str) -> Answered {
    let Some(span) = span_s(within, unit) else {
        return Err(Refused::bad_request(format!(
            "Invalid expiration unit or time: {within} {unit}"
        )));
    };
    let now_s = i64::try_from(call.api.amqp.now_ms() / 1000).unwrap_or(i64::MAX);
    let expired: Vec<Value> = node::certificates(call.api)
        .into_iter()
        .filter(|(_, until)| *until <= now_s.saturating_add(span))
        .map(|(file, until)| json!({"node": call.api.config.node, "certfile": file, "certfile_expires_on": [until]}))
        .collect();
    match expired.is_empty() {
        true => well(),
        false => failed(json!({"reason": "Certificates expiring", "expired": expired})),
    }
}

#[cfg(test)]
mod tests {
    use super::span_s;

    #[test]
    fn spans_have_units() {
        assert_eq!(span_s("1", "days"), Some(86_400));
        assert_eq!(span_s("2", "weeks"), Some(14 * 86_400));
        assert_eq!(span_s("0", "days"), None);
        assert_eq!(span_s("x", "days"), None);
        assert_eq!(span_s("1", "fortnights"), None);
    }
}
