//! The contract of a service: what can be called, and by which names.

use std::{collections::BTreeMap, fmt::Display, str::FromStr, sync::Arc};

use trefoil_thrift::{
    idl::{Severity, ast},
    model::{Contract, load},
    schema,
};

use crate::{key::ServiceId, metadata::Metadata, problem::Problem};

/// The file that is a service's contract, beside `metadata.yml` or instead of it.
pub const CONTRACT_FILE: &str = "contract.thrift";

/// A checked contract.
#[derive(Debug, Clone)]
pub struct ServiceContract {
    contract: Contract,
    /// Methods of its own services by name; of two services with the same, none.
    methods: BTreeMap<String, Option<MethodRef>>,
    is_derived: bool,
}

/// A method of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodRef {
    /// The service that has it, by itself or by inheritance.
    pub service: schema::ServiceId,
    /// Its place among the methods of the service.
    pub index: u32,
}

/// Why a contract has no such method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// There is no service with the name.
    #[error("the contract has no service `{0}`")]
    UnknownService(String),
    /// There is no method with the name.
    #[error("the contract has no method `{0}`")]
    UnknownMethod(String),
    /// More than one of its services has it.
    #[error(
        "more than one service of the contract has a method `{0}`: put the service before it, as `Service.{0}`"
    )]
    Ambiguous(String),
}

impl ServiceContract {
    /// Reads the contract whose own file is `root`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(
        root: &str,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        // Includes are looked for beside the file that includes them, then in the contract's own directory.
        let loaded = load(root, files, &[String::new()]);
        let problems: Vec<Problem> = loaded
            .diagnostics
            .iter()
            .map(|found| {
                let place = found.primary.span;
                let source = found.primary.source;
                let label = &loaded.sources.file(source).label;
                let (line, column) = loaded.sources.line_column(source, place.start);
                let at = (line as u32, column as u32);
                let problem = match found.severity {
                    Severity::Error => Problem::error(label, at, "", found.message.clone()),
                    Severity::Warning => Problem::warning(label, at, "", found.message.clone()),
                };
                match &found.help {
                    Some(help) => problem.with_hint(help.clone()),
                    None => problem,
                }
            })
            .collect();
        match loaded.contract {
            Some(contract) => Ok((Self::new(contract), problems)),
            None => Err(problems),
        }
    }

    /// Of a contract that was made otherwise.
    #[must_use]
    pub fn new(contract: Contract) -> Self {
        let mut methods: BTreeMap<String, Option<MethodRef>> = BTreeMap::new();
        let method = |at: MethodRef| {
            let service = contract.schema.service(at.service);
            &service.methods[at.index as usize]
        };
        for (service, found) in contract.schema.services() {
            if !found.is_own {
                continue;
            }
            for (index, named) in found.methods.iter().enumerate() {
                let this = MethodRef {
                    service,
                    index: index as u32,
                };
                methods
                    .entry(named.name.clone())
                    .and_modify(|known| {
                        // A method that is inherited is the same by either service.
                        *known = known.filter(|at| method(*at).declared_in == named.declared_in);
                    })
                    .or_insert(Some(this));
            }
        }
        Self {
            contract,
            methods,
            is_derived: false,
        }
    }

    pub(crate) fn into_derived(self) -> Self {
        Self {
            is_derived: true,
            ..self
        }
    }

    /// For being kept: without what only [`Self::metadata`] looks at.
    pub(crate) fn into_shared(mut self) -> SharedContract {
        self.contract.forget_definitions();
        Arc::new(self)
    }

    /// Nobody wrote it: it was made of the ports in `metadata.yml`, and calls of its methods are jobs.
    #[must_use]
    pub const fn is_derived(&self) -> bool {
        self.is_derived
    }

    /// The text of its own file.
    #[must_use]
    pub fn text(&self) -> &str {
        let source = self.contract.root().source;
        &self.contract.sources.file(source).text
    }

    /// The contract.
    #[must_use]
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    /// What it means.
    #[must_use]
    pub const fn schema(&self) -> &schema::Schema {
        &self.contract.schema
    }

    /// The services that are written in its own file.
    pub fn services(&self) -> impl Iterator<Item = (schema::ServiceId, &schema::Service)> {
        let services = self.contract.schema.services();
        services.filter(|(_, service)| service.is_own)
    }

    /// The names of the methods that can be called without saying of which service.
    pub fn method_names(&self) -> impl Iterator<Item = &str> {
        let unique = self.methods.iter().filter(|(_, method)| method.is_some());
        unique.map(|(name, _)| name.as_str())
    }

    /// A method: `add`, or `Calculator.add`.
    ///
    /// # Errors
    ///
    /// If there is none, or more than one.
    pub fn find(&self, name: &str) -> Result<MethodRef, MethodError> {
        match name.rsplit_once('.') {
            Some((service, method)) => self.find_in(service, method),
            None => match self.methods.get(name) {
                Some(Some(method)) => Ok(*method),
                Some(None) => Err(MethodError::Ambiguous(name.to_owned())),
                None => Err(MethodError::UnknownMethod(name.to_owned())),
            },
        }
    }

    /// A method of one of its services.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn find_in(&self, service: &str, method: &str) -> Result<MethodRef, MethodError> {
        let (id, found) = self
            .services()
            .find(|(_, found)| found.name == service)
            .ok_or_else(|| MethodError::UnknownService(service.to_owned()))?;
        let index = found
            .index_of_method(method.as_bytes())
            .ok_or_else(|| MethodError::UnknownMethod(method.to_owned()))?;
        Ok(MethodRef {
            service: id,
            index: index as u32,
        })
    }

    /// A method that was found.
    #[must_use]
    pub fn method(&self, method: MethodRef) -> &schema::Method {
        &self.schema().service(method.service).methods[method.index as usize]
    }
}

/// Annotations of a service that say what a contract without `metadata.yml` is of.
const KEY: &str = "trefoil.key";
const VERSION: &str = "trefoil.version";

impl ServiceContract {
    /// What `metadata.yml` would say, from annotations of its services: `trefoil.key` and `trefoil.version`. With an `id`
    /// that is known already they may be absent, but say nothing else.
    pub(crate) fn metadata(&self, id: Option<&ServiceId>) -> Result<Metadata, Vec<Problem>> {
        let hint = "write it behind the service: service Calculator { … } (trefoil.key = \"math/calculator\", \
                    trefoil.version = \"1.0.0\"), or put a metadata.yml beside it";
        let mut problems = Vec::new();
        let missing = "the contract does not say of which service it is";
        let key = self.stated(KEY, id.map(|id| &id.key), (missing, hint), &mut problems);
        let hint = "a version is three numbers: 1.0.0";
        let missing = "the contract does not say of which version it is";
        let version = id.map(|id| &id.version);
        let version = self.stated(VERSION, version, (missing, hint), &mut problems);
        match (key, version) {
            (Some(key), Some(version)) if problems.is_empty() => {
                let name = self
                    .services()
                    .next()
                    .map(|(_, service)| service.name.clone());
                let name = name.unwrap_or_else(|| key.to_string());
                let doc = self.services().find_map(|(_, service)| service.doc.clone());
                let description = doc
                    .or_else(|| self.contract.doc().map(str::to_owned))
                    .unwrap_or_else(|| name.clone());
                Ok(Metadata::of_contract(key, version, name, description))
            }
            _ => Err(problems),
        }
    }

    /// What all services that say it say; else what is known. `words` are the reason if nobody says it, and the hint.
    fn stated<T>(
        &self,
        key: &str,
        known: Option<&T>,
        words: (&str, &str),
        problems: &mut Vec<Problem>,
    ) -> Option<T>
    where
        T: FromStr<Err: Display> + Display + Clone + PartialEq,
    {
        let (missing, hint) = words;
        let root = self.contract.root();
        let definitions = root.document.definitions.iter();
        let services = definitions.filter_map(|definition| match definition {
            ast::Definition::Service(service) => Some(service),
            _ => None,
        });
        let annotations = services
            .flat_map(|service| &service.annotations)
            .filter(|annotation| annotation.key.text == key);
        let mut found = known.cloned();
        let mut is_said = known.is_some();
        for annotation in annotations {
            is_said = true;
            let start = annotation.key.span.start;
            let (line, column) = self.contract.sources.line_column(root.source, start);
            let at = (line as u32, column as u32);
            let problem = |reason: String| Problem::error(&self.contract.label, at, key, reason);
            match (annotation.value().parse::<T>(), &found) {
                (Err(error), _) => {
                    problems.push(problem(error.to_string()).with_hint(hint.to_owned()))
                }
                (Ok(said), Some(known)) if said != *known => {
                    let reason = format!("the contract says `{said}`, and it is `{known}`");
                    let hint = "both must agree; without the annotation the other one counts";
                    problems.push(problem(reason).with_hint(hint.to_owned()));
                }
                (Ok(said), _) => found = Some(said),
            }
        }
        if !is_said {
            let problem = Problem::error(&self.contract.label, (1, 1), key, missing);
            problems.push(problem.with_hint(hint.to_owned()));
        }
        found
    }
}

/// Contracts are shared: calls under way keep the one that they began with.
pub type SharedContract = Arc<ServiceContract>;
