//! Who submits, and what makes two requests the same: alike on every wire.

use std::{borrow::Cow, io, sync::Arc};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trefoil_jobs::Idempotency;

/// Longest name of a submitter.
const SUBMITTER_MAX: usize = 64;
/// Longest idempotency key.
const KEY_MAX: usize = 255;
/// Whole numbers up to here are the same as doubles: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Who submits, if nobody is named.
pub const ANONYMOUS: &str = "anonymous";
/// What [`is_submitter`] asks for.
pub const SUBMITTER_RULE: &str =
    "a submitter is 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `@` and `-`";
/// What [`idempotency_key`] asks for.
pub const KEY_RULE: &str =
    "an idempotency key is 1 to 255 visible ASCII characters, quoted or bare";

/// Whether a text can name a submitter.
#[must_use]
pub fn is_submitter(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    (1..=SUBMITTER_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// The key that a text says: a quoted string or a bare one. Nothing if it is none.
#[must_use]
pub fn idempotency_key(text: &str) -> Option<&str> {
    let inner = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or_default(),
        None => text,
    };
    let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let bare = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
    let quoted = text.starts_with('"');
    let valid = inner
        .bytes()
        .all(|byte| if quoted { visible(byte) } else { bare(byte) });
    (valid && (1..=KEY_MAX).contains(&inner.len())).then_some(inner)
}

/// Collects the canonical form of a request: method and target, then each document with its keys in order.
#[derive(Debug)]
pub struct Fingerprint {
    key: Arc<str>,
    hash: Sha256,
}

impl Fingerprint {
    /// For a key, and the path that is posted to.
    #[must_use]
    pub fn new(key: Arc<str>, target: &str) -> Self {
        let mut hash = Sha256::new();
        // No target has a newline, so nothing can move from one part to the next.
        hash.update(b"POST ");
        hash.update(target);
        hash.update(b"\n");
        Self { key, hash }
    }

    /// Adds a document. Blanks, escapes, the order of keys and how a number is written make no difference: what one wire
    /// has as `1` another may have as `1.0`.
    ///
    /// # Panics
    ///
    /// Never: a hash takes every byte.
    pub fn add(&mut self, document: &Value) {
        serde_json::to_writer(Hashing(&mut self.hash), &*canonical(document))
            .expect("a hash takes every byte of a JSON tree");
        self.hash.update(b"\n");
    }

    /// What the engine compares.
    #[must_use]
    pub fn finish(self) -> Idempotency {
        Idempotency {
            key: self.key,
            fingerprint: self.hash.finalize().into(),
        }
    }
}

/// The document with whole numbers as such.
fn canonical(document: &Value) -> Cow<'_, Value> {
    fn has_double(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(items) => items.iter().any(has_double),
            Value::Object(members) => members.values().any(has_double),
            Value::Null | Value::Bool(_) | Value::String(_) => false,
        }
    }
    fn change(value: &mut Value) {
        match value {
            Value::Number(number) => {
                let double = number.as_f64().filter(|_| number.is_f64());
                if let Some(double) = double.filter(|double| double.fract() == 0.0)
                    && double.abs() <= WHOLE_MAX
                {
                    *number = (double as i64).into();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(change),
            Value::Object(members) => members.values_mut().for_each(change),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    if !has_double(document) {
        return Cow::Borrowed(document);
    }
    let mut document = document.clone();
    change(&mut document);
    Cow::Owned(document)
}

struct Hashing<'h>(&'h mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(target: &str, documents: &[&str]) -> [u8; 32] {
        let mut fingerprint = Fingerprint::new("k".into(), target);
        documents
            .iter()
            .for_each(|text| fingerprint.add(&serde_json::from_str(text).unwrap()));
        fingerprint.finish().fingerprint
    }

    #[test]
    fn spelling_makes_no_difference_and_content_does() {
        let one = fingerprint("/v1/jobs", &[r#"{"a":1,"b":"é"}"#]);
        assert_eq!(
            one,
            fingerprint("/v1/jobs", &["{ \"b\" : \"\\u00e9\",\n\"a\":1}"])
        );
        let numbers = fingerprint("/v1/jobs", &["[1, -0, 2.5, [1e2]]"]);
        assert_eq!(
            numbers,
            fingerprint("/v1/jobs", &["[1.0, 0, 25e-1, [100]]"])
        );
        let others = [
            fingerprint("/v1/job", &[r#"{"a":1,"b":"é"}"#]),
            fingerprint("/v1/jobs", &[r#"{"a":2,"b":"é"}"#]),
            fingerprint("/v1/jobs", &[r#"{"a":1}"#, r#"{"b":"é"}"#]),
            fingerprint("/v1/jobs", &[]),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn keys_are_quoted_or_bare() {
        assert_eq!(idempotency_key("\"a b\""), None);
        for text in ["a-b", "\"a-b\""] {
            assert_eq!(idempotency_key(text), Some("a-b"));
        }
        for text in ["", "\"\"", "\"a", "a\"b", "ä", &"k".repeat(256)] {
            assert_eq!(idempotency_key(text), None, "{text}");
        }
        assert!(is_submitter("alice@lab-1_x.y"));
        assert!(!is_submitter("") && !is_submitter("a b") && !is_submitter(&"a".repeat(65)));
    }
}
