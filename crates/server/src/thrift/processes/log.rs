//! What providers print: one file a service version, a line at a time, with the name of the process in front.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The longest log. The one before it is kept too.
const LOG_MAX: u64 = 16 << 20;
/// Longer lines are cut into pieces.
const LINE_MAX: usize = 8 << 10;

/// The log of a service version: `log`, and `log.1` with what was before.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    file: Option<(File, u64)>,
    max: u64,
    has_failed: bool,
}

impl Log {
    /// A log in a directory, which need not exist yet.
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            file: None,
            max: LOG_MAX,
            has_failed: false,
        }
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A line that cannot be written is dropped: a provider does not stand still because a disk is full.
    fn write(&mut self, name: &str, line: &[u8]) {
        let written = self.try_write(name, line);
        if let Err(error) = &written
            && !self.has_failed
        {
            let dir = self.dir.display();
            tracing::warn!(%dir, %error, "the log of a provider is not written");
        }
        self.has_failed = written.is_err();
    }

    fn try_write(&mut self, name: &str, line: &[u8]) -> io::Result<()> {
        let mut text = Vec::with_capacity(name.len() + line.len() + 4);
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b" | ");
        text.extend_from_slice(line);
        text.push(b'\n');
        let path = self.dir.join("log");
        if let Some((_, length)) = &self.file
            && *length + text.len() as u64 > self.max
        {
            self.file = None;
            fs::rename(&path, self.dir.join("log.1"))?;
        }
        if self.file.is_none() {
            fs::create_dir_all(&self.dir)?;
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            let length = file.metadata()?.len();
            self.file = Some((file, length));
        }
        if let Some((file, length)) = &mut self.file {
            file.write_all(&text)?;
            *length += text.len() as u64;
        }
        Ok(())
    }
}

/// What one process prints.
#[derive(Debug)]
pub(super) struct Lines {
    name: String,
    log: Arc<Mutex<Log>>,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) const fn new(name: String, log: Arc<Mutex<Log>>) -> Self {
        Self {
            name,
            log,
            partial: Vec::new(),
        }
    }

    /// It printed this.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.take(&bytes[..end]);
            self.flush();
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
    }

    /// It prints no more.
    pub(super) fn finish(&mut self) {
        if !self.partial.is_empty() {
            self.flush();
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while self.partial.len() + bytes.len() > LINE_MAX {
            let (now, later) = bytes.split_at(LINE_MAX - self.partial.len());
            self.partial.extend_from_slice(now);
            self.flush();
            bytes = later;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.write(&self.name, &self.partial);
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_names_and_the_log_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::new(dir.path().join("a"));
        log.max = 40;
        let log = Arc::new(Mutex::new(log));
        let mut one = Lines::new("one".to_owned(), Arc::clone(&log));
        let mut two = Lines::new("two".to_owned(), Arc::clone(&log));
        one.feed(b"he");
        two.feed(b"x\n\ny");
        one.feed(b"llo\n");
        two.finish();
        two.finish();
        let read = |name: &str| fs::read_to_string(dir.path().join("a").join(name)).unwrap();
        assert_eq!(read("log"), "two | x\ntwo | \none | hello\ntwo | y\n");
        one.feed(b"0123456789\n");
        assert_eq!(read("log"), "one | 0123456789\n");
        assert_eq!(read("log.1"), "two | x\ntwo | \none | hello\ntwo | y\n");
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(Mutex::new(Log::new(dir.path().to_owned())));
        let mut lines = Lines::new("a".to_owned(), log);
        lines.feed(&vec![b'x'; LINE_MAX + 1]);
        lines.feed(b"\n");
        let text = fs::read_to_string(dir.path().join("log")).unwrap();
        let lengths: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [LINE_MAX + 4, 5]);
    }
}
