//! The connection pools of a client: to Studio, and to the hosts that store the files.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};

use super::config::Config;
use super::error::Error;
use super::process::PerRuntime;
use crate::api::Target;

/// How many headers an answer may have; gateways add policies, cookies and traces. Over HTTP/2, their total length
/// counts.
const MAX_HEADERS: usize = 500;
const MAX_HEADER_BYTES: u32 = 256 << 10;
/// How long an idle connection is kept: less than the usual 60 s of load balancers, since a request on a connection
/// that they have closed is lost, and a POST is then not retried.
const IDLE: Duration = Duration::from_secs(50);
/// The minimum number of idle connections kept per host; `max_concurrency` if that is more. Others are closed: each is
/// an open file on both sides.
const IDLE_CONNECTIONS: usize = 16;

/// The connections of a client, shared with the clients that differ from it only in options.
#[derive(Debug, Default)]
pub(super) struct Connections {
    to_studio: PerRuntime<reqwest::Client>,
    /// Separate connections for signed URLs, so that nothing of Studio's can be sent along and bodies arrive unchanged.
    to_storage: PerRuntime<reqwest::Client>,
}

impl Connections {
    /// The connections to a target, for the current runtime.
    pub(super) fn to(&self, target: &Target, config: &Config) -> Result<Arc<reqwest::Client>, Error> {
        match target {
            Target::Studio(_) | Target::SignIn(_) => self.to_studio.here().get(|| to_studio(config)),
            Target::Signed(_) => self.to_storage.here().get(|| to_storage(config)),
        }
    }

    /// Drops the connections. Other clients that share them open new ones when needed.
    pub(super) fn clear(&self) {
        self.to_studio.clear();
        self.to_storage.clear();
    }
}

fn to_studio(config: &Config) -> Result<reqwest::Client, Error> {
    let accepted = [(header::ACCEPT, "application/json"), (header::ACCEPT_ENCODING, "gzip")];
    let headers = accepted.map(|(name, value)| (name, HeaderValue::from_static(value)));
    build(connections(config, true)?.default_headers(HeaderMap::from_iter(headers)))
}

fn to_storage(config: &Config) -> Result<reqwest::Client, Error> {
    let as_it_is = (header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    build(connections(config, false)?.default_headers(HeaderMap::from_iter([as_it_is])))
}

fn connections(config: &Config, are_to_studio: bool) -> Result<reqwest::ClientBuilder, Error> {
    config.apply_network(
        reqwest::Client::builder()
            .user_agent(config.user_agent())
            .connect_timeout(config.time_to_connect())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.max_concurrency.max(IDLE_CONNECTIONS))
            // As browsers and curl do: a malformed header is no reason to lose the answer.
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            // Redirects are followed by our own code, so that the token goes nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false),
        are_to_studio,
    )
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder.build().map_err(|error| Error::Setup(format!("no HTTP client could be made: {}", root_cause(&error))))
}

/// The innermost cause of an error, which has the details; it contains no URL.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
