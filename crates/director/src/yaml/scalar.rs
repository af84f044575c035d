//! What a scalar means: YAML 1.2 core schema, restricted to what JSON can say.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::Number;

use super::Yaml;

/// A scalar by its style, its tag and, if plain, the core schema.
pub(super) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Yaml, String> {
    if let Some(tag) = tag {
        let core = tag.is_yaml_core_schema();
        if (core && tag.suffix == "str") || (tag.handle.is_empty() && tag.suffix == "!") {
            return Ok(Yaml::String(text.to_owned()));
        }
        let value = resolve_plain(text)?;
        return match (core, tag.suffix.as_str(), &value) {
            (true, "null", Yaml::Null)
            | (true, "bool", Yaml::Bool(_))
            | (true, "float", Yaml::Number { .. }) => Ok(value),
            (true, "int", Yaml::Number { value: number, .. }) if !number.is_f64() => Ok(value),
            _ => Err(format!("tag `{tag}` is not supported here")),
        };
    }
    match style {
        ScalarStyle::Plain => resolve_plain(text),
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Ok(Yaml::String(text.to_owned())),
    }
}

/// YAML 1.2.2, 10.3.2.
fn resolve_plain(text: &str) -> Result<Yaml, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Yaml::Null,
        "true" | "True" | "TRUE" => Yaml::Bool(true),
        "false" | "False" | "FALSE" => Yaml::Bool(false),
        _ => match resolve_number(text)? {
            Some(value) => Yaml::Number {
                value,
                text: text.to_owned(),
            },
            None => Yaml::String(text.to_owned()),
        },
    })
}

fn resolve_number(text: &str) -> Result<Option<Number>, String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!("`{text}` has no JSON form; quote it if it is text"));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            let value = u64::from_str_radix(digits, radix);
            return value
                .map(|value| Some(value.into()))
                .map_err(|_| too_large(text));
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let plain = text.strip_prefix('+').unwrap_or(text);
        if let Ok(value) = plain.parse::<i64>() {
            return Ok(Some(value.into()));
        }
        return plain
            .parse::<u64>()
            .map(|value| Some(value.into()))
            .map_err(|_| too_large(text));
    }
    if !is_float(unsigned) {
        return Ok(None);
    }
    let value: f64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    Number::from_f64(value)
        .map(Some)
        .ok_or_else(|| too_large(text))
}

fn too_large(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the number {shown} is out of range; quote it if it is text")
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, without its sign.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa_ok
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}
