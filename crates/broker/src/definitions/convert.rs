//! Definitions to and from what the broker works with.

use serde_json::{Map, Value, json};
use trefoil_amqp::Table;

use super::{
    BindingDefinition, DefinitionsError, ExchangeDefinition, ParameterDefinition,
    PermissionDefinition, PolicyDefinition, QueueDefinition, TopicPermissionDefinition,
    UserDefinition,
    arguments::{table_from_json, table_to_json},
    fields::Fields,
};
use crate::{
    access::{
        HashAlgorithm, PasswordHash, Permissions, PermissionsSource, TopicPermissions, User,
        UserLimits, VhostLimits,
    },
    arguments::{QueueArguments, QueueType},
    policy::{Policy, PolicyKind, PolicySource},
    routing::{Declaration, ExchangeType},
};

/// Parameters of this component are limits of virtual hosts.
const LIMITS_COMPONENT: &str = "vhost-limits";
/// The one name such a parameter has.
const LIMITS_NAME: &str = "limits";
/// Parameters of this component are operator policies.
const OPERATOR_POLICY_COMPONENT: &str = "operator_policy";

type Converted<T> = Result<T, DefinitionsError>;

fn problem(what: &str, name: &str, problem: &impl ToString) -> DefinitionsError {
    DefinitionsError::member(format!("{what} '{name}'"), problem.to_string())
}

impl From<&User> for UserDefinition {
    fn from(user: &User) -> Self {
        let hash = user.password_hash.as_ref();
        Self {
            name: user.name.clone(),
            password_hash: hash.map(PasswordHash::to_base64).unwrap_or_default(),
            hashing_algorithm: Some(
                hash.map(PasswordHash::algorithm)
                    .unwrap_or_default()
                    .name()
                    .to_owned(),
            ),
            tags: user.tags.clone(),
            limits: user.limits.to_json(),
        }
    }
}

impl UserDefinition {
    /// The user. `version` is that of the broker the definition is from: before 3.6 there was but MD5.
    ///
    /// # Errors
    /// An unknown algorithm, a hash that is not base64, unknown limits.
    pub fn to_user(&self, version: Option<&str>) -> Converted<User> {
        let fail = |text: String| problem("user", &self.name, &text);
        let algorithm = match &self.hashing_algorithm {
            Some(name) => HashAlgorithm::from_name(name)
                .ok_or_else(|| fail(format!("unknown hashing_algorithm '{name}'")))?,
            None if version.is_some_and(is_before_3_6) => HashAlgorithm::Md5,
            None => HashAlgorithm::default(),
        };
        let password_hash = match self.password_hash.as_str() {
            "" => None,
            text => Some(
                PasswordHash::from_base64(algorithm, text)
                    .map_err(|error| fail(error.to_string()))?,
            ),
        };
        let limits = UserLimits::from_json(&Value::Object(self.limits.clone()))
            .map_err(|error| fail(error.to_string()))?;
        Ok(User {
            name: self.name.clone(),
            password_hash,
            tags: self.tags.clone(),
            limits,
        })
    }
}

fn is_before_3_6(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < (3, 6),
        _ => false,
    }
}

impl PermissionDefinition {
    /// The definition of permissions.
    #[must_use]
    pub fn new(user: &str, virtual_host: &str, permissions: &Permissions) -> Self {
        let PermissionsSource {
            configure,
            write,
            read,
        } = permissions.source();
        Self {
            user: user.to_owned(),
            vhost: virtual_host.to_owned(),
            configure: configure.to_owned(),
            write: write.to_owned(),
            read: read.to_owned(),
        }
    }

    /// The permissions.
    ///
    /// # Errors
    /// A pattern is no regular expression.
    pub fn to_permissions(&self) -> Converted<Permissions> {
        let source = PermissionsSource {
            configure: &self.configure,
            write: &self.write,
            read: &self.read,
        };
        Permissions::new(source).map_err(|error| problem("permissions of user", &self.user, &error))
    }
}

impl TopicPermissionDefinition {
    /// The definition of topic permissions.
    #[must_use]
    pub fn new(
        user: &str,
        virtual_host: &str,
        exchange: &str,
        permissions: &TopicPermissions,
    ) -> Self {
        Self {
            user: user.to_owned(),
            vhost: virtual_host.to_owned(),
            exchange: exchange.to_owned(),
            write: permissions.write().to_owned(),
            read: permissions.read().to_owned(),
        }
    }

    /// The permissions.
    ///
    /// # Errors
    /// A pattern is no regular expression.
    pub fn to_permissions(&self) -> Converted<TopicPermissions> {
        TopicPermissions::new(&self.write, &self.read)
            .map_err(|error| problem("topic permissions of user", &self.user, &error))
    }
}

impl From<&Policy> for PolicyDefinition {
    fn from(policy: &Policy) -> Self {
        Self {
            vhost: Some(policy.virtual_host.clone()),
            name: policy.name.clone(),
            pattern: policy.pattern.source().to_owned(),
            apply_to: Some(policy.apply_to.name().to_owned()),
            definition: policy.definition().clone(),
            priority: policy.priority,
        }
    }
}

impl PolicyDefinition {
    /// The policy.
    ///
    /// # Errors
    /// There is no virtual host, or something is wrong with the policy.
    pub fn to_policy(&self, kind: PolicyKind) -> Converted<Policy> {
        let source = PolicySource {
            virtual_host: require_vhost("policy", &self.name, self.vhost.as_deref())?,
            name: &self.name,
            pattern: &self.pattern,
            apply_to: self.apply_to.as_deref(),
            priority: Some(self.priority),
            definition: &Value::Object(self.definition.clone()),
        };
        Policy::new(kind, source).map_err(|error| problem("policy", &self.name, &error))
    }
}

fn require_vhost<'a>(what: &str, name: &str, vhost: Option<&'a str>) -> Converted<&'a str> {
    vhost.ok_or_else(|| problem(what, name, &"has no vhost"))
}

/// What a parameter really is.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterMeaning {
    /// Limits of its virtual host.
    VhostLimits(VhostLimits),
    /// An operator policy.
    OperatorPolicy(Box<Policy>),
    /// A parameter.
    Plain,
}

impl ParameterDefinition {
    /// An operator policy as a parameter.
    #[must_use]
    pub fn operator_policy(policy: &Policy) -> Self {
        Self {
            vhost: Some(policy.virtual_host.clone()),
            component: OPERATOR_POLICY_COMPONENT.to_owned(),
            name: policy.name.clone(),
            value: json!({
                "pattern": policy.pattern.source(),
                "apply-to": policy.apply_to.name(),
                "definition": policy.definition(),
                "priority": policy.priority,
            }),
        }
    }

    /// Limits of a virtual host as a parameter.
    #[must_use]
    pub fn vhost_limits(virtual_host: &str, limits: VhostLimits) -> Self {
        Self {
            vhost: Some(virtual_host.to_owned()),
            component: LIMITS_COMPONENT.to_owned(),
            name: LIMITS_NAME.to_owned(),
            value: Value::Object(limits.to_json()),
        }
    }

    /// What it is.
    ///
    /// # Errors
    /// There is no virtual host, or the limits or the policy are wrong.
    pub fn meaning(&self) -> Converted<ParameterMeaning> {
        require_vhost("parameter", &self.name, self.vhost.as_deref())?;
        match self.component.as_str() {
            LIMITS_COMPONENT => VhostLimits::from_json(&self.value)
                .map(ParameterMeaning::VhostLimits)
                .map_err(|error| problem("parameter", LIMITS_COMPONENT, &error)),
            OPERATOR_POLICY_COMPONENT => {
                let path = format!("operator policy '{}'", self.name);
                let fields = Fields::new(&self.value, &path)?;
                let definition = PolicyDefinition {
                    vhost: self.vhost.clone(),
                    name: self.name.clone(),
                    pattern: fields.text("pattern")?,
                    apply_to: fields.optional_text("apply-to")?,
                    definition: fields.object("definition")?,
                    priority: fields.integer("priority")?.unwrap_or_default(),
                };
                definition
                    .to_policy(PolicyKind::Operator)
                    .map(|policy| ParameterMeaning::OperatorPolicy(Box::new(policy)))
            }
            _ => Ok(ParameterMeaning::Plain),
        }
    }
}

impl QueueDefinition {
    /// The definition of a queue.
    #[must_use]
    pub fn new(
        virtual_host: &str,
        name: &str,
        durable: bool,
        auto_delete: bool,
        arguments: &QueueArguments,
    ) -> Self {
        Self {
            vhost: Some(virtual_host.to_owned()),
            name: name.to_owned(),
            queue_type: Some(arguments.queue_type.name().to_owned()),
            durable,
            auto_delete,
            arguments: table_to_json(arguments.table()),
        }
    }

    /// The arguments, with the type among them.
    ///
    /// # Errors
    /// Something that no table can hold.
    pub fn to_arguments(&self) -> Converted<Table> {
        let mut table = arguments("queue", &self.name, &self.arguments)?;
        let queue_type = self
            .queue_type
            .as_ref()
            .and_then(|name| QueueType::from_name(name.as_bytes()));
        if let Some(queue_type) = queue_type
            && queue_type != QueueType::Classic
            && table.get("x-queue-type").is_none()
        {
            table.insert("x-queue-type", queue_type.name());
        }
        Ok(table)
    }
}

impl ExchangeDefinition {
    /// The definition of an exchange.
    #[must_use]
    pub fn new(virtual_host: &str, name: &str, declaration: &Declaration) -> Self {
        Self {
            vhost: Some(virtual_host.to_owned()),
            name: name.to_owned(),
            exchange_type: declaration.kind.name().to_owned(),
            durable: declaration.durable,
            auto_delete: declaration.auto_delete,
            internal: declaration.internal,
            arguments: table_to_json(&declaration.arguments),
        }
    }

    /// What is to be declared.
    ///
    /// # Errors
    /// An unknown type, or arguments that no table can hold.
    pub fn to_declaration(&self) -> Converted<Declaration> {
        let kind = ExchangeType::parse(&self.exchange_type).map_err(|_| {
            let text = format!("unknown exchange type '{}'", self.exchange_type);
            problem("exchange", &self.name, &text)
        })?;
        Ok(Declaration {
            kind,
            durable: self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            arguments: arguments("exchange", &self.name, &self.arguments)?,
        })
    }
}

impl BindingDefinition {
    /// Whether the destination is a queue.
    #[must_use]
    pub fn is_to_queue(&self) -> bool {
        self.destination_type == "queue"
    }

    /// The arguments.
    ///
    /// # Errors
    /// Something that no table can hold.
    pub fn to_arguments(&self) -> Converted<Table> {
        arguments("binding of", &self.destination, &self.arguments)
    }
}

fn arguments(what: &str, name: &str, members: &Map<String, Value>) -> Converted<Table> {
    table_from_json(members, &format!("{what} '{name}'.arguments"))
}
