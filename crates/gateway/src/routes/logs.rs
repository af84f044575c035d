//! `GET /v1/jobs/{id}/logs`: what the attempts of a job printed, as it is or as it grows.

use std::{io, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use trefoil_jobs::Job;
use trefoil_server::Node;

pub(crate) use self::source::{size as size_of, watch_of};
use self::{
    records::Records,
    source::{Follow, Part, Piece, Snapshot, Until, blocking},
};
use crate::{
    error::{Code, Location, Problem},
    extract::{JobPath, Query, accepts},
    wait::find,
};

mod level;
mod records;
mod source;
mod tail;

const TEXT: &str = "text/plain";
const NDJSON: &str = "application/x-ndjson";
/// The largest number that every JSON reader has.
const OFFSET_MAX: u64 = (1 << 53) - 1;

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new().route("/v1/jobs/{id}/logs", get(logs))
}

/// Which part of which logs is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    attempts: Attempts,
    from: Start,
    follow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempts {
    Newest,
    One(u32),
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// A byte of the answer as it would be without this.
    Offset(u64),
    /// So many lines before the end.
    Tail(u64),
}

async fn logs(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let is_text = accepts(&headers, &[TEXT, NDJSON])? == TEXT;
    let asked = asked(query)?;
    let job = find(&node, id).await?.job;
    let parts = parts(&node, &job, asked).await?;
    let size: u64 = parts.iter().map(|part| part.end).sum();
    let newest = parts.last().map(|part| part.attempt);
    let parts = cut(parts, asked.from)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let rest = rest(&parts, size, asked)?;

    let source = if asked.follow {
        let until = match asked.attempts {
            Attempts::One(_) => Until::AttemptEnds,
            Attempts::Newest | Attempts::All => Until::JobEnds,
        };
        let watch = watch_of(&node, &job);
        let begin = begin(&parts, asked);
        Source::Growing(Box::new(Follow::new(
            Arc::clone(&node),
            &job,
            watch,
            begin,
            until,
        )))
    } else {
        Source::Still(Snapshot::new(parts), job.state.as_str())
    };
    let log = Log {
        source,
        records: (!is_text).then_some(None),
        end: None,
        has_ended: false,
    };
    let body = Body::from_stream(stream::try_unfold(log, |mut log| async {
        let next = log
            .next()
            .await
            .inspect_err(|error| tracing::warn!(%error, "a log ends early"))?;
        Ok::<_, io::Error>(next.map(|bytes| (bytes, log)))
    }));

    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let media_type = if is_text {
        "text/plain; charset=utf-8"
    } else {
        NDJSON
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    // Programs print what they like: no browser is to guess that it is a page.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    headers.insert(
        HeaderName::from_static("trefoil-log-size"),
        HeaderValue::from(size),
    );
    if let Some(newest) = newest {
        headers.insert(
            HeaderName::from_static("trefoil-attempt"),
            HeaderValue::from(newest),
        );
    }
    if let (true, Some(rest)) = (is_text, rest) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(rest));
    }
    Ok(response)
}

fn asked(mut query: Query) -> Result<Asked, Problem> {
    let attempts = match query.one("attempt")?.as_deref() {
        None => Attempts::Newest,
        Some("all") => Attempts::All,
        Some(text) => {
            let number = text
                .parse()
                .ok()
                .filter(|number| *number > 0 && !text.starts_with('+'));
            let refuse = || {
                Problem::query(
                    "attempt",
                    "`attempt` must be a number from 1 on, or `all`",
                    "format",
                )
            };
            Attempts::One(number.ok_or_else(refuse)?)
        }
    };
    let (offset, tail) = (
        query.number("offset", 0..=OFFSET_MAX)?,
        query.number("tail", 0..=OFFSET_MAX)?,
    );
    let follow = query.flag("follow")?;
    query.end()?;
    let from = match (offset, tail) {
        (Some(_), Some(_)) => {
            return Err(Problem::query(
                "tail",
                "`offset` and `tail` exclude each other",
                "exclusive",
            ));
        }
        (offset, None) => Start::Offset(offset.unwrap_or(0)),
        (None, Some(lines)) => Start::Tail(lines),
    };
    Ok(Asked {
        attempts,
        from,
        follow,
    })
}

/// The logs that are asked for, as far as they are.
async fn parts(node: &Node, job: &Job, asked: Asked) -> Result<Vec<Part>, Problem> {
    let mut attempts = source::attempts(node, job).await?;
    match asked.attempts {
        Attempts::All => {}
        Attempts::Newest => drop(attempts.drain(..attempts.len().saturating_sub(1))),
        Attempts::One(number) => {
            attempts.retain(|(attempt, _)| *attempt == number);
            let may_come = asked.follow && number > job.attempt && !job.state.is_terminal();
            if attempts.is_empty() && !may_come {
                let detail = format!(
                    "job {} has no attempt {number}: its newest is {}",
                    job.id, job.attempt
                );
                return Err(Problem::new(
                    StatusCode::NOT_FOUND,
                    "attempt-not-found",
                    Code::NotFound,
                    detail.clone(),
                )
                .error("attempt", Location::Query, detail, "attempt"));
            }
        }
    }
    let logs: Vec<_> = attempts
        .into_iter()
        .map(|(attempt, id)| (attempt, node.attempt_log(id)))
        .collect();
    let looked = blocking(move || {
        let part = |(attempt, path): (u32, PathBuf)| {
            Ok(Part {
                attempt,
                end: source::size(&path)?,
                path,
                start: 0,
            })
        };
        logs.into_iter().map(part).collect()
    });
    looked.await.map_err(|error| Problem::internal(&error))
}

/// Leaves out what comes before `from`. An offset beyond all of them is left over to the last, which may grow to it.
async fn cut(mut parts: Vec<Part>, from: Start) -> io::Result<Vec<Part>> {
    match from {
        Start::Offset(mut offset) => {
            for part in &mut parts {
                part.start = offset.min(part.end);
                offset -= part.start;
            }
            if let Some(last) = parts.last_mut() {
                last.start += offset;
            }
            Ok(parts)
        }
        Start::Tail(lines) => {
            blocking(move || {
                let mut left = lines;
                for part in parts.iter_mut().rev() {
                    part.start = part.end;
                    if left > 0 && part.end > 0 {
                        let tail = tail::tail(&std::fs::File::open(&part.path)?, part.end, left)?;
                        part.start = tail.offset;
                        left -= tail.lines;
                    }
                }
                Ok(parts)
            })
            .await
        }
    }
}

/// How many bytes the answer has; `None` if it grows.
fn rest(parts: &[Part], size: u64, asked: Asked) -> Result<Option<u64>, Problem> {
    match asked.from {
        _ if asked.follow => Ok(None),
        Start::Offset(offset) if offset > size => {
            let detail = format!("the log has {size} bytes, so there is none at {offset}");
            Err(Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "beyond-the-end",
                Code::OutOfRange,
                detail.clone(),
            )
            .error("offset", Location::Query, detail, "range")
            .header(header::CONTENT_RANGE, content_range(size))
            .hint("with follow=true the log may grow to it"))
        }
        Start::Offset(_) | Start::Tail(_) => {
            Ok(Some(parts.iter().map(|part| part.end - part.start).sum()))
        }
    }
}

/// The header that goes with 416.
fn content_range(size: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes */{size}")).expect("digits are fine in a header")
}

/// Where following begins.
fn begin(parts: &[Part], asked: Asked) -> (u32, u64) {
    let first = parts
        .iter()
        .find(|part| part.start < part.end)
        .or(parts.last());
    match (first, asked.attempts, asked.from) {
        (Some(part), _, _) => (part.attempt, part.start),
        (None, Attempts::One(number), Start::Offset(offset)) => (number, offset),
        (None, Attempts::One(number), Start::Tail(_)) => (number, 0),
        (None, Attempts::Newest | Attempts::All, Start::Offset(offset)) => (1, offset),
        (None, Attempts::Newest | Attempts::All, Start::Tail(_)) => (1, 0),
    }
}

enum Source {
    Still(Snapshot, &'static str),
    Growing(Box<Follow>),
}

/// An answer under way.
struct Log {
    source: Source,
    /// For records: those of the attempt that is being read.
    records: Option<Option<(u32, Records)>>,
    /// The attempt that was read last, and how far.
    end: Option<(u32, u64)>,
    has_ended: bool,
}

impl Log {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.has_ended {
            let piece = match &mut self.source {
                Source::Still(snapshot, _) => snapshot.next().await?,
                Source::Growing(follow) => follow.next().await?,
            };
            let bytes = match piece {
                Some(piece) => self.give(piece),
                None => self.finish(),
            };
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn give(
        &mut self,
        Piece {
            attempt,
            offset,
            bytes,
        }: Piece,
    ) -> Bytes {
        self.end = Some((attempt, offset + bytes.len() as u64));
        let Some(current) = &mut self.records else {
            return bytes;
        };
        let mut out = BytesMut::new();
        if let Some((before, records)) = current
            && *before != attempt
        {
            out.extend_from_slice(&records.finish());
            *current = None;
        }
        let (_, records) = current.get_or_insert_with(|| (attempt, Records::new(attempt, offset)));
        out.extend_from_slice(&records.push(&bytes));
        out.freeze()
    }

    fn finish(&mut self) -> Bytes {
        self.has_ended = true;
        let Some(current) = &mut self.records else {
            return Bytes::new();
        };
        let mut out = BytesMut::new();
        if let Some((_, records)) = current {
            out.extend_from_slice(&records.finish());
        }
        let state = match &self.source {
            Source::Still(_, state) => state,
            Source::Growing(follow) => follow.state.as_str(),
        };
        out.extend_from_slice(&records::last(state, self.end));
        out.freeze()
    }
}
