//! Contracts: publishing them, looking at them, and what changed between two versions.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Map, Value, json};
use trefoil_director::{
    CONTRACT_FILE, Catalog, Entry, ServiceId, SharedContract, near_names, required_version,
};
use trefoil_server::{Node, services::Publication};
use trefoil_thrift::{deprecation::Deprecation, describe, diff};

use super::services::{find, found, put, take_files};
use crate::{
    error::{Code, Problem},
    extract::{
        AcceptJson, BodyHead, Members, Page, PathText, Query, accepts, is_not_modified,
        not_modified, set_etag,
    },
    layers::Route,
    method_not_allowed_here,
};

const JSON: &str = "application/json";
const THRIFT: &str = "text/x-thrift";
const TEXT: &str = "text/plain";

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/contracts", get(list))
        // Keys have slashes, so the rest of the path is read by hand.
        .route("/v1/contracts/{*path}", any(one))
}

async fn list(
    State(node): State<Arc<Node>>,
    uri: Uri,
    _: AcceptJson,
    mut query: Query,
) -> Result<Response, Problem> {
    let key = query.one("key")?;
    let page = query.page()?;
    query.end()?;
    let catalog = node.services.snapshot();
    let with_contract = catalog.iter().filter_map(|entry| {
        let is_wanted = key
            .as_deref()
            .is_none_or(|key| entry.service.id.key.as_str() == key);
        let contract = entry.service.contract.as_ref().filter(|_| is_wanted)?;
        Some((entry, contract))
    });
    let start = page.cursor.unwrap_or(0);
    let mut found = with_contract.skip(usize::try_from(start).unwrap_or(usize::MAX));
    let items: Vec<Value> = found
        .by_ref()
        .take(page.limit as usize)
        .map(|(entry, contract)| item_json(entry, contract))
        .collect();
    let next = found
        .next()
        .map(|_| start.saturating_add(u64::from(page.limit)));
    Ok(Page::answer(&uri, items, next))
}

async fn one(
    State(node): State<Arc<Node>>,
    PathText(path): PathText,
    method: Method,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Response {
    // No key has a colon, so what is behind a version is no part of a key.
    let diff = path
        .strip_suffix("/diff")
        .filter(|service| service.contains(':'));
    let (route, answer) = match diff {
        Some(service) => (
            "/v1/contracts/{service}/diff",
            changes(&node, service, &method, &headers, query),
        ),
        None => (
            "/v1/contracts/{service}",
            contract(&node, &path, &method, &headers, query, body).await,
        ),
    };
    let mut response = answer.unwrap_or_else(Problem::into_response);
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
    response.extensions_mut().insert(Route(route));
    response
}

async fn contract(
    node: &Node,
    service: &str,
    method: &Method,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let is_exact = service.contains(':');
    match method.as_str() {
        "PUT" if is_exact => publish(node, service.parse()?, headers, query, body).await,
        "DELETE" if is_exact => {
            let id: ServiceId = service.parse()?;
            if of(&found(&node.services.snapshot(), &id)?)?.is_derived() {
                return Err(derived(&id));
            }
            query.none()?;
            node.services.retire(&id).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        verb => {
            let entry = find(&node.services.snapshot(), service)?;
            of(&entry)?;
            match verb {
                "GET" | "HEAD" => show(&entry, headers, query),
                _ if is_exact => Ok(method_not_allowed_here(
                    method,
                    "GET, HEAD, PUT, DELETE, OPTIONS",
                )),
                _ => Ok(method_not_allowed_here(method, "GET, HEAD, OPTIONS")),
            }
        }
    }
}

async fn publish(
    node: &Node,
    id: ServiceId,
    headers: &HeaderMap,
    mut query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let limit = node.config.json_max;
    let head = BodyHead::check(headers, &[(THRIFT, limit), (JSON, limit)])?;
    let is_forced = query.flag("force")?;
    query.end()?;
    let (publication, force) = if head.kind == THRIFT {
        let text = String::from_utf8(head.read(body).await?).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let detail = format!("the contract is not UTF-8 at byte {at}");
            Problem::invalid(detail.clone()).entry(json!({
                "pointer": "", "location": "body", "detail": detail, "rule": "unicode", "offset": at,
            }))
        })?;
        let publication = Publication {
            files: [(CONTRACT_FILE.to_owned(), text)].into(),
            ..Publication::default()
        };
        (publication, false)
    } else {
        publication(head.json(body).await?)?
    };
    let (entry, status) = put(node, id, headers, publication, is_forced || force).await?;
    let mut response = (status, Json(contract_json(&entry, of(&entry)?))).into_response();
    set_etag(response.headers_mut(), &json_tag(&entry));
    if status == StatusCode::CREATED
        && let Ok(location) = HeaderValue::try_from(href(&entry.service.id))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Reads the JSON form of a publication, and whether it may break callers.
fn publication(value: Value) -> Result<(Publication, bool), Problem> {
    let mut violations = Vec::new();
    let mut publication = Publication::default();
    let mut force = false;
    if let Some(mut members) = Members::of(value, "", &mut violations) {
        publication.service = members.text("service");
        publication.files = take_files(&mut members);
        force = members.flag("force").unwrap_or(false);
        if !publication.files.contains_key(CONTRACT_FILE) {
            let detail = format!("`{CONTRACT_FILE}` is missing: the contract's own file");
            members.wrong("files", "required", detail);
        }
        members.end();
    }
    if violations.is_empty() {
        Ok((publication, force))
    } else {
        Err(violations.into())
    }
}

fn show(entry: &Entry, headers: &HeaderMap, mut query: Query) -> Result<Response, Problem> {
    let contract = of(entry)?;
    let file = query.one("file")?;
    // A file has only its text.
    let offered: &[&str] = match file {
        Some(_) => &[THRIFT],
        None => &[THRIFT, JSON],
    };
    let kind = accepts(headers, offered)?;
    query.end()?;
    if kind == JSON {
        let tag = json_tag(entry);
        if is_not_modified(headers, &tag) {
            return Ok(not_modified(&tag));
        }
        let mut response = Json(contract_json(entry, contract)).into_response();
        set_etag(response.headers_mut(), &tag);
        return Ok(response);
    }
    let text = match file {
        None => contract.text(),
        Some(file) => file_text(entry, contract, &file)?,
    };
    let tag = format!("{}-thrift", entry.service.digest);
    if is_not_modified(headers, &tag) {
        return Ok(not_modified(&tag));
    }
    let kind = HeaderValue::from_static("text/x-thrift; charset=utf-8");
    let mut response = ([(header::CONTENT_TYPE, kind)], text.to_owned()).into_response();
    set_etag(response.headers_mut(), &tag);
    Ok(response)
}

fn file_text<'c>(
    entry: &Entry,
    contract: &'c SharedContract,
    file: &str,
) -> Result<&'c str, Problem> {
    let files = || contract.contract().sources.files().map(|(_, file)| file);
    if let Some(found) = files().find(|found| found.label == file) {
        return Ok(&found.text);
    }
    let labels: Vec<&str> = files().map(|file| file.label.as_str()).collect();
    let problem = Problem::new(
        StatusCode::NOT_FOUND,
        "file-not-found",
        Code::NotFound,
        format!("the contract of `{}` has no such file", entry.service.id),
    )
    .with("available", json!(labels));
    Err(match near_names(file, labels.iter().copied()).first() {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    })
}

fn changes(
    node: &Node,
    service: &str,
    method: &Method,
    headers: &HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let catalog: Catalog = node.services.snapshot();
    let new = find(&catalog, service)?;
    let is = of(&new)?.contract();
    if !matches!(method.as_str(), "GET" | "HEAD") {
        return Ok(method_not_allowed_here(method, "GET, HEAD, OPTIONS"));
    }
    let kind = accepts(headers, &[JSON, TEXT])?;
    let from = query.one("from")?;
    query.end()?;
    let from = from.ok_or_else(|| {
        let detail = "`from` is missing: the version to compare with";
        Problem::query("from", detail, "required")
    })?;
    let id = &new.service.id;
    let old = find(&catalog, &format!("{}:{from}", id.key))?;
    let was = of(&old)?.contract();
    let changes = diff::diff(was, is);
    if kind == TEXT {
        return Ok(diff::render(&changes, &was.sources, &is.sources).into_response());
    }
    let mut json = diff::to_json(&changes, &was.sources, &is.sources);
    json["from"] = old.service.id.to_string().into();
    json["to"] = id.to_string().into();
    json["breaking"] = (diff::required_bump(&changes) == Some(diff::Severity::Major)).into();
    json["required"] = json!(required_version(&old.service.id.version, &changes));
    Ok(Json(json).into_response())
}

/// The contract of a service.
fn of(entry: &Entry) -> Result<&SharedContract, Problem> {
    entry.service.contract.as_ref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "contract-not-found",
            Code::NotFound,
            format!("`{}` has no contract", entry.service.id),
        )
        .hint(format!(
            "a service has one if `{CONTRACT_FILE}` is among its files, or if it is computational"
        ))
    })
}

/// A contract that nobody wrote cannot be taken away, only the service that it is of.
fn derived(id: &ServiceId) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "derived-contract",
        Code::FailedPrecondition,
        format!("the contract of `{id}` is made from its ports and goes with the service"),
    )
    .hint(format!("DELETE /v1/services/{id} retires the service"))
}

fn href(id: &ServiceId) -> String {
    format!("/v1/contracts/{id}")
}

fn json_tag(entry: &Entry) -> String {
    let state = json!(entry.state);
    format!(
        "{}-{}-{}",
        entry.service.digest,
        state.as_str().unwrap_or_default(),
        entry.service.warnings.len()
    )
}

/// What every form of a contract begins with.
fn head_json(entry: &Entry, contract: &SharedContract) -> Value {
    let service = &entry.service;
    json!({
        "key": service.id.key,
        "version": service.id.version,
        "state": entry.state,
        "source": service.source.name(),
        "digest": service.digest,
        "derived": contract.is_derived(),
        "warnings": service.warnings,
        "links": [
            { "rel": "self", "href": href(&service.id) },
            { "rel": "service", "href": crate::view::service_href(service) },
        ],
    })
}

fn item_json(entry: &Entry, contract: &SharedContract) -> Value {
    let services: Vec<Value> = contract
        .services()
        .map(|(_, service)| {
            let methods: Vec<&str> = service
                .methods
                .iter()
                .map(|method| method.name.as_str())
                .collect();
            let deprecated: Vec<&str> = service
                .methods
                .iter()
                .filter(|method| Deprecation::of_method(contract.schema(), method).is_some())
                .map(|method| method.name.as_str())
                .collect();
            json!({ "name": service.name, "methods": methods, "deprecated": deprecated })
        })
        .collect();
    let mut json = head_json(entry, contract);
    json["services"] = services.into();
    json
}

fn contract_json(entry: &Entry, contract: &SharedContract) -> Value {
    let mut json = head_json(entry, contract);
    let described = describe::to_json(contract.contract());
    for (member, value) in described.as_object().into_iter().flatten() {
        json[member] = value.clone();
    }
    let files: Map<String, Value> = contract
        .contract()
        .sources
        .files()
        .map(|(_, file)| (file.label.clone(), (*file.text).into()))
        .collect();
    json["files"] = files.into();
    json
}
