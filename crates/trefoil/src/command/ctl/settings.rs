//! Policies, parameters and limits.

use serde_json::{Value, json};

use super::{
    Context, Fault,
    api::changed,
    output::{Output, Rows},
};
use crate::api_path;

/// A JSON document of the command line.
fn document(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| {
        Fault::new(
            Fault::DATA,
            format!("Could not parse the provided value as JSON: {error}"),
        )
    })
}

fn no_parameter() -> Fault {
    Fault::new(Fault::UNAVAILABLE, "Parameter does not exist")
}

fn no_vhost(context: &Context<'_>) -> Fault {
    Fault::new(
        Fault::DATA,
        format!("Virtual host '{}' does not exist", context.vhost()),
    )
}

fn rows(items: &[Value], columns: &[(&str, &str)]) -> Output {
    // A value is shown as the JSON that one would set it with.
    let cell = |item: &Value, (name, member): &(&str, &str)| match (*name, &item[*member]) {
        ("value" | "definition" | "limits", value) => Value::from(value.to_string()),
        (_, value) => value.clone(),
    };
    Output::Rows(Rows {
        columns: columns.iter().map(|column| column.0.to_owned()).collect(),
        rows: items
            .iter()
            .map(|item| columns.iter().map(|column| cell(item, column)).collect())
            .collect(),
    })
}

fn set(context: &Context<'_>, kind: &str, words: &str) -> Result<Output, Fault> {
    let (name, pattern, text) = (
        context.argument(0),
        context.argument(1),
        context.argument(2),
    );
    let vhost = context.vhost();
    let priority = context.options.get("priority").unwrap_or("0");
    context.say(&format!(
        "Setting {words} \"{name}\" for pattern \"{pattern}\" to \"{text}\" with priority \"{priority}\" for vhost \"{vhost}\" ..."
    ));
    let priority: i64 = priority
        .parse()
        .map_err(|_| Fault::usage(format!("invalid value for --priority: {priority}")))?;
    let body = json!({
        "pattern": pattern,
        "definition": document(text)?,
        "priority": priority,
        "apply-to": context.options.get("apply-to").unwrap_or("all"),
    });
    let reply = context.api.put(&api_path!(kind, vhost, name), &body)?;
    changed(reply, || no_vhost(context))?;
    Ok(Output::Nothing)
}

fn clear(context: &Context<'_>, kind: &str, words: &str) -> Result<Output, Fault> {
    let (name, vhost) = (context.argument(0), context.vhost());
    context.say(&format!(
        "Clearing {words} \"{name}\" on vhost \"{vhost}\" ..."
    ));
    let reply = context.api.delete(&api_path!(kind, vhost, name))?;
    changed(reply, no_parameter)?;
    Ok(Output::Nothing)
}

fn list(context: &Context<'_>, kind: &str, words: &str) -> Result<Output, Fault> {
    let vhost = context.vhost();
    context.say(&format!("Listing {words} for vhost \"{vhost}\" ..."));
    let items = context.api.list(&api_path!(kind, vhost));
    let items = items.map_err(|fault| match fault.code {
        Fault::DATA => no_vhost(context),
        _ => fault,
    })?;
    let columns = [
        ("vhost", "vhost"),
        ("name", "name"),
        ("pattern", "pattern"),
        ("apply-to", "apply-to"),
        ("definition", "definition"),
        ("priority", "priority"),
    ];
    Ok(rows(&items, &columns))
}

pub(super) fn set_policy(context: &Context<'_>) -> Result<Output, Fault> {
    set(context, "policies", "policy")
}

pub(super) fn clear_policy(context: &Context<'_>) -> Result<Output, Fault> {
    clear(context, "policies", "policy")
}

pub(super) fn list_policies(context: &Context<'_>) -> Result<Output, Fault> {
    list(context, "policies", "policies")
}

pub(super) fn set_operator_policy(context: &Context<'_>) -> Result<Output, Fault> {
    set(context, "operator-policies", "operator policy override")
}

pub(super) fn clear_operator_policy(context: &Context<'_>) -> Result<Output, Fault> {
    clear(context, "operator-policies", "operator policy")
}

pub(super) fn list_operator_policies(context: &Context<'_>) -> Result<Output, Fault> {
    list(context, "operator-policies", "operator policy overrides")
}

pub(super) fn set_parameter(context: &Context<'_>) -> Result<Output, Fault> {
    let (component, name, text) = (
        context.argument(0),
        context.argument(1),
        context.argument(2),
    );
    let vhost = context.vhost();
    context.say(&format!(
        "Setting runtime parameter \"{name}\" for component \"{component}\" to \"{text}\" in vhost \"{vhost}\" ..."
    ));
    let body =
        json!({"component": component, "vhost": vhost, "name": name, "value": document(text)?});
    let path = api_path!("parameters", component, vhost, name);
    changed(context.api.put(&path, &body)?, || no_vhost(context))?;
    Ok(Output::Nothing)
}

pub(super) fn clear_parameter(context: &Context<'_>) -> Result<Output, Fault> {
    let (component, name, vhost) = (context.argument(0), context.argument(1), context.vhost());
    context.say(&format!(
        "Clearing runtime parameter \"{name}\" for component \"{component}\" on vhost \"{vhost}\" ..."
    ));
    let path = api_path!("parameters", component, vhost, name);
    changed(context.api.delete(&path)?, no_parameter)?;
    Ok(Output::Nothing)
}

pub(super) fn list_parameters(context: &Context<'_>) -> Result<Output, Fault> {
    let vhost = context.vhost();
    context.say(&format!(
        "Listing runtime parameters for vhost \"{vhost}\" ..."
    ));
    let mut items = context.api.list(&api_path!("parameters"))?;
    items.retain(|item| item["vhost"] == vhost);
    let columns = [
        ("component", "component"),
        ("name", "name"),
        ("value", "value"),
    ];
    Ok(rows(&items, &columns))
}

pub(super) fn set_global_parameter(context: &Context<'_>) -> Result<Output, Fault> {
    let (name, text) = (context.argument(0), context.argument(1));
    context.say(&format!(
        "Setting global runtime parameter \"{name}\" to \"{text}\" ..."
    ));
    let body = json!({"name": name, "value": document(text)?});
    let reply = context
        .api
        .put(&api_path!("global-parameters", name), &body)?;
    changed(reply, no_parameter)?;
    Ok(Output::Nothing)
}

pub(super) fn clear_global_parameter(context: &Context<'_>) -> Result<Output, Fault> {
    let name = context.argument(0);
    context.say(&format!("Clearing global runtime parameter \"{name}\" ..."));
    let reply = context.api.delete(&api_path!("global-parameters", name))?;
    changed(reply, no_parameter)?;
    Ok(Output::Nothing)
}

pub(super) fn list_global_parameters(context: &Context<'_>) -> Result<Output, Fault> {
    context.say("Listing global runtime parameters ...");
    let items = context.api.list(&api_path!("global-parameters"))?;
    Ok(rows(&items, &[("name", "name"), ("value", "value")]))
}

/// Sets every limit of an object.
fn set_limits(context: &Context<'_>, kind: &str, of: &str, text: &str) -> Result<Output, Fault> {
    let Value::Object(limits) = document(text)? else {
        return Err(Fault::new(
            Fault::DATA,
            "limits are an object, like {\"max-connections\": 10}",
        ));
    };
    for (name, value) in limits {
        let reply = context
            .api
            .put(&api_path!(kind, of, &name), &json!({"value": value}))?;
        changed(reply, || absent(kind, of))?;
    }
    Ok(Output::Nothing)
}

fn absent(kind: &str, of: &str) -> Fault {
    match kind {
        "user-limits" => Fault::new(Fault::NO_USER, format!("User \"{of}\" does not exist")),
        _ => Fault::new(Fault::DATA, format!("Virtual host '{of}' does not exist")),
    }
}

/// The limits that an object has.
fn limits_of(context: &Context<'_>, kind: &str, of: &str) -> Result<Value, Fault> {
    let items = context.api.list(&api_path!(kind, of));
    let items = items.map_err(|fault| match fault.code {
        Fault::DATA => absent(kind, of),
        _ => fault,
    })?;
    Ok(items
        .first()
        .map_or_else(|| json!({}), |item| item["value"].clone()))
}

fn clear_limits(context: &Context<'_>, kind: &str, of: &str, which: &str) -> Result<Output, Fault> {
    let names: Vec<String> = match which {
        "all" => match limits_of(context, kind, of)? {
            Value::Object(limits) => limits.into_iter().map(|(name, _)| name).collect(),
            _ => Vec::new(),
        },
        one => vec![one.to_owned()],
    };
    for name in names {
        let reply = context.api.delete(&api_path!(kind, of, &name))?;
        // A limit that is not there need not be removed.
        if reply.status != 404 {
            changed(reply, || absent(kind, of))?;
        }
    }
    Ok(Output::Nothing)
}

pub(super) fn set_vhost_limits(context: &Context<'_>) -> Result<Output, Fault> {
    let (vhost, text) = (context.vhost(), context.argument(0));
    context.say(&format!(
        "Setting vhost limits to \"{text}\" for vhost \"{vhost}\" ..."
    ));
    set_limits(context, "vhost-limits", vhost, text)
}

pub(super) fn clear_vhost_limits(context: &Context<'_>) -> Result<Output, Fault> {
    let vhost = context.vhost();
    context.say(&format!("Clearing vhost \"{vhost}\" limits ..."));
    clear_limits(context, "vhost-limits", vhost, "all")
}

pub(super) fn set_user_limits(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, text) = (context.argument(0), context.argument(1));
    context.say(&format!(
        "Setting user limits to \"{text}\" for user \"{user}\" ..."
    ));
    set_limits(context, "user-limits", user, text)
}

pub(super) fn clear_user_limits(context: &Context<'_>) -> Result<Output, Fault> {
    let (user, which) = (context.argument(0), context.argument(1));
    context.say(&format!(
        "Clearing \"{which}\" limits for user \"{user}\" ..."
    ));
    clear_limits(context, "user-limits", user, which)
}

/// The limits of one object as they are, or of all as a table.
fn show_limits(
    context: &Context<'_>,
    kind: &str,
    of: Option<&str>,
    column: &str,
) -> Result<Output, Fault> {
    let Some(of) = of else {
        let items = context.api.list(&api_path!(kind))?;
        return Ok(rows(&items, &[(column, column), ("limits", "value")]));
    };
    let limits = limits_of(context, kind, of)?;
    Ok(Output::Document {
        text: format!("{limits}\n"),
        json: limits,
    })
}

pub(super) fn list_vhost_limits(context: &Context<'_>) -> Result<Output, Fault> {
    if context.options.has("global") {
        context.say("Listing limits for all vhosts ...");
        return show_limits(context, "vhost-limits", None, "vhost");
    }
    let vhost = context.vhost();
    context.say(&format!("Listing limits for vhost \"{vhost}\" ..."));
    show_limits(context, "vhost-limits", Some(vhost), "vhost")
}

pub(super) fn list_user_limits(context: &Context<'_>) -> Result<Output, Fault> {
    if context.options.has("global") {
        context.say("Listing limits for all users ...");
        return show_limits(context, "user-limits", None, "user");
    }
    let user = context.options.get("user").unwrap_or("guest");
    context.say(&format!("Listing limits for user \"{user}\" ..."));
    show_limits(context, "user-limits", Some(user), "user")
}
