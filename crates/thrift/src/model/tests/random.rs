//! Contracts by chance: most are wrong, many are nearly right, and none may break anything.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::diff;

fn name() -> impl Strategy<Value = String> {
    // Few, so that most names mean something.
    select(vec!["A", "B", "C", "D", "X", "Y"]).prop_map(str::to_owned)
}

fn reference() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => name(),
        1 => name().prop_map(|name| format!("other.{name}")),
        1 => name().prop_map(|name| format!("gone.{name}")),
    ]
}

fn ty() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        2 => select(vec!["bool", "i8", "i16", "i32", "i64", "double", "string", "binary", "uuid"])
            .prop_map(str::to_owned),
        2 => reference(),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|it| format!("list<{it}>")),
            inner.clone().prop_map(|it| format!("set<{it}>")),
            (inner.clone(), inner).prop_map(|(key, value)| format!("map<{key}, {value}>")),
        ]
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "0",
            "1",
            "-1",
            "300",
            "5000000000",
            "0.5",
            "'x'",
            "'A'",
            "true",
            "'00000000-0000-0000-0000-000000000000'",
        ])
        .prop_map(str::to_owned),
        reference(),
        (reference(), name()).prop_map(|(of, name)| format!("{of}.{name}")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|all| format!("[{}]", all.join(", "))),
            vec((inner.clone(), inner), 0..3).prop_map(|all| {
                let all: Vec<_> = all.iter().map(|(key, it)| format!("{key}: {it}")).collect();
                format!("{{{}}}", all.join(", "))
            }),
        ]
    })
}

fn fields() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        6 => (1..6_i32).prop_map(|id| format!("{id}: ")),
        1 => select(vec!["", "0: ", "-3: ", "40000: "]).prop_map(str::to_owned),
    ];
    let need = select(vec!["", "", "optional ", "required "]);
    let default = prop_oneof![
        2 => Just(String::new()),
        1 => value().prop_map(|value| format!(" = {value}")),
    ];
    let note = select(vec![
        "",
        "",
        " (api.key = 'A')",
        " (vt.gt = '1')",
        " (api.none)",
    ]);
    let field =
        (id, need, ty(), name(), default, note).prop_map(|(id, need, ty, name, default, note)| {
            format!("{id}{need}{ty} {name}{default}{note}")
        });
    vec(field, 0..4).prop_map(|all| all.join(", "))
}

fn definition() -> impl Strategy<Value = String> {
    let kind = select(vec!["struct", "struct", "union", "exception"]);
    let function =
        (ty(), name(), fields(), fields(), 0..8).prop_map(|(ty, name, arguments, throws, sort)| {
            match sort {
                0 => format!("oneway void {name}({arguments})"),
                1 => format!("oneway {ty} {name}({arguments}) throws ({throws})"),
                2 => format!("void {name}({arguments}) throws ({throws})"),
                _ => format!("{ty} {name}({arguments})"),
            }
        });
    let number = prop_oneof![
        3 => Just(String::new()),
        1 => (-3..3_i64).prop_map(|it| format!(" = {it}")),
        1 => Just(" = 2147483647".to_owned()),
    ];
    let enum_value = (name(), number).prop_map(|(name, number)| format!("{name}{number}"));
    prop_oneof![
        (ty(), name()).prop_map(|(ty, name)| format!("typedef {ty} {name}")),
        (name(), vec(enum_value, 0..4))
            .prop_map(|(name, all)| format!("enum {name} {{{}}}", all.join(", "))),
        (ty(), name(), value()).prop_map(|(ty, name, it)| format!("const {ty} {name} = {it}")),
        (kind, name(), fields()).prop_map(|(kind, name, all)| format!("{kind} {name} {{{all}}}")),
        (
            name(),
            proptest::option::of(reference()),
            vec(function, 0..3)
        )
            .prop_map(|(name, parent, all)| {
                let parent = parent.map_or_else(String::new, |it| format!(" extends {it}"));
                format!("service {name}{parent} {{{}}}", all.join(", "))
            }),
    ]
}

fn file() -> impl Strategy<Value = String> {
    vec(definition(), 0..6).prop_map(|all| all.join("\n"))
}

/// A file without errors: each name has its place, and everything that it may name is there.
fn sound_file() -> impl Strategy<Value = String> {
    let ty = || {
        let leaf = select(vec![
            "i32", "i64", "string", "binary", "S0", "S1", "S2", "E0", "E1",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(2, 4, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|it| format!("list<{it}>")),
                (inner.clone(), inner).prop_map(|(key, value)| format!("map<{key}, {value}>")),
            ]
        })
    };
    let fields = move || {
        let need = select(vec!["", "optional ", "required "]);
        let field = (any::<bool>(), need, ty(), any::<bool>());
        vec(field, 4).prop_map(|all| {
            let all = all.iter().enumerate().filter(|(_, field)| field.0);
            let all = all.map(|(at, (_, need, ty, is_renamed))| {
                let name = if *is_renamed { "g" } else { "f" };
                format!("{}: {need}{ty} {name}{at}", at + 1)
            });
            all.collect::<Vec<_>>().join(", ")
        })
    };
    let values = vec(any::<bool>(), 4).prop_map(|all| {
        let all = all.iter().enumerate().filter(|(_, is_there)| **is_there);
        let all = all.map(|(at, _)| format!("V{at} = {at}"));
        all.collect::<Vec<_>>().join(", ")
    });
    let method = (0..5, ty(), fields(), any::<bool>()).prop_map(|(sort, ty, arguments, throws)| {
        let throws = if throws { " throws (1: X x)" } else { "" };
        match sort {
            0 => None,
            1 => Some(("oneway void", arguments, "")),
            2 => Some(("void", arguments, throws)),
            _ => Some(("", arguments, throws)),
        }
        .map(move |(void, arguments, throws)| {
            let returns = if void.is_empty() { &*ty } else { void };
            (returns.to_owned(), format!("({arguments}){throws}"))
        })
    });
    let constants = (any::<bool>(), 0..2_i32);
    (vec(fields(), 3), vec(values, 2), vec(method, 3), constants).prop_map(
        |(structs, enums, methods, (has_constant, number))| {
            let mut text = "exception X {}\n".to_owned();
            for (at, fields) in structs.iter().enumerate() {
                text.push_str(&format!("struct S{at} {{{fields}}}\n"));
            }
            for (at, values) in enums.iter().enumerate() {
                text.push_str(&format!("enum E{at} {{{values}}}\n"));
            }
            if has_constant {
                text.push_str(&format!("const i32 C = {number}\n"));
            }
            text.push_str("service V {\n");
            for (at, method) in methods.iter().enumerate() {
                if let Some((returns, rest)) = method {
                    text.push_str(&format!("  {returns} m{at}{rest}\n"));
                }
            }
            text + "}\n"
        },
    )
}

fn load_both(main: &str, other: &str) -> Loaded {
    let head = "include 'other.thrift'\ninclude 'gone.thrift'\nnamespace py main\n";
    let files = BTreeMap::from([
        (
            "main.thrift".to_owned(),
            format!("{head}{main}").into_bytes(),
        ),
        ("other.thrift".to_owned(), other.as_bytes().to_vec()),
    ]);
    load("main.thrift", &files, &[])
}

proptest! {
    #[test]
    fn nothing_breaks(main in file(), other in file()) {
        let loaded = load_both(&main, &other);
        let has_error = loaded
            .diagnostics
            .iter()
            .any(|it| it.severity == crate::idl::Severity::Error);
        prop_assert_eq!(loaded.contract.is_none(), has_error);
        for diagnostic in &loaded.diagnostics {
            let places = diagnostic.others.iter().chain([&diagnostic.primary]);
            for place in places {
                let text = &loaded.sources.file(place.source).text;
                prop_assert!(text.get(place.span.range()).is_some());
            }
        }
        let Some(contract) = loaded.contract else {
            return Ok(());
        };
        for (id, it) in contract.schema.structs() {
            prop_assert_eq!(contract.places.structure(id).parts.len(), it.fields.len());
        }
        for (id, it) in contract.schema.enums() {
            prop_assert_eq!(contract.places.enumeration(id).parts.len(), it.values.len());
        }
        for (id, it) in contract.schema.services() {
            prop_assert_eq!(contract.places.service(id).parts.len(), it.methods.len());
        }
        prop_assert_eq!(diff::diff(&contract, &contract), []);
    }

    #[test]
    fn changes_are_seen_from_both_sides(old in sound_file(), new in sound_file()) {
        let (old, new) = (contract(&old), contract(&new));
        let (forth, back) = (diff::diff(&old, &new), diff::diff(&new, &old));
        let count = |all: &[diff::Change], kind| all.iter().filter(|it| it.kind == kind).count();
        use diff::Kind::{
            ArgumentAdded, ArgumentRemoved, ConstantAdded, ConstantRemoved, EnumValueAdded,
            EnumValueRemoved, ExceptionAdded, ExceptionRemoved, FieldAdded, FieldRemoved,
            MethodAdded, MethodRemoved, OnewayChanged, RequiredArgumentAdded, RequiredFieldAdded,
            ReturnChanged, TypeAdded, TypeChanged, TypeRemoved,
        };
        for (added, removed) in [
            (vec![TypeAdded], TypeRemoved),
            (vec![MethodAdded], MethodRemoved),
            (vec![EnumValueAdded], EnumValueRemoved),
            (vec![ConstantAdded], ConstantRemoved),
            (vec![ExceptionAdded], ExceptionRemoved),
            (vec![FieldAdded, RequiredFieldAdded], FieldRemoved),
            (vec![ArgumentAdded, RequiredArgumentAdded], ArgumentRemoved),
            (vec![OnewayChanged], OnewayChanged),
            (vec![ReturnChanged], ReturnChanged),
            (vec![TypeChanged], TypeChanged),
        ] {
            let sum = |all| added.iter().map(|kind| count(all, *kind)).sum::<usize>();
            prop_assert_eq!(sum(&forth), count(&back, removed));
            prop_assert_eq!(sum(&back), count(&forth, removed));
        }
        let text = diff::render(&forth, &old.sources, &new.sources);
        prop_assert_eq!(text.is_empty(), forth.is_empty());
        let json = diff::to_json(&forth, &old.sources, &new.sources);
        prop_assert_eq!(json["changes"].as_array().unwrap().len(), forth.len());
    }
}
