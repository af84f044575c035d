//! Uploads that can be taken up again where they broke off.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{any, post},
};
use serde_json::{Value, json};
use trefoil_director::Violation;
use trefoil_server::{
    Node,
    clock::wall_ms,
    files::{AsyncWriter, FileError, NewUpload, ParseSha256Error, Upload, UploadId},
};

use crate::{
    error::{Code, Location, Problem},
    extract::{Members, Query, accepts, json_body, one_header},
    layers::Route,
    method_not_allowed_here,
    routes::files::{append, blocking, check_name, check_type, keep},
    view::time,
};

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// How long an upload is kept, as the file store has it.
const KEPT_MS: u64 = 24 * 3_600_000;
/// The largest number that every JSON reader has.
const SIZE_MAX: i64 = (1 << 53) - 1;

pub(crate) fn router() -> Router<Arc<Node>> {
    // `{id}` and `{id}:complete` are one segment to the router, with methods of their own.
    Router::new()
        .route("/v1/uploads", post(create))
        .route("/v1/uploads/{id}", any(upload))
}

async fn create(
    State(node): State<Arc<Node>>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = json_body(&headers, body, node.config.json_max).await?;
    query.none()?;
    let announced = announced(body)?;
    let now_ms = wall_ms();
    let (uploads, about) = (node.uploads.clone(), announced.clone());
    let id = blocking(move || uploads.create(about, now_ms)).await?;
    let href = format!("/v1/uploads/{id}");
    let place = HeaderValue::try_from(&href).expect("a path of hexadecimal digits is a header");
    let upload = Upload {
        announced,
        created_ms: now_ms,
        stored: None,
    };
    let headers = [
        (header::LOCATION, place),
        (UPLOAD_OFFSET, HeaderValue::from(0)),
    ];
    Ok((
        StatusCode::CREATED,
        headers,
        Json(upload_json(id, &upload, 0)),
    )
        .into_response())
}

fn announced(body: Value) -> Result<NewUpload, Problem> {
    let mut violations: Vec<Violation> = Vec::new();
    let mut announced = NewUpload::default();
    if let Some(mut members) = Members::of(body, "", &mut violations) {
        announced.name = members.text("name");
        announced.media_type = members.text("type");
        announced.size = members
            .integer("size", 0..=SIZE_MAX)
            .map(i64::cast_unsigned);
        let sha256 = members.text("sha256");
        if let Some(Err((rule, detail))) = announced.name.as_deref().map(check_name) {
            members.wrong("name", rule, detail);
        }
        if let Some(Err((rule, detail))) = announced.media_type.as_deref().map(check_type) {
            members.wrong("type", rule, detail);
        }
        match sha256.map(|text| text.parse()) {
            Some(Ok(sha256)) => announced.sha256 = Some(sha256),
            Some(Err(error)) => {
                let error: ParseSha256Error = error;
                members.wrong("sha256", "pattern", error.to_string());
            }
            None => {}
        }
        members.end();
    }
    if violations.is_empty() {
        Ok(announced)
    } else {
        Err(violations.into())
    }
}

/// An Upload of the API.
fn upload_json(id: UploadId, upload: &Upload, offset: u64) -> Value {
    let own = format!("/v1/uploads/{id}");
    let mut json = json!({
        "id": id.to_string(),
        "offset": offset,
        "created_at": time(upload.created_ms),
        "expires_at": time(upload.created_ms + KEPT_MS),
        "links": { "self": own, "complete": format!("{own}:complete") },
    });
    let NewUpload {
        name,
        media_type,
        size,
        sha256,
    } = &upload.announced;
    if let Some(name) = name {
        json["name"] = name.as_str().into();
    }
    if let Some(media_type) = media_type {
        json["type"] = media_type.as_str().into();
    }
    if let Some(size) = size {
        json["size"] = (*size).into();
    }
    if let Some(sha256) = sha256 {
        json["sha256"] = sha256.to_string().into();
    }
    json
}

async fn upload(
    State(node): State<Arc<Node>>,
    Path(segment): Path<String>,
    method: Method,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (id, action) = match segment.split_once(':') {
        Some((id, action)) => (id, Some(action)),
        None => (segment.as_str(), None),
    };
    let (route, allowed) = match action {
        None => ("/v1/uploads/{id}", "HEAD, PATCH, OPTIONS"),
        Some("complete") => ("/v1/uploads/{id}:complete", "POST, OPTIONS"),
        Some(_) => return crate::extract::not_found().into_response(),
    };
    let answer = match (action, method.as_str(), id.parse::<UploadId>()) {
        (None, "HEAD" | "PATCH", Err(error)) | (Some(_), "POST", Err(error)) => {
            Err(no_upload(&error))
        }
        (None, "HEAD", Ok(id)) => offset(&node, id, query).await,
        (None, "PATCH", Ok(id)) => add(&node, id, query, &headers, body).await,
        (Some(_), "POST", Ok(id)) => complete(&node, id, query, &headers).await,
        _ => Ok(method_not_allowed_here(&method, allowed)),
    };
    let mut response = answer.unwrap_or_else(Problem::into_response);
    response.extensions_mut().insert(Route(route));
    response
}

fn no_upload(error: &dyn std::fmt::Display) -> Problem {
    let detail = error.to_string();
    Problem::new(
        StatusCode::NOT_FOUND,
        "upload-not-found",
        Code::NotFound,
        detail.clone(),
    )
    .error("id", Location::Path, detail, "upload-id")
}

async fn offset(node: &Node, id: UploadId, query: Query) -> Result<Response, Problem> {
    query.none()?;
    let uploads = node.uploads.clone();
    let offset = blocking(move || uploads.offset(id)).await?;
    let headers = [
        (UPLOAD_OFFSET, HeaderValue::from(offset)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}

async fn add(
    node: &Node,
    id: UploadId,
    query: Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_bytes(headers)?;
    query.none()?;
    let refuse = |detail: &str, rule| Problem::bad_header("Upload-Offset", detail, rule);
    let given = one_header(headers, "Upload-Offset")?
        .ok_or_else(|| refuse("`Upload-Offset` says where the bytes go", "required"))?;
    let digits = given.bytes().all(|byte| byte.is_ascii_digit());
    let given: u64 = given
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| refuse("`Upload-Offset` must be a whole number", "format"))?;
    let uploads = node.uploads.clone();
    let mut writer = AsyncWriter::new(blocking(move || uploads.append(id, given)).await?);
    let appended = append(body, &mut writer).await;
    // Also when the body broke off: what came is kept, and the sender goes on from there.
    let kept = writer.finish().await;
    appended?;
    let offset = kept?;
    Ok((
        StatusCode::NO_CONTENT,
        [(UPLOAD_OFFSET, HeaderValue::from(offset))],
    )
        .into_response())
}

/// The body is bytes and nothing else: what is encoded would be stored so.
fn check_bytes(headers: &HeaderMap) -> Result<(), Problem> {
    const TAKEN: [&str; 2] = [
        "application/octet-stream",
        "application/offset+octet-stream",
    ];
    let is_taken = match one_header(headers, "Content-Type")? {
        None => true,
        Some(kind) => {
            let essence = kind.split(';').next().unwrap_or_default().trim();
            TAKEN
                .iter()
                .any(|taken| essence.eq_ignore_ascii_case(taken))
        }
    };
    if is_taken && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    let detail = "the body must be application/octet-stream and not compressed";
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        Code::InvalidArgument,
        detail,
    )
    .header(header::ACCEPT, HeaderValue::from_static(TAKEN[0])))
}

async fn complete(
    node: &Node,
    id: UploadId,
    query: Query,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    accepts(headers, &["application/json"])?;
    query.none()?;
    let uploads = node.uploads.clone();
    let (announced, stored) = blocking(move || {
        let announced = uploads.get(id)?.announced;
        Ok::<_, FileError>((announced, uploads.complete(id)?))
    })
    .await?;
    Ok(keep(node, stored, announced.name, announced.media_type)
        .await?
        .answer())
}
