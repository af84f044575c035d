//! What a method's name on the wire means.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    sync::Arc,
};

use trefoil_director::{
    Catalog, Entry, Instances, MethodRef, ResolveError, ServiceId, ServiceRequest, ServiceState,
    SharedContract, Source, instances::GroupKey, near_names,
};
use trefoil_thrift::{
    ApplicationError, ApplicationErrorKind,
    deprecation::Deprecation,
    schema::{Method, StructId},
};

use super::{
    builtin::{Builtin, meta_target},
    deprecated::Deprecated,
    jobs::JobMethod,
    metrics::MethodLabels,
};

/// Services that an error lists.
const NAMES_MAX: usize = 10;

/// A method that can be called.
#[derive(Debug, Clone)]
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
    /// It should no longer be used.
    pub(super) deprecated: Option<Arc<Deprecated>>,
}

/// Who answers calls of a service.
#[derive(Debug, Clone)]
pub(super) enum Provider {
    /// Its instances.
    Instances(GroupKey),
    /// This platform.
    Builtin(Builtin),
    /// Jobs.
    Jobs(JobMethod),
}

impl Target {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.contract.method(self.method)
    }

    /// What the contract says if the method should no longer be used.
    #[must_use]
    pub fn deprecation(&self) -> Option<&Deprecation> {
        self.deprecated.as_ref().map(|deprecated| &deprecated.said)
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
        let is_derived = |entry: &Entry| {
            let contract = entry.service.contract.as_ref();
            contract.map(|contract| contract.is_derived())
        };
        let can_be_called = |entry: &&Entry| match (is_derived(entry), entry.state) {
            (Some(_), ServiceState::Active) => true,
            // Jobs are taken, and wait.
            (Some(is_derived), ServiceState::Paused) => is_derived,
            (_, ServiceState::Retired) | (None, _) => false,
        };
        let mut entries: Vec<_> = catalog.iter().filter(can_be_called).collect();
        // Names that somebody wrote are taken first.
        entries.sort_by_key(|entry| is_derived(entry));
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
            let is_builtin = entry.service.source == Source::Builtin;
            for (service_id, service) in contract.services() {
                for (index, method) in service.methods.iter().enumerate() {
                    let place = MethodRef {
                        service: service_id,
                        index: index as u32,
                    };
                    let deprecated = entry.service.deprecation(place).map(|said| {
                        let labels = MethodLabels {
                            service: id.to_string(),
                            method: method.name.clone(),
                        };
                        Arc::new(Deprecated::new(said, labels))
                    });
                    let target = Arc::new(Target {
                        service: id.clone(),
                        contract: Arc::clone(contract),
                        method: place,
                        deprecated,
                        provider: match JobMethod::of(&method.name) {
                            Some(method) if contract.is_derived() => Provider::Jobs(method),
                            _ if is_builtin => Provider::Builtin(Builtin::Echo),
                            _ => Provider::Instances(instances.group(id)),
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
                        // `run` of what is always there would say nothing, but be in the way of the one that was meant.
                        if !(is_builtin && contract.is_derived()) {
                            routes.add(method.name.clone(), &target);
                        }
                    }
                }
            }
        }
        routes
    }

    /// The same with targets of its own.
    pub(super) fn for_another_thread(&self) -> Self {
        let mut copies: HashMap<*const Target, Arc<Target>> = HashMap::new();
        let mut copy = |found: &Found| match found {
            Found::One(target) => {
                let own = copies
                    .entry(Arc::as_ptr(target))
                    .or_insert_with(|| Arc::new(Target::clone(target)));
                Found::One(Arc::clone(own))
            }
            Found::Many(services) => Found::Many(services.clone()),
        };
        let by_name = self.by_name.iter();
        Self {
            by_name: by_name
                .map(|(name, found)| (name.clone(), copy(found)))
                .collect(),
        }
    }

    fn add(&mut self, name: String, target: &Arc<Target>) {
        match self.by_name.entry(name.into()) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert(Found::One(Arc::clone(target)));
            }
            hash_map::Entry::Occupied(mut entry) => match entry.get_mut() {
                // Nobody wrote the names of a derived contract, so they give way to those that somebody did.
                Found::One(one) if target.contract.is_derived() && !one.contract.is_derived() => {}
                // Inherited, and found by the parent as well: the same method.
                Found::One(one)
                    if one.service == target.service
                        && one.method().declared_in == target.method().declared_in
                        && one.method().name == target.method().name => {}
                Found::One(one) => {
                    let mut all = vec![one.service.clone()];
                    if one.service != target.service {
                        all.push(target.service.clone());
                    }
                    entry.insert(Found::Many(all));
                }
                // Services come one after the other.
                Found::Many(many) if many.last() == Some(&target.service) => {}
                Found::Many(many) => many.push(target.service.clone()),
            },
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
            let mut names: Vec<String> = services
                .iter()
                .take(NAMES_MAX)
                .map(ToString::to_string)
                .collect();
            if let Some(more) = services
                .len()
                .checked_sub(NAMES_MAX)
                .filter(|more| *more > 0)
            {
                names.push(format!("{more} more"));
            }
            return unknown(format!(
                "'{name}' could be of {}: say which, as TMultiplexedProtocol does, with the service's key before it",
                names.join(", ")
            ));
        }
        let Some((service, method)) = name.rsplit_once(':') else {
            if let Some(target) = meta_target(name, None) {
                return Ok(Arc::new(target));
            }
            return unknown(format!("Invalid method name: '{name}'"));
        };
        // `Meta::health` is how TChannel writes it.
        if matches!(service, "Meta" | "Meta:")
            && let Some(target) = meta_target(method, None)
        {
            return Ok(Arc::new(target));
        }
        if let Ok(request) = service.parse::<ServiceRequest>() {
            match catalog.resolve(&request) {
                Ok(found) => {
                    let exact = format!("{}:{method}", found.id);
                    if let Some(Found::One(target)) = self.by_name.get(exact.as_str()) {
                        return Ok(Arc::clone(target));
                    }
                    if let Some(contract) = &found.contract
                        && let Some(target) = meta_target(method, Some((&found.id, contract)))
                    {
                        return Ok(Arc::new(target));
                    }
                    let names = found.contract.iter().flat_map(|it| it.method_names());
                    let near = did_you_mean(&near_names(method, names));
                    let id = &found.id;
                    return unknown(format!("Invalid method name: '{method}' of {id}{near}"));
                }
                Err(error) if service.contains('/') => {
                    let near = match &error {
                        ResolveError::UnknownKey { near, .. } => did_you_mean(near),
                        ResolveError::NoMatchingVersion { .. } | ResolveError::Retired { .. } => {
                            String::new()
                        }
                    };
                    return unknown(format!("{error}{near}"));
                }
                Err(_) => {}
            }
        }
        unknown(format!(
            "Unknown service: {service}. No contract has a service or a key of this name with a method '{method}'"
        ))
    }
}

/// What could have been meant, behind what was not found.
fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests;
