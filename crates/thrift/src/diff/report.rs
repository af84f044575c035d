//! Changes for programs and for people.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{Change, Side, required_bump};
use crate::idl::Sources;

/// Changes as JSON: `{"bump", "changes": [{"kind", "severity", "place", "message", "old", "new"}]}`, where `old` and `new`
/// are `{"text", "file", "line", "column"}` or absent, and `bump` is `null` if nothing changed.
#[must_use]
pub fn to_json(changes: &[Change], old: &Sources, new: &Sources) -> Json {
    let list: Vec<Json> = changes
        .iter()
        .map(|change| {
            let mut json = json!({
                "kind": change.kind.key(),
                "severity": change.severity.as_str(),
                "place": change.place,
                "message": change.kind.message(),
            });
            for (key, side, sources) in [("old", &change.old, old), ("new", &change.new, new)] {
                if let Some(side) = side {
                    json[key] = side_to_json(side, sources);
                }
            }
            json
        })
        .collect();
    json!({
        "bump": required_bump(changes).map(super::Severity::as_str),
        "changes": list,
    })
}

fn side_to_json(side: &Side, sources: &Sources) -> Json {
    let (line, column) = sources.line_column(side.place.source, side.place.span.start);
    json!({
        "text": side.text,
        "file": sources.file(side.place.source).label,
        "line": line,
        "column": column,
    })
}

/// Changes as text: the worst first, each with what was and what is. Ends with a line feed unless nothing changed.
#[must_use]
pub fn render(changes: &[Change], old: &Sources, new: &Sources) -> String {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| std::cmp::Reverse(change.severity));
    let mut text = String::new();
    for change in sorted {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}: {}: {}",
            change.severity.as_str(),
            change.place,
            change.kind.message()
        );
        for (word, side, sources) in [("was", &change.old, old), ("is ", &change.new, new)] {
            if let Some(side) = side {
                let place = side.place;
                let (line, column) = sources.line_column(place.source, place.span.start);
                let file = &sources.file(place.source).label;
                let _ = writeln!(text, "  {word} {} ({file}:{line}:{column})", side.text);
            }
        }
    }
    text
}
