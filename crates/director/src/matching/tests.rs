use super::*;
use crate::testing::{SLEEPER, service, service_with};

/// Whether an output port feeds an input port: the note (empty for none), or `rule: reason`.
fn check(output: &str, input: &str, expected: Result<&str, &str>) {
    let from = service_with("from:1.0.0", "{}", &format!("{{o: {output}}}"));
    let to = service_with("to:1.0.0", &format!("{{i: {input}}}"), "{}");
    let matching = match_ports(&from, Some("o"), &to, Some("i")).unwrap();
    match expected {
        Ok(note) => {
            assert_eq!(matching.refused, [], "{output} → {input}");
            assert_eq!(
                matching.pairs[0].note.as_deref().unwrap_or(""),
                note,
                "{output} → {input}"
            );
        }
        Err(rule) => {
            assert_eq!(matching.pairs, [], "{output} → {input}");
            assert_eq!(matching.refused[0].rule, rule, "{output} → {input}");
        }
    }
}

#[test]
fn types() {
    for kind in ["number", "integer", "boolean", "string"] {
        check(
            &format!("{{type: {kind}}}"),
            &format!("{{type: {kind}}}"),
            Ok(""),
        );
        check(
            &format!("{{type: {kind}}}"),
            "{type: \"data:*/*\"}",
            Err("type"),
        );
        check(
            "{type: \"data:*/*\"}",
            &format!("{{type: {kind}}}"),
            Err("type"),
        );
    }
    check("{type: integer}", "{type: number}", Ok("widened"));
    check("{type: number}", "{type: integer}", Err("type"));
    check("{type: boolean}", "{type: integer}", Err("type"));
    check("{type: string}", "{type: number}", Err("type"));
}

#[test]
fn media_types() {
    check("{type: \"data:text/csv\"}", "{type: \"data:*/*\"}", Ok(""));
    check("{type: \"data:*/*\"}", "{type: \"data:text/csv\"}", Ok(""));
    check(
        "{type: \"data:[text/csv,image/png]\"}",
        "{type: \"data:image/*\"}",
        Ok(""),
    );
    check(
        "{type: \"data:text/csv\"}",
        "{type: \"data:text/plain\"}",
        Err("media-type"),
    );
    check(
        "{type: \"data:text/*\"}",
        "{type: \"data:image/*\"}",
        Err("media-type"),
    );
}

#[test]
fn units() {
    check(
        "{type: number, unit: mm}",
        "{type: number, unit: m}",
        Ok("multiply by 0.001 (mm to m)"),
    );
    check(
        "{type: number, unit: milli-second}",
        "{type: number, unit: ms}",
        Ok(""),
    );
    check(
        "{type: integer, unit: V}",
        "{type: number, unit: mV}",
        Ok("widened; multiply by 1000 (V to mV)"),
    );
    check(
        "{type: number, unit: mm}",
        "{type: number}",
        Ok("only the output has a unit (mm)"),
    );
    check(
        "{type: number}",
        "{type: number, unit: s}",
        Ok("only the input has a unit (s)"),
    );
    check(
        "{type: number, unit: mm}",
        "{type: number, unit: s}",
        Err("unit"),
    );
    check(
        "{type: number, unit: K}",
        "{type: number, unit: degC}",
        Err("unit"),
    );
    check(
        "{type: number, unit: spikes}",
        "{type: number, unit: spikes}",
        Ok(""),
    );
    check(
        "{type: number, unit: spikes}",
        "{type: number, unit: bursts}",
        Err("unit"),
    );
    check(
        "{type: ref_contentSchema, contentSchema: {type: number, x_unit: milli-volt}}",
        "{type: number, unit: V}",
        Ok(
            "values are checked against the schema when they arrive; multiply by 0.001 (milli-volt to V)",
        ),
    );
}

#[test]
fn schemas() {
    let list = "{type: ref_contentSchema, contentSchema: {type: array, items: {type: number}}}";
    let titled =
        "{type: ref_contentSchema, contentSchema: {type: array, title: t, items: {type: number}}}";
    let texts = "{type: ref_contentSchema, contentSchema: {type: array, items: {type: string}}}";
    let number = "{type: ref_contentSchema, contentSchema: {type: number, minimum: 0}}";
    let whole = "{type: ref_contentSchema, contentSchema: {type: integer}}";
    let checked = "values are checked against the schema when they arrive";
    check(list, list, Ok(""));
    check(list, titled, Ok(""));
    check(list, texts, Err("schema"));
    check(list, "{type: number}", Err("schema"));
    check("{type: string}", list, Err("schema"));
    check(number, "{type: number}", Ok(checked));
    check(
        "{type: integer}",
        number,
        Ok(&format!("widened; {checked}")),
    );
    check(number, whole, Err("schema"));
    check(number, "{type: string}", Err("schema"));
    check(list, "{type: \"data:*/*\"}", Err("type"));
}

#[test]
fn all_ports_or_those_named() {
    let sleeper = service(SLEEPER);
    let all = match_ports(&sleeper, None, &sleeper, None).unwrap();
    assert_eq!(all.pairs.len() + all.refused.len(), 2 * 6);
    let file = match_ports(&sleeper, Some("output_1"), &sleeper, None).unwrap();
    let fed: Vec<&str> = file
        .pairs
        .iter()
        .map(|pair| pair.to.port.as_str())
        .collect();
    assert_eq!(fed, ["input_1"]);
    let time = match_ports(&sleeper, None, &sleeper, Some("input_2")).unwrap();
    let fed: Vec<&str> = time
        .pairs
        .iter()
        .map(|pair| pair.from.port.as_str())
        .collect();
    assert_eq!(fed, ["output_2"]);
    let json = serde_json::to_value(&time.pairs[0]).unwrap();
    let id = "simcore/services/comp/itis/sleeper:2.2.1";
    assert_eq!(
        json,
        serde_json::json!({"from": {"service": id, "port": "output_2"}, "to": {"service": id, "port": "input_2"}})
    );
}

#[test]
fn unknown_ports_have_near_names() {
    let sleeper = service(SLEEPER);
    let error = match_ports(&sleeper, Some("output1"), &sleeper, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has no output `output1`; did you mean `output_1`"),
        "{error}"
    );
    let error = match_ports(&sleeper, None, &sleeper, Some("voltage"))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("has no input `voltage`"), "{error}");
}
