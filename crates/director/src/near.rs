//! Near-name suggestions: "did you mean".

/// At most this many suggestions: more is a list to read, not a hint.
const SUGGESTIONS_MAX: usize = 3;
/// Names longer than this are compared by their first characters only, so that the cost stays bounded.
const NAME_CHARS_MAX: usize = 200;

/// The names nearest to `wanted`: those that are equally near, in order; empty when none is near.
///
/// A name is near when few edits lead to it (a third of its length at most), or when it ends with, or contains,
/// what was asked for: `hh-axon` finds `nerve/hh-axon`.
pub fn near_names<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted_folded = fold(wanted);
    if wanted_folded.is_empty() {
        return Vec::new();
    }
    let edits_max = (wanted_folded.len() / 3).max(1);
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let folded = fold(name);
            // The lengths alone tell most names apart, at no cost.
            if wanted_folded.len().abs_diff(folded.len()) <= edits_max {
                let edits = distance(&wanted_folded, &folded);
                if edits <= edits_max {
                    return Some((edits, name));
                }
            }
            // Short fragments are in nearly every name and would suggest everything.
            let contains = wanted_folded.len() >= 3 && contains(&folded, &wanted_folded);
            contains.then_some((edits_max + 1, name))
        })
        .collect();
    found.sort();
    let best = found.first().map_or(0, |(edits, _)| *edits);
    found.retain(|(edits, _)| *edits == best);
    found.truncate(SUGGESTIONS_MAX);
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// `did you mean …?` for the names near to `wanted`, if there are any.
pub(crate) fn did_you_mean<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let near = near_names(wanted, names);
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

/// Case and the kind of separator are what people get wrong most; they cost no edit.
fn fold(name: &str) -> Vec<char> {
    name.chars()
        .take(NAME_CHARS_MAX)
        .flat_map(char::to_lowercase)
        .map(|c| if c == '-' || c == ' ' { '_' } else { c })
        .collect()
}

fn contains(haystack: &[char], needle: &[char]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &str, expected: &[&str]) {
        let names = [
            "nerve/hh-axon",
            "nerve/hh-cable",
            "sleeper",
            "diameter",
            "temperature",
            "x",
        ];
        assert_eq!(near_names(wanted, names), expected, "{wanted:?}");
    }

    #[test]
    fn nearest_first_and_nothing_far() {
        check("sleper", &["sleeper"]);
        check("SLEEPER", &["sleeper"]);
        check("slepeer", &["sleeper"]);
        check("hh_axon", &["nerve/hh-axon"]);
        check("nerve/hh_axon", &["nerve/hh-axon"]);
        check("diamter", &["diameter"]);
        check("voltage", &[]);
        check("", &[]);
        check("é", &["x"]);
        check("nerve/hh", &["nerve/hh-axon", "nerve/hh-cable"]);
    }

    #[test]
    fn a_swap_is_one_edit() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
    }
}
