//! The bytes of a file, or one range of them.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt as _, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use futures_util::stream;
use trefoil_server::Node;

use super::{
    blocking, digest, disposition, find,
    range::{self, Asked},
};
use crate::{
    error::{Code, Location, Problem},
    extract::{Query, is_not_modified},
};

/// Read at once: large enough that handing over between threads costs nothing, small enough to be held for each reader.
const CHUNK: u64 = 256 * 1024;

pub(super) async fn content(
    State(node): State<Arc<Node>>,
    Path(sha256): Path<String>,
    query: Query,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.none()?;
    let row = find(&node, &sha256).await?;
    let tag = row.sha256.to_string();
    let etag = format!("\"{tag}\"");
    if is_not_modified(&headers, &tag) {
        return Ok(with_headers(
            Response::new(Body::empty()),
            StatusCode::NOT_MODIFIED,
            &etag,
        ));
    }
    let (files, address) = (node.files.clone(), row.sha256);
    let file = blocking(move || files.open_file(&address)).await?;
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A range is defined for GET only (RFC 9110 §14.2).
    let asked = if method == Method::GET && range::is_same(text(header::IF_RANGE), &etag) {
        range::asked(text(header::RANGE), row.size)
    } else {
        Asked::Whole
    };
    let (status, part) = match asked {
        Asked::Whole => (StatusCode::OK, 0..row.size),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Unsatisfiable => return Err(unsatisfiable(row.size)),
    };
    let mut response = Response::new(match method {
        Method::HEAD => Body::empty(),
        _ => read(file, part.clone()),
    });
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_LENGTH,
        HeaderValue::from(part.end - part.start),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(
            header::CONTENT_RANGE,
            ascii(format!(
                "bytes {}-{}/{}",
                part.start,
                part.end - 1,
                row.size
            )),
        );
    }
    let media_type = row
        .media_type
        .as_deref()
        .and_then(|kind| HeaderValue::from_str(kind).ok());
    let media_type = media_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(
        header::CONTENT_DISPOSITION,
        ascii(disposition::attachment(
            row.name.as_deref().unwrap_or_default(),
            &tag,
        )),
    );
    // Of the whole file, whichever part of it this is (RFC 9530 §3).
    headers.insert(
        HeaderName::from_static("repr-digest"),
        ascii(digest::of(&row.sha256)),
    );
    // Anybody may have stored a page here: if a browser shows it all the same, it can do nothing.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(with_headers(response, status, &etag))
}

/// The headers that 304 has, too.
fn with_headers(mut response: Response, status: StatusCode, etag: &str) -> Response {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ETAG, ascii(etag.to_owned()));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("made of visible ASCII only")
}

fn unsatisfiable(size: u64) -> Problem {
    let detail = format!("the file has {size} bytes, and none of them is in this range");
    Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range-not-satisfiable",
        Code::OutOfRange,
        detail.clone(),
    )
    .error("Range", Location::Header, detail, "range")
    .header(header::CONTENT_RANGE, ascii(format!("bytes */{size}")))
}

/// A part of a file, read as it is sent.
fn read(file: File, part: Range<u64>) -> Body {
    let file = Arc::new(file);
    Body::from_stream(stream::try_unfold(part, move |part| {
        let file = Arc::clone(&file);
        async move {
            if part.is_empty() {
                return Ok(None);
            }
            let length = (part.end - part.start).min(CHUNK);
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; length as usize];
                file.read_exact_at(&mut bytes, part.start)?;
                Ok::<_, io::Error>(Bytes::from(bytes))
            });
            let bytes = read.await.map_err(io::Error::other)??;
            Ok::<_, io::Error>(Some((bytes, part.start + length..part.end)))
        }
    }))
}
