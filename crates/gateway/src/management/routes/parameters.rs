//! Parameters of virtual hosts and global ones. They are kept and given back; nothing here acts on them.

use serde_json::{Value, json};
use trefoil_broker::admin::ParameterView;

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body, listing,
};

fn document(view: &ParameterView) -> Value {
    json!({
        "vhost": view.vhost, "component": view.component, "name": view.name, "value": view.value,
    })
}

pub(super) fn list(call: &Call<'_>, component: Option<&str>, vhost: Option<&str>) -> Answered {
    call.caller.need_policymaker()?;
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    let mut views = call.look(|broker| broker.parameters());
    views.retain(|view| {
        component.is_none_or(|component| component == view.component)
            && vhost.is_none_or(|vhost| vhost == view.vhost)
            && call.caller.sees(&view.vhost)
    });
    listing::answer(call.request, views.iter().map(document).collect())
}

pub(super) fn one(call: &Call<'_>, component: &str, vhost: &str, name: &str) -> Answered {
    call.caller.need_policymaker_of(call.api, vhost)?;
    match call.verb() {
        Verb::Get => {
            let views = call.look(|broker| broker.parameters());
            let found = views.iter().find(|view| {
                view.component == component && view.vhost == vhost && view.name == name
            });
            Ok(Answer::Json(document(
                found.ok_or_else(Refused::not_found)?,
            )))
        }
        Verb::Put => {
            let mut object = call.request.object()?;
            body::need(&object, &["value"])?;
            let value = object.remove("value").unwrap_or(Value::Null);
            let is_new =
                call.change(|broker, _| broker.set_parameter(vhost, component, name, value))?;
            Ok(match is_new {
                true => Answer::Created(None),
                false => Answer::Done,
            })
        }
        Verb::Delete => {
            match call.change(|broker, _| Ok(broker.clear_parameter(vhost, component, name)))? {
                true => Ok(Answer::Done),
                false => Err(Refused::not_found()),
            }
        }
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}

fn global_document(name: &str, value: &Value) -> Value {
    json!({"name": name, "value": value})
}

pub(super) fn global_list(call: &Call<'_>) -> Answered {
    call.caller.need_policymaker()?;
    let parameters = call.look(|broker| broker.global_parameters());
    let documents = parameters
        .iter()
        .map(|(name, value)| global_document(name, value));
    listing::answer(call.request, documents.collect())
}

pub(super) fn global(call: &Call<'_>, name: &str) -> Answered {
    call.caller.need_policymaker()?;
    match call.verb() {
        Verb::Get => {
            let parameters = call.look(|broker| broker.global_parameters());
            let found = parameters.iter().find(|(known, _)| known == name);
            let (name, value) = found.ok_or_else(Refused::not_found)?;
            Ok(Answer::Json(global_document(name, value)))
        }
        Verb::Put => {
            let mut object = call.request.object()?;
            body::need(&object, &["value"])?;
            let value = object.remove("value").unwrap_or(Value::Null);
            let is_new = call.change(|broker, _| Ok(broker.set_global_parameter(name, value)))?;
            Ok(match is_new {
                true => Answer::Created(None),
                false => Answer::Done,
            })
        }
        Verb::Delete => match call.change(|broker, _| Ok(broker.clear_global_parameter(name)))? {
            true => Ok(Answer::Done),
            false => Err(Refused::not_found()),
        },
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}
