//! Exchanges and bindings: from a message to its queues.
//!
//! A [`Topology`] is the exchanges and bindings of one virtual host. [`Topology::route`] finds the queues of a message; it
//! allocates nothing once the caller's [`Route`] has grown to its size. What it finds for a key may be remembered as long
//! as [`Topology::generation`] stays the same, if [`Route::is_by_key`].

use std::sync::Arc;

use hashbrown::HashMap;
use trefoil_amqp::{ContentHeader, Table};

mod bindings;
mod exchange;
mod hashing;
mod headers;
mod history;
mod kind;
mod matcher;
mod refusal;
mod route;
mod targets;
mod topic;

pub use self::{
    bindings::Binding,
    exchange::{ALTERNATE_EXCHANGE, Declaration, Exchange, Traffic},
    kind::ExchangeType,
    refusal::Refusal,
    route::Route,
};
pub(crate) use self::{history::Remembered, refusal::erlang_string};

use self::bindings::Bindings;

use crate::message::Message;

#[cfg(test)]
mod tests;

/// A queue, by a small number that the caller gives: its place in the caller's slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u32);

/// An exchange of one virtual host. Numbers of exchanges that are gone are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(u32);

impl ExchangeId {
    /// The exchange without a name, which leads to every queue by its name.
    pub const DEFAULT: Self = Self(0);
}

/// Where a binding leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To a queue.
    Queue(QueueId),
    /// To another exchange.
    Exchange(ExchangeId),
}

/// What went away, and what went with it.
#[derive(Debug, Default)]
pub struct Removed {
    /// All bindings that are gone.
    pub bindings: Vec<Binding>,
    /// All exchanges that are gone: the one that was deleted, and those that deleted themselves with their last binding.
    pub exchanges: Vec<Exchange>,
}

/// Exchanges that every virtual host has.
const PREDECLARED: [(&str, ExchangeType, bool); 7] = [
    ("", ExchangeType::Direct, false),
    ("amq.direct", ExchangeType::Direct, false),
    ("amq.fanout", ExchangeType::Fanout, false),
    ("amq.headers", ExchangeType::Headers, false),
    ("amq.match", ExchangeType::Headers, false),
    ("amq.rabbitmq.trace", ExchangeType::Topic, true),
    ("amq.topic", ExchangeType::Topic, false),
];

/// The exchanges and bindings of one virtual host, and the names of its queues.
#[derive(Debug)]
pub struct Topology {
    virtual_host: Box<str>,
    exchanges: Vec<Option<Exchange>>,
    free: Vec<ExchangeId>,
    names: HashMap<Arc<str>, ExchangeId>,
    bindings: Bindings,
    /// By the bytes of the name, as keys of messages are.
    queues: HashMap<Box<[u8]>, QueueId>,
    queue_names: Vec<Option<Arc<str>>>,
    generation: u64,
}

impl Topology {
    /// A virtual host with the exchanges that every one has.
    #[must_use]
    pub fn new(virtual_host: &str) -> Self {
        let mut topology = Self {
            virtual_host: virtual_host.into(),
            exchanges: vec![],
            free: vec![],
            names: HashMap::default(),
            bindings: Bindings::default(),
            queues: HashMap::default(),
            queue_names: vec![],
            generation: 0,
        };
        for (name, kind, internal) in PREDECLARED {
            let declaration = Declaration {
                internal,
                ..Declaration::durable(kind)
            };
            topology.add_exchange(name, declaration);
        }
        topology
    }

    /// A number that every change of exchanges, bindings and queues changes.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// An exchange as replies name it: `exchange 'x' in vhost '/'`.
    #[must_use]
    pub fn resource(&self, name: &str) -> String {
        format!("exchange '{name}' in vhost '{}'", self.virtual_host)
    }

    /// The exchange of this name.
    #[must_use]
    pub fn exchange_id(&self, name: &str) -> Option<ExchangeId> {
        if name.is_empty() {
            return Some(ExchangeId::DEFAULT);
        }
        self.names.get(name).copied()
    }

    /// The exchange, if it is there still.
    #[must_use]
    pub fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(id.0 as usize)?.as_ref()
    }

    /// All exchanges.
    pub fn exchanges(&self) -> impl Iterator<Item = (ExchangeId, &Exchange)> {
        (0..)
            .map(ExchangeId)
            .zip(&self.exchanges)
            .filter_map(|(id, exchange)| Some((id, exchange.as_ref()?)))
    }

    /// Makes an exchange, whose arguments [`Declaration::check`] has found right. One of this name must not be there.
    pub fn add_exchange(&mut self, name: &str, declaration: Declaration) -> ExchangeId {
        self.generation += 1;
        let id = self.free.pop().unwrap_or_else(|| {
            self.exchanges.push(None);
            ExchangeId(
                u32::try_from(self.exchanges.len() - 1)
                    .expect("exchanges do not outnumber the bytes of memory"),
            )
        });
        let exchange = Exchange::new(name, declaration);
        self.names.insert(exchange.shared_name(), id);
        self.exchanges[id.0 as usize] = Some(exchange);
        id
    }

    /// Whether a declaration of a known exchange says the same as the one that made it: type, flags and alternate
    /// exchange. Other arguments are not compared.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_same(&self, id: ExchangeId, declaration: &Declaration) -> Result<(), Refusal> {
        match self.exchange(id) {
            Some(exchange) => exchange
                .declaration()
                .check_same(declaration, &self.resource(exchange.name())),
            None => Ok(()),
        }
    }

    /// Sets the exchange for what finds no queue: of the arguments or, if there is none, of a policy.
    pub fn set_alternate(&mut self, id: ExchangeId, name: Option<&str>) {
        if let Some(Some(exchange)) = self.exchanges.get_mut(id.0 as usize) {
            exchange.set_alternate(name);
            self.generation += 1;
        }
    }

    /// Counts a message that a client published to an exchange, and how many queues it went to.
    #[inline]
    pub fn count(&mut self, id: ExchangeId, queues: usize) {
        if let Some(Some(exchange)) = self.exchanges.get_mut(id.0 as usize) {
            exchange.traffic.published += 1;
            exchange.traffic.routed += queues as u64;
        }
    }

    /// Keeps a message in the history of these exchanges.
    pub(crate) fn remember(&mut self, keepers: &[ExchangeId], message: Message<'_>) {
        let remembered = Arc::new(Remembered::new(message));
        for id in keepers {
            if let Some(Some(exchange)) = self.exchanges.get_mut(id.0 as usize)
                && let Some(history) = &mut exchange.history
            {
                history.push(Arc::clone(&remembered));
            }
        }
    }

    /// The history of an exchange, the oldest first; of most exchanges, nothing.
    pub(crate) fn recent(&self, id: ExchangeId) -> Vec<Arc<Remembered>> {
        let history = self
            .exchange(id)
            .and_then(|exchange| exchange.history.as_ref());
        history
            .map(|history| history.messages().collect())
            .unwrap_or_default()
    }

    /// Whether there are bindings with this exchange as their source.
    #[must_use]
    pub fn is_in_use(&self, id: ExchangeId) -> bool {
        self.bindings.has_source(id)
    }

    /// Deletes an exchange and all bindings from and to it.
    pub fn delete_exchange(&mut self, id: ExchangeId) -> Removed {
        let mut removed = Removed::default();
        self.delete_exchanges(vec![id], &mut removed);
        removed
    }

    /// Makes a queue known by its name.
    pub fn add_queue(&mut self, name: &str, id: QueueId) {
        self.generation += 1;
        let at = id.0 as usize;
        if self.queue_names.len() <= at {
            self.queue_names.resize(at + 1, None);
        }
        self.queue_names[at] = Some(name.into());
        self.queues.insert(name.as_bytes().into(), id);
    }

    /// The queue of this name.
    #[must_use]
    pub fn queue_id(&self, name: &str) -> Option<QueueId> {
        self.queues.get(name.as_bytes()).copied()
    }

    /// The name of a queue.
    #[must_use]
    pub fn queue_name(&self, id: QueueId) -> Option<&str> {
        self.queue_names.get(id.0 as usize)?.as_deref()
    }

    /// How many queues there are.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// All queues, in no order.
    pub fn queues(&self) -> impl Iterator<Item = QueueId> {
        self.queues.values().copied()
    }

    /// Forgets a queue and all bindings to it.
    pub fn remove_queue(&mut self, id: QueueId) -> Removed {
        self.generation += 1;
        let mut removed = Removed::default();
        if let Some(name) = self
            .queue_names
            .get_mut(id.0 as usize)
            .and_then(Option::take)
        {
            self.queues.remove(name.as_bytes());
        }
        let unused = self.remove_bindings_to(Destination::Queue(id), &mut removed);
        self.delete_exchanges(unused, &mut removed);
        removed
    }

    /// Binds a queue or an exchange to an exchange. `false`: this binding was there.
    ///
    /// # Errors
    /// The type of the exchange does not take such a key or such arguments. A source or destination that is not there
    /// is for the caller to have found out; here it is no binding.
    pub fn bind(
        &mut self,
        source: ExchangeId,
        destination: Destination,
        key: &str,
        arguments: Table,
    ) -> Result<bool, Refusal> {
        let Some(binding) = self.binding(source, destination, key, arguments) else {
            return Ok(false);
        };
        let Some(Some(exchange)) = self.exchanges.get_mut(source.0 as usize) else {
            return Ok(false);
        };
        exchange.declaration().check_binding(&binding)?;
        let way = binding.clone();
        if !self.bindings.add(binding) {
            return Ok(false);
        }
        exchange.matcher.add(&way);
        self.generation += 1;
        Ok(true)
    }

    /// Takes a binding away; with the last one of an auto-delete exchange, the exchange. `None`: there was none like it.
    pub fn unbind(
        &mut self,
        source: ExchangeId,
        destination: Destination,
        key: &str,
        arguments: Table,
    ) -> Option<Removed> {
        let binding = self.binding(source, destination, key, arguments)?;
        let binding = self.bindings.remove(&binding)?;
        self.generation += 1;
        let mut removed = Removed::default();
        let unused = self.unlink(&binding);
        removed.bindings.push(binding);
        self.delete_exchanges(unused.into_iter().collect(), &mut removed);
        Some(removed)
    }

    /// All bindings but those of the default exchange, which are implied by the queues.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter()
    }

    /// How many bindings [`Topology::bindings`] gives.
    #[must_use]
    pub fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// The bindings from an exchange, but the default one.
    pub fn bindings_from(&self, source: ExchangeId) -> impl Iterator<Item = &Binding> {
        self.bindings.from(source)
    }

    /// The bindings to a queue or an exchange, but those from the default exchange.
    pub fn bindings_to(&self, destination: Destination) -> impl Iterator<Item = &Binding> {
        self.bindings.to(destination)
    }

    /// Finds the queues of a message, each once, in the order of their ids: [`Route::queues`]. `keys` are the routing key
    /// of the message and then those of its headers CC and BCC.
    pub fn route(
        &self,
        exchange: ExchangeId,
        keys: &[&[u8]],
        header: ContentHeader<'_>,
        route: &mut Route,
    ) {
        route.start();
        self.ask(exchange, keys, header, route);
        if !route.exchanges.is_empty() {
            route.mark(exchange);
            while let Some(next) = route.exchanges.pop() {
                if route.mark(next) {
                    self.ask(next, keys, header, route);
                }
            }
        }
        route.settle();
    }

    /// Puts the destinations that one exchange has for a message into `route`; if it has none, its alternate exchange.
    #[inline]
    fn ask(&self, id: ExchangeId, keys: &[&[u8]], header: ContentHeader<'_>, route: &mut Route) {
        if id == ExchangeId::DEFAULT {
            for key in keys {
                route.queues.extend(self.queues.get(*key));
            }
            return;
        }
        let Some(exchange) = self.exchange(id) else {
            return;
        };
        if exchange.history.is_some() {
            route.by_key = false;
            route.keepers.push(id);
        }
        let before = (route.queues.len(), route.exchanges.len());
        exchange.matcher.collect(keys, header, route);
        if before == (route.queues.len(), route.exchanges.len())
            && let Some(name) = exchange.alternate()
        {
            route.exchanges.extend(self.exchange_id(name));
        }
    }

    fn binding(
        &self,
        source: ExchangeId,
        to: Destination,
        key: &str,
        arguments: Table,
    ) -> Option<Binding> {
        let destination_name = match to {
            Destination::Queue(id) => self.queue_names.get(id.0 as usize)?.clone()?,
            Destination::Exchange(id) => self.exchange(id)?.shared_name(),
        };
        Some(Binding {
            source,
            source_name: self.exchange(source)?.shared_name(),
            destination: to,
            destination_name,
            key: key.into(),
            arguments,
        })
    }

    /// Takes a binding out of its source. Returns the source if it is to be deleted for that.
    fn unlink(&mut self, binding: &Binding) -> Option<ExchangeId> {
        let exchange = self
            .exchanges
            .get_mut(binding.source.0 as usize)?
            .as_mut()?;
        exchange.matcher.remove(binding);
        (exchange.declaration().auto_delete && !self.bindings.has_source(binding.source))
            .then_some(binding.source)
    }

    fn remove_bindings_to(
        &mut self,
        destination: Destination,
        removed: &mut Removed,
    ) -> Vec<ExchangeId> {
        let mut unused = vec![];
        while let Some(binding) = self.bindings.remove_to(destination) {
            unused.extend(self.unlink(&binding));
            removed.bindings.push(binding);
        }
        unused
    }

    fn delete_exchanges(&mut self, mut doomed: Vec<ExchangeId>, removed: &mut Removed) {
        while let Some(id) = doomed.pop() {
            let Some(exchange) = self.exchanges.get_mut(id.0 as usize).and_then(Option::take)
            else {
                continue;
            };
            self.generation += 1;
            self.names.remove(exchange.name());
            while let Some(binding) = self.bindings.remove_from(id) {
                removed.bindings.push(binding);
            }
            doomed.extend(self.remove_bindings_to(Destination::Exchange(id), removed));
            self.free.push(id);
            removed.exchanges.push(exchange);
        }
    }
}
