//! All bindings of a virtual host, found by what they are, by where they come from and by where they lead.

use std::{hash::BuildHasher, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use trefoil_amqp::Table;

use super::{Destination, ExchangeId, hashing::stable_hash};

/// One way from an exchange to a queue or to another exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The exchange that messages come from.
    pub source: ExchangeId,
    /// Its name.
    pub source_name: Arc<str>,
    /// Where they go.
    pub destination: Destination,
    /// Its name.
    pub destination_name: Arc<str>,
    /// The routing key of the binding: a key, a pattern or a weight, as the source takes it.
    pub key: Box<str>,
    /// The arguments as they were given.
    pub arguments: Table,
}

impl Binding {
    /// The name that the management API gives a binding among those of the same two ends: `~` without a key, the key, or
    /// the key and a hash of the arguments. The hash is the same in every process, but not RabbitMQ's.
    #[must_use]
    pub fn properties_key(&self) -> String {
        let key = quoted(&self.key);
        if !self.arguments.is_empty() {
            let hash = stable_hash(canonical(&self.arguments)) as u32;
            return format!("{key}~{}", URL_SAFE_NO_PAD.encode(hash.to_be_bytes()));
        }
        if key.is_empty() { "~".to_owned() } else { key }
    }
}

/// A binding's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BindingId(u32);

#[derive(Debug)]
struct Entry {
    binding: Binding,
    /// The arguments in an order of their own, so that equal ones are equal bytes.
    canonical: Box<[u8]>,
    /// Where this binding stands in the list of its source, and of its destination.
    at_source: u32,
    at_destination: u32,
}

/// Who a list of bindings belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Source(ExchangeId),
    Destination(Destination),
}

/// The bindings. Order of lists is not kept; taking one out costs the same however many there are.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    entries: Vec<Option<Entry>>,
    free: Vec<BindingId>,
    /// By source, destination, key and arguments.
    identities: HashTable<BindingId>,
    ends: HashMap<End, Vec<BindingId>>,
    hasher: DefaultHashBuilder,
}

impl Bindings {
    /// Whether there was none like it.
    pub(super) fn add(&mut self, binding: Binding) -> bool {
        let canonical = canonical(&binding.arguments);
        let hash = self.identity(&binding, &canonical);
        if self.find(hash, &binding, &canonical).is_some() {
            return false;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            BindingId(
                u32::try_from(self.entries.len() - 1)
                    .expect("bindings do not outnumber the bytes of memory"),
            )
        });
        let at_source = push(
            self.ends.entry(End::Source(binding.source)).or_default(),
            id,
        );
        let at_destination = push(
            self.ends
                .entry(End::Destination(binding.destination))
                .or_default(),
            id,
        );
        self.entries[id.0 as usize] = Some(Entry {
            binding,
            canonical,
            at_source,
            at_destination,
        });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.identities.insert_unique(hash, id, |id| {
            let entry = entry(entries, *id);
            identity(hasher, &entry.binding, &entry.canonical)
        });
        true
    }

    /// Takes out the binding like this one, if there is one.
    pub(super) fn remove(&mut self, binding: &Binding) -> Option<Binding> {
        let canonical = canonical(&binding.arguments);
        let hash = self.identity(binding, &canonical);
        let id = self.find(hash, binding, &canonical)?;
        Some(self.take(id))
    }

    /// Takes out a binding that has this destination.
    pub(super) fn remove_to(&mut self, destination: Destination) -> Option<Binding> {
        self.remove_last(End::Destination(destination))
    }

    /// Takes out a binding that has this source.
    pub(super) fn remove_from(&mut self, source: ExchangeId) -> Option<Binding> {
        self.remove_last(End::Source(source))
    }

    fn remove_last(&mut self, end: End) -> Option<Binding> {
        let id = *self.ends.get(&end)?.last()?;
        Some(self.take(id))
    }

    pub(super) fn has_source(&self, source: ExchangeId) -> bool {
        self.ends.contains_key(&End::Source(source))
    }

    pub(super) fn from(&self, source: ExchangeId) -> impl Iterator<Item = &Binding> {
        self.list(End::Source(source))
    }

    pub(super) fn to(&self, destination: Destination) -> impl Iterator<Item = &Binding> {
        self.list(End::Destination(destination))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.entries.iter().flatten().map(|entry| &entry.binding)
    }

    pub(super) fn len(&self) -> usize {
        self.identities.len()
    }

    fn list(&self, end: End) -> impl Iterator<Item = &Binding> {
        let ids = self.ends.get(&end).map_or(&[][..], Vec::as_slice);
        ids.iter().map(|id| &entry(&self.entries, *id).binding)
    }

    fn find(&self, hash: u64, binding: &Binding, canonical: &[u8]) -> Option<BindingId> {
        let same = |id: &BindingId| {
            let entry = entry(&self.entries, *id);
            let found = &entry.binding;
            found.source == binding.source
                && found.destination == binding.destination
                && found.key == binding.key
                && *entry.canonical == *canonical
        };
        self.identities.find(hash, same).copied()
    }

    fn take(&mut self, id: BindingId) -> Binding {
        let removed = self.entries[id.0 as usize]
            .take()
            .expect("lists name bindings that are there");
        let hash = self.identity(&removed.binding, &removed.canonical);
        if let Ok(found) = self.identities.find_entry(hash, |found| *found == id) {
            found.remove();
        }
        let Binding {
            source,
            destination,
            ..
        } = removed.binding;
        if let Some(moved) = self.unlist(End::Source(source), removed.at_source) {
            moved.at_source = removed.at_source;
        }
        if let Some(moved) = self.unlist(End::Destination(destination), removed.at_destination) {
            moved.at_destination = removed.at_destination;
        }
        self.free.push(id);
        removed.binding
    }

    /// Takes one place out of a list. The entry that now has this place is to be told.
    fn unlist(&mut self, end: End, at: u32) -> Option<&mut Entry> {
        let list = self.ends.get_mut(&end)?;
        list.swap_remove(at as usize);
        if list.is_empty() {
            self.ends.remove(&end);
            return None;
        }
        let moved = *list.get(at as usize)?;
        self.entries[moved.0 as usize].as_mut()
    }

    fn identity(&self, binding: &Binding, canonical: &[u8]) -> u64 {
        identity(&self.hasher, binding, canonical)
    }
}

fn entry(entries: &[Option<Entry>], id: BindingId) -> &Entry {
    entries[id.0 as usize]
        .as_ref()
        .expect("lists name bindings that are there")
}

fn identity(hasher: &DefaultHashBuilder, binding: &Binding, canonical: &[u8]) -> u64 {
    hasher.hash_one((binding.source, binding.destination, &binding.key, canonical))
}

fn push(list: &mut Vec<BindingId>, id: BindingId) -> u32 {
    list.push(id);
    u32::try_from(list.len() - 1).expect("a list has no more entries than there are ids")
}

/// The arguments as bytes that are the same for the same arguments in another order.
fn canonical(arguments: &Table) -> Box<[u8]> {
    let mut fields: Vec<Vec<u8>> = arguments
        .iter()
        .map(|(name, value)| Table::new().with(name, value.clone()).to_bytes())
        .collect();
    fields.sort_unstable();
    fields.concat().into()
}

/// A key as a part of a path, and without the `~` that separates it from the hash.
fn quoted(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                out.push(char::from(byte))
            }
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
