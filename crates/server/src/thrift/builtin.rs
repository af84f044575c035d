//! Methods that the platform answers itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use trefoil_director::{
    CONTRACT_FILE, InstanceState, Instances, MethodRef, ServiceContract, ServiceId, SharedContract,
};
use trefoil_thrift::{
    Limits, Value, Writer,
    framing::Protocol,
    protocol::{BinaryWriter, CompactWriter, JsonWriter},
    schema::{Schema, Type},
    write_value,
};

use super::{
    forms,
    routes::{Provider, Target},
};

/// Which method.
#[derive(Debug, Clone)]
pub(super) enum Builtin {
    /// Gives its one argument back.
    Echo,
    /// `Meta::health` of a service; of the platform if none is said.
    Health(Option<ServiceId>),
    /// `Meta::thriftIDL` of a contract.
    Idl(SharedContract),
}

/// The contract of the methods that every service has.
fn meta() -> &'static SharedContract {
    static META: OnceLock<SharedContract> = OnceLock::new();
    META.get_or_init(|| {
        let text = include_bytes!("../builtin/meta.thrift");
        let files = BTreeMap::from([(CONTRACT_FILE.to_owned(), text.to_vec())]);
        let (contract, _) = ServiceContract::load(CONTRACT_FILE, &files)
            .expect("the contract is part of the program and tested");
        Arc::new(contract)
    })
}

/// A method of `Meta`, of a service or of the platform. The platform has no contract of its own but that of `Meta`.
pub(super) fn meta_target(
    method: &str,
    about: Option<(&ServiceId, &SharedContract)>,
) -> Option<Target> {
    let contract = meta();
    let found: MethodRef = contract.find(method).ok()?;
    let service = match about {
        Some((service, _)) => service.clone(),
        None => "trefoil/meta:1.0.0".parse().ok()?,
    };
    let builtin = match (method, about) {
        // Of jobs, that they are taken.
        ("health", Some((_, about))) if about.is_derived() => Builtin::Health(None),
        ("health", about) => Builtin::Health(about.map(|(service, _)| service.clone())),
        (_, Some((_, about))) => Builtin::Idl(Arc::clone(about)),
        (_, None) => Builtin::Idl(Arc::clone(contract)),
    };
    Some(Target {
        service,
        contract: Arc::clone(contract),
        method: found,
        provider: Provider::Builtin(builtin),
        is_idempotent: true,
        deprecated: None,
    })
}

/// Writes the struct of the result of a builtin method behind what `out` has.
pub(super) fn answer(
    target: &Target,
    builtin: &Builtin,
    instances: impl FnOnce(&ServiceId) -> Health,
    (protocol, body): (Protocol, &[u8]),
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let schema = target.contract.schema();
    forms::check(schema, target.arguments(), protocol, body, limits)
        .map_err(|error| error.to_string())?;
    let success = match builtin {
        Builtin::Echo => {
            forms::first_field_as_success(protocol, body, out);
            return Ok(());
        }
        Builtin::Health(service) => {
            let health = service.as_ref().map_or(Health::Good, instances);
            let mut fields = vec![(1, Value::Bool(matches!(health, Health::Good)))];
            if let Health::Bad(message) = health {
                fields.push((2, Value::String(message)));
            }
            Value::Struct(fields)
        }
        Builtin::Idl(contract) => {
            let contract = contract.contract();
            let files = contract.sources.files().map(|(_, file)| {
                let text = Value::String(file.text.to_string());
                (Value::String(file.label.clone()), text)
            });
            let entry = Value::String(contract.label.clone());
            Value::Struct(vec![(1, Value::Map(files.collect())), (2, entry)])
        }
    };
    let Some(result) = target.method().result else {
        return Ok(());
    };
    let result = Type::Struct(result);
    let value = Value::Struct(vec![(0, success)]);
    write(schema, result, &value, protocol, out).map_err(|error| error.to_string())
}

fn write(
    schema: &Schema,
    ty: Type,
    value: &Value,
    protocol: Protocol,
    out: &mut Vec<u8>,
) -> trefoil_thrift::Result<()> {
    fn to<W: Writer>(
        schema: &Schema,
        ty: Type,
        value: &Value,
        mut writer: W,
    ) -> trefoil_thrift::Result<()> {
        write_value(schema, ty, value, &mut writer)
    }
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => to(schema, ty, value, BinaryWriter::new(out)),
        Protocol::Compact => to(schema, ty, value, CompactWriter::new(out)),
        Protocol::Json => to(schema, ty, value, JsonWriter::new(out)),
    }
}

/// Whether a service can be called.
pub(super) enum Health {
    Good,
    /// Why not.
    Bad(String),
}

/// The health of a service by its instances. One that the platform answers itself has none, and is well.
pub(super) fn health(instances: &Instances, service: &ServiceId) -> Health {
    let views = instances.views(service);
    let is_well = |state| matches!(state, InstanceState::Healthy | InstanceState::Degraded);
    if views.iter().any(|view| is_well(view.state)) {
        Health::Good
    } else if views.is_empty() {
        Health::Bad(format!("{service} has no instances"))
    } else {
        Health::Bad(format!(
            "none of the {} instances of {service} is ready",
            views.len()
        ))
    }
}
