//! A tree as text, always in the same way: one definition a line, everything optional only where it is there.

use std::fmt::Write as _;

use super::super::ast::{
    Annotation, BaseType, ConstKind, ConstValue, Definition, Document, Field, Function, Header,
    Requiredness, StructKind, TypeKind, TypeRef,
};

pub(super) fn document(document: &Document) -> String {
    let headers = document.headers.iter().map(header);
    headers
        .chain(document.definitions.iter().map(definition))
        .collect::<Vec<_>>()
        .join("\n")
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push(character),
        }
    }
    out + "\""
}

fn header(header: &Header) -> String {
    match header {
        Header::Include(path) => format!("include {}", quoted(&path.text)),
        Header::CppInclude(path) => format!("cpp_include {}", quoted(&path.text)),
        Header::Namespace {
            scope,
            name,
            annotations: notes,
        } => format!(
            "namespace {} {}{}",
            scope.text,
            name.text,
            annotations(notes)
        ),
    }
}

fn annotations(annotations: &[Annotation]) -> String {
    if annotations.is_empty() {
        return String::new();
    }
    let all: Vec<_> = annotations
        .iter()
        .map(|annotation| match &annotation.value {
            Some(value) => format!("{} = {}", annotation.key.text, quoted(&value.text)),
            None => annotation.key.text.clone(),
        })
        .collect();
    format!(" ({})", all.join(", "))
}

pub(super) fn type_ref(ty: &TypeRef) -> String {
    let cpp_type = ty.cpp_type.as_ref().map_or(String::new(), |name| {
        format!(" cpp_type {} ", quoted(&name.text))
    });
    let text = match &ty.kind {
        TypeKind::Base(base) => match base {
            BaseType::Bool => "bool",
            BaseType::I8 => "i8",
            BaseType::I16 => "i16",
            BaseType::I32 => "i32",
            BaseType::I64 => "i64",
            BaseType::Double => "double",
            BaseType::String => "string",
            BaseType::Binary => "binary",
            BaseType::Uuid => "uuid",
        }
        .to_owned(),
        TypeKind::Named(name) => name.clone(),
        TypeKind::List(element) => format!("list{cpp_type}<{}>", type_ref(element)),
        TypeKind::Set(element) => format!("set{cpp_type}<{}>", type_ref(element)),
        TypeKind::Map(key, value) => {
            format!("map{cpp_type}<{}, {}>", type_ref(key), type_ref(value))
        }
    };
    text + &annotations(&ty.annotations)
}

fn value(constant: &ConstValue) -> String {
    match &constant.kind {
        ConstKind::Integer(number) => number.to_string(),
        ConstKind::Double(number) => format!("{number:?}"),
        ConstKind::String(text) => quoted(text),
        ConstKind::Name(name) => name.clone(),
        ConstKind::List(items) => format!(
            "[{}]",
            items.iter().map(value).collect::<Vec<_>>().join(", ")
        ),
        ConstKind::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, entry)| format!("{}: {}", value(key), value(entry)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn fields(fields: &[Field]) -> String {
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn field(field: &Field) -> String {
    let mut text = String::new();
    if let Some(id) = field.id {
        let _ = write!(text, "{}: ", id.value);
    }
    text += match field.requiredness {
        Requiredness::Required => "required ",
        Requiredness::Optional => "optional ",
        Requiredness::Default => "",
    };
    text += &type_ref(&field.ty);
    text += if field.is_reference { " & " } else { " " };
    text += &field.name.text;
    if let Some(default) = &field.default {
        let _ = write!(text, " = {}", value(default));
    }
    if field.xsd.is_optional {
        text += " xsd_optional";
    }
    if field.xsd.is_nillable {
        text += " xsd_nillable";
    }
    if let Some(attributes) = &field.xsd.attributes {
        let _ = write!(text, " xsd_attrs {{ {} }}", fields(attributes));
    }
    text + &annotations(&field.annotations)
}

fn function(function: &Function) -> String {
    let oneway = if function.is_oneway { "oneway " } else { "" };
    let returns = function
        .returns
        .as_ref()
        .map_or("void".to_owned(), type_ref);
    let throws = match function.throws.as_slice() {
        [] => String::new(),
        throws => format!(" throws ({})", fields(throws)),
    };
    format!(
        "{oneway}{returns} {}({}){throws}{}",
        function.name.text,
        fields(&function.arguments),
        annotations(&function.annotations)
    )
}

fn braces(items: &[String]) -> String {
    if items.is_empty() {
        "{}".into()
    } else {
        format!("{{ {} }}", items.join(", "))
    }
}

fn definition(definition: &Definition) -> String {
    match definition {
        Definition::Typedef(it) => {
            format!(
                "typedef {} {}{}",
                type_ref(&it.target),
                it.name.text,
                annotations(&it.annotations)
            )
        }
        Definition::Const(it) => format!(
            "const {} {} = {}",
            type_ref(&it.ty),
            it.name.text,
            value(&it.value)
        ),
        Definition::Enum(it) => {
            let values: Vec<_> = it
                .values
                .iter()
                .map(|value| {
                    let number = value
                        .number
                        .map_or(String::new(), |number| format!(" = {}", number.value));
                    format!(
                        "{}{number}{}",
                        value.name.text,
                        annotations(&value.annotations)
                    )
                })
                .collect();
            format!(
                "enum {} {}{}",
                it.name.text,
                braces(&values),
                annotations(&it.annotations)
            )
        }
        Definition::Struct(it) => {
            let kind = match it.kind {
                StructKind::Struct => "struct",
                StructKind::Union => "union",
                StructKind::Exception => "exception",
            };
            let all = if it.is_xsd_all { " xsd_all" } else { "" };
            let fields: Vec<_> = it.fields.iter().map(field).collect();
            format!(
                "{kind} {}{all} {}{}",
                it.name.text,
                braces(&fields),
                annotations(&it.annotations)
            )
        }
        Definition::Service(it) => {
            let extends = it
                .extends
                .as_ref()
                .map_or(String::new(), |name| format!(" extends {}", name.text));
            let functions: Vec<_> = it.functions.iter().map(function).collect();
            format!(
                "service {}{extends} {}{}",
                it.name.text,
                braces(&functions),
                annotations(&it.annotations)
            )
        }
    }
}
