//! Values as a tree: defaults of fields, tests, and whatever looks into messages. Never on the way of a call.

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `i8`.
    I8(i8),
    /// `i16`.
    I16(i16),
    /// `i32`, and values of enumerations.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// `double`.
    Double(f64),
    /// `string`.
    String(String),
    /// `binary`.
    Binary(Vec<u8>),
    /// `uuid`.
    Uuid([u8; 16]),
    /// A struct, union or exception: ids and values of the fields that are set, by id.
    Struct(Vec<(i16, Value)>),
    /// `list`.
    List(Vec<Value>),
    /// `set`.
    Set(Vec<Value>),
    /// `map`.
    Map(Vec<(Value, Value)>),
}
