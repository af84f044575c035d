//! Random schemas, and random values of them, for tests.

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};

use super::Value;
use crate::{
    Schema, Type,
    schema::{Annotations, Builder, EnumValue, NewField, Requiredness, StructId, StructKind},
};

/// A schema, a struct of it, and a value of that struct.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) schema: Schema,
    pub(crate) root: StructId,
    pub(crate) value: Value,
}

/// Cases of all types, containers within each other, recursive structs and unions.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    any::<[u8; 32]>().prop_map(|seed| case(&seed))
}

/// The case of a seed.
pub(crate) fn case(seed: &[u8; 32]) -> Case {
    let mut random = Random::new(seed);
    let (schema, structs) = random.schema();
    let root = structs[0];
    let value = random.structure(&schema, root, 4);
    Case {
        schema,
        root,
        value,
    }
}

pub(crate) struct Random(TestRng);

impl Random {
    /// Values of a seed, always the same.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, seed))
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn schema(&mut self) -> (Schema, Vec<StructId>) {
        let mut builder = Builder::new();
        let number = 1 + self.below(4);
        let structs: Vec<StructId> = (0..number)
            .map(|at| {
                let kind = if at > 0 && self.below(4) == 0 {
                    StructKind::Union
                } else {
                    StructKind::Struct
                };
                builder.declare_struct(format!("S{at}"), kind, None, Annotations::new())
            })
            .collect();
        let values = (0..1 + self.below(5)).map(|at| EnumValue {
            name: format!("V{at}"),
            number: self.0.next_u32().cast_signed() >> (7 * at),
            doc: None,
            annotations: Annotations::new(),
        });
        let values: Vec<EnumValue> = values.collect();
        let colour = Type::Enum(builder.enumeration("E", values, None, Annotations::new()));
        for id in &structs {
            let mut next = match self.below(8) {
                0 => -300,
                1 => 5_000,
                _ => 1,
            };
            let fields = (0..1 + self.below(9)).map(|at| {
                let ty = self.ty(&mut builder, &structs, colour, 3);
                let field = NewField::new(next, format!("f{at}"), ty);
                next += 1 + self.below(if at == 3 { 40 } else { 3 }) as i16;
                let is_struct = matches!(ty, Type::Struct(_));
                field.requiredness(match self.below(4) {
                    // A required struct within itself would have no end.
                    0 if !is_struct => Requiredness::Required,
                    1 => Requiredness::Default,
                    _ => Requiredness::Optional,
                })
            });
            let fields: Vec<NewField> = fields.collect();
            builder.define_struct(*id, fields).unwrap();
        }
        (builder.build(), structs)
    }

    fn ty(&mut self, builder: &mut Builder, structs: &[StructId], colour: Type, depth: u8) -> Type {
        let plain = [
            Type::Bool,
            Type::I8,
            Type::I16,
            Type::I32,
            Type::I64,
            Type::Double,
            Type::String,
            Type::Binary,
            Type::Uuid,
            colour,
        ];
        let number = if depth == 0 { 10 } else { 16 };
        match self.below(number) as usize {
            at @ 0..10 => plain[at],
            10 | 11 => Type::Struct(structs[self.below(structs.len() as u64) as usize]),
            12 | 13 => {
                let element = self.ty(builder, structs, colour, depth - 1);
                builder.list(element)
            }
            14 => {
                let element = self.ty(builder, structs, colour, depth - 1);
                builder.set(element)
            }
            _ => {
                let key = self.ty(builder, structs, colour, depth - 1);
                let value = self.ty(builder, structs, colour, depth - 1);
                builder.map(key, value)
            }
        }
    }

    /// A value of a struct; at depth 0 without what is optional.
    pub(crate) fn structure(&mut self, schema: &Schema, id: StructId, depth: u8) -> Value {
        let structure = schema.structure(id);
        let mut fields = Vec::new();
        if structure.is_union() {
            let chosen = self.below(structure.fields.len() as u64 + 1) as usize;
            if let Some(field) = structure.fields.get(chosen)
                && depth > 0
            {
                fields.push((field.id, self.value(schema, field.ty, depth - 1)));
            }
            return Value::Struct(fields);
        }
        for field in &structure.fields {
            let is_required = field.requiredness == Requiredness::Required;
            if is_required || depth > 0 && self.below(4) > 0 {
                let value = self.value(schema, field.ty, depth.saturating_sub(1));
                fields.push((field.id, value));
            }
        }
        Value::Struct(fields)
    }

    pub(crate) fn value(&mut self, schema: &Schema, ty: Type, depth: u8) -> Value {
        let bits = self.0.next_u64() >> self.below(64);
        match ty {
            Type::Bool => Value::Bool(bits & 1 == 1),
            Type::I8 => Value::I8(bits as i8),
            Type::I16 => Value::I16(bits as i16),
            Type::I32 => Value::I32(bits as i32),
            Type::I64 => Value::I64(bits as i64),
            Type::Double => Value::Double(self.double()),
            Type::String => Value::String(self.text()),
            Type::Binary => {
                let size = self.size(40);
                Value::Binary((0..size).map(|_| self.0.next_u32() as u8).collect())
            }
            Type::Uuid => {
                let mut uuid = [0; 16];
                self.0.fill_bytes(&mut uuid);
                Value::Uuid(uuid)
            }
            Type::Enum(id) => {
                let values = &schema.enumeration(id).values;
                let at = self.below(values.len() as u64 + 1) as usize;
                // Numbers that a newer contract knows.
                Value::I32(values.get(at).map_or(bits as i32, |value| value.number))
            }
            Type::Struct(id) => self.structure(schema, id, depth),
            Type::List(id) => Value::List(self.elements(schema, schema.element(id), depth)),
            Type::Set(id) => Value::Set(self.elements(schema, schema.element(id), depth)),
            Type::Map(id) => {
                let (key, value) = schema.map(id);
                let keys = self.elements(schema, key, depth);
                let entries = keys.into_iter().map(|key| {
                    let value = self.value(schema, value, depth.saturating_sub(1));
                    (key, value)
                });
                Value::Map(entries.collect())
            }
        }
    }

    /// Different ones, so that they may be keys.
    fn elements(&mut self, schema: &Schema, element: Type, depth: u8) -> Vec<Value> {
        let size = if depth == 0 { 0 } else { self.size(18) };
        let mut elements = Vec::new();
        for _ in 0..size {
            let value = self.value(schema, element, depth.saturating_sub(1));
            if !elements.contains(&value) {
                elements.push(value);
            }
        }
        elements
    }

    /// Mostly small.
    fn size(&mut self, end: u64) -> u64 {
        let end = 1 + self.below(end);
        self.below(end)
    }

    fn double(&mut self) -> f64 {
        const CHOSEN: [f64; 8] = [
            0.0,
            -0.0,
            1.5,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            f64::MAX,
            1e21,
        ];
        match self.below(12) as usize {
            at if at < CHOSEN.len() => CHOSEN[at],
            8 => f64::NAN,
            9 => self.0.next_u32().cast_signed().into(),
            _ => match f64::from_bits(self.0.next_u64()) {
                // Of all that are no numbers, text keeps one.
                value if value.is_nan() => f64::NAN,
                value => value,
            },
        }
    }

    fn text(&mut self) -> String {
        let size = self.size(30);
        let characters = (0..size).map(|_| match self.below(8) {
            0 => ['"', '\\', '/', '\n', '\u{1}', '\u{1f}', '\u{7f}', '\0'][self.below(8) as usize],
            1 => ['ä', '€', '😀', '\u{ffff}', '\u{2028}'][self.below(5) as usize],
            _ => char::from(b' ' + self.below(95) as u8),
        });
        characters.collect()
    }
}
