//! The network settings of a client: its proxy and its certificates, and how connections are made with them.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::certificates::RootStore;
use super::dns::Resolver;
use super::proxy::{Environment, NO_IPV6, Proxy, ProxyInUse, SYSTEM};
use super::tls;
use super::trace::{Trace, TracedResolver};
use crate::api::InvalidArgument;
use crate::client::address::is_loopback;
use crate::client::error::Error;
use crate::client::process::PerProcess;

/// The network settings of a client; the environment and the system provide the rest.
#[derive(Debug, Clone, Default)]
pub struct Network {
    proxy: Option<Proxy>,
    root_store: Option<Arc<RootStore>>,
    /// Made once for all connections, since reading the certificates takes milliseconds.
    tls: Arc<PerProcess<ClientConfig>>,
    /// Is told of each connection, in a diagnosis.
    trace: Option<Arc<Trace>>,
}

impl Network {
    pub fn new(proxy: Option<&str>, ca_bundle: Option<PathBuf>) -> Result<Self, InvalidArgument> {
        let root_store = ca_bundle.map(RootStore::given).transpose();
        Ok(Self {
            proxy: proxy.map(Proxy::new).transpose()?,
            root_store: root_store.map_err(|problem| InvalidArgument::new("ca_bundle", problem))?.map(Arc::new),
            tls: Arc::default(),
            trace: None,
        })
    }

    /// The same settings, with connections that report to `trace`.
    pub(crate) fn traced(&self, trace: Arc<Trace>) -> Self {
        Self { tls: Arc::default(), trace: Some(trace), ..self.clone() }
    }

    /// Which of the given certificates are left out, and why; `None` if none are.
    pub fn warning(&self) -> Option<String> {
        self.root_store.as_ref().and_then(|store| store.warning())
    }

    /// The given proxy and certificates, to make the same settings again. `None` if the proxy has a password.
    pub fn given(&self) -> Option<(Option<&str>, Option<&Path>)> {
        match self.given_proxy() {
            Some((_, Some(_))) => None,
            proxy => Some((proxy.map(|(url, _)| url), self.given_bundle())),
        }
    }

    /// The URL of the given proxy without its password, and the header that has it.
    pub fn given_proxy(&self) -> Option<(&str, Option<&str>)> {
        let proxy = self.proxy.as_ref()?;
        Some((proxy.url.as_str(), proxy.authorization.as_ref().map(ExposeSecret::expose_secret)))
    }

    /// The given certificates.
    pub fn given_bundle(&self) -> Option<&Path> {
        self.root_store.as_ref().map(|store| store.path())
    }

    /// Rejects a proxy on which private data could be read in transit.
    pub(crate) fn check(&self, base: &Url) -> Result<(), InvalidArgument> {
        match &self.proxy {
            Some(proxy) if base.scheme() == "http" && !is_loopback(&proxy.url) => Err(InvalidArgument::new(
                "proxy",
                "must be on this machine when the URL is http: the token would be sent to it in the clear",
            )),
            Some(_) if base.scheme() == "https" && matches!(base.host(), Some(Host::Ipv6(_))) => {
                Err(InvalidArgument::new("proxy", NO_IPV6))
            }
            _ => Ok(()),
        }
    }

    /// Applies the settings to connections: to `base`, or to the hosts that it redirects to.
    pub(crate) fn apply(&self, builder: ClientBuilder, base: &Url, is_to_base: bool) -> Result<ClientBuilder, Error> {
        let setup = |error: &dyn StdError| Error::Setup(format!("no connections can be made: {error}"));
        let tls = self.tls.get(|| tls::configuration(self.root_store.clone(), self.trace.clone()));
        let builder = builder.tls_backend_preconfigured(ClientConfig::clone(&*tls.map_err(|error| setup(&error))?));
        let builder = match &self.trace {
            Some(trace) => builder.dns_resolver(TracedResolver(Arc::clone(trace))),
            None => builder.dns_resolver(Resolver),
        };
        Ok(match &self.proxy {
            Some(proxy) => builder.proxy(proxy.used().map_err(|error| setup(&error))?),
            // A server on this machine is not reached through a proxy.
            None if is_loopback(base) => builder.no_proxy(),
            None => match Environment::read() {
                Some(Environment { proxy: Ok(proxy), exempt }) => {
                    let exempt = NoProxy::from_string(&exempt);
                    builder.proxy(proxy.used().map_err(|error| setup(&error))?.no_proxy(exempt))
                }
                // Otherwise an invalid proxy would be silently ignored.
                Some(environment) => match environment.proxy {
                    Err(problem) if !(is_to_base && environment.is_exempt(base)) => return Err(Error::Setup(problem)),
                    _ => builder.no_proxy(),
                },
                None => builder,
            },
        })
    }

    /// The secrets of the proxy.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        self.proxy.iter().flat_map(|proxy| proxy.secrets.iter().cloned())
    }

    /// The proxy that requests to the school go through, without its password, and where it is set.
    pub(crate) fn proxy_to(&self, base: &Url) -> Result<Option<(String, &'static str)>, Error> {
        if self.proxy.is_none()
            && !is_loopback(base)
            && let Some(environment) = Environment::read()
            && !environment.is_exempt(base)
        {
            environment.proxy.map_err(Error::Setup)?;
        }
        Ok(self.proxy_in_use(base, base).map(|proxy| (proxy.url, proxy.source)))
    }

    /// The proxy that connections to `url` use.
    pub(super) fn proxy_in_use(&self, base: &Url, url: &Url) -> Option<ProxyInUse> {
        if let Some(proxy) = &self.proxy {
            return proxy.is_for(url).then(|| proxy.in_use());
        }
        if is_loopback(base) {
            return None;
        }
        if let Some(environment) = Environment::read() {
            let is_exempt = environment.is_exempt(url);
            return environment.proxy.ok().filter(|proxy| proxy.is_for(url) && !is_exempt).map(|proxy| proxy.in_use());
        }
        // reqwest's own default.
        let proxy = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
        let (read, _) = Proxy::read(&proxy.uri().to_string(), SYSTEM).ok()?;
        Some(ProxyInUse { has_password: proxy.basic_auth().is_some(), ..read.in_use() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_checked_and_its_password_is_never_shown() {
        for given in [
            "",
            "proxy.example.edu:3128",
            "//me:hunter22@proxy.example.edu",
            "socks5://me:hunter22@proxy.example.edu",
            "http://",
            "http://me:hunter22/x@proxy.example.edu:3128",
            "http://me:hunter22#x@proxy.example.edu:3128",
            "http://me:hunter22@proxy.example.edu:3128/path",
            "http://me:hunter22@{host}:3128",
            "http://me:hunter 22@proxy.example.edu:3128",
            "http://CORP\\me:hunter22@proxy.example.edu:3128",
        ] {
            let refusal = Network::new(Some(given), None).unwrap_err();
            assert_eq!(refusal.argument, "proxy", "{given}");
            assert!(!refusal.expected.contains("hunter"), "{given}");
        }
        let network = Network::new(Some(" http://hunted:hunter%3D22@proxy.example.edu:3128\r\n"), None).unwrap();
        for shown in [format!("{network:?}"), format!("{:?}", network.proxy.as_ref().unwrap().used())] {
            assert!(!shown.contains("hunt"), "{shown}");
        }
        let secrets: Vec<String> = network.secrets().map(|secret| secret.expose_secret().to_owned()).collect();
        assert_eq!(secrets, ["hunter=22", "hunter%3D22", "aHVudGVkOmh1bnRlcj0yMg=="]);
    }
}
