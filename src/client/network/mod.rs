//! Connects to servers: through which proxy, with which certificates, and why a connection failed.

mod cause;
mod certificates;
mod dns;
mod proxy;
mod settings;
mod tls;

pub(crate) use cause::Cause;
pub(crate) use dns::Resolver;
pub use settings::Network;
