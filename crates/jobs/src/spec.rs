//! What was asked for: the part of a job that never changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{JobId, Limits, Resources, RetryPolicy, Sweep};

/// The immutable part of a job. Limits, retries and resources are pinned here at submission, so that replacing a
/// service does not change the promises made to jobs that wait already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Port to value, one JSON object, validated and with defaults applied, kept as text.
    pub inputs: Box<RawValue>,
    /// What one attempt reserves.
    pub resources: Resources,
    /// Time limits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// When to try again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: RetryPolicy,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Key to value, for filters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the content of each input file, hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The job that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// For the parent of a sweep: what is swept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// For a task of a sweep: the swept inputs only, one JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept: Option<Box<RawValue>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where a repeated job comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It had failed or was canceled.
    RetryOf(JobId),
    /// It had succeeded; the outputs are to be compared.
    RerunOf(JobId),
}
