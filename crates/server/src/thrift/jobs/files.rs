//! Files that come within calls: their content is kept as that of an upload is, and the job gets a reference.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};
use trefoil_director::{Service, Violation, validate_inputs};

use crate::{
    Node,
    engine_thread::CallError,
    files::{FileError, Sha256},
};

/// The member of a file that is its content.
const CONTENT: &str = "content";

/// Content that is not kept yet.
#[derive(Debug)]
pub(super) struct Content {
    pointer: String,
    sha256: Sha256,
    bytes: Vec<u8>,
    name: Option<String>,
    media_type: Option<String>,
}

/// Why content is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// The caller's fault.
    #[error("{} violations", .0.len())]
    Invalid(Vec<Violation>),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] CallError),
}

/// Takes content out of the inputs; what is left are references.
///
/// # Errors
///
/// Every content that is another file than is said beside it. With any content all that is wrong with the inputs is an
/// error, so that nothing is kept in vain.
pub(super) fn take(
    service: &Service,
    inputs: &mut Map<String, Value>,
) -> Result<Vec<Content>, Vec<Violation>> {
    let mut taken = Vec::new();
    let mut violations = Vec::new();
    for port in service.metadata.inputs.iter() {
        if !port.kind.is_file() {
            continue;
        }
        let Some(Value::Object(file)) = inputs.get_mut(&port.key) else {
            continue;
        };
        let Some(Value::String(text)) = file.remove(CONTENT) else {
            continue;
        };
        let pointer = format!("/{}", port.key);
        let mut wrong = |member: &str, detail: String| {
            violations.push(Violation {
                pointer: format!("{pointer}/{member}"),
                rule: "file".to_owned(),
                detail,
            });
        };
        let Ok(bytes) = BASE64_STANDARD.decode(text) else {
            wrong(CONTENT, "is not base 64".to_owned());
            continue;
        };
        let sha256 = Sha256::of(&bytes);
        let said = file.get("sha256").and_then(Value::as_str);
        if said.is_some_and(|said| !said.eq_ignore_ascii_case(&sha256.to_string())) {
            wrong("sha256", format!("the content has SHA-256 {sha256}"));
        }
        let text = |member: &str| file.get(member).and_then(Value::as_str).map(str::to_owned);
        taken.push(Content {
            pointer,
            sha256,
            bytes,
            name: text("name"),
            media_type: text("type"),
        });
        file.insert("sha256".to_owned(), Value::String(sha256.to_string()));
    }
    if !taken.is_empty()
        && violations.is_empty()
        && let Err(found) = validate_inputs(service, inputs.clone())
    {
        violations = found;
    }
    if violations.is_empty() {
        Ok(taken)
    } else {
        Err(violations)
    }
}

/// Keeps content. It is on disk, and a file of the platform, when this returns.
pub(super) async fn keep(node: &Node, contents: Vec<Content>) -> Result<(), KeepError> {
    for content in contents {
        let Content {
            pointer,
            sha256,
            bytes,
            name,
            media_type,
        } = content;
        let files = node.files.clone();
        let stored = tokio::task::spawn_blocking(move || {
            let mut writer = files.writer()?;
            writer.write(&bytes)?;
            writer.finish(Some(sha256))
        });
        let stored = match stored.await.map_err(|_| FileError::Closed)? {
            Err(error @ FileError::TooLarge { .. }) => {
                return Err(KeepError::Invalid(vec![Violation {
                    pointer: format!("{pointer}/{CONTENT}"),
                    rule: "file".to_owned(),
                    detail: error.to_string(),
                }]));
            }
            stored => stored?,
        };
        node.keep_file(stored, name, media_type).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use trefoil_director::{ServiceFiles, Source};

    use super::*;

    const METADATA: &str = "
key: lab/table
version: 1.0.0
type: computational
name: Table
description: Takes one.
inputs:
  table: {type: 'data:text/csv', defaultValue: null}
  text: {type: string, defaultValue: ''}
outputs: {}
";
    /// SHA-256 of `abc` (FIPS 180-2, B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn check(given: Value) -> Result<(Value, usize), Vec<String>> {
        let service = Service::load(&ServiceFiles {
            label: "table".to_owned(),
            metadata: Some(("metadata.yml".to_owned(), METADATA.as_bytes().to_vec())),
            service_toml: None,
            contract: None,
            digest: "00".repeat(32),
            source: Source::Directory {
                dir: "table".into(),
            },
        })
        .unwrap();
        let Value::Object(mut inputs) = given else {
            panic!("{given}");
        };
        match take(&service, &mut inputs) {
            Ok(taken) => Ok((Value::Object(inputs), taken.len())),
            Err(violations) => Err(violations.into_iter().map(|found| found.pointer).collect()),
        }
    }

    #[test]
    fn content_becomes_a_reference() {
        let left = check(json!({"table": {"content": "YWJj", "name": "a.csv"}}));
        let expected = json!({"table": {"sha256": ABC, "name": "a.csv"}});
        assert_eq!(left, Ok((expected, 1)));
        let both = json!({"table": {"content": "YWJj", "sha256": ABC.to_uppercase()}});
        assert_eq!(check(both), Ok((json!({"table": {"sha256": ABC}}), 1)));
        // Nothing at all is a content too.
        let empty = check(json!({"table": {"content": ""}})).unwrap();
        assert_eq!(empty.1, 1);
        // Other ports and other forms are left to who judges them.
        for given in [
            json!({"table": {"sha256": ABC}}),
            json!({"table": 7}),
            json!({"text": {"content": "YWJj"}}),
            json!({}),
        ] {
            assert_eq!(check(given.clone()), Ok((given, 0)));
        }
    }

    #[test]
    fn content_that_cannot_be_is_not_taken() {
        let other = "0".repeat(64);
        for (given, pointer) in [
            (
                json!({"table": {"content": "YWJj", "sha256": other}}),
                "/table/sha256",
            ),
            (json!({"table": {"content": "?"}}), "/table/content"),
            (
                json!({"table": {"content": "YWJj", "href": format!("/v1/files/{other}")}}),
                "/table/href",
            ),
            (json!({"table": {"content": "YWJj"}, "text": 7}), "/text"),
            (
                json!({"table": {"content": "YWJj", "type": "image/png"}}),
                "/table/type",
            ),
        ] {
            assert_eq!(
                check(given.clone()),
                Err(vec![pointer.to_owned()]),
                "{given}"
            );
        }
    }
}
