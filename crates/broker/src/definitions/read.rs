//! Definitions from JSON.

use serde_json::Value;

use super::{
    BindingDefinition, Definitions, DefinitionsError, ExchangeDefinition,
    GlobalParameterDefinition, ParameterDefinition, PermissionDefinition, PolicyDefinition,
    QueueDefinition, TopicPermissionDefinition, UserDefinition, VhostDefinition, fields::Fields,
};

type Read<T> = Result<T, DefinitionsError>;

impl Definitions {
    /// Reads definitions that were parsed already.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn from_json(json: &Value) -> Read<Self> {
        let fields = Fields::new(json, "")?;
        Ok(Self {
            rabbit_version: fields.optional_text("rabbit_version")?,
            rabbitmq_version: fields.optional_text("rabbitmq_version")?,
            product_name: fields.optional_text("product_name")?,
            product_version: fields.optional_text("product_version")?,
            rabbitmq_definition_format: fields.optional_text("rabbitmq_definition_format")?,
            original_cluster_name: fields.optional_text("original_cluster_name")?,
            original_vhost_name: fields.optional_text("original_vhost_name")?,
            explanation: fields.optional_text("explanation")?,
            description: fields.optional_text("description")?,
            default_queue_type: default_queue_type(&fields)?,
            metadata: match fields.value("metadata") {
                None => None,
                Some(_) => Some(fields.object("metadata")?),
            },
            users: section(&fields, "users", UserDefinition::read)?,
            vhosts: section(&fields, "vhosts", VhostDefinition::read)?,
            permissions: section(&fields, "permissions", PermissionDefinition::read)?,
            topic_permissions: section(
                &fields,
                "topic_permissions",
                TopicPermissionDefinition::read,
            )?,
            parameters: section(&fields, "parameters", ParameterDefinition::read)?
                .unwrap_or_default(),
            global_parameters: section(
                &fields,
                "global_parameters",
                GlobalParameterDefinition::read,
            )?,
            policies: section(&fields, "policies", PolicyDefinition::read)?.unwrap_or_default(),
            queues: section(&fields, "queues", QueueDefinition::read)?.unwrap_or_default(),
            exchanges: section(&fields, "exchanges", ExchangeDefinition::read)?.unwrap_or_default(),
            bindings: section(&fields, "bindings", BindingDefinition::read)?.unwrap_or_default(),
        })
    }
}

fn section<T>(
    fields: &Fields<'_>,
    name: &str,
    read: impl Fn(&Fields<'_>) -> Read<T>,
) -> Read<Option<Vec<T>>> {
    let Some(items) = fields.array(name)? else {
        return Ok(None);
    };
    let item = |(n, item)| read(&Fields::new(item, &format!("{name}[{n}]"))?);
    items
        .iter()
        .enumerate()
        .map(item)
        .collect::<Read<_>>()
        .map(Some)
}

/// Exports may say `undefined`, in words.
fn default_queue_type(fields: &Fields<'_>) -> Read<Option<String>> {
    Ok(fields
        .optional_text("default_queue_type")?
        .filter(|name| name != "undefined"))
}

impl UserDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            name: fields.text("name")?,
            password_hash: fields.optional_text("password_hash")?.unwrap_or_default(),
            hashing_algorithm: fields.optional_text("hashing_algorithm")?,
            tags: fields.tags("tags")?,
            limits: fields.object("limits")?,
        })
    }
}

impl VhostDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        // What newer exports say twice, old ones say in one place or the other.
        let path = fields.path("metadata");
        let metadata = Value::Object(fields.object("metadata")?);
        let inner = Fields::new(&metadata, &path)?;
        let tags = if fields.value("tags").is_some() {
            fields.tags("tags")?
        } else {
            inner.tags("tags")?
        };
        let description = match fields.optional_text("description")? {
            Some(text) => text,
            None => inner.optional_text("description")?.unwrap_or_default(),
        };
        let default_queue_type = match default_queue_type(fields)? {
            Some(name) => Some(name),
            None => default_queue_type(&inner)?,
        };
        Ok(Self {
            name: fields.text("name")?,
            description,
            tags,
            default_queue_type,
            tracing: fields.truth("tracing")?,
            metadata: fields.object("metadata")?,
        })
    }
}

impl PermissionDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            user: fields.text("user")?,
            vhost: fields.text("vhost")?,
            configure: fields.text("configure")?,
            write: fields.text("write")?,
            read: fields.text("read")?,
        })
    }
}

impl TopicPermissionDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            user: fields.text("user")?,
            vhost: fields.text("vhost")?,
            exchange: fields.text("exchange")?,
            write: fields.text("write")?,
            read: fields.text("read")?,
        })
    }
}

impl ParameterDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            vhost: fields.optional_text("vhost")?,
            component: fields.text("component")?,
            name: fields.text("name")?,
            value: fields.any("value")?,
        })
    }
}

impl GlobalParameterDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        let value = fields.any("value")?;
        Ok(Self {
            name: fields.text("name")?,
            value,
        })
    }
}

impl PolicyDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            vhost: fields.optional_text("vhost")?,
            name: fields.text("name")?,
            pattern: fields.text("pattern")?,
            apply_to: fields.optional_text("apply-to")?,
            definition: fields.object("definition")?,
            priority: fields.integer("priority")?.unwrap_or_default(),
        })
    }
}

impl QueueDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            vhost: fields.optional_text("vhost")?,
            name: fields.text("name")?,
            queue_type: fields.optional_text("type")?,
            durable: fields.truth("durable")?,
            auto_delete: fields.truth("auto_delete")?,
            arguments: fields.object("arguments")?,
        })
    }
}

impl ExchangeDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self {
            vhost: fields.optional_text("vhost")?,
            name: fields.text("name")?,
            exchange_type: fields.text("type")?,
            durable: fields.truth("durable")?,
            auto_delete: fields.truth("auto_delete")?,
            internal: fields.truth("internal")?,
            arguments: fields.object("arguments")?,
        })
    }
}

impl BindingDefinition {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        let destination_type = fields.text("destination_type")?;
        if !matches!(destination_type.as_str(), "queue" | "exchange") {
            let problem = format!("expected queue or exchange, found '{destination_type}'");
            return Err(DefinitionsError::member(
                fields.path("destination_type"),
                problem,
            ));
        }
        Ok(Self {
            source: fields.text("source")?,
            vhost: fields.optional_text("vhost")?,
            destination: fields.text("destination")?,
            destination_type,
            routing_key: fields.text("routing_key")?,
            arguments: fields.object("arguments")?,
        })
    }
}
