//! Proxies: how they are configured, by argument or environment, and which connections use them.

use std::borrow::Cow;
use std::ffi::OsString;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::api::InvalidArgument;
use crate::client::address::is_loopback;

/// The schemes of proxies. Those that cannot be used are reported when a connection fails.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The sources of a proxy, besides the environment variables.
const GIVEN: &str = "proxy=";
pub(super) const SYSTEM: &str = "the system's setting";

/// The format of a proxy with authentication.
const WITH_PASSWORD: &str = "\"http://user:password@host:port\"";

/// reqwest takes the brackets of such an address for a part of the server's name, and fails with "Invalid Server Name"
/// (https://github.com/seanmonstar/reqwest/issues/3094).
pub(super) const NO_IPV6: &str =
    "cannot lead to a school that is named by an IPv6 address: name the school's host instead";

/// The environment variables for a proxy; of each pair, the first that is set counts. Unencrypted requests stay on this
/// machine, so `HTTP_PROXY` is not used.
const VARIABLES: [[&str; 2]; 2] = [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

#[derive(Debug, Clone)]
pub(super) struct Proxy {
    /// Without user and password.
    pub(super) url: Url,
    /// The `Proxy-Authorization` header.
    pub(super) authorization: Option<SecretString>,
    /// The password in every form in which it could appear.
    pub(super) secrets: Vec<SecretString>,
    /// The argument or variable that named it.
    pub(super) source: &'static str,
}

/// The proxy that a connection uses, without its password.
pub(super) struct ProxyInUse {
    pub(super) url: String,
    pub(super) source: &'static str,
    pub(super) has_password: bool,
}

impl Proxy {
    pub(super) fn new(given: &str) -> Result<Self, InvalidArgument> {
        let read = Self::read(given, GIVEN).and_then(|(proxy, is_bare)| {
            if !given.contains("://") || !["http", "https"].contains(&proxy.url.scheme()) {
                return Err("must be a URL that begins with http:// or https://");
            }
            is_bare.then_some(proxy).ok_or("must not contain a path, query or fragment")
        });
        read.map_err(|problem| InvalidArgument::new("proxy", wrong_proxy(problem)))
    }

    /// Reads the URL of a proxy, and whether it ends after the host. Errors quote nothing: any part may be the
    /// password.
    pub(super) fn read(given: &str, source: &'static str) -> Result<(Self, bool), &'static str> {
        let given = given.trim();
        if given.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err("must not contain white space");
        }
        let text = if given.contains("://") { Cow::from(given) } else { format!("http://{given}").into() };
        let Some(mut url) = Url::parse(&text).ok().filter(|url| SCHEMES.contains(&url.scheme()) && url.has_host())
        else {
            return Err("must be a URL that begins with http:// or https://");
        };
        let behind = [Some(url.path()), url.query(), url.fragment()];
        let is_bare = matches!(behind, [Some("" | "/"), None, None]);
        // A user or password that is not percent-encoded ends the host too early, and the rest would be taken for the
        // path.
        if behind.into_iter().flatten().any(|part| part.contains('@')) {
            return Err("must have a host after the user and the password");
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
        // reqwest silently ignores a proxy whose URL it cannot read.
        if stripped.is_err() || url.as_str().parse::<Uri>().is_err() {
            return Err("has an invalid host");
        }
        Ok((Self { url, authorization, secrets, source }, is_bare))
    }

    pub(super) fn is_for(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.is_for_all()
    }

    /// Unencrypted requests go only through a proxy that was given as an argument and is on this machine.
    fn is_for_all(&self) -> bool {
        self.source == GIVEN && is_loopback(&self.url)
    }

    pub(super) fn in_use(&self) -> ProxyInUse {
        ProxyInUse {
            url: self.url.as_str().trim_end_matches('/').to_owned(),
            source: self.source,
            has_password: self.authorization.is_some(),
        }
    }

    pub(super) fn used(&self) -> reqwest::Result<reqwest::Proxy> {
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

impl ProxyInUse {
    pub(super) fn password_wanted(&self) -> String {
        let setting = match self.source {
            GIVEN | SYSTEM => GIVEN.to_owned(),
            variable => format!("{variable}="),
        };
        if self.has_password {
            format!("the proxy {} rejects the user and password: check them in {setting}{WITH_PASSWORD}", self.url)
        } else {
            format!("the proxy {} requires a user and a password: give them as {setting}{WITH_PASSWORD}", self.url)
        }
    }
}

/// The proxy settings of the environment for encrypted connections.
pub(super) struct Environment {
    /// The proxy, or why it cannot be used.
    pub(super) proxy: Result<Proxy, String>,
    /// The hosts that bypass it, in curl's format.
    pub(super) exempt: String,
}

impl Environment {
    pub(super) fn read() -> Option<Self> {
        // Under CGI, the client of the web server can set them.
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

    /// Whether a host bypasses the proxy.
    pub(super) fn is_exempt(&self, url: &Url) -> bool {
        let behind = Matcher::builder().https("http://proxy.invalid").no(&self.exempt).build();
        url.as_str().parse().is_ok_and(|url| behind.intercept(&url).is_none())
    }
}

/// The first variable that is set, and its name, unless it is empty.
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
