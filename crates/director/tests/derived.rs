//! Derived contracts are taken by the official compiler, where it is installed (0.17).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use trefoil_director::{Service, ServiceFiles, Source};

/// Languages for which the compiler itself makes code.
const LANGUAGES: [&str; 6] = ["json", "py", "java", "cpp", "go", "js:node"];

fn derived(metadata: &str) -> String {
    let files = ServiceFiles {
        label: "service".to_owned(),
        metadata: Some(("metadata.yml".to_owned(), metadata.as_bytes().to_vec())),
        service_toml: None,
        contract: None,
        digest: String::new(),
        source: Source::Builtin,
    };
    let service = Service::load(&files).unwrap();
    assert_eq!(service.warnings, []);
    service.contract.unwrap().text().to_owned()
}

/// Has the compiler make code of a contract, for each language.
fn check(name: &str, metadata: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("derived")
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    let contract = folder.join("contract.thrift");
    fs::write(&contract, derived(metadata)).unwrap();
    for language in LANGUAGES {
        match compile(&contract, language) {
            Ok(complaints) => assert_eq!(complaints, "", "{name} for {language}"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return println!("thrift is not installed: {name} was only loaded");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the compiler says, warnings too.
fn compile(contract: &Path, language: &str) -> io::Result<String> {
    let output = Command::new("thrift")
        .args(["--gen", language, "-out"])
        .arg(contract.parent().unwrap())
        .arg(contract)
        .output()?;
    let failed = if output.status.success() {
        ""
    } else {
        "failed: "
    };
    let said = [&*output.stdout, &*output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Of large whole numbers it only says that JavaScript is what it is.
    let complaints = said
        .lines()
        .filter(|line| !line.is_empty() && !line.contains("64-bit constant"));
    let complaints: Vec<&str> = complaints.collect();
    Ok(format!("{failed}{}", complaints.join("\n")))
}

#[test]
fn the_sleeper() {
    check("sleeper", include_str!("data/sleeper.yml"));
}

#[test]
fn every_kind_of_port_and_hostile_words() {
    let evil = r#""*/ struct X {} /* \0 \u2028 \\\" ' \r\n**/ ä""#;
    let any = "type: ref_contentSchema, contentSchema: {}";
    let numbers = "type: ref_contentSchema, contentSchema: {type: array, items: {type: number}}";
    let ports = format!(
        "
  class: {{type: string, label: {evil}, description: {evil}, unit: {evil}, defaultValue: 'a\\\"'}}
  class_: {{type: string, defaultValue: {evil}}}
  a-b: {{type: integer, defaultValue: -9223372036854775808}}
  a_b: {{type: integer, defaultValue: 9223372036854775807}}
  list: {{type: number, defaultValue: -1.5e-300}}
  huge: {{type: number, defaultValue: 18446744073709551615}}
  validate: {{type: boolean, defaultValue: true}}
  END: {{type: 'data:*/*'}}
  any: {{{any}, defaultValue: {{a: [{evil}, null, 1.5]}}}}
  values: {{{numbers}, defaultValue: [1, -2.5]}}
  none: {{{numbers}, defaultValue: []}}
"
    );
    let metadata = format!(
        "key: new/class/file\nversion: 1.0.0\ntype: computational\nname: {evil}\ndescription: {evil}\ninputs: {ports}\noutputs: {ports}"
    );
    check("hostile", &metadata);
}

#[test]
fn no_port_at_all() {
    check(
        "empty",
        "key: x/3d\nversion: 1.0.0\ntype: computational\nname: n\ndescription: d\n",
    );
}

#[test]
fn words_that_the_compiler_or_a_language_keeps_for_itself() {
    let words = "and args as begin class def delete do end except final float for from function if import in int is \
                 lambda long module native new next nil not or package pass public raise read return self short static \
                 super switch then this throw try type unless until use var virtual when while with write xor yield";
    let ports: Vec<String> = words
        .split_whitespace()
        .map(|word| format!("{word}: {{type: string}}"))
        .collect();
    let ports = format!("{{{}}}", ports.join(", "));
    check(
        "words",
        &format!(
            "key: x/end\nversion: 1.0.0\ntype: computational\nname: n\ndescription: d\ninputs: {ports}\n"
        ),
    );
}
