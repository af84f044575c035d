//! Deliveries of a channel that wait for their acknowledgement.

use std::collections::VecDeque;

use crate::{queue::Entry, routing::QueueId, slab::Key};

/// A delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unacked {
    /// Delivery tag.
    pub(crate) tag: u64,
    pub(crate) queue: QueueId,
    /// The queue's number: its place may have another queue by now.
    pub(crate) queue_uid: u64,
    /// Who got it; [`Key::NONE`] for `basic.get`.
    pub(crate) consumer: Key,
    pub(crate) delivered_at: u64,
    pub(crate) entry: Entry,
}

/// Deliveries in the order of their tags. Settling the first ones, as most clients do, is cheap.
#[derive(Debug, Default)]
pub(crate) struct UnackedList {
    /// `None` where one in the middle was settled.
    deliveries: VecDeque<Option<Unacked>>,
    /// Tag of the first place: tags have no gaps but those of deliveries that need no acknowledgement.
    tags: VecDeque<u64>,
    len: usize,
}

impl UnackedList {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, delivery: Unacked) {
        self.tags.push_back(delivery.tag);
        self.deliveries.push_back(Some(delivery));
        self.len += 1;
    }

    /// Puts one back that was taken.
    pub(crate) fn restore(&mut self, delivery: Unacked) {
        self.len += 1;
        match self.tags.binary_search(&delivery.tag) {
            Ok(place) => self.deliveries[place] = Some(delivery),
            Err(place) => {
                self.tags.insert(place, delivery.tag);
                self.deliveries.insert(place, Some(delivery));
            }
        }
    }

    /// Takes the delivery with this tag.
    pub(crate) fn take(&mut self, tag: u64) -> Option<Unacked> {
        let place = if self.tags.front() == Some(&tag) {
            0
        } else {
            self.tags.binary_search(&tag).ok()?
        };
        let delivery = self.deliveries[place].take()?;
        self.len -= 1;
        self.trim();
        Some(delivery)
    }

    /// Takes all up to this tag; all there are for 0.
    pub(crate) fn take_up_to(&mut self, tag: u64) -> Vec<Unacked> {
        let mut taken = Vec::new();
        while let Some(first) = self.tags.front()
            && (tag == 0 || *first <= tag)
        {
            self.tags.pop_front();
            taken.extend(self.deliveries.pop_front().flatten());
        }
        self.len -= taken.len();
        self.trim();
        taken
    }

    /// Whether a delivery with this tag waits.
    pub(crate) fn contains(&self, tag: u64) -> bool {
        self.tags
            .binary_search(&tag)
            .is_ok_and(|place| self.deliveries[place].is_some())
    }

    /// The delivery with this tag, to have its message moved.
    pub(crate) fn find_mut(&mut self, tag: u64) -> Option<&mut Unacked> {
        let place = self.tags.binary_search(&tag).ok()?;
        self.deliveries[place].as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Unacked> {
        self.deliveries.iter().flatten()
    }

    fn trim(&mut self) {
        while let Some(None) = self.deliveries.front() {
            self.deliveries.pop_front();
            self.tags.pop_front();
        }
        while let Some(None) = self.deliveries.back() {
            self.deliveries.pop_back();
            self.tags.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::NEVER;

    fn delivery(tag: u64) -> Unacked {
        let entry = Entry {
            at: Default::default(),
            sequence: tag,
            expires_at: NEVER,
            size: 0,
            returns: 0,
            flags: 0,
            priority: 0,
        };
        Unacked {
            tag,
            queue: QueueId(0),
            queue_uid: 0,
            consumer: Key::NONE,
            delivered_at: 0,
            entry,
        }
    }

    fn list(tags: &[u64]) -> UnackedList {
        let mut list = UnackedList::default();
        tags.iter().for_each(|tag| list.push(delivery(*tag)));
        list
    }

    fn tags(deliveries: &[Unacked]) -> Vec<u64> {
        deliveries.iter().map(|delivery| delivery.tag).collect()
    }

    #[test]
    fn a_tag_is_taken_once() {
        let mut list = list(&[1, 2, 5, 9]);
        assert!(list.contains(5));
        assert_eq!(list.take(5).map(|delivery| delivery.tag), Some(5));
        assert_eq!(list.take(5), None);
        assert_eq!(list.take(3), None);
        assert_eq!(list.len(), 3);
        assert_eq!(tags(&list.take_up_to(5)), [1, 2]);
        assert_eq!(tags(&list.take_up_to(0)), [9]);
        assert!(list.take_up_to(0).is_empty());
        assert_eq!(list.len(), 0);
    }
}
