//! How Python sees the client: classes over the core's values, and the bridge between two ways of waiting.

pub(crate) mod auth;
pub(crate) mod bridge;
pub(crate) mod cached;
pub(crate) mod convert;
pub(crate) mod errors;
pub(crate) mod faults;
pub(crate) mod files;
pub(crate) mod listing;
pub(crate) mod operations;
pub(crate) mod pages;
pub(crate) mod pickles;
pub(crate) mod progress;
#[cfg(feature = "sandbox")]
pub(crate) mod sandbox;
pub(crate) mod studio_client;
