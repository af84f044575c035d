//! Links between documents lead somewhere.

use super::{Finding, Source};
use crate::shell::root;

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let documents = sources.iter().filter(|source| source.path.ends_with(".md"));
    documents
        .flat_map(|source| {
            check_one(source, |path| {
                root().join(path).try_exists().unwrap_or(false)
            })
        })
        .collect()
}

fn check_one(source: &Source, is_there: impl Fn(&str) -> bool) -> Vec<Finding> {
    let directory = source
        .path
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let mut findings = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(source.text.lines()) {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        for link in links(line) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty()
                && !is_there(&format!("{directory}/{target}")[usize::from(directory.is_empty())..])
            {
                findings.push(Finding::new(
                    &source.path,
                    number,
                    format!("links to {target}, which is not there"),
                ));
            }
        }
    }
    findings
}

/// Targets of `[text](target)` that are relative.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| {
            // Anything with a colon has a scheme; text in backticks that only looks like a link has spaces or quotes.
            !target.contains([':', ' ', '"', '<', '`']) && !target.starts_with('/')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_found() {
        let text = "[a](here.md#x) [b](gone.md) [c](https://example.org/x) [d](#y)\n```\n[e](gone.md)\n```\n[f](../up.md)\n";
        for (path, prefix) in [("docs/x.md", "docs/"), ("x.md", "")] {
            let source = Source {
                path: path.to_owned(),
                text: text.to_owned(),
            };
            let there = [format!("{prefix}here.md"), format!("{prefix}../up.md")];
            let found = check_one(&source, |target| there.iter().any(|one| one == target));
            assert_eq!(
                found,
                [Finding::new(
                    path,
                    1,
                    "links to gone.md, which is not there"
                )]
            );
        }
    }
}
