//! Permissions of users in virtual hosts, and for routing keys.

use serde_json::{Value, json};
use trefoil_broker::admin::{PermissionView, TopicPermissionView};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body,
    caller::known,
    listing,
};

fn document(view: &PermissionView) -> Value {
    json!({
        "user": view.user, "vhost": view.vhost, "configure": view.configure, "write": view.write, "read": view.read,
    })
}

fn topic_document(view: &TopicPermissionView) -> Value {
    json!({
        "user": view.user, "vhost": view.vhost, "exchange": view.exchange, "write": view.write, "read": view.read,
    })
}

fn some(call: &Call<'_>, keep: impl Fn(&PermissionView) -> bool) -> Answered {
    let mut views = call.look(|broker| broker.permissions());
    views.retain(keep);
    listing::answer(call.request, views.iter().map(document).collect())
}

fn some_topic(call: &Call<'_>, keep: impl Fn(&TopicPermissionView) -> bool) -> Answered {
    let mut views = call.look(|broker| broker.topic_permissions());
    views.retain(keep);
    listing::answer(call.request, views.iter().map(topic_document).collect())
}

pub(super) fn list(call: &Call<'_>) -> Answered {
    call.caller.need_administrator()?;
    some(call, |_| true)
}

pub(super) fn of_vhost(call: &Call<'_>, vhost: &str) -> Answered {
    call.caller.need_administrator()?;
    known(call.api, vhost)?;
    some(call, |view| view.vhost == vhost)
}

fn known_user(call: &Call<'_>, user: &str) -> Result<(), Refused> {
    match call.look(|broker| broker.user(user).is_some()) {
        true => Ok(()),
        false => Err(Refused::not_found()),
    }
}

pub(super) fn of_user(call: &Call<'_>, user: &str) -> Answered {
    call.caller.need_administrator()?;
    known_user(call, user)?;
    some(call, |view| view.user == user)
}

pub(super) fn topic_list(call: &Call<'_>) -> Answered {
    call.caller.need_administrator()?;
    some_topic(call, |_| true)
}

pub(super) fn topic_of_vhost(call: &Call<'_>, vhost: &str) -> Answered {
    call.caller.need_administrator()?;
    known(call.api, vhost)?;
    some_topic(call, |view| view.vhost == vhost)
}

pub(super) fn topic_of_user(call: &Call<'_>, user: &str) -> Answered {
    call.caller.need_administrator()?;
    known_user(call, user)?;
    some_topic(call, |view| view.user == user)
}

/// Both have to be there; which of them is not is not said, as in RabbitMQ.
fn both_known(call: &Call<'_>, vhost: &str, user: &str) -> bool {
    call.look(|broker| broker.has_vhost(vhost) && broker.user(user).is_some())
}

pub(super) fn one(call: &Call<'_>, vhost: &str, user: &str) -> Answered {
    call.caller.need_administrator()?;
    let found = || {
        let views = call.look(|broker| broker.permissions());
        views
            .into_iter()
            .find(|view| view.vhost == vhost && view.user == user)
    };
    match call.verb() {
        Verb::Get => {
            let view = found().ok_or_else(Refused::not_found)?;
            Ok(Answer::Json(document(&view)))
        }
        Verb::Put => {
            let object = call.request.object()?;
            body::need(&object, &["configure", "write", "read"])?;
            if !both_known(call, vhost, user) {
                return Err(Refused::bad_request("vhost_or_user_not_found"));
            }
            let pattern =
                |name: &str| Ok::<_, Refused>(body::text(&object, name)?.unwrap_or_default());
            let (configure, write, read) =
                (pattern("configure")?, pattern("write")?, pattern("read")?);
            let is_new = call
                .change(|broker, _| broker.set_permissions(user, vhost, configure, write, read))?;
            Ok(match is_new {
                true => Answer::Created(None),
                false => Answer::Done,
            })
        }
        Verb::Delete => match call.change(|broker, _| Ok(broker.clear_permissions(user, vhost)))? {
            true => Ok(Answer::Done),
            false => Err(Refused::not_found()),
        },
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}

pub(super) fn topic(call: &Call<'_>, vhost: &str, user: &str, exchange: Option<&str>) -> Answered {
    call.caller.need_administrator()?;
    let fits = |view: &TopicPermissionView| {
        view.vhost == vhost
            && view.user == user
            && exchange.is_none_or(|exchange| view.exchange == exchange)
    };
    let mut views = call.look(|broker| broker.topic_permissions());
    views.retain(fits);
    match call.verb() {
        Verb::Get if views.is_empty() => Err(Refused::not_found()),
        Verb::Get => listing::answer(call.request, views.iter().map(topic_document).collect()),
        Verb::Put => {
            let object = call.request.object()?;
            body::need(&object, &["exchange", "write", "read"])?;
            if !both_known(call, vhost, user) {
                return Err(Refused::bad_request("vhost_or_user_not_found"));
            }
            let text =
                |name: &str| Ok::<_, Refused>(body::text(&object, name)?.unwrap_or_default());
            let (exchange, write, read) = (text("exchange")?, text("write")?, text("read")?);
            let is_new = call.change(|broker, _| {
                broker.set_topic_permissions(user, vhost, exchange, write, read)
            })?;
            Ok(match is_new {
                true => Answer::Created(None),
                false => Answer::Done,
            })
        }
        Verb::Delete if views.is_empty() => Err(Refused::not_found()),
        Verb::Delete => {
            call.change(|broker, _| Ok(broker.clear_topic_permissions(user, vhost, exchange)))?;
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}
