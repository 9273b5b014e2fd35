//! Decides whether and when a failed request is sent again: a pure function.

use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::api::RetrySafety;

/// The longest back-off that the client chooses itself.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// How often requests are retried, and how long the client waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    pub max_retries: u32,
    /// The back-off before the first retry; it doubles with each.
    pub delay: Duration,
    /// The longest wait that a server may ask for.
    pub max_wait: Duration,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Nothing was carried out: there was no connection, or the body was not sent to its end.
    NotProcessed,
    /// The connection broke or the server was silent for too long; it may have carried the request out.
    Interrupted,
    /// An answer came, but its body is damaged: it does not decompress.
    Damaged,
    /// The server answered with this status, and perhaps with `Retry-After`.
    Status(u16, Option<Duration>),
    /// A retry would give the same result.
    Final,
}

impl Outcome {
    /// Whether the server had no time for the request, and did not carry it out.
    pub fn is_throttled(self) -> bool {
        matches!(self, Self::Status(429, _) | Self::Status(503, Some(_)))
    }

    /// Whether the request may have been carried out although it failed.
    pub fn is_unclear(self) -> bool {
        match self {
            Self::NotProcessed | Self::Final => false,
            Self::Interrupted | Self::Damaged => true,
            Self::Status(status, _) => (status == 408 || status >= 500) && !self.is_throttled(),
        }
    }

    /// The same failure of a request whose body was not sent whole: nothing was carried out.
    #[must_use]
    pub fn without_whole_body(self) -> Self {
        if self.is_unclear() && self.is_temporary() { Self::NotProcessed } else { self }
    }

    /// Whether a retry may give another result.
    fn is_temporary(self) -> bool {
        match self {
            Self::NotProcessed | Self::Interrupted | Self::Damaged => true,
            Self::Status(status, _) => self.is_throttled() || matches!(status, 408 | 500 | 502 | 503 | 504),
            Self::Final => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// Retry after this time.
    Wait(Duration),
    GiveUp(GiveUp),
}

/// Why a request is not retried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GiveUp {
    /// A retry would give the same result, or could make a change twice.
    NotRepeatable,
    NoRetriesLeft,
    /// The server asks for a longer wait than `max_retry_wait`.
    WaitTooLong,
    /// The wait would exceed the call's timeout.
    NoTimeLeft,
}

/// Decides from the number of retries so far, the time left in total, and a random number from 0 to 1 that spreads
/// clients.
pub fn decide(
    policy: &Policy,
    safety: RetrySafety,
    outcome: Outcome,
    retries: u32,
    remaining: Option<Duration>,
    chance: f64,
) -> Decision {
    if !outcome.is_temporary() || (outcome.is_unclear() && safety == RetrySafety::OnlyIfNotProcessed) {
        return Decision::GiveUp(GiveUp::NotRepeatable);
    }
    if retries >= policy.max_retries {
        return Decision::GiveUp(GiveUp::NoRetriesLeft);
    }
    let wait = match outcome {
        Outcome::Status(_, Some(asked_for)) if asked_for > policy.max_wait => {
            return Decision::GiveUp(GiveUp::WaitTooLong);
        }
        Outcome::Status(_, Some(asked_for)) => asked_for,
        _ => policy.delay.saturating_mul(1 << retries.min(16)).min(MAX_BACKOFF).mul_f64(chance.clamp(0.0, 1.0)),
    };
    if remaining.is_some_and(|remaining| wait >= remaining) {
        return Decision::GiveUp(GiveUp::NoTimeLeft);
    }
    Decision::Wait(wait)
}

/// Reads the `Retry-After` header: seconds, or an HTTP date, which is relative to the server's own `Date`. A malformed
/// value counts as missing.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let header = text(RETRY_AFTER)?;
    if header.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let seconds = header.parse().ok()?;
        return Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let now = text(DATE).and_then(moment).unwrap_or_else(SystemTime::now);
    // A date in the past means: now.
    Some(moment(header)?.duration_since(now).unwrap_or(Duration::ZERO))
}

/// A date in one of HTTP's three formats, or in that of e-mail.
fn moment(text: &str) -> Option<SystemTime> {
    let read = httpdate::parse_http_date(text).ok();
    read.or_else(|| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().into()))
}

#[cfg(test)]
mod tests {
    use super::Decision::Wait;
    use super::GiveUp::{NoRetriesLeft, NoTimeLeft, NotRepeatable, WaitTooLong};
    use super::*;

    const POLICY: Policy =
        Policy { max_retries: 2, delay: Duration::from_millis(500), max_wait: Duration::from_secs(60) };

    #[expect(clippy::unnecessary_wraps, reason = "as the table needs it")]
    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_repeated_is_this_table() {
        let half = Wait(Duration::from_millis(500));
        let never = Decision::GiveUp(NotRepeatable);
        let too_long = Decision::GiveUp(WaitTooLong);
        let table: &[(Outcome, Decision, Decision)] = &[
            // outcome                              GET      POST, DELETE
            (Outcome::NotProcessed, half, half),
            (Outcome::Interrupted, half, never),
            (Outcome::Damaged, half, never),
            (Outcome::Final, never, never),
            (Outcome::Status(400, None), never, never),
            (Outcome::Status(401, None), never, never),
            (Outcome::Status(403, None), never, never),
            (Outcome::Status(404, None), never, never),
            (Outcome::Status(408, None), half, never),
            (Outcome::Status(409, None), never, never),
            (Outcome::Status(422, None), never, never),
            (Outcome::Status(429, None), half, half),
            (Outcome::Status(429, seconds(3)), Wait(Duration::from_secs(3)), Wait(Duration::from_secs(3))),
            (Outcome::Status(429, seconds(61)), too_long, too_long),
            (Outcome::Status(500, None), half, never),
            (Outcome::Status(501, None), never, never),
            (Outcome::Status(502, None), half, never),
            (Outcome::Status(503, None), half, never),
            (Outcome::Status(503, seconds(3)), Wait(Duration::from_secs(3)), Wait(Duration::from_secs(3))),
            (Outcome::Status(504, None), half, never),
            (Outcome::Status(504, seconds(3)), Wait(Duration::from_secs(3)), never),
        ];
        for (outcome, safe, unsafe_) in table {
            assert_eq!(decide(&POLICY, RetrySafety::Always, *outcome, 0, None, 1.0), *safe, "GET {outcome:?}");
            assert_eq!(
                decide(&POLICY, RetrySafety::OnlyIfNotProcessed, *outcome, 0, None, 1.0),
                *unsafe_,
                "POST {outcome:?}"
            );
        }
    }

    #[test]
    fn a_change_that_may_have_been_made_is_not_sent_again() {
        let statuses = (100..=599).flat_map(|status| [None, seconds(3)].map(|wait| Outcome::Status(status, wait)));
        let others = [Outcome::NotProcessed, Outcome::Interrupted, Outcome::Damaged, Outcome::Final];
        for outcome in statuses.chain(others) {
            let decide = |safety, outcome| decide(&POLICY, safety, outcome, 0, None, 1.0);
            let decision = decide(RetrySafety::OnlyIfNotProcessed, outcome);
            assert!(!outcome.is_unclear() || decision == Decision::GiveUp(NotRepeatable), "{outcome:?}");
            // Without its whole body nothing was carried out, so a change is repeated as a GET is.
            let always = decide(RetrySafety::Always, outcome);
            let unsent = decide(RetrySafety::OnlyIfNotProcessed, outcome.without_whole_body());
            assert_eq!(matches!(unsent, Wait(_)), matches!(always, Wait(_)), "{outcome:?}");
            assert!(!outcome.is_throttled() || matches!(decision, Wait(_)), "{outcome:?}");
        }
        assert!([408, 500, 501, 503, 504, 599].into_iter().all(|status| Outcome::Status(status, None).is_unclear()));
        assert!(![429, 400, 404, 200].into_iter().any(|status| Outcome::Status(status, None).is_unclear()));
        assert!(!Outcome::Status(503, seconds(3)).is_unclear());
    }

    #[test]
    fn the_back_off_doubles_is_spread_and_has_a_cap() {
        let policy = Policy { max_retries: 100, ..POLICY };
        let wait = |retries, chance| decide(&policy, RetrySafety::Always, Outcome::Interrupted, retries, None, chance);
        assert_eq!(wait(1, 1.0), Wait(Duration::from_secs(1)));
        assert_eq!(wait(1, 0.25), Wait(Duration::from_millis(250)));
        assert_eq!(wait(99, 1.0), Wait(MAX_BACKOFF));
    }

    #[test]
    fn the_number_of_repetitions_is_bounded() {
        assert_eq!(
            decide(&POLICY, RetrySafety::Always, Outcome::NotProcessed, 2, None, 1.0),
            Decision::GiveUp(NoRetriesLeft)
        );
    }

    #[test]
    fn no_wait_outlasts_the_time_that_is_left() {
        let decide =
            |remaining| decide(&POLICY, RetrySafety::Always, Outcome::Status(429, seconds(3)), 0, remaining, 1.0);
        assert_eq!(decide(seconds(3)), Decision::GiveUp(NoTimeLeft));
        assert_eq!(decide(seconds(4)), Wait(Duration::from_secs(3)));
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms_and_a_date_counts_from_the_servers_own() {
        let read = |value: &str, date: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap()), (DATE, date.parse().unwrap())]))
        };
        // Clocks differ: this one is years behind.
        let date = "Thu, 21 Nov 2024 12:00:00 GMT";
        for (value, expected) in [
            ("120", seconds(120)),
            (" 1.5 ", Some(Duration::from_millis(1500))),
            ("99999999999999999999999", Some(Duration::MAX)),
            ("Thu, 21 Nov 2024 12:00:30 GMT", seconds(30)),
            ("Thursday, 21-Nov-24 12:00:30 GMT", seconds(30)),
            ("Thu Nov 21 12:00:30 2024", seconds(30)),
            ("Thu, 21 Nov 2024 07:00:30 -0500", seconds(30)),
            ("Thu, 21 Nov 2024 11:00:00 GMT", seconds(0)),
        ] {
            assert_eq!(read(value, date), expected, "{value}");
        }
        for nonsense in
            ["", "soon", "-1", "+1", "nan", "Infinity", "inf", "1e3", "120, 120", "1.2.3", ".", "2024-11-21T12:00:30Z"]
        {
            assert_eq!(read(nonsense, date), None, "{nonsense}");
        }
        for without in ["", "yesterday"] {
            assert_eq!(read("Thu, 21 Nov 2024 12:00:30 GMT", without), seconds(0));
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
