//! YAML documents with positions.
//!
//! The parser crate gives events; the tree, its limits and the resolution of scalars (YAML 1.2 core schema) are
//! ours. A document that says something twice, or that grows when it is read, is refused.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, Span, Tag};
use serde_json::{Number, Value};

use crate::{fields::PROBLEMS_MAX, problem::Problem};

mod scalar;

/// Largest document: metadata with thousands of ports has a tenth of it.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting, the same as for JSON bodies; keeps every recursion over a tree shallow.
const DEPTH_MAX: usize = 64;
/// Most nodes, aliases expanded.
const NODES_MAX: usize = 100_000;
/// Most bytes of text, aliases expanded: a document may double by its aliases, no more.
const TEXT_BYTES_MAX: usize = 2 * DOCUMENT_BYTES_MAX;

/// A value and where it starts (both from 1; columns in characters).
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Yaml,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A YAML value, resolved by the core schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`; `yes`, `no`, `on` and `off` are strings.
    Bool(bool),
    /// A number, with its text: `1.0` read as a version is a mistake that can be explained only with it.
    Number {
        /// Its value.
        value: Number,
        /// How it is written.
        text: String,
    },
    /// Text.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order of the document; keys are unique.
    Map(Vec<MapEntry>),
}

/// One key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct MapEntry {
    /// The key.
    pub key: String,
    /// Line of the key, from 1.
    pub line: u32,
    /// Column of the key, from 1.
    pub column: u32,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Line and column.
    pub fn at(&self) -> (u32, u32) {
        (self.line, self.column)
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Yaml::String(text) => Some(text),
            Yaml::Null | Yaml::Bool(_) | Yaml::Number { .. } | Yaml::Seq(_) | Yaml::Map(_) => None,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Yaml::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            Yaml::Null | Yaml::Bool(_) | Yaml::Number { .. } | Yaml::String(_) | Yaml::Seq(_) => {
                None
            }
        }
    }

    /// The same value as JSON.
    pub fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(*value),
            Yaml::Number { value, .. } => Value::Number(value.clone()),
            Yaml::String(text) => Value::String(text.clone()),
            Yaml::Seq(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Yaml::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect(),
            ),
        }
    }

    /// What it is, for messages: `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Yaml::Null => "nothing".to_owned(),
            Yaml::Bool(value) => format!("the boolean {value}"),
            Yaml::Number { text, .. } => format!("the number {text}"),
            Yaml::String(_) => "text".to_owned(),
            Yaml::Seq(_) => "a list".to_owned(),
            Yaml::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads one document. What is wrong goes to `problems`; a tree is returned when the syntax is right, so that the
/// caller can find more (duplicate keys are problems, but the first of them stays in the tree).
pub fn parse_yaml(file: &str, bytes: &[u8], problems: &mut Vec<Problem>) -> Option<Node> {
    match read(file, bytes, problems) {
        Ok(node) => Some(node),
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

type Failure = Box<Problem>;

fn read(file: &str, bytes: &[u8], problems: &mut Vec<Problem>) -> Result<Node, Failure> {
    let fail = |at, reason: String, hint: &str| {
        Err(Box::new(
            Problem::error(file, at, "", reason).with_hint(Some(hint.to_owned())),
        ))
    };
    if bytes.len() > DOCUMENT_BYTES_MAX {
        let reason = format!(
            "the file has {} bytes; at most {DOCUMENT_BYTES_MAX} are allowed",
            bytes.len()
        );
        return fail(
            (1, 1),
            reason,
            "metadata describes a service; put data into files",
        );
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            return fail(
                position_after(before),
                "the file is not UTF-8".to_owned(),
                "save it as UTF-8",
            );
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(offset) = text.find('\0') {
        let at = position_after(&text.as_bytes()[..offset]);
        return fail(
            at,
            "the file contains a NUL character".to_owned(),
            "save it as UTF-8 text",
        );
    }
    let mut builder = Builder {
        file,
        problems,
        stack: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
        text_bytes: 0,
    };
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            Box::new(Problem::error(
                file,
                position(*error.marker()),
                "",
                format!("not valid YAML: {}", error.info()),
            ))
        })?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                return fail(
                    position(span.start),
                    "a second document starts here".to_owned(),
                    "one file holds one service: remove `---`",
                );
            }
        }
        builder.handle(event, span)?;
    }
    match builder.root {
        Some(root) => Ok(root),
        None => fail(
            (1, 1),
            "the file is empty".to_owned(),
            "start with `key:` and `version:`",
        ),
    }
}

fn position(marker: Marker) -> (u32, u32) {
    // Both are below the document limit; the parser counts lines from 1 and columns from 0.
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (
        number(marker.line().max(1)),
        number(marker.col()).saturating_add(1),
    )
}

/// Line and column of what follows `before`, which ends in valid UTF-8.
pub(crate) fn position_after(before: &[u8]) -> (u32, u32) {
    let text = String::from_utf8_lossy(before);
    let line = text.matches('\n').count() + 1;
    let column = text
        .rsplit('\n')
        .next()
        .map_or(0, |last| last.chars().count())
        + 1;
    (
        u32::try_from(line).unwrap_or(u32::MAX),
        u32::try_from(column).unwrap_or(u32::MAX),
    )
}

/// An open list or map.
struct Open {
    node: Node,
    /// 0 when it has no anchor.
    anchor: usize,
    /// The key whose value is read next, for maps.
    key: Option<(String, u32, u32)>,
    /// Keys seen, for maps: a linear search would be quadratic.
    seen: HashMap<String, (u32, u32)>,
    /// Deepest nesting of what is in it.
    height: usize,
}

struct Anchored {
    node: Node,
    nodes: usize,
    text_bytes: usize,
    height: usize,
}

struct Builder<'a> {
    file: &'a str,
    problems: &'a mut Vec<Problem>,
    stack: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    text_bytes: usize,
}

impl Builder<'_> {
    fn handle(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let (line, column) = position(span.start);
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                self.charge(1, text.len(), (line, column))?;
                if self.expects_key() {
                    return self.take_key(text.into_owned(), anchor, (line, column));
                }
                let value = match scalar::resolve(&text, style, tag.as_deref()) {
                    Ok(value) => value,
                    Err(reason) => return Err(self.failure((line, column), reason)),
                };
                self.close(
                    Node {
                        value,
                        line,
                        column,
                    },
                    anchor,
                    0,
                )
            }
            Event::SequenceStart(anchor, tag) => self.open(
                Yaml::Seq(Vec::new()),
                anchor,
                tag.as_deref(),
                (line, column),
            ),
            Event::MappingStart(anchor, tag) => self.open(
                Yaml::Map(Vec::new()),
                anchor,
                tag.as_deref(),
                (line, column),
            ),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(open) => self.close(open.node, open.anchor, open.height),
                None => {
                    Err(self.failure((line, column), "unbalanced end of a list or map".to_owned()))
                }
            },
            Event::Alias(anchor) => self.expand(anchor, (line, column)),
        }
    }

    fn failure(&self, at: (u32, u32), reason: String) -> Failure {
        Box::new(Problem::error(self.file, at, self.path(), reason))
    }

    /// Path of what is being read.
    fn path(&self) -> String {
        let keys: Vec<&str> = self
            .stack
            .iter()
            .filter_map(|open| open.key.as_ref())
            .map(|(key, ..)| key.as_str())
            .collect();
        keys.join(".")
    }

    fn expects_key(&self) -> bool {
        self.stack
            .last()
            .is_some_and(|open| matches!(open.node.value, Yaml::Map(_)) && open.key.is_none())
    }

    fn take_key(&mut self, key: String, anchor: usize, at: (u32, u32)) -> Result<(), Failure> {
        if key == "<<" {
            return Err(self.failure(
                at,
                "merge keys (`<<`) are not part of YAML 1.2; write the fields out".to_owned(),
            ));
        }
        if anchor != 0 {
            return Err(self.failure(at, "a key cannot have an anchor".to_owned()));
        }
        if let Some(open) = self.stack.last_mut() {
            open.key = Some((key, at.0, at.1));
        }
        Ok(())
    }

    fn open(
        &mut self,
        value: Yaml,
        anchor: usize,
        tag: Option<&Tag>,
        at: (u32, u32),
    ) -> Result<(), Failure> {
        self.charge(1, 0, at)?;
        if self.expects_key() {
            return Err(self.failure(at, "a key must be text, not a list or a map".to_owned()));
        }
        if let Some(tag) = tag.filter(|tag| {
            !(tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq"))
        }) {
            return Err(self.failure(at, format!("tag `{tag}` is not supported")));
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(self.failure(at, format!("nested deeper than {DEPTH_MAX}")));
        }
        let node = Node {
            value,
            line: at.0,
            column: at.1,
        };
        self.stack.push(Open {
            node,
            anchor,
            key: None,
            seen: HashMap::new(),
            height: 0,
        });
        Ok(())
    }

    /// Puts a complete node where it belongs. `height` is how deep it is nested within.
    fn close(&mut self, node: Node, anchor: usize, height: usize) -> Result<(), Failure> {
        if anchor != 0 {
            let (nodes, text_bytes) = size(&node);
            // The copy that later aliases are made from counts too: nested anchors would multiply unseen.
            self.charge(nodes, text_bytes, node.at())?;
            self.anchors.insert(
                anchor,
                Anchored {
                    node: node.clone(),
                    nodes,
                    text_bytes,
                    height,
                },
            );
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        match (&mut open.node.value, open.key.take()) {
            (Yaml::Map(entries), Some((key, line, column))) => {
                if let Some((first, _)) = open.seen.get(&key) {
                    let reason =
                        format!("key `{key}` is there twice; the first is in line {first}");
                    if self.problems.len() < PROBLEMS_MAX {
                        let problem = Problem::error(self.file, (line, column), key, reason);
                        self.problems.push(problem);
                    }
                } else {
                    open.seen.insert(key.clone(), (line, column));
                    entries.push(MapEntry {
                        key,
                        line,
                        column,
                        value: node,
                    });
                }
            }
            (Yaml::Seq(items), _) => items.push(node),
            // A collection in the place of a key was refused when it opened, an alias when it was expanded.
            (
                Yaml::Map(_) | Yaml::Null | Yaml::Bool(_) | Yaml::Number { .. } | Yaml::String(_),
                _,
            ) => {}
        }
        Ok(())
    }

    fn expand(&mut self, anchor: usize, at: (u32, u32)) -> Result<(), Failure> {
        if self.expects_key() {
            return Err(self.failure(at, "a key cannot be an alias".to_owned()));
        }
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.failure(at, "an alias refers to something it is part of".to_owned()));
        };
        let (nodes, text_bytes, height) = (anchored.nodes, anchored.text_bytes, anchored.height);
        if self.stack.len() + height > DEPTH_MAX {
            return Err(self.failure(at, format!("nested deeper than {DEPTH_MAX} by an alias")));
        }
        // Charged before the copy is made.
        self.charge(nodes, text_bytes, at)?;
        let Some(node) = self
            .anchors
            .get(&anchor)
            .map(|anchored| anchored.node.clone())
        else {
            return Ok(());
        };
        self.close(
            Node {
                line: at.0,
                column: at.1,
                ..node
            },
            0,
            height,
        )
    }

    fn charge(&mut self, nodes: usize, text_bytes: usize, at: (u32, u32)) -> Result<(), Failure> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.text_bytes = self.text_bytes.saturating_add(text_bytes);
        if self.nodes > NODES_MAX {
            return Err(self.failure(
                at,
                format!("more than {NODES_MAX} values, aliases expanded"),
            ));
        }
        if self.text_bytes > TEXT_BYTES_MAX {
            return Err(self.failure(
                at,
                format!("more than {TEXT_BYTES_MAX} bytes of text, aliases expanded"),
            ));
        }
        Ok(())
    }
}

/// Nodes and bytes of text of a tree; its depth is bounded, so the recursion is.
fn size(node: &Node) -> (usize, usize) {
    let add = |(nodes, bytes): (usize, usize), (n, b): (usize, usize)| (nodes + n, bytes + b);
    match &node.value {
        Yaml::Null | Yaml::Bool(_) => (1, 0),
        Yaml::Number { text, .. } | Yaml::String(text) => (1, text.len()),
        Yaml::Seq(items) => items.iter().map(size).fold((1, 0), add),
        Yaml::Map(entries) => entries
            .iter()
            .map(|entry| add(size(&entry.value), (1, entry.key.len())))
            .fold((1, 0), add),
    }
}

#[cfg(test)]
mod tests;
