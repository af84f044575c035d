//! Values against ports: the inputs of a job, the outputs of a program, the defaults of a service.

use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::{
    near::did_you_mean,
    port::{MediaPattern, Port, PortKind, Ports},
    service::Service,
};

/// Most violations listed; one answer must not grow with a hostile body.
const VIOLATIONS_MAX: usize = 100;
/// Largest whole number that a double holds exactly together with all smaller ones: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Where the REST API has files; `href` of a file value starts with it.
const FILES_PATH: &str = "/v1/files/";

/// One way in which values do not fit the ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON pointer from the object of all values; the caller puts its own place before it.
    pub pointer: String,
    /// `unknown-port`, `required`, `type`, `file`, `media-type`, or the keyword of the content schema.
    pub rule: String,
    /// What is wrong, for people.
    pub detail: String,
}

impl Violation {
    fn new(pointer: impl Into<String>, rule: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            rule: rule.to_owned(),
            detail: detail.into(),
        }
    }
}

/// A file that a value refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Key of the port.
    pub port: String,
    /// Lower-case hex SHA-256 of its content.
    pub sha256: String,
    /// Its name, if one was given. Any text: not safe as a path.
    pub name: Option<String>,
    /// Its media type, if one was given.
    pub media_type: Option<String>,
}

/// Checks the inputs of a job; returns them with defaults, in the form that a program gets.
///
/// Whole numbers lose their fraction (`3.0` → `3`), the texts `true` and `false` become booleans, a file becomes
/// `{"sha256", "name"?, "type"?}`. An input whose default is `null` is left out when it is not given or `null`.
///
/// # Errors
/// Every violation, in the order of the ports.
pub fn validate_inputs(
    service: &Service,
    inputs: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Violation>> {
    check_all(&service.metadata.inputs, inputs, Side::Input)
}

/// Checks what a program wrote as its outputs; a file is `{"sha256", "size"?, "name"?, "type"?, "href"?}` by now.
///
/// # Errors
/// Every violation, in the order of the ports. A missing output is one.
pub fn validate_outputs(
    service: &Service,
    outputs: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Violation>> {
    check_all(&service.metadata.outputs, outputs, Side::Output)
}

/// The files among the inputs of a service that [`validate_inputs`] has passed, in the order of the ports.
pub fn file_refs(service: &Service, inputs: &Map<String, Value>) -> Vec<FileRef> {
    let file_ports = service
        .metadata
        .inputs
        .iter()
        .filter(|port| port.kind.is_file());
    let read = |port: &Port| {
        let value = inputs.get(&port.key)?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(FileRef {
            port: port.key.clone(),
            sha256: text("sha256")?,
            name: text("name"),
            media_type: text("type"),
        })
    };
    file_ports.filter_map(read).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Output,
}

impl Side {
    fn noun(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

fn check_all(
    ports: &Ports,
    mut values: Map<String, Value>,
    side: Side,
) -> Result<Map<String, Value>, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut checked = Map::new();
    for port in ports {
        let pointer = format!("/{}", escape(&port.key));
        let given = values.remove(&port.key);
        // `null` as default means that nothing is a value, too.
        let given = given.filter(|value| !(value.is_null() && port.default == Some(Value::Null)));
        match (given, &port.default) {
            (Some(value), _) => match check_value(port, value, &pointer, side) {
                Ok(value) => {
                    checked.insert(port.key.clone(), value);
                }
                Err(found) => violations.extend(found),
            },
            (None, Some(Value::Null)) if !port.required => {}
            (None, Some(default)) if !port.required => {
                checked.insert(port.key.clone(), default.clone());
            }
            (None, _) => violations.push(Violation::new(
                pointer,
                "required",
                format!("{} `{}` is missing", side.noun(), port.key),
            )),
        }
    }
    for key in values.keys().take(VIOLATIONS_MAX) {
        let hint = did_you_mean(key, ports.keys())
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        let detail = format!("the service has no {} `{}`{hint}", side.noun(), shown(key));
        violations.push(Violation::new(
            format!("/{}", escape(key)),
            "unknown-port",
            detail,
        ));
    }
    if violations.is_empty() {
        return Ok(checked);
    }
    violations.truncate(VIOLATIONS_MAX);
    Err(violations)
}

/// A default, checked as a value of its port; `null` is always possible and means "nothing".
pub(crate) fn check_default(port: &Port, value: Value) -> Result<Value, Vec<String>> {
    if value.is_null() {
        return Ok(value);
    }
    check_value(port, value, "", Side::Input).map_err(|violations| {
        let reason = |violation: Violation| match violation.pointer.as_str() {
            "" => violation.detail,
            pointer => format!("at `{pointer}`: {}", violation.detail),
        };
        violations.into_iter().map(reason).collect()
    })
}

fn check_value(
    port: &Port,
    value: Value,
    pointer: &str,
    side: Side,
) -> Result<Value, Vec<Violation>> {
    let wrong = |expected: &str, value: &Value| {
        Err(vec![Violation::new(
            pointer,
            "type",
            format!("expected {expected}, found {}", describe(value)),
        )])
    };
    let value = match &port.kind {
        PortKind::Number if value.is_number() => value,
        PortKind::Number => return wrong("a number", &value),
        PortKind::Integer => match whole(&value) {
            Some(number) => Value::Number(number),
            None => return wrong("a whole number", &value),
        },
        PortKind::Boolean => match &value {
            Value::Bool(_) => value,
            // Stock clients of the osparc API send booleans as text.
            Value::String(text) if text == "true" => Value::Bool(true),
            Value::String(text) if text == "false" => Value::Bool(false),
            _ => return wrong("true or false", &value),
        },
        PortKind::String if value.is_string() => value,
        PortKind::String => return wrong("text", &value),
        PortKind::Data(patterns) => return check_file(patterns, value, pointer, side),
        PortKind::Schema(_) => value,
    };
    let Some(schema) = port.content_schema() else {
        return Ok(value);
    };
    let found = schema.violations(&value);
    if found.is_empty() {
        return Ok(value);
    }
    let place = |(path, keyword, message): (String, String, String)| {
        Violation::new(format!("{pointer}{path}"), &keyword, message)
    };
    Err(found.into_iter().map(place).collect())
}

/// A whole number as such; a fraction of zero is dropped where that loses nothing.
fn whole(value: &Value) -> Option<Number> {
    let number = value.as_number()?;
    if !number.is_f64() {
        return Some(number.clone());
    }
    let float = number
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() <= EXACT_MAX)?;
    Some(Number::from(float as i64))
}

fn check_file(
    patterns: &[MediaPattern],
    value: Value,
    pointer: &str,
    side: Side,
) -> Result<Value, Vec<Violation>> {
    const MEMBERS: [&str; 5] = ["sha256", "href", "name", "type", "size"];
    let Value::Object(mut file) = value else {
        let detail = format!(
            "expected a file as {{\"sha256\": \"…\"}} or {{\"href\": \"{FILES_PATH}…\"}}, found {}",
            describe(&value)
        );
        return Err(vec![Violation::new(pointer, "type", detail)]);
    };
    let mut violations = Vec::new();
    let mut wrong = |member: &str, rule: &str, detail: String| {
        violations.push(Violation::new(
            format!("{pointer}/{}", escape(member)),
            rule,
            detail,
        ));
    };
    for key in file
        .keys()
        .filter(|key| !MEMBERS.contains(&key.as_str()))
        .take(VIOLATIONS_MAX)
    {
        let hint = did_you_mean(key, MEMBERS)
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default();
        wrong(
            key,
            "file",
            format!("a file has no member `{}`{hint}", shown(key)),
        );
    }
    // A member that is null says nothing.
    file.retain(|_, value| !value.is_null());
    for member in ["sha256", "href", "name", "type"] {
        if file.get(member).is_some_and(|value| !value.is_string()) {
            wrong(member, "type", "expected text".to_owned());
        }
    }
    if file
        .get("size")
        .is_some_and(|value| value.as_u64().is_none())
    {
        wrong("size", "type", "expected a number of bytes".to_owned());
    }
    let text = |member: &str| file.get(member).and_then(Value::as_str);
    let direct = text("sha256").map(str::to_ascii_lowercase);
    let linked = text("href").map(|href| {
        href.strip_prefix(FILES_PATH)
            .unwrap_or_default()
            .to_ascii_lowercase()
    });
    if direct.as_deref().is_some_and(|hash| !is_sha256(hash)) {
        wrong(
            "sha256",
            "file",
            "expected 64 hexadecimal digits".to_owned(),
        );
    }
    if linked.as_deref().is_some_and(|hash| !is_sha256(hash)) {
        wrong(
            "href",
            "file",
            format!("expected {FILES_PATH} and 64 hexadecimal digits"),
        );
    }
    if let (Some(direct), Some(linked)) = (&direct, &linked)
        && direct != linked
    {
        wrong(
            "href",
            "file",
            "names another file than `sha256`".to_owned(),
        );
    }
    if text("name").is_some_and(|name| name.is_empty() || name.contains('\0')) {
        wrong("name", "file", "is not the name of a file".to_owned());
    }
    if let Some(given) = text("type") {
        let accepted = MediaPattern::parse(given)
            .map(|given| patterns.iter().any(|pattern| pattern.intersects(&given)));
        match accepted {
            Some(true) => {}
            Some(false) => wrong(
                "type",
                "media-type",
                format!("expected {}, found {}", join(patterns), shown(given)),
            ),
            None => wrong(
                "type",
                "media-type",
                format!("`{}` is not a media type", shown(given)),
            ),
        }
    }
    let hash = direct.or(linked);
    if hash.is_none() && violations.is_empty() {
        violations.push(Violation::new(
            pointer,
            "file",
            "a file needs `sha256` or `href`",
        ));
    }
    match hash {
        Some(hash) if violations.is_empty() => {
            file.insert("sha256".to_owned(), Value::String(hash));
            if side == Side::Input {
                file.retain(|member, _| matches!(member.as_str(), "sha256" | "name" | "type"));
            }
            Ok(Value::Object(file))
        }
        _ => Err(violations),
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn join(patterns: &[MediaPattern]) -> String {
    let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    texts.join(" or ")
}

/// A value in a message: what kind it is and, when it is short, itself.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One segment of a JSON pointer (RFC 6901).
pub(crate) fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
