//! Who holds the messages of the part of the log that is being cleaned.
//!
//! Going through all deliveries takes a while if there are many, so it is done once for a part of the log, and only if something
//! in it may be a delivery's. Deliveries that come after that are noted as they are made.

use std::collections::HashMap;

use trefoil_amqp::ChannelNumber;
use trefoil_store::Position;

use super::Clients;
use crate::{queue::Entry, session::Unacked, slab::Key};

/// Deliveries of the part of the log that is being cleaned. Some of them may be settled by now.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    /// The end of that part, the oldest of the log; 0 as long as nobody asked.
    until: Position,
    /// By the queue's number and the message's sequence.
    holders: HashMap<(u64, u64), Holder>,
}

/// Where a delivery is: session, channel and tag.
type Holder = (Key, ChannelNumber, u64);

impl Moving {
    /// A delivery was made.
    #[inline]
    pub(crate) fn note(&mut self, session: Key, channel: ChannelNumber, delivery: &Unacked) {
        if delivery.entry.at < self.until {
            self.hold(session, channel, delivery);
        }
    }

    fn hold(&mut self, session: Key, channel: ChannelNumber, delivery: &Unacked) {
        if delivery.entry.is_persistent() {
            let name = (delivery.queue_uid, delivery.entry.sequence);
            self.holders.insert(name, (session, channel, delivery.tag));
        }
    }
}

impl Clients {
    /// The delivered message of a queue, whose record is in the part of the log that is being cleaned and that ends at `until`.
    pub(crate) fn held_mut(
        &mut self,
        uid: u64,
        sequence: u64,
        until: Position,
    ) -> Option<&mut Entry> {
        if self.moving.until != until {
            self.look_for_holders(until);
        }
        let (session, number, tag) = *self.moving.holders.get(&(uid, sequence))?;
        let delivery = self.channel(session, number)?.held_mut(tag)?;
        // It may be settled, and its channel another.
        (delivery.queue_uid == uid && delivery.entry.sequence == sequence)
            .then_some(&mut delivery.entry)
    }

    fn look_for_holders(&mut self, until: Position) {
        self.moving.until = until;
        self.moving.holders.clear();
        for (key, session) in self.sessions.iter() {
            for channel in session.channels.iter().flatten() {
                for delivery in channel.held() {
                    self.moving.note(key, channel.number, delivery);
                }
            }
        }
    }

    /// That part of the log is clean.
    pub(crate) fn forget_moving(&mut self) {
        self.moving = Moving::default();
    }
}
