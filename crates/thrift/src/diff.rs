//! What changed between two versions of a contract, and which version number that asks for.
//!
//! A change is major if somebody who calls, or is called, by the old contract may fail. One contract is on three wires, so
//! that is judged by all: Thrift, where ids count and names do not, and JSON (REST, AMQP), where it is the other way
//! round.
//!
//! - Types never widen: `i32` to `i64` is another type on the wire. An enumeration and `i32`, and `string` and `binary`, are
//!   the same on the Thrift wire but not in JSON: major too, with a kind of its own.
//! - Structs and enumerations may be renamed, as their names are on no wire; generated code changes, hence minor.
//!   Exceptions may not: REST names them.
//! - For required fields and for rules (`vt.*`) it counts whether they are in what is sent (arguments), in what comes back
//!   (results, exceptions), or in both. What no method uses counts as both.
//! - An enumeration or union may get more members: receivers have to endure unknown ones anyway.
//! - What a caller leaves out gets its default from the contract: a default may be added and changed, but not removed.

mod annotations;
mod compare;
mod fields;
mod kind;
mod reach;
mod report;
mod types;
mod version;

pub use kind::Kind;
pub use report::{render, to_json};
pub use version::{VersionTooLow, check_version};

use crate::model::{Contract, Place};

/// How much a change asks of a version number, as with semantic versioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nobody notices on the wire.
    Patch,
    /// There is more, and what was there works as before.
    Minor,
    /// Somebody may fail.
    Major,
}

impl Severity {
    /// `patch`, `minor` or `major`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of change, one for each rule.
    pub kind: Kind,
    /// How much it asks of the version number.
    pub severity: Severity,
    /// What changed, as `Calculator.add.arguments.x`: by its new name if it has two.
    pub place: String,
    /// What was there.
    pub old: Option<Side>,
    /// What is there now.
    pub new: Option<Side>,
}

/// What is said of something in one version of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What is said, in short.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// All changes: services, then structs, enumerations and constants, each in the order of the contracts.
#[must_use]
pub fn diff(old: &Contract, new: &Contract) -> Vec<Change> {
    compare::compare(old, new)
}

/// What all changes ask of the version number; nothing if there is none.
#[must_use]
pub fn required_bump(changes: &[Change]) -> Option<Severity> {
    changes.iter().map(|change| change.severity).max()
}

#[cfg(test)]
mod tests;
