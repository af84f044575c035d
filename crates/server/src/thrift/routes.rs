//! What a method's name on the wire means.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use trefoil_director::{
    Catalog, Instances, MethodRef, ServiceId, ServiceRequest, ServiceState, SharedContract, Source,
    instances::GroupKey,
};
use trefoil_thrift::{
    ApplicationError, ApplicationErrorKind,
    schema::{Method, StructId},
};

/// A method that can be called.
#[derive(Debug)]
pub struct Target {
    /// The service version.
    pub service: ServiceId,
    /// Its contract.
    pub contract: SharedContract,
    /// The method in it.
    pub method: MethodRef,
    /// Who provides it.
    pub(super) provider: Provider,
    /// It may be tried again when it is not known whether it was done (`trefoil.idempotent`, `trefoil.safe`).
    pub(super) is_idempotent: bool,
}

/// Who answers calls of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    /// Its instances.
    Instances(GroupKey),
    /// This platform.
    Builtin(Builtin),
}

/// Methods that this platform answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    /// Gives its one argument back.
    Echo,
}

impl Target {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.contract.method(self.method)
    }

    pub(super) fn arguments(&self) -> StructId {
        self.method().arguments
    }
}

/// All methods of all services, by the names under which they can be called. Made anew when the catalog changes.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// `method`, `Service:method`, `key:method`, `key:version:method`: all that are unique.
    by_name: HashMap<Box<str>, Found>,
}

#[derive(Debug, Clone)]
enum Found {
    One(Arc<Target>),
    /// The services that have it.
    Many(Vec<ServiceId>),
}

impl Routes {
    /// Of all active services with contracts.
    pub(super) fn of(catalog: &Catalog, instances: &mut Instances) -> Self {
        let mut routes = Self::default();
        let entries: Vec<_> = catalog
            .iter()
            .filter(|entry| entry.state == ServiceState::Active && entry.service.contract.is_some())
            .collect();
        // The newest version of each key is what names without a version mean.
        let mut newest: BTreeMap<&str, &ServiceId> = BTreeMap::new();
        for entry in &entries {
            let id = &entry.service.id;
            let request = format!("{}", id.key).parse::<ServiceRequest>();
            if let Ok(request) = request
                && let Ok(service) = catalog.resolve(&request)
                && service.id == *id
            {
                newest.insert(id.key.as_str(), id);
            }
        }
        for entry in &entries {
            let id = &entry.service.id;
            let Some(contract) = &entry.service.contract else {
                continue;
            };
            let is_newest = newest.get(id.key.as_str()) == Some(&id);
            let group = instances.group(id);
            for (service_id, service) in contract.services() {
                for (index, method) in service.methods.iter().enumerate() {
                    let target = Arc::new(Target {
                        service: id.clone(),
                        contract: Arc::clone(contract),
                        method: MethodRef {
                            service: service_id,
                            index: index as u32,
                        },
                        provider: if entry.service.source == Source::Builtin {
                            Provider::Builtin(Builtin::Echo)
                        } else {
                            Provider::Instances(group)
                        },
                        is_idempotent: ["trefoil.idempotent", "trefoil.safe"].iter().any(|key| {
                            let values = method.annotations.get(*key);
                            values.is_some_and(|values| values.iter().any(|value| value != "false"))
                        }),
                    });
                    let full = format!("{id}:{}.{}", service.name, method.name);
                    routes.add(full, &target);
                    if contract.find(&method.name).is_ok() {
                        routes.add(format!("{id}:{}", method.name), &target);
                    }
                    if is_newest {
                        let key = &id.key;
                        if contract.find(&method.name).is_ok() {
                            routes.add(format!("{key}:{}", method.name), &target);
                        }
                        routes.add(format!("{key}:{}.{}", service.name, method.name), &target);
                        routes.add(format!("{}:{}", service.name, method.name), &target);
                        routes.add(method.name.clone(), &target);
                    }
                }
            }
        }
        routes
    }

    fn add(&mut self, name: String, target: &Arc<Target>) {
        use std::collections::hash_map::Entry;
        match self.by_name.entry(name.into()) {
            Entry::Vacant(entry) => {
                entry.insert(Found::One(Arc::clone(target)));
            }
            Entry::Occupied(mut entry) => {
                let mut all = match entry.get() {
                    Found::One(one) => vec![one.service.clone()],
                    Found::Many(many) => many.clone(),
                };
                if !all.contains(&target.service) {
                    all.push(target.service.clone());
                }
                entry.insert(Found::Many(all));
            }
        }
    }

    /// What a name on the wire means: a method's; or, as multiplexed clients send it, with a service and a colon before it,
    /// which is a Thrift service's name, or a key with or without a version.
    pub(super) fn find(
        &self,
        name: &str,
        catalog: &Catalog,
    ) -> Result<Arc<Target>, ApplicationError> {
        if let Some(Found::One(target)) = self.by_name.get(name) {
            return Ok(Arc::clone(target));
        }
        self.find_by_range(name, catalog)
    }

    /// Names with ranges of versions, and those that are not there.
    #[cold]
    fn find_by_range(
        &self,
        name: &str,
        catalog: &Catalog,
    ) -> Result<Arc<Target>, ApplicationError> {
        let unknown = |text: String| {
            Err(ApplicationError::new(
                ApplicationErrorKind::UnknownMethod,
                text,
            ))
        };
        if let Some(Found::Many(services)) = self.by_name.get(name) {
            let names: Vec<String> = services.iter().map(ToString::to_string).collect();
            return unknown(format!(
                "'{name}' could be of {}: say which, as TMultiplexedProtocol does, with the service's key before it",
                names.join(", ")
            ));
        }
        let Some((service, method)) = name.rsplit_once(':') else {
            return unknown(format!("Invalid method name: '{name}'"));
        };
        if let Ok(request) = service.parse::<ServiceRequest>() {
            match catalog.resolve(&request) {
                Ok(found) => {
                    let exact = format!("{}:{method}", found.id);
                    if let Some(Found::One(target)) = self.by_name.get(exact.as_str()) {
                        return Ok(Arc::clone(target));
                    }
                    return unknown(format!("Invalid method name: '{method}' of {}", found.id));
                }
                Err(error) if service.contains('/') => return unknown(error.to_string()),
                Err(_) => {}
            }
        }
        unknown(format!(
            "Unknown service: {service}. No contract has a service or a key of this name with a method '{method}'"
        ))
    }
}
