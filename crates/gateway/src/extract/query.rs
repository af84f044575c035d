//! Query parameters: each is known, and each value is what it must be.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use trefoil_director::near_names;

use crate::error::{Code, Location, Problem};

/// Items of a page when nobody says how many.
const LIMIT_DEFAULT: u32 = 100;
/// Most items of a page: an answer of about a megabyte.
const LIMIT_MAX: u32 = 1_000;
/// What stays as it is in a query value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// The parameters of a request. Ask for each that the route knows, then call [`Self::end`].
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let pairs = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                Ok((decode(name)?, decode(value)?))
            });
        Ok(Self {
            pairs: pairs.collect::<Result<_, Problem>>()?,
            known: Vec::new(),
        })
    }

    /// All values of a parameter that may come several times.
    pub(crate) fn many(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let (found, rest) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|(key, _)| key == name);
        self.pairs = rest;
        let found: Vec<(String, String)> = found;
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that comes once at most.
    pub(crate) fn one(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let mut values = self.many(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(Problem::query(
                name,
                format!("`{name}` comes {} times", values.len()),
                "once",
            )),
        }
    }

    /// The value of a parameter, read as something.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: Display>,
    {
        let read = |text: String| {
            text.parse().map_err(|error| {
                Problem::query(
                    name,
                    format!("`{name}` must be {expected}: {error}"),
                    "format",
                )
            })
        };
        self.one(name)?.map(read).transpose()
    }

    /// A whole number in a range.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        // `+1` and ` 1` are numbers to Rust, not to the contract.
        let number = text
            .parse()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (from, to) = (range.start(), range.end());
                let detail = format!("`{name}` must be a whole number from {from} to {to}");
                Err(Problem::query(name, detail, "range"))
            }
        }
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        match self.one(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::query(
                name,
                format!("`{name}` must be true or false"),
                "format",
            )),
        }
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self) -> Result<Page, Problem> {
        let limit = self.number("limit", 1..=u64::from(LIMIT_MAX))?;
        let cursor = self.one("cursor")?.map(|text| {
            let valid =
                text.len() <= 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            u64::from_str_radix(&text, 16)
                .ok()
                .filter(|_| valid)
                // The store counts no further; beyond it there is nothing either.
                .map(|cursor| cursor.min(i64::MAX.cast_unsigned()))
                .ok_or_else(|| {
                    let detail = "`cursor` must be the `next` of the page before";
                    Problem::query("cursor", detail, "cursor")
                })
        });
        // Both bounds fit.
        let limit = limit.map_or(LIMIT_DEFAULT, |limit| limit as u32);
        Ok(Page {
            limit,
            cursor: cursor.transpose()?,
        })
    }

    /// Refuses what nobody asked for.
    pub(crate) fn end(self) -> Result<(), Problem> {
        let Some((first, _)) = self.pairs.first() else {
            return Ok(());
        };
        let problem = Problem::new(
            axum::http::StatusCode::BAD_REQUEST,
            "unknown-parameter",
            Code::InvalidArgument,
            format!("this resource has no query parameter `{}`", shown(first)),
        );
        let problem = match (
            near_names(first, self.known.iter().copied()).first(),
            self.known.as_slice(),
        ) {
            (Some(near), _) => problem.hint(format!("did you mean `{near}`?")),
            (None, []) => problem.hint("it takes no query parameters"),
            (None, known) => problem.hint(format!("it takes {}", known.join(", "))),
        };
        Err(self.pairs.iter().fold(problem, |problem, (name, _)| {
            let name = shown(name);
            problem.error(
                name,
                Location::Query,
                format!("unknown parameter `{name}`"),
                "unknown",
            )
        }))
    }

    /// For a resource without parameters.
    pub(crate) fn none(self) -> Result<(), Problem> {
        self.end()
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    match percent_decode_str(&text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::query(
            shown(&text),
            "the query is not UTF-8",
            "unicode",
        )),
    }
}

/// A client gets back only so much of what it sent.
fn shown(text: &str) -> &str {
    text.char_indices()
        .nth(64)
        .map_or(text, |(end, _)| &text[..end])
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) limit: u32,
    pub(crate) cursor: Option<u64>,
}

impl Page {
    /// The answer with some of a list; `next` is where the following page starts.
    pub(crate) fn answer(uri: &Uri, items: Vec<Value>, next: Option<u64>) -> Response {
        Self::answer_with(uri, json!({ "items": items }), next)
    }

    /// The same with further members beside `items`.
    pub(crate) fn answer_with(uri: &Uri, mut body: Value, next: Option<u64>) -> Response {
        let cursor = next.map(|next| format!("{next:x}"));
        body["next"] = json!(cursor);
        let link = cursor.and_then(|cursor| HeaderValue::try_from(link(uri, &cursor)).ok());
        let mut response = axum::Json(body).into_response();
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// RFC 8288: the same request with another cursor.
fn link(uri: &Uri, cursor: &str) -> String {
    let mut query = String::new();
    for part in uri.query().unwrap_or_default().split('&') {
        let name = part.split('=').next().unwrap_or_default();
        if !part.is_empty() && name != "cursor" {
            query.push_str(part);
            query.push('&');
        }
    }
    let cursor = utf8_percent_encode(cursor, VALUE);
    format!("<{}?{query}cursor={cursor}>; rel=\"next\"", uri.path())
}
