//! Progress lines in a log: `[PROGRESS] 23%`, `PROGRESS: 23 percent`, `[progress] 3/10`, `[PROGRESS] 0.3`, or whatever a
//! service's own expression finds.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

/// A longer line is data, not progress; it is not kept in memory either.
const LONGEST_LINE: usize = 4096;

/// Only the head of an expression's cost: one that compiles to more is refused.
const REGEX_SIZE: usize = 1 << 20;

/// How far a program says it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f32,
    /// What it says besides.
    pub message: Option<String>,
}

/// Finds progress lines in the bytes of a log, however they are cut into pieces.
#[derive(Debug)]
pub struct ProgressParser {
    rule: Rule,
    line: Vec<u8>,
    /// The rest of the current line is to be skipped: it is too long.
    skipping: bool,
}

#[derive(Debug)]
enum Rule {
    Ours,
    Custom(Regex),
}

/// The whole line is a progress line: the word, a value with its unit, and text after a space.
static OURS: LazyLock<Regex> = LazyLock::new(|| {
    let rule = r"(?ix) ^\s* (?: \[progress\]:? | progress: ) \s*
        (?: (?<percent> \d+(?:\.\d*)? | \.\d+ ) \s* (?: % | percent\b )
          | (?<part> \d+ ) \s* / \s* (?<whole> \d+ )
          | (?<fraction> 0?\.\d+ | 0\.? | 1(?:\.0*)? )
        )
        (?: [\s,;:\]-]+ (?<message> .*? ) )? \s* $";
    Regex::new(rule).expect("a constant that the tests use")
});

impl ProgressParser {
    /// A parser with the service's own expression, if it has one: its group `value`, or else its first, is a percentage
    /// (if `%` or `percent` follows, or if it is above 1), a ratio such as `3/10`, or a fraction. Its group `message`, if
    /// any, is the message. It may match anywhere in a line.
    ///
    /// # Errors
    /// The expression is wrong, too large, or has no group.
    pub fn new(custom: Option<&str>) -> Result<Self, ProgressRuleError> {
        let rule = match custom {
            None => Rule::Ours,
            Some(custom) => {
                let regex = regex::RegexBuilder::new(custom)
                    .size_limit(REGEX_SIZE)
                    .build()?;
                if regex.captures_len() < 2 {
                    return Err(ProgressRuleError::NoGroup);
                }
                Rule::Custom(regex)
            }
        };
        Ok(Self {
            rule,
            line: Vec::new(),
            skipping: false,
        })
    }

    /// Takes the next bytes of the log and returns the last progress that they complete. A carriage return ends a line
    /// as a newline does: that is how progress is redrawn on a terminal.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Progress> {
        let mut newest = None;
        self.each(bytes, &mut |progress| newest = Some(progress));
        newest
    }

    /// The progress in a last line that nothing ended.
    pub fn finish(&mut self) -> Option<Progress> {
        self.push(b"\n")
    }

    fn each(&mut self, bytes: &[u8], found: &mut dyn FnMut(Progress)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&rest[..end]);
            if !self.skipping
                && let Some(progress) = self.rule.parse(&self.line)
            {
                found(progress);
            }
            self.line.clear();
            self.skipping = false;
            rest = &rest[end + 1..];
        }
        self.extend(rest);
    }

    fn extend(&mut self, part: &[u8]) {
        self.skipping |= self.line.len() + part.len() > LONGEST_LINE;
        if self.skipping {
            self.line.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }
}

/// An expression for progress lines cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProgressRuleError {
    /// It is not a regular expression, or too large a one.
    #[error("progress_regexp: {0}")]
    Regex(#[from] regex::Error),
    /// Nothing in it says where the value is.
    #[error("progress_regexp has no group that could be the value")]
    NoGroup,
}

impl Rule {
    fn parse(&self, line: &[u8]) -> Option<Progress> {
        match self {
            Self::Ours => parse_ours(line),
            Self::Custom(regex) => parse_custom(regex, &String::from_utf8_lossy(line)),
        }
    }
}

fn parse_ours(line: &[u8]) -> Option<Progress> {
    // Nearly every line of a log ends here, before the expression is tried.
    let start = line.iter().position(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(line[start], b'[' | b'p' | b'P') {
        return None;
    }
    let text = String::from_utf8_lossy(line);
    let groups = OURS.captures(&text)?;
    let number = |name| {
        groups
            .name(name)
            .and_then(|group| group.as_str().parse::<f64>().ok())
    };
    let fraction = match (
        number("percent"),
        number("part"),
        number("whole"),
        number("fraction"),
    ) {
        (Some(percent), ..) => percent / 100.0,
        (_, Some(part), Some(whole), _) => part / whole,
        (.., fraction) => fraction?,
    };
    progress(fraction, message(&groups))
}

fn parse_custom(regex: &Regex, line: &str) -> Option<Progress> {
    let groups = regex.captures(line)?;
    let value = groups.name("value").or_else(|| groups.get(1))?;
    let text = value.as_str().trim();
    let percent =
        |text: &str| text.trim_start().starts_with('%') || text.trim_start().starts_with("percent");
    let fraction = if let Some((part, whole)) = text.split_once('/') {
        part.trim().parse::<f64>().ok()? / whole.trim().parse::<f64>().ok()?
    } else {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E')))
            .unwrap_or(text.len());
        let number: f64 = text[..end].parse().ok()?;
        if percent(&text[end..]) || percent(&line[value.end()..]) || number > 1.0 {
            number / 100.0
        } else {
            number
        }
    };
    progress(fraction, message(&groups))
}

fn message<'a>(groups: &'a Captures<'_>) -> Option<Cow<'a, str>> {
    let text = groups.name("message")?.as_str().trim();
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn progress(fraction: f64, message: Option<Cow<'_, str>>) -> Option<Progress> {
    // 0/0 says nothing; 1/0 and 11/10 say that it is done.
    (!fraction.is_nan()).then(|| Progress {
        fraction: fraction.clamp(0.0, 1.0) as f32,
        message: message.map(Cow::into_owned),
    })
}

#[cfg(test)]
mod tests;
