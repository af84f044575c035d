//! Whether a new version of a contract keeps what its number promises.

use std::sync::Arc;

use semver::Version;
use serde_json::Value;
use trefoil_thrift::diff::{self, Change, Severity};

use crate::{
    catalog::{Catalog, ServiceState},
    contract::{CONTRACT_FILE, SharedContract},
    key::ServiceId,
    problem::Problem,
    service::Service,
};

/// What a version breaks although its number says that it does not.
#[derive(Debug, Clone)]
pub struct Breaks {
    /// The version that it claims to be compatible with.
    pub base: ServiceId,
    /// The lowest version that these changes may have.
    pub required: Version,
    changes: Vec<Change>,
    old: SharedContract,
    new: SharedContract,
}

impl Breaks {
    /// What it breaks compared with the newest version that it claims to be compatible with: the highest one below it with
    /// the same major number (of 0.x the same minor number, of 0.0.x none), or what is there under its own number.
    /// Pre-releases promise nothing to who comes after them, retired versions are promises of nobody, and a contract that
    /// was derived from ports follows rules of its own.
    #[must_use]
    pub fn of(catalog: &Catalog, service: &Service) -> Option<Self> {
        let new = written(service)?;
        let base = catalog
            .versions(&service.id.key)
            .filter(|entry| entry.state != ServiceState::Retired)
            .filter(|entry| promises(&entry.service.id.version, &service.id.version))
            // Newest first.
            .find_map(|entry| Some((&entry.service, written(&entry.service)?)));
        let (base, old) = base?;
        if base.digest == service.digest {
            return None;
        }
        let mut changes = diff::diff(old.contract(), new.contract());
        changes.retain(|change| change.severity == Severity::Major);
        let required = required_version(&base.id.version, &changes)?;
        Some(Self {
            base: base.id.clone(),
            required,
            changes,
            old: Arc::clone(old),
            new: Arc::clone(new),
        })
    }

    /// The breaks.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The breaks as [`diff::to_json`] has them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (old, new) = (self.old.contract(), self.new.contract());
        diff::to_json(&self.changes, &old.sources, &new.sources)["changes"].take()
    }

    /// The same as a warning about the directory `label`.
    #[must_use]
    pub fn warning(&self, label: &str) -> Problem {
        let first = self.changes.first();
        let place = first.and_then(|change| change.new.as_ref()).map(|side| {
            let sources = &self.new.contract().sources;
            let (line, column) = sources.line_column(side.place.source, side.place.span.start);
            (
                sources.file(side.place.source).label.as_str(),
                (line as u32, column as u32),
            )
        });
        let (file, at) = place.unwrap_or((CONTRACT_FILE, (1, 1)));
        let what = first.map_or_else(String::new, |change| {
            format!("{}: {}", change.place, change.kind.message())
        });
        let more = match self.changes.len() {
            0 | 1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        let reason = format!("breaks callers of {}: {what}{more}", self.base);
        Problem::warning(&format!("{label}/{file}"), at, "version", reason)
            .with_hint(format!("give it version {} or higher", self.required))
    }
}

/// The lowest version that such changes may have after `old`; `None` if there are no changes.
#[must_use]
pub fn required_version(old: &Version, changes: &[Change]) -> Option<Version> {
    // The same number never does for a change, and the error says which one would.
    let error = diff::check_version(old, old, changes).err()?;
    Some(error.required)
}

fn written(service: &Service) -> Option<&SharedContract> {
    let contract = service.contract.as_ref()?;
    (!contract.is_derived()).then_some(contract)
}

/// Whether `new` claims to be compatible with `old`.
fn promises(old: &Version, new: &Version) -> bool {
    let same_range = match (new.major, new.minor) {
        (0, 0) => (old.major, old.minor, old.patch) == (0, 0, new.patch),
        (0, minor) => (old.major, old.minor) == (0, minor),
        (major, _) => old.major == major,
    };
    same_range && old <= new && old.pre.is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{ServiceFiles, Source};

    fn service(version: &str, text: &str) -> Service {
        let id: ServiceId = format!("test/a:{version}").parse().unwrap();
        let files = ServiceFiles {
            label: format!("dir-{version}"),
            metadata: None,
            service_toml: None,
            contract: Some(BTreeMap::from([(
                CONTRACT_FILE.to_owned(),
                text.as_bytes().to_vec(),
            )])),
            digest: format!("{version} {text}"),
            source: Source::Published {
                dir: format!("dir-{version}").into(),
            },
        };
        Service::load_as(&files, Some(&id)).unwrap()
    }

    const ADD: &str = "service S { i32 add(1: i32 a, 2: i32 b) }";
    const MORE: &str = "service S { i32 add(1: i32 a, 2: i32 b), void more() }";
    const BROKEN: &str = "service S { i64 add(1: i32 a, 2: i32 b) }";

    fn check(known: &[(&str, &str)], new: (&str, &str), expected: Option<(&str, &str)>) {
        let mut catalog = Catalog::new();
        for (version, text) in known {
            catalog.insert(service(version, text)).unwrap();
        }
        let found = Breaks::of(&catalog, &service(new.0, new.1));
        let found = found.map(|it| (it.base.version.to_string(), it.required.to_string()));
        let found = found
            .as_ref()
            .map(|(base, required)| (base.as_str(), required.as_str()));
        assert_eq!(found, expected, "{known:?} {new:?}");
    }

    #[test]
    fn a_version_keeps_what_its_number_promises() {
        check(&[], ("1.0.0", ADD), None);
        check(&[("1.0.0", ADD)], ("1.0.1", MORE), None);
        check(
            &[("1.0.0", ADD)],
            ("1.0.1", BROKEN),
            Some(("1.0.0", "2.0.0")),
        );
        check(&[("1.0.0", ADD)], ("2.0.0", BROKEN), None);
        check(
            &[("0.2.0", ADD)],
            ("0.2.1", BROKEN),
            Some(("0.2.0", "0.3.0")),
        );
        check(&[("0.2.0", ADD)], ("0.3.0", BROKEN), None);
        check(&[("0.0.2", ADD)], ("0.0.3", BROKEN), None);
        // A late fix of an old line is compared with what is below it.
        check(&[("1.0.0", ADD), ("1.1.0", MORE)], ("1.0.1", ADD), None);
        check(
            &[("1.0.0", ADD), ("1.1.0", MORE)],
            ("1.2.0", ADD),
            Some(("1.1.0", "2.0.0")),
        );
        // What is there under the same number.
        check(
            &[("1.0.0", ADD)],
            ("1.0.0", BROKEN),
            Some(("1.0.0", "2.0.0")),
        );
        // Pre-releases promise nothing, but keep what releases promised.
        check(&[("2.0.0-rc.1", ADD)], ("2.0.0", BROKEN), None);
        check(
            &[("1.0.0", ADD)],
            ("1.1.0-rc.1", BROKEN),
            Some(("1.0.0", "2.0.0")),
        );
    }

    #[test]
    fn retired_versions_promise_nothing() {
        let mut catalog = Catalog::new();
        catalog.insert(service("1.0.0", ADD)).unwrap();
        let broken = service("1.1.0", BROKEN);
        assert!(Breaks::of(&catalog, &broken).is_some());
        catalog.retire(&"test/a:1.0.0".parse().unwrap()).unwrap();
        assert!(Breaks::of(&catalog, &broken).is_none());
    }

    #[test]
    fn the_warning_says_what_and_where() {
        let mut catalog = Catalog::new();
        catalog.insert(service("1.0.0", ADD)).unwrap();
        let breaks = Breaks::of(&catalog, &service("1.1.0", BROKEN)).unwrap();
        let warning = breaks.warning("services/a");
        assert_eq!(warning.file, "services/a/contract.thrift");
        assert_eq!(warning.line, 1);
        assert!(
            warning
                .reason
                .starts_with("breaks callers of test/a:1.0.0: S.add"),
            "{warning}"
        );
        assert!(!warning.is_error());
        assert_eq!(
            warning.hint.as_deref(),
            Some("give it version 2.0.0 or higher")
        );
        assert_eq!(breaks.to_json()[0]["kind"], "return-changed");
    }
}
