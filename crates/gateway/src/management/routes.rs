//! Which path is answered by what.

mod bindings;
mod connections;
mod exchanges;
mod health;
mod limits;
mod nodes;
mod operator;
mod overview;
mod parameters;
mod permissions;
mod policies;
mod queues;
mod users;
mod vhosts;

pub(super) use overview::exchange_types;

use axum::{
    http::Method,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use trefoil_broker::{Broker, admin::Refusal, policy::PolicyKind};

use super::{
    Api,
    answer::{Answer, Refused},
    caller::Caller,
    definitions, metrics,
    request::Request,
};

/// How an answer is come by.
type Answered = Result<Answer, Refused>;

/// A request of somebody who may ask.
struct Call<'a> {
    api: &'a Api,
    request: &'a Request,
    caller: Caller,
}

/// What a method means where it does not matter which of several names it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Put,
    Post,
    Delete,
    Other,
}

impl Call<'_> {
    fn verb(&self) -> Verb {
        match self.request.method {
            Method::GET | Method::HEAD => Verb::Get,
            Method::PUT => Verb::Put,
            Method::POST => Verb::Post,
            Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        }
    }

    /// Changes the broker, and waits until what was changed is on disk.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Broker, u64) -> Result<T, Refusal>,
    ) -> Result<T, Refused> {
        change_durably(self.api, change)
    }

    fn look<T>(&self, look: impl FnOnce(&mut Broker) -> T) -> T {
        self.api.amqp.with(|broker, _| look(broker))
    }

    /// Only for looking.
    fn get(&self, answer: impl FnOnce(&Self) -> Answered) -> Answered {
        match self.verb() {
            Verb::Get => answer(self),
            _ => Err(Refused::method("HEAD, GET, OPTIONS")),
        }
    }
}

/// How long a change is waited for: a disk that takes longer is broken, and says so in other ways.
const DURABLE_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);
/// How often the broker is asked: shorter than a sync takes.
const DURABLE_STEP: std::time::Duration = std::time::Duration::from_micros(300);

pub(super) fn change_durably<T>(
    api: &Api,
    change: impl FnOnce(&mut Broker, u64) -> Result<T, Refusal>,
) -> Result<T, Refused> {
    let (done, target) = api.amqp.with(|broker, now| {
        let done = change(broker, now);
        (done, broker.durable_target())
    });
    let done = done?;
    let start = std::time::Instant::now();
    while !api.amqp.with(|broker, _| broker.is_durable(target)) {
        if start.elapsed() > DURABLE_LIMIT {
            return Err(Refused::internal(
                "the change is made, but the disk does not take it",
            ));
        }
        std::thread::park_timeout(DURABLE_STEP);
    }
    Ok(done)
}

/// Answers a request.
pub(super) fn answer(api: &Api, request: &Request) -> Response {
    match dispatch(api, request) {
        Ok(answer) => answer.into_response(),
        Err(refused) => refused.into_response(),
    }
}

fn dispatch(api: &Api, request: &Request) -> Answered {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if request.method == Method::OPTIONS {
        return Ok(Answer::Done);
    }
    let path = match segments.as_slice() {
        ["metrics"] => return metrics::answer(api, request, false),
        ["metrics", "per-object"] => return metrics::answer(api, request, true),
        ["metrics", "detailed"] => return metrics::answer(api, request, true),
        // What is asked before anybody logs in: how one does.
        ["api", "auth"] => {
            return Ok(Answer::Json(json!({
                "enable_uaa": false, "oauth_enabled": false, "uaa_client_id": "", "uaa_location": "",
            })));
        }
        ["api", path @ ..] => path,
        // Mounted where `api` is taken off already.
        path => path,
    };
    let call = Call {
        api,
        request,
        caller: Caller::of(api, request)?,
    };
    route(&call, path)
}

#[rustfmt::skip] // a table
fn route(call: &Call<'_>, path: &[&str]) -> Answered {
    match *path {
        ["overview"] => call.get(overview::overview),
        ["whoami"] => call.get(overview::whoami),
        ["cluster-name"] => overview::cluster_name(call),
        ["extensions"] => call.get(|_| Ok(Answer::Json(json!([{"javascript": "dispatcher.js"}])))),
        ["feature-flags"] => call.get(overview::feature_flags),
        ["feature-flags", name, "enable"] => overview::enable_feature_flag(call, name),
        ["deprecated-features"] => call.get(|call| overview::deprecated_features(call, false)),
        ["deprecated-features", "used"] => call.get(|call| overview::deprecated_features(call, true)),
        ["version"] => call.get(overview::version),

        ["nodes"] => call.get(nodes::list),
        ["nodes", node] => call.get(|call| nodes::one(call, node)),
        ["nodes", node, "memory"] => call.get(|call| nodes::memory(call, node, false)),
        ["nodes", node, "memory", "relative"] => call.get(|call| nodes::memory(call, node, true)),
        ["nodes", node, "memory", "ets"] | ["nodes", node, "memory", "ets", "relative"] => call.get(|call| nodes::ets(call, node)),

        ["auth", "attempts", node] => nodes::attempts(call, node),
        ["auth", "attempts", node, "source"] => nodes::attempts(call, node),
        ["auth", "hash_password", password] => call.get(|call| users::hash_password(call, password)),

        ["vhosts"] => call.get(vhosts::list),
        ["vhosts", name] => vhosts::one(call, name),
        ["vhosts", name, "start", node] => vhosts::start(call, name, node),
        ["vhosts", name, "permissions"] => call.get(|call| permissions::of_vhost(call, name)),
        ["vhosts", name, "topic-permissions"] => call.get(|call| permissions::topic_of_vhost(call, name)),
        ["vhosts", name, "connections"] => call.get(|call| connections::of_vhost(call, name)),
        ["vhosts", name, "channels"] => call.get(|call| connections::channels_of_vhost(call, name)),
        ["vhosts", name, "deletion", "protection"] => vhosts::protection(call, name),

        ["users"] => call.get(users::list),
        ["users", "without-permissions"] => call.get(users::without_permissions),
        ["users", "bulk-delete"] => users::bulk_delete(call),
        ["users", name] => users::one(call, name),
        ["users", name, "permissions"] => call.get(|call| permissions::of_user(call, name)),
        ["users", name, "topic-permissions"] => call.get(|call| permissions::topic_of_user(call, name)),
        ["permissions"] => call.get(permissions::list),
        ["permissions", vhost, user] => permissions::one(call, vhost, user),
        ["topic-permissions"] => call.get(permissions::topic_list),
        ["topic-permissions", vhost, user] => permissions::topic(call, vhost, user, None),
        ["topic-permissions", vhost, user, exchange] => permissions::topic(call, vhost, user, Some(exchange)),
        ["user-limits"] => call.get(|call| limits::of_users(call, None)),
        ["user-limits", user] => call.get(|call| limits::of_users(call, Some(user))),
        ["user-limits", user, name] => limits::user(call, user, name),
        ["vhost-limits"] => call.get(|call| limits::of_vhosts(call, None)),
        ["vhost-limits", vhost] => call.get(|call| limits::of_vhosts(call, Some(vhost))),
        ["vhost-limits", vhost, name] => limits::vhost(call, vhost, name),

        ["policies"] => call.get(|call| policies::list(call, PolicyKind::User, None)),
        ["policies", vhost] => call.get(|call| policies::list(call, PolicyKind::User, Some(vhost))),
        ["policies", vhost, name] => policies::one(call, PolicyKind::User, vhost, name),
        ["operator-policies"] => call.get(|call| policies::list(call, PolicyKind::Operator, None)),
        ["operator-policies", vhost] => call.get(|call| policies::list(call, PolicyKind::Operator, Some(vhost))),
        ["operator-policies", vhost, name] => policies::one(call, PolicyKind::Operator, vhost, name),
        ["parameters"] => call.get(|call| parameters::list(call, None, None)),
        ["parameters", component] => call.get(|call| parameters::list(call, Some(component), None)),
        ["parameters", component, vhost] => call.get(|call| parameters::list(call, Some(component), Some(vhost))),
        ["parameters", component, vhost, name] => parameters::one(call, component, vhost, name),
        ["global-parameters"] => call.get(parameters::global_list),
        ["global-parameters", name] => parameters::global(call, name),
        ["definitions"] | ["all-configuration"] => definitions::all(call.api, call.request, &call.caller),
        ["definitions", vhost] => definitions::of_vhost(call.api, call.request, &call.caller, vhost),

        ["connections"] => call.get(connections::list),
        ["connections", "username", user] => connections::of_user(call, user),
        ["connections", name] => connections::one(call, name),
        ["connections", name, "channels"] => call.get(|call| connections::channels_of(call, name)),
        ["connections", name, "sessions"] => call.get(|call| connections::sessions(call, name)),
        ["channels"] => call.get(connections::channels),
        ["channels", name] => call.get(|call| connections::channel(call, name)),
        ["consumers"] => call.get(|call| connections::consumers(call, None)),
        ["consumers", vhost] => call.get(|call| connections::consumers(call, Some(vhost))),

        ["queues"] | ["queues", "detailed"] => call.get(|call| queues::list(call, None)),
        ["queues", vhost] => call.get(|call| queues::list(call, Some(vhost))),
        ["queues", "quorum", _, "status"] => Err(Refused::not_found()),
        ["queues", "quorum", _, _, "status"] => Err(Refused::not_found()),
        ["queues", vhost, name] => queues::one(call, vhost, name),
        ["queues", vhost, name, "bindings"] => call.get(|call| bindings::of_queue(call, vhost, name)),
        ["queues", vhost, name, "contents"] => queues::contents(call, vhost, name),
        ["queues", vhost, name, "get"] => queues::fetch(call, vhost, name),
        ["queues", vhost, name, "actions"] => queues::actions(call, vhost, name),
        ["exchanges"] => call.get(|call| exchanges::list(call, None)),
        ["exchanges", vhost] => call.get(|call| exchanges::list(call, Some(vhost))),
        // The name of the default exchange is empty, and empty parts of a path are dropped.
        ["exchanges", vhost, "publish"] if call.verb() == Verb::Post => exchanges::publish(call, vhost, ""),
        ["exchanges", vhost, name] => exchanges::one(call, vhost, name),
        ["exchanges", vhost, name, "publish"] => exchanges::publish(call, vhost, name),
        ["exchanges", vhost, "bindings", end @ ("source" | "destination")] => call.get(|call| bindings::of_exchange(call, vhost, "", end == "source")),
        ["exchanges", vhost, name, "bindings", end @ ("source" | "destination")] => call.get(|call| bindings::of_exchange(call, vhost, name, end == "source")),
        ["bindings"] => call.get(|call| bindings::list(call, None)),
        ["bindings", vhost] => call.get(|call| bindings::list(call, Some(vhost))),
        ["bindings", vhost, "e", source, kind @ ("e" | "q"), destination] => bindings::between(call, vhost, source, kind, destination),
        ["bindings", vhost, "e", source, kind @ ("e" | "q"), destination, key] => bindings::one(call, vhost, source, kind, destination, key),

        ["aliveness-test", vhost] => call.get(|call| health::aliveness(call, vhost)),
        ["healthchecks", "node"] | ["healthchecks", "node", _] => call.get(health::node),
        ["health", "checks", ref check @ ..] => call.get(|call| health::check(call, check)),
        ["rebalance", "queues"] => overview::nothing_to_do(call, Verb::Post),
        ["reset"] | ["reset", _] => overview::reset(call),

        // What there is none of.
        ["federation-links"] | ["federation-links", ..] | ["shovels"] | ["shovels", ..] | ["stream", ..] | ["traces"] | ["traces", ..]
        | ["auth", "attempts"] => call.get(|_| Ok(Answer::Json(json!([])))),

        ["trefoil", ref rest @ ..] => operator::route(call, rest),
        _ => Err(Refused::not_found()),
    }
}
