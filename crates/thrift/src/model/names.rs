//! What names mean in a file.

use std::collections::HashMap;

use super::{Place, files::Unit, near, report::Report};
use crate::{
    idl::ast,
    schema::{EnumId, StructId},
};

/// What a name of a type or a service means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Struct(StructId),
    Enum(EnumId),
    /// The nth typedef.
    Typedef(usize),
    /// The nth service.
    Service(usize),
}

/// Something that has a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<T> {
    pub item: T,
    /// Where the name is.
    pub place: Place,
    /// Where the definition ends; before that it cannot be used, if one asks the official compiler.
    pub end: u32,
}

/// What looking for a name finds.
pub(super) enum Found<T> {
    One(Named<T>),
    /// Two files of one name define it.
    Two(Named<T>, Named<T>),
    None,
    /// The file that would define it is missing: the nth missing one.
    Missing(usize),
}

/// The names of all files.
pub(super) struct Names<'a> {
    units: &'a [Unit],
    /// For each file those that it includes, by their names.
    included: Vec<HashMap<&'a str, Vec<usize>>>,
    types: HashMap<(usize, &'a str), Named<Item>>,
    constants: HashMap<(usize, &'a str), Named<usize>>,
    /// Includes that are missing and needed: unit and place in its list, and who needs it first.
    needed: HashMap<(usize, usize), Place>,
}

impl<'a> Names<'a> {
    pub(super) fn new(units: &'a [Unit]) -> Self {
        let included = units.iter().map(|unit| {
            let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
            for include in &unit.includes {
                let name = &*units[include.unit].name;
                by_name.entry(name).or_default().push(include.unit);
            }
            by_name
        });
        let included = included.collect();
        Self {
            units,
            included,
            types: HashMap::new(),
            constants: HashMap::new(),
            needed: HashMap::new(),
        }
    }

    /// Adds a type or service; the one that has the name already, if there is one.
    pub(super) fn add_type(
        &mut self,
        unit: usize,
        name: &'a str,
        named: Named<Item>,
    ) -> Option<Named<Item>> {
        add(&mut self.types, (unit, name), named)
    }

    /// Adds a constant; the one that has the name already, if there is one.
    pub(super) fn add_constant(
        &mut self,
        unit: usize,
        name: &'a str,
        named: Named<usize>,
    ) -> Option<Named<usize>> {
        add(&mut self.constants, (unit, name), named)
    }

    /// A type or service that a file defines itself.
    pub(super) fn own_type(&self, unit: usize, name: &str) -> Option<Named<Item>> {
        self.types.get(&(unit, name)).copied()
    }

    /// A type or service by the name that it has in a file.
    pub(super) fn find_type(&self, unit: usize, name: &str) -> Found<Item> {
        self.find(&self.types, unit, name)
    }

    /// A constant by the name that it has in a file.
    pub(super) fn find_constant(&self, unit: usize, name: &str) -> Found<usize> {
        self.find(&self.constants, unit, name)
    }

    fn find<T: Copy>(
        &self,
        table: &HashMap<(usize, &'a str), Named<T>>,
        unit: usize,
        name: &str,
    ) -> Found<T> {
        if let Some(own) = table.get(&(unit, name)) {
            return Found::One(*own);
        }
        let Some((file, name)) = name.rsplit_once('.') else {
            return Found::None;
        };
        let mut found = self
            .included(unit, file)
            .iter()
            .filter_map(|included| table.get(&(*included, name)).copied());
        match (found.next(), found.next()) {
            (Some(one), None) => Found::One(one),
            (Some(one), Some(other)) => Found::Two(one, other),
            (None, _) => {
                let missing = &self.units[unit].missing;
                let missing = missing.iter().position(|missing| missing.name == file);
                missing.map_or(Found::None, Found::Missing)
            }
        }
    }

    /// The files that a file includes by a name.
    fn included(&self, unit: usize, file: &str) -> &[usize] {
        let included = self.included[unit].get(file);
        included.map_or(&[], Vec::as_slice)
    }

    /// An include that is missing is needed; the error comes with [`finish`](Self::finish).
    pub(super) fn need(&mut self, unit: usize, missing: usize, place: Place) {
        self.needed.entry((unit, missing)).or_insert(place);
    }

    /// Says which includes are missing: an error for those that are needed.
    pub(super) fn finish(&self, report: &mut Report) {
        for (at, unit) in self.units.iter().enumerate() {
            for (index, missing) in unit.missing.iter().enumerate() {
                let message = format!("the file {} is not there", missing.text);
                let help = if missing.is_outside {
                    "this path leads out of the contract's directory, where nothing is looked for"
                } else {
                    "includes are looked for beside the file that includes them, and in the include paths"
                };
                match self.needed.get(&(at, index)) {
                    Some(place) => report
                        .error(missing.place, message, "")
                        .and(*place, "first needed here")
                        .help(help),
                    None => report.warning(missing.place, message, "").help(help),
                };
            }
        }
    }

    /// What could be meant by the name of a type that is not there.
    pub(super) fn help_for_type(&self, unit: usize, name: &str) -> Option<String> {
        if let Some(base) = near::base_type(name) {
            return Some(format!("the type is called `{base}` here"));
        }
        const BASE: [&str; 10] = [
            "bool", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid", "byte",
        ];
        self.help(&self.types, unit, name, &BASE)
    }

    /// What could be meant by the name of a constant that is not there.
    pub(super) fn help_for_constant(&self, unit: usize, name: &str) -> Option<String> {
        let enums = self.units[unit].document.definitions.iter();
        for definition in enums {
            if let ast::Definition::Enum(it) = definition
                && it.values.iter().any(|value| value.name.text == name)
            {
                return Some(format!("write `{}.{name}`", it.name.text));
            }
        }
        self.help(&self.constants, unit, name, &["true", "false"])
    }

    fn help<T>(
        &self,
        table: &HashMap<(usize, &'a str), Named<T>>,
        unit: usize,
        name: &str,
        more: &[&str],
    ) -> Option<String> {
        let (file, last) = name.rsplit_once('.').unwrap_or(("", name));
        // What an included file, or this one, has by exactly this name.
        for include in &self.units[unit].includes {
            if table.contains_key(&(include.unit, last)) {
                return Some(format!(
                    "did you mean `{}.{last}`?",
                    self.units[include.unit].name
                ));
            }
        }
        if !file.is_empty() && table.contains_key(&(unit, last)) {
            return Some(format!("did you mean `{last}`?"));
        }
        let visible = |(known, _): &&(usize, &'a str)| {
            if file.is_empty() {
                *known == unit
            } else {
                self.included(unit, file).contains(known)
            }
        };
        let names = table.keys().filter(visible).map(|(_, name)| *name);
        let names = names.chain(more.iter().copied());
        let near = near::nearest(last, names)?;
        Some(if file.is_empty() {
            format!("did you mean `{near}`?")
        } else {
            format!("did you mean `{file}.{near}`?")
        })
    }
}

fn add<K: std::hash::Hash + Eq, T: Copy>(
    table: &mut HashMap<K, Named<T>>,
    key: K,
    named: Named<T>,
) -> Option<Named<T>> {
    match table.entry(key) {
        std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(named);
            None
        }
    }
}
