//! Connects to servers: through which proxy, with which certificates, and why a connection failed.

mod certificates;
mod dns;
mod settings;
mod tls;

pub(crate) use dns::Names;
pub(crate) use settings::Cause;
pub use settings::Network;
