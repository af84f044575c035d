//! Deliveries that nobody acknowledges, on queues that have a limit for that. There is none unless somebody asked for it.

use trefoil_amqp::{ChannelNumber, MethodId};

use super::{Broker, Failure};
use crate::{routing::QueueId, slab::Key};

impl Broker {
    /// Closes the channels that hold a delivery of this queue for too long, and plans the next look.
    pub(super) fn expire_deliveries(&mut self, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        let Some(timeout) = queue.settings.consumer_timeout_ms else {
            return;
        };
        let uid = queue.uid;
        let mut late: Vec<(Key, ChannelNumber)> = Vec::new();
        let mut next = u64::MAX;
        for (key, session) in self.clients.sessions.iter() {
            for channel in session.channels.iter().flatten() {
                let oldest = channel
                    .unacked
                    .iter()
                    .filter(|delivery| delivery.queue_uid == uid && delivery.consumer != Key::NONE)
                    .map(|delivery| delivery.delivered_at)
                    .min();
                match oldest.map(|at| at.saturating_add(timeout)) {
                    Some(end) if end <= now => late.push((key, channel.number)),
                    Some(end) => next = next.min(end),
                    None => {}
                }
            }
        }
        for (session, channel) in late {
            let text = format!(
                "delivery acknowledgement on channel {channel} timed out. Timeout value used: {timeout} ms. This timeout value can be configured, see consumers doc guide to learn more"
            );
            self.fail(
                session,
                channel,
                Failure::precondition(text),
                MethodId::NONE,
                now,
            );
        }
        self.schedule_queue(id, next);
    }

    /// Something was delivered: a queue with a limit is looked at when it is over.
    pub(super) fn watch_deliveries(&mut self, id: QueueId, now: u64) {
        if let Some(queue) = self.queues.get(id)
            && queue.unacked > 0
            && let Some(timeout) = queue.settings.consumer_timeout_ms
        {
            self.schedule_queue(id, now.saturating_add(timeout));
        }
    }
}
