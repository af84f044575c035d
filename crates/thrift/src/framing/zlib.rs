//! Compression: of a message, and of all that a connection carries.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::{Fault, Malformed, Result};

/// What is inflated at once. A message that is too large is refused when this much of it is there too much.
const STEP: usize = 16 << 10;

/// Messages are small and callers wait: a little smaller is not worth much longer.
const LEVEL: u32 = 1;

/// Inflates whole messages.
pub(super) struct MessageInflater(Decompress);

impl MessageInflater {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    /// Inflates a message of at most `max` bytes.
    pub(super) fn inflate(&mut self, mut data: &[u8], max: usize) -> Result<Vec<u8>> {
        self.0.reset(true);
        let all = data.len();
        let mut out = Vec::new();
        loop {
            let step = inflate_step(&mut self.0, &mut data, &mut out)
                .map_err(|text| Malformed::new(Fault::Compression(text), all - data.len()))?;
            if out.len() > max {
                return Err(over(out.len(), max, all - data.len()));
            }
            match step {
                Step::Progress => {}
                Step::Stuck => {
                    return Err(Malformed::new(Fault::Truncated { missing: 1 }, all));
                }
                Step::End if data.is_empty() => return Ok(out),
                Step::End => {
                    return Err(Malformed::new(
                        Fault::LeftOver(data.len()),
                        all - data.len(),
                    ));
                }
            }
        }
    }
}

enum Step {
    /// Something was read or written.
    Progress,
    /// More input is needed.
    Stuck,
    /// The stream has ended.
    End,
}

fn inflate_step(
    state: &mut Decompress,
    data: &mut &[u8],
    out: &mut Vec<u8>,
) -> Result<Step, String> {
    if out.len() == out.capacity() {
        out.reserve(STEP);
    }
    let (before_in, before_out) = (state.total_in(), out.len());
    let status = state.decompress_vec(data, out, FlushDecompress::None);
    let read = (state.total_in() - before_in) as usize;
    *data = &data[read..];
    match status {
        Ok(Status::StreamEnd) => Ok(Step::End),
        Ok(Status::Ok | Status::BufError) if read == 0 && out.len() == before_out => {
            Ok(Step::Stuck)
        }
        Ok(Status::Ok | Status::BufError) => Ok(Step::Progress),
        Err(error) => Err(error.to_string()),
    }
}

#[cold]
fn over(found: usize, limit: usize, offset: usize) -> Box<Malformed> {
    Malformed::new(
        Fault::OverLimit {
            what: "an inflated message",
            found,
            limit,
        },
        offset,
    )
}

/// Inflates what a connection carries.
pub(super) struct StreamInflater {
    state: Decompress,
    /// What was inflated, and how much of it was used.
    plain: Vec<u8>,
    used: usize,
    has_ended: bool,
}

impl StreamInflater {
    pub(super) fn new() -> Self {
        Self {
            state: Decompress::new(true),
            plain: Vec::new(),
            used: 0,
            has_ended: false,
        }
    }

    /// What was inflated and not used.
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain[self.used..]
    }

    /// So much of it was used.
    pub(super) fn consume(&mut self, size: usize) {
        self.used += size;
        if self.used == self.plain.len() {
            self.plain.clear();
            self.used = 0;
            // What a large message needed is not kept for small ones.
            self.plain.shrink_to(4 * STEP);
        }
    }

    /// Inflates more; false if there is nothing more in the input. No more than `max` bytes may be there unused.
    pub(super) fn inflate(&mut self, input: &mut &[u8], max: usize) -> Result<bool> {
        let unused = self.plain.len() - self.used;
        if unused > max {
            return Err(over(unused, max, 0));
        }
        if self.has_ended {
            return match input.len() {
                0 => Ok(false),
                size => Err(Malformed::new(Fault::LeftOver(size), 0)),
            };
        }
        if self.plain.len() == self.plain.capacity() && self.used >= self.plain.len() / 2 {
            self.plain.drain(..self.used);
            self.used = 0;
        }
        let before = self.plain.len();
        match inflate_step(&mut self.state, input, &mut self.plain) {
            Ok(Step::Progress) => Ok(true),
            Ok(Step::Stuck) => Ok(false),
            Ok(Step::End) => {
                self.has_ended = true;
                Ok(self.plain.len() > before || !input.is_empty())
            }
            Err(text) => Err(Malformed::new(Fault::Compression(text), 0)),
        }
    }
}

impl fmt::Debug for StreamInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamInflater")
            .field("plain", &self.plain.len())
            .field("used", &self.used)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageInflater").finish_non_exhaustive()
    }
}

/// Compresses messages: each for itself, or one after the other as one stream.
pub(super) struct Deflater(Compress);

impl Deflater {
    pub(super) fn new() -> Self {
        Self(Compress::new(Compression::new(LEVEL), true))
    }

    /// Compresses a message as a stream of its own.
    pub(super) fn message(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.0.reset();
        self.run(data, out, FlushCompress::Finish);
    }

    /// Goes on with the stream, so that all of `data` can be inflated from what is there then.
    pub(super) fn stream(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.run(data, out, FlushCompress::Sync);
    }

    fn run(&mut self, mut data: &[u8], out: &mut Vec<u8>, flush: FlushCompress) {
        loop {
            out.reserve(data.len() / 2 + 256);
            let before = self.0.total_in();
            let status = self
                .0
                .compress_vec(data, out, flush)
                .expect("compression fails only when it is asked for what it cannot do");
            data = &data[(self.0.total_in() - before) as usize..];
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                // With room left over nothing is held back.
                _ => data.is_empty() && out.len() < out.capacity(),
            };
            if is_done {
                return;
            }
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
