//! Values that are given by a name.

use super::{
    super::{
        Place,
        convert::convert,
        meaning::Model,
        names::{Found, Item},
        near::nearest,
        typing::State,
    },
    Built, Written,
};
use crate::{Type, Value, schema::EnumId};

impl<'a> Model<'a> {
    /// A value that is given by a name: a constant, or a value of an enumeration.
    pub(super) fn named(&mut self, written: Written<'a>, name: &'a str, ty: Type) -> Option<Built> {
        let place = self.place(written.unit, written.ast.span);
        if let Type::Enum(id) = ty
            && let Some(number) = self.own_enum_value(written.unit, name, id, place)
        {
            let built = Built::plain(Value::I32(number));
            return self.spend(built, written.depth, place);
        }
        match self.names.find_constant(written.unit, name) {
            Found::One(named) => {
                self.check_order(name, place, named);
                let built = self.constant(named.item, place, written.depth + 1)?;
                let from = self.constants[named.item].ty?;
                if matches!(
                    ty,
                    Type::Enum(_) | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_)
                ) {
                    let name = self.builder.schema().type_name(ty);
                    self.report
                        .warning(place, format!("a {name} is given by a constant's name"), "")
                        .help("the official compiler wants the value itself here");
                }
                self.converted(built, from, ty, place)
            }
            Found::Two(one, other) => {
                self.ambiguous(name, place, one.place, other.place);
                None
            }
            Found::Missing(missing) => {
                self.names.need(written.unit, missing, place);
                None
            }
            Found::None => {
                let (id, number) = self.enum_value_named(written.unit, name, place)?;
                let built = Built::plain(Value::I32(number));
                let built = self.spend(built, written.depth, place)?;
                self.converted(built, Type::Enum(id), ty, place)
            }
        }
    }

    fn converted(&mut self, built: Built, from: Type, to: Type, place: Place) -> Option<Built> {
        let schema = self.builder.schema();
        match convert(schema, &built.value, from, to) {
            Some(value) => Some(built.with(value)),
            None => {
                let found = format!("a value of {}", schema.type_name(from));
                self.mismatch(to, &found, place)
            }
        }
    }

    /// A value of the enumeration that is expected. As with the official compiler only the last part of the name counts.
    fn own_enum_value(&mut self, unit: usize, name: &str, id: EnumId, place: Place) -> Option<i32> {
        let (qualifier, value) = match name.rsplit_once('.') {
            Some((qualifier, value)) => (Some(qualifier), value),
            None => (None, name),
        };
        let enumeration = self.builder.schema().enumeration(id);
        let number = enumeration.number_of(value.as_bytes())?;
        let is_meant = qualifier.is_some_and(|it| self.enum_named(unit, it) == Some(id));
        if !is_meant {
            let better = format!("write `{}.{value}`", enumeration.name);
            let message = match qualifier {
                Some(qualifier) => format!("`{qualifier}` is not `{}`", enumeration.name),
                None => format!("`{value}` has no enumeration in front"),
            };
            self.report
                .warning(place, message, "the value is found nevertheless")
                .help(better);
        }
        Some(number)
    }

    /// An enumeration by its name, or by that of a typedef.
    fn enum_named(&self, unit: usize, name: &str) -> Option<EnumId> {
        let Found::One(named) = self.names.find_type(unit, name) else {
            return None;
        };
        match named.item {
            Item::Enum(id) => Some(id),
            Item::Typedef(at) => match self.typedefs[at].state {
                State::Done(Some((Type::Enum(id), _))) => Some(id),
                _ => None,
            },
            Item::Struct(_) | Item::Service(_) => None,
        }
    }

    /// `Enum.VALUE` or `file.Enum.VALUE`; it is an error if it is neither.
    fn enum_value_named(&mut self, unit: usize, name: &str, place: Place) -> Option<(EnumId, i32)> {
        if let Some((qualifier, value)) = name.rsplit_once('.') {
            if let Some(id) = self.enum_named(unit, qualifier) {
                let enumeration = self.builder.schema().enumeration(id);
                if let Some(number) = enumeration.number_of(value.as_bytes()) {
                    return Some((id, number));
                }
                let names = || enumeration.values.iter().map(|value| &*value.name);
                let help = self.report.look(|| {
                    let near = nearest(value, names());
                    near.map(|near| format!("did you mean `{qualifier}.{near}`?"))
                });
                let message = format!("`{qualifier}` has no value `{value}`");
                self.report.error(place, message, "").maybe_help(help);
                return None;
            }
            if let Found::Missing(missing) = self.names.find_type(unit, qualifier) {
                self.names.need(unit, missing, place);
                return None;
            }
        }
        let help = self
            .report
            .look(|| self.names.help_for_constant(unit, name));
        self.report
            .error(place, format!("there is no constant `{name}`"), "")
            .maybe_help(help);
        None
    }
}
