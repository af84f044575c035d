//! Where the files are: a flat directory, on disk or in the memory of a test.
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub(crate) mod disk;

/// A flat directory of files.
pub trait Storage: Send + Sync + Debug {
    /// All files, in any order.
    fn list(&self) -> io::Result<Vec<Entry>>;
    /// Opens a file that is there, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Makes an empty file; one of that name that is there is emptied.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Removes a file. Those who have it open keep it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, in place of a file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes creations, removals and new names durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Bytes that can still be written.
    fn free_space(&self) -> io::Result<u64>;
}

/// A file that can be read and written at any offset, by several threads.
pub trait File: Send + Sync + Debug {
    /// Reads at `offset`; fewer bytes than asked for may come, none at the end of the file.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; fewer bytes than given may be taken.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes everything that was written durable, with the length of the file.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves blocks for the first `length` bytes and makes the file that long. What was in it stays.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts the file, or lengthens it with zeros.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// How long the file is.
    fn length(&self) -> io::Result<u64>;
}

/// A file in a [`Storage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
}

/// Writes all of `bytes`.
pub(crate) fn write_all(file: &dyn File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `into` is full or the file ends; tells how much came.
pub(crate) fn read_full(file: &dyn File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether there is no space, and there may be later.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
