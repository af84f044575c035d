//! Names of ports and services as identifiers that every compiler and generated code can bear.

use std::collections::BTreeSet;

use crate::{key::ServiceKey, port::Ports};

/// What no identifier is, sorted: the words that the official compiler of Thrift 0.17 reserves, keywords of languages that
/// code is generated for, and names that generated code uses itself.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "BEGIN", "END", "False", "None", "Self", "True", "__CLASS__", "__DIR__", "__FILE__", "__FUNCTION__", "__LINE__",
    "__METHOD__", "__NAMESPACE__", "abstract", "alias", "alignas", "alignof", "and", "args", "as", "asm",
    "assert", "async", "auto", "await", "base", "become", "begin", "binary", "bool", "boolean", "box", "break",
    "byte", "case", "catch", "chan", "char", "class", "clone", "const", "constexpr", "continue", "cpp_include",
    "cpp_type", "crate", "debugger", "declare", "decltype", "def", "default", "defer", "del", "delete", "do",
    "double", "dyn", "dynamic", "elif", "else", "elseif", "elsif", "end", "enddeclare", "endfor", "endforeach",
    "endif", "endswitch", "endwhile", "ensure", "enum", "eval", "event", "except", "exception", "exec", "explicit",
    "export", "extends", "extern", "fallthrough", "false", "final", "finally", "float", "fn", "for", "foreach",
    "friend", "from", "func", "function", "getClass", "global", "go", "goto", "hash", "i16", "i32", "i64", "i8",
    "if", "impl", "implements", "import", "in", "include", "inline", "instanceof", "int", "interface", "internal",
    "is", "lambda", "let", "list", "lock", "long", "loop", "macro", "map", "match", "mod", "module", "move", "mut",
    "mutable", "namespace", "native", "new", "next", "nil", "noexcept", "nonlocal", "not", "null", "nullptr",
    "object", "oneway", "operator", "optional", "or", "out", "override", "package", "params", "pass", "print",
    "priv", "private", "protected", "pub", "public", "raise", "range", "read", "readonly", "redo", "ref",
    "register", "required", "rescue", "retry", "return", "sbyte", "sealed", "select", "self", "senum", "service",
    "set", "short", "signed", "sizeof", "slist", "static", "strictfp", "string", "struct", "super", "switch",
    "synchronized", "template", "then", "this", "throw", "throws", "trait", "transient", "true", "try", "type",
    "typedef", "typeid", "typename", "typeof", "uint", "ulong", "undef", "union", "unless", "unsafe", "unsigned",
    "unsized", "until", "use", "ushort", "using", "uuid", "validate", "var", "virtual", "void", "volatile",
    "wchar_t", "when", "where", "while", "with", "write", "xor", "xsd_all", "xsd_attrs", "xsd_namespace",
    "xsd_nillable", "xsd_optional", "yield",
];

/// Types that derived contracts have besides the service.
const TYPES: [&str; 4] = ["Failed", "File", "Inputs", "Outputs"];

/// The name of each port, in the order of the ports: its key where that will do.
pub(super) fn of_ports(ports: &Ports) -> Vec<String> {
    // Keys that are identifiers keep their names, whatever becomes of the others.
    let mut used: BTreeSet<String> = ports
        .keys()
        .filter(|key| will_do(key))
        .map(str::to_owned)
        .collect();
    let name = |key: &str| {
        if will_do(key) {
            return key.to_owned();
        }
        let mut name = identifier(key);
        let mut count = 1;
        while used.contains(&name) {
            count += 1;
            name = format!("{}_{count}", identifier(key));
        }
        used.insert(name.clone());
        name
    };
    ports.keys().map(name).collect()
}

/// The name of a service: the last part of its key, in the way of types.
pub(super) fn of_service(key: &ServiceKey) -> String {
    let last = key.as_str().rsplit('/').next().unwrap_or_default();
    let mut name = String::with_capacity(last.len());
    for word in last.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "Service");
    }
    if TYPES.contains(&name.as_str()) || is_taken(&name) {
        name.push_str("Service");
    }
    name
}

/// The namespace of a service, so that generated code of two of them can be in one program.
pub(super) fn namespace(key: &ServiceKey) -> String {
    let parts: Vec<String> = key.as_str().split('/').map(identifier).collect();
    parts.join(".")
}

fn will_do(name: &str) -> bool {
    identifier(name) == name
}

fn identifier(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, '_');
    }
    if is_taken(&name) {
        name.push('_');
    }
    name
}

fn is_taken(name: &str) -> bool {
    TAKEN.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_are_taken_are_sorted() {
        assert!(TAKEN.is_sorted());
    }

    #[test]
    fn services_are_named_as_types() {
        for (key, name, namespace) in [
            ("trefoil/echo", "Echo", "trefoil.echo"),
            ("nerve/hh-axon", "HhAxon", "nerve.hh_axon"),
            ("a.b/3d_view", "Service3dView", "a_b._3d_view"),
            ("x/file", "FileService", "x.file"),
            ("x/e-n-d", "ENDService", "x.e_n_d"),
            ("new/class", "Class", "new_.class_"),
        ] {
            let key: ServiceKey = key.parse().unwrap();
            assert_eq!(of_service(&key), name);
            assert_eq!(super::namespace(&key), namespace);
        }
    }
}
