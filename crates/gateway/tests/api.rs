//! The API over an in-process platform: every status of `docs/src/rest-api.md` for services, calls and jobs.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

#[path = "api/calls.rs"]
mod calls;
#[path = "api/contracts.rs"]
mod contracts;
#[path = "api/edge.rs"]
mod edge;
#[path = "api/jobs.rs"]
mod jobs;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/rig.rs"]
mod rig;
#[path = "api/services.rs"]
mod services;
#[path = "api/thrift.rs"]
mod thrift;
#[path = "api/wire.rs"]
mod wire;
