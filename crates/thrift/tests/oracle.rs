//! The official compiler reads the same files: what it makes of them (`thrift --gen json`) must be what our tree says, and
//! what it refuses we refuse.
//!
//! The tree says what is written, and the compiler's output what it means; `Reading` is the little that is between the two
//! (names, automatic numbers, references to constants).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Map, Value, json};
use trefoil_thrift::idl::{
    Severity, Sources,
    ast::{
        Annotation, BaseType, ConstKind, ConstValue, Definition, Document, Enum, Field, Function,
        Header, Requiredness, Service, Struct, StructKind, TypeKind, TypeRef,
    },
    parse, render,
};

#[test]
fn accepted_files_mean_the_same() {
    let Some(compiler) = Compiler::find() else {
        return;
    };
    for path in files("") {
        let theirs = compiler
            .json(&path)
            .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let ours = Reading::of(&path).program();
        compare(&path.display().to_string(), &ours, &theirs);
    }
}

#[test]
fn refused_files_are_refused() {
    for path in files("refused") {
        let findings = document(&path).expect_err(&format!("{} is accepted", path.display()));
        assert!(findings.contains("error: "), "{findings}");
    }
    let Some(compiler) = Compiler::find() else {
        return;
    };
    for path in files("refused") {
        assert!(
            compiler.json(&path).is_err(),
            "the compiler accepts {}",
            path.display()
        );
    }
}

/// Forms that are younger than version 0.17, which distributions still have.
#[test]
fn newer_forms_are_accepted() {
    for path in files("newer") {
        document(&path).unwrap_or_else(|findings| panic!("{findings}"));
    }
    let Some(compiler) = Compiler::find().filter(|compiler| compiler.version > (0, 17)) else {
        return;
    };
    for path in files("newer") {
        compiler
            .json(&path)
            .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    }
}

/// Texts with a word or two changed, so that some are right and some are wrong in every place of the grammar.
#[test]
fn changed_texts_are_accepted_by_both_or_by_neither() {
    let Some(compiler) = Compiler::find() else {
        return;
    };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("changed-{}.thrift", std::process::id()));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for _ in 0..500 {
        let text = changed_text(&mut random);
        fs::write(&path, &text).expect("the directory is made for tests");
        let ours = document(&path);
        match (compiler.json(&path), &ours) {
            (Ok(_), Err(findings)) => panic!("only the compiler accepts this:\n{text}\n{findings}"),
            // Other errors are of the meaning. A keyword may be a name, which 0.17 does not know yet.
            (Err(why), Ok(_)) if why.contains("syntax error") => {
                let last = why
                    .split("last token was '")
                    .nth(1)
                    .and_then(|rest| rest.split('\'').next());
                let is_keyword = last.is_some_and(|last| KEYWORDS.contains(&last));
                assert!(is_keyword, "only we accept this:\n{text}\n{why}");
            }
            _ => accepted += usize::from(ours.is_ok()),
        }
    }
    fs::remove_file(&path).expect("it was written above");
    assert!(
        accepted > 25,
        "{accepted} of 500 are not enough to say anything"
    );
}

const KEYWORDS: &[&str] = &[
    "struct",
    "union",
    "exception",
    "service",
    "enum",
    "typedef",
    "const",
    "namespace",
    "include",
    "cpp_include",
    "i32",
    "i8",
    "bool",
    "byte",
    "double",
    "binary",
    "string",
    "list",
    "map",
    "set",
    "oneway",
    "void",
    "required",
    "optional",
    "extends",
    "throws",
    "async",
];

/// Words that are put anywhere; none opens a comment or a string, in which version 0.17 hangs at the end of the file.
const WORDS: &[&str] = &[
    ",",
    ";",
    ":",
    "=",
    "*",
    "&",
    "@",
    "<",
    ">",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "( k )",
    "( k = \"v\" )",
    "1 :",
    "a",
    "E.X",
    "1",
    "-2.5e3",
    "0x1f",
    "+",
    ".5",
    "e10",
    "true",
    "\"text\"",
    "'q'",
    "/** d */",
    "/* c */",
    "/***/",
    "# x\n",
    "xsd_all",
    "xsd_optional",
    "xsd_nillable",
    "xsd_attrs",
    "cpp_type",
    "senum",
    "slist",
    "php_namespace",
    "$",
];

const TEXTS: &[&str] = &[
    "cpp_include \"x\" namespace py a.b ( k = \"v\" ) namespace * c struct S { 1 : required i32 a = 5 , \
     2 : optional S & other ; list < i32 > l ( z = \"\" ) } ( w )",
    "enum E { A = 1 , B ( x ) ; C = 0x10 } ( y ) typedef map cpp_type \"x\" < i32 ( a ) , list < set < string > > > T \
     ( b = 'c' ) const map < string , list < double > > C = { \"a\" : [ 1 , .5e3 ; -0x1f ] , 'b' : [ ] , }",
    "exception X { 1 : string message } service W { } service V extends W { oneway void a ( 1 : i32 x ) , \
     i32 b ( 1 : X s , 2 : optional i32 u ) throws ( 1 : X x ) ( deprecated ) , } ( q )",
    "struct S xsd_all { 1 : i32 a xsd_optional xsd_nillable xsd_attrs { 1 : string x } ( k ) } \
     union U { 1 : i32 id ; } typedef list < i32 > cpp_type \"x\" L ;",
];

fn changed_text(random: &mut Random) -> String {
    let mut words: Vec<&str> = random
        .pick(TEXTS)
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect();
    for _ in 0..=random.below(2) {
        let at = random.below(words.len());
        let words_of = if random.below(4) == 0 {
            KEYWORDS
        } else {
            WORDS
        };
        let word = random.pick(words_of);
        match random.below(4) {
            0 => words[at] = word,
            1 => words.insert(at, word),
            2 => words.insert(at, random.pick(&[",", ";", "/** d */", "( k )", "1 :"])),
            _ => drop(words.remove(at)),
        }
    }
    words.join(" ")
}

/// The same numbers in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("it has 31 bits") % bound
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

struct Compiler {
    version: (u32, u32),
}

impl Compiler {
    /// The installed compiler. A machine without it runs half of these tests, but not where they decide about a change.
    fn find() -> Option<Self> {
        let Ok(output) = Command::new("thrift").arg("--version").output() else {
            assert!(
                !std::env::var("CI").is_ok_and(|value| value == "true"),
                "the official compiler `thrift` is not installed"
            );
            eprintln!("skipped: the official compiler `thrift` is not installed");
            return None;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut numbers = text
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|part| part.parse().ok());
        Some(Self {
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
        })
    }

    fn json(&self, path: &Path) -> Result<Value, String> {
        let name = path
            .file_stem()
            .expect("these are files")
            .to_string_lossy()
            .into_owned();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("oracle-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let output = Command::new("thrift")
            .args(["--gen", "json", "-out"])
            .arg(&directory)
            .arg(path)
            .output()
            .map_err(|error| error.to_string())?;
        let text = fs::read_to_string(directory.join(name + ".json"));
        fs::remove_dir_all(&directory).map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_str(&text.map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())
    }
}

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(directory);
    let mut files: Vec<_> = fs::read_dir(directory)
        .expect("the corpus is part of the sources")
        .map(|entry| entry.expect("the corpus is part of the sources").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "thrift")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The tree of a file without errors.
fn document(path: &Path) -> Result<Document, String> {
    let text = fs::read_to_string(path).expect("files of the corpus are UTF-8");
    let mut sources = Sources::default();
    let file = sources.add(path.display().to_string(), text);
    let mut diagnostics = Vec::new();
    let document = parse(&sources, file, &mut diagnostics);
    if diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
    {
        return Err(render(&sources, &diagnostics, false));
    }
    Ok(document)
}

/// Fails at the first place where they differ.
fn compare(place: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for key in ours.keys().chain(theirs.keys()) {
                match (ours.get(key), theirs.get(key)) {
                    (Some(ours), Some(theirs)) => compare(&format!("{place}.{key}"), ours, theirs),
                    // Version 0.17 takes enumerations for integers.
                    (Some(ours), None) if ours["typeId"] == "enum" => {}
                    (ours, theirs) => panic!("{place}.{key}: ours {ours:?}, theirs {theirs:?}"),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(
                ours.len(),
                theirs.len(),
                "{place}: ours {ours:?}, theirs {theirs:?}"
            );
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{place}[{at}]"), ours, theirs);
            }
        }
        // The compiler writes 3.0 as 3.
        (Value::Number(ours), Value::Number(theirs)) if ours.is_f64() || theirs.is_f64() => {
            assert_eq!(ours.as_f64(), theirs.as_f64(), "{place}");
        }
        _ if ours == "enum" && theirs == "i32" && place.ends_with("ypeId") => {}
        _ => assert_eq!(ours, theirs, "{place}"),
    }
}

/// A file and what it includes, read as the compiler reads it.
struct Reading {
    /// What the compiler calls it.
    name: String,
    document: Document,
    included: BTreeMap<String, Reading>,
}

/// A definition and the file that it is in.
type Found<'a> = (&'a Reading, &'a Definition);

impl Reading {
    fn of(path: &Path) -> Self {
        let document = document(path).unwrap_or_else(|findings| panic!("{findings}"));
        let included = document.headers.iter().filter_map(|header| match header {
            Header::Include(name) => {
                let reading = Self::of(&path.with_file_name(&name.text));
                Some((reading.name.clone(), reading))
            }
            _ => None,
        });
        Self {
            name: path
                .file_stem()
                .expect("these are files")
                .to_string_lossy()
                .into_owned(),
            included: included.collect(),
            document,
        }
    }

    fn find(&self, name: &str) -> Option<Found<'_>> {
        match name.split_once('.') {
            Some((file, name)) => self.included.get(file)?.find(name),
            None => {
                let mut definitions = self.document.definitions.iter();
                Some((
                    self,
                    definitions.find(|definition| definition.name().text == name)?,
                ))
            }
        }
    }

    /// The type behind all typedefs, and the file that it is written in.
    fn true_type<'a>(&'a self, ty: &'a TypeRef) -> (&'a Self, &'a TypeRef, Option<Found<'a>>) {
        let TypeKind::Named(name) = &ty.kind else {
            return (self, ty, None);
        };
        match self.find(name) {
            Some((file, Definition::Typedef(definition))) => file.true_type(&definition.target),
            found => (self, ty, found),
        }
    }

    fn type_name(&self, ty: &TypeRef) -> &'static str {
        let (_, ty, found) = self.true_type(ty);
        match &ty.kind {
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
            },
            TypeKind::List(_) => "list",
            TypeKind::Set(_) => "set",
            TypeKind::Map(..) => "map",
            TypeKind::Named(name) => match found {
                Some((_, Definition::Enum(_))) => "enum",
                Some((_, Definition::Struct(definition))) => match definition.kind {
                    StructKind::Struct => "struct",
                    StructKind::Union => "union",
                    StructKind::Exception => "exception",
                },
                _ => panic!("{name} is no type"),
            },
        }
    }

    /// Adds what is said about a type, unless it is a base type.
    fn add_type(&self, object: &mut Map<String, Value>, key: &str, ty: &TypeRef) {
        if !matches!(self.true_type(ty).1.kind, TypeKind::Base(_)) {
            object.insert(key.into(), self.type_spec(ty));
        }
    }

    fn type_spec(&self, ty: &TypeRef) -> Value {
        let mut object = Map::new();
        object.insert("typeId".into(), json!(self.type_name(ty)));
        let (file, ty, found) = self.true_type(ty);
        let notes = match found {
            Some((_, Definition::Struct(definition))) => &definition.annotations,
            Some((_, Definition::Enum(definition))) => &definition.annotations,
            _ => &ty.annotations,
        };
        add_annotations(&mut object, notes);
        match &ty.kind {
            TypeKind::List(element) | TypeKind::Set(element) => {
                object.insert("elemTypeId".into(), json!(file.type_name(element)));
                file.add_type(&mut object, "elemType", element);
            }
            TypeKind::Map(key, value) => {
                object.insert("keyTypeId".into(), json!(file.type_name(key)));
                object.insert("valueTypeId".into(), json!(file.type_name(value)));
                file.add_type(&mut object, "keyType", key);
                file.add_type(&mut object, "valueType", value);
            }
            TypeKind::Base(_) | TypeKind::Named(_) => {}
        }
        if let Some(found) = found {
            object.insert("class".into(), json!(self.qualified(found)));
        }
        object.into()
    }

    fn qualified(&self, (file, definition): Found<'_>) -> String {
        let name = &definition.name().text;
        if file.document == self.document {
            name.clone()
        } else {
            format!("{}.{name}", file.name)
        }
    }

    fn program(&self) -> Value {
        let mut program = Map::new();
        program.insert("name".into(), json!(self.name));
        add_doc(&mut program, &self.document.doc);
        let mut namespaces = Map::new();
        let mut includes = Vec::new();
        for header in &self.document.headers {
            match header {
                Header::Namespace { scope, name, .. } => {
                    namespaces.insert(scope.text.clone(), json!(name.text));
                }
                Header::Include(path) => {
                    includes.push(json!(path.text.trim_end_matches(".thrift")))
                }
                Header::CppInclude(_) => {}
            }
        }
        program.insert("namespaces".into(), namespaces.into());
        program.insert("includes".into(), includes.into());
        for key in ["enums", "typedefs", "structs", "constants", "services"] {
            program.insert(key.into(), json!([]));
        }
        for definition in &self.document.definitions {
            let (key, value) = self.definition(definition);
            let list = program.get_mut(key).and_then(Value::as_array_mut);
            list.expect("it was made above").push(value);
        }
        program.into()
    }

    fn definition(&self, definition: &Definition) -> (&'static str, Value) {
        let mut object = Map::new();
        object.insert("name".into(), json!(definition.name().text));
        let key = match definition {
            Definition::Typedef(it) => {
                object.insert("typeId".into(), json!(self.type_name(&it.target)));
                self.add_type(&mut object, "type", &it.target);
                add_doc(&mut object, &it.doc);
                add_annotations(&mut object, &it.annotations);
                "typedefs"
            }
            Definition::Const(it) => {
                object.insert("typeId".into(), json!(self.type_name(&it.ty)));
                self.add_type(&mut object, "type", &it.ty);
                add_doc(&mut object, &it.doc);
                object.insert("value".into(), self.value(&it.value));
                "constants"
            }
            Definition::Enum(it) => {
                add_doc(&mut object, &it.doc);
                add_annotations(&mut object, &it.annotations);
                object.insert("members".into(), members(it));
                "enums"
            }
            Definition::Struct(it) => {
                self.add_struct(&mut object, it);
                "structs"
            }
            Definition::Service(it) => {
                self.add_service(&mut object, it);
                "services"
            }
        };
        (key, object.into())
    }

    fn add_struct(&self, object: &mut Map<String, Value>, it: &Struct) {
        add_doc(object, &it.doc);
        add_annotations(object, &it.annotations);
        object.insert(
            "isException".into(),
            json!(it.kind == StructKind::Exception),
        );
        object.insert("isUnion".into(), json!(it.kind == StructKind::Union));
        let requiredness = |requiredness| match (it.kind, requiredness) {
            (StructKind::Union, _) | (_, Requiredness::Optional) => "optional",
            (_, Requiredness::Required) => "required",
            (_, Requiredness::Default) => "req_out",
        };
        object.insert("fields".into(), self.fields(&it.fields, requiredness));
    }

    fn add_service(&self, object: &mut Map<String, Value>, it: &Service) {
        if let Some(parent) = &it.extends {
            let found = self
                .find(&parent.text)
                .expect("the corpus defines what it uses");
            object.insert("extends".into(), json!(self.qualified(found)));
        }
        add_doc(object, &it.doc);
        add_annotations(object, &it.annotations);
        object.insert(
            "functions".into(),
            it.functions
                .iter()
                .map(|function| self.function(function))
                .collect(),
        );
    }

    fn function(&self, it: &Function) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), json!(it.name.text));
        let returns = it.returns.as_ref().map_or("void", |ty| self.type_name(ty));
        object.insert("returnTypeId".into(), json!(returns));
        if let Some(ty) = &it.returns {
            self.add_type(&mut object, "returnType", ty);
        }
        object.insert("oneway".into(), json!(it.is_oneway));
        add_doc(&mut object, &it.doc);
        add_annotations(&mut object, &it.annotations);
        // The compiler ignores `optional` here.
        let requiredness = |requiredness| match requiredness {
            Requiredness::Required => "required",
            Requiredness::Optional | Requiredness::Default => "req_out",
        };
        object.insert("arguments".into(), self.fields(&it.arguments, requiredness));
        object.insert("exceptions".into(), self.fields(&it.throws, requiredness));
        object.into()
    }

    fn fields(
        &self,
        fields: &[Field],
        requiredness: impl Fn(Requiredness) -> &'static str,
    ) -> Value {
        let mut automatic = 0;
        let field = |field: &Field| {
            // Ids that are missing or not positive are given by the compiler, downwards.
            let id = field
                .id
                .map(|id| id.value)
                .filter(|id| *id > 0)
                .unwrap_or_else(|| {
                    automatic -= 1;
                    automatic
                });
            let mut object = Map::new();
            object.insert("key".into(), json!(id));
            object.insert("name".into(), json!(field.name.text));
            object.insert("typeId".into(), json!(self.type_name(&field.ty)));
            self.add_type(&mut object, "type", &field.ty);
            add_doc(&mut object, &field.doc);
            add_annotations(&mut object, &field.annotations);
            object.insert("required".into(), json!(requiredness(field.requiredness)));
            if let Some(default) = &field.default {
                object.insert("default".into(), self.value(default));
            }
            Value::from(object)
        };
        fields.iter().map(field).collect()
    }

    fn value(&self, value: &ConstValue) -> Value {
        match &value.kind {
            ConstKind::Integer(number) => json!(number),
            ConstKind::Double(number) => json!(number),
            ConstKind::String(text) => json!(text),
            ConstKind::List(items) => items.iter().map(|item| self.value(item)).collect(),
            ConstKind::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    let key = match self.value(key) {
                        Value::String(key) => key,
                        key => key.to_string(),
                    };
                    (key, self.value(value))
                });
                entries.collect::<Map<_, _>>().into()
            }
            ConstKind::Name(name) => match (self.find(name), name.rsplit_once('.')) {
                (Some((file, Definition::Const(constant))), _) => file.value(&constant.value),
                (_, Some((parent, member))) => match self.find(parent) {
                    Some((_, Definition::Enum(it))) => {
                        let members = members(it);
                        let mut members = members.as_array().into_iter().flatten();
                        members
                            .find(|found| found["name"] == member)
                            .expect("it has the value")["value"]
                            .clone()
                    }
                    _ => panic!("{name} is no constant"),
                },
                _ => panic!("{name} is no constant"),
            },
        }
    }
}

fn add_doc(object: &mut Map<String, Value>, doc: &Option<String>) {
    if let Some(doc) = doc {
        object.insert("doc".into(), json!(doc));
    }
}

fn add_annotations(object: &mut Map<String, Value>, annotations: &[Annotation]) {
    if !annotations.is_empty() {
        // Of several with one key only the last survives in JSON.
        let annotations: Map<_, _> = annotations
            .iter()
            .map(|annotation| (annotation.key.text.clone(), json!(annotation.value())))
            .collect();
        object.insert("annotations".into(), annotations.into());
    }
}

fn members(it: &Enum) -> Value {
    let mut next = 0;
    let member = |value: &trefoil_thrift::idl::ast::EnumValue| {
        let number = value.number.map_or(next, |number| number.value);
        next = number + 1;
        let mut object = Map::new();
        object.insert("name".into(), json!(value.name.text));
        object.insert("value".into(), json!(number));
        add_doc(&mut object, &value.doc);
        Value::from(object)
    };
    it.values.iter().map(member).collect()
}
