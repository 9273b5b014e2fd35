//! Whether a request that failed is sent again, and when: a pure decision.

use std::time::Duration;

use crate::api::Repeat;

/// The longest wait that the client chooses by itself.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// How often and how patiently requests are repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    pub max_retries: u32,
    /// The back-off before the first repetition; it doubles with each.
    pub delay: Duration,
    /// The longest wait that a server may ask for.
    pub max_wait: Duration,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// No connection was made, so nothing was carried out.
    NotConnected,
    /// The connection broke, or nothing came for too long; the server may have carried it out.
    Interrupted,
    /// The server answered with this status, and perhaps said when to come back.
    Status(u16, Option<Duration>),
    /// The answer would be the same again.
    Final,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// Send it again after this time.
    Wait(Duration),
    GiveUp,
}

/// Decides, given how many repetitions there were, the time left in all, and a chance from 0 to 1 that spreads clients.
pub fn decide(
    policy: &Policy,
    repeat: Repeat,
    outcome: Outcome,
    retries: u32,
    remaining: Option<Duration>,
    chance: f64,
) -> Decision {
    if retries >= policy.max_retries || !may_be_repeated(repeat, outcome) {
        return Decision::GiveUp;
    }
    let wait = match outcome {
        Outcome::Status(_, Some(asked_for)) if asked_for > policy.max_wait => return Decision::GiveUp,
        Outcome::Status(_, Some(asked_for)) => asked_for,
        _ => policy.delay.saturating_mul(1 << retries.min(16)).min(MAX_BACKOFF).mul_f64(chance.clamp(0.0, 1.0)),
    };
    if remaining.is_some_and(|remaining| wait >= remaining) {
        return Decision::GiveUp;
    }
    Decision::Wait(wait)
}

fn may_be_repeated(repeat: Repeat, outcome: Outcome) -> bool {
    match (outcome, repeat) {
        // Not carried out, whatever it was.
        (Outcome::NotConnected | Outcome::Status(429, _) | Outcome::Status(503, Some(_)), _)
        | (Outcome::Interrupted | Outcome::Status(408 | 500 | 502 | 503 | 504, _), Repeat::Safe) => true,
        _ => false,
    }
}

/// Reads a `Retry-After` header: seconds, or an HTTP date, counted from `now`.
pub fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let moment = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    // A date that has passed means: now.
    Some(moment.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::Decision::{GiveUp, Wait};
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
        let table: &[(Outcome, Decision, Decision)] = &[
            // outcome                              GET      POST, DELETE
            (Outcome::NotConnected, half, half),
            (Outcome::Interrupted, half, GiveUp),
            (Outcome::Final, GiveUp, GiveUp),
            (Outcome::Status(400, None), GiveUp, GiveUp),
            (Outcome::Status(401, None), GiveUp, GiveUp),
            (Outcome::Status(403, None), GiveUp, GiveUp),
            (Outcome::Status(404, None), GiveUp, GiveUp),
            (Outcome::Status(408, None), half, GiveUp),
            (Outcome::Status(409, None), GiveUp, GiveUp),
            (Outcome::Status(422, None), GiveUp, GiveUp),
            (Outcome::Status(429, None), half, half),
            (Outcome::Status(429, seconds(3)), Wait(Duration::from_secs(3)), Wait(Duration::from_secs(3))),
            (Outcome::Status(429, seconds(61)), GiveUp, GiveUp),
            (Outcome::Status(500, None), half, GiveUp),
            (Outcome::Status(501, None), GiveUp, GiveUp),
            (Outcome::Status(502, None), half, GiveUp),
            (Outcome::Status(503, None), half, GiveUp),
            (Outcome::Status(503, seconds(3)), Wait(Duration::from_secs(3)), Wait(Duration::from_secs(3))),
            (Outcome::Status(504, None), half, GiveUp),
            (Outcome::Status(504, seconds(3)), Wait(Duration::from_secs(3)), GiveUp),
        ];
        for (outcome, safe, unsafe_) in table {
            assert_eq!(decide(&POLICY, Repeat::Safe, *outcome, 0, None, 1.0), *safe, "GET {outcome:?}");
            assert_eq!(decide(&POLICY, Repeat::IfNotCarriedOut, *outcome, 0, None, 1.0), *unsafe_, "POST {outcome:?}");
        }
    }

    #[test]
    fn the_back_off_doubles_is_spread_and_has_a_cap() {
        let policy = Policy { max_retries: 100, ..POLICY };
        let wait = |retries, chance| decide(&policy, Repeat::Safe, Outcome::Interrupted, retries, None, chance);
        assert_eq!(wait(1, 1.0), Wait(Duration::from_secs(1)));
        assert_eq!(wait(1, 0.25), Wait(Duration::from_millis(250)));
        assert_eq!(wait(99, 1.0), Wait(MAX_BACKOFF));
    }

    #[test]
    fn the_number_of_repetitions_is_bounded() {
        assert_eq!(decide(&POLICY, Repeat::Safe, Outcome::NotConnected, 2, None, 1.0), GiveUp);
    }

    #[test]
    fn no_wait_outlasts_the_time_that_is_left() {
        let decide = |remaining| decide(&POLICY, Repeat::Safe, Outcome::Status(429, seconds(3)), 0, remaining, 1.0);
        assert_eq!(decide(seconds(3)), GiveUp);
        assert_eq!(decide(seconds(4)), Wait(Duration::from_secs(3)));
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), seconds(120));
        assert_eq!(retry_after(" 1.5 ", now), Some(Duration::from_millis(1500)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 12:00:30 GMT", now), seconds(30));
        assert_eq!(retry_after("Sat, 21 Nov 2026 11:00:00 GMT", now), seconds(0));
        assert_eq!(retry_after("99999999999999999999999", now), Some(Duration::MAX));
        for nonsense in ["", "soon", "-1", "nan"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
