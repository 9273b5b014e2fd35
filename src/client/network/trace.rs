//! Notes how far a connection came, for a diagnosis: name, handshakes, certificates.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use super::dns::Resolver;

/// What happened while a connection was made.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<Seen>);

impl Handshake {
    pub(crate) fn is_rejected(&self) -> bool {
        self.certificate.as_ref().is_some_and(|(found, _)| found.is_err())
    }
}

/// What happened, and when.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    /// The addresses of the name.
    pub(crate) resolved: Option<(Vec<IpAddr>, Instant)>,
    /// The TLS handshakes in order: with a proxy that speaks TLS, then with the server.
    pub(crate) handshakes: Vec<Handshake>,
}

/// A TLS handshake.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    /// When it began, so when the connection under it stood.
    pub(crate) begun: Instant,
    /// What was found of the certificate, or `Err` if it was rejected.
    pub(crate) certificate: Option<(Result<String, ()>, Instant)>,
}

impl Trace {
    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// A certificate was accepted, with these details, or rejected.
    pub(super) fn certificate(&self, found: Result<String, ()>) {
        if let Some(handshake) = self.lock().handshakes.last_mut() {
            handshake.certificate = Some((found, Instant::now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The resolver of all calls, which notes what it finds.
#[derive(Debug)]
pub(super) struct TracedResolver(pub(super) Arc<Trace>);

impl Resolve for TracedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (trace, resolving) = (Arc::clone(&self.0), Resolver.resolve(name));
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            trace.lock().resolved = Some((found.iter().map(SocketAddr::ip).collect(), Instant::now()));
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Keeps no sessions. rustls asks for one before it sends its first byte, which shows that the connection stands.
impl ClientSessionStore for Trace {
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().handshakes.push(Handshake { begun: Instant::now(), certificate: None });
        None
    }
}
