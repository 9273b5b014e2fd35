//! Injected faults: which requests they affect, when, and what they do to the answer, which `server` carries out.

use std::collections::BTreeMap;
use std::time::Instant;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The most media that appear or vanish during one request.
const MOST_AT_ONCE: u32 = 10_000;

/// One of the two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Host {
    Api,
    Storage,
}

/// When a connection is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reset {
    /// Before the request is processed.
    Before,
    /// After the request is processed, without an answer.
    After,
    /// After the request is processed, in the middle of the answer.
    Body,
    /// In the middle of the body of the request.
    Request,
}

/// A fault as its user describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are what its user may set")]
pub(crate) struct Fault {
    method: Option<String>,
    path: Option<String>,
    host: Option<Host>,
    after: u64,
    times: Option<u64>,
    probability: f64,
    seed: u64,
    delay: Option<f64>,
    status: Option<u16>,
    carried_out: bool,
    body: Option<Json>,
    headers: Option<BTreeMap<String, String>>,
    retry_after: Option<f64>,
    retry_after_date: bool,
    reset: Option<Reset>,
    truncate: bool,
    html: bool,
    malformed: bool,
    throttle: Option<f64>,
    burst: Option<f64>,
    revoke: bool,
    fail_transcoding: bool,
    appear: u32,
    vanish: u32,
    bandwidth: Option<f64>,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            method: None,
            path: None,
            host: None,
            after: 0,
            times: None,
            probability: 1.0,
            seed: 0,
            delay: None,
            status: None,
            carried_out: false,
            body: None,
            headers: None,
            retry_after: None,
            retry_after_date: false,
            reset: None,
            truncate: false,
            html: false,
            malformed: false,
            throttle: None,
            burst: None,
            revoke: false,
            fail_transcoding: false,
            appear: 0,
            vanish: 0,
            bandwidth: None,
        }
    }
}

impl Fault {
    /// Checks the fields; an error names the field and what was expected.
    pub(crate) fn check(&self) -> Result<(), String> {
        let positive = |name: &str, value: Option<f64>| match value {
            Some(value) if !(value.is_finite() && value > 0.0) => {
                Err(format!("{name}: expected a number above 0, not {value}"))
            }
            _ => Ok(()),
        };
        for (name, value) in [("delay", self.delay), ("retry_after", self.retry_after)] {
            if value.is_some_and(|value| !(0.0..=86_400.0).contains(&value)) {
                return Err(format!("{name}: expected seconds from 0 to 86400"));
            }
        }
        positive("throttle", self.throttle)?;
        if self.burst.is_some_and(|burst| !(burst.is_finite() && burst >= 1.0)) {
            return Err("burst: expected at least 1".into());
        }
        positive("bandwidth", self.bandwidth)?;
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("probability: expected a number from 0 to 1, not {}", self.probability));
        }
        if self.appear.max(self.vanish) > MOST_AT_ONCE {
            return Err(format!("appear, vanish: expected at most {MOST_AT_ONCE}"));
        }
        if i64::try_from(self.seed).is_err() {
            return Err(format!("seed: expected at most {}", i64::MAX));
        }
        if self.times == Some(0) {
            return Err("times: expected at least 1, not 0".into());
        }
        if self
            .method
            .as_deref()
            .is_some_and(|method| method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic()))
        {
            return Err("method: expected one of HTTP, such as GET".into());
        }
        if self.path.as_deref().is_some_and(|path| !path.starts_with(['/', '*']) || path.starts_with("/api/")) {
            return Err("path: expected what follows /api/public, such as /v1/media/*".into());
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("status: expected a status from 200 to 599".into());
        }
        for (name, value) in self.headers.iter().flatten() {
            let valid =
                http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
            if !valid {
                return Err(format!("headers: {name:?} with {value:?} is no header"));
            }
        }
        if self.throttle.is_none() && self.burst.is_some() {
            return Err("burst: means something only with throttle".into());
        }
        if self.retry_after_date && self.retry_after.is_none() && self.throttle.is_none() {
            return Err("retry_after_date: means something only with retry_after or throttle".into());
        }
        if self.status.is_none()
            && self.throttle.is_none()
            && (self.body.is_some() || self.headers.is_some() || self.retry_after.is_some() || self.retry_after_date)
        {
            return Err("body, headers and retry_after: mean something only with status or throttle".into());
        }
        if self.status.is_none() && self.carried_out {
            return Err("carried_out: means something only with status".into());
        }
        let answers = [
            self.status.is_some() || self.throttle.is_some(),
            self.reset.is_some(),
            self.truncate,
            self.html,
            self.malformed,
        ];
        match answers.iter().filter(|&&answer| answer).count() {
            0 if !self.does_more() => Err("a fault does something: give status, reset, delay or another".into()),
            0 | 1 => Ok(()),
            _ => Err("status or throttle, reset, truncate, html and malformed exclude each other".into()),
        }
    }

    /// Whether it has an effect besides its outcome.
    fn does_more(&self) -> bool {
        self.delay.is_some()
            || self.revoke
            || self.fail_transcoding
            || self.appear > 0
            || self.vanish > 0
            || self.bandwidth.is_some()
    }

    fn concerns(&self, host: Host, method: &str, path: &str) -> bool {
        self.host.is_none_or(|wanted| wanted == host)
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|wanted| glob(wanted, path))
    }

    /// The outcome of the request.
    fn outcome(&self, cut: f64, wait: Option<f64>) -> Outcome {
        if self.status.is_some() || self.throttle.is_some() {
            return Outcome::Replacement(Box::new(Replacement {
                status: self.status.unwrap_or(429),
                body: self.body.clone(),
                headers: self.headers.clone().unwrap_or_default(),
                retry_after: self.retry_after.or(wait),
                as_date: self.retry_after_date,
                carried_out: self.carried_out,
            }));
        }
        match self.reset {
            Some(Reset::Before) => Outcome::ResetBefore,
            Some(Reset::After) => Outcome::ResetAfter,
            Some(Reset::Body) => Outcome::ResetBody(cut),
            Some(Reset::Request) => Outcome::ResetRequest(cut),
            None if self.truncate => Outcome::Truncated(cut),
            None if self.html => Outcome::Html,
            None if self.malformed => Outcome::Malformed(cut),
            None => Outcome::Untouched,
        }
    }
}

/// An answer in place of the real one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Replacement {
    pub(crate) status: u16,
    pub(crate) body: Option<Json>,
    pub(crate) headers: BTreeMap<String, String>,
    /// Seconds.
    pub(crate) retry_after: Option<f64>,
    pub(crate) as_date: bool,
    /// Whether the request is carried out before.
    pub(crate) carried_out: bool,
}

/// What happens to an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Outcome {
    #[default]
    Untouched,
    Replacement(Box<Replacement>),
    ResetBefore,
    ResetAfter,
    /// Reset after this part of the body.
    ResetBody(f64),
    /// Reset after this part of the body of the request.
    ResetRequest(f64),
    Truncated(f64),
    Html,
    Malformed(f64),
}

/// The faults that apply to one request, combined.
#[derive(Debug, Clone)]
pub(crate) struct ActiveFaults {
    /// The fault that decided the outcome, or else the last one that applied.
    pub(crate) fault: Option<u64>,
    pub(crate) outcome: Outcome,
    /// Seconds.
    pub(crate) delay: f64,
    pub(crate) revoke: bool,
    pub(crate) fail_transcoding: bool,
    pub(crate) appear: u32,
    pub(crate) vanish: u32,
    /// Bytes per second.
    pub(crate) bandwidth: Option<f64>,
    /// For random choices.
    pub(crate) dice: Rng,
}

#[derive(Debug)]
struct Installed {
    id: u64,
    fault: Fault,
    seen: u64,
    hits: u64,
    rng: Rng,
    /// The rest of the budget, and when it was computed.
    budget: Option<(f64, Instant)>,
}

/// The faults of a sandbox.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    installed: Vec<Installed>,
    last_id: u64,
}

impl Faults {
    /// Adds a checked fault, and returns its id.
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        let rng = Rng::with_seed(fault.seed);
        self.installed.push(Installed { id: self.last_id, fault, seen: 0, hits: 0, rng, budget: None });
        self.last_id
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.installed.len();
        self.installed.retain(|installed| installed.id != id);
        self.installed.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.installed.clear();
    }

    /// How often a fault was applied.
    pub(crate) fn hits(&self, id: u64) -> Option<u64> {
        self.installed.iter().find(|installed| installed.id == id).map(|installed| installed.hits)
    }

    /// Combines the faults that apply to this request. The first fault with an outcome decides it.
    pub(crate) fn next_fault(&mut self, host: Host, method: &str, path: &str, now: Instant) -> ActiveFaults {
        let mut active_faults = ActiveFaults {
            fault: None,
            outcome: Outcome::Untouched,
            delay: 0.0,
            revoke: false,
            fail_transcoding: false,
            appear: 0,
            vanish: 0,
            bandwidth: None,
            dice: Rng::with_seed(0),
        };
        for installed in &mut self.installed {
            let fault = &installed.fault;
            if !fault.concerns(host, method, path) {
                continue;
            }
            installed.seen += 1;
            // Drawn for every matching request, so that the draws do not depend on the other faults.
            let (chance, cut, dice) = (installed.rng.f64(), installed.rng.f64(), installed.rng.fork());
            if installed.seen <= fault.after
                || fault.times.is_some_and(|times| installed.hits >= times)
                || chance >= fault.probability
            {
                continue;
            }
            let wait = match fault.throttle {
                None => None,
                Some(rate) => match spend(&mut installed.budget, rate, fault.burst.unwrap_or(rate.max(1.0)), now) {
                    None => continue,
                    wait => wait,
                },
            };
            let outcome = fault.outcome(cut, wait);
            let decided = active_faults.outcome != Outcome::Untouched;
            match (decided, outcome) {
                // The outcome is decided, and this fault has no other effect.
                (true, outcome) if outcome != Outcome::Untouched && !fault.does_more() => continue,
                (true, _) => {}
                (false, outcome) => {
                    active_faults.outcome = outcome;
                    active_faults.fault = Some(installed.id);
                }
            }
            installed.hits += 1;
            active_faults.dice = dice;
            active_faults.delay += fault.delay.unwrap_or(0.0);
            active_faults.revoke |= fault.revoke;
            active_faults.fail_transcoding |= fault.fail_transcoding;
            active_faults.appear = active_faults.appear.saturating_add(fault.appear);
            active_faults.vanish = active_faults.vanish.saturating_add(fault.vanish);
            active_faults.bandwidth = fault.bandwidth.or(active_faults.bandwidth);
        }
        active_faults
    }
}

/// Takes one request from a budget that refills by `rate` per second; if it is empty, returns the seconds to wait.
fn spend(budget: &mut Option<(f64, Instant)>, rate: f64, burst: f64, now: Instant) -> Option<f64> {
    let (left, since) = budget.unwrap_or((burst, now));
    let left = now.saturating_duration_since(since).as_secs_f64().mul_add(rate, left).min(burst);
    if left >= 1.0 {
        *budget = Some((left - 1.0, now));
        None
    } else {
        *budget = Some((left, now));
        Some((1.0 - left) / rate)
    }
}

/// Whether a pattern matches a path; `*` matches anything, slashes included.
fn glob(pattern: &str, path: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(mut path) = path.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = path.split_once(part) else { return false };
        path = after;
    }
    path.ends_with(last)
}

/// Faults as servers and networks have them. A retry fixes each of them; only requests that are safe to retry are
/// affected: `GET`, and the `PUT` of a file.
pub(crate) fn chaos(seed: u64) -> Vec<Fault> {
    let status = |status, probability| Fault { status: Some(status), probability, ..Fault::default() };
    let html: Json = "<html><body><h1>502 Bad Gateway</h1></body></html>".into();
    let html_headers = BTreeMap::from([("content-type".to_owned(), "text/html".to_owned())]);
    let faults = vec![
        Fault { retry_after: Some(0.0), ..status(429, 0.02) },
        Fault { retry_after: Some(1.0), times: Some(2), ..status(429, 0.01) },
        Fault { retry_after: Some(1.0), retry_after_date: true, times: Some(2), ..status(429, 0.01) },
        status(500, 0.01),
        Fault { body: Some(html), headers: Some(html_headers), ..status(502, 0.01) },
        Fault { retry_after: Some(0.0), ..status(503, 0.01) },
        status(504, 0.01),
        Fault { reset: Some(Reset::Before), probability: 0.02, ..Fault::default() },
        Fault { reset: Some(Reset::After), probability: 0.01, ..Fault::default() },
        Fault { reset: Some(Reset::Body), probability: 0.02, ..Fault::default() },
        Fault { truncate: true, probability: 0.02, ..Fault::default() },
        Fault { delay: Some(0.02), probability: 0.05, ..Fault::default() },
    ];
    let get = |fault: Fault| Fault { method: Some("GET".into()), ..fault };
    let put = |fault: Fault| Fault { method: Some("PUT".into()), host: Some(Host::Storage), ..fault };
    let reset = |reset, probability| Fault { reset: Some(reset), probability, ..Fault::default() };
    let faults = faults.into_iter().map(get).chain([
        put(status(500, 0.02)),
        put(Fault { retry_after: Some(0.0), ..status(503, 0.03) }),
        put(reset(Reset::Before, 0.02)),
        put(reset(Reset::After, 0.02)),
        put(reset(Reset::Request, 0.03)),
    ]);
    // Halved, since a seed must fit into a signed integer.
    let own = |number: u64| seed.wrapping_mul(1_000).wrapping_add(number) >> 1;
    (0..).zip(faults).map(|(number, fault)| Fault { seed: own(2 * number), ..fault }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn strikes(fault: Fault, requests: usize) -> Vec<bool> {
        let mut faults = Faults::default();
        faults.add(fault);
        let now = Instant::now();
        (0..requests).map(|_| faults.next_fault(Host::Api, "GET", "/v1/media/1", now).fault.is_some()).collect()
    }

    #[test]
    fn a_pattern_fits_as_it_reads() {
        assert!(glob("/v1/media/*", "/v1/media/7/download"));
        assert!(glob("/v1/*/archive", "/v1/media/7/archive"));
        assert!(glob("*", "/v1/media"));
        assert!(glob("/v1/media/search", "/v1/media/search"));
        assert!(!glob("/v1/media/*", "/v1/collections/7"));
        assert!(!glob("/v1/*/archive", "/v1/media/7"));
        assert!(!glob("/v1/*/a*/b", "/v1/x/b"));
    }

    #[test]
    fn it_strikes_after_so_many_and_so_often() {
        let fault = Fault { status: Some(503), after: 1, times: Some(2), ..Fault::default() };
        assert_eq!(strikes(fault, 5), [false, true, true, false, false]);
    }

    #[test]
    fn a_probability_with_the_same_seed_strikes_the_same_requests() {
        let fault = |seed| Fault { status: Some(503), probability: 0.3, seed, ..Fault::default() };
        assert_eq!(strikes(fault(7), 200), strikes(fault(7), 200));
        assert_ne!(strikes(fault(7), 200), strikes(fault(8), 200));
        let hits = strikes(fault(7), 2_000).into_iter().filter(|hits| *hits).count();
        assert!((500..700).contains(&hits), "{hits}");
    }

    #[test]
    fn a_budget_lets_through_what_it_holds_and_says_when_there_is_more() {
        let mut faults = Faults::default();
        faults.add(Fault { throttle: Some(2.0), burst: Some(3.0), ..Fault::default() });
        let start = Instant::now();
        let mut wait =
            |after| match faults.next_fault(Host::Api, "GET", "/", start + Duration::from_millis(after)).outcome {
                Outcome::Replacement(replacement) => replacement.retry_after,
                _ => None,
            };
        assert_eq!([wait(0), wait(0), wait(0)], [None; 3]);
        assert_eq!(wait(0), Some(0.5));
        assert_eq!(wait(250), Some(0.25));
        assert_eq!(wait(500), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |fault: Fault| fault.check().unwrap_err();
        assert!(refused(Fault::default()).contains("does something"));
        assert!(refused(Fault { delay: Some(-1.0), ..Fault::default() }).contains("delay"));
        assert!(refused(Fault { status: Some(7), ..Fault::default() }).contains("status"));
        assert!(refused(Fault { html: true, truncate: true, ..Fault::default() }).contains("exclude"));
        assert!(refused(Fault { html: true, retry_after: Some(1.0), ..Fault::default() }).contains("retry_after"));
        assert!(refused(Fault { delay: Some(f64::NAN), ..Fault::default() }).contains("delay"));
    }

    #[test]
    fn every_fault_of_the_preset_makes_sense() {
        assert!(chaos(7).iter().all(|fault| fault.check().is_ok()));
        assert_ne!(chaos(7), chaos(8));
    }
}
