//! A batch: one submission a line, read as the lines come.

use serde_json::Value;
use trefoil_director::Violation;
use trefoil_server::JobRequest;

use super::submission::{self, Common};
use crate::{
    error::{ERRORS_MAX, Problem, json_entry},
    extract::BodyHead,
    idempotency::Fingerprint,
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

/// Reads a batch; all of its submissions, or everything that is wrong with it.
pub(super) async fn read(
    head: &BodyHead,
    body: axum::body::Body,
    common: &Common,
    limits: BatchLimits,
    fingerprint: Option<&mut Fingerprint>,
) -> Result<Vec<JobRequest>, Problem> {
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
    requests: Vec<JobRequest>,
    /// Lines that are not JSON: a batch that has one is a 400.
    malformed: Vec<Value>,
    violations: Vec<Violation>,
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
            requests: Vec::new(),
            malformed: Vec::new(),
            violations: Vec::new(),
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
        let pointer = format!("/{}", self.index);
        match strict_json::parse(line, &strict_json::Limits::default()) {
            Ok(value) => self.submission(value, &pointer),
            Err(error) => {
                let mut entry = json_entry(&error, &pointer);
                entry["offset"] = (self.offset + error.offset).into();
                entry["line"] = (self.index + 1).into();
                self.malformed.push(entry);
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
        let request = submission::read(value, pointer, self.common, &mut self.violations);
        if self.violations.is_empty() && self.malformed.is_empty() {
            self.requests.extend(request);
        } else {
            // Nothing of this batch will be accepted.
            self.requests = Vec::new();
        }
    }

    fn finish(mut self) -> Result<Vec<JobRequest>, Problem> {
        if !self.pending.is_empty() {
            let last = std::mem::take(&mut self.pending);
            self.line(&last)?;
            self.index += 1;
        }
        if !self.malformed.is_empty() || !self.violations.is_empty() {
            return Err(self.refusal());
        }
        if self.index == 0 {
            return Err(
                Problem::invalid("the batch has no lines").hint("send one submission a line")
            );
        }
        Ok(self.requests)
    }

    fn refusal(&mut self) -> Problem {
        if self.malformed.is_empty() {
            return std::mem::take(&mut self.violations).into();
        }
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
        lines.finish()
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
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        check("", Err((422, &[])));
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
