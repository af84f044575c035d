//! Storage in memory that fails, tears and forgets on purpose.
//!
//! [`MemoryStorage`] keeps apart what was written and what was synced. [`MemoryStorage::crash`] gives an image as a power failure might
//! leave it; opening the same storage again is what follows the death of a process only.
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{Entry, File, Storage};

/// How finely a crash tears writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// 512 bytes are written or not: what disks promise.
    Sector,
    /// Any byte by itself: worse than any disk.
    Byte,
}

/// A directory in memory. Clones are the same directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Data>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// What the directory was after each change that was not synced.
    name_changes: Vec<BTreeMap<String, usize>>,
    faults: Faults,
    syncs: u64,
    writes: u64,
    reads: u64,
}

#[derive(Debug, Default)]
struct Faults {
    capacity: Option<u64>,
    sync_in: Option<u64>,
    write_in: Option<u64>,
    short_writes: Option<Random>,
    unreadable: Option<(String, u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Data {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    /// Bytes that have blocks.
    allocated: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl MemoryStorage {
    /// An empty directory.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory as a power failure now might leave it: of what was not synced, anything may be there or not, whole or torn, in any order.
    pub fn crash(&self, seed: u64, tear: Tear) -> MemoryStorage {
        let state = self.state();
        let mut random = Random::new(seed);
        let kept = random.below(state.name_changes.len() as u64 + 1) as usize;
        let names = if kept == 0 {
            &state.durable_names
        } else {
            &state.name_changes[kept - 1]
        };
        let mut image = State::default();
        for (name, index) in names {
            let bytes = state.files[*index].crash(&mut random, tear);
            image.names.insert(name.clone(), image.files.len());
            image.files.push(Data {
                allocated: bytes.len() as u64,
                current: bytes.clone(),
                durable: bytes,
                unsynced: Vec::new(),
            });
        }
        image.durable_names = image.names.clone();
        MemoryStorage {
            state: Arc::new(Mutex::new(image)),
        }
    }

    /// A copy of the directory as the processes see it, all of it durable.
    pub fn copy(&self) -> MemoryStorage {
        let copy = MemoryStorage::new();
        for (name, bytes) in self.contents() {
            copy.put(&name, &bytes);
        }
        copy
    }

    /// All files.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state
            .names
            .iter()
            .map(|(name, index)| (name.clone(), state.files[*index].current.clone()))
            .collect()
    }

    /// Makes or replaces a file, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let index = state.files.len();
        state.files.push(Data {
            current: bytes.to_vec(),
            durable: bytes.to_vec(),
            unsynced: Vec::new(),
            allocated: bytes.len() as u64,
        });
        state.names.insert(name.to_owned(), index);
        state.durable_names.insert(name.to_owned(), index);
    }

    /// From now on all files together get no more than this many bytes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().faults.capacity = bytes;
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The sync after `after` more syncs fails, and what it was to make durable never becomes durable, whatever later syncs say.
    pub fn fail_sync(&self, after: u64) {
        self.state().faults.sync_in = Some(after);
    }

    /// The write after `after` more writes fails.
    pub fn fail_write(&self, after: u64) {
        self.state().faults.write_in = Some(after);
    }

    /// Writes take only a part of what they are given.
    pub fn set_short_writes(&self, seed: Option<u64>) {
        self.state().faults.short_writes = seed.map(Random::new);
    }

    /// Reading these bytes of the file fails.
    pub fn set_unreadable(&self, name: &str, offset: u64, length: u64) {
        self.state().faults.unreadable = Some((name.to_owned(), offset, length));
    }

    /// How often files were synced.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// How often files were read.
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// How often files were written to.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names
            .values()
            .map(|index| self.files[*index].allocated)
            .sum()
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no file {name}"))
        })
    }

    fn renamed(&mut self) {
        let names = self.names.clone();
        self.name_changes.push(names);
    }

    /// How much of the growth to `end` fits.
    fn grow(&mut self, index: usize, end: u64) -> u64 {
        let allocated = self.files[index].allocated;
        let end = match self.faults.capacity {
            Some(capacity) if end > allocated => {
                end.min(allocated + capacity.saturating_sub(self.used()))
            }
            _ => end,
        };
        self.files[index].allocated = allocated.max(end);
        end
    }

    fn write(&mut self, index: usize, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.writes += 1;
        if due(&mut self.faults.write_in) {
            return Err(io::Error::other("the test makes this write fail"));
        }
        let mut taken = bytes.len();
        if let Some(random) = &mut self.faults.short_writes {
            taken = random.below(taken as u64 + 1).max(1) as usize;
        }
        let end = self.grow(index, offset + taken as u64);
        if end <= offset {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = (end - offset) as usize;
        let change = Change::Write {
            offset: offset as usize,
            bytes: bytes[..taken].to_vec(),
        };
        let data = &mut self.files[index];
        change.apply(&mut data.current);
        data.unsynced.push(change);
        Ok(taken)
    }

    fn sync(&mut self, index: usize) -> io::Result<()> {
        self.syncs += 1;
        let data = &mut self.files[index];
        if due(&mut self.faults.sync_in) {
            data.unsynced.clear();
            return Err(io::Error::other("the test makes this sync fail"));
        }
        for change in data.unsynced.drain(..) {
            change.apply(&mut data.durable);
        }
        Ok(())
    }

    fn set_length(&mut self, index: usize, length: u64) {
        let data = &mut self.files[index];
        let change = Change::Length(length as usize);
        change.apply(&mut data.current);
        data.unsynced.push(change);
    }
}

/// Counts down to a fault.
fn due(countdown: &mut Option<u64>) -> bool {
    match countdown {
        Some(0) => {
            *countdown = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Change::Length(length) => to.resize(*length, 0),
        }
    }
}

impl Data {
    fn crash(&self, random: &mut Random, tear: Tear) -> Vec<u8> {
        let mut image = self.durable.clone();
        // Sometimes everything survives, sometimes nothing; most of the time it is a mixture.
        let chance = [0, 4, 50, 96, 100][random.below(5) as usize];
        for change in &self.unsynced {
            match change {
                Change::Write { offset, bytes } => {
                    let unit = if tear == Tear::Sector { 512 } else { 1 };
                    let mut from = 0;
                    while from < bytes.len() {
                        let at = offset + from;
                        let until = (from + unit - at % unit).min(bytes.len());
                        if random.below(100) < chance {
                            Change::Write {
                                offset: at,
                                bytes: bytes[from..until].to_vec(),
                            }
                            .apply(&mut image);
                        }
                        from = until;
                    }
                }
                Change::Length(_) => {
                    if random.below(100) < chance {
                        change.apply(&mut image);
                    }
                }
            }
        }
        image
    }
}

impl Storage for MemoryStorage {
    fn list(&self) -> io::Result<Vec<Entry>> {
        let state = self.state();
        let entry = |(name, index): (&String, &usize)| Entry {
            name: name.clone(),
            length: state.files[*index].current.len() as u64,
        };
        Ok(state.names.iter().map(entry).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let index = self.state().find(name)?;
        Ok(Arc::new(MemoryFile {
            state: Arc::clone(&self.state),
            index,
        }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let index = state.files.len();
        state.files.push(Data::default());
        state.names.insert(name.to_owned(), index);
        state.renamed();
        Ok(Arc::new(MemoryFile {
            state: Arc::clone(&self.state),
            index,
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        state.names.remove(name);
        state.renamed();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let index = state.find(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), index);
        state.renamed();
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        state.durable_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state
            .faults
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }
}

#[derive(Debug)]
struct MemoryFile {
    state: Arc<Mutex<State>>,
    index: usize,
}

impl MemoryFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File for MemoryFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        state.reads += 1;
        if let Some((name, from, length)) = &state.faults.unreadable
            && state.names.get(name) == Some(&self.index)
            && offset < from + length
            && *from < offset + into.len() as u64
        {
            return Err(io::Error::other("the test makes this read fail"));
        }
        let bytes = state.files[self.index]
            .current
            .get(offset as usize..)
            .unwrap_or_default();
        let read = bytes.len().min(into.len());
        into[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.state().write(self.index, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state().sync(self.index)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.grow(self.index, length) < length {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if (state.files[self.index].current.len() as u64) < length {
            state.set_length(self.index, length);
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let allocated = state.files[self.index].allocated.min(length);
        state.files[self.index].allocated = allocated;
        state.set_length(self.index, length);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.state().files[self.index].current.len() as u64)
    }
}

/// A small generator of numbers, the same everywhere for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }
}
