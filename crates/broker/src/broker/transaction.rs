//! Transactions: the publishes and settlements of one channel, all at once.

use trefoil_amqp::{ChannelNumber, ContentHeader, Method, method::tx};

use super::{Broker, Failure, publish::Fate};
use crate::{
    content::Facts,
    message::Message,
    session::{Mode, OwnedPublish, Settle, Transaction, Until},
    slab::Key,
};

/// Bytes of publishes that a transaction may gather. They are in memory until the commit, which then works through them in one
/// hold of the lock: room for eight messages of 16 MiB, the largest unless it is set otherwise. In tests it is small.
const TRANSACTION_BYTES_MAX: usize = if cfg!(test) { 64 << 10 } else { 128 << 20 };

/// Adds a publish to a transaction, unless it grows too large for memory.
pub(super) fn gather(
    transaction: &mut Transaction,
    message: Message<'_>,
    mandatory: bool,
) -> Result<(), Failure> {
    let Message {
        exchange,
        routing_key,
        header,
        body,
        ..
    } = message;
    let parts = exchange.len() + routing_key.len() + header.len() + body.len();
    let bytes = transaction.bytes + size_of::<OwnedPublish>() + parts;
    // One message may be as large as messages may be.
    if !transaction.publishes.is_empty() && bytes > TRANSACTION_BYTES_MAX {
        let text =
            format!("transaction is larger than the maximum of {TRANSACTION_BYTES_MAX} bytes");
        return Err(Failure::precondition(text));
    }
    transaction.bytes = bytes;
    transaction.publishes.push(OwnedPublish {
        exchange: exchange.to_owned(),
        routing_key: routing_key.to_owned(),
        mandatory,
        header: header.to_vec(),
        body: body.to_vec(),
    });
    Ok(())
}

impl Broker {
    /// `tx.select`.
    pub(super) fn handle_tx_select(
        &mut self,
        session: Key,
        number: ChannelNumber,
    ) -> Result<(), Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        match channel.mode {
            Mode::Plain => channel.mode = Mode::Transaction(Box::default()),
            Mode::Transaction(_) => {}
            Mode::Confirm(_) => {
                return Err(Failure::precondition(
                    "cannot switch from confirm to tx mode",
                ));
            }
        }
        self.answer(session, number, &Method::TxSelectOk(tx::SelectOk {}));
        Ok(())
    }

    fn take_transaction(
        &mut self,
        session: Key,
        number: ChannelNumber,
    ) -> Result<Transaction, Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        match &mut channel.mode {
            Mode::Transaction(transaction) => Ok(std::mem::take(&mut **transaction)),
            Mode::Plain | Mode::Confirm(_) => {
                Err(Failure::precondition("channel is not transactional"))
            }
        }
    }

    /// `tx.commit`: answered when everything is as safe as a confirm would say.
    pub(super) fn handle_tx_commit(
        &mut self,
        session: Key,
        number: ChannelNumber,
        now: u64,
    ) -> Result<(), Failure> {
        let transaction = self.take_transaction(session, number)?;
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let mut waits = false;
        let mut is_refused = false;
        for publish in &transaction.publishes {
            // The exchange was there when the message was published, and may be gone by now: then it leads nowhere.
            let Some(exchange) = self.vhost(vhost).topology.exchange_id(&publish.exchange) else {
                continue;
            };
            let message = Message {
                exchange: &publish.exchange,
                routing_key: &publish.routing_key,
                header: &publish.header,
                body: &publish.body,
                history: 0,
            };
            let facts = Facts::of(ContentHeader::new(&publish.header))?;
            let fate = self.publish(
                session,
                number,
                vhost,
                exchange,
                message,
                &facts,
                publish.mandatory,
                now,
            )?;
            waits |= matches!(fate, Fate::Kept(Until::Durable(_) | Until::Written(_)));
            is_refused |= fate == Fate::Kept(Until::Refused);
        }
        for settlement in transaction.settlements {
            self.settle_all(session, number, &settlement.deliveries, settlement.how, now);
        }
        if is_refused {
            // What could happen has: as RabbitMQ has it, a full queue is a reason to complain and none to undo.
            return Err(Failure::precondition("partial tx completion"));
        }
        self.log_acknowledgements();
        self.answer_when_durable(session, number, &Method::TxCommitOk(tx::CommitOk {}), waits);
        Ok(())
    }

    /// `tx.rollback`: what was settled waits again, what was published is forgotten.
    pub(super) fn handle_tx_rollback(
        &mut self,
        session: Key,
        number: ChannelNumber,
    ) -> Result<(), Failure> {
        let transaction = self.take_transaction(session, number)?;
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        for settlement in transaction.settlements {
            for delivery in settlement.deliveries {
                channel.unacked.restore(delivery);
            }
        }
        self.answer(session, number, &Method::TxRollbackOk(tx::RollbackOk {}));
        Ok(())
    }

    /// What a channel had settled in a transaction that it did not commit goes back to the queues.
    pub(super) fn abandon_transaction(&mut self, session: Key, number: ChannelNumber, now: u64) {
        if let Ok(transaction) = self.take_transaction(session, number) {
            for settlement in transaction.settlements {
                self.settle_all(
                    session,
                    number,
                    &settlement.deliveries,
                    Settle::Requeue,
                    now,
                );
            }
        }
    }
}
