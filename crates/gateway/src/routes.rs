//! The routes, one file for each resource.

pub(crate) mod platform;
