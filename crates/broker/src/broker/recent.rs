//! Exchanges that give what they had last to whoever is bound to them.

use trefoil_amqp::{ContentHeader, ValueRef};

use super::{Broker, publish::Fate};
use crate::{
    content::Facts,
    message::Message,
    routing::{Destination, ExchangeId},
    session::Until,
    vhost::VhostId,
};

/// With this header and `true`, a message is not kept.
const NO_STORE: &str = "x-recent-history-no-store";

/// Whether an exchange that keeps its last messages may keep this one.
pub(super) fn may_be_kept(header: ContentHeader<'_>) -> bool {
    let no_store = header.headers().and_then(|headers| headers.get(NO_STORE));
    no_store != Some(ValueRef::Bool(true))
}

impl Broker {
    /// The message that was routed last came through these exchanges, which keep what they get.
    pub(super) fn remember_recent(&mut self, vhost: VhostId, message: Message<'_>) {
        if !self.route.keepers().is_empty()
            && may_be_kept(ContentHeader::new(message.header))
            && let Some(host) = self.vhosts.get_mut(vhost.0)
        {
            host.topology.remember(self.route.keepers(), message);
        }
    }

    /// There is a new binding: its destination gets what the source had last. Whether the log has something new.
    pub(super) fn deliver_recent(
        &mut self,
        vhost: VhostId,
        source: ExchangeId,
        destination: Destination,
        now: u64,
    ) -> bool {
        let mut is_logged = false;
        for remembered in self.vhost(vhost).topology.recent(source) {
            let message = remembered.message();
            let facts = Facts::of(ContentHeader::new(message.header)).unwrap_or_default();
            let queues = match destination {
                Destination::Queue(id) => vec![id],
                Destination::Exchange(id) if id == source => return false,
                Destination::Exchange(id) => {
                    let queues = self.targets(vhost, id, message, &facts);
                    self.remember_recent(vhost, message);
                    queues
                }
            };
            let fate = self.put_all(&queues, message, &facts, now);
            is_logged |= matches!(fate, Fate::Kept(Until::Durable(_) | Until::Written(_)));
        }
        is_logged
    }
}
