//! What travels with a call beside its arguments: how much time there is, the trace, and keys with values.

use std::time::Duration;

use trefoil_thrift::framing::Headers;

use super::call::CalledJob;
use crate::trace::{
    BAGGAGE, TRACEPARENT, TRACEPARENT_SIZE, TRACESTATE, Trace, is_baggage, is_tracestate,
};

/// How many milliseconds are left.
pub const DEADLINE_KEY: &str = "deadline-ms";
/// What makes a call safe to repeat.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Who submits a job.
pub const SUBMITTER_KEY: &str = "trefoil-submitter";
/// In a reply: the job that the call was.
pub const JOB_KEY: &str = "trefoil-job";
/// In a reply: the job was there already.
pub const REPLAYED_KEY: &str = "idempotency-replayed";

/// A key in lower case, and its value.
pub type HeaderPair = (Box<[u8]>, Box<[u8]>);

/// What came with a call beside its arguments.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// How long the reply is waited for; the platform's limit if nothing is said, or if it is shorter.
    pub timeout: Option<Duration>,
    /// Where the call is in a trace. Without, it begins one where somebody can be told.
    pub trace: Option<Trace>,
    /// All else. An instance is told of it if its wire can carry it.
    pub headers: Vec<HeaderPair>,
}

impl Context {
    /// What came with a message.
    pub(super) fn of(headers: &Headers<'_>) -> Self {
        // The usual case, which must cost nothing.
        if headers.is_empty() {
            return Self::default();
        }
        let trace = headers.get(TRACEPARENT.as_bytes()).and_then(Trace::parse);
        let mut context = Self {
            timeout: None,
            trace,
            headers: Vec::new(),
        };
        for (key, value) in headers.iter() {
            match str::from_utf8(key) {
                Ok(DEADLINE_KEY) => {
                    let text = str::from_utf8(value).ok();
                    let left = text.and_then(|text| text.parse().ok());
                    context.timeout = left.map(Duration::from_millis).or(context.timeout);
                }
                // Said anew.
                Ok(TRACEPARENT) => {}
                // Without a trace that can be read it says nothing.
                Ok(TRACESTATE) if trace.is_none() || !is_tracestate(value) => {}
                Ok(BAGGAGE) if !is_baggage(value) => {}
                _ => context.headers.push((key.into(), value.into())),
            }
        }
        context
    }

    /// What came with a message that came within something else, such as a request of HTTP. What is nearer to the call counts.
    pub(super) fn within(mut self, outer: &Self) -> Self {
        self.timeout = match (self.timeout, outer.timeout) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let had_trace = self.trace.is_some();
        self.trace = self.trace.or(outer.trace);
        let inner = self.headers.len();
        for (key, value) in &outer.headers {
            let is_said = self.headers[..inner].iter().any(|(said, _)| said == key);
            let is_of_another_trace = had_trace && **key == *TRACESTATE.as_bytes();
            if is_said || is_of_another_trace {
                continue;
            }
            self.headers.push((key.clone(), value.clone()));
        }
        self
    }

    /// The value of a key. Of several the last one counts.
    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        let mut all = self.headers.iter().rev();
        let (_, value) = all.find(|(found, _)| **found == *key.as_bytes())?;
        Some(value)
    }

    /// What the next hop is told, with `left_ms` milliseconds left.
    pub(super) fn next_hop(&mut self, left_ms: u64) -> NextHop {
        // Further tries belong to the same trace.
        let trace = self.trace.get_or_insert_with(Trace::begin);
        NextHop {
            left_ms: left_ms.to_string(),
            traceparent: trace.next().traceparent(),
        }
    }
}

/// What a hop is told, and no other.
#[derive(Debug)]
pub(super) struct NextHop {
    left_ms: String,
    traceparent: [u8; TRACEPARENT_SIZE],
}

impl NextHop {
    /// Everything that goes with a call.
    pub(super) fn headers<'a>(&'a self, context: &'a Context) -> Vec<(&'a [u8], &'a [u8])> {
        let handed_on = context
            .headers
            .iter()
            .map(|(key, value)| (&**key, &**value));
        let own: [(&[u8], &[u8]); 2] = [
            (DEADLINE_KEY.as_bytes(), self.left_ms.as_bytes()),
            (TRACEPARENT.as_bytes(), &self.traceparent),
        ];
        handed_on.chain(own).collect()
    }
}

/// What a reply says of the job that the call was.
#[derive(Debug)]
pub(super) struct JobHeaders {
    id: Option<String>,
    is_replayed: bool,
}

impl JobHeaders {
    pub(super) fn of(job: Option<CalledJob>) -> Self {
        Self {
            id: job.map(|job| job.id.to_string()),
            is_replayed: job.is_some_and(|job| job.is_replayed),
        }
    }

    pub(super) fn list(&self) -> Vec<(&[u8], &[u8])> {
        let id = self
            .id
            .as_deref()
            .map(|id| (JOB_KEY.as_bytes(), id.as_bytes()));
        let is_replayed = (REPLAYED_KEY.as_bytes(), &b"true"[..]);
        let is_replayed = self.is_replayed.then_some(is_replayed);
        id.into_iter().chain(is_replayed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OTHER: &str = "00-11111111111111111111111111111111-b7ad6b7169203331-00";

    fn pairs(of: &[(&str, &str)]) -> Vec<HeaderPair> {
        let pair = |(key, value): &(&str, &str)| (key.as_bytes().into(), value.as_bytes().into());
        of.iter().map(pair).collect()
    }

    fn context(trace: &str, headers: &[(&str, &str)]) -> Context {
        Context {
            timeout: None,
            trace: Trace::parse(trace.as_bytes()),
            headers: pairs(headers),
        }
    }

    #[test]
    fn what_is_nearer_to_the_call_counts() {
        let mut inner = context(PARENT, &[("a", "1")]);
        inner.timeout = Some(Duration::from_millis(20));
        let mut outer = context(
            OTHER,
            &[("a", "2"), ("tracestate", "x=1"), ("baggage", "b=1")],
        );
        outer.timeout = Some(Duration::from_millis(10));
        let both = inner.within(&outer);
        assert_eq!(both.timeout, outer.timeout);
        assert_eq!(both.trace, Trace::parse(PARENT.as_bytes()));
        assert_eq!(both.headers, pairs(&[("a", "1"), ("baggage", "b=1")]));
        let both = Context::default().within(&outer);
        assert_eq!((both.trace, &both.headers), (outer.trace, &outer.headers));
    }

    #[test]
    fn each_hop_has_an_id_of_its_own_in_one_trace() {
        for mut context in [context(PARENT, &[("k", "v")]), context("", &[("k", "v")])] {
            let (one, other) = (context.next_hop(7), context.next_hop(6));
            assert_ne!(one.traceparent, other.traceparent);
            assert_eq!(one.traceparent[..35], other.traceparent[..35]);
            let headers = one.headers(&context);
            assert_eq!(headers[0], (&b"k"[..], &b"v"[..]));
            assert_eq!(headers[1], (&b"deadline-ms"[..], &b"7"[..]));
            assert_eq!(headers[2], (&b"traceparent"[..], &one.traceparent[..]));
        }
    }
}
