//! `--input name=value`: inputs of a call as typed on a command line.

use std::path::Path;

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Reads one `name=value` assignment.
///
/// `value` is JSON if it parses as JSON, otherwise a string: `n=3`, `on=true`, `name=sleeper`,
/// `text="3"`. `name=@FILE` reads JSON from a file; `name=@@text` is the string `@text`.
///
/// # Errors
///
/// When there is no name, or the file cannot be read or is not JSON.
pub(crate) fn parse_assignment(text: &str) -> Result<(String, Value), Failure> {
    let (name, value) = split_assignment(text, "--input diameter=476")?;
    Ok((name.to_owned(), parse_value(value)?))
}

/// Splits `name=value` at the first `=`.
///
/// # Errors
///
/// When there is no `=` or no name before it.
pub(crate) fn split_assignment<'a>(
    text: &'a str,
    example: &str,
) -> Result<(&'a str, &'a str), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Failure::invalid(
            format!("`{text}` is not of the form name=value"),
            format!("for example `{example}`"),
        )),
    }
}

fn parse_value(text: &str) -> Result<Value, Failure> {
    if let Some(rest) = text.strip_prefix('@') {
        if rest.starts_with('@') {
            return Ok(Value::String(rest.to_owned()));
        }
        let path = Path::new(rest);
        let content = std::fs::read_to_string(path)
            .map_err(|error| Failure::local_file("cannot read", path, &error))?;
        return serde_json::from_str(&content).map_err(|error| {
            Failure::invalid(
                format!("{rest} is not JSON: {error}"),
                "write a string as \"text\", or pass a literal @ as @@",
            )
        });
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

/// Adds assignments to an inputs object.
///
/// # Errors
///
/// When a name is given twice: the caller means one of the two, and we do not guess which.
pub(crate) fn insert_new(
    inputs: &mut Map<String, Value>,
    name: String,
    value: Value,
) -> Result<(), Failure> {
    if inputs.contains_key(&name) {
        return Err(Failure::invalid(
            format!("the input `{name}` is given twice"),
            "give each input once",
        ));
    }
    inputs.insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{insert_new, parse_assignment};

    fn check(text: &str, name: &str, value: Value) {
        assert_eq!(parse_assignment(text).unwrap(), (name.to_owned(), value));
    }

    #[test]
    fn json_if_it_parses_else_a_string() {
        check("n=3", "n", json!(3));
        check("x=1e-3", "x", json!(1e-3));
        check("on=true", "on", json!(true));
        check("none=null", "none", Value::Null);
        check("list=[1, 2]", "list", json!([1, 2]));
        check("o={\"a\": 1}", "o", json!({"a": 1}));
        check("name=sleeper", "name", json!("sleeper"));
        check("text=\"3\"", "text", json!("3"));
        check("v=1.2.3", "v", json!("1.2.3"));
        check("empty=", "empty", json!(""));
        check("eq=a=b", "eq", json!("a=b"));
    }

    #[test]
    fn an_at_sign_reads_a_file_and_two_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.json");
        std::fs::write(&path, "{\"deep\": [1]}\n").unwrap();
        check(&format!("v=@{}", path.display()), "v", json!({"deep": [1]}));
        check("who=@@alice", "who", json!("@alice"));
        assert!(parse_assignment("v=@/no/such/file").is_err());
        std::fs::write(&path, "not json").unwrap();
        let error = parse_assignment(&format!("v=@{}", path.display())).unwrap_err();
        assert!(error.message.contains("is not JSON"), "{error}");
    }

    #[test]
    fn a_name_is_needed_and_only_once() {
        assert!(parse_assignment("=3").is_err());
        assert!(parse_assignment("three").is_err());
        let mut inputs = Map::new();
        insert_new(&mut inputs, "a".to_owned(), json!(1)).unwrap();
        assert!(insert_new(&mut inputs, "a".to_owned(), json!(2)).is_err());
        assert_eq!(inputs["a"], json!(1));
    }
}
