//! The configuration of a client: the school's address, the network, timeouts, retries and limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::address::{add_query, base_url, is_loopback, without_path};
use super::error::Error;
use super::network::{Cause, Network, Trace};
use super::retry::Policy;
use crate::api::{Call, InvalidArgument, Target, check};

/// The path of the API on a host. Documented.
const API_PATH: &str = "/api/public/v1";
/// The path of the sign-in pages and of the token endpoint. Documented.
const SIGN_IN_PATH: &str = "/api/public";

/// The first part of the user agent, unless the program has a name.
const USER_AGENT: &str = concat!("canvas-studio/", env!("CARGO_PKG_VERSION"));
/// The maximum length of a program's name.
const MAX_APP_NAME: usize = 200;

/// The defaults; times are in seconds.
pub const TIMEOUT: f64 = 120.0;
pub const CONNECT_TIMEOUT: f64 = 5.0;
pub const READ_TIMEOUT: f64 = 30.0;
pub const MAX_RETRIES: i64 = 2;
pub const RETRY_DELAY: f64 = 0.5;
pub const MAX_RETRY_WAIT: f64 = 60.0;
pub const MAX_CONCURRENCY: i64 = 16;
/// The maximum of `max_concurrency`: a list does not need more connections to one school.
const MOST_CONCURRENCY: i64 = 64;
pub const MAX_CONNECTIONS: i64 = 100;
/// The maximum of `max_connections`. Each connection is an open file, and many systems allow a process 1024.
const MOST_CONNECTIONS: i64 = 1000;

/// Options that may differ from call to call; `None` leaves the current value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// Seconds for the whole call with all retries; infinity means no limit.
    pub timeout: Option<f64>,
    pub connect_timeout: Option<f64>,
    /// Seconds without a byte from the server.
    pub read_timeout: Option<f64>,
    pub max_retries: Option<i64>,
    /// Seconds of back-off before the first retry.
    pub retry_delay: Option<f64>,
    /// The longest wait that a server may ask for, in seconds.
    pub max_retry_wait: Option<f64>,
    /// How many pages of one list are requested at once.
    pub max_concurrency: Option<i64>,
    /// How many requests run at once.
    pub max_connections: Option<i64>,
    /// How many requests may start per second; infinity means no limit.
    pub max_rate: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct Config {
    base: Url,
    network: Network,
    app_name: Option<String>,
    user_agent: String,
    pub timeout: Duration,
    connect_timeout: Duration,
    pub read_timeout: Duration,
    pub policy: Policy,
    pub max_concurrency: usize,
    pub max_connections: usize,
    pub max_rate: Option<f64>,
    /// Whether pages of a list are requested before the reader wants them.
    pub prefetches: bool,
}

impl Config {
    pub fn new(url: &str, network: Network, options: Options) -> Result<Self, InvalidArgument> {
        let defaults = Options {
            timeout: Some(TIMEOUT),
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            max_retries: Some(MAX_RETRIES),
            retry_delay: Some(RETRY_DELAY),
            max_retry_wait: Some(MAX_RETRY_WAIT),
            max_concurrency: Some(MAX_CONCURRENCY),
            max_connections: Some(MAX_CONNECTIONS),
            max_rate: None,
        };
        let base = base_url(url)?;
        network.check(&base)?;
        let config = Self {
            base,
            network,
            app_name: None,
            user_agent: USER_AGENT.to_owned(),
            timeout: Duration::ZERO,
            connect_timeout: Duration::ZERO,
            read_timeout: Duration::ZERO,
            policy: Policy { max_retries: 0, delay: Duration::ZERO, max_wait: Duration::ZERO },
            max_concurrency: 1,
            max_connections: 1,
            max_rate: None,
            prefetches: true,
        };
        config.with(defaults)?.with(options)
    }

    /// The same configuration for a program of this name, which runs on `platform`, such as `Python/3.11.9`. Both become
    /// part of the user agent.
    pub fn with_user_agent(mut self, app_name: Option<&str>, platform: &str) -> Result<Self, InvalidArgument> {
        self.app_name = app_name.map(checked_app_name).transpose()?;
        let first = self.app_name.as_ref().map_or_else(String::new, |name| format!("{name} "));
        self.user_agent = format!("{first}{USER_AGENT} {platform}");
        Ok(self)
    }

    pub fn app_name(&self) -> Option<&str> {
        self.app_name.as_deref()
    }

    /// The value of the `User-Agent` header.
    pub(super) fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// The same configuration with these options changed.
    pub fn with(&self, options: Options) -> Result<Self, InvalidArgument> {
        let mut config = self.clone();
        for (argument, given, setting) in [
            ("timeout", options.timeout, &mut config.timeout),
            ("connect_timeout", options.connect_timeout, &mut config.connect_timeout),
            ("read_timeout", options.read_timeout, &mut config.read_timeout),
        ] {
            if let Some(seconds) = given {
                *setting = duration(seconds).filter(|length| !length.is_zero()).ok_or_else(|| {
                    InvalidArgument::new(argument, format!("must be more than 0 seconds, not {seconds}"))
                })?;
            }
        }
        for (argument, given, setting) in [
            ("retry_delay", options.retry_delay, &mut config.policy.delay),
            ("max_retry_wait", options.max_retry_wait, &mut config.policy.max_wait),
        ] {
            if let Some(seconds) = given {
                *setting = duration(seconds).ok_or_else(|| {
                    InvalidArgument::new(argument, format!("must be 0 seconds or more, not {seconds}"))
                })?;
            }
        }
        if let Some(retries) = options.max_retries {
            if retries < 0 {
                return Err(InvalidArgument::new("max_retries", format!("must be 0 or more, not {retries}")));
            }
            config.policy.max_retries = u32::try_from(retries).unwrap_or(u32::MAX);
        }
        for (argument, given, most, setting) in [
            ("max_concurrency", options.max_concurrency, MOST_CONCURRENCY, &mut config.max_concurrency),
            ("max_connections", options.max_connections, MOST_CONNECTIONS, &mut config.max_connections),
        ] {
            if let Some(count) = given {
                if !(1..=most).contains(&count) {
                    return Err(InvalidArgument::new(argument, format!("must be from 1 to {most}, not {count}")));
                }
                *setting = usize::try_from(count).unwrap_or(1);
            }
        }
        if let Some(rate) = options.max_rate {
            if rate.is_nan() || rate <= 0.0 {
                let expected = format!("must be more than 0 requests a second, not {rate}");
                return Err(InvalidArgument::new("max_rate", expected));
            }
            config.max_rate = Some(rate).filter(|rate| rate.is_finite());
        }
        Ok(config)
    }

    /// The options of this configuration, to make another like it.
    pub fn options(&self) -> Options {
        Options {
            timeout: Some(self.timeout.as_secs_f64()),
            connect_timeout: Some(self.connect_timeout.as_secs_f64()),
            read_timeout: Some(self.read_timeout.as_secs_f64()),
            max_retries: Some(self.policy.max_retries.into()),
            retry_delay: Some(self.policy.delay.as_secs_f64()),
            max_retry_wait: Some(self.policy.max_wait.as_secs_f64()),
            max_concurrency: i64::try_from(self.max_concurrency).ok(),
            max_connections: i64::try_from(self.max_connections).ok(),
            max_rate: self.max_rate,
        }
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The connect timeout, never longer than the read timeout: so it is always known whether there was a connection on
    /// which a request could have been carried out.
    pub(super) fn time_to_connect(&self) -> Duration {
        self.connect_timeout.min(self.read_timeout)
    }

    /// The school's URL, without a path.
    pub fn url(&self) -> String {
        without_path(&self.base)
    }

    /// The same configuration, with connections that report to `trace`.
    pub(super) fn traced(&self, trace: Arc<Trace>) -> Self {
        Self { network: self.network.traced(trace), ..self.clone() }
    }

    /// The proxy that requests go through, without its password, and where it is set.
    pub fn proxy(&self) -> Result<Option<(String, &'static str)>, Error> {
        self.network.proxy_to(&self.base)
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The URL of a sign-in page or of the token endpoint.
    pub(super) fn sign_in_url(&self, path: &str, query: impl IntoIterator<Item = (&'static str, String)>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{SIGN_IN_PATH}{path}"));
        add_query(&mut url, query);
        url
    }

    /// The URL of a request.
    pub(super) fn url_for(&self, call: &Call) -> Url {
        let mut url = match &call.target {
            Target::Studio(path) => {
                let mut url = self.base.clone();
                let is_whole = path.starts_with("/api/");
                url.set_path(&if is_whole { path.clone() } else { format!("{API_PATH}{path}") });
                url
            }
            Target::SignIn(path) => self.sign_in_url(path, []),
            Target::Signed(url) => url.clone(),
        };
        add_query(&mut url, call.query.iter().map(|(name, value)| (name.as_ref(), value)));
        url
    }

    /// Applies the network settings to connections: to Studio, or to the hosts that it redirects to.
    pub(super) fn apply_network(
        &self,
        builder: reqwest::ClientBuilder,
        is_to_studio: bool,
    ) -> Result<reqwest::ClientBuilder, Error> {
        self.network.apply(builder, &self.base, is_to_studio)
    }

    /// Explains why there is no connection to a URL. `quoted` is the innermost cause.
    pub(super) fn cause(&self, url: &Url, error: &reqwest::Error, quoted: &str) -> Result<Cause, Error> {
        self.network.cause(&self.base, url, error, quoted)
    }

    /// Whether a redirect may lead to this URL: only https, except from this machine to itself. A school elsewhere must
    /// not choose what is requested from servers on this machine.
    pub(super) fn is_private(&self, url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url) && is_loopback(&self.base))
    }

    /// The secrets of the network settings.
    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        self.network.secrets()
    }
}

impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.url())
    }
}

/// A name that can be the start of a `User-Agent` header.
fn checked_app_name(name: &str) -> Result<String, InvalidArgument> {
    let name = name.trim();
    let is_plain = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if name.is_empty() || name.len() > MAX_APP_NAME || !is_plain {
        let name = check::cut(name);
        let expected = format!("must be 1 to {MAX_APP_NAME} ASCII characters, such as \"my-tool/1.2\", not {name:?}");
        return Err(InvalidArgument::new("app_name", expected));
    }
    Ok(name.to_owned())
}

/// A duration; `None` if the number is not one. Durations that are too long to represent become the longest.
pub(super) fn duration(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<Config, InvalidArgument> {
        Config::new(url, Network::default(), Options::default())
    }

    #[test]
    fn only_what_is_given_changes() {
        let config = config("myschool").unwrap();
        let changed = config.with(Options { read_timeout: Some(f64::INFINITY), ..Options::default() }).unwrap();
        assert_eq!((changed.timeout, changed.read_timeout), (config.timeout, Duration::MAX));
        for (options, argument) in [
            (Options { timeout: Some(0.0), ..Options::default() }, "timeout"),
            (Options { connect_timeout: Some(f64::NAN), ..Options::default() }, "connect_timeout"),
            (Options { read_timeout: Some(-1.0), ..Options::default() }, "read_timeout"),
            (Options { max_retries: Some(-1), ..Options::default() }, "max_retries"),
            (Options { retry_delay: Some(-0.1), ..Options::default() }, "retry_delay"),
            (Options { max_retry_wait: Some(f64::NAN), ..Options::default() }, "max_retry_wait"),
            (Options { max_concurrency: Some(0), ..Options::default() }, "max_concurrency"),
            (Options { max_concurrency: Some(65), ..Options::default() }, "max_concurrency"),
            (Options { max_connections: Some(0), ..Options::default() }, "max_connections"),
            (Options { max_connections: Some(1001), ..Options::default() }, "max_connections"),
            (Options { max_rate: Some(0.0), ..Options::default() }, "max_rate"),
            (Options { max_rate: Some(f64::NAN), ..Options::default() }, "max_rate"),
        ] {
            assert_eq!(config.with(options).unwrap_err().argument, argument);
        }
    }

    #[test]
    fn a_path_is_put_behind_the_api() {
        let call = Call::get("get_media", "/media/1").query("title", "a&b ü+c");
        let url = config("myschool").unwrap().url_for(&call);
        assert_eq!(
            url.as_str(),
            "https://myschool.instructuremedia.com/api/public/v1/media/1?title=a%26b%20%C3%BC%2Bc"
        );
    }
}
