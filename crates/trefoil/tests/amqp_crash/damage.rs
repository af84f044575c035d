//! Damage to the files of the log, between death and restart.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::Random;

/// What is done to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    None,
    /// Behind the last record: a write that was never finished. Nothing may be lost.
    Garbage,
    /// The end of the last file, where nothing was written, is missing. Nothing may be lost.
    Cut,
    /// Bytes of an older record behind the last one. Nothing may be lost, nothing may come twice.
    Repeated,
    /// One bit in the middle. No more than its record may be lost.
    Flip,
}

/// The files of the log, oldest first, and how much of each is used.
fn files(log: &Path) -> Vec<(PathBuf, u64)> {
    let mut files: Vec<(PathBuf, u64)> = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            let used = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1);
            (path, used as u64)
        })
        .collect();
    files.sort();
    files
}

/// Bytes in use, in all files.
pub(crate) fn used(log: &Path) -> u64 {
    files(log).iter().map(|(_, used)| used).sum()
}

/// Does it. `floor` bytes at the beginning are the topology, which the test needs.
pub(crate) fn damage(log: &Path, what: Damage, floor: u64, random: &mut Random) {
    let files = files(log);
    let (last, used) = files.last().expect("there is a log");
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    // Records may end with zeros; a few bytes more are left alone.
    let end = used + 64;
    match what {
        Damage::None => {}
        Damage::Garbage => {
            let length = 1 + random.below(5_000);
            let garbage: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            let file = open(last);
            if end + length < file.metadata().unwrap().len() {
                file.write_all_at(&garbage, end).unwrap();
            }
        }
        Damage::Cut => open(last).set_len(end).unwrap(),
        Damage::Repeated => {
            let file = open(last);
            let from = random.below(*used);
            let length = (*used - from).min(20_000);
            let mut copy = vec![0; length as usize];
            file.read_exact_at(&mut copy, from).unwrap();
            if end + length < file.metadata().unwrap().len() {
                file.write_all_at(&copy, end).unwrap();
            }
        }
        Damage::Flip => {
            let total: u64 = files.iter().map(|(_, used)| used).sum();
            let mut at = floor + random.below((total - floor) / 2 + 1);
            for (path, used) in &files {
                if at < *used {
                    let file = open(path);
                    let mut byte = [0];
                    file.read_exact_at(&mut byte, at).unwrap();
                    byte[0] ^= 1 << random.below(8);
                    file.write_all_at(&byte, at).unwrap();
                    println!("  flipped a bit of byte {at} of {}", path.display());
                    return;
                }
                at -= used;
            }
        }
    }
}
