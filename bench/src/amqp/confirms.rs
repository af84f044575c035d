//! Which messages a broker has confirmed: every one exactly once.

use std::collections::VecDeque;

use anyhow::{Context as _, bail, ensure};

use super::wire::{Frame, id, take};

/// The confirms that a channel still owes.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    /// Delivery tag of the first entry, less one.
    below: u64,
    /// When each message was sent, from the oldest that is not confirmed; `None` once it is.
    times: VecDeque<Option<u64>>,
    done: u64,
}

impl Confirms {
    /// The next message was sent.
    pub(super) fn sent(&mut self, time: u64) {
        self.times.push_back(Some(time));
    }

    /// Messages that are confirmed.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Messages that are not.
    pub(super) fn open(&self) -> u64 {
        self.below + self.times.len() as u64 - self.done
    }

    /// Takes a frame of the channel; `confirmed` gets the time at which each message was sent.
    pub(super) fn handle(
        &mut self,
        frame: &Frame<'_>,
        mut confirmed: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        let Some((method, mut rest)) = frame.method() else {
            return Ok(());
        };
        if method == id::BASIC_NACK {
            bail!("the broker refused a message (basic.nack)");
        }
        if method != id::BASIC_ACK {
            return Ok(());
        }
        let tag = u64::from_be_bytes(take(&mut rest)?);
        let [multiple] = take(&mut rest)?;
        let last = tag
            .checked_sub(self.below + 1)
            .filter(|last| *last < self.times.len() as u64)
            .with_context(|| {
                format!("a confirm of message {tag}, which is confirmed or was never sent")
            })? as usize;
        let first = if multiple == 0 { last } else { 0 };
        let before = self.done;
        for time in self.times.range_mut(first..=last) {
            if let Some(time) = time.take() {
                self.done += 1;
                confirmed(time);
            }
        }
        ensure!(self.done > before, "message {tag} is confirmed twice");
        while self.times.front().is_some_and(Option::is_none) {
            self.times.pop_front();
            self.below += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Confirms;
    use crate::amqp::wire::{Frame, METHOD, id};

    fn ack(confirms: &mut Confirms, tag: u64, multiple: bool) -> anyhow::Result<Vec<u64>> {
        let mut payload = id::BASIC_ACK.to_be_bytes().to_vec();
        payload.extend_from_slice(&tag.to_be_bytes());
        payload.push(u8::from(multiple));
        let frame = Frame {
            kind: METHOD,
            payload: &payload,
        };
        let mut times = Vec::new();
        confirms.handle(&frame, |time| times.push(time))?;
        Ok(times)
    }

    #[test]
    fn each_message_is_confirmed_once_in_any_order() {
        let mut confirms = Confirms::default();
        (10..16).for_each(|time| confirms.sent(time));
        assert_eq!(ack(&mut confirms, 3, false).unwrap(), [12]);
        assert_eq!(confirms.open(), 5);
        assert_eq!(ack(&mut confirms, 4, true).unwrap(), [10, 11, 13]);
        assert!(ack(&mut confirms, 4, true).is_err());
        assert!(ack(&mut confirms, 7, false).is_err());
        assert_eq!(ack(&mut confirms, 6, false).unwrap(), [15]);
        assert!(ack(&mut confirms, 6, false).is_err());
        assert_eq!(ack(&mut confirms, 6, true).unwrap(), [14]);
        assert_eq!((confirms.open(), confirms.done()), (0, 6));
    }
}
