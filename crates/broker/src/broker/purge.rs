//! Emptying queues.

use trefoil_amqp::{
    ChannelNumber, Method,
    method::queue::{Purge, PurgeOk},
};

use super::{Broker, Failure};
use crate::{
    access::{Permission, ResourceKind},
    routing::QueueId,
    slab::Key,
};

impl Broker {
    /// `queue.purge`.
    pub(super) fn handle_purge(
        &mut self,
        session: Key,
        number: ChannelNumber,
        purge: &Purge<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let name = self.queue_name(session, number, purge.queue)?;
        self.check(session, vhost, ResourceKind::Queue, &name, Permission::Read)?;
        let id = self.find_queue(session, vhost, &name)?;
        let message_count = self.purge_queue(id, now);
        if !purge.no_wait {
            self.answer(
                session,
                number,
                &Method::QueuePurgeOk(PurgeOk { message_count }),
            );
        }
        Ok(())
    }

    /// Takes everything that is ready out of a queue.
    pub(crate) fn purge_queue(&mut self, id: QueueId, _now: u64) -> u32 {
        let mut count = 0;
        while let Some(entry) = self.queues.get_mut(id).and_then(|queue| queue.ready.pop()) {
            self.discard(id, &entry);
            count += 1;
        }
        count
    }
}
