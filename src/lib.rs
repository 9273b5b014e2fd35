//! canvas-studio: the client for Instructure Studio. `api` says what to ask, `client` how it travels.

pub mod api;
pub mod client;
