//! Binding queues to exchanges.

use std::sync::Arc;

use trefoil_amqp::{
    ChannelNumber, Method, ReplyCode, Table,
    method::queue::{Bind, BindOk, Unbind, UnbindOk},
};

use super::{Broker, Failure, consume::table, names::strip, publish::REPLY_TO};
use crate::{
    access::{Permission, ResourceKind},
    routing::Destination,
    slab::Key,
    vhost::VhostId,
};

impl Broker {
    /// `queue.bind`.
    pub(super) fn handle_queue_bind(
        &mut self,
        session: Key,
        number: ChannelNumber,
        bind: &Bind<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let table = table(&bind.arguments)?;
        let (vhost, name, key) = self.bound_names(session, number, bind.queue, bind.routing_key)?;
        let waits =
            self.bind_queue(session, vhost, &name, bind.exchange, &key, table, true, now)?;
        if !bind.no_wait {
            self.answer_when_durable(session, number, &Method::QueueBindOk(BindOk {}), waits);
        }
        Ok(())
    }

    /// `queue.unbind`.
    pub(super) fn handle_queue_unbind(
        &mut self,
        session: Key,
        number: ChannelNumber,
        unbind: &Unbind<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let table = table(&unbind.arguments)?;
        let (vhost, name, key) =
            self.bound_names(session, number, unbind.queue, unbind.routing_key)?;
        let waits = self.bind_queue(
            session,
            vhost,
            &name,
            unbind.exchange,
            &key,
            table,
            false,
            now,
        )?;
        self.answer_when_durable(session, number, &Method::QueueUnbindOk(UnbindOk {}), waits);
        Ok(())
    }

    /// An empty queue name is the last queue, and then an empty key is that queue's name.
    fn bound_names(
        &mut self,
        session: Key,
        number: ChannelNumber,
        queue: &str,
        key: &str,
    ) -> Result<(VhostId, Arc<str>, Arc<str>), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        if queue.starts_with(REPLY_TO) {
            let text = "cannot bind or unbind to a volatile (direct reply-to) queue";
            return Err(Failure::channel(ReplyCode::AccessRefused, text));
        }
        let name = self.queue_name(session, number, queue)?;
        let key = if queue.is_empty() && key.is_empty() {
            Arc::clone(&name)
        } else {
            key.into()
        };
        Ok((vhost, name, key))
    }

    /// Adds or removes a binding of a queue. Whether the answer has to wait for the disk.
    #[expect(clippy::too_many_arguments, reason = "the parts of a binding")]
    fn bind_queue(
        &mut self,
        session: Key,
        vhost: VhostId,
        name: &str,
        exchange: &str,
        key: &str,
        table: Table,
        is_added: bool,
        now: u64,
    ) -> Result<bool, Failure> {
        let exchange = strip(exchange);
        self.check(session, vhost, ResourceKind::Queue, name, Permission::Write)?;
        self.check_source(session, vhost, &exchange, key)?;
        let topology = &self.vhost(vhost).topology;
        let is_bound = match (topology.exchange_id(&exchange), topology.queue_id(name)) {
            (Some(source), Some(id)) => {
                topology.bindings_to(Destination::Queue(id)).any(|binding| {
                    binding.source == source && &*binding.key == key && binding.arguments == table
                })
            }
            _ => false,
        };
        if !is_added && !is_bound {
            // Whosever queue it is, and also if one of them is not there.
            return Ok(false);
        }
        let source = self.find_exchange(vhost, &exchange)?;
        let id = self.find_queue(session, vhost, name)?;
        if is_added {
            self.add_binding(vhost, source, Destination::Queue(id), key, table, now)
        } else {
            self.remove_binding(vhost, source, Destination::Queue(id), key, &table)
        }
    }
}
