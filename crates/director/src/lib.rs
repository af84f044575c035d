//! What Trefoil knows about services: their names, versions, contracts and ports, and what fits what.
//!
//! Entry types, from the outside in:
//!
//! - [`Service::load`] turns the bytes of `metadata.yml` and `service.toml` into a [`Service`], or into every
//!   [`Problem`] they have, each with file, line and column;
//! - [`Catalog`] holds the services and resolves a [`ServiceRequest`] (`nerve/hh-axon:1`) to one of them;
//! - [`validate_inputs`] and [`validate_outputs`] compare values with ports;
//! - [`match_ports`] says which outputs of one service can feed which inputs of another.
//!
//! ```
//! use trefoil_director::{Catalog, Service, ServiceFiles, Source, validate_inputs};
//!
//! let metadata = b"
//! key: demo/double
//! version: 1.2.0
//! type: computational
//! name: Double
//! description: Twice the input
//! inputs:
//!   x: {type: number, unit: mV, defaultValue: 1}
//! ";
//! let files = ServiceFiles {
//!     label: "demo".to_owned(),
//!     metadata: Some(("metadata.yml".to_owned(), metadata.to_vec())),
//!     service_toml: None,
//!     contract: None,
//!     digest: String::new(),
//!     source: Source::Builtin,
//! };
//! let mut catalog = Catalog::new();
//! catalog.insert(Service::load(&files).expect("no problems")).expect("nobody else supplies it");
//!
//! let service = catalog.resolve(&"demo/double:1".parse().expect("a request")).expect("1.2.0");
//! let inputs = validate_inputs(&service, serde_json::Map::new()).expect("the default");
//! assert_eq!(inputs["x"], 1);
//! ```
//!
//! This crate must never do I/O, read a clock, spawn anything or resolve a reference over the network. It must
//! never panic on what an author or a caller wrote, and must never report only the first of several problems
//! where the others can be found too.
#![forbid(unsafe_code)]

mod catalog;
mod compatibility;
mod contract;
mod derived;
mod fields;
mod inputs;
mod instance;
pub mod instances;
mod key;
mod matching;
mod metadata;
mod near;
mod place;
mod port;
mod problem;
pub mod processes;
mod provision;
mod runspec;
mod schema;
mod service;
#[cfg(test)]
mod testing;
mod units;
mod yaml;

pub use catalog::{Catalog, CatalogError, Entry, Inserted, ResolveError, ServiceState};
pub use compatibility::{Breaks, Direction, required_version};
pub use contract::{CONTRACT_FILE, MethodError, MethodRef, ServiceContract, SharedContract};
pub use derived::{RESULT_METHOD, RUN_METHOD, SUBMIT_METHOD, derived_inputs, derived_outputs};
pub use inputs::{FileRef, Violation, file_refs, validate_inputs, validate_outputs};
pub use instance::{
    InstanceId, InstanceName, InstanceNameError, InstanceState, NewInstance, ThriftProtocol,
    ThriftProvider, ThriftTls, ThriftTransport,
};
pub use instances::Instances;
pub use key::{KeyError, ServiceId, ServiceKey, ServiceRequest, VersionWanted};
pub use matching::{Endpoint, MatchError, Matching, Pair, Refused, match_ports};
pub use metadata::{Author, Metadata, ServiceType};
pub use near::near_names;
pub use place::Place;
pub use port::{MediaPattern, Port, PortKind, Ports};
pub use problem::{Problem, Severity};
pub use processes::Processes;
pub use provision::{ProviderSpec, Provision, Speaks, StaticInstance};
pub use runspec::{Limits, ProgressPattern, Resources, RetryClass, RetrySpec, RunKind, RunSpec};
pub use schema::ContentSchema;
pub use service::{Service, ServiceFiles, Source, digest_of_files};
pub use yaml::{MapEntry, Node, Yaml, parse_yaml};
