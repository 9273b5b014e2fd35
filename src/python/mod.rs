//! The Python classes over the core, and the bridge between Python's threads and event loops and the core's runtimes.

pub(crate) mod auth;
pub(crate) mod bridge;
pub(crate) mod cached;
pub(crate) mod call_builder;
pub(crate) mod convert;
pub(crate) mod errors;
pub(crate) mod file_objects;
pub(crate) mod files;
pub(crate) mod listing;
pub(crate) mod many_calls;
pub(crate) mod operations;
pub(crate) mod pages;
pub(crate) mod panics;
pub(crate) mod pickles;
pub(crate) mod platform;
pub(crate) mod progress;
#[cfg(feature = "sandbox")]
pub(crate) mod sandbox;
pub(crate) mod studio_client;
