//! Diagnoses step by step whether Studio can be reached: one request on a new connection, made as calls make theirs.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header;
use url::{Host, Url};

use super::error::Error;
use super::failure::Failure;
use super::headers::header_text;
use super::network::{Handshake, Seen, Trace};
use super::retry::Outcome;
use super::send::Client;
use super::sending::Source;
use crate::api::ping::ping;

/// The token that is sent. Studio answers an invalid token with 401 (documented), so then it is reached.
const NO_TOKEN: &str = "no-token";
/// Access tokens are refreshed up to this long before they expire, so a smaller clock error does no harm. In seconds.
const HARMLESS: f64 = 60.0;

/// One step of a diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `DNS`, `connection` or `proxy`, `TLS`, `certificate`, `API`, `clock`.
    pub name: &'static str,
    /// `ok`, `failed`, or `note`, which is neither.
    pub state: &'static str,
    /// What was found. For a failure, the message of the error that a call raises.
    pub detail: String,
    /// How long it took, where that can be told from the step before and after it.
    pub seconds: Option<f64>,
}

impl Step {
    fn ok(name: &'static str, detail: String, took: Option<Duration>) -> Self {
        Self { name, state: "ok", detail, seconds: took.map(|took| took.as_secs_f64()) }
    }

    fn failed(name: &'static str, error: &Error) -> Self {
        Self { name, state: "failed", detail: error.to_string(), seconds: None }
    }
}

/// What came of the request.
struct Traced {
    /// How far the connection came.
    seen: Seen,
    begun: Instant,
    ended: Instant,
    /// How Studio answered, or why there was no connection.
    answered: Result<Answered, Error>,
}

/// An answer: what it means, and the clock that it names.
struct Answered {
    api: Result<String, Error>,
    clock: Option<Step>,
}

/// The end of the connection that this machine makes: the school, or the proxy.
struct End {
    url: Url,
    /// Where the proxy is set, if it is one.
    proxy: Option<&'static str>,
    /// Whether the school speaks TLS.
    is_secured: bool,
}

impl Client {
    /// Checks step by step whether Studio can be reached. The steps end with the first that fails, but the clock is
    /// compared whenever an answer came. An error means that the settings are wrong, and nothing was tried.
    pub async fn diagnose(&self) -> Result<Vec<Step>, Error> {
        let school = self.config.base();
        let is_secured = school.scheme() == "https";
        let end = match self.config.proxy()? {
            Some((url, source)) => {
                let url = Url::parse(&url).map_err(|error| Error::Setup(error.to_string()))?;
                End { url, proxy: Some(source), is_secured }
            }
            None => End { url: school.clone(), proxy: None, is_secured },
        };
        Ok(steps(self.until_closed(self.ping_once()).await?, &end))
    }

    /// Sends one ping on a connection of its own.
    async fn ping_once(&self) -> Result<Traced, Error> {
        let trace = Arc::new(Trace::default());
        let client = self.traced(Arc::clone(&trace));
        let (request, token, nothing) = (ping(), NO_TOKEN.to_owned().into(), Source::default());
        let context = client.context(&request.call);
        let begun = Instant::now();
        let answered = match client.send_once(&context, Some(&token), &nothing).await {
            // There was no connection; otherwise the server may have got the request.
            Err(Failure { outcome: Outcome::NotProcessed | Outcome::Final, error }) => Err(error),
            Err(failure) => Ok(Answered { api: Err(failure.error), clock: None }),
            Ok((response, sending)) => {
                let clock = clock(header_text(response.headers(), header::DATE.as_str()).as_deref());
                let version = format!("Studio answers ({:?})", response.version());
                let read = async {
                    let (response, sending) = client.successful(&context, response, sending).await?;
                    client.whole_answer(&context, response, sending).await
                };
                let api = match read.await {
                    Ok((answer, _)) => client.read(&request, &answer).map(|_| version),
                    Err(Failure { outcome: Outcome::Status(401, _), .. }) => Ok(version),
                    Err(failure) => Err(failure.error),
                };
                Ok(Answered { api, clock })
            }
        };
        Ok(Traced { seen: trace.seen(), begun, ended: Instant::now(), answered })
    }
}

/// The steps that were seen, up to the first that failed.
fn steps(traced: Traced, end: &End) -> Vec<Step> {
    let Traced { seen, begun, ended, answered } = traced;
    let what = end.proxy.map_or_else(String::new, |source| format!(" of the proxy ({})", origin(source)));
    let host = end.url.host_str().unwrap_or_default();
    let mut steps = Vec::new();
    let found = match &seen.resolved {
        Some((addresses, at)) => {
            let also = if end.proxy.is_some() { "; it resolves the school's name" } else { "" };
            let detail = format!("{host}{what} is {}{also}", listed(addresses));
            steps.push(Step::ok("DNS", detail, Some(at.duration_since(begun))));
            *at
        }
        None => match &answered {
            Err(error) if matches!(end.url.host(), Some(Host::Domain(_))) => return vec![Step::failed("DNS", error)],
            _ => {
                steps.push(Step::ok("DNS", format!("{host}{what} is an address, which needs no name"), None));
                begun
            }
        },
    };
    // A proxy that speaks TLS has a handshake before that of the server.
    let is_proxy_secured = end.is_secured && end.proxy.is_some() && end.url.scheme() == "https";
    let handshake = seen.handshakes.get(usize::from(is_proxy_secured));
    let at = if end.proxy.is_some() { "proxy" } else { "connection" };
    if let (Err(error), None) = (&answered, handshake) {
        let is_rejected = seen.handshakes.first().is_some_and(Handshake::is_rejected);
        steps.push(Step::failed(if is_rejected { "certificate" } else { at }, error));
        return steps;
    }
    let port = end.url.port_or_known_default().unwrap_or_default();
    let took = handshake.map(|handshake| handshake.begun.duration_since(found));
    steps.push(Step::ok(at, format!("{host}, port {port}{what}, answers"), took));
    let mut before = found;
    if let Some(Handshake { begun, certificate: Some((Ok(detail), verified)) }) = handshake {
        steps.push(Step::ok("certificate", detail.clone(), Some(verified.duration_since(*begun))));
        before = *verified;
    }
    match answered {
        Err(error) => {
            let is_rejected = handshake.is_some_and(Handshake::is_rejected);
            steps.push(Step::failed(if is_rejected { "certificate" } else { "TLS" }, &error));
        }
        Ok(Answered { api, clock }) => {
            steps.push(match api {
                Ok(detail) => Step::ok("API", detail, Some(ended.duration_since(before))),
                Err(error) => Step::failed("API", &error),
            });
            steps.extend(clock);
        }
    }
    steps
}

/// Where a proxy is set, for users of the command line.
fn origin(source: &'static str) -> &'static str {
    if source == "proxy=" { "given" } else { source }
}

fn listed(found: &[impl Display + PartialEq]) -> String {
    let mut shown: Vec<String> = Vec::new();
    for each in found {
        let each = each.to_string();
        if !shown.contains(&each) {
            shown.push(each);
        }
    }
    shown.join(", ")
}

/// Compares the clocks, if the answer has a date. The server names a second, so its middle is taken.
fn clock(date: Option<&str>) -> Option<Step> {
    let told = httpdate::parse_http_date(date?).ok()? + Duration::from_millis(500);
    let (off, side) = match SystemTime::now().duration_since(told) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let seconds = off.as_secs_f64();
    let (state, detail) = if seconds <= HARMLESS {
        ("ok", format!("within {:.0} s of Studio's", seconds.max(1.0)))
    } else {
        let why = "certificates and tokens may look expired or not yet valid";
        ("note", format!("this machine is {seconds:.0} s {side} Studio: {why}"))
    };
    Some(Step { name: "clock", state, detail, seconds: None })
}
