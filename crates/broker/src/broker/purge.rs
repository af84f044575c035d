//! Emptying queues.

use trefoil_amqp::{
    ChannelNumber, Method, ReplyCode,
    method::queue::{Purge, PurgeOk},
};

use super::{Broker, Failure};
use crate::{
    access::{Permission, ResourceKind},
    arguments::queue_resource,
    queue::Queue,
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
        if self
            .queues
            .get(id)
            .is_some_and(|queue| queue.stream.is_some())
        {
            let resource = queue_resource(&self.vhost(vhost).name, &name);
            let text = format!("queue.purge not supported by stream queues {resource}");
            return Err(Failure::connection(ReplyCode::NotImplemented, text));
        }
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

    /// Takes everything that is ready out of a queue, and what died in it.
    pub(crate) fn purge_queue(&mut self, id: QueueId, _now: u64) -> u32 {
        let mut count = 0;
        let next = |queue: &mut Queue| {
            let ready = queue.ready.pop();
            ready.or_else(|| queue.letters.pop().map(|letter| letter.entry))
        };
        while let Some(entry) = self.queues.get_mut(id).and_then(next) {
            self.discard(id, &entry);
            count += 1;
        }
        self.undelivered.retain(|other| *other != id);
        count
    }
}
