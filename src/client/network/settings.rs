//! The way to the servers: through which proxy, trusting whom, and what to do when there is none.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use reqwest::{ClientBuilder, NoProxy};
use rustls::{CertificateError, ClientConfig};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::certificates::RootStore;
use super::dns::NoThread;
use super::tls::{self, Rejected, WithoutAuthorities};
use crate::api::InvalidArgument;
use crate::client::address::is_loopback;
use crate::client::error::Error;
use crate::client::process::PerProcess;

/// The kinds of proxies. What is wrong with those that cannot be used is told when there is no connection.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Where a proxy is named, if not by a variable.
const GIVEN: &str = "proxy=";
const SYSTEM: &str = "the system's setting";

/// How a proxy is written that wants to know who uses it.
const WITH_PASSWORD: &str = "\"http://user:password@host:port\"";

/// reqwest takes the brackets around such an address for a part of the server's name, and ends with "Invalid Server Name"
/// (https://github.com/seanmonstar/reqwest/issues/3094).
const NO_IPV6: &str = "cannot lead to a school that is named by an IPv6 address: name the school's host instead";

/// The variables that may name a proxy; of each pair the first that is set counts. What is not encrypted stays on this
/// machine, so `HTTP_PROXY` is for nothing here.
const VARIABLES: [[&str; 2]; 2] = [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

/// How Unix says that this process, or the whole system, has too many open files: EMFILE and ENFILE.
const TOO_MANY_FILES: &[i32] = if cfg!(unix) { &[24, 23] } else { &[] };

/// What a client is told about the network that it is in; the environment and the system say the rest.
#[derive(Debug, Clone, Default)]
pub struct Network {
    proxy: Option<Proxy>,
    authorities: Option<Arc<RootStore>>,
    /// Made once for all connections, since reading the certificates takes milliseconds.
    tls: Arc<PerProcess<ClientConfig>>,
}

#[derive(Debug, Clone)]
struct Proxy {
    /// Without user and password.
    url: Url,
    /// The header that it is told.
    authorization: Option<SecretString>,
    /// The password in every form in which it could be met.
    secrets: Vec<SecretString>,
    /// Where it was named.
    source: &'static str,
}

/// The proxy between a client and a server, as far as it may be shown.
struct Between {
    url: String,
    source: &'static str,
    has_password: bool,
}

/// Why there is no connection.
pub(crate) struct Cause {
    /// What went wrong, and what to do about it.
    pub(crate) text: String,
    /// Whether it may go better the next time.
    pub(crate) may_pass: bool,
}

impl Network {
    pub fn new(proxy: Option<&str>, ca_bundle: Option<PathBuf>) -> Result<Self, InvalidArgument> {
        let authorities = ca_bundle.map(RootStore::given).transpose();
        Ok(Self {
            proxy: proxy.map(Proxy::new).transpose()?,
            authorities: authorities.map_err(|problem| InvalidArgument::new("ca_bundle", problem))?.map(Arc::new),
            tls: Arc::default(),
        })
    }

    /// Which of the given certificates are left out, and why; nothing if none are.
    pub fn warning(&self) -> Option<String> {
        self.authorities.as_ref().and_then(|store| store.warning())
    }

    /// The proxy that was given, and the authorities: what makes another like it. Not if the proxy has a password.
    pub fn given(&self) -> Option<(Option<&str>, Option<&Path>)> {
        let proxy = match &self.proxy {
            Some(proxy) if proxy.authorization.is_some() => return None,
            proxy => proxy.as_ref().map(|proxy| proxy.url.as_str()),
        };
        Some((proxy, self.authorities.as_ref().map(|authorities| authorities.path())))
    }

    /// Refuses a way on which what is private could be read.
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

    /// Tells connections which way to take: those to `base`, or those to wherever it redirects.
    pub(crate) fn apply(&self, builder: ClientBuilder, base: &Url, is_to_base: bool) -> Result<ClientBuilder, Error> {
        let setup = |error: &dyn StdError| Error::Setup(format!("no connections can be made: {error}"));
        let tls = self.tls.get(|| tls::configuration(self.authorities.clone())).map_err(|error| setup(&error))?;
        let builder = builder.tls_backend_preconfigured(ClientConfig::clone(&tls));
        Ok(match &self.proxy {
            Some(proxy) => builder.proxy(proxy.used().map_err(|error| setup(&error))?),
            // A server on this machine is not behind a proxy.
            None if is_loopback(base) => builder.no_proxy(),
            None => match Environment::read() {
                Some(Environment { proxy: Ok(proxy), exempt }) => {
                    let exempt = NoProxy::from_string(&exempt);
                    builder.proxy(proxy.used().map_err(|error| setup(&error))?.no_proxy(exempt))
                }
                // Without a word, one that cannot be right would be passed over.
                Some(environment) => match environment.proxy {
                    Err(problem) if !(is_to_base && environment.is_exempt(base)) => return Err(Error::Setup(problem)),
                    _ => builder.no_proxy(),
                },
                None => builder,
            },
        })
    }

    /// What must not be shown.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        self.proxy.iter().flat_map(|proxy| proxy.secrets.iter().cloned())
    }

    /// Which proxy the connections to `url` go through.
    fn between(&self, base: &Url, url: &Url) -> Option<Between> {
        if let Some(proxy) = &self.proxy {
            return proxy.is_for(url).then(|| proxy.between());
        }
        if is_loopback(base) {
            return None;
        }
        if let Some(environment) = Environment::read() {
            let is_exempt = environment.is_exempt(url);
            return environment.proxy.ok().filter(|proxy| proxy.is_for(url) && !is_exempt).map(|proxy| proxy.between());
        }
        // What reqwest looks up when it is told nothing.
        let proxy = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
        let (read, _) = Proxy::read(&proxy.uri().to_string(), SYSTEM).ok()?;
        Some(Between { has_password: proxy.basic_auth().is_some(), ..read.between() })
    }

    /// Why there is no connection to `url`. `quoted` is the innermost cause.
    pub(crate) fn cause(&self, base: &Url, url: &Url, error: &reqwest::Error, quoted: &str) -> Result<Cause, Error> {
        if let Some(WithoutAuthorities(problem)) = find(error) {
            return Err(Error::Setup(problem.clone()));
        }
        if let Some(text) = shortage(error) {
            return Ok(Cause { text, may_pass: true });
        }
        let between = self.between(base, url);
        // Only what happens between this machine and the proxy; what goes through the tunnel is the server's.
        let is_at_proxy = causes(error).any(|cause| cause.to_string().starts_with("tunnel error"))
            || (between.is_some() && url.scheme() == "http");
        let other_end = match &between {
            Some(between) if is_at_proxy => format!("the proxy {}", between.url),
            _ => format!("the server {}", url.host_str().unwrap_or_default()),
        };
        let failure = |text: String, may_pass| Ok(Cause { text, may_pass });
        if let Some(rejected) = find::<Rejected>(error) {
            let whose = if is_at_proxy { format!("of {other_end}, the") } else { "its".to_owned() };
            return failure(format!("{whose} certificate {rejected}"), false);
        }
        if let Some(between) = between.as_ref().filter(|_| is_at_proxy && !error.is_timeout()) {
            if quoted == "Invalid Server Name" {
                return failure(format!("{other_end} {NO_IPV6}"), false);
            }
            if quoted.contains("proxy authorization required") {
                return failure(between.password_wanted(), false);
            }
            if between.url.starts_with("socks") {
                return failure(format!("{other_end} cannot be used: only http and https proxies can"), false);
            }
            if quoted.contains("tunnel error: unsuccessful") {
                let text =
                    format!("{other_end} refuses to connect to it: does it allow that host, and is the name right?");
                return failure(text, true);
            }
        }
        if let Some(problem) = find::<rustls::Error>(error) {
            return Ok(handshake_failure(problem, &other_end, is_at_proxy));
        }
        if quoted == "tls handshake eof" {
            return failure(format!("{other_end} broke the TLS handshake off: is that a TLS server?"), true);
        }
        let said = if error.is_timeout() { String::new() } else { format!("{quoted}: ") };
        failure(
            match &between {
                Some(between) if is_at_proxy => {
                    format!("{other_end} cannot be reached: {said}is {} right?", between.source)
                }
                Some(between) => format!("{said}is the school's name right, and does the proxy {} work?", between.url),
                None => format!("{said}is the school's name right, and is there a network or a proxy?"),
            },
            true,
        )
    }
}

impl Proxy {
    fn new(given: &str) -> Result<Self, InvalidArgument> {
        let read = Self::read(given, GIVEN).and_then(|(proxy, is_bare)| {
            if !given.contains("://") || !["http", "https"].contains(&proxy.url.scheme()) {
                return Err("must be a URL that begins with http:// or https://");
            }
            is_bare.then_some(proxy).ok_or("must hold no path, query or fragment")
        });
        read.map_err(|problem| InvalidArgument::new("proxy", wrong_proxy(problem)))
    }

    /// Reads the URL of a proxy, and whether there is nothing behind the host; else what is wrong with it, which quotes
    /// nothing: any part of it may be the password.
    fn read(given: &str, source: &'static str) -> Result<(Self, bool), &'static str> {
        let given = given.trim();
        if given.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err("must hold no white space");
        }
        let text = if given.contains("://") { Cow::from(given) } else { format!("http://{given}").into() };
        let Some(mut url) = Url::parse(&text).ok().filter(|url| SCHEMES.contains(&url.scheme()) && url.has_host())
        else {
            return Err("must be a URL that begins with http:// or https://");
        };
        let behind = [Some(url.path()), url.query(), url.fragment()];
        let is_bare = matches!(behind, [Some("" | "/"), None, None]);
        // A user or a password that is not percent-encoded ends the host too early, and what follows would be taken for it.
        if behind.into_iter().flatten().any(|part| part.contains('@')) {
            return Err("must have a host behind the user and the password");
        }
        url.set_path("");
        url.set_query(None);
        url.set_fragment(None);
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (decoded(url.username()), url.password().map(str::to_owned));
        let (mut authorization, mut secrets) = (None, Vec::new());
        if !user.is_empty() || password.is_some() {
            let plain = decoded(password.as_deref().unwrap_or_default());
            let encoded = BASE64_STANDARD.encode(format!("{user}:{plain}"));
            authorization = Some(format!("Basic {encoded}").into());
            secrets = vec![plain.into(), password.unwrap_or_default().into(), encoded.into()];
        }
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        // reqwest would silently go without a proxy whose URL it cannot read.
        if stripped.is_err() || url.as_str().parse::<Uri>().is_err() {
            return Err("has a host that cannot be right");
        }
        Ok((Self { url, authorization, secrets, source }, is_bare))
    }

    fn is_for(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.is_for_all()
    }

    /// What is not encrypted goes through a proxy only if that was given, and is on this machine.
    fn is_for_all(&self) -> bool {
        self.source == GIVEN && is_loopback(&self.url)
    }

    fn between(&self) -> Between {
        Between {
            url: self.url.as_str().trim_end_matches('/').to_owned(),
            source: self.source,
            has_password: self.authorization.is_some(),
        }
    }

    fn used(&self) -> reqwest::Result<reqwest::Proxy> {
        let url = self.url.clone();
        let proxy = if self.is_for_all() { reqwest::Proxy::all(url) } else { reqwest::Proxy::https(url) }?;
        let authorization = self.authorization.as_ref().map(ExposeSecret::expose_secret);
        Ok(match authorization.and_then(|text| HeaderValue::from_str(text).ok()) {
            Some(mut header) => {
                header.set_sensitive(true);
                proxy.custom_http_auth(header)
            }
            None => proxy,
        })
    }
}

impl Between {
    fn password_wanted(&self) -> String {
        let place = match self.source {
            GIVEN | SYSTEM => GIVEN.to_owned(),
            variable => format!("{variable}="),
        };
        if self.has_password {
            format!("the proxy {} refuses the user and password: are they right in {place}{WITH_PASSWORD}?", self.url)
        } else {
            format!("the proxy {} wants a user and a password: give them as {place}{WITH_PASSWORD}", self.url)
        }
    }
}

/// A TLS handshake that failed, but not for a certificate.
fn handshake_failure(problem: &rustls::Error, other_end: &str, is_proxy: bool) -> Cause {
    let (text, may_pass) = match problem {
        rustls::Error::InvalidMessage(_) if is_proxy => {
            (format!("{other_end} does not speak TLS there: should it be http:// and not https://?"), false)
        }
        rustls::Error::InvalidMessage(_) => {
            (format!("{other_end} does not speak TLS there: are the host and the port right?"), false)
        }
        // Some alerts say that the server is in trouble, and that can pass.
        rustls::Error::AlertReceived(alert) => (
            format!("{other_end} refused the TLS handshake ({alert:?}): does it do TLS 1.2 or 1.3, for that name?"),
            true,
        ),
        _ => (format!("the TLS handshake with {other_end} failed: {problem}"), false),
    };
    Cause { text, may_pass }
}

/// What the variables of the environment say about the proxy of encrypted connections, if they say something.
struct Environment {
    /// It, or why it cannot be used.
    proxy: Result<Proxy, String>,
    /// The hosts that are not behind it, as curl writes them.
    exempt: String,
}

impl Environment {
    fn read() -> Option<Self> {
        // Under CGI a stranger can set them.
        if std::env::var_os("REQUEST_METHOD").is_some() {
            return None;
        }
        let (name, given) = VARIABLES.iter().find_map(|names| variable(names))?;
        let read = given.to_str().ok_or("must be UTF-8").and_then(|given| Proxy::read(given, name));
        let proxy = read
            .map(|(proxy, _)| proxy)
            .map_err(|problem| format!("the environment variable {name} {}", wrong_proxy(problem)));
        let exempt = variable(&["NO_PROXY", "no_proxy"]).map(|(_, hosts)| hosts.to_string_lossy().into_owned());
        let hosts = exempt.as_deref().unwrap_or_default().split([',', ';', ' ', '\t', '\r', '\n']);
        let hosts = hosts.map(|host| host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host));
        Some(Self { proxy, exempt: hosts.collect::<Vec<_>>().join(",") })
    }

    /// Whether a host is not behind the proxy.
    fn is_exempt(&self, url: &Url) -> bool {
        let behind = Matcher::builder().https("http://proxy.invalid").no(&self.exempt).build();
        url.as_str().parse().is_ok_and(|url| behind.intercept(&url).is_none())
    }
}

/// The first of the variables that is set, and its name, if it is not empty.
fn variable(names: &[&'static str]) -> Option<(&'static str, OsString)> {
    let found = names.iter().find_map(|name| Some((*name, std::env::var_os(name)?)));
    found.filter(|(_, value)| !value.to_string_lossy().trim().is_empty())
}

fn wrong_proxy(problem: &str) -> String {
    format!(
        "{problem}; give \"http://host:port\", or {WITH_PASSWORD} with what is special in them percent-encoded \
         (/ is %2F, # is %23, ? is %3F, % is %25, \\ is %5C)"
    )
}

/// The cause of that type.
fn find<'error, T: StdError + 'static>(error: &'error (dyn StdError + 'static)) -> Option<&'error T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// What this machine ran out of, if that is why.
fn shortage(error: &reqwest::Error) -> Option<String> {
    if let Some(problem) = find::<NoThread>(error) {
        return Some(format!("{problem}: does the system, or a container, limit how many there may be?"));
    }
    let system = |cause: &(dyn StdError + 'static)| cause.downcast_ref::<io::Error>()?.raw_os_error();
    let is_file = |code: i32| TOO_MANY_FILES.contains(&code);
    causes(error).filter_map(system).any(is_file).then(|| {
        "too many files are open, and each connection is one: lower max_connections, or allow more (ulimit -n)"
            .to_owned()
    })
}

/// An error and all that caused it.
fn causes<'error>(error: &'error (dyn StdError + 'static)) -> impl Iterator<Item = &'error (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| cause_of(error))
}

fn cause_of<'error>(error: &'error (dyn StdError + 'static)) -> Option<&'error (dyn StdError + 'static)> {
    // These two hold errors that they do not tell as their source.
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
