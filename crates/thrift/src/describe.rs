//! What a contract offers, as JSON for programs and for whoever shows it.

use serde_json::{Map, Value as Json, json};

use crate::{
    Limits, Schema, Type, Value,
    json::{JsonOptions, value_to_json},
    model::Contract,
    protocol::{BinaryReader, BinaryWriter},
    schema::{Annotations, Enum, Field, Method, Requiredness, Role, Service, Struct, StructKind},
    value::write_value,
};

/// What a contract offers:
///
/// ```json
/// {
///   "file": "…", "doc": "…", "namespaces": {"py": "…"},
///   "services": [{"name", "doc", "annotations", "extends", "methods": [
///     {"name", "doc", "annotations", "declared_in", "oneway", "arguments": [FIELD], "returns": "i32", "throws": [FIELD]}]}],
///   "types": [{"kind": "struct" or "union" or "exception", "name", "doc", "annotations", "fields": [FIELD]},
///             {"kind": "enum", "name", "doc", "annotations", "values": [{"name", "number", "doc", "annotations"}]}],
///   "typedefs": [{"name", "type", "doc", "annotations"}],
///   "constants": [{"name", "type", "value", "doc"}]
/// }
/// ```
///
/// where `FIELD` is `{"id", "name", "json_name", "type", "requiredness", "default", "doc", "annotations"}`. What is not there
/// is absent: `doc`, `annotations`, `extends`, `json_name` (if it is the name), `default`; and `returns` of a method that
/// returns nothing is `void`. Services are those of the contract's own file, with the methods that they inherit. Types,
/// typedefs and constants are those of all its files. Each value of `annotations` is a list, as a key may come twice.
#[must_use]
pub fn to_json(contract: &Contract) -> Json {
    let schema = &contract.schema;
    let own = schema.services().filter(|(_, service)| service.is_own);
    let services: Vec<Json> = own
        .map(|(_, service)| service_json(schema, service))
        .collect();
    let structs = schema
        .structs()
        .filter_map(|(_, structure)| match structure.role {
            Role::Data(kind) => Some(struct_json(schema, structure, kind)),
            Role::Arguments | Role::Result => None,
        });
    let enums = schema.enums().map(|(_, found)| enum_json(found));
    let types: Vec<Json> = structs.chain(enums).collect();
    let typedefs: Vec<Json> = contract
        .typedefs
        .iter()
        .map(|it| {
            let typedef = json!({ "name": it.name, "type": schema.type_name(it.ty) });
            with_notes(typedef, it.doc.as_deref(), &it.annotations)
        })
        .collect();
    let constants: Vec<Json> = contract
        .constants
        .iter()
        .map(|it| {
            let value = constant_json(schema, it.ty, &it.value);
            let constant =
                json!({ "name": it.name, "type": schema.type_name(it.ty), "value": value });
            with_notes(constant, it.doc.as_deref(), &Annotations::new())
        })
        .collect();
    let namespaces: Map<String, Json> = contract
        .namespaces()
        .map(|(scope, name)| (scope.to_owned(), name.into()))
        .collect();
    let all = json!({
        "file": contract.label,
        "namespaces": namespaces,
        "services": services,
        "types": types,
        "typedefs": typedefs,
        "constants": constants,
    });
    with_notes(all, contract.doc(), &Annotations::new())
}

fn with_notes(mut json: Json, doc: Option<&str>, annotations: &Annotations) -> Json {
    if let Some(doc) = doc {
        json["doc"] = doc.trim_end().into();
    }
    if !annotations.is_empty() {
        json["annotations"] = json!(annotations);
    }
    json
}

fn service_json(schema: &Schema, service: &Service) -> Json {
    let methods: Vec<Json> = service
        .methods
        .iter()
        .map(|method| method_json(schema, method))
        .collect();
    let mut json = json!({ "name": service.name, "methods": methods });
    if let Some(parent) = service.extends {
        json["extends"] = schema.service(parent).name.as_str().into();
    }
    with_notes(json, service.doc.as_deref(), &service.annotations)
}

fn method_json(schema: &Schema, method: &Method) -> Json {
    let result = method.result.map(|id| &schema.structure(id).fields);
    // Field 0 is what it returns.
    let (returned, thrown): (Vec<&Field>, Vec<&Field>) = result
        .into_iter()
        .flatten()
        .partition(|field| field.id == 0);
    let returns = returned
        .first()
        .map_or_else(|| "void".to_owned(), |field| schema.type_name(field.ty));
    let fields = |fields: &mut dyn Iterator<Item = &Field>| -> Vec<Json> {
        fields.map(|field| field_json(schema, field)).collect()
    };
    let json = json!({
        "name": method.name,
        "declared_in": schema.service(method.declared_in).name,
        "oneway": method.is_oneway(),
        "arguments": fields(&mut schema.structure(method.arguments).fields.iter()),
        "returns": returns,
        "throws": fields(&mut thrown.into_iter()),
    });
    with_notes(json, method.doc.as_deref(), &method.annotations)
}

fn struct_json(schema: &Schema, structure: &Struct, kind: StructKind) -> Json {
    let fields: Vec<Json> = structure
        .fields
        .iter()
        .map(|field| field_json(schema, field))
        .collect();
    let kind = match kind {
        StructKind::Struct => "struct",
        StructKind::Union => "union",
        StructKind::Exception => "exception",
    };
    let json = json!({ "kind": kind, "name": structure.name, "fields": fields });
    with_notes(json, structure.doc.as_deref(), &structure.annotations)
}

fn enum_json(found: &Enum) -> Json {
    let values: Vec<Json> = found
        .values
        .iter()
        .map(|value| {
            let json = json!({ "name": value.name, "number": value.number });
            with_notes(json, value.doc.as_deref(), &value.annotations)
        })
        .collect();
    let json = json!({ "kind": "enum", "name": found.name, "values": values });
    with_notes(json, found.doc.as_deref(), &found.annotations)
}

fn field_json(schema: &Schema, field: &Field) -> Json {
    let mut json = json!({
        "id": field.id,
        "name": field.name,
        "type": schema.type_name(field.ty),
        "requiredness": match field.requiredness {
            Requiredness::Required => "required",
            Requiredness::Optional => "optional",
            Requiredness::Default => "default",
        },
    });
    if field.json_name != field.name {
        json["json_name"] = field.json_name.as_str().into();
    }
    if let Some(default) = &field.default {
        json["default"] = constant_json(schema, field.ty, default);
    }
    with_notes(json, field.doc.as_deref(), &field.annotations)
}

/// A value of the contract as calls have it in JSON. Those that JSON has no form for are `null`.
fn constant_json(schema: &Schema, ty: Type, value: &Value) -> Json {
    let mut wire = Vec::new();
    let limits = Limits::default();
    let mut text = Vec::new();
    write_value(schema, ty, value, &mut BinaryWriter::new(&mut wire))
        .and_then(|()| {
            let mut reader = BinaryReader::new(&wire, &limits);
            value_to_json(schema, ty, &mut reader, &JsonOptions::default(), &mut text)
        })
        .ok()
        .and_then(|()| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::load;

    fn described(text: &str) -> Json {
        let shared = "enum Color { RED = 1, GREEN = 2 }".as_bytes().to_vec();
        let files = BTreeMap::from([
            ("c.thrift".to_owned(), text.as_bytes().to_vec()),
            ("shared.thrift".to_owned(), shared),
        ]);
        let loaded = load("c.thrift", &files, &[]);
        to_json(&loaded.contract.expect("the contract is right"))
    }

    #[test]
    fn methods_types_and_notes() {
        let json = described(
            "include \"shared.thrift\"\nnamespace py a.b\n\
             const i64 MANY = 9007199254740993\n\
             typedef list<i32> Numbers\n\
             exception Bad { 1: string message }\n\
             struct P { 1: required double x = 1.5, 2: optional shared.Color c = shared.Color.GREEN (api.key = \"colour\") }\n\
             service Base { void ping() }\n\
             /** Adds. */\nservice S extends Base {\n\
               /** Adds two. */ i32 add(1: i32 a, 2: Numbers b = [1, 2]) throws (1: Bad bad) (api.get = \"/add\"),\n\
               oneway void tell(1: P p)\n} (trefoil.key = \"a/b\")",
        );
        assert_eq!(json["namespaces"], json!({ "py": "a.b" }));
        let service = &json["services"][1];
        assert_eq!(service["name"], "S");
        assert_eq!(service["extends"], "Base");
        assert_eq!(service["doc"], "Adds.");
        assert_eq!(service["annotations"], json!({ "trefoil.key": ["a/b"] }));
        let names: Vec<&Json> = service["methods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|method| &method["name"])
            .collect();
        assert_eq!(names, ["ping", "add", "tell"]);
        assert_eq!(
            service["methods"][1],
            json!({
                "name": "add", "declared_in": "S", "oneway": false, "returns": "i32", "doc": "Adds two.",
                "annotations": { "api.get": ["/add"] },
                "arguments": [
                    { "id": 1, "name": "a", "type": "i32", "requiredness": "default" },
                    { "id": 2, "name": "b", "type": "list<i32>", "requiredness": "default", "default": [1, 2] },
                ],
                "throws": [{ "id": 1, "name": "bad", "type": "Bad", "requiredness": "optional" }],
            })
        );
        assert_eq!(service["methods"][0]["declared_in"], "Base");
        assert_eq!(service["methods"][0]["returns"], "void");
        assert_eq!(service["methods"][2]["oneway"], true);
        let types = json["types"].as_array().unwrap();
        let p = types.iter().find(|it| it["name"] == "P").unwrap();
        assert_eq!(p["kind"], "struct");
        assert_eq!(p["fields"][0]["default"], 1.5);
        assert_eq!(p["fields"][1]["default"], "GREEN");
        assert_eq!(p["fields"][1]["json_name"], "colour");
        let color = types.iter().find(|it| it["name"] == "shared.Color");
        assert_eq!(
            color.unwrap()["values"][1],
            json!({ "name": "GREEN", "number": 2 })
        );
        assert_eq!(
            json["typedefs"],
            json!([{ "name": "Numbers", "type": "list<i32>" }])
        );
        assert_eq!(
            json["constants"],
            json!([{ "name": "MANY", "type": "i64", "value": 9007199254740993_i64 }])
        );
    }
}
