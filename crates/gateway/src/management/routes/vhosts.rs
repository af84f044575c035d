//! Virtual hosts.

use serde_json::Value;
use trefoil_broker::admin::VhostChange;

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body,
    format::{self, Numbers},
    listing,
};

pub(super) fn list(call: &Call<'_>) -> Answered {
    let numbers = Numbers::of(call.request, call.api.amqp.now_ms());
    let mut views = call.look(|broker| broker.vhost_views());
    views.retain(|view| call.caller.sees(&view.name));
    let documents = format::with(call.api, numbers, &views, |format, view| format.vhost(view));
    listing::answer(call.request, documents)
}

pub(super) fn one(call: &Call<'_>, name: &str) -> Answered {
    match call.verb() {
        Verb::Get => {
            call.caller.need_sight(call.api, name)?;
            let numbers = Numbers::of(call.request, call.api.amqp.now_ms());
            let view = call
                .look(|broker| broker.vhost_view(name))
                .ok_or_else(Refused::not_found)?;
            let documents = format::with(call.api, numbers, &[view], |format, view| {
                format.vhost(view)
            });
            Ok(Answer::Json(
                documents.into_iter().next().unwrap_or(Value::Null),
            ))
        }
        Verb::Put => put(call, name),
        Verb::Delete => {
            call.caller.need_administrator()?;
            let is_protected = call.look(|broker| {
                broker
                    .vhost_view(name)
                    .map(|view| view.protected_from_deletion)
            });
            match is_protected {
                None => return Err(Refused::not_found()),
                Some(true) => {
                    return Err(Refused::new(
                        axum::http::StatusCode::PRECONDITION_FAILED,
                        "precondition_failed",
                        format!(
                            "Refusing to delete virtual host '{name}' because it is protected from deletion"
                        ),
                    ));
                }
                Some(false) => {}
            }
            call.change(|broker, now| Ok(broker.delete_vhost(name, now)))?;
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}

fn put(call: &Call<'_>, name: &str) -> Answered {
    call.caller.need_administrator()?;
    if name.is_empty() || name.len() > 255 {
        return Err(Refused::bad_request(
            "a name of a virtual host has 1 to 255 bytes",
        ));
    }
    let object = call.request.object()?;
    // Both places are in use: beside the name, and in `metadata`.
    let empty = serde_json::Map::new();
    let metadata = object
        .get("metadata")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let text = |member: &str| -> Result<Option<String>, Refused> {
        let own = body::text(&object, member)?;
        let own = match own {
            None => body::text(metadata, member)?,
            own => own,
        };
        Ok(own.map(str::to_owned))
    };
    let flag = |member: &str| -> Result<Option<bool>, Refused> {
        match body::flag(&object, member)? {
            None => body::flag(metadata, member),
            own => Ok(own),
        }
    };
    let kind = text("default_queue_type")?.filter(|kind| !kind.is_empty() && kind != "undefined");
    if let Some(kind) = &kind
        && !matches!(kind.as_str(), "classic" | "quorum" | "stream")
    {
        return Err(Refused::bad_request(format!("unknown queue type '{kind}'")));
    }
    let tags = object.get("tags").or_else(|| metadata.get("tags"));
    let change = VhostChange {
        description: text("description")?,
        tags: tags
            .filter(|tags| !tags.is_null())
            .map(body::tags)
            .transpose()?,
        default_queue_type: kind,
        protected_from_deletion: flag("protected_from_deletion")?,
        tracing: flag("tracing")?,
    };
    let is_new = call.change(|broker, now| Ok(broker.change_vhost(name, &change, now)))?;
    if is_new {
        // Whoever makes a virtual host may use it.
        let user = call.caller.name().to_owned();
        call.change(|broker, _| broker.set_permissions(&user, name, ".*", ".*", ".*"))?;
        return Ok(Answer::Created(None));
    }
    Ok(Answer::Done)
}

pub(super) fn start(call: &Call<'_>, name: &str, node: &str) -> Answered {
    call.caller.need_administrator()?;
    if call.verb() != Verb::Post {
        return Err(Refused::method("POST, OPTIONS"));
    }
    match node == call.api.config.node && call.look(|broker| broker.has_vhost(name)) {
        true => Ok(Answer::Done),
        false => Err(Refused::not_found()),
    }
}

/// Protection from deletion: POST sets it, DELETE takes it back.
pub(super) fn protection(call: &Call<'_>, name: &str) -> Answered {
    call.caller.need_administrator()?;
    let is_protected = match call.verb() {
        Verb::Post => true,
        Verb::Delete => false,
        _ => return Err(Refused::method("POST, DELETE, OPTIONS")),
    };
    crate::management::caller::known(call.api, name)?;
    let change = VhostChange {
        protected_from_deletion: Some(is_protected),
        ..VhostChange::default()
    };
    call.change(|broker, now| Ok(broker.change_vhost(name, &change, now)))?;
    Ok(Answer::Done)
}
