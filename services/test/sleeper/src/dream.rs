//! Bytes that are the same in each run, and that no store can compress or share by chance.

use std::io::{self, Write};

/// Written at a time, and between two looks at the cancel flag.
const CHUNK: usize = 64 * 1024;

/// Writes the first `size` bytes of the dream.
///
/// # Errors
///
/// What `file` says, or `Interrupted` once `stop` says so.
pub(crate) fn write(
    file: &mut dyn Write,
    size: u64,
    mut stop: impl FnMut() -> bool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut state = 0u64;
    let mut left = size;
    while left > 0 {
        if stop() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        for word in chunk.chunks_exact_mut(8) {
            word.copy_from_slice(&next(&mut state).to_le_bytes());
        }
        let part = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        file.write_all(&chunk[..part])?;
        left -= part as u64;
    }
    Ok(())
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dream(size: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, size, || false).unwrap();
        bytes
    }

    #[test]
    fn a_shorter_dream_is_the_start_of_a_longer_one() {
        let long = dream(CHUNK as u64 * 2 + 13);
        assert_eq!(long.len(), CHUNK * 2 + 13);
        for size in [0, 1, 7, CHUNK, CHUNK + 1] {
            assert_eq!(dream(size as u64), long[..size]);
        }
        assert_ne!(long[..CHUNK], long[CHUNK..2 * CHUNK]);
    }

    #[test]
    fn the_generator_gives_its_published_first_value() {
        // The first output of SplitMix64 for seed 0.
        assert_eq!(next(&mut 0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn it_stops_between_chunks() {
        let mut bytes = Vec::new();
        let mut looks = 0;
        let stopped = write(&mut bytes, u64::MAX, || {
            looks += 1;
            looks > 2
        });
        assert_eq!(stopped.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(bytes.len(), 2 * CHUNK);
    }
}
