//! Users.

use serde_json::{Value, json};
use trefoil_broker::{
    access::User,
    admin::{NewPassword, UserChange},
};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body, listing,
};

pub(super) fn document(user: &User) -> Value {
    let hash = user.password_hash.as_ref();
    json!({
        "name": user.name,
        "password_hash": hash.map(|hash| hash.to_base64()).unwrap_or_default(),
        "hashing_algorithm": hash.map_or("rabbit_password_hashing_sha256", |hash| hash.algorithm().name()),
        "tags": user.tags,
        "limits": user.limits.to_json(),
    })
}

pub(super) fn list(call: &Call<'_>) -> Answered {
    call.caller.need_administrator()?;
    let users = call.look(|broker| broker.users());
    listing::answer(call.request, users.iter().map(document).collect())
}

pub(super) fn without_permissions(call: &Call<'_>) -> Answered {
    call.caller.need_administrator()?;
    let users = call.look(|broker| {
        let mut users = broker.users();
        users.retain(|user| broker.vhosts_of(&user.name).is_empty());
        users
    });
    listing::answer(call.request, users.iter().map(document).collect())
}

pub(super) fn bulk_delete(call: &Call<'_>) -> Answered {
    call.caller.need_administrator()?;
    if call.verb() != Verb::Post {
        return Err(Refused::method("POST, OPTIONS"));
    }
    let object = call.request.object()?;
    body::need(&object, &["users"])?;
    let names = object.get("users").and_then(Value::as_array);
    let names = names.ok_or_else(|| Refused::bad_request("users is a list of names"))?;
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    call.change(|broker, now| {
        for name in names {
            broker.delete_user(name, now);
        }
        Ok(())
    })?;
    Ok(Answer::Done)
}

pub(super) fn one(call: &Call<'_>, name: &str) -> Answered {
    call.caller.need_administrator()?;
    match call.verb() {
        Verb::Get => {
            let user = call
                .look(|broker| broker.user(name))
                .ok_or_else(Refused::not_found)?;
            Ok(Answer::Json(document(&user)))
        }
        Verb::Put => {
            let change = change(call, name)?;
            let is_new = call.change(|broker, _| broker.change_user(name, &change))?;
            Ok(match is_new {
                true => Answer::Created(None),
                false => Answer::Done,
            })
        }
        Verb::Delete => match call.change(|broker, now| Ok(broker.delete_user(name, now)))? {
            true => Ok(Answer::Done),
            false => Err(Refused::not_found()),
        },
        _ => Err(Refused::method("HEAD, GET, PUT, DELETE, OPTIONS")),
    }
}

fn change(call: &Call<'_>, name: &str) -> Result<UserChange, Refused> {
    if name.is_empty() || name.len() > 255 {
        return Err(Refused::bad_request("a name of a user has 1 to 255 bytes"));
    }
    let object = call.request.object()?;
    let Some(tags) = object.get("tags").filter(|tags| !tags.is_null()) else {
        return Err(Refused::bad_request("tags_not_present"));
    };
    let tags = body::tags(tags)?;
    let algorithm = body::text(&object, "hashing_algorithm")?.filter(|name| !name.is_empty());
    let hash = body::text(&object, "password_hash")?.map(str::to_owned);
    let password = body::text(&object, "password")?;
    let password = match (password, hash) {
        // Nothing to log in with: by certificate only.
        (None, Some(hash)) if hash.is_empty() => NewPassword::Nothing,
        (None, Some(hash)) => NewPassword::Hash {
            hash,
            algorithm: algorithm.map(str::to_owned),
        },
        (None, None) => NewPassword::Nothing,
        (Some(password), _) => NewPassword::Plain(password.to_owned()),
    };
    Ok(UserChange { password, tags })
}

/// The hash that a password would be kept as.
pub(super) fn hash_password(call: &Call<'_>, password: &str) -> Answered {
    let hash = call.look(|broker| broker.hash_password(password.as_bytes()));
    Ok(Answer::Json(json!({"ok": hash.to_base64()})))
}
