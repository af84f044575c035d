//! Bodies on their way into the store: raw or a form, never held in memory.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use trefoil_server::{
    Node,
    files::{AsyncFileWriter, AsyncWriter, BlockingWrite, FileError, Sha256},
};

use super::{NAME_MAX, digest};
use crate::{
    error::{Code, Location, Problem},
    extract::one_header,
};

/// The longest pause of a sender: it holds a temporary file and a connection.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Files of one form: each is open until the whole form has come, so that a form is stored as a whole or not at all.
const PARTS_MAX: usize = 64;
/// Longest media type.
const TYPE_MAX: usize = 255;
/// Bytes of a form that may have come without any of them being content: the heads of its parts.
const HEADS_MAX: usize = 1 << 20;

/// A file whose bytes have all come.
pub(crate) struct Incoming {
    pub(super) writer: AsyncFileWriter,
    pub(super) expected: Option<Sha256>,
    pub(super) name: Option<String>,
    pub(super) media_type: Option<String>,
}

/// Runs an operation of the file store on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| FileError::Closed)?;
    Ok(done?)
}

/// The boundary, if the body is a form; refuses encodings, because the encoded bytes would be stored.
pub(super) fn boundary(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(identity)
    {
        return Err(
            unsupported("the body must not be compressed: it is stored as it comes").header(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            ),
        );
    }
    let Some(kind) = one_header(headers, "Content-Type")? else {
        return Ok(None);
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    multer::parse_boundary(kind)
        .map(Some)
        .map_err(|error| unsupported(format!("the form has no boundary: {error}")))
}

fn unsupported(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        Code::InvalidArgument,
        detail,
    )
}

/// Reads a raw body.
pub(super) async fn raw(
    node: &Node,
    headers: &HeaderMap,
    body: Body,
    name: Option<String>,
) -> Result<Incoming, Problem> {
    let media_type = one_header(headers, "Content-Type")?.filter(|kind| {
        // What curl says of any body, and no file is.
        !kind.is_empty() && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if let Some(media_type) = media_type {
        check_type(media_type)
            .map_err(|(rule, detail)| Problem::bad_header("Content-Type", detail, rule))?;
    }
    let media_type = media_type.map(str::to_owned);
    let expected = expected(headers)?;
    check_length(headers, node.files.limits().size_max)?;
    let mut writer = writer(node).await?;
    append(body, &mut writer).await?;
    Ok(Incoming {
        writer,
        expected,
        name,
        media_type,
    })
}

/// Reads a form, each part of which is a file.
pub(super) async fn form(
    node: &Node,
    headers: &HeaderMap,
    boundary: String,
    body: Body,
    name: Option<String>,
) -> Result<Vec<Incoming>, Problem> {
    if headers.contains_key("content-digest") {
        let detail = "`Content-Digest` of a form is not checked: send the file as it is, or give each part its own";
        return Err(Problem::bad_header("Content-Digest", detail, "form"));
    }
    let waiting = Arc::new(AtomicUsize::new(0));
    let stream = Paced {
        body: body.into_data_stream(),
        waiting: Arc::clone(&waiting),
        is_turn: true,
    };
    let mut form = Multipart::new(stream, boundary);
    let mut files = Vec::new();
    while let Some(field) = patiently(form.next_field()).await?.map_err(bad_form)? {
        waiting.store(0, Ordering::Relaxed);
        if files.len() == PARTS_MAX {
            return Err(
                Problem::too_large(format!("the form has more than {PARTS_MAX} files"))
                    .with("limit", PARTS_MAX),
            );
        }
        files.push(part(node, field, &waiting).await?);
    }
    match (name, files.as_mut_slice()) {
        (_, []) => Err(Problem::invalid("the form has no file").error(
            "",
            Location::Body,
            "the form has no file",
            "required",
        )),
        (Some(name), [one]) => {
            one.name = Some(name);
            Ok(files)
        }
        (Some(_), _) => Err(Problem::query(
            "name",
            "`name` is for one file; the parts of a form have their own",
            "one",
        )),
        (None, _) => Ok(files),
    }
}

async fn part(
    node: &Node,
    mut field: Field<'static>,
    waiting: &AtomicUsize,
) -> Result<Incoming, Problem> {
    let key = field.name().unwrap_or_default().to_owned();
    let pointer = format!("/{}", key.chars().take(NAME_MAX).collect::<String>());
    let refuse = |(rule, detail): (&'static str, String)| {
        Problem::invalid(detail.clone()).error(pointer.clone(), Location::Body, detail, rule)
    };
    // Some old browsers send the whole path.
    let name = field.file_name().map(|name| {
        name.rsplit(['/', '\\'])
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    let name = name.filter(|name| !name.is_empty());
    if field.file_name().is_none() && key != "file" {
        return Err(refuse((
            "unknown",
            "a part of the form is no file: it has no `filename`".to_owned(),
        )));
    }
    if let Some(name) = &name {
        check_name(name).map_err(refuse)?;
    }
    let media_type = field.content_type().map(ToString::to_string);
    if let Some(media_type) = &media_type {
        check_type(media_type).map_err(refuse)?;
    }
    let expected = expected(field.headers())?;
    let mut writer = writer(node).await?;
    while let Some(chunk) = patiently(field.chunk()).await?.map_err(bad_form)? {
        waiting.store(0, Ordering::Relaxed);
        writer.write(&chunk).await?;
    }
    Ok(Incoming {
        writer,
        expected,
        name,
        media_type,
    })
}

/// Appends a body to a writer. What came before an error stays in the writer.
pub(crate) async fn append<W: BlockingWrite>(
    body: Body,
    writer: &mut AsyncWriter<W>,
) -> Result<(), Problem> {
    let mut body = body.into_data_stream();
    while let Some(chunk) = patiently(body.next()).await? {
        let chunk = chunk.map_err(|error| incomplete(&error))?;
        writer.write(&chunk).await?;
    }
    Ok(())
}

async fn writer(node: &Node) -> Result<AsyncFileWriter, Problem> {
    let files = node.files.clone();
    Ok(AsyncWriter::new(blocking(move || files.writer()).await?))
}

async fn patiently<T>(coming: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(PAUSE_MAX, coming).await.map_err(|_| {
        let detail = format!("the body stood still for {} seconds", PAUSE_MAX.as_secs());
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-timeout",
            Code::DeadlineExceeded,
            detail,
        )
        .header(header::CONNECTION, HeaderValue::from_static("close"))
    })
}

fn incomplete(error: &dyn std::fmt::Display) -> Problem {
    let detail = format!("the body could not be read: {error}");
    Problem::new(
        StatusCode::BAD_REQUEST,
        "incomplete-body",
        Code::InvalidArgument,
        detail,
    )
}

fn bad_form(error: multer::Error) -> Problem {
    match &error {
        multer::Error::StreamReadFailed(source) if source.is::<HeadsTooLong>() => {
            Problem::too_large(source.to_string())
        }
        _ => incomplete(&error),
    }
}

/// The hash that a sender announces.
fn expected(headers: &HeaderMap) -> Result<Option<Sha256>, Problem> {
    let values = headers
        .get_all("content-digest")
        .iter()
        .map(|value| value.to_str().unwrap_or("?"));
    // Fields of the same name are one dictionary (RFC 8941 §4.2).
    let all = values.collect::<Vec<_>>().join(",");
    if all.is_empty() && !headers.contains_key("content-digest") {
        return Ok(None);
    }
    digest::announced(&all)
        .map_err(|error| Problem::bad_header("Content-Digest", error.to_string(), "format"))
}

/// Refuses what says that it is too long before it is sent.
pub(super) fn check_length(headers: &HeaderMap, limit: u64) -> Result<(), Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > limit => Err(FileError::TooLarge { limit }.into()),
        Some(_) | None => Ok(()),
    }
}

/// What a name may be; otherwise the rule that it breaks and why.
pub(crate) fn check_name(name: &str) -> Result<(), (&'static str, String)> {
    if !(1..=NAME_MAX).contains(&name.chars().count()) {
        return Err((
            "length",
            format!("the name of a file has 1 to {NAME_MAX} characters"),
        ));
    }
    if name.chars().any(char::is_control) {
        return Err((
            "pattern",
            "the name of a file has no control characters".to_owned(),
        ));
    }
    Ok(())
}

/// What a media type may be; otherwise the rule that it breaks and why.
pub(crate) fn check_type(media_type: &str) -> Result<(), (&'static str, String)> {
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
    let is_type = essence
        .trim_end()
        .split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    if is_type
        && media_type.len() <= TYPE_MAX
        && parameters.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        Ok(())
    } else {
        Err((
            "format",
            format!("a media type is like `text/plain`, at most {TYPE_MAX} characters"),
        ))
    }
}

/// A body that is given out one chunk a turn. The reader of forms takes in whatever it is given before it looks at any of
/// it; this way it holds a chunk of content at a time, and the heads of parts have a limit.
struct Paced {
    body: BodyDataStream,
    /// Bytes given since content came out at the other end.
    waiting: Arc<AtomicUsize>,
    is_turn: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the heads of the parts of the form are longer than {HEADS_MAX} bytes")]
struct HeadsTooLong;

impl Stream for Paced {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.is_turn {
            self.is_turn = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = std::task::ready!(self.body.poll_next_unpin(context));
        self.is_turn = false;
        Poll::Ready(next.map(|chunk| {
            let chunk = chunk?;
            let waiting = self.waiting.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len();
            // One chunk may be as long as it likes: it is here already.
            if waiting > HEADS_MAX + chunk.len() {
                Err(HeadsTooLong.into())
            } else {
                Ok(chunk)
            }
        }))
    }
}
