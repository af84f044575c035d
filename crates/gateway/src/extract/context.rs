//! What travels on with a call, whatever wire it goes on with.

use std::time::Duration;

use axum::http::HeaderMap;
use trefoil_server::{
    thrift::{Context, HeaderPair, IDEMPOTENCY_KEY, SUBMITTER_KEY},
    trace::{BAGGAGE, TRACEPARENT, TRACESTATE, Trace, is_baggage, is_tracestate},
};

use super::{headers::named_submitter, idempotency_key};
use crate::error::{Problem, TRACE};

/// The trace that a request says it belongs to. What comes twice is not valid.
pub(crate) fn trace_of(headers: &HeaderMap) -> Option<Trace> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    Trace::parse(value.as_bytes())
}

/// What goes with the calls of a request.
pub(crate) fn call_context(
    headers: &HeaderMap,
    timeout: Option<Duration>,
) -> Result<Context, Problem> {
    let key = idempotency_key(headers)?;
    let submitter = named_submitter(headers)?;
    let mut context = connection_context(headers);
    context.timeout = timeout;
    // The hop that the answer names.
    context.trace = TRACE.try_with(|trace| *trace).ok().or(context.trace);
    for (name, value) in [
        (IDEMPOTENCY_KEY, key.as_deref()),
        (SUBMITTER_KEY, submitter),
    ] {
        context
            .headers
            .extend(value.map(|value| pair(name, value.as_bytes())));
    }
    Ok(context)
}

/// What goes with all calls of a connection that a request began: not what is of one call.
pub(crate) fn connection_context(headers: &HeaderMap) -> Context {
    let trace = trace_of(headers);
    let mut context = Context {
        trace,
        ..Context::default()
    };
    if trace.is_some() {
        context
            .headers
            .extend(list(headers, TRACESTATE, is_tracestate));
    }
    context.headers.extend(list(headers, BAGGAGE, is_baggage));
    context
}

/// A header whose parts may come in several.
fn list(
    headers: &HeaderMap,
    name: &'static str,
    is_valid: impl Fn(&[u8]) -> bool,
) -> Option<HeaderPair> {
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    let value = values.join(&b","[..]);
    (!value.is_empty() && is_valid(&value)).then(|| pair(name, &value))
}

fn pair(name: &str, value: &[u8]) -> HeaderPair {
    (name.as_bytes().into(), value.into())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_said_is_handed_on() {
        let said = headers(&[
            ("traceparent", PARENT),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
            ("baggage", "user=x"),
            ("idempotency-key", "\"k-1\""),
            ("trefoil-submitter", "alice"),
            ("cookie", "secret"),
        ]);
        let context = call_context(&said, None).unwrap();
        assert_eq!(context.trace, Trace::parse(PARENT.as_bytes()));
        let expected = [
            ("tracestate", "a=1,b=2"),
            ("baggage", "user=x"),
            ("idempotency-key", "k-1"),
            ("trefoil-submitter", "alice"),
        ];
        let expected = expected.map(|(name, value)| pair(name, value.as_bytes()));
        assert_eq!(context.headers, expected);
        // A key is of one call, and a connection has many.
        assert_eq!(connection_context(&said).headers, expected[..2]);
    }

    #[test]
    fn the_state_of_no_trace_is_dropped() {
        for parents in [&[][..], &["x"], &[PARENT, PARENT]] {
            let mut said = headers(&[("tracestate", "a=1")]);
            for parent in parents {
                said.append("traceparent", HeaderValue::from_static(parent));
            }
            let context = call_context(&said, None).unwrap();
            assert_eq!(
                (context.trace, &*context.headers),
                (None, &[][..]),
                "{parents:?}"
            );
        }
    }

    #[test]
    fn keys_and_submitters_must_be_right() {
        for (name, value) in [("idempotency-key", "\"open"), ("trefoil-submitter", "a b")] {
            assert!(
                call_context(&headers(&[(name, value)]), None).is_err(),
                "{name}"
            );
        }
    }
}
