//! Whether a rerun gave what the original had given.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use trefoil_jobs::{Job, JobId, State};
use trefoil_server::{Node, store::StoreError};

/// Tasks read at a time.
const CHUNK: u32 = 500;

/// The member `rerun` of a Job that has ended.
pub(super) async fn comparison(node: &Node, job: &Job, of: JobId) -> Result<Value, StoreError> {
    let differences = match node.readers.job(of).await? {
        Some(original) if job.counts.is_some() => sweeps(node, job, &original).await?,
        Some(original) => {
            let before = outputs(node.readers.result(original.seq).await?)?;
            let after = match job.state {
                State::Succeeded => outputs(node.readers.result(job.seq).await?)?,
                _ => Map::new(),
            };
            differences(&before, &after)
        }
        // It was deleted, so nobody knows.
        None => return Ok(json!({ "of": of.to_string(), "identical": null, "differences": [] })),
    };
    let identical = differences.is_empty() && job.state == State::Succeeded;
    Ok(json!({ "of": of.to_string(), "identical": identical, "differences": differences }))
}

/// Ports that differ in any pair of tasks. Stops when every port differs: more cannot be said.
async fn sweeps(node: &Node, job: &Job, original: &Job) -> Result<BTreeSet<String>, StoreError> {
    let mut all = BTreeSet::new();
    let mut ports = BTreeSet::new();
    let mut from = Some(0);
    while let Some(start) = from {
        let before = node
            .readers
            .tasks(original.id, Vec::new(), start, CHUNK)
            .await?;
        let after = node.readers.tasks(job.id, Vec::new(), start, CHUNK).await?;
        for (old, new) in before.items.into_iter().zip(after.items) {
            let (old, new) = (outputs(old.1)?, outputs(new.1)?);
            ports.extend(old.keys().chain(new.keys()).cloned());
            all.extend(differences(&old, &new));
        }
        if !ports.is_empty() && all == ports {
            break;
        }
        from = before.next;
    }
    Ok(all)
}

fn outputs(text: Option<String>) -> Result<Map<String, Value>, StoreError> {
    match text {
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| StoreError::Damaged(format!("result: {error}"))),
        None => Ok(Map::new()),
    }
}

/// Ports whose values are not the same. A file is its content: its name does not count.
fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeSet<String> {
    let same = |a: &Value, b: &Value| match (a.get("sha256"), b.get("sha256")) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    };
    let ports = before.keys().chain(after.keys());
    let differs = |port: &&String| match (before.get(*port), after.get(*port)) {
        (Some(a), Some(b)) => !same(a, b),
        _ => true,
    };
    ports.filter(differs).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: Value, after: Value, expected: &[&str]) {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let found = differences(&object(before), &object(after));
        assert_eq!(
            found.iter().map(String::as_str).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn values_are_compared_exactly_and_files_by_content() {
        check(
            json!({"x": 1.5, "s": "a"}),
            json!({"x": 1.5, "s": "a"}),
            &[],
        );
        check(json!({"x": 1.5}), json!({"x": 1.5000000000000002}), &["x"]);
        check(json!({"x": 1}), json!({}), &["x"]);
        check(json!({}), json!({"y": 1}), &["y"]);
        let file =
            |sha256: &str, name: &str| json!({"f": {"sha256": sha256, "name": name, "size": 1}});
        check(file("aa", "1"), file("aa", "2"), &[]);
        check(file("aa", "1"), file("bb", "1"), &["f"]);
    }
}
