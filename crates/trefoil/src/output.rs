//! What goes to standard output and standard error, and in which form.
//!
//! A person at a terminal gets aligned tables and colour; a pipe gets plain lines with tabs and no
//! header; `--json` gets one JSON document (or JSON lines where the command streams). Progress and
//! notes go to standard error.

use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::failure::StdoutClosed;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// Colour on a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Colour always.
    Always,
    /// Never colour.
    Never,
}

impl ColorChoice {
    /// Whether a stream gets colour.
    pub(crate) fn applies_to(self, stream: &impl IsTerminal) -> bool {
        match self {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            // no-color.org: present and not empty.
            ColorChoice::Auto => {
                stream.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
            }
        }
    }
}

/// The look of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As it is.
    Plain,
    /// Headings.
    Bold,
    /// Less important.
    Dim,
    /// Well.
    Green,
    /// Waiting, or a warning.
    Yellow,
    /// Failed.
    Red,
    /// At work.
    Cyan,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "\x1b[1m",
            Style::Dim => "\x1b[2m",
            Style::Green => "\x1b[32m",
            Style::Yellow => "\x1b[33m",
            Style::Red => "\x1b[1;31m",
            Style::Cyan => "\x1b[36m",
        }
    }

    /// The style of a job's or a service's state.
    pub(crate) fn of_state(state: &str) -> Style {
        match state {
            "succeeded" | "active" | "healthy" | "ok" => Style::Green,
            "failed" | "fail" | "unhealthy" => Style::Red,
            "running" | "starting" => Style::Cyan,
            "canceled" | "retired" | "gone" => Style::Dim,
            "queued" | "blocked" | "retrying" | "canceling" | "paused" | "warn" | "degraded"
            | "draining" | "ejected" | "suspect" => Style::Yellow,
            _ => Style::Plain,
        }
    }
}

/// Wraps `text` in a style.
pub(crate) fn paint(text: &str, style: Style, color: bool) -> String {
    if color && style != Style::Plain {
        format!("{}{text}\x1b[0m", style.code())
    } else {
        text.to_owned()
    }
}

/// Where and how a command writes.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    /// `--json`.
    pub(crate) json: bool,
    /// `-q`.
    pub(crate) quiet: bool,
    /// Standard output is read by a person.
    pub(crate) terminal: bool,
    /// Progress bars make sense on standard error.
    pub(crate) bars: bool,
    color_out: bool,
    color_err: bool,
}

impl Ui {
    /// Looks at the flags, the environment and the two streams.
    pub(crate) fn new(json: bool, quiet: bool, color: ColorChoice) -> Ui {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        Ui {
            json,
            quiet,
            terminal: out.is_terminal(),
            bars: err.is_terminal() && !quiet && !json,
            color_out: color.applies_to(&out),
            color_err: color.applies_to(&err),
        }
    }

    /// Bytes to standard output, as they are.
    ///
    /// # Errors
    ///
    /// [`StdoutClosed`] when the reader left; other I/O errors as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(StdoutClosed.into())
            }
            Err(error) => Err(anyhow::Error::new(error).context("cannot write to standard output")),
        }
    }

    /// One line to standard output.
    ///
    /// # Errors
    ///
    /// As [`Ui::bytes`].
    pub(crate) fn line(&self, text: &str) -> anyhow::Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// A JSON document, indented.
    ///
    /// # Errors
    ///
    /// As [`Ui::bytes`].
    pub(crate) fn document(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.line(&serde_json::to_string_pretty(value)?)
    }

    /// A JSON document on one line, for streams.
    ///
    /// # Errors
    ///
    /// As [`Ui::bytes`].
    pub(crate) fn json_line(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.line(&serde_json::to_string(value)?)
    }

    /// A table.
    ///
    /// # Errors
    ///
    /// As [`Ui::bytes`].
    pub(crate) fn table(&self, table: &Table) -> anyhow::Result<()> {
        self.bytes(table.render(self.terminal, self.color_out).as_bytes())
    }

    /// A note for people, to standard error. Silent with `-q` and with `--json`, where standard
    /// error is for problems only.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            // Standard error gone means nobody reads notes.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Whether standard output gets colour.
    pub(crate) fn colors(&self) -> bool {
        self.color_out
    }

    /// Whether standard error gets colour.
    pub(crate) fn colors_err(&self) -> bool {
        self.color_err
    }

    /// A word for standard output in a style.
    pub(crate) fn styled(&self, text: &str, style: Style) -> String {
        paint(text, style, self.color_out)
    }

    /// A word for standard error in a style.
    pub(crate) fn styled_err(&self, text: &str, style: Style) -> String {
        paint(text, style, self.color_err)
    }
}

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in a style.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell {
            text: text.into(),
            style,
        }
    }

    /// A state, coloured by what it says.
    pub(crate) fn state(state: &str) -> Cell {
        Cell::styled(state, Style::of_state(state))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(text, Style::Plain)
    }
}

/// Rows under a header.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(header: &[&'static str]) -> Table {
        Table {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.header.len(), "a cell for every column");
        self.rows.push(cells.into());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text: aligned with a header for a terminal, tab-separated rows for a pipe.
    fn render(&self, terminal: bool, color: bool) -> String {
        let mut out = String::new();
        if !terminal {
            for row in &self.rows {
                let cells: Vec<String> = row
                    .iter()
                    .map(|cell| paint(&one_line(&cell.text), cell.style, color))
                    .collect();
                out.push_str(&cells.join("\t"));
                out.push('\n');
            }
            return out;
        }
        let header = self
            .header
            .iter()
            .map(|&title| Cell::styled(title, Style::Bold))
            .collect();
        let rows: Vec<&Vec<Cell>> = std::iter::once(&header).chain(&self.rows).collect();
        let width = |column: usize| {
            let widths = rows.iter().map(|row| width_of(&row[column].text));
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let text = one_line(&cell.text);
                let gap = width - width_of(&cell.text) + 2;
                line.push_str(&paint(&text, cell.style, color));
                line.push_str(&" ".repeat(gap));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A cell stays on its line and in its column, and cannot send control sequences to a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Columns a text takes. Names here are nearly always ASCII, so characters are counted.
fn width_of(text: &str) -> usize {
    text.chars().count()
}

/// A size for people: `1.5 MiB`.
pub(crate) fn human_size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A share for people: `42%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::{Cell, Style, Table};

    fn sample() -> Table {
        let mut table = Table::new(&["ID", "STATE", "NAME"]);
        table.row(["1".into(), Cell::state("succeeded"), "".into()]);
        table.row(["22".into(), Cell::state("failed"), "two\nlines".into()]);
        table
    }

    #[test]
    fn a_terminal_gets_aligned_columns_with_a_header() {
        assert_eq!(
            sample().render(true, false),
            "ID  STATE      NAME\n1   succeeded\n22  failed     two lines\n"
        );
    }

    #[test]
    fn a_pipe_gets_tabs_and_no_header() {
        assert_eq!(
            sample().render(false, false),
            "1\tsucceeded\t\n22\tfailed\ttwo lines\n"
        );
    }

    #[test]
    fn colour_does_not_move_columns() {
        let text = sample().render(true, true);
        assert!(text.contains("\x1b[32msucceeded\x1b[0m"), "{text:?}");
        assert_eq!(super::paint("x", Style::Red, false), "x");
    }

    #[test]
    fn control_characters_of_others_never_reach_the_terminal() {
        let mut table = Table::new(&["A"]);
        table.row(["\x1b[2Jx".into()]);
        assert_eq!(table.render(true, false), "A\n [2Jx\n");
    }
}
