//! Limits of users and virtual hosts.

use serde_json::{Map, Value, json};
use trefoil_broker::access::{UserLimits, VhostLimits};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body,
    caller::known,
    listing,
};

pub(super) fn of_users(call: &Call<'_>, user: Option<&str>) -> Answered {
    call.caller.need_monitor()?;
    let mut users = call.look(|broker| broker.users());
    if let Some(name) = user {
        users.retain(|user| user.name == name);
        if users.is_empty() {
            return Err(Refused::not_found());
        }
    }
    let limits = users.iter().map(|user| (&user.name, user.limits.to_json()));
    let documents = limits
        .filter(|(_, limits)| !limits.is_empty())
        .map(|(name, limits)| json!({"user": name, "value": limits}));
    listing::answer(call.request, documents.collect())
}

pub(super) fn of_vhosts(call: &Call<'_>, vhost: Option<&str>) -> Answered {
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    let mut limits = call.look(|broker| broker.all_vhost_limits());
    limits.retain(|(name, _)| vhost.is_none_or(|vhost| vhost == name) && call.caller.sees(name));
    let documents = limits.iter();
    let documents =
        documents.map(|(name, limits)| json!({"vhost": name, "value": limits.to_json()}));
    listing::answer(call.request, documents.collect())
}

/// The number in a body: `{"value": 10}`.
fn value(call: &Call<'_>) -> Result<Value, Refused> {
    let object = call.request.object()?;
    body::need(&object, &["value"])?;
    Ok(object.get("value").cloned().unwrap_or(Value::Null))
}

/// Limits with one of them set or taken away.
fn changed(mut limits: Map<String, Value>, name: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => limits.insert(name.to_owned(), value),
        None => limits.remove(name),
    };
    Value::Object(limits)
}

pub(super) fn vhost(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_administrator()?;
    known(call.api, vhost)?;
    let new = match call.verb() {
        Verb::Put => Some(value(call)?),
        Verb::Delete => None,
        _ => return Err(Refused::method("PUT, DELETE, OPTIONS")),
    };
    let old = call.look(|broker| broker.vhost_limits(vhost)).to_json();
    let limits = VhostLimits::from_json(&changed(old, name, new));
    let limits = limits.map_err(|error| Refused::bad_request(error.to_string()))?;
    call.change(|broker, _| {
        broker.set_vhost_limits(vhost, limits);
        Ok(())
    })?;
    Ok(Answer::Done)
}

pub(super) fn user(call: &Call<'_>, user: &str, name: &str) -> Answered {
    call.caller.need_administrator()?;
    let found = call
        .look(|broker| broker.user(user))
        .ok_or_else(Refused::not_found)?;
    let new = match call.verb() {
        Verb::Put => Some(value(call)?),
        Verb::Delete => None,
        _ => return Err(Refused::method("PUT, DELETE, OPTIONS")),
    };
    let limits = UserLimits::from_json(&changed(found.limits.to_json(), name, new));
    let limits = limits.map_err(|error| Refused::bad_request(error.to_string()))?;
    call.change(|broker, _| broker.set_user_limits(user, limits))?;
    Ok(Answer::Done)
}
