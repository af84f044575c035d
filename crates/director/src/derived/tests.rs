use proptest::prelude::*;
use serde_json::json;
use trefoil_thrift::schema::Requiredness;

use super::*;
use crate::port::PortKind;
use crate::schema::ContentSchema;
use crate::testing::{SLEEPER, service, service_with};

fn text_of(service: &Service) -> &str {
    let contract = service.contract.as_ref().expect("a derived contract");
    assert!(contract.is_derived());
    contract.text()
}

/// The line of the field of the one port `a-port`, without its number.
#[track_caller]
fn check(port: &str, expected: &str) {
    let service = service_with("x/y:1.0.0", &format!("{{a-port: {port}}}"), "{}");
    assert_eq!(service.warnings, [], "{}", text_of(&service));
    let line = text_of(&service)
        .lines()
        .find(|line| line.contains(" a_port"))
        .unwrap();
    let (number, line) = line.trim().split_once(": ").unwrap();
    assert!(number.parse::<u16>().unwrap() >= HASHED);
    assert_eq!(line, expected);
}

#[test]
fn kinds_of_ports_are_types() {
    check(
        "{type: number}",
        "required double a_port (api.key = \"a-port\")",
    );
    check(
        "{type: number, defaultValue: 2}",
        "optional double a_port = 2.0 (api.key = \"a-port\")",
    );
    check(
        "{type: number, defaultValue: 1e300}",
        "optional double a_port = 1e+300 (api.key = \"a-port\")",
    );
    check(
        "{type: integer, unit: mV}",
        "required i64 a_port (api.key = \"a-port\", trefoil.unit = \"mV\")",
    );
    check(
        "{type: integer, defaultValue: -7}",
        "optional i64 a_port = -7 (api.key = \"a-port\")",
    );
    // Larger than any i64, so it cannot be written down; the platform knows it.
    check(
        "{type: integer, defaultValue: 18446744073709551615}",
        "optional i64 a_port (api.key = \"a-port\")",
    );
    check(
        "{type: boolean, defaultValue: true}",
        "optional bool a_port = true (api.key = \"a-port\")",
    );
    check(
        "{type: string}",
        "required string a_port (api.key = \"a-port\")",
    );
    check(
        "{type: string, defaultValue: null}",
        "optional string a_port (api.key = \"a-port\")",
    );
    check(
        r#"{type: string, label: 'A "port"', defaultValue: "a\\b\n\"ä'"}"#,
        r#"optional string a_port = "a\\b\n\"ä'" (api.key = "a-port", trefoil.label = "A \"port\"")"#,
    );
    check(
        r#"{type: string, defaultValue: "\0"}"#,
        "optional string a_port (api.key = \"a-port\")",
    );
    check(
        "{type: 'data:[text/csv,image/*]'}",
        "required File a_port (api.key = \"a-port\", trefoil.type = \"data:[text/csv,image/*]\")",
    );
}

#[test]
fn content_schemas_are_types_where_thrift_has_one_and_json_text_elsewhere() {
    let check = |schema: &str, expected: &str| {
        check(
            &format!("{{type: ref_contentSchema, contentSchema: {schema}}}"),
            expected,
        );
    };
    check(
        "{type: number, minimum: 0}",
        "required double a_port (api.key = \"a-port\")",
    );
    check(
        "{type: integer}",
        "required i64 a_port (api.key = \"a-port\")",
    );
    check(
        "{type: boolean}",
        "required bool a_port (api.key = \"a-port\")",
    );
    check(
        "{type: string, enum: [a, b]}",
        "required string a_port (api.key = \"a-port\")",
    );
    check(
        "{type: array, items: {type: array, items: {type: number}}}",
        "required list<list<double>> a_port (api.key = \"a-port\")",
    );
    for schema in [
        "{}",
        "{type: [number, 'null']}",
        "{type: object, properties: {x: {type: number}}}",
        "{type: array}",
        "{type: array, items: {type: object}}",
        "{type: array, prefixItems: [{type: string}], items: {type: number}}",
    ] {
        check(
            schema,
            "required string a_port (api.key = \"a-port\", trefoil.json = \"true\")",
        );
    }
}

#[test]
fn defaults_of_content_schemas() {
    check(
        "{type: ref_contentSchema, contentSchema: {type: array, items: {type: number}}, defaultValue: [1, 2.5]}",
        "optional list<double> a_port = [1.0, 2.5] (api.key = \"a-port\")",
    );
    check(
        r#"{type: ref_contentSchema, contentSchema: {}, defaultValue: {a: ["ä\0", 1]}}"#,
        r#"optional string a_port = "{\"a\":[\"ä\\u0000\",1]}" (api.key = "a-port", trefoil.json = "true")"#,
    );
}

#[test]
fn the_contract_of_the_sleeper() {
    let service = service(SLEEPER);
    let expected = include_str!("../../tests/data/sleeper.thrift");
    assert_eq!(text_of(&service), expected);
    let contract = service.contract.as_ref().unwrap();
    let run = contract.method(contract.find(RUN_METHOD).unwrap());
    let schema = contract.schema();
    assert_eq!(schema.structure(run.arguments).fields.len(), 1);
    let trefoil_thrift::Type::Struct(inputs) = schema.structure(run.arguments).fields[0].ty else {
        panic!("the argument of `run` is a struct");
    };
    let inputs = schema.structure(inputs);
    let names: Vec<&str> = inputs
        .fields
        .iter()
        .map(|field| &*field.json_name)
        .collect();
    let keys: Vec<&str> = service.metadata.inputs.keys().collect();
    assert_eq!(names, keys);
    assert_eq!(
        inputs.fields[1].default,
        Some(trefoil_thrift::Value::I64(2))
    );
    assert_eq!(inputs.fields[4].requiredness, Requiredness::Required);
    assert!(contract.find(SUBMIT_METHOD).is_ok() && contract.find(RESULT_METHOD).is_ok());
}

#[test]
fn hostile_words_stay_words() {
    let evil = r#""*/ struct X {} /* \0 \u2028 \\\" \r\n**/""#;
    let metadata = format!(
        "key: x/file\nversion: 1.0.0\ntype: computational\nname: {evil}\ndescription: {evil}\ninputs:\n  class: {{type: string, label: {evil}, description: {evil}, unit: {evil}, defaultValue: {evil}}}\n  class_: {{type: string}}\n  a-b: {{type: string}}\n  a_b: {{type: string}}\n  list: {{type: string, description: '*'}}\n"
    );
    let service = service(&metadata);
    assert_eq!(service.warnings, []);
    let contract = service.contract.as_ref().unwrap();
    let (_, thrift) = contract.services().next().unwrap();
    assert_eq!(thrift.name, "FileService");
    let inputs = contract
        .schema()
        .structs()
        .find(|(_, found)| found.name == "Inputs")
        .unwrap()
        .1;
    let names: Vec<(&str, &str)> = inputs
        .fields
        .iter()
        .map(|field| (&*field.name, &*field.json_name))
        .collect();
    for pair in [
        ("class__2", "class"),
        ("class_", "class_"),
        ("a_b_2", "a-b"),
        ("a_b", "a_b"),
        ("list_", "list"),
    ] {
        assert!(names.contains(&pair), "{pair:?} in {names:?}");
    }
    assert!(
        contract
            .schema()
            .structs()
            .all(|(_, found)| found.name != "X")
    );
}

#[test]
fn another_port_does_not_renumber_the_others() {
    let numbers_of = |ports: &str| -> Vec<(String, u16)> {
        let service = service_with("x/y:1.0.0", ports, "{}");
        let inputs = &service.metadata.inputs;
        inputs
            .keys()
            .map(str::to_owned)
            .zip(numbers(inputs))
            .collect()
    };
    let before =
        numbers_of("{v: {type: number}, input_2: {type: number}, input_02: {type: number}}");
    let after = numbers_of(
        "{a: {type: number, displayOrder: 1}, input_02: {type: number}, v: {type: number, displayOrder: 0}, input_2: {type: number}}",
    );
    assert!(
        before.iter().all(|known| after.contains(known)),
        "{before:?} {after:?}"
    );
    assert!(before.contains(&("input_2".to_owned(), 2)));
    let ids: BTreeSet<u16> = after.iter().map(|(_, number)| *number).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn many_ports_have_numbers_of_their_own() {
    let ports: Vec<String> = (0..500)
        .map(|at| format!("p{at}: {{type: number}}"))
        .collect();
    let service = service_with("x/y:1.0.0", &format!("{{{}}}", ports.join(", ")), "{}");
    let numbers = numbers(&service.metadata.inputs);
    let unique: BTreeSet<&u16> = numbers.iter().collect();
    assert_eq!(unique.len(), 500);
    assert!(
        numbers
            .iter()
            .all(|number| (HASHED..=FIELD_MAX).contains(number))
    );
    assert!(service.contract.is_some());
}

#[test]
fn json_text_goes_in_and_out() {
    let any = "{type: ref_contentSchema, contentSchema: {}}";
    let ports = format!("{{any: {any}, other: {any}, text: {{type: string}}}}");
    let service = service_with("x/y:1.0.0", &ports, &ports);
    let object = |value: Value| value.as_object().unwrap().clone();
    let inputs =
        derived_inputs(&service, object(json!({"any": "[1, {}]", "text": "[1]"}))).unwrap();
    assert_eq!(
        Value::Object(inputs),
        json!({"any": [1, {}], "text": "[1]"})
    );
    let violations =
        derived_inputs(&service, object(json!({"any": "[1", "other": ""}))).unwrap_err();
    let pointers: Vec<&str> = violations
        .iter()
        .map(|violation| &*violation.pointer)
        .collect();
    assert_eq!(pointers, ["/any", "/other"]);
    let outputs = derived_outputs(&service, r#"{"any":null,"other":{"a":1},"text":"x"}"#).unwrap();
    let outputs: Value = serde_json::from_str(&outputs).unwrap();
    assert_eq!(
        outputs,
        json!({"any": "null", "other": "{\"a\":1}", "text": "x"})
    );
    let plain = service_with("x/y:1.0.0", "{}", "{x: {type: integer}}");
    // As it is: no number becomes another on the way.
    assert_eq!(
        derived_outputs(&plain, r#"{"x":18446744073709551616}"#).unwrap(),
        r#"{"x":18446744073709551616}"#
    );
}

#[test]
fn only_computational_services_without_a_contract_have_a_derived_one() {
    for (kind, expected) in [
        ("computational", true),
        ("dynamic", false),
        ("backend", false),
    ] {
        let metadata = format!("key: x/y\nversion: 1.0.0\ntype: {kind}\nname: n\ndescription: d\n");
        assert_eq!(service(&metadata).contract.is_some(), expected, "{kind}");
    }
}

fn any_port() -> impl Strategy<Value = Port> {
    let words = || prop_oneof![any::<String>(), "[*/ \\n\\\\\"']{0,8}"];
    let kind = prop_oneof![
        any::<f64>().prop_map(|value| (PortKind::Number, json!(value))),
        any::<i64>().prop_map(|value| (PortKind::Integer, json!(value))),
        any::<u64>().prop_map(|value| (PortKind::Integer, json!(value))),
        any::<bool>().prop_map(|value| (PortKind::Boolean, json!(value))),
        words().prop_map(|value| (PortKind::String, json!(value))),
        (words(), any::<f64>()).prop_map(|(text, number)| {
            let any = ContentSchema::compile(json!({})).unwrap();
            (PortKind::Schema(any), json!({ text: [number, null] }))
        }),
    ];
    let about = (words(), words(), proptest::option::of(words()));
    ("[A-Za-z][A-Za-z0-9_-]{0,6}", about, kind, any::<bool>()).prop_map(
        |(key, (label, description, unit), (kind, default), required)| Port {
            key,
            label,
            description,
            kind,
            unit,
            default: (!required).then_some(default),
            extra_schema: None,
            file_to_key_map: std::collections::BTreeMap::new(),
            display_order: None,
            required,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_ports_make_a_contract_that_says_the_same(
        ports in proptest::collection::vec(any_port(), 0..12),
        words in any::<String>(),
    ) {
        let mut metadata = service_with("x/y:1.0.0", "{}", "{}").metadata;
        let ports: std::collections::BTreeMap<String, Port> =
            ports.into_iter().map(|port| (port.key.clone(), port)).collect();
        metadata.inputs = Ports::new(ports.into_values().collect());
        metadata.name.clone_from(&words);
        metadata.description = words;
        let contract = derive(&metadata);
        prop_assert!(contract.is_ok(), "{:?}\n{}", contract.err(), contract_text(&metadata));
        let contract = contract.unwrap();
        let schema = contract.schema();
        let inputs = schema.structs().find(|(_, found)| found.name == "Inputs").unwrap().1;
        prop_assert_eq!(inputs.fields.len(), metadata.inputs.len());
        for port in &metadata.inputs {
            let field = inputs.index_of_json_name(port.key.as_bytes(), 0).map(|at| &inputs.fields[at]);
            let default = field.unwrap().default.clone();
            let form = Form::of(&port.kind);
            let expected = port.default.as_ref().filter(|default| form.constant(default).is_some());
            let expected = expected.map(|default| match form {
                Form::Double => trefoil_thrift::Value::Double(default.as_f64().unwrap()),
                Form::I64 => trefoil_thrift::Value::I64(default.as_i64().unwrap()),
                Form::Bool => trefoil_thrift::Value::Bool(default.as_bool().unwrap()),
                Form::Text => trefoil_thrift::Value::String(default.as_str().unwrap().to_owned()),
                Form::File | Form::List(_) | Form::Json => trefoil_thrift::Value::String(default.to_string()),
            });
            prop_assert_eq!(default, expected);
        }
    }
}
