//! Where the bindings of one key lead.

use super::{Destination, ExchangeId, QueueId, Route};

/// Destinations, one entry a binding: the same destination bound twice is here twice, and once in the result of a route.
#[derive(Debug, Default)]
pub(super) struct Targets {
    queues: Vec<QueueId>,
    exchanges: Vec<ExchangeId>,
}

impl Targets {
    pub(super) fn add(&mut self, destination: Destination) {
        match destination {
            Destination::Queue(queue) => self.queues.push(queue),
            Destination::Exchange(exchange) => self.exchanges.push(exchange),
        }
    }

    /// Takes out one entry. Entries of one destination are alike, so it does not matter which.
    pub(super) fn remove(&mut self, destination: Destination) {
        match destination {
            Destination::Queue(queue) => remove_one(&mut self.queues, queue),
            Destination::Exchange(exchange) => remove_one(&mut self.exchanges, exchange),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.exchanges.is_empty()
    }

    pub(super) fn collect(&self, route: &mut Route) {
        route.queues.extend_from_slice(&self.queues);
        route.exchanges.extend_from_slice(&self.exchanges);
    }
}

fn remove_one<T: PartialEq>(entries: &mut Vec<T>, entry: T) {
    if let Some(at) = entries.iter().rposition(|found| *found == entry) {
        entries.swap_remove(at);
    }
}
