//! Policies and operator policies.

use serde_json::{Value, json};
use trefoil_broker::policy::{Policy, PolicyKind, PolicySource};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body, listing,
};

fn document(policy: &Policy) -> Value {
    json!({
        "vhost": policy.virtual_host,
        "name": policy.name,
        "pattern": policy.pattern.source(),
        "apply-to": policy.apply_to.name(),
        "definition": policy.definition(),
        "priority": policy.priority,
    })
}

pub(super) fn list(call: &Call<'_>, kind: PolicyKind, vhost: Option<&str>) -> Answered {
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    let mut policies = call.look(|broker| broker.policies(kind));
    policies.retain(|policy| {
        vhost.is_none_or(|vhost| vhost == policy.virtual_host)
            && call.caller.sees(&policy.virtual_host)
    });
    listing::answer(call.request, policies.iter().map(document).collect())
}

fn may_change(call: &Call<'_>, kind: PolicyKind, vhost: &str) -> Result<(), Refused> {
    if kind == PolicyKind::Operator {
        call.caller.need_administrator()?;
    }
    call.caller.need_policymaker_of(call.api, vhost)
}

pub(super) fn one(call: &Call<'_>, kind: PolicyKind, vhost: &str, name: &str) -> Answered {
    match call.verb() {
        Verb::Get => {
            call.caller.need_policymaker_of(call.api, vhost)?;
            let policies = call.look(|broker| broker.policies(kind));
            let found = policies
                .iter()
                .find(|policy| policy.virtual_host == vhost && policy.name == name);
            Ok(Answer::Json(document(
                found.ok_or_else(Refused::not_found)?,
            )))
        }
        Verb::Put => {
            may_change(call, kind, vhost)?;
            let object = call.request.object()?;
            body::need(&object, &["pattern", "definition"])?;
            let empty = json!({});
            let source = PolicySource {
                virtual_host: vhost,
                name,
                pattern: body::text(&object, "pattern")?.unwrap_or_default(),
                apply_to: body::text(&object, "apply-to")?,
                priority: body::integer(&object, "priority")?,
                definition: object.get("definition").unwrap_or(&empty),
            };
            let policy = Policy::new(kind, source)
                .map_err(|error| Refused::bad_request(error.to_string()))?;
            let is_new = call.change(|broker, now| Ok(broker.put_policy(kind, policy, now)))?;
            Ok(match is_new {
                true => Answer::Created(None),
                false => Answer::Done,
            })
        }
        Verb::Delete => {
            may_change(call, kind, vhost)?;
            match call.change(|broker, now| Ok(broker.delete_policy(kind, vhost, name, now)))? {
                true => Ok(Answer::Done),
                false => Err(Refused::not_found()),
            }
        }
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}
