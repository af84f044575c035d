use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{SLEEPER, lines};

const HEAD: &str = "key: a/b\nversion: 1.2.0\ntype: computational\nname: n\ndescription: d\n";

/// All problems, one a line, of a text that follows `HEAD` (which takes five lines).
fn problems_after_head(text: &str) -> String {
    let (_, problems) = Metadata::parse("f", format!("{HEAD}{text}").as_bytes());
    lines(&problems).trim_end().to_owned()
}

fn check(text: &str, expected: &str) {
    assert_eq!(problems_after_head(text), expected, "{text}");
}

/// The problem of a port `p` that has these fields.
fn check_port(fields: &str, expected: &str) {
    check(&format!("inputs:\n  p: {{{fields}}}\n"), expected);
}

/// The head with one line replaced.
fn check_head(from: &str, to: &str, expected: &str) {
    let text = HEAD.replace(from, to);
    assert_ne!(text, HEAD);
    let (metadata, problems) = Metadata::parse("f", text.as_bytes());
    assert!(metadata.is_none());
    assert_eq!(lines(&problems).trim_end(), expected, "{to}");
}

#[test]
fn a_real_service() {
    let (metadata, problems) = Metadata::parse("metadata.yml", SLEEPER.as_bytes());
    assert_eq!(lines(&problems), "");
    let metadata = metadata.unwrap();
    assert_eq!(metadata.key.as_str(), "simcore/services/comp/itis/sleeper");
    assert_eq!(metadata.version, Version::new(2, 2, 1));
    assert_eq!(metadata.service_type, ServiceType::Computational);
    assert_eq!(
        metadata.authors[0].affiliation.as_deref(),
        Some("Somewhere")
    );
    let keys: Vec<&str> = metadata.inputs.keys().collect();
    assert_eq!(
        keys,
        [
            "input_1", "input_2", "input_3", "input_4", "input_5", "input_6"
        ]
    );
    let port = |key: &str| metadata.inputs.get(key).unwrap();
    assert_eq!(
        (port("input_1").required, port("input_1").default.clone()),
        (false, Some(Value::Null))
    );
    assert_eq!(port("input_1").file_name(), Some("single_number.txt"));
    assert_eq!(
        (
            port("input_2").unit.as_deref(),
            port("input_2").default.clone()
        ),
        (Some("second"), Some(json!(2)))
    );
    assert_eq!(
        (port("input_5").unit.as_deref(), port("input_5").required),
        (Some("kilo-byte"), true)
    );
    assert!(metadata.outputs.iter().all(|port| port.required));
    assert_eq!(
        serde_json::to_value(port("input_1")).unwrap(),
        json!({"label": "File with the time", "description": "a file with a whole number", "type": "data:text/plain",
            "default": null, "required": false, "file_to_key_map": {"single_number.txt": "input_1"}, "display_order": 1.0})
    );
    assert_eq!(
        serde_json::to_value(port("input_5")).unwrap(),
        json!({"label": "Dream size", "description": "a number between 0 and 1", "type": "ref_contentSchema", "unit": "kilo-byte",
            "required": true, "content_schema": {"type": "number", "x_unit": "kilo-byte", "minimum": 0, "maximum": 1}, "display_order": 5.0})
    );
}

#[test]
fn files_of_other_systems() {
    for text in [
        HEAD.replace('\n', "\r\n"),
        format!("\u{feff}{HEAD}"),
        format!("---\n{HEAD}...\n"),
        format!("{HEAD}inputs: {{}}\noutputs:\n"),
    ] {
        let (metadata, problems) = Metadata::parse("f", text.as_bytes());
        assert_eq!(
            (lines(&problems).as_str(), metadata.is_some()),
            ("", true),
            "{text:?}"
        );
    }
}

#[test]
fn head() {
    check_head("key: a/b\n", "", "f:1:1: key: is missing");
    check_head(
        "key: a/b",
        "keys: a/b",
        "f:1:1: key: is missing (there is `keys`; rename it to `key`)\nf:1:1: warning: keys: is not a known field (did you mean `key`?)",
    );
    check_head(
        "a/b",
        "../a",
        "f:1:6: key: the service key `../a` contains `..` (for example `nerve/hh-axon`)",
    );
    check_head(
        "a/b",
        "a//b",
        "f:1:6: key: the service key `a//b` has an empty segment (for example `nerve/hh-axon`)",
    );
    check_head(
        "a/b",
        "/etc/x",
        "f:1:6: key: the service key `/etc/x` has an empty segment (for example `nerve/hh-axon`)",
    );
    check_head(
        "a/b",
        "A/b",
        "f:1:6: key: segment `A` of the service key: upper-case letters are not allowed (for example `nerve/hh-axon`)",
    );
    check_head(
        "a/b",
        "\"ä\"",
        "f:1:6: key: segment `ä` of the service key: it starts with a lower-case letter or a digit (for example `nerve/hh-axon`)",
    );
    check_head("a/b", "[a]", "f:1:6: key: expected text, found a list");
    check_head(
        "a/b",
        "5",
        "f:1:6: key: expected text, found the number 5 (put it in quotes)",
    );
    check_head("a/b", "", "f:1:1: key: is missing");
    check_head(
        "1.2.0",
        "1.0",
        "f:2:10: version: expected text, found the number 1.0 (write it with three parts and in quotes: \"1.0.0\")",
    );
    check_head(
        "1.2.0",
        "2",
        "f:2:10: version: expected text, found the number 2 (write it with three parts and in quotes: \"2.0.0\")",
    );
    let hint = "(three numbers without leading zeros, for example 1.2.0 or 1.2.0-rc.1)";
    check_head(
        "1.2.0",
        "01.2.3",
        &format!(
            "f:2:10: version: `01.2.3` is not a semantic version: invalid leading zero in major version number {hint}"
        ),
    );
    check_head(
        "1.2.0",
        "\"1.2\"",
        &format!(
            "f:2:10: version: `1.2` is not a semantic version: unexpected end of input while parsing minor version number {hint}"
        ),
    );
    check_head(
        "1.2.0",
        "v1.2.0",
        &format!(
            "f:2:10: version: `v1.2.0` is not a semantic version: unexpected character 'v' while parsing major version number {hint}"
        ),
    );
    check_head(
        "1.2.0",
        "true",
        "f:2:10: version: expected text, found the boolean true (put it in quotes)",
    );
    check_head(
        "computational",
        "computatonal",
        "f:3:7: type: `computatonal` is not a type of service (did you mean `computational`?)",
    );
    check_head(
        "computational",
        "batch",
        "f:3:7: type: `batch` is not a type of service (one of computational, dynamic, frontend, backend)",
    );
    check_head("name: n", "name: ' '", "f:4:7: name: is empty");
    check_head(
        "description: d",
        "description: {a: 1}",
        "f:5:14: description: expected text, found a map",
    );
}

#[test]
fn other_fields() {
    check(
        "descripton: x\n",
        "f:6:1: warning: descripton: is not a known field (did you mean `description`?)",
    );
    check("xyz: 1\n", "f:6:1: warning: xyz: is not a known field");
    check(
        "contact: 5\n",
        "f:6:10: contact: expected text, found the number 5 (put it in quotes)",
    );
    check(
        "authors: x\n",
        "f:6:10: authors: expected a list, found text",
    );
    check(
        "authors: [{email: x}, 5]\n",
        "f:6:11: authors.0.name: is missing\nf:6:23: authors.1: expected a map of fields, found the number 5",
    );
    check(
        "min-visible-inputs: -1\n",
        "f:6:21: min-visible-inputs: expected a whole number from 0, found the number -1",
    );
    check(
        "progress_regexp: '(?=x)'\n",
        "f:6:18: warning: progress_regexp: not a regular expression: look-around, including look-ahead and look-behind, is not supported (the standard progress rule is used)",
    );
    check(
        "name: twice\n",
        "f:6:1: name: key `name` is there twice; the first is in line 4",
    );
    check(
        "integration-version: 1.0\nversion_display: 2\nrelease_date: 2024-01-01\nboot-options: {a: [1]}\nthumbnail:\nicon: x\nimage_digest: y\nmin-visible-inputs: 3\n",
        "",
    );
}

#[test]
fn ports() {
    check(
        "inputs: []\n",
        "f:6:9: inputs: expected a map of ports, found a list",
    );
    check(
        "inputs: {p: 5}\n",
        "f:6:13: inputs.p: expected a map of fields, found the number 5",
    );
    check(
        "inputs: {p: }\n",
        "f:6:11: inputs.p: expected a map of fields, found nothing",
    );
    check_port("", "f:7:6: inputs.p.type: is missing");
    check_port(
        "tpye: number",
        "f:7:6: inputs.p.type: is missing (there is `tpye`; rename it to `type`)\nf:7:7: warning: inputs.p.tpye: is not a known field (did you mean `type`?)",
    );
    check_port(
        "type: numbr",
        "f:7:13: inputs.p.type: `numbr` is not a type of port (did you mean `number`?)",
    );
    check_port(
        "type: float",
        "f:7:13: inputs.p.type: `float` is not a type of port (one of number, integer, boolean, string, ref_contentSchema, or data:<media type> for a file)",
    );
    check_port(
        "type: 'data:csv'",
        "f:7:13: inputs.p.type: `csv` is not a media type (for example data:text/csv, data:*/* or data:[image/png,image/jpeg])",
    );
    check_port(
        "type: 'data:'",
        "f:7:13: inputs.p.type: `` is not a media type (for example data:text/csv, data:*/* or data:[image/png,image/jpeg])",
    );
    check_port(
        "type: 'data:[a/b,]'",
        "f:7:13: inputs.p.type: `[a/b,]` is not a media type (for example data:text/csv, data:*/* or data:[image/png,image/jpeg])",
    );
    check_port(
        "type: number, displayOrder: first",
        "f:7:35: inputs.p.displayOrder: expected a number, found text",
    );
    check_port(
        "type: number, unit: 5",
        "f:7:27: inputs.p.unit: expected text, found the number 5 (put it in quotes)",
    );
    let key = "a port key is a letter, then letters, digits, `_` or `-`, at most 100 bytes";
    for port in ["1a", "_a", "a b", "a/b", "é", "../x"] {
        check(
            &format!("inputs:\n  {port}: {{type: number}}\n"),
            &format!("f:7:3: inputs.{port}: {key}"),
        );
    }
    let long = "x".repeat(101);
    check(
        &format!("inputs:\n  {long}: {{type: number}}\n"),
        &format!("f:7:3: inputs.{long}: {key}"),
    );
    check(
        "inputs:\n  folder: {type: number}\n",
        "f:7:3: warning: inputs.folder: its variable INPUT_FOLDER is also that of INPUT_FOLDER itself; read inputs.json instead",
    );
    check(
        "inputs:\n  a: {type: number}\n  A: {type: number}\n",
        "f:8:3: warning: inputs.A: its variable INPUT_A is also that of a; read inputs.json instead",
    );
    let many: String = (0..501)
        .map(|i| format!("  p{i}: {{type: number}}\n"))
        .collect();
    check(
        &format!("outputs:\n{many}"),
        "f:7:3: outputs: has 501 ports; at most 500 are allowed",
    );
}

#[test]
fn defaults_fit_their_ports() {
    check_port(
        "type: number, defaultValue: '1'",
        "f:7:35: inputs.p.defaultValue: expected a number, found the text \"1\"",
    );
    check_port(
        "type: integer, defaultValue: 1.5",
        "f:7:36: inputs.p.defaultValue: expected a whole number, found the number 1.5",
    );
    check_port(
        "type: boolean, defaultValue: yes",
        "f:7:36: inputs.p.defaultValue: expected true or false, found the text \"yes\"",
    );
    check_port(
        "type: string, defaultValue: 5",
        "f:7:35: inputs.p.defaultValue: expected text, found the number 5",
    );
    check_port(
        "type: ref_contentSchema, contentSchema: {type: array, items: {maximum: 3}}, defaultValue: [1, 5]",
        "f:7:97: inputs.p.defaultValue: at `/1`: 5 is greater than the maximum of 3",
    );
    check_port(
        "type: 'data:a/b', defaultValue: x.csv",
        "f:7:39: inputs.p.defaultValue: expected a file as {\"sha256\": \"…\"} or {\"href\": \"/v1/files/…\"}, found the text \"x.csv\"",
    );
    for fields in [
        "type: number, defaultValue: null",
        "type: integer, defaultValue: 3.0",
        "type: boolean, defaultValue: true",
        "type: string, defaultValue: ''",
    ] {
        check_port(fields, "");
    }
}

#[test]
fn schemas_stand_alone() {
    check_port(
        "type: ref_contentSchema",
        "f:7:13: inputs.p.type: `ref_contentSchema` needs a `contentSchema`",
    );
    check_port(
        "type: ref_contentSchema, contentSchema: 5",
        "f:7:47: inputs.p.contentSchema: a content schema is a map",
    );
    for keyword in ["$ref", "$dynamicRef"] {
        check_port(
            &format!(
                "type: ref_contentSchema, contentSchema: {{items: [{{{keyword}: 'http://x/y'}}]}}"
            ),
            &format!(
                "f:7:47: inputs.p.contentSchema: `{keyword}` is not allowed: a content schema stands alone"
            ),
        );
    }
    let found =
        problems_after_head("inputs:\n  p: {type: ref_contentSchema, contentSchema: {type: 5}}\n");
    assert!(
        found.starts_with("f:7:47: inputs.p.contentSchema: not a valid JSON Schema at `/type`"),
        "{found}"
    );
    let found = problems_after_head(
        "inputs:\n  p: {type: ref_contentSchema, contentSchema: {pattern: '(?=x)'}}\n",
    );
    assert!(
        found.starts_with("f:7:47: inputs.p.contentSchema: not a valid JSON Schema"),
        "{found}"
    );
    let found = problems_after_head(
        "inputs:\n  p: {type: ref_contentSchema, contentSchema: {$schema: 'http://unknown.example/x'}}\n",
    );
    assert!(
        found.starts_with("f:7:47: inputs.p.contentSchema: not a valid JSON Schema"),
        "{found}"
    );
    check_port(
        "type: 'data:a/b', contentSchema: {type: number}",
        "f:7:40: warning: inputs.p.contentSchema: has no effect on a file port",
    );
}

#[test]
fn names_of_files_are_plain() {
    for name in [
        "../x",
        "/etc/passwd",
        "a/b",
        "'..'",
        "'.'",
        "''",
        "'a\\b'",
        "\"a\\nb\"",
    ] {
        let found = problems_after_head(&format!(
            "inputs:\n  p: {{type: 'data:a/b', fileToKeyMap: {{{name}: p}}}}\n"
        ));
        assert!(
            found.ends_with("is not a plain file name"),
            "{name}: {found}"
        );
    }
    check_port(
        "type: 'data:a/b', fileToKeyMap: {inputs.json: p}",
        "f:7:40: inputs.p.fileToKeyMap.inputs.json: is the name of the file that holds the values of all ports",
    );
    check_port(
        "type: 'data:a/b', fileToKeyMap: [x]",
        "f:7:39: inputs.p.fileToKeyMap: expected a map of file name to port key, found a list",
    );
    check_port(
        "type: 'data:a/b', fileToKeyMap: {x: 5}",
        "f:7:43: inputs.p.fileToKeyMap.x: expected text, found the number 5 (put it in quotes)",
    );
    check_port(
        "type: 'data:a/b', fileToKeyMap: {x: q}",
        "f:7:43: warning: inputs.p.fileToKeyMap.x: names the port `q`, not `p`, and has no effect",
    );
    check_port(
        "type: number, fileToKeyMap: {x: p}",
        "f:7:35: warning: inputs.p.fileToKeyMap: has no effect: the port is not a file",
    );
    check(
        "inputs:\n  p: {type: 'data:a/b', fileToKeyMap: {x: p}}\n  q: {type: 'data:a/b', fileToKeyMap: {x: q}}\n",
        "f:8:40: inputs.q.fileToKeyMap.x: is the file of port `p` too",
    );
}

#[test]
fn every_problem_is_reported() {
    let text = "key: A\nversion: 1.0\ntype: x\nname: [n]\ninputs: {p: {type: numbr}, q: {type: integer, defaultValue: x}}\nfoo: 1\nfoo: 2\n";
    let (metadata, problems) = Metadata::parse("f", text.as_bytes());
    assert!(metadata.is_none());
    let fields: Vec<&str> = problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "foo",
            "key",
            "version",
            "type",
            "name",
            "description",
            "inputs.p.type",
            "inputs.q.defaultValue",
            "foo"
        ]
    );
}

#[test]
fn a_flood_of_problems_is_cut() {
    let ports: String = (0..300)
        .map(|i| format!("  p{i}: {{type: {}, x: 1, y: 2}}\n", "z".repeat(1000)))
        .collect();
    let (metadata, problems) = Metadata::parse("f", format!("{HEAD}inputs:\n{ports}").as_bytes());
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    assert_eq!(
        (metadata.is_none(), errors, problems.len()),
        (true, 100, 200)
    );
    assert!(problems.iter().all(|problem| problem.reason.len() < 2500));
    let doubles = "a: 1\n".repeat(10_000);
    assert_eq!(
        Metadata::parse("f", doubles.as_bytes())
            .1
            .iter()
            .filter(|problem| problem.is_error())
            .count(),
        100
    );
    // A flood of warnings does not hide an error.
    let unknown: String = (0..1000).map(|i| format!("x{i}: 1\n")).collect();
    let (metadata, problems) =
        Metadata::parse("f", format!("{HEAD}inputs: 5\n{unknown}").as_bytes());
    assert!(metadata.is_none() && problems.iter().any(Problem::is_error));
}

#[test]
fn documents_that_are_no_metadata() {
    for text in [
        "",
        "\n\n",
        "# nothing",
        "- a\n- b",
        "text",
        "5",
        "null",
        "[]",
        "{",
        "a: b: c",
        "\tkey: x",
        "key:\n\t- x",
        "%YAML 9\n---\na",
        "\0",
        "---\n---\n",
        "key: &a [*a]",
        "{}",
        "key: !!binary x",
        "? {a: b}\n: c",
        "\u{feff}",
        "key: \"\\q\"",
        "'",
        "\"",
        "|",
        ">",
        "&",
        "*",
        "!",
        "%",
        "@x",
        "`x",
    ] {
        let (metadata, problems) = Metadata::parse("f", text.as_bytes());
        assert!(
            metadata.is_none() && problems.iter().any(Problem::is_error),
            "{text:?}: {problems:?}"
        );
    }
}

proptest! {
    /// A real document with a piece of it replaced by anything: errors or metadata, never a panic.
    #[test]
    fn any_change_to_a_document_gives_metadata_or_problems(at in 0..SLEEPER.len(), cut in 0usize..40, put in "[-\\[\\]{}:,#&*!|>'\"%~a-c0-9. \t\n]{0,12}") {
        let end = (at + cut).min(SLEEPER.len());
        let text = format!("{}{put}{}", &SLEEPER[..at], &SLEEPER[end..]);
        let (metadata, problems) = Metadata::parse("f", text.as_bytes());
        prop_assert_eq!(metadata.is_none(), problems.iter().any(Problem::is_error));
    }

    #[test]
    fn any_bytes_give_metadata_or_problems(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (metadata, problems) = Metadata::parse("f", &bytes);
        prop_assert!(metadata.is_some() || !problems.is_empty());
    }
}
