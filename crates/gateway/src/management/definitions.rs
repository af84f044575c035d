//! Definitions: everything that makes a broker, as one document.

use axum::http::Method;
use serde_json::json;
use trefoil_broker::definitions::Definitions;

use super::{
    Api,
    answer::{Answer, Refused},
    caller::Caller,
    request::Request,
    routes::change_durably,
};

fn exported(api: &Api, vhost: Option<&str>) -> Result<Answer, Refused> {
    let mut definitions = api.amqp.with(|broker, _| broker.definitions(vhost));
    definitions.sort();
    let config = &api.config;
    definitions.rabbit_version = Some(config.rabbitmq_version.clone());
    definitions.rabbitmq_version = Some(config.rabbitmq_version.clone());
    definitions.product_name = Some(config.product.0.clone());
    definitions.product_version = Some(config.product.1.clone());
    serde_json::to_value(&definitions)
        .map(Answer::Json)
        .map_err(|error| Refused::internal(&error.to_string()))
}

/// What is to be imported: the body, or a file in a form (as browsers and old clients send it).
fn document(request: &Request) -> Result<Vec<u8>, Refused> {
    let kind = request.header("content-type").unwrap_or_default();
    let Some((_, boundary)) = kind
        .split_once("boundary=")
        .filter(|_| kind.starts_with("multipart/"))
    else {
        return Ok(request.body.to_vec());
    };
    let boundary = format!("--{}", boundary.trim_matches('"'));
    let text = std::str::from_utf8(&request.body).map_err(|_| Refused::bad_request("not_json"))?;
    // The first part with a document in it.
    let part = text.split(&boundary).find_map(|part| {
        let (_, content) = part.split_once("\r\n\r\n")?;
        let content = content.trim_end();
        content
            .trim_start()
            .starts_with('{')
            .then(|| content.as_bytes().to_vec())
    });
    part.ok_or_else(|| Refused::bad_request("not_json"))
}

fn import(api: &Api, request: &Request, vhost: Option<&str>) -> Result<Answer, Refused> {
    let document = document(request)?;
    let parsed =
        Definitions::parse(&document).map_err(|error| Refused::bad_request(error.to_string()));
    let mut definitions = parsed?;
    if let Some(vhost) = vhost {
        definitions.set_virtual_host(vhost);
    }
    let mut warnings = definitions.remove_foreign();
    warnings.extend(change_durably(api, |broker, now| {
        broker.import(&definitions, now)
    })?);
    for warning in &warnings {
        tracing::warn!(%warning, "definitions were imported in part");
    }
    match warnings.is_empty() {
        true => Ok(Answer::Done),
        // Not an answer of RabbitMQ's, but not a refusal either.
        false => Ok(Answer::Json(json!({ "warnings": warnings }))),
    }
}

pub(super) fn all(api: &Api, request: &Request, caller: &Caller) -> Result<Answer, Refused> {
    // RabbitMQ takes the virtual host as a parameter too.
    if let Some(vhost) = request.query("vhost") {
        let vhost = vhost.to_owned();
        return of_vhost(api, request, caller, &vhost);
    }
    caller.need_administrator()?;
    match request.method {
        Method::GET | Method::HEAD => exported(api, None),
        Method::POST | Method::PUT => import(api, request, None),
        _ => Err(Refused::method("HEAD, GET, POST, OPTIONS")),
    }
}

pub(super) fn of_vhost(
    api: &Api,
    request: &Request,
    caller: &Caller,
    vhost: &str,
) -> Result<Answer, Refused> {
    caller.need_administrator()?;
    if !api.amqp.with(|broker, _| broker.has_vhost(vhost)) {
        return Err(Refused::with_body(
            axum::http::StatusCode::NOT_FOUND,
            json!({"error": "bad_request", "reason": "vhost_not_found"}),
        ));
    }
    match request.method {
        Method::GET | Method::HEAD => exported(api, Some(vhost)),
        Method::POST | Method::PUT => import(api, request, Some(vhost)),
        _ => Err(Refused::method("HEAD, GET, POST, OPTIONS")),
    }
}
