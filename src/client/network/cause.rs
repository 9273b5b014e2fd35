//! Explains why a connection failed, and what to do about it.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;
use url::Url;

use super::dns::NoThread;
use super::proxy::NO_IPV6;
use super::settings::Network;
use super::tls::{Rejected, RootStoreUnavailable};
use crate::client::address::is_loopback;
use crate::client::error::Error;

/// The Unix error codes for too many open files, in the process or the system: EMFILE and ENFILE.
const TOO_MANY_FILES: &[i32] = if cfg!(unix) { &[24, 23] } else { &[] };

/// Why there is no connection.
pub(crate) struct Cause {
    /// What happened, and what to do about it.
    pub(crate) text: String,
    /// Whether a retry may succeed.
    pub(crate) is_temporary: bool,
}

impl Network {
    /// Explains why there is no connection to `url`. `quoted` is the innermost cause.
    pub(crate) fn cause(&self, base: &Url, url: &Url, error: &reqwest::Error, quoted: &str) -> Result<Cause, Error> {
        if let Some(RootStoreUnavailable(problem)) = find(error) {
            return Err(Error::Setup(problem.clone()));
        }
        if let Some(text) = shortage(error) {
            return Ok(Cause { text, is_temporary: true });
        }
        let proxy = self.proxy_in_use(base, url);
        // Only failures between this machine and the proxy; what goes through the tunnel is the server's.
        let is_at_proxy = causes(error).any(|cause| cause.to_string().starts_with("tunnel error"))
            || (proxy.is_some() && url.scheme() == "http");
        let other_end = match &proxy {
            Some(proxy) if is_at_proxy => format!("the proxy {}", proxy.url),
            _ => format!("the server {}", url.host_str().unwrap_or_default()),
        };
        let failure = |text: String, is_temporary| Ok(Cause { text, is_temporary });
        if let Some(rejected) = find::<Rejected>(error) {
            let whose = if is_at_proxy { format!("of {other_end}, the") } else { "its".to_owned() };
            return failure(format!("{whose} certificate {rejected}"), false);
        }
        if let Some(proxy) = proxy.as_ref().filter(|_| is_at_proxy && !error.is_timeout()) {
            if quoted == "Invalid Server Name" {
                return failure(format!("{other_end} {NO_IPV6}"), false);
            }
            if quoted.contains("proxy authorization required") {
                return failure(proxy.password_wanted(), false);
            }
            if proxy.url.starts_with("socks") {
                return failure(format!("{other_end} cannot be used: only http and https proxies can"), false);
            }
            if quoted.contains("tunnel error: unsuccessful") {
                let text = format!(
                    "{other_end} refuses to connect: check that it allows this host, and that the name is right"
                );
                return failure(text, true);
            }
        }
        if let Some(problem) = find::<rustls::Error>(error) {
            return Ok(handshake_failure(problem, &other_end, is_at_proxy));
        }
        if quoted == "tls handshake eof" {
            return failure(format!("{other_end} ended the TLS handshake: check that it is a TLS server"), true);
        }
        let said = if error.is_timeout() { String::new() } else { format!("{quoted}: ") };
        failure(
            match &proxy {
                Some(proxy) if is_at_proxy => {
                    format!("{other_end} cannot be reached: {said}check {}", proxy.source)
                }
                Some(proxy) => format!("{said}check the school's name and the proxy {}", proxy.url),
                None if is_loopback(url) => {
                    let address = url.origin().ascii_serialization();
                    format!("{said}no server runs at {address}; if it was a sandbox, it is closed")
                }
                None => format!("{said}check the school's name, the network and the proxy"),
            },
            true,
        )
    }
}

/// Explains a failed TLS handshake whose reason is not the certificate.
fn handshake_failure(problem: &rustls::Error, other_end: &str, is_proxy: bool) -> Cause {
    let (text, is_temporary) = match problem {
        rustls::Error::InvalidMessage(_) if is_proxy => {
            (format!("{other_end} does not speak TLS there: use http://, not https://"), false)
        }
        rustls::Error::InvalidMessage(_) => {
            (format!("{other_end} does not speak TLS there: check the host and the port"), false)
        }
        // Some alerts report a temporary problem of the server.
        rustls::Error::AlertReceived(alert) => (
            format!(
                "{other_end} refused the TLS handshake ({alert:?}): check that it supports TLS 1.2 or 1.3 for that name"
            ),
            true,
        ),
        _ => (format!("the TLS handshake with {other_end} failed: {problem}"), false),
    };
    Cause { text, is_temporary }
}

/// The first cause of this type.
fn find<'error, T: StdError + 'static>(error: &'error (dyn StdError + 'static)) -> Option<&'error T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The resource that this machine ran out of, if that is the reason.
fn shortage(error: &reqwest::Error) -> Option<String> {
    if let Some(problem) = find::<NoThread>(error) {
        return Some(format!("{problem}: check whether the system or a container limits their number"));
    }
    let system = |cause: &(dyn StdError + 'static)| cause.downcast_ref::<io::Error>()?.raw_os_error();
    let is_file = |code: i32| TOO_MANY_FILES.contains(&code);
    causes(error).filter_map(system).any(is_file).then(|| {
        "too many open files, and each connection is one: lower max_connections, or allow more (ulimit -n)".to_owned()
    })
}

/// An error and its causes.
fn causes<'error>(error: &'error (dyn StdError + 'static)) -> impl Iterator<Item = &'error (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| cause_of(error))
}

fn cause_of<'error>(error: &'error (dyn StdError + 'static)) -> Option<&'error (dyn StdError + 'static)> {
    // These two contain errors that they do not return as their source.
    if let Some(held) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(held);
    }
    match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(held)) | rustls::Error::Other(held)) => {
            Some(&*held.0)
        }
        _ => error.source(),
    }
}
