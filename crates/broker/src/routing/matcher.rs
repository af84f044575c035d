//! The bindings of one exchange, as its type wants to find them.

use hashbrown::HashMap;
use trefoil_amqp::ContentHeader;

use super::{
    Binding, Declaration, ExchangeType, Route,
    hashing::{Pool, Ring, weight},
    headers::HeaderIndex,
    targets::Targets,
    topic::Trie,
};

#[derive(Debug)]
pub(super) enum Matcher {
    Direct(HashMap<Box<[u8]>, Targets>),
    Fanout(Targets),
    Topic(Box<Trie>),
    Headers(Box<HeaderIndex>),
    ConsistentHash(Ring),
    ModulusHash(Pool),
    Random(Pool),
}

impl Matcher {
    pub(super) fn new(declaration: &Declaration) -> Self {
        match declaration.routing_kind() {
            ExchangeType::Direct | ExchangeType::DelayedMessage => Self::Direct(HashMap::default()),
            ExchangeType::Fanout | ExchangeType::RecentHistory => Self::Fanout(Targets::default()),
            ExchangeType::Topic => Self::Topic(Box::default()),
            ExchangeType::Headers => Self::Headers(Box::default()),
            ExchangeType::ConsistentHash => Self::ConsistentHash(Ring::new(declaration.hash_on())),
            ExchangeType::ModulusHash => Self::ModulusHash(Pool::default()),
            ExchangeType::Random | ExchangeType::LocalRandom => Self::Random(Pool::default()),
        }
    }

    pub(super) fn add(&mut self, binding: &Binding) {
        let Binding {
            destination,
            destination_name: name,
            key,
            arguments,
            ..
        } = binding;
        let destination = *destination;
        match self {
            Self::Direct(keys) => keys
                .entry(key.as_bytes().into())
                .or_default()
                .add(destination),
            Self::Fanout(targets) => targets.add(destination),
            Self::Topic(trie) => trie.add(key.as_bytes(), destination),
            Self::Headers(index) => index.add(arguments, destination),
            // Checked when it was bound; 1 for a binding from a log of the future.
            Self::ConsistentHash(ring) => ring.add(name, destination, weight(key).unwrap_or(1.0)),
            Self::ModulusHash(pool) | Self::Random(pool) => pool.add(name.clone(), destination),
        }
    }

    pub(super) fn remove(&mut self, binding: &Binding) {
        let Binding {
            destination,
            key,
            arguments,
            ..
        } = binding;
        let destination = *destination;
        match self {
            Self::Direct(keys) => {
                if let Some(targets) = keys.get_mut(key.as_bytes()) {
                    targets.remove(destination);
                    if targets.is_empty() {
                        keys.remove(key.as_bytes());
                    }
                }
            }
            Self::Fanout(targets) => targets.remove(destination),
            Self::Topic(trie) => trie.remove(key.as_bytes(), destination),
            Self::Headers(index) => index.remove(arguments, destination),
            Self::ConsistentHash(ring) => ring.remove(destination, weight(key).unwrap_or(1.0)),
            Self::ModulusHash(pool) | Self::Random(pool) => pool.remove(destination),
        }
    }

    /// Puts the destinations of a message into `route`.
    #[inline]
    pub(super) fn collect(&self, keys: &[&[u8]], header: ContentHeader<'_>, route: &mut Route) {
        match self {
            Self::Direct(bound) => {
                for key in keys {
                    if let Some(targets) = bound.get(*key) {
                        targets.collect(route);
                    }
                }
            }
            Self::Fanout(targets) => targets.collect(route),
            Self::Topic(trie) => {
                for key in keys {
                    trie.collect(key, route);
                }
            }
            Self::Headers(index) => {
                route.by_key = false;
                index.collect(header.headers(), route);
            }
            Self::ConsistentHash(ring) => {
                route.by_key &= ring.is_by_key();
                ring.collect(keys, header, route);
            }
            Self::ModulusHash(pool) => pool.collect_hashed(keys, route),
            Self::Random(pool) => {
                route.by_key = false;
                pool.collect_random(route);
            }
        }
    }
}
