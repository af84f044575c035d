//! Headers of requests: preferences, submitter, idempotency key.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use trefoil_server::idempotency::{self, ANONYMOUS, KEY_RULE, SUBMITTER_RULE, is_submitter};

use crate::error::Problem;

/// A hundred years.
const DEADLINE_MS_MAX: i64 = 3_153_600_000_000;

/// The value of a header that comes once at most, as visible ASCII.
pub(crate) fn one_header<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_header(
            name,
            format!("`{name}` comes more than once"),
            "once",
        ));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(Problem::bad_header(
            name,
            format!("`{name}` is not visible ASCII"),
            "format",
        )),
    }
}

/// Who submits.
pub(crate) fn submitter(headers: &HeaderMap) -> Result<Arc<str>, Problem> {
    Ok(named_submitter(headers)?.unwrap_or(ANONYMOUS).into())
}

/// Who submits, if it is said.
pub(super) fn named_submitter(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    match one_header(headers, "Trefoil-Submitter")? {
        Some(text) if !is_submitter(text) => Err(Problem::bad_header(
            "Trefoil-Submitter",
            SUBMITTER_RULE,
            "pattern",
        )),
        text => Ok(text),
    }
}

/// The key that makes a request safe to repeat: a quoted string or a bare one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let Some(text) = one_header(headers, NAME)? else {
        return Ok(None);
    };
    match idempotency::idempotency_key(text) {
        Some(key) => Ok(Some(key.into())),
        None => Err(Problem::bad_header(NAME, KEY_RULE, "format")),
    }
}

/// A header that is a whole number.
pub(crate) fn whole_header(
    headers: &HeaderMap,
    name: &'static str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, Problem> {
    let Some(text) = one_header(headers, name)? else {
        return Ok(None);
    };
    match text.parse().ok().filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let detail = format!(
                "`{name}` must be a whole number from {} to {}",
                range.start(),
                range.end()
            );
            Err(Problem::bad_header(name, detail, "range"))
        }
    }
}

/// How many milliseconds are left for what is asked.
pub(crate) fn deadline_ms(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let deadline = whole_header(headers, "Deadline-Ms", 0..=DEADLINE_MS_MAX)?;
    Ok(deadline.map(i64::unsigned_abs))
}

/// What the sender would like (RFC 7240). A preference that is unknown or malformed is passed over: it is a wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    /// `respond-async`.
    pub(crate) respond_async: bool,
    /// `wait=N`.
    pub(crate) wait: Option<Duration>,
    /// `handling=strict`.
    pub(crate) strict: bool,
}

impl Prefer {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let mut handling = None;
        let fields = headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok());
        for preference in fields.flat_map(|field| field.split(',')) {
            // Parameters after `;` belong to the preference; none of ours has any.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => prefer.respond_async = true,
                // Of a preference that comes twice, the first counts.
                "wait"
                    if prefer.wait.is_none()
                        && !value.is_empty()
                        && value.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    // Only a number that is too long does not fit, and it means as long as may be.
                    let seconds = value.parse::<u32>().unwrap_or(u32::MAX);
                    prefer.wait = Some(Duration::from_secs(seconds.into()));
                }
                "handling" => {
                    let strict = value.eq_ignore_ascii_case("strict");
                    prefer.strict = *handling.get_or_insert(strict);
                }
                _ => {}
            }
        }
        prefer
    }

    /// Adds `Preference-Applied` and `Vary` to an answer that `waits` decided about.
    pub(crate) fn applied(self, headers: &mut HeaderMap) {
        let mut applied = Vec::new();
        match self.wait {
            Some(wait) => applied.push(format!("wait={}", wait.as_secs())),
            None if self.respond_async => applied.push("respond-async".to_owned()),
            None => {}
        }
        if self.strict {
            applied.push("handling=strict".to_owned());
        }
        if let Ok(value) = HeaderValue::try_from(applied.join(", "))
            && !value.is_empty()
        {
            headers.insert(HeaderName::from_static("preference-applied"), value);
        }
        headers.insert(axum::http::header::VARY, HeaderValue::from_static("Prefer"));
    }
}
