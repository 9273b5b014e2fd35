//! Connects to servers: through which proxy, with which certificates, and why a connection failed.

mod cause;
mod certificates;
mod dns;
mod proxy;
mod settings;
mod tls;
mod trace;

pub(crate) use cause::Cause;
pub use settings::Network;
pub(crate) use trace::{Handshake, Seen, Trace};
