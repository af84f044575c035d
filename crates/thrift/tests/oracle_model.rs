//! The official compiler as the oracle: what contracts mean, and which are refused. Version 0.17 is the one of Debian 12;
//! without a compiler there is nothing to compare with, and the tests say so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Map, Value as Json, json};
use trefoil_thrift::{
    Schema, Type, Value,
    idl::render,
    model::{Contract, File, Files, Loaded, load},
    schema::{Requiredness, Role, Service, StructId, StructKind},
};

/// A directory on disk.
struct Directory(PathBuf);

impl Files for Directory {
    fn read(&self, label: &str) -> Result<Option<Vec<u8>>, String> {
        match fs::read(self.0.join(label)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn has_compiler() -> bool {
    let has_one = Command::new("thrift").arg("-version").output().is_ok();
    if !has_one {
        eprintln!("there is no thrift compiler to compare with");
    }
    has_one
}

/// An empty directory for a test.
fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-model-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Runs the compiler, which writes a file for each program.
fn compile(file: &Path, out: &Path) -> Output {
    Command::new("thrift")
        .args(["-r", "-nowarn", "--gen", "json", "-out"])
        .args([out, file])
        .output()
        .unwrap()
}

fn shown(loaded: &Loaded) -> String {
    render(&loaded.sources, &loaded.diagnostics, false)
}

#[test]
fn contracts_mean_what_the_compiler_says() {
    if !has_compiler() {
        return;
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model");
    let out = scratch("meaning");
    let mut compared = 0;
    for root in ["everything.thrift", "shared.thrift", "more/deep.thrift"] {
        let output = compile(&corpus.join(root), &out);
        assert!(output.status.success(), "{root}: {output:?}");
        let loaded = load(root, &Directory(corpus.clone()), &[]);
        let shown = shown(&loaded);
        let contract = loaded.contract.unwrap_or_else(|| panic!("{shown}"));
        for file in &contract.files {
            let text = fs::read(out.join(format!("{}.json", file.name))).unwrap();
            let theirs: Json = serde_json::from_slice(&text).unwrap();
            Comparison::new(&contract, file).file(&theirs);
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}

/// One file of a contract beside what the compiler says of it.
struct Comparison<'c> {
    contract: &'c Contract,
    schema: &'c Schema,
    file: &'c File,
}

impl<'c> Comparison<'c> {
    fn new(contract: &'c Contract, file: &'c File) -> Self {
        Self {
            contract,
            schema: &contract.schema,
            file,
        }
    }

    /// The name that something has in the file, if it is of it.
    fn own_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        let name = name.strip_prefix(&self.file.prefix)?;
        (!name.contains('.')).then_some(name)
    }

    /// How the compiler calls something: with the other file's name in front.
    fn class<'n>(&self, name: &'n str) -> &'n str {
        self.own_name(name).unwrap_or(name)
    }

    fn file(&self, theirs: &Json) {
        let namespaces: Map<String, Json> = self
            .file
            .namespaces()
            .map(|(scope, name)| (scope.to_owned(), json!(name)))
            .collect();
        assert_eq!(theirs["namespaces"], Json::Object(namespaces));
        self.enums(&theirs["enums"]);
        self.typedefs(&theirs["typedefs"]);
        self.structs(&theirs["structs"]);
        self.constants(&theirs["constants"]);
        self.services(&theirs["services"]);
    }

    fn enums(&self, theirs: &Json) {
        let enums = self.schema.enums();
        let ours: Vec<Json> = enums
            .filter_map(|(_, it)| {
                let members = it.values.iter();
                let members: BTreeMap<_, _> =
                    members.map(|value| (&value.name, value.number)).collect();
                Some(json!([self.own_name(&it.name)?, members]))
            })
            .collect();
        let theirs: Vec<Json> = list(theirs)
            .iter()
            .map(|it| {
                let members = list(&it["members"]).iter();
                let members: BTreeMap<_, _> = members
                    .map(|value| (value["name"].as_str().unwrap(), value["value"].clone()))
                    .collect();
                json!([it["name"], members])
            })
            .collect();
        assert_eq!(ours, theirs);
    }

    fn typedefs(&self, theirs: &Json) {
        let typedefs = self.contract.typedefs.iter();
        let ours: Vec<Json> = typedefs
            .filter_map(|it| {
                let mut json = self.spec(it.ty);
                json["name"] = json!(self.own_name(&it.name)?);
                Some(json)
            })
            .collect();
        let theirs: Vec<Json> = list(theirs)
            .iter()
            .map(|it| keep(it, &["name", "typeId", "type"]))
            .collect();
        assert_eq!(ours, theirs);
    }

    fn structs(&self, theirs: &Json) {
        let mut theirs = list(theirs).iter();
        for (id, structure) in self.schema.structs() {
            let (Role::Data(kind), Some(name)) = (structure.role, self.own_name(&structure.name))
            else {
                continue;
            };
            let other = theirs.next().unwrap();
            assert_eq!(other["name"], name);
            assert_eq!(other["isUnion"], kind == StructKind::Union);
            assert_eq!(other["isException"], kind == StructKind::Exception);
            self.fields(id, &other["fields"]);
        }
        assert_eq!(theirs.next(), None);
    }

    /// All fields but what a method returns.
    fn fields(&self, id: StructId, theirs: &Json) {
        let mut theirs: Vec<&Json> = list(theirs).iter().collect();
        theirs.sort_by_key(|it| it["key"].as_i64());
        let structure = self.schema.structure(id);
        let fields = structure.fields.iter().filter(|field| field.id != 0);
        assert_eq!(fields.clone().count(), theirs.len(), "{}", structure.name);
        for (field, other) in fields.zip(theirs) {
            let mut ours = self.spec(field.ty);
            ours["key"] = json!(field.id);
            ours["name"] = json!(field.name);
            ours["required"] = json!(match field.requiredness {
                // Of a result one field is set.
                _ if structure.role == Role::Result => "req_out",
                Requiredness::Required => "required",
                Requiredness::Optional => "optional",
                Requiredness::Default => "req_out",
            });
            let keys = ["key", "name", "required", "typeId", "type"];
            assert_eq!(ours, keep(other, &keys), "{}", structure.name);
            match (&field.default, other.get("default")) {
                (Some(ours), Some(theirs)) => self.value(field.ty, ours, theirs),
                (None, None) => {}
                different => panic!("{}.{}: {different:?}", structure.name, field.name),
            }
        }
    }

    fn constants(&self, theirs: &Json) {
        let mut theirs = list(theirs).iter();
        for constant in &self.contract.constants {
            if let Some(name) = self.own_name(&constant.name) {
                let other = theirs.next().unwrap();
                let mut ours = self.spec(constant.ty);
                ours["name"] = json!(name);
                assert_eq!(ours, keep(other, &["name", "typeId", "type"]));
                self.value(constant.ty, &constant.value, &other["value"]);
            }
        }
        assert_eq!(theirs.next(), None);
    }

    fn services(&self, theirs: &Json) {
        let mut theirs = list(theirs).iter();
        for (id, service) in self.schema.services() {
            let Some(name) = self.own_name(&service.name) else {
                continue;
            };
            let other = theirs.next().unwrap();
            assert_eq!(other["name"], name);
            let parent = service.extends.map(|id| self.schema.service(id));
            let parent = parent.map(|parent: &Service| self.class(&parent.name));
            assert_eq!(other.get("extends").and_then(Json::as_str), parent);
            let mut functions = list(&other["functions"]).iter();
            for method in service.methods.iter().filter(|it| it.declared_in == id) {
                let function = functions.next().unwrap();
                assert_eq!(function["name"], method.name);
                assert_eq!(function["oneway"], method.is_oneway());
                self.fields(method.arguments, &function["arguments"]);
                let mut returns = Json::Null;
                if let Some(result) = method.result {
                    self.fields(result, &function["exceptions"]);
                    let result = self.schema.structure(result);
                    if let Some(success) = result.index_of_id(0) {
                        returns = self.spec(result.fields[success].ty);
                    }
                }
                let their_returns = match &function["returnTypeId"] {
                    Json::String(void) if void == "void" => Json::Null,
                    id => {
                        let mut spec = json!({ "typeId": id });
                        if let Some(ty) = function.get("returnType") {
                            spec["type"] = ty.clone();
                        }
                        keep(&spec, &["typeId", "type"])
                    }
                };
                assert_eq!(returns, their_returns, "{name}.{}", method.name);
            }
            assert_eq!(functions.next(), None);
        }
        assert_eq!(theirs.next(), None);
    }

    /// A type as the compiler writes it: `typeId`, and `type` if there is more to say.
    fn spec(&self, ty: Type) -> Json {
        let id = self.type_id(ty);
        let detail = match ty {
            Type::Struct(structure) => {
                let name = &self.schema.structure(structure).name;
                json!({ "typeId": id, "class": self.class(name) })
            }
            Type::List(element) | Type::Set(element) => {
                let element = self.spec(self.schema.element(element));
                let mut json = json!({ "typeId": id, "elemTypeId": element["typeId"] });
                if let Some(detail) = element.get("type") {
                    json["elemType"] = detail.clone();
                }
                json
            }
            Type::Map(map) => {
                let (key, value) = self.schema.map(map);
                let (key, value) = (self.spec(key), self.spec(value));
                let mut json = json!({
                    "typeId": id, "keyTypeId": key["typeId"], "valueTypeId": value["typeId"],
                });
                for (name, spec) in [("keyType", key), ("valueType", value)] {
                    if let Some(detail) = spec.get("type") {
                        json[name] = detail.clone();
                    }
                }
                json
            }
            _ => return json!({ "typeId": id }),
        };
        json!({ "typeId": id, "type": detail })
    }

    fn type_id(&self, ty: Type) -> &'static str {
        match ty {
            Type::Bool => "bool",
            Type::I8 => "i8",
            Type::I16 => "i16",
            // Version 0.17 writes enumerations so.
            Type::I32 | Type::Enum(_) => "i32",
            Type::I64 => "i64",
            Type::Double => "double",
            Type::String => "string",
            Type::Binary => "binary",
            Type::Uuid => "uuid",
            Type::List(_) => "list",
            Type::Set(_) => "set",
            Type::Map(_) => "map",
            Type::Struct(id) => match self.schema.structure(id).role {
                Role::Data(StructKind::Union) => "union",
                Role::Data(StructKind::Exception) => "exception",
                Role::Data(StructKind::Struct) | Role::Arguments | Role::Result => "struct",
            },
        }
    }

    fn value(&self, ty: Type, ours: &Value, theirs: &Json) {
        match (ty, ours) {
            (Type::Struct(id), Value::Struct(fields)) => {
                let structure = self.schema.structure(id);
                let fields: BTreeMap<&str, (Type, &Value)> = fields
                    .iter()
                    .map(|(id, value)| {
                        let field = &structure.fields[structure.index_of_id(*id).unwrap()];
                        (&*field.name, (field.ty, value))
                    })
                    .collect();
                // Ours has the defaults of the other fields as well.
                for (name, theirs) in theirs.as_object().unwrap() {
                    let (ty, value) = fields[name.as_str()];
                    self.value(ty, value, theirs);
                }
            }
            (Type::List(id), Value::List(values)) | (Type::Set(id), Value::Set(values)) => {
                let theirs = list(theirs);
                assert_eq!(values.len(), theirs.len());
                for (value, theirs) in values.iter().zip(theirs) {
                    self.value(self.schema.element(id), value, theirs);
                }
            }
            (Type::Map(id), Value::Map(entries)) => {
                let theirs = theirs.as_object().unwrap();
                assert_eq!(entries.len(), theirs.len());
                for (key, value) in entries {
                    let key = match key {
                        Value::String(text) => text.clone(),
                        Value::I32(number) => number.to_string(),
                        other => panic!("{other:?}"),
                    };
                    self.value(self.schema.map(id).1, value, &theirs[&key]);
                }
            }
            (_, Value::Bool(value)) => assert_eq!(json!(u8::from(*value)), *theirs),
            (_, Value::I8(value)) => assert_eq!(json!(value), *theirs),
            (_, Value::I16(value)) => assert_eq!(json!(value), *theirs),
            (_, Value::I32(value)) => assert_eq!(json!(value), *theirs),
            (_, Value::I64(value)) => assert_eq!(json!(value), *theirs),
            (_, Value::Double(value)) => {
                // It writes 15 digits.
                let theirs = theirs.as_f64().unwrap();
                assert!(
                    (value - theirs).abs() <= value.abs() * 1e-14,
                    "{value} {theirs}"
                );
            }
            (_, Value::String(text)) => assert_eq!(theirs, text),
            (_, Value::Binary(bytes)) => {
                assert_eq!(theirs.as_str().unwrap().as_bytes(), bytes);
            }
            different => panic!("{different:?}"),
        }
    }
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

/// Some keys of an object, and all keys of types within it but annotations.
fn keep(json: &Json, keys: &[&str]) -> Json {
    let object = json.as_object().unwrap().iter();
    let kept = object.filter(|(key, _)| keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), without_annotations(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn without_annotations(json: &Json) -> Json {
    match json {
        Json::Object(object) => object
            .iter()
            .filter(|(key, _)| *key != "annotations")
            .map(|(key, value)| (key.clone(), without_annotations(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// Whether both accept something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Both,
    Neither,
    /// The compiler takes what has no meaning, or what version 0.17 did not know to be wrong.
    OnlyTheirs,
    /// The compiler could know what is meant.
    OnlyOurs,
}

const CASES: &[(Verdict, &str)] = {
    use Verdict::{Both, Neither, OnlyOurs, OnlyTheirs};
    &[
        // Enumerations.
        (Both, "enum C {A,B} struct S {1: C c = C.B}"),
        (Both, "enum C {A,B} enum D {X} struct S {1: C c = D.B}"),
        (Both, "enum C {A,B} const C c = 1"),
        (Both, "enum C {A,B} typedef C D const D c = B"),
        (Both, "enum C {A,B} typedef C D const D c = D.B"),
        (Both, "enum C {A,B} typedef C D const list<D> c = [B]"),
        (Both, "enum C {A,B} const double x = C.B"),
        (Both, "enum A {X=1, Y=1}"),
        (Both, "enum A {X=-5, Y}"),
        (Neither, "enum C {A,B} const C c = 7"),
        (Neither, "enum A {X, X}"),
        (Neither, "enum A {X=2147483648}"),
        (Neither, "enum A {X=2147483647, Y}"),
        (OnlyOurs, "enum C {A,B} struct S {1: C c = A}"),
        (OnlyOurs, "enum C {A,B} const C c = C.B const C d = c"),
        // Constants.
        (Both, "const bool x = 2"),
        (Both, "const double x = 2"),
        (Both, "const i32 a = 3 const double x = a"),
        (Both, "const list<i32> x = {}"),
        (Both, "const map<i32, i32> x = []"),
        (Both, "const map<i32, i32> x = {1: 2, 1: 3}"),
        (Both, "const set<i32> x = [1, 1]"),
        (Both, "struct P {1: i32 x} const P a = {'x': 2, 'x': 3}"),
        (Both, "union U {1: i32 x} const U a = {}"),
        (Both, "exception U {1: i32 x} const U a = {'x': 1}"),
        (Both, "const string a = 'x' const binary b = a"),
        (Neither, "const i32 x = 2.5"),
        (Neither, "const double a = 3.5 const i32 x = a"),
        (Neither, "const i32 a = 1 const i32 a = 2"),
        (Neither, "struct P {1: i32 x} const P a = []"),
        (Neither, "struct P {1: i32 x} const P a = {1: 2}"),
        (
            Neither,
            "struct P {1: i32 x} typedef P T const T a = {'y': 1}",
        ),
        (Neither, "struct S {1: i32 x = FOO}"),
        (Neither, "const string x = foo"),
        (OnlyTheirs, "const i8 x = 1000"),
        (OnlyTheirs, "const i32 x = 5000000000"),
        (OnlyTheirs, "typedef i32 T const T x = 'abc'"),
        (OnlyTheirs, "const list<i32> x = {1: 2}"),
        (OnlyTheirs, "const map<i32, i32> x = 5"),
        (
            OnlyTheirs,
            "union U {1: i32 x 2: i32 y} const U a = {'x': 2, 'y': 3}",
        ),
        (OnlyOurs, "const i32 x = a const i32 a = 3"),
        (OnlyOurs, "const list<i32> a = [1] const list<i32> x = a"),
        (OnlyOurs, "struct S {1: P c = {'x': 1}} struct P {1: i32 x}"),
        // Names.
        (Both, "const i32 A = 1 service A {}"),
        (Both, "typedef B A typedef i32 B struct S {1: A a}"),
        (Neither, "struct A {} enum A {X}"),
        (Neither, "struct A {} service A {}"),
        (Neither, "typedef Nope A"),
        (Neither, "struct S {1: Nope a}"),
        (Neither, "service E {} struct S {1: E e}"),
        (Neither, "struct P {} struct S {1: case.P e}"),
        (Both, "include 'nope.thrift' struct S {}"),
        (Neither, "include 'nope.thrift' struct S {1: nope.T e}"),
        // Fields.
        (Both, "struct S {-1: i32 a, -5: i32 b}"),
        (Both, "struct S {i32 a, 1: i32 b, i32 c}"),
        (Both, "union S {1: required i32 a}"),
        (Neither, "struct S {1: i32 a, 1: i32 b}"),
        (Neither, "struct S {1: i32 a, 2: i32 a}"),
        (Neither, "union S {1: i32 a = 1, 2: i32 b = 2}"),
        (Neither, "struct S {1: i32 e = 'a'}"),
        (OnlyTheirs, "struct S {40000: i32 a}"),
        (OnlyTheirs, "struct S {4294967297: i32 a}"),
        (OnlyTheirs, "exception E {} struct S {1: E e}"),
        (OnlyTheirs, "exception E {} struct S {1: list<E> e}"),
        (OnlyTheirs, "exception E {} service S {E f(1: E e)}"),
        // Services.
        (
            Both,
            "service S {void f(1: optional i32 a, 2: required i32 b)}",
        ),
        (Both, "exception E {} service S {i32 f() throws (0: E e)}"),
        (
            Both,
            "exception E {} service S {i32 f() throws (1: E success)}",
        ),
        (
            Both,
            "exception E {} typedef E F service S {void f() throws (1: F e)}",
        ),
        (Both, "service S {oneway i32 f()}"),
        (Both, "service S {oneway void f() throws ()}"),
        (
            Neither,
            "exception E {} service S {oneway void f() throws (1: E e)}",
        ),
        (
            Neither,
            "exception E {} service S {void f() throws (1: E e, 1: E f)}",
        ),
        (Neither, "struct E {} service S {void f() throws (1: E e)}"),
        (Neither, "service S {void f() throws (1: i32 e)}"),
        (Neither, "service S extends B {}"),
        (Neither, "service S extends S {}"),
        (Neither, "struct B {} service S extends B {}"),
        (
            Neither,
            "service B {void f()} service S extends B {void f()}",
        ),
        (Neither, "service B {void f() void f()}"),
        (OnlyOurs, "service S extends B {} service B {}"),
        (
            OnlyOurs,
            "service S {void f() throws (1: E e)} exception E {}",
        ),
    ]
};

#[test]
fn contracts_are_refused_with_the_compiler() {
    if !has_compiler() {
        return;
    }
    let directory = scratch("verdicts");
    for (expected, text) in CASES {
        let file = directory.join("case.thrift");
        fs::write(&file, text).unwrap();
        let theirs = compile(&file, &directory).status.success();
        let loaded = load("case.thrift", &Directory(directory.clone()), &[]);
        let found = match (theirs, loaded.contract.is_some()) {
            (true, true) => Verdict::Both,
            (false, false) => Verdict::Neither,
            (true, false) => Verdict::OnlyTheirs,
            (false, true) => Verdict::OnlyOurs,
        };
        assert_eq!(found, *expected, "{text}\n{}", shown(&loaded));
        // What only we accept is said to be so.
        let is_quiet = loaded.diagnostics.is_empty();
        assert!(*expected != Verdict::OnlyOurs || !is_quiet, "{text}");
    }
}
