//! Diagnoses step by step whether Studio can be reached: one request on a new connection, made as calls make theirs.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header;
use url::Url;

use super::error::Error;
use super::headers::header_text;
use super::network::Trace;
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
    /// What was found; of a failure, what a call says.
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

impl Client {
    /// Checks step by step whether Studio can be reached. The steps end with the first that fails, except that the clock
    /// is compared whenever an answer came. An error means that the settings are wrong, so that nothing was tried.
    pub async fn diagnose(&self) -> Result<Vec<Step>, Error> {
        let proxy = self.config.proxy()?;
        let trace = Arc::new(Trace::default());
        let client = self.traced(Arc::clone(&trace));
        let (request, token, nothing) = (ping(), NO_TOKEN.to_owned().into(), Source::default());
        let context = client.context(&request.call);
        let begun = Instant::now();
        let mut clock = None;
        let mut version = String::new();
        let answered = self.until_closed(async {
            let (response, sending) = match client.send_once(&context, Some(&token), &nothing).await {
                Ok(answer) => answer,
                Err(failure) => return Ok(Err(failure)),
            };
            clock = clock_step(header_text(response.headers(), header::DATE.as_str()).as_deref());
            version = format!("{:?}", response.version());
            let read = async {
                let (response, sending) = client.successful(&context, response, sending).await?;
                client.whole_answer(&context, response, sending).await
            };
            Ok(read.await)
        });
        let answered = answered.await?;
        let ended = Instant::now();
        let seen = trace.seen();
        let school = self.config.base();
        let is_secured = school.scheme() == "https";
        let (end, what) = match &proxy {
            Some((url, source)) => (Url::parse(url).ok(), format!(" of the proxy ({})", origin(source))),
            None => (Some(school.clone()), String::new()),
        };
        let end = end.as_ref().unwrap_or(school);
        let (host, port) = (end.host_str().unwrap_or_default(), end.port_or_known_default().unwrap_or_default());
        let at = if proxy.is_some() { "proxy" } else { "connection" };
        // Without a connection, nothing was sent; after it, the server may have got the request.
        let missing = match &answered {
            Err(failure) if matches!(failure.outcome, Outcome::NotProcessed | Outcome::Final) && version.is_empty() => {
                Some(&failure.error)
            }
            _ => None,
        };

        let mut steps = Vec::new();
        let addresses = match &seen.resolved {
            Some((found, at)) => {
                let also = if proxy.is_some() { "; it resolves the school's name" } else { "" };
                let shown = listed(found);
                steps.push(Step::ok("DNS", format!("{host}{what} is {shown}{also}"), Some(at.duration_since(begun))));
                *at
            }
            None if !matches!(end.host(), Some(url::Host::Domain(_))) => {
                steps.push(Step::ok("DNS", format!("{host}{what} is an address, which needs no name"), None));
                begun
            }
            None => {
                if let Some(error) = missing {
                    return Ok(vec![Step::failed("DNS", error)]);
                }
                begun
            }
        };
        // A proxy that speaks TLS has a handshake before that of the server.
        let before = usize::from(is_secured && proxy.is_some() && end.scheme() == "https");
        let to_server = seen.handshakes.get(before);
        let is_rejected = |index: usize| {
            seen.handshakes
                .get(index)
                .and_then(|each| each.certificate.as_ref())
                .is_some_and(|(found, _)| found.is_err())
        };
        if let Some(error) = missing
            && to_server.is_none()
        {
            let name = if before == 1 && is_rejected(0) { "certificate" } else { at };
            steps.push(Step::failed(name, error));
            return Ok(steps);
        }
        let connected = to_server.map(|handshake| handshake.begun);
        let detail = format!("{host}, port {port}{what}, answers");
        steps.push(Step::ok(at, detail, connected.map(|connected| connected.duration_since(addresses))));
        let mut secured = None;
        if is_secured {
            match to_server.and_then(|handshake| Some((handshake, handshake.certificate.as_ref()?))) {
                Some((handshake, (Ok(detail), verified))) => {
                    let took = verified.duration_since(handshake.begun);
                    steps.push(Step::ok("certificate", detail.clone(), Some(took)));
                    secured = Some(*verified);
                }
                Some((_, (Err(()), _))) if missing.is_some() => {
                    steps.extend(missing.map(|error| Step::failed("certificate", error)));
                    return Ok(steps);
                }
                _ => {}
            }
            if let Some(error) = missing {
                steps.push(Step::failed("TLS", error));
                return Ok(steps);
            }
        }
        let took = Some(ended.duration_since(secured.unwrap_or(addresses)));
        let answered = match answered {
            Ok((answer, _)) => client.read(&request, &answer).map(drop),
            Err(failure) if matches!(failure.outcome, Outcome::Status(401, _)) => Ok(()),
            Err(failure) => Err(failure.error),
        };
        steps.push(match answered {
            Ok(()) => Step::ok("API", format!("Studio answers ({version})"), took),
            Err(error) => Step::failed("API", &error),
        });
        steps.extend(clock);
        Ok(steps)
    }
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
fn clock_step(date: Option<&str>) -> Option<Step> {
    let told = httpdate::parse_http_date(date?).ok()? + Duration::from_millis(500);
    let (ahead, behind) = (SystemTime::now().duration_since(told), told.duration_since(SystemTime::now()));
    let (seconds, side) = match (ahead, behind) {
        (Ok(ahead), _) => (ahead.as_secs_f64(), "ahead of"),
        (_, Ok(behind)) => (behind.as_secs_f64(), "behind"),
        _ => (0.0, "ahead of"),
    };
    let (state, detail) = if seconds <= HARMLESS {
        ("ok", format!("within {:.0} s of Studio's", seconds.max(1.0)))
    } else {
        let why = "certificates and tokens may look expired or not yet valid";
        ("note", format!("this machine is {seconds:.0} s {side} Studio: {why}"))
    };
    Some(Step { name: "clock", state, detail, seconds: None })
}
