//! `service.toml`: how a service runs.

use std::{collections::BTreeMap, time::Duration};

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{problem::Problem, provision::Provision};

mod parse;
mod provision;
mod quantity;
mod table;

/// Largest compiled progress pattern: it is applied to every line of every log.
const PROGRESS_REGEXP_BYTES_MAX: usize = 1 << 20;

/// What `service.toml` says.
#[derive(Debug)]
pub(crate) struct ServiceToml {
    /// How its jobs run.
    pub(crate) run: Option<RunSpec>,
    /// Who answers its calls.
    pub(crate) provision: Provision,
    /// Where that is said.
    pub(crate) provided_at: Option<(u32, u32)>,
}

impl ServiceToml {
    /// Reads it. All problems are returned; what it says only when none of them is an error.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> (Option<Self>, Vec<Problem>) {
        parse::parse(file, bytes)
    }
}

/// How a service runs.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// What is started.
    pub kind: RunKind,
    /// Environment variables besides those of the program contract.
    pub env: BTreeMap<String, String>,
    /// At most this many attempts at a time; `None`: as resources allow.
    pub slots: Option<u32>,
    /// What one attempt needs.
    pub resources: Resources,
    /// What one attempt must not exceed.
    pub limits: Limits,
    /// When a failed attempt is followed by another.
    pub retry: RetrySpec,
    /// What tells progress in the log; before `progress_regexp` of `metadata.yml`.
    pub progress: Option<ProgressPattern>,
}

/// What is started for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunKind {
    /// A program: its path or name, then its arguments. Never empty.
    Program {
        /// `{service_dir}` is still in it; the server replaces it.
        command: Vec<String>,
    },
    /// A function of the server.
    Builtin {
        /// Its name.
        name: String,
    },
}

/// What one attempt needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a processor core, reserved; at least 1.
    pub milli_cpus: u32,
    /// Bytes of memory, reserved and enforced.
    pub memory: u64,
}

/// What is true when `[resources]` says nothing.
impl Default for Resources {
    fn default() -> Self {
        Self {
            milli_cpus: 1000,
            memory: 512 << 20,
        }
    }
}

impl Resources {
    /// Processor cores as a fraction.
    pub fn cpus(&self) -> f64 {
        f64::from(self.milli_cpus) / 1000.0
    }
}

/// What one attempt must not exceed. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait before the first start.
    pub queue: Option<Duration>,
    /// Run time after which the program is asked to end.
    pub attempt_soft: Option<Duration>,
    /// Run time after which it is ended.
    pub attempt: Option<Duration>,
    /// Longest time without output.
    pub silence: Option<Duration>,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Bytes of the longest log.
    pub log: u64,
    /// Bytes of all outputs together.
    pub outputs: u64,
}

/// What is true when `[limits]` says nothing: no limit of time, for a solver may compute for days in silence.
impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: None,
            attempt_soft: None,
            attempt: None,
            silence: None,
            grace: Duration::from_secs(10),
            log: 256 << 20,
            outputs: 10 << 30,
        }
    }
}

/// When a failed attempt is followed by another.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySpec {
    /// Attempts that may fail for a class in `retry_on`, the first included.
    pub max_attempts: u32,
    /// Attempts that may be lost with their worker.
    pub max_crashes: u32,
    /// Wait before the second attempt.
    pub initial: Duration,
    /// Each wait is this many times the one before.
    pub factor: f64,
    /// Longest wait.
    pub max: Duration,
    /// Whether waits are spread at random.
    pub jitter: bool,
    /// Classes of failure that are retried.
    pub retry_on: Vec<RetryClass>,
    /// Exit codes that count as temporary, besides 75.
    pub retry_exit_codes: Vec<i32>,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_crashes: 5,
            initial: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(300),
            jitter: true,
            retry_on: vec![RetryClass::Temporary],
            retry_exit_codes: Vec::new(),
        }
    }
}

/// A class of failure that may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryClass {
    /// The program said no.
    Application,
    /// The program asked to be tried again.
    Temporary,
    /// It took too long.
    TimedOut,
    /// Its outputs do not fit.
    BadOutputs,
}

impl RetryClass {
    const NAMES: [(&str, Self); 4] = [
        ("application", Self::Application),
        ("temporary", Self::Temporary),
        ("timed_out", Self::TimedOut),
        ("bad_outputs", Self::BadOutputs),
    ];

    /// Its name in `service.toml` and in the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Temporary => "temporary",
            Self::TimedOut => "timed_out",
            Self::BadOutputs => "bad_outputs",
        }
    }
}

/// A pattern that finds progress in a line of a log: by its group `value`, else by group 1.
#[derive(Debug, Clone)]
pub struct ProgressPattern {
    regex: Regex,
    named: bool,
}

impl ProgressPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The reason, when it is not a pattern of the linear-time kind or has no group.
    pub fn compile(text: &str) -> Result<Self, String> {
        let regex = regex::RegexBuilder::new(text)
            .size_limit(PROGRESS_REGEXP_BYTES_MAX)
            .build()
            .map_err(|error| {
                format!(
                    "not a regular expression: {}",
                    last_line(&error.to_string())
                )
            })?;
        let named = regex.capture_names().flatten().any(|name| name == "value");
        if !named && regex.captures_len() < 2 {
            return Err("has no group: name one `value`".to_owned());
        }
        Ok(Self { regex, named })
    }

    /// The text of the value in a line that matches.
    pub fn value<'l>(&self, line: &'l str) -> Option<&'l str> {
        let captures = self.regex.captures(line)?;
        let group = if self.named {
            captures.name("value")
        } else {
            captures.get(1)
        };
        group.map(|group| group.as_str())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}

/// The regex crate draws the pattern over several lines; the last says what is wrong.
fn last_line(text: &str) -> &str {
    text.lines()
        .last()
        .map_or(text, |line| line.trim_start_matches("error: "))
}

impl RunSpec {
    /// Reads `service.toml`. All problems are returned; the specification only when none of them is an error, and when it
    /// says how jobs run.
    pub fn parse(file: &str, bytes: &[u8]) -> (Option<Self>, Vec<Problem>) {
        let (toml, problems) = ServiceToml::parse(file, bytes);
        (toml.and_then(|toml| toml.run), problems)
    }

    /// A builtin with everything else as usual.
    pub fn builtin(name: impl Into<String>) -> Self {
        Self::of(RunKind::Builtin { name: name.into() })
    }

    fn of(kind: RunKind) -> Self {
        Self {
            kind,
            env: BTreeMap::new(),
            slots: None,
            resources: Resources::default(),
            limits: Limits::default(),
            retry: RetrySpec::default(),
            progress: None,
        }
    }

    /// The member `run` of a Service in the REST API. Durations are seconds. The values of `env` stay private.
    pub fn to_json(&self) -> Value {
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let limits = &self.limits;
        let retry = &self.retry;
        let mut run = json!({
            "resources": { "cpus": self.resources.cpus(), "memory": self.resources.memory },
            "limits": {
                "queue": seconds(limits.queue),
                "attempt_soft": seconds(limits.attempt_soft),
                "attempt": seconds(limits.attempt),
                "silence": seconds(limits.silence),
                "grace": limits.grace.as_secs_f64(),
                "log": limits.log,
                "outputs": limits.outputs,
            },
            "retry": {
                "max_attempts": retry.max_attempts,
                "max_crashes": retry.max_crashes,
                "initial": retry.initial.as_secs_f64(),
                "factor": retry.factor,
                "max": retry.max.as_secs_f64(),
                "jitter": retry.jitter,
                "retry_on": retry.retry_on,
                "retry_exit_codes": retry.retry_exit_codes,
            },
        });
        match &self.kind {
            RunKind::Program { command } => {
                run["kind"] = json!("program");
                run["command"] = json!(command);
            }
            RunKind::Builtin { name } => {
                run["kind"] = json!("builtin");
                run["builtin"] = json!(name);
            }
        }
        if let Some(slots) = self.slots {
            run["slots"] = json!(slots);
        }
        run
    }
}

#[cfg(test)]
mod tests;
