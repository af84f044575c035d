//! Values of records: see the table at the head of the module above.

use serde_json::{Map, Value};
use trefoil_amqp::{Table, TableRef};

use super::{
    BindingRecord, Entity, ExchangeRecord, QueueRecord, RecordError, Tag, VERSION, put_names,
};
use crate::{
    access::VhostLimits,
    definitions::{
        DefinitionsError, GlobalParameterDefinition, ParameterDefinition, PermissionDefinition,
        PolicyDefinition, TopicPermissionDefinition, UserDefinition, VhostDefinition,
        fields::Fields,
    },
    routing::{Declaration, ExchangeType},
};

const AUTO_DELETE: u8 = 1;
const INTERNAL: u8 = 2;
const TO_EXCHANGE: u8 = 1;

impl Tag {
    const ALL: [Self; 12] = [
        Self::Vhost,
        Self::User,
        Self::Permission,
        Self::TopicPermission,
        Self::Policy,
        Self::OperatorPolicy,
        Self::Parameter,
        Self::GlobalParameter,
        Self::VhostLimits,
        Self::Exchange,
        Self::Queue,
        Self::Binding,
    ];
}

impl Entity {
    /// Appends the value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        match self {
            Self::Vhost(vhost) => put_json(out, Tag::Vhost, vhost),
            Self::User(user) => put_json(out, Tag::User, user),
            Self::Permission(permission) => put_json(out, Tag::Permission, permission),
            Self::TopicPermission(permission) => put_json(out, Tag::TopicPermission, permission),
            Self::Policy(policy) => put_json(out, Tag::Policy, policy),
            Self::OperatorPolicy(policy) => put_json(out, Tag::OperatorPolicy, policy),
            Self::Parameter(parameter) => put_json(out, Tag::Parameter, parameter),
            Self::GlobalParameter(parameter) => put_json(out, Tag::GlobalParameter, parameter),
            Self::VhostLimits(vhost, limits) => {
                let limits = Value::Object(limits.to_json());
                let members = [
                    ("vhost".to_owned(), Value::from(vhost.as_str())),
                    ("limits".to_owned(), limits),
                ];
                put_json(out, Tag::VhostLimits, &Map::from_iter(members));
            }
            Self::Exchange(ExchangeRecord {
                virtual_host,
                name,
                declaration,
            }) => {
                let flags = flag(AUTO_DELETE, declaration.auto_delete)
                    | flag(INTERNAL, declaration.internal);
                out.extend([Tag::Exchange as u8, flags]);
                put_names(out, &[virtual_host, name, declaration.kind.name()]);
                declaration.arguments.encode(out);
            }
            Self::Queue(queue) => {
                out.push(Tag::Queue as u8);
                out.extend(queue.id.to_le_bytes());
                out.push(flag(AUTO_DELETE, queue.auto_delete));
                put_names(out, &[&queue.virtual_host, &queue.name]);
                queue.arguments.encode(out);
            }
            Self::Binding(binding) => {
                out.extend([Tag::Binding as u8, flag(TO_EXCHANGE, binding.to_exchange)]);
                put_names(
                    out,
                    &[
                        &binding.virtual_host,
                        &binding.source,
                        &binding.destination,
                        &binding.routing_key,
                    ],
                );
                binding.arguments.encode(out);
            }
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// It is of another version, or damaged.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader(value);
        match reader.octet()? {
            VERSION => {}
            other => return Err(RecordError::Version(other)),
        }
        let octet = reader.octet()?;
        let tag = Tag::ALL
            .into_iter()
            .find(|&tag| tag as u8 == octet)
            .ok_or(RecordError::Tag(octet))?;
        Ok(match tag {
            Tag::Vhost => Self::Vhost(reader.json(VhostDefinition::read)?),
            Tag::User => Self::User(reader.json(UserDefinition::read)?),
            Tag::Permission => Self::Permission(reader.json(PermissionDefinition::read)?),
            Tag::TopicPermission => {
                Self::TopicPermission(reader.json(TopicPermissionDefinition::read)?)
            }
            Tag::Policy => Self::Policy(reader.json(PolicyDefinition::read)?),
            Tag::OperatorPolicy => Self::OperatorPolicy(reader.json(PolicyDefinition::read)?),
            Tag::Parameter => Self::Parameter(reader.json(ParameterDefinition::read)?),
            Tag::GlobalParameter => {
                Self::GlobalParameter(reader.json(GlobalParameterDefinition::read)?)
            }
            Tag::VhostLimits => {
                let (vhost, limits) =
                    reader.json(|fields| Ok((fields.text("vhost")?, fields.object("limits")?)))?;
                let limits = VhostLimits::from_json(&Value::Object(limits))
                    .map_err(|error| RecordError::Malformed(error.to_string()))?;
                Self::VhostLimits(vhost, limits)
            }
            Tag::Exchange => {
                let flags = reader.octet()?;
                let (virtual_host, name, kind) = (reader.name()?, reader.name()?, reader.name()?);
                let kind = ExchangeType::parse(&kind).map_err(|_| {
                    RecordError::Malformed(format!("unknown exchange type '{kind}'"))
                })?;
                let declaration = Declaration {
                    kind,
                    durable: true,
                    auto_delete: flags & AUTO_DELETE != 0,
                    internal: flags & INTERNAL != 0,
                    arguments: reader.table()?,
                };
                Self::Exchange(ExchangeRecord {
                    virtual_host,
                    name,
                    declaration,
                })
            }
            Tag::Queue => Self::Queue(QueueRecord {
                id: u64::from_le_bytes(reader.array()?),
                auto_delete: reader.octet()? & AUTO_DELETE != 0,
                virtual_host: reader.name()?,
                name: reader.name()?,
                arguments: reader.table()?,
            }),
            Tag::Binding => Self::Binding(BindingRecord {
                to_exchange: reader.octet()? & TO_EXCHANGE != 0,
                virtual_host: reader.name()?,
                source: reader.name()?,
                destination: reader.name()?,
                routing_key: reader.name()?,
                arguments: reader.table()?,
            }),
        })
    }
}

fn flag(bit: u8, set: bool) -> u8 {
    if set { bit } else { 0 }
}

fn put_json(out: &mut Vec<u8>, tag: Tag, value: &impl serde::Serialize) {
    out.push(tag as u8);
    let json = serde_json::to_vec(value)
        .expect("definitions have only text keys, and a vector takes everything");
    out.extend(json);
}

/// What is left of a value.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| RecordError::Malformed("it ends too early".to_owned()))?;
        self.0 = rest;
        Ok(*first)
    }

    fn octet(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[octet]| octet)
    }

    fn name(&mut self) -> Result<String, RecordError> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (name, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| RecordError::Malformed("a name ends too early".to_owned()))?;
        self.0 = rest;
        let name = std::str::from_utf8(name)
            .map_err(|_| RecordError::Malformed("a name is no UTF-8".to_owned()))?;
        Ok(name.to_owned())
    }

    fn table(&mut self) -> Result<Table, RecordError> {
        TableRef::from_bytes(self.0)
            .to_table()
            .map_err(|error| RecordError::Malformed(error.to_string()))
    }

    fn json<T>(
        &self,
        read: impl FnOnce(&Fields<'_>) -> Result<T, DefinitionsError>,
    ) -> Result<T, RecordError> {
        let json: Value = serde_json::from_slice(self.0)
            .map_err(|error| RecordError::Malformed(error.to_string()))?;
        Ok(read(&Fields::new(&json, "")?)?)
    }
}
