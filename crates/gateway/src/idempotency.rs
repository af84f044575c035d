//! Requests that are safe to repeat: what makes two of them the same.

use std::{io, sync::Arc};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trefoil_jobs::Idempotency;

/// Collects the canonical form of a request: method and target, then each document with its keys in order.
pub(crate) struct Fingerprint {
    key: Arc<str>,
    hash: Sha256,
}

impl Fingerprint {
    pub(crate) fn new(key: Arc<str>, target: &str) -> Self {
        let mut hash = Sha256::new();
        // No target has a newline, so nothing can move from one part to the next.
        hash.update(b"POST ");
        hash.update(target);
        hash.update(b"\n");
        Self { key, hash }
    }

    /// Adds a document. Blanks, escapes and the order of keys make no difference.
    pub(crate) fn add(&mut self, document: &Value) {
        serde_json::to_writer(Hashing(&mut self.hash), document)
            .expect("a hash takes every byte of a JSON tree");
        self.hash.update(b"\n");
    }

    pub(crate) fn finish(self) -> Idempotency {
        Idempotency {
            key: self.key,
            fingerprint: self.hash.finalize().into(),
        }
    }
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
        let others = [
            fingerprint("/v1/job", &[r#"{"a":1,"b":"é"}"#]),
            fingerprint("/v1/jobs", &[r#"{"a":2,"b":"é"}"#]),
            fingerprint("/v1/jobs", &[r#"{"a":1}"#, r#"{"b":"é"}"#]),
            fingerprint("/v1/jobs", &[]),
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}
