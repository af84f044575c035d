//! Publisher confirms.

use trefoil_amqp::{ChannelNumber, Method, encode, method::confirm};
use trefoil_store::Position;

use super::{Broker, Failure};
use crate::{
    session::{Channel, Confirms, Mode, Until},
    slab::Key,
};

impl Broker {
    /// `confirm.select`.
    pub(super) fn handle_confirm_select(
        &mut self,
        session: Key,
        number: ChannelNumber,
        no_wait: bool,
    ) -> Result<(), Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        match channel.mode {
            Mode::Plain => channel.mode = Mode::Confirm(Confirms::default()),
            Mode::Confirm(_) => {}
            Mode::Transaction(_) => {
                return Err(Failure::precondition(
                    "cannot switch from tx to confirm mode",
                ));
            }
        }
        if !no_wait {
            self.answer(
                session,
                number,
                &Method::ConfirmSelectOk(confirm::SelectOk {}),
            );
        }
        Ok(())
    }

    /// Tells publishers what is safe by now.
    pub(super) fn flush_confirms(&mut self) {
        if self.confirming.is_empty() {
            return;
        }
        let (durable, written) = (self.logs.durable.durable(), self.logs.durable.written());
        let clients = &mut self.clients;
        let mut confirmed = 0;
        self.confirming.retain(|&(key, number)| {
            let Some(session) = clients.sessions.get_mut(key) else {
                return false;
            };
            let Some(channel) = session
                .channels
                .get_mut(usize::from(number.0))
                .and_then(Option::as_deref_mut)
            else {
                return false;
            };
            let output = session.connection.output();
            let before = output.len();
            let keeps_waiting = flush(channel, durable, written, output, &mut confirmed);
            if output.len() != before && !session.is_dirty {
                session.is_dirty = true;
                clients.dirty.push(key);
            }
            keeps_waiting
        });
        self.counters.confirm += confirmed;
    }
}

/// Answers the publishes of a channel that wait no longer. Whether others still do.
fn flush(
    channel: &mut Channel,
    durable: Position,
    written: Position,
    output: &mut Vec<u8>,
    total: &mut u64,
) -> bool {
    let number = channel.number;
    let Mode::Confirm(confirms) = &mut channel.mode else {
        return false;
    };
    let before = confirms.answered;
    let mut upto = confirms.answered;
    while let Some(first) = confirms.waiting.front().copied() {
        let is_due = match first.until {
            Until::Now | Until::Refused => true,
            Until::Durable(end) => end <= durable,
            Until::Written(end) => end <= written,
        };
        if !is_due {
            break;
        }
        if first.until == Until::Refused {
            acknowledge(confirms, number, upto, output);
            encode::nack(output, number, first.number, false);
            confirms.answered = first.number;
        }
        upto = first.number;
        confirms.waiting.pop_front();
    }
    acknowledge(confirms, number, upto, output);
    *total += confirms.answered - before;
    channel.counters.confirm += confirms.answered - before;
    confirms.is_listed = !confirms.waiting.is_empty();
    confirms.is_listed
}

fn acknowledge(confirms: &mut Confirms, number: ChannelNumber, upto: u64, output: &mut Vec<u8>) {
    if upto > confirms.answered {
        encode::ack(output, number, upto, upto > confirms.answered + 1);
        confirms.answered = upto;
    }
}
