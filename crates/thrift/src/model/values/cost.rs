//! What values cost: they may use each other, and so grow without bound.

use super::super::{Place, meaning::Model};
use crate::Value;

/// What all constants and defaults of a contract may cost: a list of names of lists of names … grows without bound
/// otherwise.
pub(in crate::model) const COST_MAX: usize = 1 << 20;
/// Values within each other, by way of other constants too.
pub(super) const DEPTH_MAX: usize = 64;
/// Bytes of a string that cost as much as a value.
const BYTES_PER_COST: usize = 32;

/// A value, and what another one like it would cost.
#[derive(Debug, Clone)]
pub(in crate::model) struct Built {
    pub value: Value,
    cost: usize,
    depth: usize,
}

impl Built {
    pub(super) fn plain(value: Value) -> Self {
        let bytes = match &value {
            Value::String(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        Self {
            value,
            cost: 1 + bytes / BYTES_PER_COST,
            depth: 1,
        }
    }

    /// The same with another value, which is about as large.
    pub(super) fn with(self, value: Value) -> Self {
        Self { value, ..self }
    }

    /// What is made of parts.
    pub(super) fn of_parts<'b>(value: Value, parts: impl IntoIterator<Item = &'b Sum>) -> Self {
        let mut all = Sum::default();
        for part in parts {
            all.cost += part.cost;
            all.depth = all.depth.max(part.depth);
        }
        Self {
            value,
            cost: all.cost + 1,
            depth: all.depth + 1,
        }
    }
}

/// Cost and depth of parts.
#[derive(Default)]
pub(super) struct Sum {
    cost: usize,
    depth: usize,
}

impl Sum {
    pub(super) fn add(&mut self, part: Built) -> Value {
        self.cost += part.cost;
        self.depth = self.depth.max(part.depth);
        part.value
    }
}

impl Model<'_> {
    /// A value, unless it is too deep or costs too much.
    pub(super) fn spend(&mut self, built: Built, depth: usize, place: Place) -> Option<Built> {
        if depth + built.depth > DEPTH_MAX {
            self.too_deep(place);
            return None;
        }
        self.pay(built.cost, place).then_some(built)
    }

    /// Takes a cost from what is left, if there is enough.
    pub(super) fn pay(&mut self, cost: usize, place: Place) -> bool {
        if let Some(left) = self.budget.and_then(|left| left.checked_sub(cost)) {
            self.budget = Some(left);
            return true;
        }
        if self.budget.take().is_some() {
            self.report
                .error(place, "the constants of this contract are too large", "")
                .help("constants that are used by others count again each time");
        }
        false
    }

    pub(super) fn too_deep(&mut self, place: Place) {
        let message = format!("more than {DEPTH_MAX} values are within each other");
        self.report.error(place, message, "");
    }
}
