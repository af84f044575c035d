//! What the disk can do: the floor under everything that is durable.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    time::Instant,
};

/// One page of the store, the least that a commit writes.
const PAGE: [u8; 4_096] = [0x5a; 4_096];

/// Seconds that each of `count` appends of one page takes until it is on disk, on the file system of `directory`.
pub(crate) fn sync_times(directory: &Path, count: usize) -> io::Result<Vec<f64>> {
    let path = directory.join("sync-floor");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

/// The same for a file that has its blocks already: the floor under a log that is preallocated.
pub(crate) fn overwrite_times(directory: &Path, count: usize) -> io::Result<Vec<f64>> {
    let path = directory.join("overwrite-floor");
    let mut file = File::create(&path)?;
    for _ in 0..count {
        file.write_all(&PAGE)?;
    }
    file.sync_all()?;
    let mut times = Vec::with_capacity(count);
    for page in 0..count {
        let begun = Instant::now();
        file.write_all_at(&PAGE, (page * PAGE.len()) as u64)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}
