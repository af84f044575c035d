//! Virtual hosts, users and the rest of what is kept: from records, and made for the first time.

use std::{collections::BTreeMap, sync::Arc};

use trefoil_store::Position;

use super::{Broker, recovery::OpenError};
use crate::{
    access::{PasswordHash, Permissions, User, tags},
    arguments::{QueueArguments, QueueDeclaration, QueueType},
    definitions::{
        VhostDefinition,
        record::{BindingRecord, Entity, ExchangeRecord, QueueRecord},
    },
    policy::PolicyKind,
    routing::Destination,
    vhost::{Vhost, VhostId},
};

/// How many records [`Broker::put_first_entities`] makes.
pub(super) const FIRST_ENTITIES: u64 = 3;

/// What a record says is impossible: a text. Or it was possible only in part: a text about what was done.
type Restored = Result<Option<String>, String>;

impl Broker {
    /// Puts every entity where it was. Their keys come in an order in which nothing needs what comes after it. Tells what
    /// had to be mended: deleting takes several records, and damage may take one.
    pub(super) fn restore_entities(
        &mut self,
        entities: BTreeMap<Vec<u8>, (Position, Vec<u8>)>,
        now: u64,
    ) -> Result<Vec<String>, OpenError> {
        let mut mended = Vec::new();
        for (key, (at, value)) in entities {
            let name = || String::from_utf8_lossy(&key).into_owned();
            let failed = |problem: String| OpenError::Entity {
                entity: name(),
                problem,
            };
            let entity = Entity::decode(&value).map_err(|error| failed(error.to_string()))?;
            self.logs.durable.retain(at, 1);
            self.catalog.positions.insert(key.clone(), at);
            mended.extend(self.restore(&key, entity, now).map_err(failed)?);
        }
        // Policies are known before queues and exchanges are, but for the predeclared ones.
        for vhost in self.vhosts.keys() {
            self.apply_policies(VhostId(vhost), now);
        }
        Ok(mended)
    }

    fn restore(&mut self, key: &[u8], entity: Entity, now: u64) -> Restored {
        match entity {
            Entity::Vhost(definition) => {
                self.insert_vhost(&definition);
            }
            Entity::User(definition) => {
                self.access
                    .put_user(definition.to_user(None).map_err(text)?);
            }
            Entity::Permission(of) => {
                let permissions = of.to_permissions().map_err(text)?;
                // A user who is gone took the permissions along; the record was on its way out.
                let _ = self
                    .access
                    .set_permissions(&of.user, &of.vhost, permissions);
            }
            Entity::TopicPermission(of) => {
                let permissions = of.to_permissions().map_err(text)?;
                let _ = self.access.set_topic_permissions(
                    &of.user,
                    &of.vhost,
                    &of.exchange,
                    permissions,
                );
            }
            Entity::Policy(of) => {
                let policy = of.to_policy(PolicyKind::User).map_err(text)?;
                self.policies.set(PolicyKind::User, policy);
            }
            Entity::OperatorPolicy(of) => {
                let policy = of.to_policy(PolicyKind::Operator).map_err(text)?;
                self.policies.set(PolicyKind::Operator, policy);
            }
            Entity::Parameter(of) => {
                let vhost = of.vhost.unwrap_or_default();
                self.parameters
                    .set(&vhost, &of.component, &of.name, of.value)
                    .map_err(text)?;
            }
            Entity::GlobalParameter(of) => {
                self.parameters.set_global(&of.name, of.value);
            }
            Entity::VhostLimits(vhost, limits) => self.access.set_vhost_limits(&vhost, limits),
            Entity::Exchange(record) => return self.restore_exchange(record),
            Entity::Queue(record) => return self.restore_queue(record, now),
            Entity::Binding(record) => return self.restore_binding(key, record),
        }
        Ok(None)
    }

    /// The virtual host of this name. Its record may be damaged: then it is made anew, so that what is in it is not lost too.
    fn place(&mut self, virtual_host: &str) -> (VhostId, Option<String>) {
        if let Some(vhost) = self.vhost_names.get(virtual_host) {
            return (*vhost, None);
        }
        let definition = VhostDefinition {
            name: virtual_host.to_owned(),
            ..VhostDefinition::default()
        };
        self.put(&Entity::Vhost(definition.clone()));
        let text = format!("virtual host '{virtual_host}' was not there and was made anew");
        (self.insert_vhost(&definition), Some(text))
    }

    fn restore_exchange(&mut self, record: ExchangeRecord) -> Restored {
        let (vhost, mended) = self.place(&record.virtual_host);
        if let Some(host) = self.vhosts.get_mut(vhost.0)
            && host.topology.exchange_id(&record.name).is_none()
        {
            host.topology.add_exchange(&record.name, record.declaration);
        }
        Ok(mended)
    }

    fn restore_queue(&mut self, record: QueueRecord, now: u64) -> Restored {
        let (vhost, mended) = self.place(&record.virtual_host);
        let declaration = QueueDeclaration {
            virtual_host: &record.virtual_host,
            name: &record.name,
            durable: true,
            exclusive: false,
            auto_delete: record.auto_delete,
        };
        let arguments = QueueArguments::parse(&declaration, &record.arguments).map_err(text)?;
        self.uid = self.uid.max(record.id);
        let name: Arc<str> = record.name.as_str().into();
        let id = self.insert_queue(
            vhost,
            name,
            record.id,
            true,
            record.auto_delete,
            None,
            arguments,
            now,
        );
        self.catalog.queues.insert(record.id, id);
        self.schedule_lease(id);
        Ok(mended)
    }

    fn restore_binding(&mut self, key: &[u8], record: BindingRecord) -> Restored {
        let (vhost, mended) = self.place(&record.virtual_host);
        let Some(host) = self.vhosts.get_mut(vhost.0) else {
            return Ok(mended);
        };
        let topology = &mut host.topology;
        let destination = if record.to_exchange {
            topology
                .exchange_id(&record.destination)
                .map(Destination::Exchange)
        } else {
            topology
                .queue_id(&record.destination)
                .map(Destination::Queue)
        };
        let (Some(source), Some(destination)) = (topology.exchange_id(&record.source), destination)
        else {
            // One end was deleted, and the log ends before it says so of the binding.
            self.forget(key);
            return Ok(Some(format!(
                "a binding from exchange '{}' to '{}' was dropped: one of them is not there",
                record.source, record.destination
            )));
        };
        topology
            .bind(source, destination, &record.routing_key, record.arguments)
            .map_err(text)?;
        Ok(mended)
    }

    fn insert_vhost(&mut self, definition: &VhostDefinition) -> VhostId {
        let mut vhost = Vhost::new(&definition.name);
        vhost.description.clone_from(&definition.description);
        vhost.tags.clone_from(&definition.tags);
        vhost.is_traced = definition.tracing;
        vhost.is_protected = is_protected(definition);
        vhost.default_queue_type = definition
            .default_queue_type
            .as_deref()
            .and_then(|name| QueueType::from_name(name.as_bytes()))
            .unwrap_or_default();
        let name = Arc::clone(&vhost.name);
        let id = VhostId(self.vhosts.insert(vhost));
        self.vhost_names.insert(name, id);
        self.note_traced();
        id
    }

    /// Makes a virtual host, or changes what is said about one. Whether it is new.
    pub(crate) fn put_vhost(&mut self, definition: &VhostDefinition, now: u64) -> bool {
        self.put(&Entity::Vhost(definition.clone()));
        let Some(id) = self.vhost_names.get(definition.name.as_str()).copied() else {
            let id = self.insert_vhost(definition);
            self.apply_policies(id, now);
            return true;
        };
        if let Some(vhost) = self.vhosts.get_mut(id.0) {
            vhost.description.clone_from(&definition.description);
            vhost.tags.clone_from(&definition.tags);
            vhost.is_traced = definition.tracing;
            vhost.is_protected = is_protected(definition);
            vhost.default_queue_type = definition
                .default_queue_type
                .as_deref()
                .and_then(|name| QueueType::from_name(name.as_bytes()))
                .unwrap_or_default();
        }
        self.note_traced();
        false
    }

    /// What an empty log begins with.
    pub(super) fn put_first_entities(&mut self, now: u64) {
        let vhost = VhostDefinition {
            name: "/".to_owned(),
            description: "Default virtual host".to_owned(),
            ..VhostDefinition::default()
        };
        self.put_vhost(&vhost, now);
        let random = self.random.bytes();
        let salt = [random[0], random[1], random[2], random[3]];
        let guest = User::new(
            "guest",
            Some(PasswordHash::new(b"guest", salt)),
            &[tags::ADMINISTRATOR],
        );
        self.put(&Entity::user(&guest));
        self.access.put_user(guest);
        let permissions = Permissions::full();
        self.put(&Entity::permission("guest", "/", &permissions));
        let _ = self.access.set_permissions("guest", "/", permissions);
    }
}

/// RabbitMQ keeps it among the metadata.
fn is_protected(definition: &VhostDefinition) -> bool {
    let value = definition.metadata.get("protected_from_deletion");
    value.and_then(serde_json::Value::as_bool).unwrap_or(false)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
