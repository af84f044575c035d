//! Files: stored by the hash of their content, streamed in and out.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use trefoil_server::{
    Node,
    engine_thread::CallError,
    files::{FileError, Sha256, Stored},
    store::{FileRow, StoreError},
};

use self::incoming::Incoming;
use crate::{
    error::{Code, Location, Problem},
    extract::{AcceptJson, Page, Query, is_not_modified, not_modified},
    view::time,
};

mod content;
mod digest;
mod disposition;
mod incoming;
mod range;

pub(crate) use self::incoming::{append, blocking, check_name, check_type};

/// Longest name of a file, in characters.
const NAME_MAX: usize = 255;

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/files", post(store).get(list))
        .route("/v1/files/{sha256}", get(one).delete(remove))
        .route("/v1/files/{sha256}/content", get(content::content))
}

async fn store(
    State(node): State<Arc<Node>>,
    mut query: Query,
    _accept: AcceptJson,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let name = query.one("name")?;
    query.end()?;
    if let Some(name) = &name {
        check_name(name).map_err(|(rule, detail)| Problem::query("name", detail, rule))?;
    }
    let form = incoming::boundary(&headers)?;
    let mut incoming = match form {
        None => vec![incoming::raw(&node, &headers, body, name).await?],
        Some(boundary) => incoming::form(&node, &headers, boundary, body, name).await?,
    };
    if incoming.len() == 1
        && let Some(one) = incoming.pop()
    {
        return one.finish(&node).await.map(Kept::answer);
    }
    let mut items = Vec::with_capacity(incoming.len());
    let mut status = StatusCode::OK;
    for one in incoming {
        let kept = one.finish(&node).await?;
        if kept.is_new {
            status = StatusCode::CREATED;
        }
        items.push(file_json(&kept.row));
    }
    Ok((status, Json(json!({ "items": items }))).into_response())
}

/// A file that the platform knows from now on.
pub(crate) struct Kept {
    row: FileRow,
    is_new: bool,
}

impl Kept {
    /// 201 for a new file, 200 for one that was there.
    pub(crate) fn answer(self) -> Response {
        let status = if self.is_new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let place = HeaderValue::try_from(href(&self.row.sha256))
            .expect("a path of hexadecimal digits is a header");
        (
            status,
            [(header::LOCATION, place)],
            Json(file_json(&self.row)),
        )
            .into_response()
    }
}

/// Writes down that a stored content is a file. Its pin is held until that is durable.
pub(crate) async fn keep(
    node: &Node,
    stored: Stored,
    name: Option<String>,
    media_type: Option<String>,
) -> Result<Kept, Problem> {
    let (row, is_new) = node.keep_file(stored, name, media_type).await?;
    Ok(Kept { row, is_new })
}

impl Incoming {
    async fn finish(self, node: &Node) -> Result<Kept, Problem> {
        let stored = self.writer.finish(self.expected).await?;
        keep(node, stored, self.name, self.media_type).await
    }
}

async fn list(
    State(node): State<Arc<Node>>,
    mut query: Query,
    _accept: AcceptJson,
    uri: Uri,
) -> Result<Response, Problem> {
    let name = query.one("name")?;
    let sha256 = query.parsed::<Sha256>("sha256", "the hash of a file")?;
    let page = query.page()?;
    query.end()?;
    let files = node
        .readers
        .files(name, sha256, page.cursor, page.limit)
        .await?;
    Ok(Page::answer(
        &uri,
        files.items.iter().map(file_json).collect(),
        files.next,
    ))
}

async fn one(
    State(node): State<Arc<Node>>,
    Path(sha256): Path<String>,
    query: Query,
    _accept: AcceptJson,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.none()?;
    let file = file_json(&find(&node, &sha256).await?);
    // Name and type may still come for a content that was stored without.
    let tag = Sha256::of(file.to_string().as_bytes()).to_string();
    if is_not_modified(&headers, &tag) {
        return Ok(not_modified(&tag));
    }
    let etag =
        HeaderValue::try_from(format!("\"{tag}\"")).expect("hexadecimal digits are a header");
    Ok(([(header::ETAG, etag)], Json(file)).into_response())
}

async fn remove(
    State(node): State<Arc<Node>>,
    Path(text): Path<String>,
    query: Query,
) -> Result<StatusCode, Problem> {
    query.none()?;
    let sha256 = parse(&text)?;
    let removed = node
        .engine
        .call(move |engine, _| engine.store().remove_file(&sha256))
        .await?;
    match removed {
        None => return Err(not_found(&text)),
        Some(false) => {
            return Err(
                Problem::conflict("file-in-use", format!("a job refers to file {text}"))
                    .hint("delete the jobs that refer to it first"),
            );
        }
        Some(true) => {}
    }
    // That nobody knows the file is durable now. The content goes in a command of its own, where no upload of the same
    // content can become known in between; one that is under way has it pinned, and keeps it.
    let files = node.files.clone();
    let content = node.engine.call(move |engine, _| {
        if engine.store().file(&sha256)?.is_some() {
            return Ok(());
        }
        match files.remove(&sha256) {
            Ok(()) | Err(FileError::NotFound(_) | FileError::InUse(_)) => {}
            Err(error) => {
                tracing::warn!(%sha256, %error, "the content of a removed file stays behind")
            }
        }
        Ok::<_, StoreError>(())
    });
    let _: Result<(), CallError> = content.await;
    Ok(StatusCode::NO_CONTENT)
}

/// The file that a path names.
async fn find(node: &Node, text: &str) -> Result<FileRow, Problem> {
    node.readers
        .file(parse(text)?)
        .await?
        .ok_or_else(|| not_found(text))
}

fn parse(text: &str) -> Result<Sha256, Problem> {
    text.parse().map_err(|error| {
        let detail = format!("a file is addressed by the hash of its content: {error}");
        Problem::new(
            StatusCode::NOT_FOUND,
            "file-not-found",
            Code::NotFound,
            detail.clone(),
        )
        .error("sha256", Location::Path, detail, "sha256")
    })
}

fn not_found(sha256: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "file-not-found",
        Code::NotFound,
        format!("there is no file {sha256}"),
    )
    .hint("POST /v1/files stores one")
}

fn href(sha256: &Sha256) -> String {
    format!("/v1/files/{sha256}")
}

/// A File of the API.
fn file_json(row: &FileRow) -> Value {
    let own = href(&row.sha256);
    let mut json = json!({
        "sha256": row.sha256.to_string(),
        "size": row.size,
        "created_at": time(row.created_ms),
        "links": { "self": own, "content": format!("{own}/content") },
    });
    if let Some(name) = &row.name {
        json["name"] = name.as_str().into();
    }
    if let Some(media_type) = &row.media_type {
        json["type"] = media_type.as_str().into();
    }
    json
}
