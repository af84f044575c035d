//! Which structs are sent, and which come back.

use crate::{Schema, Type, schema::StructId};

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ways {
    /// Callers send it.
    pub sent: bool,
    /// Callers get it.
    pub returned: bool,
}

impl Ways {
    pub(super) const SENT: Self = Self {
        sent: true,
        returned: false,
    };
    pub(super) const RETURNED: Self = Self {
        sent: false,
        returned: true,
    };

    pub(super) const fn or(self, other: Self) -> Self {
        Self {
            sent: self.sent || other.sent,
            returned: self.returned || other.returned,
        }
    }

    /// What nobody uses may be used by anyone.
    pub(super) const fn or_both(self) -> Self {
        if self.sent || self.returned {
            self
        } else {
            Self {
                sent: true,
                returned: true,
            }
        }
    }
}

/// The ways of all structs, by id.
pub(super) fn reach(schema: &Schema) -> Vec<Ways> {
    let count = schema.structs().count();
    let mut ways = vec![Ways::default(); count];
    let methods = || schema.services().flat_map(|(_, service)| &service.methods);
    let arguments = methods().map(|method| method.arguments).collect();
    let results = methods().filter_map(|method| method.result).collect();
    mark(schema, arguments, Ways::SENT, &mut ways);
    mark(schema, results, Ways::RETURNED, &mut ways);
    ways
}

fn mark(schema: &Schema, mut open: Vec<StructId>, way: Ways, ways: &mut [Ways]) {
    while let Some(id) = open.pop() {
        let known = &mut ways[id.0 as usize];
        let all = known.or(way);
        if all == *known {
            continue;
        }
        *known = all;
        for field in &schema.structure(id).fields {
            structs_in(schema, field.ty, &mut open);
        }
    }
}

fn structs_in(schema: &Schema, ty: Type, found: &mut Vec<StructId>) {
    match ty {
        Type::Struct(id) => found.push(id),
        Type::List(id) | Type::Set(id) => structs_in(schema, schema.element(id), found),
        Type::Map(id) => {
            let (key, value) = schema.map(id);
            structs_in(schema, key, found);
            structs_in(schema, value, found);
        }
        Type::Bool
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Double
        | Type::String
        | Type::Binary
        | Type::Uuid
        | Type::Enum(_) => {}
    }
}
