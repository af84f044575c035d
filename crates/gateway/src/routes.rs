//! The routes, one file for each resource.

pub(crate) mod amqp_websocket;
pub(crate) mod base64;
pub(crate) mod call;
pub(crate) mod contracts;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod instances;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod platform;
pub(crate) mod result;
pub(crate) mod services;
pub(crate) mod thrift;
pub(crate) mod uploads;
