use serde_json::{Value, json};

use super::{
    Fault,
    options::{Options, parse},
    output::{Output, Rows},
};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[track_caller]
fn check_parse(line: &str, command: &str, arguments: &[&str], options: &[(&'static str, &str)]) {
    let parsed = parse(&words(line)).unwrap();
    assert_eq!(parsed.command.as_deref(), Some(command), "{line}");
    assert_eq!(parsed.arguments, arguments, "{line}");
    assert_eq!(parsed.options, Options::of(options), "{line}");
}

#[test]
fn options_stand_anywhere() {
    check_parse("list_queues name", "list_queues", &["name"], &[]);
    check_parse(
        "-n rabbit@host -q list_queues -p /x name messages",
        "list_queues",
        &["name", "messages"],
        &[("node", "rabbit@host"), ("quiet", "true"), ("vhost", "/x")],
    );
    check_parse(
        "set_policy --priority -1 p ^q {} --apply_to=queues",
        "set_policy",
        &["p", "^q", "{}"],
        &[("priority", "-1"), ("apply-to", "queues")],
    );
    check_parse(
        "set_policy p -- -q {}",
        "set_policy",
        &["p", "-q", "{}"],
        &[],
    );
    check_parse("import_definitions -", "import_definitions", &["-"], &[]);
    check_parse(
        "set_topic_permissions --help",
        "set_topic_permissions",
        &[],
        &[("help", "true")],
    );
}

#[test]
fn what_is_no_option_is_refused() {
    for line in ["--nope list_queues", "list_queues -p", "list_queues -xy"] {
        let error = parse(&words(line)).unwrap_err();
        assert_eq!(error.code, Fault::USAGE, "{line}");
    }
}

fn sample() -> Rows {
    Rows {
        columns: vec![
            "name".to_owned(),
            "messages".to_owned(),
            "arguments".to_owned(),
        ],
        rows: vec![
            vec![
                json!("q\t1"),
                json!(3),
                json!({"x-max-length": 10, "x-overflow": "drop-head"}),
            ],
            vec![json!("q2"), json!(0), Value::Null],
        ],
    }
}

#[track_caller]
fn check_rows(options: &[(&'static str, &str)], text: &str) {
    let shown = Output::Rows(sample())
        .render(&Options::of(options))
        .unwrap();
    assert_eq!(shown, text);
}

#[test]
fn tables_have_tabs_and_a_header_unless_silent() {
    let rows = "q\\t1\t3\t[{\"x-max-length\",10},{\"x-overflow\",\"drop-head\"}]\nq2\t0\t\n";
    check_rows(&[], &format!("name\tmessages\targuments\n{rows}"));
    check_rows(
        &[("quiet", "true")],
        &format!("name\tmessages\targuments\n{rows}"),
    );
    check_rows(&[("silent", "true")], rows);
    check_rows(&[("no-table-headers", "true")], rows);
}

#[test]
fn other_formats_have_the_same_cells() {
    check_rows(
        &[("formatter", "json")],
        "[\n{\"name\":\"q\\t1\",\"messages\":3,\"arguments\":{\"x-max-length\":10,\"x-overflow\":\"drop-head\"}}\n,{\"name\":\"q2\",\"messages\":0,\"arguments\":null}\n]\n",
    );
    check_rows(
        &[("formatter", "csv"), ("silent", "true")],
        "\"q\\t1\",3,\"[{\"\"x-max-length\"\",10},{\"\"x-overflow\"\",\"\"drop-head\"\"}]\"\n\"q2\",0,\"\"\n",
    );
}

#[test]
fn an_empty_list_is_empty_or_an_empty_document() {
    let rows = Output::Rows(Rows {
        columns: vec!["a".to_owned()],
        rows: Vec::new(),
    });
    assert_eq!(rows.render(&Options::of(&[])).unwrap(), "");
    assert_eq!(
        rows.render(&Options::of(&[("formatter", "json")])).unwrap(),
        "[\n\n]\n"
    );
}

/// Suites look for `"connection_name","<name>"` in the third column.
#[test]
fn client_properties_are_a_list_of_pairs() {
    let rows = Output::Rows(Rows {
        columns: vec!["pid".to_owned(), "client_properties".to_owned()],
        rows: vec![vec![
            json!("<rabbit@localhost.1.7.0>"),
            json!({"capabilities": {"basic.nack": true}, "connection_name": "a \"b\"", "product": "x"}),
        ]],
    });
    assert_eq!(
        rows.render(&Options::of(&[("silent", "true")])).unwrap(),
        "<rabbit@localhost.1.7.0>\t[{\"capabilities\",[{\"basic.nack\",true}]},{\"connection_name\",\"a \\\"b\\\"\"},{\"product\",\"x\"}]\n",
    );
}
