//! RFC 9457 problems and the other ways a request fails.

use serde_json::{Map, Value, json};

use crate::failure::Exit;

/// An error answer of the platform.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    /// HTTP status.
    pub(crate) status: u16,
    /// Last part of the `type`, for example `job-failed`.
    pub(crate) name: String,
    /// What went wrong.
    pub(crate) detail: String,
    /// What to do next, if the platform said.
    pub(crate) hint: Option<String>,
    /// Everything the platform sent.
    pub(crate) raw: Map<String, Value>,
}

impl Problem {
    /// Reads the body of an error answer. A body that is no problem (a proxy in between, say)
    /// becomes one.
    pub(crate) fn parse(status: u16, reason: &str, body: &[u8]) -> Problem {
        let text = |map: &Map<String, Value>, key: &str| {
            map.get(key).and_then(Value::as_str).map(str::to_owned)
        };
        match serde_json::from_slice(body) {
            Ok(Value::Object(raw)) => {
                let title = text(&raw, "title").unwrap_or_else(|| reason.to_owned());
                Problem {
                    status,
                    name: text(&raw, "type")
                        .and_then(|kind| kind.rsplit(':').next().map(str::to_owned))
                        .unwrap_or_else(|| "unknown".to_owned()),
                    detail: text(&raw, "detail").unwrap_or(title),
                    hint: text(&raw, "hint"),
                    raw,
                }
            }
            _ => {
                let start = String::from_utf8_lossy(&body[..body.len().min(200)]);
                let detail = if start.trim().is_empty() {
                    reason.to_owned()
                } else {
                    format!("{reason}: {}", start.trim())
                };
                let mut raw = Map::new();
                raw.insert("type".to_owned(), json!("about:blank"));
                raw.insert("title".to_owned(), json!(reason));
                raw.insert("status".to_owned(), json!(status));
                raw.insert("detail".to_owned(), json!(detail));
                Problem {
                    status,
                    name: "unknown".to_owned(),
                    detail,
                    hint: None,
                    raw,
                }
            }
        }
    }

    /// One line for each violation: `/inputs/diameter: must be a number`.
    pub(crate) fn violations(&self) -> Vec<String> {
        let errors = self.raw.get("errors").and_then(Value::as_array);
        let describe = |error: &Value| {
            let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or("");
            if let Some(file) = error.get("file").and_then(Value::as_str) {
                let number = |key: &str| error.get(key).and_then(Value::as_u64).unwrap_or(0);
                let place = format!("{file}:{}:{}", number("line"), number("column"));
                return match text("pointer") {
                    "" => format!("{place}: {}", text("detail")),
                    field => format!("{place}: {field}: {}", text("detail")),
                };
            }
            let place = match (text("location"), text("pointer")) {
                ("" | "body", pointer) => pointer.to_owned(),
                (location, "") => location.to_owned(),
                (location, pointer) => format!("{location} {pointer}"),
            };
            match (place.as_str(), error.get("offset")) {
                ("", Some(offset)) => format!("byte {offset}: {}", text("detail")),
                ("", None) => text("detail").to_owned(),
                (place, _) => format!("{place}: {}", text("detail")),
            }
        };
        let Some(errors) = errors else {
            return Vec::new();
        };
        // A single one is often the problem itself over again.
        let says_more = |error: &&Value| {
            error.get("file").is_some()
                || error.get("offset").is_some()
                || error.get("detail").and_then(Value::as_str) != Some(&self.detail)
        };
        let lines = errors.iter().filter(says_more).map(describe);
        lines.filter(|line| *line != self.detail).collect()
    }
}

/// Why a request did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The platform answered with an error.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// A job ended otherwise than well: its problem, and the exit code that its end means.
    #[error("{}", problem.detail)]
    Job {
        /// What the platform says about the result.
        problem: Box<Problem>,
        /// The exit code.
        exit: Exit,
    },
    /// No connection, or it broke.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where the platform should be.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The platform did not answer in time.
    #[error("no answer from {url}: {reason}")]
    NoAnswer {
        /// Where the platform should be.
        url: String,
        /// Which limit ran out.
        reason: String,
    },
    /// The time the caller wanted to wait ran out.
    #[error("the wait ran out after {seconds} s; job {id} goes on")]
    WaitRanOut {
        /// How long it was.
        seconds: u64,
        /// The job.
        id: String,
    },
    /// The answer makes no sense: another program listens there, or a newer platform.
    #[error("unexpected answer from {url}: {reason}")]
    BadAnswer {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller's own text cannot be sent.
    #[error("{0}")]
    BadRequest(String),
}

impl ClientError {
    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            // The method did what its contract says that it may do: nothing is wrong with the request.
            ClientError::Problem(problem) if problem.name == "exception" => Exit::Failed,
            ClientError::Problem(problem) => Exit::of_status(problem.status),
            ClientError::Job { exit, .. } => *exit,
            ClientError::Unreachable { .. } => Exit::Unavailable,
            ClientError::NoAnswer { .. } | ClientError::WaitRanOut { .. } => Exit::TimedOut,
            ClientError::BadAnswer { .. } => Exit::Failed,
            ClientError::BadRequest(_) => Exit::Invalid,
        }
    }

    /// Whether a platform that restarts would look like this, so that who was connected tries again.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } | ClientError::NoAnswer { .. } => true,
            ClientError::Problem(problem) => matches!(problem.status, 429 | 502 | 503),
            ClientError::Job { .. }
            | ClientError::WaitRanOut { .. }
            | ClientError::BadAnswer { .. }
            | ClientError::BadRequest(_) => false,
        }
    }

    /// The next step: what the platform suggests, else ours.
    pub(crate) fn hint(&self) -> String {
        match self {
            ClientError::Problem(problem) | ClientError::Job { problem, .. } => match &problem.hint
            {
                // A hint in terms of HTTP is for other clients; here there is a command.
                Some(hint)
                    if !["/v1/", "If-", "?force"]
                        .iter()
                        .any(|word| hint.contains(word)) =>
                {
                    hint.clone()
                }
                _ => hint_for(problem).to_owned(),
            },
            ClientError::Unreachable { .. } => {
                "is the platform running? start it with `trefoil up`, or pass --url".to_owned()
            }
            ClientError::NoAnswer { .. } => {
                "try again, or look at the platform with `trefoil doctor`".to_owned()
            }
            ClientError::WaitRanOut { id, .. } => format!(
                "wait longer with `trefoil jobs wait {id}`, or stop it with `trefoil jobs cancel {id}`"
            ),
            ClientError::BadAnswer { .. } => {
                "is --url the address of a Trefoil platform? `trefoil doctor` tells".to_owned()
            }
            ClientError::BadRequest(_) => "see `trefoil help` for the forms".to_owned(),
        }
    }

    /// The problem JSON for `--json`.
    pub(crate) fn to_json(&self) -> Value {
        let name = match self {
            ClientError::Problem(problem) | ClientError::Job { problem, .. } => {
                let mut raw = problem.raw.clone();
                raw.entry("hint").or_insert_with(|| json!(self.hint()));
                return Value::Object(raw);
            }
            ClientError::Unreachable { .. } => "unreachable",
            ClientError::NoAnswer { .. } => "no-answer",
            ClientError::WaitRanOut { .. } => "wait-ran-out",
            ClientError::BadAnswer { .. } => "bad-answer",
            ClientError::BadRequest(_) => "invalid-usage",
        };
        json!({
            "type": format!("urn:trefoil:problem:{name}"),
            "title": name.replace('-', " "),
            "detail": self.to_string(),
            "hint": self.hint(),
        })
    }
}

/// Hints for problems that came without one.
fn hint_for(problem: &Problem) -> &'static str {
    match (problem.name.as_str(), problem.status) {
        ("result-not-ready", _) => "wait for it with `trefoil jobs wait ID`",
        ("job-canceled", _) => "run it again with `trefoil jobs retry ID`",
        ("already-published", _) => "replace it with --replace, or publish a new version",
        ("breaking-change", _) => "publish it under the version that it asks for, or with --force",
        ("exception", _) => "the method refused: its exception says why",
        ("broken-service", _) => "correct the files and publish again",
        ("builtin-service", _) => "pause it instead with `trefoil services pause KEY:VERSION`",
        ("file-in-use", _) => "remove the jobs that use it first (`trefoil jobs rm ID`)",
        ("job-not-ended", _) => "cancel it first with `trefoil jobs cancel ID`",
        (_, 404) => "`trefoil services ls` and `trefoil jobs ls` list what is there",
        (_, 409 | 412) => "look at its state now and decide again",
        (_, 410) => "it was removed; `trefoil jobs ls` lists what is there",
        (_, 413) => "upload large values with `trefoil files put` and pass them by reference",
        (_, 429 | 503) => "try again in a moment; `trefoil doctor` tells what is not ready",
        (_, 504) => "raise the limit that ran out, or look at `trefoil jobs logs ID`",
        (_, 400..=499) => "correct the request; `trefoil services show KEY` tells what it takes",
        _ => "look at the log of `trefoil up`",
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientError, Problem};
    use crate::failure::Exit;

    #[test]
    fn a_problem_keeps_what_the_platform_said() {
        let body = br#"{"type":"urn:trefoil:problem:invalid-inputs","title":"invalid inputs",
            "status":422,"detail":"2 inputs are wrong","code":"invalid_argument",
            "errors":[{"pointer":"/diameter","location":"body","detail":"must be a number","rule":"type"},
                      {"pointer":"limit","location":"query","detail":"too large","rule":"maximum"},
                      {"location":"body","offset":7,"detail":"expected a comma","rule":"syntax"}]}"#;
        let problem = Problem::parse(422, "Unprocessable Content", body);
        assert_eq!(problem.name, "invalid-inputs");
        assert_eq!(problem.detail, "2 inputs are wrong");
        assert_eq!(
            problem.violations(),
            [
                "/diameter: must be a number",
                "query limit: too large",
                "byte 7: expected a comma"
            ]
        );
        let error = ClientError::Problem(Box::new(problem));
        assert_eq!(error.exit(), Exit::Invalid);
        assert_eq!(error.to_json()["code"], "invalid_argument");
        assert!(error.to_json()["hint"].is_string());
    }

    #[test]
    fn hints_are_in_terms_of_commands() {
        let hint = |hint: &str| {
            let body = format!(r#"{{"type":"urn:trefoil:problem:job-canceled","hint":"{hint}"}}"#);
            let problem = Problem::parse(409, "Conflict", body.as_bytes());
            ClientError::Problem(Box::new(problem)).hint()
        };
        assert_eq!(hint("look closer"), "look closer");
        assert!(hint("POST /v1/jobs/1:retry runs it again").contains("trefoil jobs retry"));
        let body = br#"{"type":"urn:trefoil:problem:already-published","hint":"replace it with `If-Match: *`"}"#;
        let problem = Problem::parse(409, "Conflict", body);
        let hint = ClientError::Problem(Box::new(problem)).hint();
        assert!(hint.contains("--replace"), "{hint}");
    }

    #[test]
    fn a_place_in_a_file_is_shown_and_nothing_is_said_twice() {
        let body = br#"{"detail":"the service is broken: 1 problems","errors":[
            {"file":"metadata.yml","line":10,"column":1,"pointer":"","detail":"not valid YAML","location":"body"},
            {"file":"service.toml","line":2,"column":3,"pointer":"run.comand","detail":"is not a known key"}]}"#;
        assert_eq!(
            Problem::parse(422, "", body).violations(),
            [
                "metadata.yml:10:1: not valid YAML",
                "service.toml:2:3: run.comand: is not a known key"
            ]
        );
        let body = br#"{"detail":"`1` is no version","errors":[
            {"detail":"`1` is no version","location":"path","pointer":"service"}]}"#;
        assert!(Problem::parse(404, "", body).violations().is_empty());
        let body = br#"{"detail":"/x: no input","errors":[
            {"detail":"no input","location":"body","pointer":"/x"}]}"#;
        assert!(Problem::parse(422, "", body).violations().is_empty());
    }

    #[test]
    fn a_body_that_is_no_problem_becomes_one() {
        let problem = Problem::parse(502, "Bad Gateway", b"<html>oops</html>");
        assert_eq!(problem.detail, "Bad Gateway: <html>oops</html>");
        assert_eq!(problem.raw["status"], 502);
        let problem = Problem::parse(404, "Not Found", b"");
        assert_eq!(problem.detail, "Not Found");
    }
}
