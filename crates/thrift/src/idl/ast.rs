//! The syntax tree: what a file says, with the place of everything.

use super::source::Span;

/// A whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The documentation comment before the first header.
    pub doc: Option<String>,
    /// Includes and namespaces, in order.
    pub headers: Vec<Header>,
    /// Definitions, in order.
    pub definitions: Vec<Definition>,
}

/// What comes before the definitions.
#[derive(Debug, Clone, PartialEq)]
pub enum Header {
    /// `include "shared.thrift"`.
    Include(Literal),
    /// `cpp_include "<vector>"`.
    CppInclude(Literal),
    /// `namespace py shared.types`; the scope may be `*`.
    Namespace {
        /// The language, or `*`.
        scope: Name,
        /// The name in that language.
        name: Name,
        /// Annotations.
        annotations: Vec<Annotation>,
    },
}

/// An identifier, perhaps with dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The identifier.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

/// A string in quotes, its escapes replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// What it means.
    pub text: String,
    /// Where it is, quotes included.
    pub span: Span,
}

/// `key = "value"` in parentheses. Without a value it means `"1"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The key, perhaps with dots.
    pub key: Name,
    /// The value, if there is one.
    pub value: Option<Literal>,
}

impl Annotation {
    /// The value, `1` if none is written.
    #[must_use]
    pub fn value(&self) -> &str {
        self.value.as_ref().map_or("1", |value| &value.text)
    }
}

/// What a file defines.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// `typedef i64 Timestamp`.
    Typedef(Typedef),
    /// `enum Color { RED = 1 }`.
    Enum(Enum),
    /// `const i32 ANSWER = 42`.
    Const(Const),
    /// `struct`, `union` or `exception`.
    Struct(Struct),
    /// `service`.
    Service(Service),
}

impl Definition {
    /// What is defined.
    #[must_use]
    pub const fn name(&self) -> &Name {
        match self {
            Self::Typedef(definition) => &definition.name,
            Self::Enum(definition) => &definition.name,
            Self::Const(definition) => &definition.name,
            Self::Struct(definition) => &definition.name,
            Self::Service(definition) => &definition.name,
        }
    }
}

/// Another name for a type.
#[derive(Debug, Clone, PartialEq)]
pub struct Typedef {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// The new name.
    pub name: Name,
    /// What it stands for.
    pub target: TypeRef,
    /// Annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// An enumeration.
#[derive(Debug, Clone, PartialEq)]
pub struct Enum {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Its name.
    pub name: Name,
    /// Its values, in order.
    pub values: Vec<EnumValue>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// A value of an enumeration.
#[derive(Debug, Clone, PartialEq)]
pub struct EnumValue {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Its name.
    pub name: Name,
    /// Its number, if it is written: an integer of 64 bits, which may be too large.
    pub number: Option<Integer>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
}

/// A written integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integer {
    /// Its value.
    pub value: i64,
    /// Where it is.
    pub span: Span,
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Const {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: TypeRef,
    /// Its value.
    pub value: ConstValue,
    /// The whole definition.
    pub span: Span,
}

/// A written value.
#[derive(Debug, Clone, PartialEq)]
pub struct ConstValue {
    /// What it is.
    pub kind: ConstKind,
    /// Where it is.
    pub span: Span,
}

/// Kinds of written values.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstKind {
    /// An integer; `true` and `false` are 1 and 0.
    Integer(i64),
    /// A number with a point or an exponent.
    Double(f64),
    /// A string in quotes.
    String(String),
    /// The name of a constant or an enumeration's value.
    Name(String),
    /// `[a, b]`.
    List(Vec<ConstValue>),
    /// `{a: b}`; a struct as well.
    Map(Vec<(ConstValue, ConstValue)>),
}

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StructKind {
    /// `struct`.
    Struct,
    /// `union`: one of its fields is set.
    Union,
    /// `exception`: a struct that a method may throw.
    Exception,
}

/// A struct, union or exception.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Which of the three.
    pub kind: StructKind,
    /// Its name.
    pub name: Name,
    /// Its fields, in order.
    pub fields: Vec<Field>,
    /// `xsd_all` was written.
    pub is_xsd_all: bool,
    /// Annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// What is said about whether a field must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Requiredness {
    /// `required`: always written, and an error if it is absent.
    Required,
    /// `optional`: written if it is set.
    Optional,
    /// Nothing is said: written, but may be absent when read.
    #[default]
    Default,
}

/// A field of a struct, an argument, or an exception in `throws`.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Its id, if one is written.
    pub id: Option<Integer>,
    /// Whether it must be there.
    pub requiredness: Requiredness,
    /// Its type.
    pub ty: TypeRef,
    /// `&`: a hint for languages without recursive types.
    pub is_reference: bool,
    /// Its name, which may be a keyword.
    pub name: Name,
    /// Its default value.
    pub default: Option<ConstValue>,
    /// `xsd_optional`, `xsd_nillable` and `xsd_attrs { … }`, which mean nothing here but are written by
    /// `thrift --gen json`.
    pub xsd: Xsd,
    /// Annotations.
    pub annotations: Vec<Annotation>,
    /// The whole field.
    pub span: Span,
}

/// Words of a long gone XML schema generator.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Xsd {
    /// `xsd_optional`.
    pub is_optional: bool,
    /// `xsd_nillable`.
    pub is_nillable: bool,
    /// `xsd_attrs { … }`.
    pub attributes: Option<Vec<Field>>,
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Its name.
    pub name: Name,
    /// The service whose functions it has too.
    pub extends: Option<Name>,
    /// Its functions, in order.
    pub functions: Vec<Function>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
    /// The whole definition.
    pub span: Span,
}

/// A function of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The documentation comment before it.
    pub doc: Option<String>,
    /// Its name.
    pub name: Name,
    /// `oneway` (or `async`, its old name): nothing comes back.
    pub is_oneway: bool,
    /// What it returns; nothing is `void`.
    pub returns: Option<TypeRef>,
    /// Its arguments.
    pub arguments: Vec<Field>,
    /// What it throws.
    pub throws: Vec<Field>,
    /// Annotations.
    pub annotations: Vec<Annotation>,
    /// The whole function.
    pub span: Span,
}

/// A type where it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeRef {
    /// What it is.
    pub kind: TypeKind,
    /// Annotations, which only base types and containers have.
    pub annotations: Vec<Annotation>,
    /// `cpp_type "…"`.
    pub cpp_type: Option<Literal>,
    /// Where it is.
    pub span: Span,
}

/// Kinds of types.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// A base type.
    Base(BaseType),
    /// A struct, enumeration or typedef, perhaps of another file: `shared.Point`.
    Named(String),
    /// `list<T>`.
    List(Box<TypeRef>),
    /// `set<T>`.
    Set(Box<TypeRef>),
    /// `map<K, V>`.
    Map(Box<TypeRef>, Box<TypeRef>),
}

/// Base types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BaseType {
    /// `bool`.
    Bool,
    /// `i8` or `byte`.
    I8,
    /// `i16`.
    I16,
    /// `i32`.
    I32,
    /// `i64`.
    I64,
    /// `double`.
    Double,
    /// `string`: UTF-8.
    String,
    /// `binary`: bytes.
    Binary,
    /// `uuid`.
    Uuid,
}
