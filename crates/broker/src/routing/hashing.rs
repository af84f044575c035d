//! Exchanges that choose one destination: by a hash, or by chance.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use trefoil_amqp::{ContentHeader, Property};

use super::{Destination, Route, headers::Comparable, refusal::erlang_binary};

/// What of a message is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HashOn {
    RoutingKey,
    Header(Box<[u8]>),
    Property(Property),
}

impl HashOn {
    /// A property that RabbitMQ takes, by its name there.
    pub(super) fn property(name: &str) -> Option<Self> {
        let property = match name {
            "correlation_id" => Property::CorrelationId,
            "message_id" => Property::MessageId,
            "timestamp" => Property::Timestamp,
            _ => return None,
        };
        Some(Self::Property(property))
    }
}

/// The destinations of a consistent-hash exchange.
///
/// RabbitMQ numbers buckets in the order of bindings. Here every destination gives a key a score and the best one has it
/// (weighted rendezvous hashing): a change of bindings moves only what it must, and the order does not matter, so that
/// it is the same after a restart.
#[derive(Debug)]
pub(super) struct Ring {
    on: HashOn,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    destination: Destination,
    /// The hash of the destination's name: ids may be others after a restart.
    seed: u64,
    weight: f64,
}

impl Ring {
    pub(super) fn new(on: HashOn) -> Self {
        Self {
            on,
            members: vec![],
        }
    }

    pub(super) fn add(&mut self, name: &str, destination: Destination, weight: f64) {
        let seed = stable_hash(name.as_bytes());
        self.members.push(Member {
            destination,
            seed,
            weight,
        });
    }

    pub(super) fn remove(&mut self, destination: Destination, weight: f64) {
        let same = |member: &Member| {
            member.destination == destination && member.weight.to_bits() == weight.to_bits()
        };
        if let Some(at) = self.members.iter().position(same) {
            // The order is kept: of two bindings to one destination the first counts.
            self.members.remove(at);
        }
    }

    /// Whether nothing but the keys of a message counts.
    pub(super) fn is_by_key(&self) -> bool {
        self.on == HashOn::RoutingKey
    }

    pub(super) fn collect(&self, keys: &[&[u8]], header: ContentHeader<'_>, route: &mut Route) {
        let hash = match &self.on {
            // RabbitMQ: of several keys (CC, BCC) only the first is looked at.
            HashOn::RoutingKey => stable_hash(keys.first().copied().unwrap_or_default()),
            HashOn::Header(name) => match header.headers().and_then(|headers| headers.get(name)) {
                Some(value) => stable_hash(Comparable::of(value)),
                None => stable_hash(()),
            },
            HashOn::Property(property) => stable_hash(
                header
                    .range(*property)
                    .and_then(|range| header.as_bytes().get(range)),
            ),
        };
        let mut best: Option<(f64, Destination)> = None;
        for (i, member) in self.members.iter().enumerate() {
            let score = score(hash ^ member.seed, member.weight);
            if best.is_none_or(|(found, _)| score < found) && !self.is_repeated(i) {
                best = Some((score, member.destination));
            }
        }
        if let Some((_, destination)) = best {
            route.push(destination);
        }
    }

    /// Of two bindings to one destination the first counts.
    fn is_repeated(&self, at: usize) -> bool {
        let destination = self.members[at].destination;
        self.members[..at]
            .iter()
            .any(|member| member.destination == destination)
    }
}

/// Exponentially distributed with the weight as its rate: the chance to have the least of all is the share of the weight.
fn score(hash: u64, weight: f64) -> f64 {
    /// How many different values 53 bits, all that a double holds exactly, can have.
    const VALUES: f64 = (1u64 << 53) as f64;
    let uniform = ((mix(hash) >> 11) + 1) as f64 / VALUES;
    -uniform.ln() / weight
}

/// The weight that a binding's key says.
///
/// # Errors
/// The text of the reply: it is not a positive whole number.
pub(super) fn weight(key: &str) -> Result<f64, String> {
    let digits = key.strip_prefix(['+', '-']).unwrap_or(key);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let found = erlang_binary(key.as_bytes());
        return Err(format!("The binding key must be an integer: {found}"));
    }
    let weight: f64 = digits.parse().unwrap_or(f64::MAX);
    if key.starts_with('-') || weight < 1.0 {
        return Err("The binding key must be greater than 0".to_owned());
    }
    // So large that shares do not suffer, so small that scores stay normal numbers.
    Ok(weight.min(1e9))
}

/// Destinations of which one is taken, by a number. In the order of their names, so that they keep their places over a
/// restart; bound twice, a destination is twice as likely.
#[derive(Debug, Default)]
pub(super) struct Pool {
    members: Vec<(Arc<str>, Destination)>,
}

impl Pool {
    pub(super) fn add(&mut self, name: Arc<str>, destination: Destination) {
        let at = self.members.partition_point(|(found, _)| *found <= name);
        self.members.insert(at, (name, destination));
    }

    pub(super) fn remove(&mut self, destination: Destination) {
        if let Some(at) = self
            .members
            .iter()
            .position(|(_, found)| *found == destination)
        {
            self.members.remove(at);
        }
    }

    pub(super) fn collect_hashed(&self, keys: &[&[u8]], route: &mut Route) {
        self.collect(stable_hash(keys), route);
    }

    pub(super) fn collect_random(&self, route: &mut Route) {
        let number = route.random();
        self.collect(number, route);
    }

    fn collect(&self, number: u64, route: &mut Route) {
        let len = self.members.len() as u64;
        if let Some(at) = number.checked_rem(len) {
            route.push(self.members[at as usize].1);
        }
    }
}

/// A hash that is the same in every process: where a message goes must not change with a restart.
pub(super) fn stable_hash(value: impl Hash) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    value.hash(&mut hasher);
    mix(hasher.0)
}

/// FNV-1a.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Spreads every bit over all others (the last step of SplitMix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
