//! Instances of a service: who provides it, registered by lease and heartbeat.

use std::path::{Component, Path};

use axum::{
    Json,
    body::Body,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use trefoil_director::{
    InstanceId, InstanceName, NewInstance, Place, ServiceId, ThriftProtocol, ThriftProvider,
    ThriftTls, ThriftTransport,
    instances::{Heartbeat, InstanceView, RegisterError, UnknownInstance},
};
use trefoil_server::{Node, thrift::Thrift};

use crate::{
    error::{Code, Problem},
    extract::{Members, Query, accepts, json_body, optional_json_body},
    method_not_allowed_here,
};

/// The shortest lease: shorter ones end by a hiccup of the network.
const LEASE_MS_MIN: i64 = 3_000;
/// The longest lease.
const LEASE_MS_MAX: i64 = 3_600_000;

/// What a path below `/v1/services/{service}/instances` stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'p> {
    /// All.
    All(&'p str),
    /// One.
    One(&'p str, &'p str),
    /// One says that it lives.
    Heartbeat(&'p str, &'p str),
    /// One takes no more calls.
    Drain(&'p str, &'p str),
}

impl<'p> Target<'p> {
    /// The target, and the pattern that metrics know it by. The version's colon is the first of a path.
    pub(super) fn of(path: &'p str) -> Option<(Self, &'static str)> {
        let colon = path.find(':')?;
        let slash = colon + path[colon..].find('/')?;
        let (service, rest) = (&path[..slash], &path[slash + 1..]);
        let rest = rest.strip_prefix("instances")?;
        if rest.is_empty() {
            return Some((Self::All(service), "/v1/services/{service}/instances"));
        }
        let name = rest.strip_prefix('/')?;
        Some(if let Some(name) = name.strip_suffix("/heartbeat") {
            (
                Self::Heartbeat(service, name),
                "/v1/services/{service}/instances/{instance}/heartbeat",
            )
        } else if let Some(name) = name.strip_suffix(":drain") {
            (
                Self::Drain(service, name),
                "/v1/services/{service}/instances/{instance}:drain",
            )
        } else {
            (
                Self::One(service, name),
                "/v1/services/{service}/instances/{instance}",
            )
        })
    }
}

/// Answers a request about instances.
pub(super) async fn answer(
    node: &Node,
    target: Target<'_>,
    method: &Method,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let thrift = node.thrift().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "thrift-not-served",
            Code::Unavailable,
            "instances are called through the Thrift endpoint, which is switched off",
        )
        .hint("set thrift.enabled")
    })?;
    query.none()?;
    let get = matches!(method.as_str(), "GET" | "HEAD");
    match target {
        Target::All(service) if get => {
            accepts(headers, &["application/json"])?;
            let service = known(node, service)?;
            let views = thrift.instances(|instances| instances.views(&service));
            let items: Vec<Value> = views.iter().map(view_json).collect();
            Ok(Json(json!({ "items": items })).into_response())
        }
        Target::All(_) => Ok(method_not_allowed_here(method, "GET, HEAD, OPTIONS")),
        Target::One(service, name) => {
            let id = id(known(node, service)?, name)?;
            match method.as_str() {
                "GET" | "HEAD" => {
                    accepts(headers, &["application/json"])?;
                    shown(thrift, &id, StatusCode::OK)
                }
                "PUT" => {
                    let value = json_body(headers, body, node.config.json_max).await?;
                    let new = new_instance(id.clone(), value, thrift.tls_directory())?;
                    let registered = thrift.register(new)?;
                    let status = match registered.generation {
                        1 => StatusCode::CREATED,
                        _ => StatusCode::OK,
                    };
                    shown(thrift, &id, status)
                }
                "DELETE" => {
                    thrift.deregister(&id, "deregistered")?;
                    Ok(StatusCode::NO_CONTENT.into_response())
                }
                _ => Ok(method_not_allowed_here(
                    method,
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                )),
            }
        }
        Target::Heartbeat(service, name) if matches!(method.as_str(), "PUT" | "POST") => {
            let id = id(known(node, service)?, name)?;
            let value = optional_json_body(headers, body, node.config.json_max).await?;
            let mut violations = Vec::new();
            let mut heartbeat = Heartbeat::default();
            if let Some(mut members) =
                value.and_then(|value| Members::of(value, "", &mut violations))
            {
                heartbeat.is_ready = members.flag("ready");
                members.end();
            }
            if !violations.is_empty() {
                return Err(violations.into());
            }
            thrift.renew(&id, heartbeat)?;
            shown(thrift, &id, StatusCode::OK)
        }
        Target::Heartbeat(..) => Ok(method_not_allowed_here(method, "PUT, POST, OPTIONS")),
        Target::Drain(service, name) if method == Method::POST => {
            let id = id(known(node, service)?, name)?;
            thrift.drain_instance(&id)?;
            shown(thrift, &id, StatusCode::OK)
        }
        Target::Drain(..) => Ok(method_not_allowed_here(method, "POST, OPTIONS")),
    }
}

/// A service version that is there.
fn known(node: &Node, text: &str) -> Result<ServiceId, Problem> {
    let id: ServiceId = text.parse()?;
    super::services::found(&node.services.snapshot(), &id)?;
    Ok(id)
}

fn id(service: ServiceId, name: &str) -> Result<InstanceId, Problem> {
    let name: InstanceName =
        name.parse()
            .map_err(|error: trefoil_director::InstanceNameError| {
                Problem::new(
                    StatusCode::NOT_FOUND,
                    "instance-not-found",
                    Code::NotFound,
                    error.to_string(),
                )
            })?;
    Ok(InstanceId { service, name })
}

fn new_instance(
    id: InstanceId,
    value: Value,
    tls_directory: Option<&Path>,
) -> Result<NewInstance, Problem> {
    let mut violations = Vec::new();
    let mut new = NewInstance {
        id,
        address: String::new(),
        thrift: ThriftProvider::default(),
        slots: None,
        weight: 1.0,
        lease_ms: None,
    };
    let mut thrift = None;
    if let Some(mut members) = Members::of(value, "", &mut violations) {
        match members.text("address") {
            Some(address) if Place::parse(&address).is_some() => new.address = address,
            Some(_) => members.wrong(
                "address",
                "address",
                "must be host:port, unix:/path or http://host:port/path (https, ws, wss)",
            ),
            None => members.wrong("address", "required", "is required: host:port"),
        }
        thrift = members.take("thrift");
        if let Some(wire) = members.text("wire")
            && wire != "thrift"
        {
            members.wrong("wire", "enum", "must be thrift");
        }
        new.slots = members
            .integer("slots", 1..=1_000_000)
            .and_then(|slots| u32::try_from(slots).ok());
        new.weight = members.number("weight", 0.001..=1_000.0).unwrap_or(1.0);
        new.lease_ms = members
            .integer("lease_ms", LEASE_MS_MIN..=LEASE_MS_MAX)
            .map(i64::unsigned_abs);
        members.end();
    }
    if let Some(mut members) =
        thrift.and_then(|thrift| Members::of(thrift, "/thrift", &mut violations))
    {
        new.thrift.transport = match members.text("transport").as_deref() {
            None => None,
            Some("framed") => Some(ThriftTransport::Framed),
            Some("buffered") => Some(ThriftTransport::Buffered),
            Some("header") => Some(ThriftTransport::Header),
            Some("http") => Some(ThriftTransport::Http),
            Some("zlib") => Some(ThriftTransport::Zlib),
            Some("websocket") => Some(ThriftTransport::WebSocket),
            Some(_) => {
                let detail = "must be framed, buffered, header, http, zlib or websocket";
                members.wrong("transport", "enum", detail);
                None
            }
        };
        new.thrift.protocol = match members.text("protocol").as_deref() {
            None => None,
            Some("binary") => Some(ThriftProtocol::Binary),
            Some("compact") => Some(ThriftProtocol::Compact),
            Some("json") => Some(ThriftProtocol::Json),
            Some(_) => {
                members.wrong("protocol", "enum", "must be binary, compact or json");
                None
            }
        };
        new.thrift.multiplex = members.text("multiplex");
        new.thrift.is_pipelined = members.flag("pipelined").unwrap_or(false);
        new.thrift.tls = tls(&mut members, tls_directory);
        members.end();
    }
    if violations.is_empty() {
        Ok(new)
    } else {
        Err(violations.into())
    }
}

/// `true`, or whom to believe and what to show.
fn tls(members: &mut Members<'_>, directory: Option<&Path>) -> Option<ThriftTls> {
    let value = members.take("tls")?;
    if let Value::Bool(is_tls) = value {
        return is_tls.then(ThriftTls::default);
    }
    let Value::Object(object) = value else {
        members.wrong("tls", "type", "must be true, false or an object");
        return None;
    };
    let mut tls = ThriftTls::default();
    for (key, value) in object {
        let (place, is_file) = match key.as_str() {
            "ca" => (&mut tls.ca, true),
            "name" => (&mut tls.name, false),
            "certificate" => (&mut tls.certificate, true),
            "key" => (&mut tls.key, true),
            _ => {
                let detail = "has `ca`, `name`, `certificate` and `key` only";
                members.wrong("tls", "unknown", detail);
                continue;
            }
        };
        match value {
            Value::Null => {}
            Value::String(text) if is_file => match file_below(directory, &text) {
                Ok(path) => *place = Some(path),
                Err(reason) => members.wrong("tls", "file", format!("{key} {reason}")),
            },
            Value::String(text) => *place = Some(text),
            _ => members.wrong("tls", "type", format!("{key} must be text")),
        }
    }
    if tls.certificate.is_some() != tls.key.is_some() {
        members.wrong("tls", "pair", "certificate and key go together");
    }
    Some(tls)
}

/// The path of a file that somebody names over HTTP: one of those that the operator has put there for it. Any other would
/// tell whoever may register what files there are, and show keys of others to whom they like.
fn file_below(directory: Option<&Path>, name: &str) -> Result<String, &'static str> {
    let directory = directory.ok_or("names a file, and there is no thrift.tls_directory")?;
    let path = directory.join(name);
    let goes_up = path
        .components()
        .any(|part| matches!(part, Component::ParentDir));
    let path = path
        .to_str()
        .filter(|_| !goes_up && path.starts_with(directory));
    path.map(ToOwned::to_owned)
        .ok_or("must be a file below thrift.tls_directory")
}

fn shown(thrift: &Thrift, id: &InstanceId, status: StatusCode) -> Result<Response, Problem> {
    let view = thrift
        .instance(id)
        .ok_or_else(|| UnknownInstance(id.clone()))?;
    Ok((status, Json(view_json(&view))).into_response())
}

fn view_json(view: &InstanceView) -> Value {
    let registered = &view.registered;
    json!({
        "service": registered.id.service.to_string(),
        "name": registered.id.name.as_str(),
        "address": registered.address,
        "wire": "thrift",
        "thrift": {
            "transport": registered.thrift.transport,
            "protocol": registered.thrift.protocol,
            "multiplex": registered.thrift.multiplex,
            "pipelined": registered.thrift.is_pipelined,
            "tls": registered.thrift.tls,
        },
        "slots": registered.slots,
        "weight": registered.weight,
        "lease_ms": registered.lease_ms,
        "generation": view.generation,
        "state": view.state.name(),
        "reason": view.reason,
        "since": crate::view::time(view.since_ms),
        "registered": crate::view::time(view.registered_at_ms),
        "lease_until": view.lease_until_ms.map(crate::view::time),
        "ejected_until": view.ejected_until_ms.map(crate::view::time),
        "pending": view.pending,
        "calls": view.calls,
        "failures": view.failures,
        "took_ms": view.took_ms,
    })
}

impl From<UnknownInstance> for Problem {
    fn from(error: UnknownInstance) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "instance-not-found",
            Code::NotFound,
            error.to_string(),
        )
        .hint("register it: PUT /v1/services/{key}:{version}/instances/{name}")
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-instances",
            Code::ResourceExhausted,
            error.to_string(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_were_put_there_for_it_can_be_named() {
        let directory = Path::new("/etc/trefoil/instances");
        for good in ["ca.pem", "a/b.pem", "/etc/trefoil/instances/ca.pem"] {
            let path = file_below(Some(directory), good).unwrap();
            assert!(path.starts_with("/etc/trefoil/instances/"), "{path}");
        }
        for bad in [
            "../server.key",
            "/etc/shadow",
            "a/../../b",
            "/etc/trefoil/instances/../x",
        ] {
            assert!(file_below(Some(directory), bad).is_err(), "{bad}");
        }
        assert!(file_below(None, "ca.pem").is_err());
    }

    #[test]
    fn a_certificate_comes_with_its_key() {
        let directory = Some(Path::new("/d"));
        let id = || InstanceId {
            service: "a/b:1.0.0".parse().unwrap(),
            name: "x".parse().unwrap(),
        };
        let of = |tls: Value| {
            let value = json!({"address": "h:1", "thrift": {"tls": tls}});
            new_instance(id(), value, directory).map(|new| new.thrift.tls)
        };
        let tls = of(json!({"ca": "ca", "certificate": "c", "key": "k", "name": "n"}));
        let expected = ThriftTls {
            ca: Some("/d/ca".to_owned()),
            name: Some("n".to_owned()),
            certificate: Some("/d/c".to_owned()),
            key: Some("/d/k".to_owned()),
        };
        assert_eq!(tls.unwrap(), Some(expected));
        assert_eq!(of(json!(true)).unwrap(), Some(ThriftTls::default()));
        for bad in [
            json!({"certificate": "c"}),
            json!({"key": "k"}),
            json!({"ca": "../x"}),
            json!({"cert": "c"}),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths() {
        let of = |path| Target::of(path).map(|(target, _)| target);
        assert_eq!(of("a/b:1.0.0/instances"), Some(Target::All("a/b:1.0.0")));
        assert_eq!(
            of("a/b:1.0.0/instances/x:1"),
            Some(Target::One("a/b:1.0.0", "x:1"))
        );
        assert_eq!(
            of("a/b:1.0.0/instances/x/heartbeat"),
            Some(Target::Heartbeat("a/b:1.0.0", "x"))
        );
        assert_eq!(
            of("a/b:1.0.0/instances/x:drain"),
            Some(Target::Drain("a/b:1.0.0", "x"))
        );
        assert_eq!(of("a/instances"), None);
        assert_eq!(of("a/b:1.0.0"), None);
    }
}
