//! Tests of both directions.

mod inward;
mod outward;
mod published;
mod random;
mod ruled;

use super::*;
use crate::{
    Malformed, Value,
    protocol::{BinaryReader, BinaryWriter},
    schema::{
        Annotations, Builder, EnumValue, NewField, NewMethod, Requiredness, Schema, ServiceId,
        StructKind,
    },
};

/// A schema with all there is, and its types by name.
pub(super) struct Types {
    pub(super) schema: Schema,
    pub(super) color: Type,
    pub(super) point: Type,
    pub(super) order: Type,
    pub(super) either: Type,
    pub(super) tree: Type,
    pub(super) numbers: Type,
    pub(super) words: Type,
    pub(super) by_word: Type,
    pub(super) by_number: Type,
    pub(super) by_color: Type,
    pub(super) by_bool: Type,
    pub(super) by_uuid: Type,
    pub(super) by_binary: Type,
    pub(super) by_double: Type,
    pub(super) by_point: Type,
    pub(super) set_of_points: Type,
    pub(super) set_of_doubles: Type,
    pub(super) list_of_long: Type,
    pub(super) service: ServiceId,
}

fn annotated(mut field: NewField, key: &str, value: &str) -> NewField {
    let values = field.annotations.entry(key.to_owned()).or_default();
    values.push(value.to_owned());
    field
}

fn with_default(mut field: NewField, value: Value) -> NewField {
    field.default = Some(value);
    field
}

fn value_of_enum(name: &str, number: i32) -> EnumValue {
    EnumValue {
        name: name.to_owned(),
        number,
        doc: None,
        annotations: Annotations::new(),
    }
}

/// ```thrift
/// enum Color { RED = 1, GREEN = 2 }
/// struct Point { 1: required double x, 2: required double y, 3: optional string label }
/// struct Order {
///   1: required i64 id, 2: i32 count = 1, 3: optional i32 size = 7, 4: string text (api.key = "the/text"),
///   5: i64 long (api.js_conv = "true"), 6: string secret (api.none = "true"), 7: list<Point> points,
///   8: Color color = RED, 9: required string who, 10: list<i64> longs (api.js_conv = ""), 11: bool flag,
///   12: required i8 hidden = 5 (api.none = "true"),
/// }
/// union Either { 1: string left, 2: i32 right }
/// struct Tree { 1: list<Tree> children, 2: map<Tree, Tree> odd }
/// ```
pub(super) fn types() -> Types {
    let mut builder = Builder::new();
    let color = builder.enumeration(
        "Color",
        vec![value_of_enum("RED", 1), value_of_enum("GREEN", 2)],
        None,
        Annotations::new(),
    );
    let color = Type::Enum(color);
    let mut declare = |name: &str, kind| {
        let id = builder.declare_struct(name, kind, None, Annotations::new());
        (id, Type::Struct(id))
    };
    let (point_id, point) = declare("Point", StructKind::Struct);
    let (order_id, order) = declare("Order", StructKind::Struct);
    let (either_id, either) = declare("Either", StructKind::Union);
    let (tree_id, tree) = declare("Tree", StructKind::Struct);
    let (lost_id, lost) = declare("Lost", StructKind::Exception);
    let new = NewField::new;
    let required = |field: NewField| field.requiredness(Requiredness::Required);
    let optional = |field: NewField| field.requiredness(Requiredness::Optional);
    let points = builder.list(point);
    let numbers = builder.list(Type::I32);
    let longs = builder.list(Type::I64);
    let trees = builder.list(tree);
    let odd = builder.map(tree, tree);
    let mut define = |id, fields| builder.define_struct(id, fields).expect("fields are apart");
    define(
        point_id,
        vec![
            required(new(1, "x", Type::Double)),
            required(new(2, "y", Type::Double)),
            optional(new(3, "label", Type::String)),
        ],
    );
    define(
        order_id,
        vec![
            required(new(1, "id", Type::I64)),
            with_default(new(2, "count", Type::I32), Value::I32(1)),
            with_default(optional(new(3, "size", Type::I32)), Value::I32(7)),
            annotated(new(4, "text", Type::String), "api.key", "the/text"),
            annotated(new(5, "long", Type::I64), "api.js_conv", "true"),
            annotated(new(6, "secret", Type::String), "api.none", "true"),
            new(7, "points", points),
            with_default(new(8, "color", color), Value::I32(1)),
            required(new(9, "who", Type::String)),
            annotated(new(10, "longs", longs), "api.js_conv", ""),
            new(11, "flag", Type::Bool),
            annotated(
                required(with_default(new(12, "hidden", Type::I8), Value::I8(5))),
                "api.none",
                "true",
            ),
        ],
    );
    define(
        either_id,
        vec![new(1, "left", Type::String), new(2, "right", Type::I32)],
    );
    define(tree_id, vec![new(1, "children", trees), new(2, "odd", odd)]);
    define(lost_id, vec![new(1, "why", Type::String)]);
    let method = |name: &str, returns| NewMethod {
        name: name.to_owned(),
        is_oneway: false,
        returns,
        arguments: Vec::new(),
        throws: vec![new(1, "lost", lost)],
        doc: None,
        annotations: Annotations::new(),
    };
    let methods = vec![method("find", Some(point)), method("forget", None)];
    let service = builder
        .service("Finder", None, true, methods, None, Annotations::new())
        .expect("methods are apart");
    Types {
        color,
        point,
        order,
        either,
        tree,
        numbers,
        words: builder.set(Type::String),
        by_word: builder.map(Type::String, Type::I32),
        by_number: builder.map(Type::I64, Type::String),
        by_color: builder.map(color, Type::Bool),
        by_bool: builder.map(Type::Bool, Type::I16),
        by_uuid: builder.map(Type::Uuid, Type::I8),
        by_binary: builder.map(Type::Binary, Type::Bool),
        by_double: builder.map(Type::Double, Type::I32),
        by_point: builder.map(point, Type::I64),
        set_of_points: builder.set(point),
        set_of_doubles: builder.set(Type::Double),
        list_of_long: longs,
        service,
        schema: builder.build(),
    }
}

pub(super) fn to_binary_with(
    types: &Types,
    ty: Type,
    json: &[u8],
    options: &JsonOptions,
    limits: &Limits,
) -> Result<Vec<u8>, JsonError> {
    let mut binary = Vec::new();
    let mut writer = BinaryWriter::new(&mut binary);
    json_to_value(&types.schema, ty, json, options, limits, &mut writer)?;
    Ok(binary)
}

pub(super) fn to_binary(types: &Types, ty: Type, json: &str) -> Result<Vec<u8>, JsonError> {
    let (options, limits) = Default::default();
    to_binary_with(types, ty, json.as_bytes(), &options, &limits)
}

pub(super) fn to_json_with(
    types: &Types,
    ty: Type,
    binary: &[u8],
    options: &JsonOptions,
) -> Result<String, Box<Malformed>> {
    let limits = Limits::default();
    let mut reader = BinaryReader::new(binary, &limits);
    let mut json = Vec::new();
    value_to_json(&types.schema, ty, &mut reader, options, &mut json)?;
    assert_eq!(reader.rest(), b"", "all was read");
    Ok(String::from_utf8(json).expect("JSON is UTF-8"))
}

pub(super) fn to_json(types: &Types, ty: Type, binary: &[u8]) -> String {
    to_json_with(types, ty, binary, &JsonOptions::default()).expect("it is what the schema says")
}
