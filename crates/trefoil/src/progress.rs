//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing with `-q` or
//! `--json`.

use std::io::Read;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{Style, Ui, percent};

/// How often a spinner moves: fast enough to look alive, slow enough to cost nothing.
const TICK: Duration = Duration::from_millis(120);

/// The progress of a job.
#[derive(Debug)]
pub(crate) struct JobProgress<'a> {
    ui: &'a Ui,
    bar: Option<ProgressBar>,
    said: String,
}

impl<'a> JobProgress<'a> {
    /// Starts showing.
    pub(crate) fn new(ui: &'a Ui, title: &str) -> JobProgress<'a> {
        let bar = ui.bars.then(|| {
            let style = ProgressStyle::with_template(
                "{spinner} {prefix} [{bar:24}] {percent:>3}% {elapsed} {wide_msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
            let bar = ProgressBar::new(1000).with_style(style);
            bar.set_prefix(title.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        });
        JobProgress {
            ui,
            bar,
            said: String::new(),
        }
    }

    /// The job's state, with the reason if it waits.
    pub(crate) fn state(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.say(text),
        }
    }

    /// How far the job is.
    pub(crate) fn share(&mut self, share: f64, message: Option<&str>) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(thousandths(share));
                if let Some(message) = message {
                    bar.set_message(message.to_owned());
                }
            }
            None => {
                let text = percent(share);
                match message {
                    Some(message) => self.say(&format!("{text} {message}")),
                    None => self.say(&text),
                }
            }
        }
    }

    /// Writes something else without tearing the bar.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Plain lines come only when something changed.
    fn say(&mut self, text: &str) {
        if self.said != text {
            self.ui.note(text);
            text.clone_into(&mut self.said);
        }
    }
}

impl Drop for JobProgress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn thousandths(share: f64) -> u64 {
    // Clamped first, so the cast keeps the value.
    (share.clamp(0.0, 1.0) * 1000.0).round() as u64
}

/// The progress of bytes that are sent or received.
#[derive(Debug)]
pub(crate) struct ByteProgress {
    bar: Option<ProgressBar>,
}

impl ByteProgress {
    /// Starts showing. `total` is unknown for a stream.
    pub(crate) fn new(ui: &Ui, name: &str, total: Option<u64>) -> ByteProgress {
        let bar = ui.bars.then(|| {
            let template = if total.is_some() {
                "{prefix} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta}"
            } else {
                "{spinner} {prefix} {bytes} {bytes_per_sec}"
            };
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            let bar = match total {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::no_length(),
            };
            bar.set_style(style);
            bar.set_prefix(ui.styled_err(name, Style::Plain));
            bar
        });
        ByteProgress { bar }
    }

    /// `count` more bytes.
    pub(crate) fn add(&self, count: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(count);
        }
    }
}

impl Drop for ByteProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A reader that tells what went through it.
#[derive(Debug)]
pub(crate) struct Watched<R, F> {
    inner: R,
    seen: F,
}

impl<R: Read, F: FnMut(&[u8])> Watched<R, F> {
    /// Calls `seen` with every piece read.
    pub(crate) fn new(inner: R, seen: F) -> Watched<R, F> {
        Watched { inner, seen }
    }
}

impl<R: Read, F: FnMut(&[u8])> Read for Watched<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.seen)(&buffer[..count]);
        Ok(count)
    }
}
