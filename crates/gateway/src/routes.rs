//! The routes, one file for each resource.

pub(crate) mod platform;
mod base64;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod logs;
pub(crate) mod result;
pub(crate) mod uploads;
