//! Going over JSON: brackets are counted, strings are jumped over.

use crate::{Fault, Limits, Malformed, Result};

/// Where in the text it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    depth: u32,
    is_string: bool,
    /// Behind a backslash.
    is_escaped: bool,
}

impl Scan {
    pub(super) const fn new() -> Self {
        Self {
            depth: 0,
            is_string: false,
            is_escaped: false,
        }
    }

    /// Goes on at a place of the input; returns where the outermost array ends.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        mut at: usize,
        limits: &Limits,
    ) -> Result<Option<usize>> {
        // A message is an array; a struct has an object for itself and one for each field; all others have less.
        let depth_max = limits.depth_max.saturating_mul(2).saturating_add(2);
        // One byte over the limit is enough to tell that there are too many.
        let input = &input[..input.len().min(limits.message_max.saturating_add(1))];
        while let Some(&byte) = input.get(at) {
            at += 1;
            if self.is_escaped {
                self.is_escaped = false;
                continue;
            }
            if self.is_string {
                match byte {
                    b'"' => self.is_string = false,
                    b'\\' => self.is_escaped = true,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.is_string = true,
                b'[' | b'{' => {
                    if self.depth == depth_max {
                        return Err(Malformed::new(Fault::TooDeep(limits.depth_max), at - 1));
                    }
                    self.depth += 1;
                }
                b']' | b'}' => {
                    if self.depth <= 1 {
                        return Ok(Some(at));
                    }
                    self.depth -= 1;
                }
                _ => {}
            }
        }
        Ok(None)
    }
}
