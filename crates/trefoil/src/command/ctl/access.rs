//! Users, permissions and virtual hosts.

use std::io::BufRead as _;

use serde_json::{Value, json};

use super::{
    Context, Fault,
    api::changed,
    output::{Output, Rows},
};
use crate::api_path;

fn no_user(name: &str) -> Fault {
    Fault::new(Fault::NO_USER, format!("User \"{name}\" does not exist"))
}

fn no_vhost(name: &str) -> Fault {
    Fault::new(Fault::DATA, format!("Virtual host '{name}' does not exist"))
}

/// Whether a thing is there.
fn exists(context: &Context<'_>, path: &str) -> Result<bool, Fault> {
    match context.api.get(path) {
        Ok(_) => Ok(true),
        Err(fault) if fault.code == Fault::DATA => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// What a change says when the user or the virtual host it is about may be missing.
fn missing(context: &Context<'_>, user: &str, vhost: &str) -> Result<Fault, Fault> {
    if !exists(context, &api_path!("vhosts", vhost))? {
        return Ok(no_vhost(vhost));
    }
    Ok(no_user(user))
}

/// The password of the command line, or a line of standard input.
fn password(context: &Context<'_>) -> Result<String, Fault> {
    if let Some(given) = context.arguments.get(1) {
        return Ok(given.clone());
    }
    context.say("Password: ");
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Fault::new(Fault::NO_INPUT, format!("cannot read a password: {error}")))?;
    let line = line.trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err(Fault::usage(
            "Password is not provided via argument or stdin",
        ));
    }
    Ok(line.to_owned())
}

/// The members of a user that say how it logs in.
fn secret(context: &Context<'_>) -> Result<Value, Fault> {
    let password = password(context)?;
    if context.options.has("pre-hashed-password") {
        return Ok(json!({"password_hash": password}));
    }
    Ok(match password.is_empty() {
        true => json!({"password_hash": ""}),
        false => json!({"password": password}),
    })
}

pub(super) fn add_user(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Adding user \"{name}\" ..."));
    let mut user = secret(context)?;
    user["tags"] = json!([]);
    if exists(context, &api_path!("users", name))? {
        return Err(Fault::new(
            Fault::SOFTWARE,
            format!("User \"{name}\" already exists"),
        ));
    }
    let reply = context.api.put(&api_path!("users", name), &user)?;
    changed(reply, || no_user(name))?;
    Ok(match context.options.chatty() {
        true => Output::Text(
            "Done. Don't forget to grant the user permissions to some virtual hosts! See 'rabbitmqctl help set_permissions' to learn more."
                .to_owned(),
        ),
        false => Output::Nothing,
    })
}

/// The tags of a user that is there.
fn tags(context: &Context<'_>, name: &str) -> Result<Value, Fault> {
    match context.api.get(&api_path!("users", name)) {
        Ok(user) => Ok(user.get("tags").cloned().unwrap_or_else(|| json!([]))),
        Err(fault) if fault.code == Fault::DATA => Err(no_user(name)),
        Err(fault) => Err(fault),
    }
}

pub(super) fn change_password(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Changing password for user \"{name}\" ..."));
    let mut user = secret(context)?;
    user["tags"] = tags(context, name)?;
    let reply = context.api.put(&api_path!("users", name), &user)?;
    changed(reply, || no_user(name))?;
    Ok(Output::Nothing)
}

pub(super) fn clear_password(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Clearing password for user \"{name}\" ..."));
    let user = json!({"password_hash": "", "tags": tags(context, name)?});
    let reply = context.api.put(&api_path!("users", name), &user)?;
    changed(reply, || no_user(name))?;
    Ok(Output::Nothing)
}

pub(super) fn delete_user(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Deleting user \"{name}\" ..."));
    let reply = context.api.delete(&api_path!("users", name))?;
    changed(reply, || no_user(name))?;
    Ok(Output::Nothing)
}

pub(super) fn authenticate_user(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Authenticating user \"{name}\" ..."));
    let body = json!({"username": name, "password": password(context)?});
    let reply = context
        .api
        .post(&api_path!("trefoil", "authenticate"), &body)?;
    match reply.status {
        200..=299 => Ok(Output::Text("Success".to_owned())),
        403 => Err(Fault::new(
            Fault::DATA,
            format!(
                "Error: failed to authenticate user \"{name}\"\nuser '{name}' - invalid credentials"
            ),
        )),
        _ => Err(Fault::new(Fault::UNAVAILABLE, reply.reason())),
    }
}

pub(super) fn set_user_tags(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    let new = &context.arguments[1..];
    context.say(&format!(
        "Setting tags for user \"{name}\" to [{}] ...",
        new.join(", ")
    ));
    let user = context.api.get(&api_path!("users", name));
    let user = user.map_err(|fault| match fault.code {
        Fault::DATA => no_user(name),
        _ => fault,
    })?;
    let body = json!({
        "password_hash": user["password_hash"],
        "hashing_algorithm": user["hashing_algorithm"],
        "tags": new,
    });
    let reply = context.api.put(&api_path!("users", name), &body)?;
    changed(reply, || no_user(name))?;
    Ok(Output::Nothing)
}

pub(super) fn list_users(context: &Context<'_>) -> Result<Output, Fault> {
    context.say("Listing users ...");
    let users = context.api.list(&api_path!("users"))?;
    Ok(rows(&users, &[("user", "name"), ("tags", "tags")]))
}

fn rows(items: &[Value], columns: &[(&str, &str)]) -> Output {
    Output::Rows(Rows {
        columns: columns.iter().map(|column| column.0.to_owned()).collect(),
        rows: items
            .iter()
            .map(|item| {
                let cells = columns.iter();
                cells.map(|column| item[column.1].clone()).collect()
            })
            .collect(),
    })
}

pub(super) fn set_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, vhost) = (context.argument(0), context.vhost());
    context.say(&format!(
        "Setting permissions for user \"{user}\" in vhost \"{vhost}\" ..."
    ));
    let body = json!({
        "configure": context.argument(1),
        "write": context.argument(2),
        "read": context.argument(3),
    });
    let path = api_path!("permissions", vhost, user);
    let reply = context.api.put(&path, &body)?;
    if matches!(reply.status, 400 | 404) && reply.reason() != "bad_request" {
        let known = exists(context, &api_path!("users", user))?
            && exists(context, &api_path!("vhosts", vhost))?;
        if !known {
            return Err(missing(context, user, vhost)?);
        }
    }
    changed(reply, || no_user(user))?;
    Ok(Output::Nothing)
}

pub(super) fn clear_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, vhost) = (context.argument(0), context.vhost());
    context.say(&format!(
        "Clearing permissions for user \"{user}\" in vhost \"{vhost}\" ..."
    ));
    let reply = context.api.delete(&api_path!("permissions", vhost, user))?;
    if reply.status == 404 {
        // Nothing to revoke is fine, nobody to revoke it from is not.
        let known = exists(context, &api_path!("users", user))?
            && exists(context, &api_path!("vhosts", vhost))?;
        return match known {
            true => Ok(Output::Nothing),
            false => Err(missing(context, user, vhost)?),
        };
    }
    changed(reply, || no_user(user))?;
    Ok(Output::Nothing)
}

const PERMISSIONS: [(&str, &str); 3] = [
    ("configure", "configure"),
    ("write", "write"),
    ("read", "read"),
];

pub(super) fn list_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let vhost = context.vhost();
    context.say(&format!("Listing permissions for vhost \"{vhost}\" ..."));
    let items = context.api.list(&api_path!("vhosts", vhost, "permissions"));
    let items = items.map_err(|fault| match fault.code {
        Fault::DATA => no_vhost(vhost),
        _ => fault,
    })?;
    let [configure, write, read] = PERMISSIONS;
    Ok(rows(&items, &[("user", "user"), configure, write, read]))
}

pub(super) fn list_user_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let user = context.argument(0);
    context.say(&format!("Listing permissions for user \"{user}\" ..."));
    let items = context.api.list(&api_path!("users", user, "permissions"));
    let items = items.map_err(|fault| match fault.code {
        Fault::DATA => no_user(user),
        _ => fault,
    })?;
    let [configure, write, read] = PERMISSIONS;
    Ok(rows(&items, &[("vhost", "vhost"), configure, write, read]))
}

pub(super) fn set_topic_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, exchange, vhost) = (context.argument(0), context.argument(1), context.vhost());
    context.say(&format!(
        "Setting topic permissions on \"{exchange}\" for user \"{user}\" in vhost \"{vhost}\" ..."
    ));
    let body = json!({
        "exchange": exchange,
        "write": context.argument(2),
        "read": context.argument(3),
    });
    let path = api_path!("topic-permissions", vhost, user);
    let reply = context.api.put(&path, &body)?;
    if matches!(reply.status, 400 | 404) {
        let known = exists(context, &api_path!("users", user))?
            && exists(context, &api_path!("vhosts", vhost))?;
        if !known {
            return Err(missing(context, user, vhost)?);
        }
    }
    changed(reply, || no_user(user))?;
    Ok(Output::Nothing)
}

pub(super) fn clear_topic_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, vhost) = (context.argument(0), context.vhost());
    let path = match context.arguments.get(1) {
        Some(exchange) => {
            context.say(&format!(
                "Clearing topic permissions on \"{exchange}\" for user \"{user}\" in vhost \"{vhost}\" ..."
            ));
            api_path!("topic-permissions", vhost, user, exchange)
        }
        None => {
            context.say(&format!(
                "Clearing topic permissions for user \"{user}\" in vhost \"{vhost}\" ..."
            ));
            api_path!("topic-permissions", vhost, user)
        }
    };
    let reply = context.api.delete(&path)?;
    if reply.status == 404 {
        let known = exists(context, &api_path!("users", user))?
            && exists(context, &api_path!("vhosts", vhost))?;
        return match known {
            true => Ok(Output::Nothing),
            false => Err(missing(context, user, vhost)?),
        };
    }
    changed(reply, || no_user(user))?;
    Ok(Output::Nothing)
}

pub(super) fn list_topic_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let vhost = context.vhost();
    context.say(&format!(
        "Listing topic permissions for vhost \"{vhost}\" ..."
    ));
    let path = api_path!("vhosts", vhost, "topic-permissions");
    let items = context.api.list(&path).map_err(|fault| match fault.code {
        Fault::DATA => no_vhost(vhost),
        _ => fault,
    })?;
    let columns = [
        ("user", "user"),
        ("exchange", "exchange"),
        ("write", "write"),
        ("read", "read"),
    ];
    Ok(rows(&items, &columns))
}

pub(super) fn list_user_topic_permissions(context: &Context<'_>) -> Result<Output, Fault> {
    let user = context.argument(0);
    context.say(&format!(
        "Listing topic permissions for user \"{user}\" ..."
    ));
    let path = api_path!("users", user, "topic-permissions");
    let items = context.api.list(&path).map_err(|fault| match fault.code {
        Fault::DATA => no_user(user),
        _ => fault,
    })?;
    let columns = [
        ("vhost", "vhost"),
        ("exchange", "exchange"),
        ("write", "write"),
        ("read", "read"),
    ];
    Ok(rows(&items, &columns))
}

pub(super) fn add_vhost(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Adding vhost \"{name}\" ..."));
    let mut body = json!({});
    if let Some(text) = context.options.get("description") {
        body["description"] = text.into();
    }
    if let Some(tags) = context.options.get("tags") {
        body["tags"] = tags.into();
    }
    if let Some(kind) = context.options.get("default-queue-type") {
        body["default_queue_type"] = kind.into();
    }
    let reply = context.api.put(&api_path!("vhosts", name), &body)?;
    changed(reply, || no_vhost(name))?;
    Ok(Output::Nothing)
}

pub(super) fn delete_vhost(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Deleting vhost \"{name}\" ..."));
    let reply = context.api.delete(&api_path!("vhosts", name))?;
    changed(reply, || no_vhost(name))?;
    Ok(Output::Nothing)
}

pub(super) fn set_vhost_tags(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    let tags = &context.arguments[1..];
    context.say(&format!(
        "Setting tags for vhost \"{name}\" to [{}] ...",
        tags.join(", ")
    ));
    if !exists(context, &api_path!("vhosts", name))? {
        return Err(no_vhost(name));
    }
    let reply = context
        .api
        .put(&api_path!("vhosts", name), &json!({"tags": tags.join(",")}))?;
    changed(reply, || no_vhost(name))?;
    Ok(Output::Nothing)
}

pub(super) fn restart_vhost(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.vhost();
    match exists(context, &api_path!("vhosts", name))? {
        true => Ok(Output::Text(format!(
            "Virtual host '{name}' is already running"
        ))),
        false => Err(no_vhost(name)),
    }
}

fn trace(context: &Context<'_>, on: bool) -> Result<Output, Fault> {
    let name = context.vhost();
    let (doing, done) = match on {
        true => ("Starting", "enabled"),
        false => ("Stopping", "disabled"),
    };
    context.say(&format!("{doing} tracing for vhost \"{name}\" ..."));
    if !exists(context, &api_path!("vhosts", name))? {
        return Err(no_vhost(name));
    }
    let path = api_path!("vhosts", name);
    let reply = context.api.put(&path, &json!({"tracing": on}))?;
    changed(reply, || no_vhost(name))?;
    Ok(Output::Text(format!("Trace {done} for vhost {name}")))
}

pub(super) fn trace_on(context: &Context<'_>) -> Result<Output, Fault> {
    trace(context, true)
}

pub(super) fn trace_off(context: &Context<'_>) -> Result<Output, Fault> {
    trace(context, false)
}
