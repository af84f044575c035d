//! Where the last lines of a file begin.

use std::{fs::File, io, os::unix::fs::FileExt as _};

const BLOCK: usize = 64 * 1024;

/// What is found of the last lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Where they begin.
    pub(crate) offset: u64,
    /// How many they are: fewer than asked for if the file has no more.
    pub(crate) lines: u64,
}

/// The last `lines` of the first `size` bytes of a file. Blocking; reads no more of the file than those lines.
///
/// # Errors
/// The file cannot be read, or is shorter.
pub(crate) fn tail(file: &File, size: u64, lines: u64) -> io::Result<Tail> {
    if lines == 0 || size == 0 {
        return Ok(Tail {
            offset: size,
            lines: 0,
        });
    }
    let mut block = vec![0; BLOCK];
    // The end of the last line begins no other.
    let mut end = size - 1;
    let mut found = 0;
    while end > 0 {
        let length = end.min(BLOCK as u64);
        let block = &mut block[..length as usize];
        file.read_exact_at(block, end - length)?;
        for (at, _) in block
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
        {
            found += 1;
            if found == lines {
                return Ok(Tail {
                    offset: end - length + at as u64 + 1,
                    lines,
                });
            }
        }
        end -= length;
    }
    Ok(Tail {
        offset: 0,
        lines: found + 1,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{BLOCK, Tail, tail};

    fn check(content: &[u8], lines: u64, expected: &[u8], found: u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        // What grows meanwhile is not looked at.
        file.write_all(b"later\n").unwrap();
        let Tail { offset, lines } = tail(&file, content.len() as u64, lines).unwrap();
        assert_eq!(&content[offset as usize..], expected);
        assert_eq!(lines, found);
    }

    #[test]
    fn last_lines() {
        check(b"a\nb\nc\n", 1, b"c\n", 1);
        check(b"a\nb\nc\n", 2, b"b\nc\n", 2);
        check(b"a\nb\nc", 1, b"c", 1);
        check(b"a\nb\nc", 3, b"a\nb\nc", 3);
        check(b"a\nb\nc", 9, b"a\nb\nc", 3);
        check(b"a\n", 0, b"", 0);
        check(b"", 3, b"", 0);
        check(b"\n", 1, b"\n", 1);
        check(b"\n\n", 1, b"\n", 1);
        check(b"\n\n", 2, b"\n\n", 2);
        check(b"x", 1, b"x", 1);
    }

    #[test]
    fn lines_longer_than_a_block() {
        let long = vec![b'x'; 3 * BLOCK];
        let content = [b"first\n", &long[..], b"\nlast\n"].concat();
        check(&content, 1, b"last\n", 1);
        check(&content, 2, &content[6..], 2);
        check(&content, 3, &content, 3);
    }
}
