//! Definitions out and in: everything that makes a broker but its messages.

use trefoil_amqp::ReplyCode;

use super::{Broker, Refusal};
use crate::{
    arguments::{QueueArguments, QueueDeclaration},
    definitions::{
        BindingDefinition, Definitions, ExchangeDefinition, GlobalParameterDefinition,
        ParameterDefinition, ParameterMeaning, PermissionDefinition, QueueDefinition,
        TopicPermissionDefinition, arguments::table_to_json,
    },
    policy::PolicyKind,
    routing::Destination,
    vhost::VhostId,
};

impl Broker {
    /// The definitions of the broker, or of one of its virtual hosts.
    #[must_use]
    pub fn definitions(&self, only: Option<&str>) -> Definitions {
        let mut definitions = Definitions::default();
        let is_wanted = |vhost: &str| only.is_none_or(|only| only == vhost);
        for kind in [PolicyKind::User, PolicyKind::Operator] {
            for policy in self
                .policies
                .all(kind)
                .filter(|policy| is_wanted(&policy.virtual_host))
            {
                match kind {
                    PolicyKind::User => definitions.policies.push(policy.into()),
                    PolicyKind::Operator => {
                        let parameter = ParameterDefinition::operator_policy(policy);
                        definitions.parameters.push(parameter);
                    }
                }
            }
        }
        for (vhost, limits) in self.access.all_vhost_limits() {
            if is_wanted(vhost) {
                let parameter = ParameterDefinition::vhost_limits(vhost, limits);
                definitions.parameters.push(parameter);
            }
        }
        for (vhost, component, name, value) in self.parameters.all() {
            if is_wanted(vhost) {
                definitions.parameters.push(ParameterDefinition {
                    vhost: Some(vhost.to_owned()),
                    component: component.to_owned(),
                    name: name.to_owned(),
                    value: value.clone(),
                });
            }
        }
        for (id, vhost) in self.vhosts.iter() {
            if is_wanted(&vhost.name) {
                self.export_topology(VhostId(id), &mut definitions);
            }
        }
        match only {
            Some(vhost) => self.close_vhost_export(vhost, &mut definitions),
            None => self.export_access(&mut definitions),
        }
        definitions
    }

    fn export_topology(&self, id: VhostId, definitions: &mut Definitions) {
        let vhost = self.vhost(id);
        for queue in vhost
            .topology
            .queues()
            .filter_map(|queue| self.queues.get(queue))
        {
            // An exclusive queue goes with its connection, which is no part of a definition.
            if queue.owner.is_none() {
                definitions.queues.push(QueueDefinition::new(
                    &vhost.name,
                    &queue.name,
                    queue.is_durable,
                    queue.is_auto_delete,
                    &queue.arguments,
                ));
            }
        }
        for (_, exchange) in vhost.topology.exchanges() {
            let is_ours = exchange.name().is_empty() || exchange.name().starts_with("amq.");
            if !is_ours {
                definitions.exchanges.push(ExchangeDefinition::new(
                    &vhost.name,
                    exchange.name(),
                    exchange.declaration(),
                ));
            }
        }
        for binding in vhost.topology.bindings() {
            let is_exclusive = match binding.destination {
                Destination::Queue(queue) => self
                    .queues
                    .get(queue)
                    .is_some_and(|queue| queue.owner.is_some()),
                Destination::Exchange(_) => false,
            };
            if !is_exclusive {
                definitions.bindings.push(BindingDefinition {
                    vhost: Some(vhost.name.to_string()),
                    source: binding.source_name.to_string(),
                    destination: binding.destination_name.to_string(),
                    destination_type: match binding.destination {
                        Destination::Queue(_) => "queue".to_owned(),
                        Destination::Exchange(_) => "exchange".to_owned(),
                    },
                    routing_key: binding.key.to_string(),
                    arguments: table_to_json(&binding.arguments),
                });
            }
        }
    }

    fn close_vhost_export(&self, name: &str, definitions: &mut Definitions) {
        definitions.clear_virtual_host();
        definitions.rabbitmq_definition_format = Some("single_virtual_host".to_owned());
        definitions.original_vhost_name = Some(name.to_owned());
        definitions.original_cluster_name = Some(self.cluster_name().to_owned());
        if let Some(id) = self.vhost_names.get(name) {
            let vhost = self.vhost_definition(*id);
            definitions.description = Some(vhost.description);
            definitions.default_queue_type = vhost.default_queue_type;
            definitions.metadata = Some(vhost.metadata);
        }
    }

    fn export_access(&self, definitions: &mut Definitions) {
        definitions.rabbitmq_definition_format = Some("cluster".to_owned());
        definitions.original_cluster_name = Some(self.cluster_name().to_owned());
        definitions.users = Some(self.access.users().map(Into::into).collect());
        let vhosts = self.vhosts.iter();
        definitions.vhosts = Some(
            vhosts
                .map(|(id, _)| self.vhost_definition(VhostId(id)))
                .collect(),
        );
        let permissions = self.access.all_permissions();
        definitions.permissions = Some(
            permissions
                .map(|(user, vhost, set)| PermissionDefinition::new(user, vhost, set))
                .collect(),
        );
        let topics = self.access.all_topic_permissions();
        definitions.topic_permissions = Some(
            topics
                .map(|(user, vhost, exchange, set)| {
                    TopicPermissionDefinition::new(user, vhost, exchange, set)
                })
                .collect(),
        );
        let globals = self.parameters.all_global();
        definitions.global_parameters = Some(
            globals
                .map(|(name, value)| GlobalParameterDefinition {
                    name: name.to_owned(),
                    value: value.clone(),
                })
                .collect(),
        );
    }

    /// Makes everything that definitions have. What is there already and is the same stays as it is; queues, exchanges and
    /// bindings that are there are never changed. A line for everything that was left out.
    ///
    /// # Errors
    /// The first thing that cannot be made. What came before it is made.
    pub fn import(&mut self, definitions: &Definitions, now: u64) -> Result<Vec<String>, Refusal> {
        self.import_access(definitions, now)?;
        for policy in &definitions.policies {
            let policy = policy
                .to_policy(PolicyKind::User)
                .map_err(Refusal::invalid)?;
            self.known_vhost(Some(&policy.virtual_host))?;
            self.put_policy(PolicyKind::User, policy, now);
        }
        for parameter in &definitions.parameters {
            self.import_parameter(parameter, now)?;
        }
        for exchange in &definitions.exchanges {
            let vhost = self.known_vhost(exchange.vhost.as_deref())?;
            let declaration = exchange.to_declaration().map_err(Refusal::invalid)?;
            let topology = &self.vhost(vhost).topology;
            if exchange.name.is_empty() || topology.exchange_id(&exchange.name).is_some() {
                continue;
            }
            declaration
                .check(&topology.resource(&exchange.name))
                .map_err(|refusal| Refusal::from(super::Failure::from(refusal)))?;
            self.create_exchange(vhost, &exchange.name, declaration);
        }
        for queue in &definitions.queues {
            self.import_queue(queue, now)?;
        }
        let mut notes = Vec::new();
        for binding in &definitions.bindings {
            notes.extend(self.import_binding(binding, now)?);
        }
        self.finish(now);
        Ok(notes)
    }

    fn known_vhost(&self, name: Option<&str>) -> Result<VhostId, Refusal> {
        let name = name.unwrap_or("/");
        self.vhost_names.get(name).copied().ok_or_else(|| {
            Refusal::new(
                ReplyCode::PreconditionFailed,
                format!("there is no virtual host '{name}'"),
            )
        })
    }

    fn import_access(&mut self, definitions: &Definitions, now: u64) -> Result<(), Refusal> {
        let version = definitions.rabbitmq_version.as_deref();
        let version = version.or(definitions.rabbit_version.as_deref());
        for user in definitions.users.iter().flatten() {
            let user = user.to_user(version).map_err(Refusal::invalid)?;
            self.keep_user(user);
        }
        for vhost in definitions.vhosts.iter().flatten() {
            self.put_vhost(vhost, now);
        }
        for of in definitions.permissions.iter().flatten() {
            self.known_vhost(Some(&of.vhost))?;
            self.set_permissions(&of.user, &of.vhost, &of.configure, &of.write, &of.read)?;
        }
        for of in definitions.topic_permissions.iter().flatten() {
            self.known_vhost(Some(&of.vhost))?;
            self.set_topic_permissions(&of.user, &of.vhost, &of.exchange, &of.write, &of.read)?;
        }
        for of in definitions.global_parameters.iter().flatten() {
            self.set_global_parameter(&of.name, of.value.clone());
        }
        Ok(())
    }

    fn import_parameter(
        &mut self,
        parameter: &ParameterDefinition,
        now: u64,
    ) -> Result<(), Refusal> {
        let vhost = parameter.vhost.as_deref();
        self.known_vhost(vhost)?;
        let vhost = vhost.unwrap_or("/");
        match parameter.meaning().map_err(Refusal::invalid)? {
            ParameterMeaning::VhostLimits(limits) => self.set_vhost_limits(vhost, limits),
            ParameterMeaning::OperatorPolicy(policy) => {
                self.put_policy(PolicyKind::Operator, *policy, now);
            }
            ParameterMeaning::Plain => {
                self.set_parameter(
                    vhost,
                    &parameter.component,
                    &parameter.name,
                    parameter.value.clone(),
                )?;
            }
        }
        Ok(())
    }

    fn import_queue(&mut self, queue: &QueueDefinition, now: u64) -> Result<(), Refusal> {
        let vhost = self.known_vhost(queue.vhost.as_deref())?;
        if self.vhost(vhost).topology.queue_id(&queue.name).is_some() {
            return Ok(());
        }
        let table = queue.to_arguments().map_err(Refusal::invalid)?;
        let host = std::sync::Arc::clone(&self.vhost(vhost).name);
        let declaration = QueueDeclaration {
            virtual_host: &host,
            name: &queue.name,
            durable: queue.durable,
            exclusive: false,
            auto_delete: queue.auto_delete,
        };
        let arguments = QueueArguments::parse(&declaration, &table);
        let arguments = arguments.map_err(|error| Refusal::from(super::Failure::from(error)))?;
        let name = queue.name.as_str().into();
        self.create_queue(
            vhost,
            name,
            queue.durable,
            queue.auto_delete,
            None,
            arguments,
            now,
        );
        Ok(())
    }

    /// Why it was left out, if it was. RabbitMQ exports no internal exchanges, but their bindings, and passes over those
    /// when it reads them.
    fn import_binding(
        &mut self,
        binding: &BindingDefinition,
        now: u64,
    ) -> Result<Option<String>, Refusal> {
        let vhost = self.known_vhost(binding.vhost.as_deref())?;
        let topology = &self.vhost(vhost).topology;
        // Every queue has one to the default exchange.
        if binding.source.is_empty() {
            return Ok(None);
        }
        let missing = |what: &str, name: &str| {
            Ok(Some(format!(
                "the binding of '{}' to {} '{}' in vhost '{}' was left out: there is no {what} '{name}'",
                binding.source,
                binding.destination_type,
                binding.destination,
                self.vhost(vhost).name,
            )))
        };
        let Some(source) = topology.exchange_id(&binding.source) else {
            return missing("exchange", &binding.source);
        };
        let destination = match binding.is_to_queue() {
            true => topology
                .queue_id(&binding.destination)
                .map(Destination::Queue),
            false => topology
                .exchange_id(&binding.destination)
                .map(Destination::Exchange),
        };
        let Some(destination) = destination else {
            return missing(&binding.destination_type, &binding.destination);
        };
        let arguments = binding.to_arguments().map_err(Refusal::invalid)?;
        self.add_binding(
            vhost,
            source,
            destination,
            &binding.routing_key,
            arguments,
            now,
        )?;
        Ok(None)
    }
}
