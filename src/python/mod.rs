//! How Python sees the client: classes over the core's values, and the bridge between two ways of waiting.

pub(crate) mod arguments;
pub(crate) mod arrow;
pub(crate) mod auth;
pub(crate) mod bridge;
pub(crate) mod collection;
mod columns;
pub(crate) mod convert;
pub(crate) mod coroutine;
pub(crate) mod errors;
pub(crate) mod faults;
pub(crate) mod files;
pub(crate) mod input;
mod json;
pub(crate) mod listing;
pub(crate) mod logs;
pub(crate) mod media;
pub(crate) mod operations;
pub(crate) mod records;
#[cfg(feature = "sandbox")]
pub(crate) mod sandbox;
pub(crate) mod studio_client;
pub(crate) mod token_store;
pub(crate) mod value;
