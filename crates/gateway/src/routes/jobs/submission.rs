//! A submission: one JSON object to one [`JobRequest`], or to everything that is wrong with it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use trefoil_director::{ServiceKey, ServiceRequest, Violation};
use trefoil_jobs::FailureClass;
use trefoil_server::{JobRequest, idempotency::is_submitter};

use super::sweep;
use crate::extract::Members;

/// Priorities of calls and jobs.
pub(crate) const PRIORITY: std::ops::RangeInclusive<i64> = -1_000..=1_000;
/// A hundred years in seconds: beyond any promise, and far below what overflows.
const SECONDS_MAX: f64 = 3_153_600_000.0;
const CPUS_MAX: f64 = 4_096.0;
/// Numbers that every JSON reader holds exactly.
const MEMORY_MAX: i64 = 9_007_199_254_740_991;
/// Names and labels come with every job of a list, a thousand at a time: what is larger belongs in a file.
const NAME_CHARS_MAX: usize = 1_000;
const LABELS_MAX: usize = 64;
const LABEL_KEY_CHARS_MAX: usize = 100;
const LABEL_CHARS_MAX: usize = 1_000;
/// Classes of failure that can be tried again.
const RETRIED: [FailureClass; 4] = [
    FailureClass::Application,
    FailureClass::Temporary,
    FailureClass::TimedOut,
    FailureClass::BadOutputs,
];

/// What is the same for all submissions of a request.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    /// Who submits, unless a submission says otherwise.
    pub(crate) submitter: Arc<str>,
    /// `Prefer: handling=strict`.
    pub(crate) strict: bool,
    /// When the request came, for `delay`.
    pub(crate) now_ms: u64,
    /// Most tasks of a sweep; `None` where sweeps are not taken.
    pub(crate) tasks_max: Option<u32>,
}

/// Reads a submission that is at `pointer` of its body. When something is wrong, `violations` grows; the request is there
/// all the same if its service could be read, so that its inputs can be looked at too.
pub(crate) fn read(
    value: Value,
    pointer: &str,
    common: &Common,
    violations: &mut Vec<Violation>,
) -> Option<JobRequest> {
    let mut members = Members::of(value, pointer, violations)?;
    let service = service(&mut members);
    if let Some(method) = members.text("method")
        && method != "run"
    {
        members.wrong("method", "const", "the only method is `run`");
    }
    let inputs = members.object("inputs").unwrap_or_default();
    let placeholder =
        || ServiceRequest::newest(ServiceKey::new("none").expect("four letters are a key"));
    let is_known = service.is_some();
    let mut request = JobRequest::new(service.unwrap_or_else(placeholder), inputs);
    request.submitter = Arc::clone(&common.submitter);
    request.strict = common.strict;
    // The range fits.
    request.priority = members.integer("priority", PRIORITY).unwrap_or(0) as i32;
    match members.text("submitter") {
        Some(text) if is_submitter(&text) => request.submitter = text.into(),
        Some(_) => {
            let detail =
                "a submitter is 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `@` and `-`";
            members.wrong("submitter", "pattern", detail);
        }
        None => {}
    }
    request.name = members.text("name");
    if request
        .name
        .as_ref()
        .is_some_and(|name| too_long(name, NAME_CHARS_MAX))
    {
        let detail = format!("a name has at most {NAME_CHARS_MAX} characters");
        members.wrong("name", "max-length", detail);
    }
    request.labels = labels(&mut members).unwrap_or_default();
    request.not_before_ms = not_before(&mut members, common.now_ms);
    request.limits.deadline_ms = seconds(&mut members, "deadline", Zero::Refused);
    resources(&mut members, &mut request);
    limits(&mut members, &mut request);
    retry(&mut members, &mut request);
    match common.tasks_max {
        Some(tasks_max) => request.sweep = sweep::read(&mut members, tasks_max),
        None => {
            if members.take("sweep").is_some() {
                members.wrong(
                    "sweep",
                    "no-sweep",
                    "a line of a batch is one job: submit a sweep by itself",
                );
            }
        }
    }
    members.end();
    is_known.then_some(request)
}

fn service(members: &mut Members<'_>) -> Option<ServiceRequest> {
    let Some(value) = members.take("service") else {
        members.wrong(
            "service",
            "required",
            "`service` is missing: which service is to run?",
        );
        return None;
    };
    let Some(text) = value.as_str() else {
        members.wrong("service", "type", "expected text such as `key:1.2`");
        return None;
    };
    match text.parse() {
        Ok(request) => Some(request),
        Err(error) => {
            members.wrong("service", "service-id", error.to_string());
            None
        }
    }
}

/// The member `labels`, of submissions and changes.
pub(crate) fn labels(
    members: &mut Members<'_>,
) -> Option<std::collections::BTreeMap<String, String>> {
    let labels = members.texts("labels")?;
    if labels.keys().any(|key| key.is_empty() || key.contains(':')) {
        members.wrong(
            "labels",
            "pattern",
            "the key of a label is not empty and has no colon",
        );
    }
    if labels.len() > LABELS_MAX {
        let detail = format!("a job has at most {LABELS_MAX} labels");
        members.wrong("labels", "max-properties", detail);
    }
    let is_long = |(key, value): (&String, &String)| {
        too_long(key, LABEL_KEY_CHARS_MAX) || too_long(value, LABEL_CHARS_MAX)
    };
    if labels.iter().any(is_long) {
        let detail = format!(
            "the key of a label has at most {LABEL_KEY_CHARS_MAX} characters, its value {LABEL_CHARS_MAX}"
        );
        members.wrong("labels", "max-length", detail);
    }
    Some(labels)
}

fn too_long(text: &str, chars_max: usize) -> bool {
    text.len() > chars_max && text.chars().count() > chars_max
}

fn not_before(members: &mut Members<'_>, now_ms: u64) -> Option<u64> {
    let at = members.text("not_before");
    let delay = seconds(members, "delay", Zero::Allowed);
    if at.is_some() && delay.is_some() {
        members.wrong(
            "delay",
            "exclusive",
            "`delay` and `not_before` exclude each other",
        );
    }
    let Some(text) = at else {
        return delay.map(|delay| now_ms.saturating_add(delay));
    };
    match text.parse::<Timestamp>() {
        // A time before 1970 has passed, like any other that has passed.
        Ok(at) => Some(u64::try_from(at.as_millisecond()).unwrap_or(0)),
        Err(_) => {
            members.wrong(
                "not_before",
                "date-time",
                "expected a time as RFC 3339, such as 2026-01-01T00:00:00Z",
            );
            None
        }
    }
}

/// Whether a span of time may be nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Allowed,
    Refused,
}

/// Seconds as milliseconds, rounded up: a limit of less than one is not none.
fn seconds(members: &mut Members<'_>, name: &'static str, zero: Zero) -> Option<u64> {
    let seconds = members.number(name, 0.0..=SECONDS_MAX)?;
    if seconds == 0.0 && zero == Zero::Refused {
        members.wrong(name, "range", "must be more than 0");
        return None;
    }
    Some((seconds * 1_000.0).ceil() as u64)
}

fn resources(members: &mut Members<'_>, request: &mut JobRequest) {
    let Some(mut members) = members.inner("resources") else {
        return;
    };
    if let Some(cpus) = members.number("cpus", 0.0..=CPUS_MAX) {
        if cpus == 0.0 {
            members.wrong("cpus", "range", "must be more than 0");
        }
        request.milli_cpus = Some((cpus * 1_000.0).ceil() as u32);
    }
    request.memory = members
        .integer("memory", 1..=MEMORY_MAX)
        .map(i64::unsigned_abs);
    members.end();
}

fn limits(members: &mut Members<'_>, request: &mut JobRequest) {
    let Some(mut members) = members.inner("limits") else {
        return;
    };
    let limits = &mut request.limits;
    limits.queue_ms = seconds(&mut members, "queue", Zero::Refused);
    limits.attempt_soft_ms = seconds(&mut members, "attempt_soft", Zero::Refused);
    limits.attempt_ms = seconds(&mut members, "attempt", Zero::Refused);
    limits.silence_ms = seconds(&mut members, "silence", Zero::Refused);
    members.end();
}

fn retry(members: &mut Members<'_>, request: &mut JobRequest) {
    let Some(mut members) = members.inner("retry") else {
        return;
    };
    let retry = &mut request.retry;
    // What is too many is the server's to say; here it only has to fit.
    let count = 0..=i64::from(u32::MAX);
    retry.max_attempts = members
        .integer("max_attempts", count.clone())
        .map(|count| count as u32);
    retry.max_crashes = members
        .integer("max_crashes", count)
        .map(|count| count as u32);
    retry.initial_ms = seconds(&mut members, "initial", Zero::Allowed);
    retry.factor = members.number("factor", 1.0..=f64::MAX);
    retry.max_ms = seconds(&mut members, "max", Zero::Allowed);
    retry.jitter = members.flag("jitter");
    if let Some(items) = members.list("retry_on") {
        let class = |item: &Value| {
            RETRIED
                .into_iter()
                .find(|class| item.as_str() == Some(class.as_str()))
        };
        let classes: Vec<FailureClass> = items.iter().filter_map(class).collect();
        if classes.len() < items.len() {
            let names = RETRIED.map(FailureClass::as_str).join(", ");
            members.wrong("retry_on", "enum", format!("expected a list of {names}"));
        }
        retry.retry_on = Some(classes);
    }
    members.end();
}
