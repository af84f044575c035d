//! The memory of a search for queues.

use super::{Destination, ExchangeId, QueueId, topic::Search};

/// Where a message goes, and what is needed to find out: kept by the caller from message to message for its memory.
#[derive(Debug)]
pub struct Route {
    pub(super) queues: Vec<QueueId>,
    /// Exchanges that are still to be asked.
    pub(super) exchanges: Vec<ExchangeId>,
    /// Exchanges on the way that keep their last messages.
    pub(super) keepers: Vec<ExchangeId>,
    pub(super) search: Search,
    /// Whether only keys were looked at.
    pub(super) by_key: bool,
    /// By exchange, the search in which it was last asked.
    asked: Vec<u64>,
    searches: u64,
    random: u64,
}

impl Route {
    /// `seed` decides what exchanges that choose by chance choose.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            queues: vec![],
            exchanges: vec![],
            keepers: vec![],
            search: Search::default(),
            by_key: true,
            asked: vec![],
            searches: 0,
            // The generator stands still at 0.
            random: seed.max(1),
        }
    }

    /// The queues that were found, each once, in the order of their ids.
    #[must_use]
    pub fn queues(&self) -> &[QueueId] {
        &self.queues
    }

    /// The exchanges on the way that keep their last messages. They want this one: [`super::Topology::remember`].
    pub(crate) fn keepers(&self) -> &[ExchangeId] {
        &self.keepers
    }

    /// Whether the keys alone decided, in all exchanges that were asked, and none keeps the message: then the queues of these keys stay the same as
    /// long as [`super::Topology::generation`] does.
    #[must_use]
    pub fn is_by_key(&self) -> bool {
        self.by_key
    }

    pub(super) fn start(&mut self) {
        self.by_key = true;
        self.queues.clear();
        self.exchanges.clear();
        self.keepers.clear();
        self.searches += 1;
    }

    /// Marks an exchange as asked. `false`: it was, in this search.
    pub(super) fn mark(&mut self, exchange: ExchangeId) -> bool {
        let at = exchange.0 as usize;
        if self.asked.len() <= at {
            self.asked.resize(at + 1, 0);
        }
        std::mem::replace(&mut self.asked[at], self.searches) != self.searches
    }

    pub(super) fn push(&mut self, destination: Destination) {
        match destination {
            Destination::Queue(queue) => self.queues.push(queue),
            Destination::Exchange(exchange) => self.exchanges.push(exchange),
        }
    }

    /// Leaves each queue once.
    pub(super) fn settle(&mut self) {
        if !self.queues.is_sorted_by(|a, b| a < b) {
            self.queues.sort_unstable();
            self.queues.dedup();
        }
    }

    /// The next number of an xorshift generator: spreading messages is all that it is for.
    pub(super) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
