//! Whether a new version of a contract keeps what its number promises.

use std::{fmt, sync::Arc};

use semver::Version;
use serde_json::Value;
use trefoil_thrift::diff::{self, Change, Severity};

use crate::{
    catalog::{Catalog, ServiceState},
    contract::{CONTRACT_FILE, ServiceContract, SharedContract},
    key::ServiceId,
    problem::Problem,
    service::Service,
};

/// What a version breaks although its number says that it does not.
#[derive(Debug, Clone)]
pub struct Breaks {
    /// The version that it is compared with.
    pub base: ServiceId,
    /// Whose callers break.
    pub direction: Direction,
    /// The lowest version that it may have.
    pub required: Version,
    changes: Vec<Change>,
    old: SharedContract,
    new: SharedContract,
}

/// Which of two versions breaks callers of which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The new version those of an earlier one, which the base is.
    OfEarlier,
    /// A later one, which the base is, those of the new version.
    ByLater,
}

impl Breaks {
    /// What breaks callers, first those of an earlier version, then its own:
    ///
    /// - It is compared with the newest version that it claims to be compatible with: the highest one below it with the
    ///   same major number (of 0.x the same minor number, of 0.0.x none), or what is there under its own number. If that
    ///   has a contract and it has none, all of that contract is gone.
    /// - The next higher release that claims to be compatible with it is compared with it: whoever asks for the range
    ///   gets that one already.
    ///
    /// Pre-releases promise nothing to who comes after them, retired versions are promises of nobody, and a contract that
    /// was derived from ports follows rules of its own.
    #[must_use]
    pub fn of(catalog: &Catalog, service: &Service) -> Option<Self> {
        Self::of_earlier(catalog, service).or_else(|| Self::by_later(catalog, service))
    }

    fn of_earlier(catalog: &Catalog, service: &Service) -> Option<Self> {
        // The newest, as they come.
        let (base, old) = others(catalog, service)
            .find(|(other, _)| promises(&other.id.version, &service.id.version))?;
        if base.digest == service.digest {
            return None;
        }
        let new = match written(service) {
            Some(contract) => Arc::clone(contract),
            None => nothing()?,
        };
        let changes = breaking(old, &new);
        let required = required_version(&base.id.version, &changes)?;
        Some(Self {
            base: base.id.clone(),
            direction: Direction::OfEarlier,
            required,
            changes,
            old: Arc::clone(old),
            new,
        })
    }

    fn by_later(catalog: &Catalog, service: &Service) -> Option<Self> {
        let old = written(service)?;
        let (base, new) = others(catalog, service)
            .filter(|(other, _)| {
                let version = &other.id.version;
                *version != service.id.version
                    && version.pre.is_empty()
                    && promises(&service.id.version, version)
            })
            .last()?;
        let changes = breaking(old, new);
        if changes.is_empty() {
            return None;
        }
        // As if it came after the other one, which it cannot be below of.
        let back = diff::diff(new.contract(), old.contract());
        let required = required_version(&base.id.version, &back)?;
        Some(Self {
            base: base.id.clone(),
            direction: Direction::ByLater,
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
        let side = first.and_then(|change| match self.direction {
            Direction::OfEarlier => change.new.as_ref(),
            Direction::ByLater => change.old.as_ref(),
        });
        let own = match self.direction {
            Direction::OfEarlier => &self.new,
            Direction::ByLater => &self.old,
        };
        let place = side.map(|side| {
            let sources = &own.contract().sources;
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
        let reason = match self.direction {
            Direction::OfEarlier => format!("breaks callers of {}: {what}{more}", self.base),
            Direction::ByLater => format!("{} breaks its callers: {what}{more}", self.base),
        };
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

/// In short, which version it would have to be.
impl fmt::Display for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, required) = (&self.base, &self.required);
        match self.direction {
            Direction::OfEarlier => write!(f, "the contract breaks callers of `{base}`")?,
            Direction::ByLater => write!(
                f,
                "`{base}`, which claims to be compatible, breaks callers of the contract"
            )?,
        }
        write!(f, ": it must be version {required} or higher")
    }
}

/// Changes that break callers of `old`.
fn breaking(old: &SharedContract, new: &SharedContract) -> Vec<Change> {
    let mut changes = diff::diff(old.contract(), new.contract());
    changes.retain(|change| change.severity == Severity::Major);
    changes
}

/// The contract of a version that has none: nothing can be called.
fn nothing() -> Option<SharedContract> {
    let files = [(CONTRACT_FILE.to_owned(), Vec::new())].into();
    let (contract, _) = ServiceContract::load(CONTRACT_FILE, &files).ok()?;
    Some(Arc::new(contract))
}

/// Versions of a service that are not retired and have a contract that somebody wrote, newest first.
fn others<'c>(
    catalog: &'c Catalog,
    service: &Service,
) -> impl Iterator<Item = (&'c Arc<Service>, &'c SharedContract)> {
    catalog
        .versions(&service.id.key)
        .filter(|entry| entry.state != ServiceState::Retired)
        .filter_map(|entry| Some((&entry.service, written(&entry.service)?)))
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
    use crate::{
        ServiceFiles, Source,
        testing::{SLEEPER, SLEEPER_TOML, load},
    };

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
        // A late one that has what the next one has not: whoever asks for 1.x gets that one.
        check(
            &[("1.0.0", ADD), ("1.2.0", ADD)],
            ("1.1.0", MORE),
            Some(("1.2.0", "1.3.0")),
        );
        check(
            &[("1.2.0", BROKEN)],
            ("1.1.0", ADD),
            Some(("1.2.0", "2.0.0")),
        );
        // The next one counts, not one behind it; and pre-releases do not, nor other ranges.
        check(&[("1.2.0", MORE), ("1.3.0", ADD)], ("1.1.0", MORE), None);
        check(
            &[("1.2.0-rc.1", ADD), ("2.0.0", ADD)],
            ("1.1.0", MORE),
            None,
        );
        check(&[("1.2.0", ADD)], ("1.1.0-rc.1", MORE), None);
        check(&[("0.3.0", ADD)], ("0.2.0", MORE), None);
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
    fn a_version_without_a_contract_drops_all_of_it() {
        let mut catalog = Catalog::new();
        catalog.insert(service("1.0.0", ADD)).unwrap();
        for toml in [None, Some(SLEEPER_TOML)] {
            let bare = |version: &str| {
                let mut bare = load(SLEEPER, toml).unwrap();
                bare.id = format!("test/a:{version}").parse().unwrap();
                bare
            };
            let breaks = Breaks::of(&catalog, &bare("1.1.0")).unwrap();
            assert_eq!(breaks.required, Version::new(2, 0, 0));
            assert_eq!(breaks.to_json()[0]["kind"], "service-removed");
            assert_eq!(
                breaks.to_string(),
                "the contract breaks callers of `test/a:1.0.0`: it must be version 2.0.0 or higher"
            );
            assert!(breaks.warning("d").file.ends_with(CONTRACT_FILE));
            assert!(Breaks::of(&catalog, &bare("2.0.0")).is_none());
            // Who has nothing to be called breaks by nothing.
            let mut later = Catalog::new();
            later.insert(service("1.2.0", ADD)).unwrap();
            assert!(Breaks::of(&later, &bare("1.1.0")).is_none());
        }
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
        // The other way round it is about the later one, at the place in the earlier.
        let mut catalog = Catalog::new();
        catalog.insert(service("1.2.0", ADD)).unwrap();
        let breaks = Breaks::of(&catalog, &service("1.1.0", &format!("\n{MORE}"))).unwrap();
        let warning = breaks.warning("services/a");
        assert_eq!(
            (&*warning.file, warning.line),
            ("services/a/contract.thrift", 2)
        );
        assert!(
            warning
                .reason
                .starts_with("test/a:1.2.0 breaks its callers: S.more"),
            "{warning}"
        );
    }
}
