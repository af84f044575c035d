//! The one node there is.

use serde_json::{Value, json};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    listing, node,
};

pub(super) fn list(call: &Call<'_>) -> Answered {
    call.caller.need_monitor()?;
    listing::answer(call.request, vec![node::document(call.api)])
}

fn known(call: &Call<'_>, name: &str) -> Result<(), Refused> {
    call.caller.need_monitor()?;
    match name == call.api.config.node {
        true => Ok(()),
        false => Err(Refused::not_found()),
    }
}

pub(super) fn one(call: &Call<'_>, name: &str) -> Answered {
    known(call, name)?;
    let wanted = listing::Wanted::of(call.request)?;
    Ok(Answer::Json(wanted.cut(node::document(call.api))))
}

pub(super) fn memory(call: &Call<'_>, name: &str, relative: bool) -> Answered {
    known(call, name)?;
    Ok(Answer::Json(
        json!({"memory": node::memory(call.api, relative)}),
    ))
}

pub(super) fn ets(call: &Call<'_>, name: &str) -> Answered {
    known(call, name)?;
    // Tables of an Erlang machine.
    Ok(Answer::Json(json!({"ets_tables": "no_tables"})))
}

pub(super) fn attempts(call: &Call<'_>, name: &str) -> Answered {
    known(call, name)?;
    match call.verb() {
        Verb::Get => {
            let view = call.look(|broker| broker.overview());
            let amqp = json!({
                "protocol": "amqp091",
                "auth_attempts": view.logins + view.logins_refused,
                "auth_attempts_succeeded": view.logins,
                "auth_attempts_failed": view.logins_refused,
            });
            Ok(Answer::Json(Value::from(vec![amqp])))
        }
        Verb::Delete => Ok(Answer::Done),
        _ => Err(Refused::method("HEAD, GET, DELETE, OPTIONS")),
    }
}
