//! Third-party crates are declared once, in the root manifest, with the reason they are needed.

use std::collections::BTreeSet;

use super::{Finding, Source, edges::Member};

const ROOT: &str = "Cargo.toml";
/// Declarations that one comment may speak for.
const ONE_COMMENT: usize = 4;

pub(super) fn check(sources: &[Source], members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.path.ends_with("/Cargo.toml") && !is_workspace(&source.text))
    {
        findings.extend(check_member(source));
    }
    let used: BTreeSet<&str> = members.iter().flat_map(Member::theirs).collect();
    if let Some(root) = sources.iter().find(|source| source.path == ROOT) {
        findings.extend(check_root(&root.text, &used));
    }
    findings
}

/// Whether it is a workspace of its own: built with other flags, or a stock client that knows nothing of us.
fn is_workspace(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == "[workspace]")
}

/// The lines of every table whose name ends in `dependencies`: line number, key, the rest.
fn declarations(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut inside = false;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end().ends_with("dependencies]");
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (inside && !line.starts_with('#')).then_some((number, key.trim(), value.trim()))
    })
}

fn check_member(source: &Source) -> Vec<Finding> {
    declarations(&source.text)
        .filter(|(_, key, value)| {
            let inherited = key.ends_with(".workspace") || value.contains("workspace = true");
            !inherited && !value.contains("path = ")
        })
        .map(|(line, key, _)| {
            let what = format!(
                "{key} is declared here: declare it in [workspace.dependencies] and inherit it"
            );
            Finding::new(&source.path, line, what)
        })
        .collect()
}

fn check_root(text: &str, used: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (number, key, value) in
        declarations(text).filter(|(_, _, value)| !value.contains("path = "))
    {
        if !used.contains(key) {
            findings.push(Finding::new(
                ROOT,
                number,
                format!("{key} is used by no crate"),
            ));
        }
        // Upwards from the line above to the nearest comment, over declarations only.
        let above = lines[..number - 1].iter().rev().take(ONE_COMMENT);
        let explained = value.contains('#')
            || above
                .take_while(|line| !line.is_empty() && !line.starts_with('['))
                .any(|line| line.starts_with('#'));
        if !explained {
            findings.push(Finding::new(
                ROOT,
                number,
                format!("{key} needs a comment above it: what is it for?"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_inherit() {
        let text = "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\nc = { path = \"x\" }\n\
                    d = \"1\"\n[features]\ne = []\n[dev-dependencies]\nf = { version = \"1\" }\n";
        let found = check_member(&Source {
            path: "x/Cargo.toml".to_owned(),
            text: text.to_owned(),
        });
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [5, 9]
        );
    }

    #[test]
    fn other_workspaces_are_left_alone() {
        let source = |text: &str| Source {
            path: "x/Cargo.toml".to_owned(),
            text: text.to_owned(),
        };
        let text = "[dependencies]\na = \"1\"\n";
        let own = format!("{text}[workspace]\n");
        assert_eq!(check(&[source(text)], &[]).len(), 1);
        assert_eq!(check(&[source(&own)], &[]), []);
    }

    #[test]
    fn each_crate_is_explained_and_used() {
        let text =
            "[workspace.dependencies]\na = \"1\"\n# why\nb = \"1\"\nc = \"1\"\n\nd = \"1\" # why\n";
        let found = check_root(text, &BTreeSet::from(["a", "b", "d"]));
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [2, 5]
        );
    }

    #[test]
    fn one_comment_does_not_speak_for_a_crowd() {
        let text =
            "[workspace.dependencies]\n# why\na = \"\"\nb = \"\"\nc = \"\"\nd = \"\"\ne = \"\"\n";
        let found = check_root(text, &BTreeSet::from(["a", "b", "c", "d", "e"]));
        assert_eq!(
            found.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            [7]
        );
    }
}
