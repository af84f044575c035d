//! Version numbers.

use semver::Version;

use super::{Change, Severity, required_bump};

/// A version that promises more than its contract keeps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {new} is too low after {old}: the changes are {}, so it must be at least {required}", severity.as_str())]
pub struct VersionTooLow {
    /// The version before.
    pub old: Version,
    /// The version that is too low.
    pub new: Version,
    /// What the changes ask for.
    pub severity: Severity,
    /// The lowest version that would do.
    pub required: Version,
}

/// Whether a contract with these changes may have the version `new` after `old`. As with Cargo, the minor number of 0.x is
/// what the major number is elsewhere, and of 0.0.x the patch number. A pre-release promises nothing to the next one of the
/// same version.
///
/// # Errors
///
/// If the version is too low.
pub fn check_version(
    old: &Version,
    new: &Version,
    changes: &[Change],
) -> Result<(), Box<VersionTooLow>> {
    let Some(severity) = required_bump(changes) else {
        return Ok(());
    };
    let required = next(old, severity);
    // A pre-release of the required version is lower than it, but keeps the promise.
    let promised = Version::new(new.major, new.minor, new.patch);
    let is_enough = promised >= required && new.cmp_precedence(old).is_gt();
    if is_enough {
        return Ok(());
    }
    Err(Box::new(VersionTooLow {
        old: old.clone(),
        new: new.clone(),
        severity,
        required,
    }))
}

/// The lowest version after `old` that such changes may have.
fn next(old: &Version, severity: Severity) -> Version {
    let Version {
        major,
        minor,
        patch,
        ..
    } = *old;
    if !old.pre.is_empty() {
        return Version::new(major, minor, patch);
    }
    match (severity, major, minor) {
        (Severity::Major, 0, 0) => Version::new(0, 0, patch.saturating_add(1)),
        (Severity::Major, 0, _) => Version::new(0, minor.saturating_add(1), 0),
        (Severity::Major, ..) => Version::new(major.saturating_add(1), 0, 0),
        (Severity::Minor, 1.., _) => Version::new(major, minor.saturating_add(1), 0),
        (Severity::Minor, 0, _) | (Severity::Patch, ..) => {
            Version::new(major, minor, patch.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diff::Kind,
        idl::{SourceId, Span},
        model::Place,
    };

    fn check(old: &str, new: &str, severity: Option<Severity>, required: Option<&str>) {
        let side = crate::diff::Side {
            text: String::new(),
            place: Place::new(SourceId(0), Span::default()),
        };
        let changes: Vec<Change> = severity
            .into_iter()
            .map(|severity| Change {
                kind: Kind::FieldRemoved,
                severity,
                place: String::new(),
                old: Some(side.clone()),
                new: None,
            })
            .collect();
        let version = |text: &str| Version::parse(text).unwrap();
        let found = check_version(&version(old), &version(new), &changes);
        let found = found.err().map(|error| error.required.to_string());
        assert_eq!(found.as_deref(), required, "{old} {new} {severity:?}");
    }

    #[test]
    fn versions_promise_as_with_cargo() {
        use Severity::{Major, Minor, Patch};
        check("1.2.3", "1.2.3", None, None);
        check("1.2.3", "1.2.4", Some(Patch), None);
        check("1.2.3", "1.2.3", Some(Patch), Some("1.2.4"));
        check("1.2.3", "1.2.4", Some(Minor), Some("1.3.0"));
        check("1.2.3", "1.3.0", Some(Minor), None);
        check("1.2.3", "1.9.0", Some(Major), Some("2.0.0"));
        check("1.2.3", "2.0.0", Some(Major), None);
        check("1.2.3", "2.0.0-rc.1", Some(Major), None);
        check("0.2.3", "0.2.4", Some(Minor), None);
        check("0.2.3", "0.2.4", Some(Major), Some("0.3.0"));
        check("0.2.3", "0.3.0", Some(Major), None);
        check("0.2.3", "1.0.0", Some(Major), None);
        check("0.0.3", "0.0.4", Some(Major), None);
        check("0.0.3", "0.0.3", Some(Minor), Some("0.0.4"));
        check("2.0.0-rc.1", "2.0.0-rc.2", Some(Major), None);
        check("2.0.0-rc.1", "2.0.0", Some(Major), None);
        check("2.0.0-rc.2", "2.0.0-rc.1", Some(Patch), Some("2.0.0"));
        check("2.0.0", "1.9.9", Some(Patch), Some("2.0.1"));
        // What is built otherwise is the same version.
        check("1.0.0+a", "1.0.0+b", Some(Patch), Some("1.0.1"));
    }
}
