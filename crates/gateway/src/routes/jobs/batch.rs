//! A batch: one submission a line, read as the lines come.

use serde_json::Value;
use trefoil_director::Violation;
use trefoil_server::{JobRequest, Node, SubmitError, idempotency::Fingerprint};

use super::submission::{self, Common};
use crate::{
    error::{ERRORS_MAX, Problem, json_entry},
    extract::BodyHead,
    strict_json,
};

/// Limits of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchLimits {
    /// Most lines.
    pub(super) lines: u32,
    /// Longest line: what a submission may be by itself.
    pub(super) line: u64,
}

/// What could be read of a batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Submissions that could be read: all of them, if there are no violations.
    pub(super) requests: Vec<JobRequest>,
    /// For each of them, its line from 0.
    lines: Vec<u32>,
    /// What is wrong with the members of submissions.
    pub(super) violations: Vec<Violation>,
}

impl Batch {
    /// A batch whose members are wrong here and there is looked at as a whole all the same: who repairs it wants to know
    /// everything. What is wrong with the inputs is told too.
    pub(super) async fn refusal(self, node: &Node) -> Problem {
        let Self {
            requests,
            lines,
            mut violations,
        } = self;
        let line_of = |index: usize| lines.get(index).map_or(index, |line| *line as usize);
        match node.check(requests, true).await {
            Err(SubmitError::Invalid(found)) => {
                violations.extend(found.into_iter().map(|mut violation| {
                    let pointer = violation.pointer.strip_prefix('/').unwrap_or_default();
                    let (index, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
                    if let Ok(index) = index.parse() {
                        violation.pointer = format!("/{}/{rest}", line_of(index));
                    }
                    violation
                }));
            }
            Err(SubmitError::Resolve { index, error }) => violations.push(Violation {
                pointer: format!("/{}/service", line_of(index)),
                rule: "service".to_owned(),
                detail: error.to_string(),
            }),
            Ok(())
            | Err(
                SubmitError::Refused(_)
                | SubmitError::Store(_)
                | SubmitError::Draining
                | SubmitError::DiskFull { .. },
            ) => {}
        }
        violations.sort_by_key(|violation| {
            let line = violation.pointer.split('/').nth(1);
            line.and_then(|line| line.parse::<u32>().ok())
        });
        violations.into()
    }
}

/// Reads a batch; what is not JSON is refused at once.
pub(super) async fn read(
    head: &BodyHead,
    body: axum::body::Body,
    common: &Common,
    limits: BatchLimits,
    fingerprint: Option<&mut Fingerprint>,
) -> Result<Batch, Problem> {
    let mut lines = Lines::new(common, limits, fingerprint);
    head.read_with(body, |data| lines.push(data)).await?;
    lines.finish()
}

struct Lines<'c> {
    common: &'c Common,
    limits: BatchLimits,
    fingerprint: Option<&'c mut Fingerprint>,
    /// The line that has begun.
    pending: Vec<u8>,
    /// Its index.
    index: u32,
    /// Where it begins in the body.
    offset: usize,
    batch: Batch,
    /// Lines that are not JSON: a batch that has one is a 400.
    malformed: Vec<Value>,
    /// Blank lines since the last that was not. At the end they do no harm; before that, something is missing.
    blank: Vec<Value>,
}

impl<'c> Lines<'c> {
    fn new(
        common: &'c Common,
        limits: BatchLimits,
        fingerprint: Option<&'c mut Fingerprint>,
    ) -> Self {
        Self {
            common,
            limits,
            fingerprint,
            pending: Vec::new(),
            index: 0,
            offset: 0,
            batch: Batch::default(),
            malformed: Vec::new(),
            blank: Vec::new(),
        }
    }

    /// Takes the next piece of the body.
    fn push(&mut self, mut data: &[u8]) -> Result<(), Problem> {
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&data[..end], &data[end + 1..]);
            self.check_length(line)?;
            if self.pending.is_empty() {
                self.line(line)?;
                self.offset += line.len() + 1;
            } else {
                self.pending.extend_from_slice(line);
                let line = std::mem::take(&mut self.pending);
                self.line(&line)?;
                self.offset += line.len() + 1;
            }
            self.index += 1;
            data = rest;
        }
        self.check_length(data)?;
        self.pending.extend_from_slice(data);
        Ok(())
    }

    fn check_length(&self, more: &[u8]) -> Result<(), Problem> {
        let limit = self.limits.line;
        if (self.pending.len() + more.len()) as u64 > limit {
            return Err(Problem::too_large(format!(
                "line {} is longer than {limit} bytes",
                self.index + 1
            )));
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Problem> {
        if self.index >= self.limits.lines {
            let detail = format!(
                "a batch has at most {} lines (jobs.batch_max)",
                self.limits.lines
            );
            return Err(Problem::invalid(detail).hint("send it in several batches"));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_blank = line.trim_ascii().is_empty();
        if !is_blank {
            self.malformed.append(&mut self.blank);
        }
        let pointer = format!("/{}", self.index);
        match strict_json::parse(line, &strict_json::Limits::default()) {
            Ok(value) => self.submission(value, &pointer),
            Err(error) => {
                let mut entry = json_entry(&error, &pointer);
                entry["offset"] = (self.offset + error.offset).into();
                entry["line"] = (self.index + 1).into();
                if !is_blank {
                    self.malformed.push(entry);
                } else if self.blank.len() < ERRORS_MAX {
                    entry["detail"] = "the line is blank".into();
                    self.blank.push(entry);
                }
            }
        }
        // Nobody repairs more at once, and the rest of a large body need not be read for it.
        if self.malformed.len() >= ERRORS_MAX {
            Err(self.refusal())
        } else {
            Ok(())
        }
    }

    fn submission(&mut self, value: Value, pointer: &str) {
        if let Some(fingerprint) = &mut self.fingerprint {
            fingerprint.add(&value);
        }
        let batch = &mut self.batch;
        let request = submission::read(value, pointer, self.common, &mut batch.violations);
        if !self.malformed.is_empty() || batch.violations.len() >= ERRORS_MAX {
            // Nothing more will be told, and nothing of this batch accepted.
            batch.requests = Vec::new();
            batch.lines = Vec::new();
        } else if let Some(request) = request {
            batch.requests.push(request);
            batch.lines.push(self.index);
        }
    }

    fn finish(mut self) -> Result<Batch, Problem> {
        if !self.pending.is_empty() {
            let last = std::mem::take(&mut self.pending);
            self.line(&last)?;
        }
        if !self.malformed.is_empty() {
            return Err(self.refusal());
        }
        if self.batch.requests.is_empty() && self.batch.violations.is_empty() {
            return Err(
                Problem::invalid("the batch has no lines").hint("send one submission a line")
            );
        }
        Ok(self.batch)
    }

    fn refusal(&mut self) -> Problem {
        let problem = Problem::malformed_json(format!(
            "line {} is not JSON as it must be: {}",
            self.malformed[0]["line"],
            self.malformed[0]["detail"].as_str().unwrap_or_default()
        ));
        std::mem::take(&mut self.malformed)
            .into_iter()
            .fold(problem, Problem::entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        lines: 150_000,
        line: 1_000,
    };

    fn common() -> Common {
        Common {
            submitter: "anonymous".into(),
            strict: false,
            now_ms: 0,
            tasks_max: None,
        }
    }

    fn read_in_pieces(body: &[u8], piece: usize) -> Result<Vec<JobRequest>, Problem> {
        let common = common();
        let mut lines = Lines::new(&common, LIMITS, None);
        for piece in body.chunks(piece) {
            lines.push(piece)?;
        }
        let batch = lines.finish()?;
        match batch.violations.is_empty() {
            true => Ok(batch.requests),
            false => Err(batch.violations.into()),
        }
    }

    fn check(body: &str, expected: Result<usize, (u16, &[&str])>) {
        for piece in [1, 2, 7, 1 << 20] {
            let read = read_in_pieces(body.as_bytes(), piece);
            match (read, &expected) {
                (Ok(requests), Ok(count)) => assert_eq!(requests.len(), *count, "{body}"),
                (Err(problem), Err((status, pointers))) => {
                    let json = problem.to_json();
                    assert_eq!(problem.status().as_u16(), *status, "{json}");
                    let errors = json["errors"].as_array().cloned().unwrap_or_default();
                    let found: Vec<&str> = errors
                        .iter()
                        .filter_map(|error| error["pointer"].as_str())
                        .collect();
                    assert_eq!(found, *pointers, "{json}");
                }
                (read, expected) => panic!("{body}: {read:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn lines_are_submissions() {
        check("{\"service\":\"a\"}\n{\"service\":\"b:1\"}\n", Ok(2));
        check("{\"service\":\"a\"}\r\n{\"service\":\"b:1\"}", Ok(2));
        check("{\"service\":\"a\"}\n\n \r\n", Ok(1));
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        check("", Err((422, &[])));
        check("\n \n", Err((422, &[])));
        check("\n{\"service\":\"a\"}", Err((400, &["/0"])));
        check(
            "{\"service\":\"a\"}\n\n{\"service\":\"a\"}",
            Err((400, &["/1"])),
        );
        check(
            "{\"service\":\"a\"}\n{\"x\":}\n{\n",
            Err((400, &["/1/x", "/2"])),
        );
        check(
            "{}\n{\"service\":5}\n[]\n{\"service\":\"a\",\"naem\":\"\"}",
            Err((422, &["/0/service", "/1/service", "/2", "/3/naem"])),
        );
        check(
            "{\"service\":\"a\",\"sweep\":{\"values\":{\"x\":[1]}}}",
            Err((422, &["/0/sweep"])),
        );
        let long = format!(
            "{{\"service\":\"a\"}}\n{{\"service\":\"{}\"}}",
            "a".repeat(1_000)
        );
        check(&long, Err((413, &[])));
    }

    #[test]
    fn offsets_are_those_of_the_body() {
        let problem = read_in_pieces(b"{\"service\":\"a\"}\n[1,]\n", 3)
            .unwrap_err()
            .to_json();
        assert_eq!(problem["errors"][0]["offset"], 16 + 3);
        assert_eq!(problem["errors"][0]["line"], 2);
    }

    #[test]
    fn errors_are_capped_and_too_many_lines_refused() {
        let problem = read_in_pieces("x\n".repeat(500).as_bytes(), 1 << 20)
            .unwrap_err()
            .to_json();
        assert_eq!(problem["errors"].as_array().unwrap().len(), ERRORS_MAX);
        let problem = read_in_pieces("{}\n".repeat(500).as_bytes(), 1 << 20)
            .unwrap_err()
            .to_json();
        assert_eq!(problem["errors"].as_array().unwrap().len(), ERRORS_MAX);
        let many = "{\"service\":\"a\"}\n".repeat(150_001);
        assert_eq!(
            read_in_pieces(many.as_bytes(), 1 << 16)
                .unwrap_err()
                .status(),
            422
        );
    }
}
