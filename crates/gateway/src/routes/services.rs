//! Services: what there is, publishing, pausing, and what fits what.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};
use trefoil_director::{
    Catalog, Entry, Service, ServiceId, ServiceKey, ServiceRequest, ServiceState, match_ports,
    near_names,
};
use trefoil_server::{
    Node,
    services::{Allowed, MayReplace, Publication, Published},
};

use crate::{
    error::{Code, Problem},
    extract::{
        AcceptJson, IfMatch, Members, Page, PathText, Query, accepts, escape, is_not_modified,
        json_body, not_modified, optional_json_body, set_etag,
    },
    layers::Route,
    method_not_allowed_here,
    view::{digest_of, service_href, service_json, service_tag},
};

const JSON: &str = "application/json";
const TYPES: [&str; 4] = ["computational", "dynamic", "frontend", "backend"];

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/services", get(list))
        // Keys have slashes, so the rest of the path is read by hand.
        .route("/v1/services/{*path}", any(one))
}

async fn list(
    State(node): State<Arc<Node>>,
    uri: Uri,
    _: AcceptJson,
    mut query: Query,
) -> Result<Response, Problem> {
    let key = query.one("key")?;
    let kind = one_of(&mut query, "type", &TYPES)?;
    let state = one_of(&mut query, "state", &["active", "paused", "retired"])?;
    let page = query.page()?;
    query.end()?;
    let catalog = node.services.snapshot();
    let fits = |entry: &&Entry| {
        let service = &entry.service;
        key.as_deref()
            .is_none_or(|key| service.id.key.as_str() == key)
            && kind
                .as_deref()
                .is_none_or(|kind| json!(service.metadata.service_type) == *kind)
            && state
                .as_deref()
                .is_none_or(|state| json!(entry.state) == *state)
    };
    let start = page.cursor.unwrap_or(0);
    let skip = usize::try_from(start).unwrap_or(usize::MAX);
    let mut found = catalog.iter().filter(fits).skip(skip);
    let items: Vec<Value> = found
        .by_ref()
        .take(page.limit as usize)
        .map(|entry| service_json(&node, entry))
        .collect();
    let next = found
        .next()
        .map(|_| start.saturating_add(u64::from(page.limit)));
    let broken: Vec<Value> = catalog
        .broken()
        .flat_map(|(_, problems)| problems)
        .map(|found| json!(found))
        .collect();
    Ok(Page::answer_with(
        &uri,
        json!({ "items": items, "broken": broken }),
        next,
    ))
}

fn one_of(
    query: &mut Query,
    name: &'static str,
    words: &[&str],
) -> Result<Option<String>, Problem> {
    match query.one(name)? {
        Some(word) if !words.contains(&word.as_str()) => Err(Problem::query(
            name,
            format!("`{name}` must be one of {}", words.join(", ")),
            "enum",
        )),
        word => Ok(word),
    }
}

/// What a path below `/v1/services/` stands for.
enum Target<'p> {
    Service(&'p str),
    Versions(&'p str),
    Pause(&'p str),
    Resume(&'p str),
    Inputs(&'p str),
    Outputs(&'p str),
}

impl<'p> Target<'p> {
    /// The target of a path, and the pattern that metrics know it by. No version is `pause`, and no segment of a key has
    /// a colon; only a key that ends in `/versions` is out of reach without a version.
    fn of(path: &'p str) -> (Self, &'static str) {
        if let Some(rest) = path.strip_suffix(":pause") {
            (Self::Pause(rest), "/v1/services/{service}:pause")
        } else if let Some(rest) = path.strip_suffix(":resume") {
            (Self::Resume(rest), "/v1/services/{service}:resume")
        } else if let Some(rest) = path.strip_suffix("/inputs:match") {
            (Self::Inputs(rest), "/v1/services/{service}/inputs:match")
        } else if let Some(rest) = path.strip_suffix("/outputs:match") {
            (Self::Outputs(rest), "/v1/services/{service}/outputs:match")
        } else if let Some(rest) = path.strip_suffix("/versions") {
            (Self::Versions(rest), "/v1/services/{key}/versions")
        } else {
            (Self::Service(path), "/v1/services/{service}")
        }
    }
}

async fn one(
    State(node): State<Arc<Node>>,
    PathText(path): PathText,
    method: Method,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Response {
    if let Some((target, route)) = super::instances::Target::of(&path) {
        let answer = super::instances::answer(&node, target, &method, &headers, query, body);
        let mut response = answer.await.unwrap_or_else(Problem::into_response);
        response.extensions_mut().insert(Route(route));
        return response;
    }
    let (target, route) = Target::of(&path);
    let request = Request {
        node: &node,
        method,
        headers,
        query,
    };
    let mut response = request
        .answer(target, body)
        .await
        .unwrap_or_else(Problem::into_response);
    response.extensions_mut().insert(Route(route));
    response
}

struct Request<'n> {
    node: &'n Node,
    method: Method,
    headers: HeaderMap,
    query: Query,
}

impl Request<'_> {
    async fn answer(self, target: Target<'_>, body: Body) -> Result<Response, Problem> {
        let method = self.method.clone();
        let catalog = self.node.services.snapshot();
        match (target, method.as_str()) {
            (Target::Service(text), "PUT") if text.contains(':') => {
                self.publish(text.parse()?, body).await
            }
            (Target::Service(text), "DELETE") if text.contains(':') => {
                self.retire(text.parse()?).await
            }
            (Target::Service(text), verb) => {
                let entry = find(&catalog, text)?;
                match verb {
                    "GET" | "HEAD" => self.service(&entry),
                    _ if text.contains(':') => Ok(method_not_allowed_here(
                        &method,
                        "GET, HEAD, PUT, DELETE, OPTIONS",
                    )),
                    _ => Ok(method_not_allowed_here(&method, "GET, HEAD, OPTIONS")),
                }
            }
            (Target::Versions(text), verb) => {
                let entries = versions(&catalog, text)?;
                match verb {
                    "GET" | "HEAD" => self.versions(entries),
                    _ => Ok(method_not_allowed_here(&method, "GET, HEAD, OPTIONS")),
                }
            }
            (Target::Pause(text), "POST") => {
                self.set_paused(&exact(&catalog, text)?, true, body).await
            }
            (Target::Resume(text), "POST") => {
                self.set_paused(&exact(&catalog, text)?, false, body).await
            }
            (Target::Pause(text) | Target::Resume(text), _) => {
                exact(&catalog, text)?;
                Ok(method_not_allowed_here(&method, "POST, OPTIONS"))
            }
            (Target::Inputs(text), verb) => {
                let entry = find(&catalog, text)?;
                match verb {
                    "GET" | "HEAD" => self.match_inputs(&catalog, &entry.service),
                    _ => Ok(method_not_allowed_here(&method, "GET, HEAD, OPTIONS")),
                }
            }
            (Target::Outputs(text), verb) => {
                let entry = find(&catalog, text)?;
                match verb {
                    "GET" | "HEAD" => self.match_outputs(&catalog, &entry.service),
                    _ => Ok(method_not_allowed_here(&method, "GET, HEAD, OPTIONS")),
                }
            }
        }
    }

    fn service(self, entry: &Entry) -> Result<Response, Problem> {
        accepts(&self.headers, &[JSON])?;
        self.query.none()?;
        let tag = service_tag(self.node, entry);
        if is_not_modified(&self.headers, &tag) {
            return Ok(not_modified(&tag));
        }
        Ok(shown(self.node, entry, StatusCode::OK))
    }

    fn versions(self, entries: Vec<Entry>) -> Result<Response, Problem> {
        accepts(&self.headers, &[JSON])?;
        self.query.none()?;
        let items: Vec<String> = entries
            .iter()
            .map(|entry| entry.service.id.version.to_string())
            .collect();
        Ok(Json(json!({ "items": items })).into_response())
    }

    async fn publish(mut self, id: ServiceId, body: Body) -> Result<Response, Problem> {
        let node = self.node;
        let value = json_body(&self.headers, body, node.config.json_max).await?;
        let is_forced = self.query.flag("force")?;
        self.query.end()?;
        let (publication, force) = publication(value)?;
        let (entry, status) = put(node, id, &self.headers, publication, is_forced || force).await?;
        let mut response = shown(node, &entry, status);
        if status == StatusCode::CREATED
            && let Ok(location) = HeaderValue::try_from(service_href(&entry.service))
        {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    async fn retire(self, id: ServiceId) -> Result<Response, Problem> {
        found(&self.node.services.snapshot(), &id)?;
        self.query.none()?;
        self.node.services.retire(&id).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    async fn set_paused(
        self,
        entry: &Entry,
        paused: bool,
        body: Body,
    ) -> Result<Response, Problem> {
        let node = self.node;
        let value = optional_json_body(&self.headers, body, node.config.json_max).await?;
        self.query.none()?;
        let mut violations = Vec::new();
        if let Some(members) = value.and_then(|value| Members::of(value, "", &mut violations)) {
            members.end();
        }
        if !violations.is_empty() {
            return Err(violations.into());
        }
        let id = &entry.service.id;
        match paused {
            true => node.services.pause(id).await?,
            false => node.services.resume(id).await?,
        }
        Ok(shown(
            node,
            &found(&node.services.snapshot(), id)?,
            StatusCode::OK,
        ))
    }

    fn match_inputs(mut self, catalog: &Catalog, to: &Service) -> Result<Response, Problem> {
        accepts(&self.headers, &[JSON])?;
        let from = other(&mut self.query, catalog, "fromService", "fromVersion")?;
        let port = self.query.one("fromOutput")?;
        self.query.end()?;
        Ok(Json(json!(match_ports(&from, port.as_deref(), to, None)?)).into_response())
    }

    fn match_outputs(mut self, catalog: &Catalog, from: &Service) -> Result<Response, Problem> {
        accepts(&self.headers, &[JSON])?;
        let to = other(&mut self.query, catalog, "toService", "toVersion")?;
        let port = self.query.one("toInput")?;
        self.query.end()?;
        Ok(Json(json!(match_ports(from, None, &to, port.as_deref())?)).into_response())
    }
}

/// Publishes one version as `If-Match` allows it; `force` lets its contract break callers. Gives it as it is now, and the
/// status of the answer.
pub(super) async fn put(
    node: &Node,
    id: ServiceId,
    headers: &HeaderMap,
    publication: Publication,
    force: bool,
) -> Result<(Entry, StatusCode), Problem> {
    let replace = match IfMatch::of(headers)? {
        IfMatch::Absent => MayReplace::Nothing,
        IfMatch::Any => MayReplace::Anything,
        IfMatch::Tags(tags) => {
            let current = node
                .services
                .snapshot()
                .get(&id)
                .map(|entry| entry.service.digest.clone());
            let digests: Vec<&str> = tags.iter().map(|tag| digest_of(tag)).collect();
            let wanted = digests
                .iter()
                .find(|digest| current.as_deref() == Some(**digest));
            MayReplace::Digest((*wanted.or(digests.first()).unwrap_or(&"")).to_owned())
        }
    };
    let allowed = Allowed {
        replace,
        breaking: force,
    };
    let published = node
        .services
        .publish(id.clone(), publication, allowed)
        .await?;
    let status = match published {
        Published::New => StatusCode::CREATED,
        Published::Replaced | Published::Unchanged => StatusCode::OK,
    };
    Ok((found(&node.services.snapshot(), &id)?, status))
}

/// The second service of a match, from the query.
fn other(
    query: &mut Query,
    catalog: &Catalog,
    key: &'static str,
    version: &'static str,
) -> Result<Arc<Service>, Problem> {
    let (service, range) = (query.one(key)?, query.one(version)?);
    let Some(service) = service else {
        return Err(Problem::query(
            key,
            format!("`{key}` is missing"),
            "required",
        ));
    };
    let text = match range {
        Some(range) => format!("{service}:{range}"),
        None => service,
    };
    let request = text.parse::<ServiceRequest>();
    let request = request.map_err(|error| Problem::query(key, error.to_string(), "service-id"))?;
    Ok(catalog.resolve(&request)?)
}

/// The version that a path names. One that is named exactly is shown even when it is retired.
pub(super) fn find(catalog: &Catalog, text: &str) -> Result<Entry, Problem> {
    if let Ok(id) = text.parse::<ServiceId>()
        && let Some(entry) = catalog.get(&id)
    {
        return Ok(entry.clone());
    }
    let request: ServiceRequest = text.parse()?;
    let service = catalog.resolve(&request)?;
    found(catalog, &service.id)
}

/// The version that a path names exactly.
fn exact(catalog: &Catalog, text: &str) -> Result<Entry, Problem> {
    found(catalog, &text.parse()?)
}

pub(super) fn found(catalog: &Catalog, id: &ServiceId) -> Result<Entry, Problem> {
    match catalog.get(id) {
        Some(entry) => Ok(entry.clone()),
        // The catalog knows what is near, or which versions there are.
        None => Err(match catalog.resolve(&id.clone().into()) {
            Err(error) => error.into(),
            Ok(_) => Problem::new(
                StatusCode::NOT_FOUND,
                "service-not-found",
                Code::NotFound,
                format!("there is no service `{id}`"),
            ),
        }),
    }
}

fn versions(catalog: &Catalog, key: &str) -> Result<Vec<Entry>, Problem> {
    let key = ServiceKey::new(key)?;
    let entries: Vec<Entry> = catalog
        .versions(&key)
        .filter(|entry| entry.state != ServiceState::Retired)
        .cloned()
        .collect();
    if entries.is_empty() {
        let near = near_names(
            key.as_str(),
            catalog.iter().map(|entry| entry.service.id.key.as_str()),
        );
        let error = trefoil_director::ResolveError::UnknownKey { key, near };
        return Err(error.into());
    }
    Ok(entries)
}

/// Reads the body of a publication, and whether it may break callers.
fn publication(value: Value) -> Result<(Publication, bool), Problem> {
    let mut violations = Vec::new();
    let mut publication = Publication::default();
    let mut force = false;
    if let Some(mut members) = Members::of(value, "", &mut violations) {
        match members.take("metadata") {
            Some(Value::String(text)) => publication.metadata = Some(text),
            Some(_) => members.wrong("metadata", "type", "expected the text of metadata.yml"),
            None => members.wrong(
                "metadata",
                "required",
                "`metadata` is missing: the text of metadata.yml",
            ),
        }
        publication.service = members.text("service");
        publication.files = take_files(&mut members);
        force = members.flag("force").unwrap_or(false);
        members.end();
    }
    if violations.is_empty() {
        Ok((publication, force))
    } else {
        Err(violations.into())
    }
}

/// The member `files`: relative name to text.
pub(super) fn take_files(members: &mut Members<'_>) -> BTreeMap<String, String> {
    let files = members.texts("files").unwrap_or_default();
    for name in files.keys() {
        if let Some(above) = file_above(&files, name) {
            let detail = format!("`{above}` is a file, so nothing can be below it");
            members.wrong_at(&format!("files/{}", escape(name)), "file-name", detail);
        }
    }
    files
}

/// Which of the files stands where a directory of `name` would be.
fn file_above<'n>(files: &BTreeMap<String, String>, name: &'n str) -> Option<&'n str> {
    let mut above = name.match_indices('/').map(|(end, _)| &name[..end]);
    above.find(|above| {
        matches!(*above, "metadata.yml" | "service.toml") || files.contains_key(*above)
    })
}

/// The answer that shows one service.
fn shown(node: &Node, entry: &Entry, status: StatusCode) -> Response {
    let mut response = (status, Json(service_json(node, entry))).into_response();
    set_etag(response.headers_mut(), &service_tag(node, entry));
    response
}
