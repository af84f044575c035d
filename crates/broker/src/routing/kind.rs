//! Types of exchanges.

use super::Refusal;

/// How an exchange chooses among its bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeType {
    /// The key equals the binding's.
    Direct,
    /// All bindings.
    Fanout,
    /// The key matches the binding's pattern.
    Topic,
    /// The headers match the binding's arguments.
    Headers,
    /// One binding, by a hash; keys of bindings are weights.
    ConsistentHash,
    /// One binding, by the rest of a division of a hash.
    ModulusHash,
    /// One binding, by chance.
    Random,
    /// One binding, by chance, among those of this node: here, all.
    LocalRandom,
    /// As [`ExchangeType::Fanout`], and a new binding gets the last messages of the past.
    RecentHistory,
    /// Keeps messages for the time that their header `x-delay` says, then is as its argument `x-delayed-type` says.
    DelayedMessage,
}

impl ExchangeType {
    /// All types, by name.
    pub const ALL: [Self; 10] = [
        Self::Direct,
        Self::Fanout,
        Self::Topic,
        Self::Headers,
        Self::ConsistentHash,
        Self::ModulusHash,
        Self::Random,
        Self::LocalRandom,
        Self::RecentHistory,
        Self::DelayedMessage,
    ];

    /// The type of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|found| found.name() == name)
            .ok_or_else(|| Refusal::precondition(format!("unknown exchange type '{name}'")))
    }

    /// The name that clients use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "x-consistent-hash",
            Self::ModulusHash => "x-modulus-hash",
            Self::Random => "x-random",
            Self::LocalRandom => "x-local-random",
            Self::RecentHistory => "x-recent-history",
            Self::DelayedMessage => "x-delayed-message",
        }
    }

    /// The name as RabbitMQ quotes it in replies about a different type: an Erlang atom, which has quotes of its own
    /// when there is a dash in it.
    pub(super) fn quoted(self) -> String {
        let name = self.name();
        if name.contains('-') {
            format!("''{name}''")
        } else {
            format!("'{name}'")
        }
    }
}
