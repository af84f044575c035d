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
    /// Adds a file.
    pub fn add(&mut self, label: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        let text = text.into();
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
        let column = String::from_utf8_lossy(&file.text.as_bytes()[start..end])
            .chars()
            .count();
        (line, column + 1)
    }
}
