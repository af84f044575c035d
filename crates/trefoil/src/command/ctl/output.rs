//! Results in rabbitmqctl's formats: tables with tabs, JSON, CSV, and tables with lines.

use serde_json::Value;

use super::{Fault, options::Options};

/// What a command gives.
#[derive(Debug)]
pub(super) enum Output {
    /// Nothing to say.
    Nothing,
    /// A sentence.
    Text(String),
    /// Rows under named columns.
    Rows(Rows),
    /// A document: as JSON, or as this text for people.
    Document { json: Value, text: String },
}

/// Rows under named columns.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Output {
    /// The whole text that goes to standard output.
    pub(super) fn render(&self, options: &Options) -> Result<String, Fault> {
        match self {
            Output::Nothing => Ok(String::new()),
            Output::Text(_) if options.has("silent") && !options.has("formatter") => {
                Ok(String::new())
            }
            Output::Text(text) => Ok(match options.formatter() {
                Some("json") => {
                    format!("{}\n", serde_json::json!({"result": "ok", "message": text}))
                }
                _ => format!("{text}\n"),
            }),
            Output::Document { json, text } => Ok(match options.formatter() {
                Some("json" | "json_stream") => format!("{json}\n"),
                _ => text.clone(),
            }),
            Output::Rows(rows) => rows.render(options),
        }
    }
}

impl Rows {
    fn render(&self, options: &Options) -> Result<String, Fault> {
        let headers = options.headers();
        match options.formatter() {
            None | Some("table" | "string" | "string_per_line") => Ok(self.table(headers)),
            Some("json") => Ok(self.json()),
            Some("json_stream") => Ok(self.json_stream()),
            Some("csv") => Ok(self.csv(headers)),
            Some("pretty_table") => Ok(self.pretty(headers)),
            Some("erlang") => Ok(self.erlang()),
            Some(other) => Err(Fault::usage(format!("unknown formatter: {other}"))),
        }
    }

    /// Tabs between columns; an empty list has no header either.
    fn table(&self, headers: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut text = String::new();
        if headers {
            text.push_str(&self.columns.join("\t"));
            text.push('\n');
        }
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(plain).collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }

    fn object(&self, row: &[Value]) -> String {
        let members = self.columns.iter().zip(row);
        let members: Vec<String> = members
            .map(|(column, value)| format!("{}:{value}", Value::from(column.as_str())))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    fn json(&self) -> String {
        let objects: Vec<String> = self.rows.iter().map(|row| self.object(row)).collect();
        format!("[\n{}\n]\n", objects.join("\n,"))
    }

    fn json_stream(&self) -> String {
        let objects = self.rows.iter().map(|row| self.object(row) + "\n");
        objects.collect()
    }

    fn csv(&self, headers: bool) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut text = String::new();
        if headers {
            let columns: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
            text.push_str(&columns.join(","));
            text.push('\n');
        }
        for row in &self.rows {
            let cells = row.iter().map(|value| match value {
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                other => quoted(&plain(other)),
            });
            text.push_str(&cells.collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        text
    }

    fn pretty(&self, headers: bool) -> String {
        let cells: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(plain).collect())
            .collect();
        let width = |column: usize| {
            let head = self.columns[column].chars().count();
            let widths = cells.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0).max(head)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let rule = |left: &str, middle: &str, right: &str| {
            let lines: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            format!("{left}{}{right}\n", lines.join(middle))
        };
        let line = |row: &[String]| {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| {
                    format!(" {cell}{} ", " ".repeat(width - cell.chars().count()))
                })
                .collect();
            format!("│{}│\n", cells.join("│"))
        };
        let mut text = rule("┌", "┬", "┐");
        if headers {
            text.push_str(&line(&self.columns));
            text.push_str(&rule("├", "┼", "┤"));
        }
        for row in &cells {
            text.push_str(&line(row));
        }
        text.push_str(&rule("└", "┴", "┘"));
        text
    }

    fn erlang(&self) -> String {
        let row = |row: &Vec<Value>| {
            let pairs = self.columns.iter().zip(row);
            let pairs: Vec<String> = pairs
                .map(|(column, value)| format!("{{{column},{}}}", term(value)))
                .collect();
            format!("[{}]", pairs.join(",\n  "))
        };
        let rows: Vec<String> = self.rows.iter().map(row).collect();
        format!("[{}]\n", rows.join(",\n "))
    }
}

/// A cell: texts bare, tables as lists of pairs, lists of texts bare in brackets.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        other => term(other),
    }
}

/// As an Erlang term: what people grep for in `client_properties`.
fn term(value: &Value) -> String {
    match value {
        Value::Null => "undefined".to_owned(),
        Value::String(text) => {
            format!("\"{}\"", escape(text).replace('"', "\\\""))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(term).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let pairs = members.iter();
            let pairs: Vec<String> = pairs
                .map(|(name, value)| {
                    format!("{{{},{}}}", term(&Value::from(name.as_str())), term(value))
                })
                .collect();
            format!("[{}]", pairs.join(","))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Names of others must neither break a table nor steer a terminal.
fn escape(text: &str) -> String {
    if !text.contains(char::is_control) && !text.contains('\\') {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            letter if letter.is_control() => escaped.extend(letter.escape_unicode()),
            letter => escaped.push(letter),
        }
    }
    escaped
}
