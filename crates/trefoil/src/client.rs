//! The HTTP client of the command line: blocking, one platform, the REST API of
//! `docs/src/rest-api.md`.
//!
//! Entry types: [`Client`] makes a [`Call`], which gives an [`Answer`]; [`events::Events`] and
//! [`logs::follow`] read streams that outlive one connection. Nothing here retries a request that
//! changes something: only the caller knows whether it has an idempotency key.

pub(crate) mod events;
pub(crate) mod logs;
pub(crate) mod pages;
pub(crate) mod problem;
pub(crate) mod reconnect;

use std::io::Read;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
pub(crate) use ureq::http;
use ureq::{Agent, AsSendBody, SendBody};

pub(crate) use problem::{ClientError, Problem};

/// Loopback answers at once and a remote platform within a round trip or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A platform that thinks longer than this about a request that does not wait is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The largest JSON answer held in memory: the platform's own limit for batches.
const JSON_ANSWER_MAX: u64 = 256 * 1024 * 1024;

/// What of a problem is read; a larger one is cut, and then shown as text.
const PROBLEM_MAX: u64 = 16 * 1024 * 1024;

/// A body of this size waits for the platform's word that it wants it: otherwise a refusal (too
/// large, disk full) would be lost in the connection that breaks while we still send.
const ASK_FIRST: u64 = 1024 * 1024;

/// A path segment keeps its unreserved characters; slashes and colons of service addresses are
/// written raw, as the API has them.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b'+');

/// In a query everything but unreserved characters is encoded.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a text for use in a path: `nerve/hh-axon:1.2` stays as it is.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// A platform and who talks to it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    submitter: Option<String>,
}

impl Client {
    /// A client for the platform at `url`.
    ///
    /// # Errors
    ///
    /// When `url` is no `http://` address.
    pub(crate) fn new(url: &str, submitter: Option<&str>) -> Result<Client, ClientError> {
        let base = url.trim_end_matches('/');
        let fault = |reason: &str| {
            ClientError::BadRequest(format!(
                "--url `{url}` {reason}, for example http://host:8080"
            ))
        };
        if base.starts_with("https://") {
            return Err(fault(
                "uses TLS, which this client does not speak: use http",
            ));
        }
        let Some(authority) = base.strip_prefix("http://") else {
            return Err(fault("must start with http://"));
        };
        let parsed = base
            .parse::<http::Uri>()
            .map_err(|_| fault("is not a valid address"))?;
        if parsed.authority().is_none() || authority.contains(['?', '#']) {
            return Err(fault("is not a valid address"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The API never redirects; following one would resend bodies to a stranger.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The platform is addressed directly: a proxy of the environment is for the web.
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("trefoil/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client {
            agent: config.into(),
            base: base.to_owned(),
            submitter: submitter.map(str::to_owned),
        })
    }

    /// The address of the platform.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Starts a request. `path` begins with a slash and is encoded already.
    pub(crate) fn call(&self, method: http::Method, path: &str) -> Call<'_> {
        Call {
            client: self,
            method,
            url: format!("{}{path}", self.base),
            headers: Vec::new(),
            body: Body::None,
            has_query: path.contains('?'),
            answer_timeout: Some(ANSWER_TIMEOUT),
            body_timeout: None,
            silence: None,
        }
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.call(http::Method::GET, path)
    }

    /// `POST path`.
    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call(http::Method::POST, path)
    }

    /// `DELETE path`.
    pub(crate) fn delete(&self, path: &str) -> Call<'_> {
        self.call(http::Method::DELETE, path)
    }

    /// `PUT path`.
    pub(crate) fn put(&self, path: &str) -> Call<'_> {
        self.call(http::Method::PUT, path)
    }
}

/// What is sent.
enum Body<'c> {
    None,
    Bytes(Vec<u8>),
    Stream(&'c mut dyn Read),
}

/// Time limits of one request.
#[derive(Debug, Clone, Copy)]
struct Limits {
    answer: Option<Duration>,
    body: Option<Duration>,
    silence: Option<Duration>,
}

impl Limits {
    fn run(
        self,
        agent: &Agent,
        request: http::Result<http::Request<impl AsSendBody>>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let request = agent
            .configure_request(request?)
            .timeout_recv_response(self.answer)
            .timeout_recv_body(self.body)
            .timeout_per_read(self.silence)
            .build();
        agent.run(request)
    }
}

/// A request in the making.
#[must_use]
pub(crate) struct Call<'c> {
    client: &'c Client,
    method: http::Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Body<'c>,
    has_query: bool,
    answer_timeout: Option<Duration>,
    body_timeout: Option<Duration>,
    silence: Option<Duration>,
}

impl<'c> Call<'c> {
    /// Adds a query parameter.
    pub(crate) fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.url.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.url.push_str(name);
        self.url.push('=');
        self.url.extend(utf8_percent_encode(value.as_ref(), QUERY));
        self
    }

    /// Adds a query parameter if there is a value.
    pub(crate) fn query_opt(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a header if there is a value.
    pub(crate) fn header_opt(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// A JSON body.
    pub(crate) fn json(self, value: &Value) -> Self {
        self.text("application/json", value.to_string())
    }

    /// A body that is in memory.
    pub(crate) fn text(mut self, media_type: &str, text: String) -> Self {
        self.body = Body::Bytes(text.into_bytes());
        self.header("content-type", media_type)
    }

    /// A body that is streamed. Without a length it is sent in chunks.
    pub(crate) fn stream(
        mut self,
        media_type: &str,
        length: Option<u64>,
        reader: &'c mut dyn Read,
    ) -> Self {
        self.body = Body::Stream(reader);
        // The platform stores as it receives, and answers when the last byte is durable.
        self.answer_timeout = None;
        let refusable = length.is_some_and(|length| length >= ASK_FIRST);
        self.header("content-type", media_type)
            .header_opt("expect", refusable.then_some("100-continue"))
            .header_opt("content-length", length.map(|length| length.to_string()))
    }

    /// Ends the body after `total`, or after `silence` without a byte.
    pub(crate) fn body_limits(
        mut self,
        total: Option<Duration>,
        silence: Option<Duration>,
    ) -> Self {
        self.body_timeout = total;
        self.silence = silence;
        self
    }

    /// Sends, and gives the answer whatever its status.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub(crate) fn send_any(self) -> Result<Answer, ClientError> {
        let has_body = self.method == http::Method::POST;
        let mut builder = http::Request::builder().method(self.method).uri(&self.url);
        if let Some(submitter) = &self.client.submitter {
            builder = builder.header("trefoil-submitter", submitter);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let agent = &self.client.agent;
        let limits = Limits {
            answer: self.answer_timeout,
            body: self.body_timeout,
            silence: self.silence,
        };
        let base = &self.client.base;
        let outcome = match self.body {
            // A POST without a body still says so (`content-length: 0`).
            Body::None if has_body => limits.run(agent, builder.body(&[][..])),
            Body::None => limits.run(agent, builder.body(())),
            Body::Bytes(bytes) => limits.run(agent, builder.body(bytes)),
            Body::Stream(reader) => limits.run(agent, builder.body(SendBody::from_reader(reader))),
        };
        match outcome {
            Ok(response) => Ok(Answer {
                url: self.url,
                base: base.clone(),
                response,
            }),
            Err(error) => Err(explain(error, base, &self.url)),
        }
    }

    /// Sends, and turns error statuses into problems.
    ///
    /// # Errors
    ///
    /// When there is no answer, or it is an error.
    pub(crate) fn send(self) -> Result<Answer, ClientError> {
        self.send_any()?.into_success()
    }
}

/// What a failure of the HTTP library means to the caller.
fn explain(error: ureq::Error, base: &str, url: &str) -> ClientError {
    let unreachable = |reason: String| ClientError::Unreachable {
        url: base.to_owned(),
        reason,
    };
    match error {
        ureq::Error::Io(error) => unreachable(error.to_string()),
        ureq::Error::Http(error) => {
            ClientError::BadRequest(format!("cannot make the request: {error}"))
        }
        ureq::Error::HostNotFound => unreachable("no such host".to_owned()),
        ureq::Error::ConnectionFailed => unreachable("connection failed".to_owned()),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            unreachable("no connection in time".to_owned())
        }
        ureq::Error::Timeout(limit) => ClientError::NoAnswer {
            url: base.to_owned(),
            reason: limit.to_string(),
        },
        other => ClientError::BadAnswer {
            url: url.to_owned(),
            reason: other.to_string(),
        },
    }
}

/// An answer whose head has arrived.
pub(crate) struct Answer {
    url: String,
    base: String,
    response: http::Response<ureq::Body>,
}

impl Answer {
    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The length of the body, if known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.body().content_length()
    }

    /// The body as it arrives.
    pub(crate) fn into_reader(self) -> impl Read + use<> {
        self.response.into_body().into_reader()
    }

    /// The body as JSON, if there is one.
    ///
    /// # Errors
    ///
    /// When the body is not JSON, or the connection breaks.
    pub(crate) fn json_if_any(self) -> Result<Option<Value>, ClientError> {
        let url = self.url.clone();
        let body = self.read(JSON_ANSWER_MAX)?;
        if body.is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_slice(&body).map_err(|error| ClientError::BadAnswer {
            url,
            reason: error.to_string(),
        })?;
        Ok(Some(value))
    }

    /// The body as a JSON document.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the body is not the JSON it should be.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let url = self.url.clone();
        let body = self.read(JSON_ANSWER_MAX)?;
        serde_json::from_slice(&body).map_err(|error| ClientError::BadAnswer {
            url,
            reason: error.to_string(),
        })
    }

    fn read(self, limit: u64) -> Result<Vec<u8>, ClientError> {
        let (base, url) = (self.base.clone(), self.url.clone());
        let mut body = Vec::new();
        self.into_reader()
            .take(limit)
            .read_to_end(&mut body)
            .map_err(|error| explain(error.into(), &base, &url))?;
        Ok(body)
    }

    fn into_success(self) -> Result<Answer, ClientError> {
        let status = self.response.status();
        // 304 is an answer to a question that was asked.
        if status.is_success() || status == http::StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        if !status.is_client_error() && !status.is_server_error() {
            return Err(ClientError::BadAnswer {
                url: self.url,
                reason: format!("status {status}"),
            });
        }
        let reason = status.canonical_reason().unwrap_or("error");
        let body = self.read(PROBLEM_MAX)?;
        let problem = Problem::parse(status.as_u16(), reason, &body);
        Err(ClientError::Problem(Box::new(problem)))
    }
}

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
