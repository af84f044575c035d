//! Typed reading of `inputs.json`.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::Stop;

/// The largest integer that a JSON number holds exactly in every language.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// The input values of one run. An input that is absent or `null` takes its default.
#[derive(Debug)]
pub struct Inputs {
    values: Map<String, Value>,
    folder: PathBuf,
}

impl Inputs {
    /// Parses `inputs.json`, found in `folder`.
    ///
    /// # Errors
    ///
    /// [`Stop::InputsSyntax`] unless `text` is one JSON object.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Stop> {
        match serde_json::from_str(text) {
            Ok(Value::Object(values)) => Ok(Self {
                values,
                folder: folder.to_owned(),
            }),
            Ok(other) => Err(Stop::InputsSyntax(format!("it is {}", shown(&other)))),
            Err(error) => Err(Stop::InputsSyntax(error.to_string())),
        }
    }

    /// Refuses a port that the service does not have, because a misspelt name would silently run
    /// with the default.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] naming the first unknown port.
    pub fn expect_only(&self, ports: &[&str]) -> Result<(), Stop> {
        match self.values.keys().find(|k| !ports.contains(&k.as_str())) {
            Some(port) => Err(Stop::input(
                port,
                format!("no such port, there are {}", ports.join(", ")),
            )),
            None => Ok(()),
        }
    }

    fn get(&self, port: &str) -> Option<&Value> {
        self.values.get(port).filter(|value| !value.is_null())
    }

    /// A number within `allowed`.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] for another type or a number outside.
    pub fn number(
        &self,
        port: &str,
        default: f64,
        allowed: RangeInclusive<f64>,
    ) -> Result<f64, Stop> {
        Ok(self.optional_number(port, allowed)?.unwrap_or(default))
    }

    /// A number within `allowed`, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Inputs::number`].
    pub fn optional_number(
        &self,
        port: &str,
        allowed: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Stop> {
        let Some(value) = self.get(port) else {
            return Ok(None);
        };
        let number = value
            .as_f64()
            .ok_or_else(|| wrong_type(port, "a number", value))?;
        if !allowed.contains(&number) {
            let (low, high) = (allowed.start(), allowed.end());
            return Err(Stop::input(
                port,
                format!("must be from {low} to {high}, got {number}"),
            ));
        }
        Ok(Some(number))
    }

    /// An integer within `allowed`; `3.0` is one too, as in JSON Schema.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] for another type or an integer outside.
    pub fn integer(
        &self,
        port: &str,
        default: u64,
        allowed: RangeInclusive<u64>,
    ) -> Result<u64, Stop> {
        let Some(value) = self.get(port) else {
            return Ok(default);
        };
        let outside = || {
            let (low, high) = (allowed.start(), allowed.end());
            Stop::input(port, format!("must be from {low} to {high}, got {value}"))
        };
        let integer = match (value.as_u64(), value.as_f64()) {
            (Some(integer), _) => integer,
            (None, Some(float)) if float.fract() != 0.0 => {
                return Err(wrong_type(port, "an integer", value));
            }
            (None, Some(float)) if (0.0..=EXACT).contains(&float) => float as u64,
            (None, Some(_)) => return Err(outside()),
            (None, None) => return Err(wrong_type(port, "an integer", value)),
        };
        if !allowed.contains(&integer) {
            return Err(outside());
        }
        Ok(integer)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] for another type.
    pub fn boolean(&self, port: &str, default: bool) -> Result<bool, Stop> {
        match self.get(port) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(value) => Err(wrong_type(port, "true or false", value)),
        }
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] for another type.
    pub fn text<'a>(&'a self, port: &str, default: &'a str) -> Result<&'a str, Stop> {
        match self.get(port) {
            None => Ok(default),
            Some(Value::String(value)) => Ok(value),
            Some(value) => Err(wrong_type(port, "a text", value)),
        }
    }

    /// The path of an input file that must be given.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] when it is absent or not a path.
    pub fn file(&self, port: &str) -> Result<PathBuf, Stop> {
        self.optional_file(port)?
            .ok_or_else(|| Stop::input(port, "a file is needed"))
    }

    /// The path of an input file, if there is one.
    ///
    /// # Errors
    ///
    /// [`Stop::Input`] when it is not a path.
    pub fn optional_file(&self, port: &str) -> Result<Option<PathBuf>, Stop> {
        match self.get(port) {
            None => Ok(None),
            // The platform gives an absolute path; by hand, one beside inputs.json is handy.
            Some(Value::String(path)) => Ok(Some(self.folder.join(path))),
            Some(value) => Err(wrong_type(port, "the path of a file", value)),
        }
    }
}

fn wrong_type(port: &str, wanted: &str, got: &Value) -> Stop {
    Stop::input(port, format!("must be {wanted}, got {}", shown(got)))
}

/// A value as an error shows it: scalars as they are, the rest by kind.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "an array".into(),
        // Long texts would bury the reason.
        Value::String(text) if text.len() > 60 => format!("a text of {} bytes", text.len()),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(text: &str) -> Inputs {
        Inputs::parse(text, Path::new("/in")).unwrap()
    }

    fn said<T: std::fmt::Debug>(result: Result<T, Stop>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_are_read_by_type_and_null_means_default() {
        let i = inputs(r#"{"n":1.5,"k":3.0,"b":true,"s":"x","f":"a.csv","g":"/x/b","z":null}"#);
        assert_eq!(i.number("n", 0.0, 0.0..=2.0).unwrap(), 1.5);
        assert_eq!(i.number("z", 7.0, 0.0..=2.0).unwrap(), 7.0);
        assert_eq!(i.integer("k", 0, 0..=9).unwrap(), 3);
        assert!(i.boolean("b", false).unwrap());
        assert_eq!(i.text("s", "").unwrap(), "x");
        assert_eq!(i.text("absent", "d").unwrap(), "d");
        assert_eq!(i.file("f").unwrap(), Path::new("/in/a.csv"));
        assert_eq!(i.file("g").unwrap(), Path::new("/x/b"));
        assert_eq!(i.optional_file("z").unwrap(), None);
        i.expect_only(&["n", "k", "b", "s", "f", "g", "z"]).unwrap();
    }

    #[test]
    fn wrong_values_name_the_port() {
        let i = inputs(r#"{"n":-3,"k":2.5,"big":1e300,"s":"NaN","o":{}}"#);
        assert_eq!(
            said(i.number("n", 1.0, 0.0..=2.0)),
            "input n: must be from 0 to 2, got -3"
        );
        assert_eq!(
            said(i.number("s", 1.0, 0.0..=2.0)),
            "input s: must be a number, got \"NaN\""
        );
        assert_eq!(
            said(i.integer("k", 0, 0..=9)),
            "input k: must be an integer, got 2.5"
        );
        assert_eq!(
            said(i.integer("n", 0, 0..=9)),
            "input n: must be from 0 to 9, got -3"
        );
        assert!(said(i.integer("big", 0, 0..=9)).starts_with("input big: must be from 0 to 9"));
        assert_eq!(
            said(i.boolean("o", true)),
            "input o: must be true or false, got an object"
        );
        assert_eq!(said(i.file("absent")), "input absent: a file is needed");
        assert_eq!(
            said(i.expect_only(&["n", "k", "big", "s"])),
            "input o: no such port, there are n, k, big, s"
        );
    }

    #[test]
    fn inputs_must_be_a_json_object() {
        for (text, reason) in [
            ("[1]", "it is an array"),
            (r#"{"a":NaN}"#, "expected value at line 1 column 6"),
            (r#"{"a":1e999}"#, "number out of range at line 1 column 10"),
            ("", "EOF while parsing a value at line 1 column 0"),
        ] {
            let stop = Inputs::parse(text, Path::new("/in")).unwrap_err();
            assert_eq!(
                stop.to_string(),
                format!("inputs.json is not a JSON object: {reason}")
            );
        }
    }
}
