//! Queues, and what is in them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use trefoil_amqp::{
    Method, TableRef,
    method::queue::{Declare, Delete, Purge},
};
use trefoil_broker::{
    admin::Fetch,
    inspect::{BindingView, FetchedMessage, QueueKey, QueueView},
};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    arguments, body,
    caller::known,
    format::{self, Numbers},
    listing::{List, Wanted},
    properties,
};

pub(super) fn list(call: &Call<'_>, vhost: Option<&str>) -> Answered {
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    let wanted = Wanted::of(call.request)?;
    let numbers = Numbers::of(call.request, call.api.amqp.now_ms());
    // Only names are taken in one go; the rest comes in slices while the answer is written.
    let mut keys = call.look(|broker| broker.queue_keys(vhost));
    keys.retain(|key| call.caller.sees(&key.vhost));
    keys.sort();
    let api = call.api.shared();
    let detail = move |keys: &[QueueKey]| {
        let views: Vec<QueueView> = api.amqp.with(|broker, _| {
            keys.iter()
                .filter_map(|key| broker.queue_view(key))
                .collect()
        });
        format::with(&api, numbers, &views, |format, view| format.queue(view))
    };
    let list = List {
        items: keys,
        name: |key: &QueueKey| &*key.name,
        detail,
    };
    list.answer(wanted)
}

pub(super) fn one(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    match call.verb() {
        Verb::Get => {
            call.caller.need_sight(call.api, vhost)?;
            show(call, vhost, name)
        }
        Verb::Put => declare(call, vhost, name),
        Verb::Delete => {
            call.caller.need_vhost(call.api, vhost)?;
            let delete = Delete {
                ticket: 0,
                queue: name,
                if_unused: call.request.flag("if-unused"),
                if_empty: call.request.flag("if-empty"),
                no_wait: false,
            };
            call.change(|broker, now| {
                broker.need_queue(vhost, name)?;
                broker.perform(&call.caller.user, vhost, &Method::QueueDelete(delete), now)
            })?;
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}

fn show(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    let key = QueueKey {
        vhost: vhost.into(),
        name: name.into(),
    };
    let found = call.look(|broker| {
        Some((
            broker.queue_view(&key)?,
            broker.consumers_of_queue(vhost, name),
        ))
    });
    let (view, consumers) = found.ok_or_else(Refused::not_found)?;
    let numbers = Numbers::of(call.request, call.api.amqp.now_ms());
    let documents = format::with(call.api, numbers, &[view], |format, view| {
        let mut document = format.queue(view);
        if format.numbers.stats {
            document["consumer_details"] = consumers
                .iter()
                .map(|consumer| format.consumer(consumer))
                .collect();
            document["deliveries"] = json!([]);
            document["incoming"] = json!([]);
            // Members of an Erlang process; tools read them without asking whether they are there.
            document["garbage_collection"] = json!({
                "max_heap_size": 0, "min_bin_vheap_size": 0, "min_heap_size": 0, "fullsweep_after": 65535, "minor_gcs": 0,
            });
        }
        document
    });
    let document = documents.into_iter().next().unwrap_or(Value::Null);
    Ok(Answer::Json(Wanted::of(call.request)?.cut(document)))
}

fn declare(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    let object = call.request.object()?;
    let given = body::arguments(&object)?;
    let table = arguments::from_json(&given)?.to_bytes();
    let declare = Declare {
        ticket: 0,
        queue: name,
        passive: false,
        durable: body::flag(&object, "durable")?.unwrap_or(true),
        exclusive: body::flag(&object, "exclusive")?.unwrap_or(false),
        auto_delete: body::flag(&object, "auto_delete")?.unwrap_or(false),
        no_wait: false,
        arguments: TableRef::from_bytes(&table),
    };
    if declare.exclusive {
        return Err(Refused::bad_request(
            "an exclusive queue belongs to a connection, and there is none here",
        ));
    }
    let is_new = call.change(|broker, now| {
        let is_new = broker.need_queue(vhost, name).is_err();
        broker.perform(
            &call.caller.user,
            vhost,
            &Method::QueueDeclare(declare),
            now,
        )?;
        Ok(is_new)
    })?;
    Ok(match is_new {
        true => Answer::Created(None),
        false => Answer::Done,
    })
}

pub(super) fn contents(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    if call.verb() != Verb::Delete {
        return Err(Refused::method("DELETE, OPTIONS"));
    }
    let purge = Purge {
        ticket: 0,
        queue: name,
        no_wait: false,
    };
    call.change(|broker, now| {
        broker.perform(&call.caller.user, vhost, &Method::QueuePurge(purge), now)
    })?;
    Ok(Answer::Done)
}

/// Synchronisation of mirrors: there are none to be synchronised.
pub(super) fn actions(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    if call.verb() != Verb::Post {
        return Err(Refused::method("POST, OPTIONS"));
    }
    known(call.api, vhost)?;
    call.look(|broker| broker.need_queue(vhost, name))?;
    let object = call.request.object()?;
    match body::text(&object, "action")? {
        Some("sync" | "cancel_sync") => Ok(Answer::Done),
        other => Err(Refused::bad_request(format!(
            "unknown action {}",
            other.unwrap_or("none")
        ))),
    }
}

/// Most messages that are fetched in one request: the answer is built whole.
const FETCH_MAX: i64 = 10_000;

pub(super) fn fetch(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_vhost(call.api, vhost)?;
    if call.verb() != Verb::Post {
        return Err(Refused::method("POST, OPTIONS"));
    }
    let object = call.request.object()?;
    // Before 3.7 clients said whether to requeue.
    if !object.contains_key("requeue") {
        body::need(&object, &["ackmode"])?;
    }
    body::need(&object, &["count", "encoding"])?;
    let (is_acked, is_requeued) = match body::text(&object, "ackmode")? {
        Some("ack_requeue_true") => (true, true),
        Some("ack_requeue_false") => (false, false),
        Some("reject_requeue_true") => (true, true),
        Some("reject_requeue_false") => (true, false),
        None => {
            let requeue = body::flag(&object, "requeue")?.unwrap_or(false);
            (requeue, requeue)
        }
        Some(other) => {
            return Err(Refused::bad_request(format!("unknown ackmode {other}")));
        }
    };
    let count = body::integer(&object, "count")?
        .unwrap_or(0)
        .clamp(0, FETCH_MAX);
    let encoding = body::text(&object, "encoding")?.unwrap_or_default();
    let is_base64 = match encoding {
        "auto" => false,
        "base64" => true,
        other => {
            return Err(Refused::bad_request(format!(
                "unsupported_encoding: {other}"
            )));
        }
    };
    let truncate = body::integer(&object, "truncate")?;
    let truncate = truncate.and_then(|bytes| usize::try_from(bytes).ok());
    let fetch = Fetch {
        count: usize::try_from(count).unwrap_or(0),
        // What is not held to be settled is gone with the fetch.
        no_ack: !is_acked,
        requeue: is_requeued,
    };
    let messages =
        call.change(|broker, now| broker.fetch(&call.caller.user, vhost, name, fetch, now))?;
    let documents = messages
        .iter()
        .map(|message| document(message, is_base64, truncate));
    Ok(Answer::Json(documents.collect()))
}

fn document(message: &FetchedMessage, is_base64: bool, truncate: Option<usize>) -> Value {
    let cut = &message.body[..message.body.len().min(truncate.unwrap_or(usize::MAX))];
    let text = std::str::from_utf8(cut).ok().filter(|_| !is_base64);
    let (payload, encoding) = match text {
        Some(text) => (text.to_owned(), "string"),
        None => (STANDARD.encode(cut), "base64"),
    };
    let mut document = Map::new();
    document.insert("payload_bytes".to_owned(), message.body.len().into());
    document.insert("redelivered".to_owned(), message.redelivered.into());
    document.insert("exchange".to_owned(), (*message.exchange).into());
    document.insert("routing_key".to_owned(), (*message.routing_key).into());
    document.insert("message_count".to_owned(), message.remaining.into());
    document.insert(
        "properties".to_owned(),
        properties::to_json(&message.header),
    );
    document.insert("payload".to_owned(), payload.into());
    document.insert("payload_encoding".to_owned(), encoding.into());
    Value::Object(document)
}

/// Bindings of a queue, in an order that does not change.
pub(super) fn ordered(mut views: Vec<BindingView>) -> Vec<BindingView> {
    views.sort_by(|left, right| {
        let key = |view: &BindingView| {
            (
                view.vhost.clone(),
                view.source.clone(),
                view.destination_kind,
                view.destination.clone(),
                view.routing_key.clone(),
            )
        };
        key(left).cmp(&key(right))
    });
    views
}
