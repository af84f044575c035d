//! Patterns of names: the regular expressions of permissions and policies.
//!
//! RabbitMQ uses PCRE, unanchored, on octets. Here expressions are linear in time, since they run inside of the broker's
//! lock: no backreferences, and lookahead only where people use it, at the front (`^(?!amq\.).*`).

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

/// The largest compiled form of one pattern, in octets.
const COMPILED_MAX: usize = 1 << 20;
/// The longest pattern. What names are made of fits a thousand times.
const SOURCE_MAX: usize = 4096;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("regular expression '{pattern}' is invalid: {problem}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: Arc<str>,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Everything,
    /// Only the empty name.
    Empty,
    Expression(Regex),
    /// `^(?!…)…`: conditions on the front, then the rest.
    Guarded {
        guards: Arc<[Guard]>,
        rest: Regex,
    },
}

#[derive(Debug)]
struct Guard {
    wanted: bool,
    expression: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Pattern {
    /// A pattern of a policy: found anywhere in the name unless anchored; empty is found in every name.
    ///
    /// # Errors
    /// It is no regular expression, or one that needs backtracking.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let invalid = |problem: String| PatternError {
            pattern: source.to_owned(),
            problem,
        };
        if source.len() > SOURCE_MAX {
            return Err(invalid(format!(
                "it has {} octets; the limit is {SOURCE_MAX}",
                source.len()
            )));
        }
        let matcher = match source {
            "" | "^" | ".*" | "^.*" | ".*$" | "^.*$" => Matcher::Everything,
            "^$" => Matcher::Empty,
            _ => match split_guards(source) {
                (guards, _) if guards.is_empty() => {
                    Matcher::Expression(compile(source).map_err(invalid)?)
                }
                (guards, rest) => Matcher::Guarded {
                    guards: guards
                        .into_iter()
                        .map(|(wanted, front)| {
                            Ok(Guard {
                                wanted,
                                expression: compile(&format!("^(?:{front})"))?,
                            })
                        })
                        .collect::<Result<_, _>>()
                        .map_err(invalid)?,
                    rest: compile(&format!("^(?:{rest})")).map_err(invalid)?,
                },
            },
        };
        Ok(Self {
            source: source.into(),
            matcher,
        })
    }

    /// A pattern of a permission: like [`Pattern::new`], but the empty one covers nothing.
    ///
    /// # Errors
    /// As there.
    pub fn permission(source: &str) -> Result<Self, PatternError> {
        match source {
            "" => Ok(Self {
                source: "".into(),
                matcher: Matcher::Empty,
            }),
            _ => Self::new(source),
        }
    }

    /// The pattern `.*`.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            source: ".*".into(),
            matcher: Matcher::Everything,
        }
    }

    /// The pattern as text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is found in a name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Everything => true,
            Matcher::Empty => name.is_empty(),
            Matcher::Expression(expression) => expression.is_match(name.as_bytes()),
            Matcher::Guarded { guards, rest } => {
                guards
                    .iter()
                    .all(|guard| guard.expression.is_match(name.as_bytes()) == guard.wanted)
                    && rest.is_match(name.as_bytes())
            }
        }
    }

    /// Whether it is found in every name.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.matcher, Matcher::Everything)
    }
}

/// Compiles for octets, as PCRE does; for characters where the pattern needs that, as in `[äö]`.
fn compile(source: &str) -> Result<Regex, String> {
    let source = translate(source);
    let build = |unicode| {
        RegexBuilder::new(&source)
            .unicode(unicode)
            .size_limit(COMPILED_MAX)
            .build()
    };
    build(false)
        .or_else(|_| build(true))
        .map_err(|error| match error {
            regex::Error::Syntax(text) => {
                // The last line is the reason; those before show the place.
                text.lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned()
            }
            regex::Error::CompiledTooBig(limit) => {
                format!("it needs more than {limit} octets of memory")
            }
            other => other.to_string(),
        })
}

/// Takes `(?!…)` and `(?=…)` off the front of an anchored pattern: (wanted, front), and what is left.
fn split_guards(source: &str) -> (Vec<(bool, &str)>, &str) {
    let mut guards = Vec::new();
    let Some(mut rest) = source.strip_prefix('^') else {
        return (guards, source);
    };
    while let Some((wanted, inside)) = rest
        .strip_prefix("(?!")
        .map(|inside| (false, inside))
        .or_else(|| Some((true, rest.strip_prefix("(?=")?)))
    {
        let Some(end) = closing(inside) else { break };
        guards.push((wanted, &inside[..end]));
        rest = &inside[end + 1..];
    }
    // `^(?!a)b|c` is anchored and guarded only on its left side, which cannot be said with two expressions.
    if has_alternatives(rest) {
        (Vec::new(), source)
    } else {
        (guards, rest)
    }
}

/// Where the group ends that `text` is the inside of.
fn closing(text: &str) -> Option<usize> {
    walk(text, |depth, byte| depth == 0 && byte == b')')
}

fn has_alternatives(text: &str) -> bool {
    walk(text, |depth, byte| depth == 0 && byte == b'|').is_some()
}

/// The first octet outside of classes and escapes that is looked for.
fn walk(text: &str, found: impl Fn(usize, u8) -> bool) -> Option<usize> {
    let (mut depth, mut escaped, mut class) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        if !class && found(depth, byte) {
            return Some(at);
        }
        match byte {
            b'\\' => escaped = true,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// From PCRE to the syntax of the `regex` crate, where they differ in what people write: a brace or bracket that stands
/// for itself, operators inside of classes, `\Z`.
fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut chars = source.char_indices().peekable();
    let mut class = false;
    while let Some((at, c)) = chars.next() {
        match (c, class) {
            ('\\', _) => match chars.next() {
                Some((_, 'Z')) => out.push_str("\\z"),
                Some((_, other)) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            ('[', false) => {
                out.push('[');
                class = true;
                if chars.next_if(|&(_, c)| c == '^').is_some() {
                    out.push('^');
                }
                if chars.next_if(|&(_, c)| c == ']').is_some() {
                    out.push_str("\\]");
                }
                if chars.next_if(|&(_, c)| c == '-').is_some() {
                    out.push_str("\\-");
                }
            }
            (']', true) => {
                out.push(']');
                class = false;
            }
            ('[', true) => {
                // `[:alpha:]` is one; any other bracket in a class stands for itself.
                match source[at..]
                    .strip_prefix("[:")
                    .and_then(|named| Some(&named[..named.find(":]")?]))
                {
                    Some(name) if name.chars().all(|c| c.is_ascii_lowercase() || c == '^') => {
                        out.push_str("[:");
                        out.push_str(name);
                        out.push_str(":]");
                        for _ in 0..name.len() + 3 {
                            chars.next();
                        }
                    }
                    _ => out.push_str("\\["),
                }
            }
            ('&' | '~', true) => out.extend(['\\', c]),
            // The end of a range, as in `[+--]`, where two dashes would be an operator.
            ('-', true) if out.ends_with('-') && !out.ends_with("\\-") => out.push_str("\\-"),
            ('{', false) if !is_quantifier(&source[at + 1..]) => out.push_str("\\{"),
            _ => out.push(c),
        }
    }
    out
}

/// Whether the text behind a brace makes a quantifier of it: `3}`, `3,}` or `3,5}`.
fn is_quantifier(text: &str) -> bool {
    let Some((inside, _)) = text.split_once('}') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match inside.split_once(',') {
        None => digits(inside),
        Some((low, high)) => digits(low) && (high.is_empty() || digits(high)),
    }
}
