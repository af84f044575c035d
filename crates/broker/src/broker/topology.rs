//! Exchanges and bindings between them, and who may touch what.

use trefoil_amqp::{
    ChannelNumber, Method, ReplyCode, Table,
    method::exchange::{Bind, BindOk, Declare, DeclareOk, Delete, DeleteOk, Unbind, UnbindOk},
};

use super::{
    Broker, Failure,
    consume::table,
    names::{default_exchange, strip},
};
use crate::{
    access::{Permission, ResourceKind, TopicVariables},
    routing::{Declaration, Destination, ExchangeId, ExchangeType, Removed},
    slab::Key,
    vhost::VhostId,
};

impl Broker {
    /// Whether the user of a session may do this.
    pub(super) fn check(
        &self,
        session: Key,
        vhost: VhostId,
        kind: ResourceKind,
        name: &str,
        permission: Permission,
    ) -> Result<(), Failure> {
        let user = self.user_of(session);
        Ok(self
            .access
            .check_resource(user, &self.vhost(vhost).name, kind, name, permission)?)
    }

    pub(super) fn user_of(&self, session: Key) -> &str {
        self.clients
            .sessions
            .get(session)
            .and_then(|session| session.user.as_deref())
            .unwrap_or_default()
    }

    /// Whether a key may be published with, or bound, at a topic exchange.
    pub(super) fn check_topic(
        &self,
        session: Key,
        vhost: VhostId,
        exchange: &str,
        key: &str,
        permission: Permission,
    ) -> Result<(), Failure> {
        let variables = TopicVariables {
            user: self.user_of(session),
            virtual_host: &self.vhost(vhost).name,
            client_id: None,
        };
        Ok(self
            .access
            .check_topic(&variables, exchange, key, permission)?)
    }

    /// The exchange of this name.
    pub(super) fn find_exchange(&self, vhost: VhostId, name: &str) -> Result<ExchangeId, Failure> {
        let host = self.vhost(vhost);
        host.topology.exchange_id(name).ok_or_else(|| {
            let text = format!("no {}", host.topology.resource(name));
            Failure::channel(ReplyCode::NotFound, text)
        })
    }

    /// `exchange.declare`.
    pub(super) fn handle_exchange_declare(
        &mut self,
        session: Key,
        number: ChannelNumber,
        declare: &Declare<'_>,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let name = strip(declare.exchange);
        if name.is_empty() {
            return Err(default_exchange());
        }
        let mut waits = false;
        if declare.passive {
            self.find_exchange(vhost, &name)?;
        } else {
            waits = self.declare_exchange(session, vhost, &name, declare)?;
        }
        if !declare.no_wait {
            self.answer_when_durable(
                session,
                number,
                &Method::ExchangeDeclareOk(DeclareOk {}),
                waits,
            );
        }
        Ok(())
    }

    fn declare_exchange(
        &mut self,
        session: Key,
        vhost: VhostId,
        name: &str,
        declare: &Declare<'_>,
    ) -> Result<bool, Failure> {
        let kind = ExchangeType::parse(declare.kind)?;
        self.check(
            session,
            vhost,
            ResourceKind::Exchange,
            name,
            Permission::Configure,
        )?;
        let declaration = Declaration {
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            arguments: table(&declare.arguments)?,
        };
        let host = self.vhost(vhost);
        if let Some(id) = host.topology.exchange_id(name) {
            host.topology.check_same(id, &declaration)?;
            return Ok(false);
        }
        if name.starts_with("amq.") {
            let text = format!("exchange name '{name}' contains reserved prefix 'amq.*'");
            return Err(Failure::channel(ReplyCode::AccessRefused, text));
        }
        declaration.check(&host.topology.resource(name))?;
        if let Some(alternate) = declaration.alternate() {
            self.check(
                session,
                vhost,
                ResourceKind::Exchange,
                name,
                Permission::Read,
            )?;
            self.check(
                session,
                vhost,
                ResourceKind::Exchange,
                alternate,
                Permission::Write,
            )?;
        }
        self.create_exchange(vhost, name, declaration);
        Ok(declare.durable)
    }

    /// Makes an exchange that is not there, and its record if it is to survive.
    pub(crate) fn create_exchange(&mut self, vhost: VhostId, name: &str, declaration: Declaration) {
        let is_durable = declaration.durable;
        if let Some(host) = self.vhosts.get_mut(vhost.0) {
            let id = host.topology.add_exchange(name, declaration);
            if is_durable {
                self.put_exchange_record(vhost, id);
            }
            self.apply_exchange_policy(vhost, id);
            self.wake_letters();
        }
    }

    /// `exchange.delete`.
    pub(super) fn handle_exchange_delete(
        &mut self,
        session: Key,
        number: ChannelNumber,
        delete: &Delete<'_>,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let name = strip(delete.exchange);
        if name.is_empty() {
            return Err(default_exchange());
        }
        let host = self.vhost(vhost);
        if name.starts_with("amq.") {
            let text = format!(
                "deletion of system {} not allowed",
                host.topology.resource(&name)
            );
            return Err(Failure::channel(ReplyCode::AccessRefused, text));
        }
        self.check(
            session,
            vhost,
            ResourceKind::Exchange,
            &name,
            Permission::Configure,
        )?;
        let mut waits = false;
        if let Some(id) = self.vhost(vhost).topology.exchange_id(&name) {
            let topology = &self.vhost(vhost).topology;
            if delete.if_unused && topology.is_in_use(id) {
                return Err(Failure::precondition(format!(
                    "{} in use",
                    topology.resource(&name)
                )));
            }
            waits = self.delete_exchange(vhost, id);
        }
        if !delete.no_wait {
            self.answer_when_durable(
                session,
                number,
                &Method::ExchangeDeleteOk(DeleteOk {}),
                waits,
            );
        }
        Ok(())
    }

    /// Deletes an exchange with its bindings. Whether the log has something new.
    pub(crate) fn delete_exchange(&mut self, vhost: VhostId, id: ExchangeId) -> bool {
        let Some(host) = self.vhosts.get_mut(vhost.0) else {
            return false;
        };
        let removed = host.topology.delete_exchange(id);
        self.forget_removed(vhost, &removed)
    }

    /// Takes the records of what went away.
    pub(super) fn forget_removed(&mut self, vhost: VhostId, removed: &Removed) -> bool {
        let mut is_any = false;
        for binding in &removed.bindings {
            is_any |= self.delete_binding_record(vhost, binding);
        }
        for exchange in &removed.exchanges {
            is_any |= self.delete_exchange_record(vhost, exchange.name());
            if exchange.declaration().kind == ExchangeType::DelayedMessage {
                self.forget_delayed(vhost, exchange.name());
            }
        }
        is_any
    }

    /// `exchange.bind`.
    pub(super) fn handle_exchange_bind(
        &mut self,
        session: Key,
        number: ChannelNumber,
        bind: &Bind<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let (from, to) = (strip(bind.source), strip(bind.destination));
        self.check_bound(session, vhost, &from, &to, bind.routing_key)?;
        let source = self.find_exchange(vhost, &from)?;
        let destination = self.find_exchange(vhost, &to)?;
        let waits = self.add_binding(
            vhost,
            source,
            Destination::Exchange(destination),
            bind.routing_key,
            table(&bind.arguments)?,
            now,
        )?;
        if !bind.no_wait {
            self.answer_when_durable(session, number, &Method::ExchangeBindOk(BindOk {}), waits);
        }
        Ok(())
    }

    /// `exchange.unbind`.
    pub(super) fn handle_exchange_unbind(
        &mut self,
        session: Key,
        number: ChannelNumber,
        unbind: &Unbind<'_>,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let (from, to) = (strip(unbind.source), strip(unbind.destination));
        self.check_bound(session, vhost, &from, &to, unbind.routing_key)?;
        let arguments = table(&unbind.arguments)?;
        let topology = &self.vhost(vhost).topology;
        let waits = match (topology.exchange_id(&from), topology.exchange_id(&to)) {
            (Some(source), Some(destination)) => self.remove_binding(
                vhost,
                source,
                Destination::Exchange(destination),
                unbind.routing_key,
                &arguments,
            )?,
            // What is not there is not bound.
            _ => false,
        };
        if !unbind.no_wait {
            self.answer_when_durable(
                session,
                number,
                &Method::ExchangeUnbindOk(UnbindOk {}),
                waits,
            );
        }
        Ok(())
    }

    /// Whether one exchange may be bound to another.
    fn check_bound(
        &self,
        session: Key,
        vhost: VhostId,
        source: &str,
        destination: &str,
        key: &str,
    ) -> Result<(), Failure> {
        self.check(
            session,
            vhost,
            ResourceKind::Exchange,
            destination,
            Permission::Write,
        )?;
        if destination.is_empty() {
            return Err(default_exchange());
        }
        self.check_source(session, vhost, source, key)
    }

    /// Whether something may be bound to an exchange. At a topic exchange that takes the right to read the key.
    pub(super) fn check_source(
        &self,
        session: Key,
        vhost: VhostId,
        source: &str,
        key: &str,
    ) -> Result<(), Failure> {
        if source.is_empty() {
            return Err(default_exchange());
        }
        self.check(
            session,
            vhost,
            ResourceKind::Exchange,
            source,
            Permission::Read,
        )?;
        let topology = &self.vhost(vhost).topology;
        let is_topic = topology
            .exchange_id(source)
            .and_then(|id| topology.exchange(id))
            .is_some_and(|exchange| exchange.declaration().kind == ExchangeType::Topic);
        if is_topic {
            self.check_topic(session, vhost, source, key, Permission::Read)?;
        }
        Ok(())
    }

    /// Adds a binding, and its record if both ends survive. Whether the log has something new.
    pub(crate) fn add_binding(
        &mut self,
        vhost: VhostId,
        source: ExchangeId,
        destination: Destination,
        key: &str,
        arguments: Table,
        now: u64,
    ) -> Result<bool, Failure> {
        let host = self.vhosts.get_mut(vhost.0).ok_or(Failure::Gone)?;
        if !host
            .topology
            .bind(source, destination, key, arguments.clone())?
        {
            return Ok(false);
        }
        self.wake_letters();
        let is_logged = self.put_binding_record(vhost, source, destination, key, &arguments);
        Ok(self.deliver_recent(vhost, source, destination, now) || is_logged)
    }

    /// Removes a binding. Whether the log has something new.
    pub(crate) fn remove_binding(
        &mut self,
        vhost: VhostId,
        source: ExchangeId,
        destination: Destination,
        key: &str,
        arguments: &Table,
    ) -> Result<bool, Failure> {
        let host = self.vhosts.get_mut(vhost.0).ok_or(Failure::Gone)?;
        match host
            .topology
            .unbind(source, destination, key, arguments.clone())
        {
            Some(removed) => Ok(self.forget_removed(vhost, &removed)),
            None => Ok(false),
        }
    }
}
