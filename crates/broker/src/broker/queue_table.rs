//! Where the queues are.

use crate::{queue::Queue, routing::QueueId};

/// Queues by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    places: Vec<Option<Box<Queue>>>,
    free: Vec<QueueId>,
}

impl Queues {
    pub(crate) fn get(&self, id: QueueId) -> Option<&Queue> {
        self.places.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.places.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn insert(&mut self, queue: Queue) -> QueueId {
        if let Some(id) = self.free.pop() {
            self.places[id.0 as usize] = Some(Box::new(queue));
            return id;
        }
        let id = QueueId(
            u32::try_from(self.places.len()).expect("memory ends before four billion queues"),
        );
        self.places.push(Some(Box::new(queue)));
        id
    }

    pub(crate) fn remove(&mut self, id: QueueId) -> Option<Box<Queue>> {
        let queue = self.places.get_mut(id.0 as usize)?.take()?;
        self.free.push(id);
        Some(queue)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (QueueId, &Queue)> {
        (0..)
            .zip(&self.places)
            .filter_map(|(id, queue)| Some((QueueId(id), queue.as_deref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (QueueId, &mut Queue)> {
        (0..)
            .zip(&mut self.places)
            .filter_map(|(id, queue)| Some((QueueId(id), queue.as_deref_mut()?)))
    }
}
