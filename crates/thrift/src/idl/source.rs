//! Files of a contract, and places in them.

use std::{ops::Range, sync::Arc};

/// A file of a contract: an index into [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// Bytes of a file, from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// Both, and what is between them.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// As a range of bytes.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A file and its text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// What it is called in messages: a path relative to the contract.
    pub label: String,
    /// Its text.
    pub text: Arc<str>,
    /// Where its lines begin.
    lines: Vec<u32>,
}

/// The files of a contract.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Adds a file. A byte order mark at its start is not part of its text.
    pub fn add(&mut self, label: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        let mut text = text.into();
        if let Some(rest) = text.strip_prefix('\u{feff}') {
            text = rest.into();
        }
        let lines = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, byte)| *byte == b'\n')
                    .map(|(at, _)| at as u32 + 1),
            )
            .collect();
        self.files.push(SourceFile {
            label: label.into(),
            text,
            lines,
        });
        SourceId(self.files.len() as u32 - 1)
    }

    /// A file.
    ///
    /// # Panics
    ///
    /// If the id is of another `Sources`.
    #[must_use]
    pub fn file(&self, id: SourceId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files, in the order in which they were added.
    pub fn files(&self) -> impl Iterator<Item = (SourceId, &SourceFile)> {
        (0..).map(SourceId).zip(&self.files)
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    #[must_use]
    pub fn line_column(&self, id: SourceId, offset: u32) -> (usize, usize) {
        let file = self.file(id);
        let line = file.lines.partition_point(|start| *start <= offset);
        let start = file.lines[line - 1] as usize;
        let end = (offset as usize).min(file.text.len());
        // A character is as many bytes as it likes, but only one of them begins it.
        let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
        let column = file.text.as_bytes()[start..end]
            .iter()
            .filter(begins)
            .count();
        (line, column + 1)
    }

    /// The whole lines that a span touches.
    pub(super) fn lines_of(&self, id: SourceId, span: Span) -> Lines {
        let file = self.file(id);
        let line_at = |offset: u32| file.lines.partition_point(|start| *start <= offset);
        let first_line = line_at(span.start);
        // A span that ends behind a line feed does not touch the line after it.
        let last_line = line_at(span.end.saturating_sub(1).max(span.start));
        let end = file
            .lines
            .get(last_line)
            .map_or(file.text.len(), |next| *next as usize);
        Lines {
            first_line,
            bytes: file.lines[first_line - 1] as usize..end,
        }
    }
}

/// Some lines of a file.
pub(super) struct Lines {
    /// The number of the first, from 1.
    pub(super) first_line: usize,
    /// Where they are.
    pub(super) bytes: Range<usize>,
}
