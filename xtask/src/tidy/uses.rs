//! What a Rust source names: enough of the grammar of `use` to see through its braces.

/// The source without comments, and without the tests at its foot.
pub(super) fn code(text: &str) -> String {
    let text = text
        .split_once("#[cfg(test)]\nmod tests {")
        .map_or(text, |(before, _)| before);
    let lines = text
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(before, _)| before));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that a `use` of `code` imports, in full.
pub(super) fn imports(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in code
        .split("use ")
        .skip(1)
        .filter_map(|rest| rest.split_once(';'))
    {
        let tree: String = statement.0.split_whitespace().collect();
        flatten("", &tree, &mut paths);
    }
    paths
}

fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{tree}"));
        return;
    };
    let prefix = format!("{prefix}{head}");
    let inside = rest.strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut start) = (0_u32, 0);
    for (at, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                flatten(&prefix, &inside[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < inside.len() {
        flatten(&prefix, &inside[start..], paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_seen_through() {
        let text = "use std::{\n    collections::{BTreeMap, HashMap},\n    fs, // a comment; with a semicolon\n    io,\n};\nuse a::b;\n";
        let expected = [
            "std::collections::BTreeMap",
            "std::collections::HashMap",
            "std::fs",
            "std::io",
            "a::b",
        ];
        assert_eq!(imports(&code(text)), expected);
    }

    #[test]
    fn tests_and_comments_are_not_code() {
        assert_eq!(
            code("//! std::fs\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
            "\nfn f() {}"
        );
    }
}
