//! The management API as the commands use it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Fault, options::Options};
use crate::client::{Client, ClientError, http};

/// Segments of paths: everything else is encoded, the slash of a virtual host first.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How a broker answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Reply {
    /// What the broker says is wrong.
    pub(super) fn reason(&self) -> String {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        let reason = text("reason")
            .or_else(|| text("detail"))
            .or_else(|| text("error"));
        reason.map_or_else(|| format!("status {}", self.status), str::to_owned)
    }
}

/// A broker and who talks to it.
pub(super) struct Api {
    client: Client,
    authorization: String,
}

/// A path of encoded segments.
#[macro_export]
#[doc(hidden)]
macro_rules! api_path {
    ($($segment:expr),+ $(,)?) => {{
        let mut path = String::from("/api");
        $(
            path.push('/');
            path.push_str(&$crate::command::ctl::api::segment($segment));
        )+
        path
    }};
}

/// One segment of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

impl Api {
    pub(super) fn new(url: &str, options: &Options) -> Result<Api, Fault> {
        let client =
            Client::new(url, None).map_err(|error| Fault::new(Fault::USAGE, error.to_string()))?;
        let variable = |name: &str| std::env::var(name).ok();
        let user = options.get("username").map(str::to_owned);
        let user = user.or_else(|| variable("TREFOIL_USER"));
        let password = options.get("password").map(str::to_owned);
        let password = password.or_else(|| variable("TREFOIL_PASSWORD"));
        let pair = format!(
            "{}:{}",
            user.as_deref().unwrap_or("guest"),
            password.as_deref().unwrap_or("guest")
        );
        Ok(Api {
            client,
            authorization: format!("Basic {}", STANDARD.encode(pair)),
        })
    }

    /// Asks, and gives the answer whatever its status.
    pub(super) fn ask(
        &self,
        method: http::Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Fault> {
        let mut call = self
            .client
            .call(method, path)
            .header("authorization", self.authorization.as_str());
        for (name, value) in headers {
            call = call.header(name, *value);
        }
        if let Some(body) = body {
            call = call.json(body);
        }
        let answer = call.send_any().map_err(|error| self.explain(&error))?;
        let status = answer.status();
        if status == 401 {
            return Err(Fault::new(
                Fault::UNAVAILABLE,
                "the broker refuses this user: give --username and --password, or TREFOIL_USER and TREFOIL_PASSWORD, of an administrator",
            ));
        }
        // Many answers have no body.
        let body = match answer.length() {
            Some(0) => Value::Null,
            _ if status == 204 => Value::Null,
            _ => answer.json().unwrap_or(Value::Null),
        };
        Ok(Reply { status, body })
    }

    fn explain(&self, error: &ClientError) -> Fault {
        Fault::new(
            Fault::UNAVAILABLE,
            format!(
                "unable to perform an operation on the broker at {}: {error}. Is it running? (see --url and TREFOIL_URL)",
                self.client.base()
            ),
        )
    }

    /// The document at a path.
    pub(super) fn get(&self, path: &str) -> Result<Value, Fault> {
        let reply = self.ask(http::Method::GET, path, None, &[])?;
        match reply.status {
            200..=299 => Ok(reply.body),
            404 => Err(Fault::new(
                Fault::DATA,
                format!("not found: {}", reply.reason()),
            )),
            _ => Err(Fault::new(Fault::UNAVAILABLE, reply.reason())),
        }
    }

    /// The list at a path.
    pub(super) fn list(&self, path: &str) -> Result<Vec<Value>, Fault> {
        match self.get(path)? {
            Value::Array(items) => Ok(items),
            other => Err(Fault::new(
                Fault::UNAVAILABLE,
                format!("the broker gave no list at {path}: {other}"),
            )),
        }
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Reply, Fault> {
        self.ask(http::Method::PUT, path, Some(body), &[])
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Reply, Fault> {
        self.ask(http::Method::POST, path, Some(body), &[])
    }

    pub(super) fn delete(&self, path: &str) -> Result<Reply, Fault> {
        self.ask(http::Method::DELETE, path, None, &[])
    }

    /// Asks again and again until it answers, or the time is up.
    pub(super) fn await_answer(&self, path: &str, limit: Duration) -> Result<(), Fault> {
        let start = std::time::Instant::now();
        loop {
            match self.ask(http::Method::GET, path, None, &[]) {
                Ok(reply) if reply.status == 200 => return Ok(()),
                Ok(reply) if start.elapsed() >= limit => {
                    return Err(Fault::new(Fault::TIMEOUT, reply.reason()));
                }
                Err(fault) if start.elapsed() >= limit => {
                    return Err(Fault::new(Fault::TIMEOUT, fault.message));
                }
                _ => std::thread::park_timeout(Duration::from_millis(100)),
            }
        }
    }
}

/// An answer to a change, or why there is none: `absent` is what a 404 means here.
pub(super) fn changed(reply: Reply, absent: impl FnOnce() -> Fault) -> Result<Value, Fault> {
    match reply.status {
        200..=299 => Ok(reply.body),
        404 => Err(absent()),
        _ => Err(Fault::new(Fault::UNAVAILABLE, reply.reason())),
    }
}
