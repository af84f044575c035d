//! Exchanges, and publishing to them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use trefoil_amqp::{
    Method, TableRef,
    method::exchange::{Declare, Delete},
};
use trefoil_broker::inspect::ExchangeView;

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    arguments, body,
    format::{self, Numbers},
    listing::{List, Wanted},
    properties,
};

/// How paths call the default exchange, whose name is empty.
const DEFAULT: &str = "amq.default";

pub(super) fn real_name(name: &str) -> &str {
    if name == DEFAULT { "" } else { name }
}

pub(super) fn list(call: &Call<'_>, vhost: Option<&str>) -> Answered {
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    let wanted = Wanted::of(call.request)?;
    let numbers = Numbers::of(call.request, call.api.amqp.now_ms());
    let mut views = call.look(|broker| broker.exchange_views(vhost));
    views.retain(|view| call.caller.sees(&view.vhost));
    views.sort_by(|left, right| (&left.vhost, &left.name).cmp(&(&right.vhost, &right.name)));
    let api = call.api.shared();
    let list = List {
        items: views,
        name: |view: &ExchangeView| &*view.name,
        detail: move |views: &[ExchangeView]| {
            format::with(&api, numbers, views, |format, view| format.exchange(view))
        },
    };
    list.answer(wanted)
}

pub(super) fn one(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    let name = real_name(name);
    match call.verb() {
        Verb::Get => {
            call.caller.need_sight(call.api, vhost)?;
            let view = call
                .look(|broker| broker.exchange_view(vhost, name))
                .ok_or_else(Refused::not_found)?;
            let numbers = Numbers::of(call.request, call.api.amqp.now_ms());
            let documents = format::with(call.api, numbers, &[view], |format, view| {
                let mut document = format.exchange(view);
                document["incoming"] = json!([]);
                document["outgoing"] = json!([]);
                document
            });
            let document = documents.into_iter().next().unwrap_or(Value::Null);
            Ok(Answer::Json(Wanted::of(call.request)?.cut(document)))
        }
        Verb::Put => declare(call, vhost, name),
        Verb::Delete => {
            call.caller.need_vhost(call.api, vhost)?;
            let delete = Delete {
                ticket: 0,
                exchange: name,
                if_unused: call.request.flag("if-unused"),
                no_wait: false,
            };
            call.change(|broker, now| {
                broker.need_exchange(vhost, name)?;
                broker.perform(
                    &call.caller.user,
                    vhost,
                    &Method::ExchangeDelete(delete),
                    now,
                )
            })?;
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}

fn declare(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    let object = call.request.object()?;
    let kind = body::text(&object, "type")?.unwrap_or("direct");
    let table = arguments::from_json(&body::arguments(&object)?)?.to_bytes();
    let declare = Declare {
        ticket: 0,
        exchange: name,
        kind,
        passive: false,
        durable: body::flag(&object, "durable")?.unwrap_or(true),
        auto_delete: body::flag(&object, "auto_delete")?.unwrap_or(false),
        internal: body::flag(&object, "internal")?.unwrap_or(false),
        no_wait: false,
        arguments: TableRef::from_bytes(&table),
    };
    let is_new = call.change(|broker, now| {
        let is_new = broker.need_exchange(vhost, name).is_err();
        broker.perform(
            &call.caller.user,
            vhost,
            &Method::ExchangeDeclare(declare),
            now,
        )?;
        Ok(is_new)
    })?;
    Ok(match is_new {
        true => Answer::Created(None),
        false => Answer::Done,
    })
}

pub(super) fn publish(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    if call.verb() != Verb::Post {
        return Err(Refused::method("POST, OPTIONS"));
    }
    let object = call.request.object()?;
    body::need(
        &object,
        &["properties", "routing_key", "payload", "payload_encoding"],
    )?;
    let payload = body::text(&object, "payload")?.unwrap_or_default();
    let payload = match body::text(&object, "payload_encoding")?.unwrap_or_default() {
        "string" => payload.as_bytes().to_vec(),
        "base64" => STANDARD
            .decode(payload)
            .map_err(|_| Refused::bad_request("payload is not base64"))?,
        other => {
            return Err(Refused::bad_request(format!(
                "unsupported_encoding: {other}"
            )));
        }
    };
    let empty = Map::new();
    let given = match object.get("properties") {
        Some(Value::Object(given)) => given,
        // No properties at all are a list in some languages.
        Some(Value::Array(given)) if given.is_empty() => &empty,
        _ => return Err(Refused::bad_request("properties is an object")),
    };
    let header = properties::to_header(given, payload.len() as u64)?;
    let key = body::text(&object, "routing_key")?.unwrap_or_default();
    let routed = call.change(|broker, now| {
        broker.publish_as(
            &call.caller.user,
            vhost,
            real_name(name),
            key,
            &header,
            &payload,
            now,
        )
    })?;
    Ok(Answer::Json(json!({"routed": routed})))
}
