//! Counts the attempts at one call, and waits between them.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use super::failure::{Failure, RequestContext, without_the_wait};
use super::log::log_retry;
use super::pace::Pace;
use super::retry::{self, Decision, Outcome, Policy};

#[derive(Debug)]
pub(super) struct Attempts<'client> {
    policy: &'client Policy,
    pace: &'client Pace,
    /// How many attempts were made.
    made: u32,
    /// How many retries were made since the last progress.
    retries: u32,
    deadline: Option<Instant>,
}

impl<'client> Attempts<'client> {
    /// `limit` is the time for all attempts together.
    pub(super) fn new(policy: &'client Policy, pace: &'client Pace, limit: Option<Duration>) -> Self {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Self { policy, pace, made: 0, retries: 0, deadline }
    }

    /// Starts an attempt and returns its number.
    pub(super) fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// Waits until the next attempt, or returns the error if there is none.
    pub(super) async fn wait_or_give_up(
        &mut self,
        request: &RequestContext<'_>,
        failure: Failure,
    ) -> Result<(), Error> {
        let remaining = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let safety = request.call.retry_safety;
        let decision = retry::decide(self.policy, safety, failure.outcome, self.retries, remaining, fastrand::f64());
        if failure.outcome.is_throttled() {
            // Prefetched pages and the calls of a map wait as well, also when this request is not retried.
            let wait = match (decision, failure.outcome) {
                (Decision::Wait(wait), _) => wait,
                (Decision::GiveUp(_), Outcome::Status(_, Some(asked_for))) if asked_for <= self.policy.max_wait => {
                    asked_for
                }
                (Decision::GiveUp(_), _) => Duration::ZERO,
            };
            self.pace.throttled(wait);
        }
        match decision {
            Decision::GiveUp(why) => Err(without_the_wait(failure.error, why, self.policy)),
            Decision::Wait(wait) => {
                self.retries += 1;
                log_retry(request, wait, &failure);
                tokio::time::sleep(wait).await;
                Ok(())
            }
        }
    }

    /// Progress was made, so the retries are counted anew.
    pub(super) fn progressed(&mut self) {
        self.retries = 0;
    }
}
