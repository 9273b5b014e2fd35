//! What the client tells of its work: a line for each attempt (DEBUG), and the story of a job (INFO).
//!
//! A line holds no query, whose parameters may be signatures or e-mail addresses, and no secret.

use std::time::{Duration, Instant};

use tracing::{Level, debug, enabled, info};

use super::error::Error;
use super::send::{Client, Failure};
use crate::api::Call;

/// Where all lines go; Python's logger has the same name.
pub const TARGET: &str = "canvas_studio";

impl Client {
    /// Runs an attempt and tells how it went, also if nobody waits for its end, and how long it waited in line before.
    pub(super) async fn told<T>(
        &self,
        call: &Call,
        attempt: u32,
        waited: Option<Duration>,
        status: impl Fn(&T) -> u16,
        running: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut line = Line { client: self, call, attempt, waited, began: Instant::now(), is_told: false };
        let result = running.await;
        match &result {
            Ok(value) => line.tell(Some(status(value)), None),
            Err(failure) => {
                let (status, error) = self.words(call, &failure.error);
                line.tell(status, error.as_deref());
            }
        }
        result
    }

    /// Says why a request is sent again, and when.
    pub(super) fn tell_wait(&self, call: &Call, wait: Duration, failure: &Failure) {
        if !enabled!(target: TARGET, Level::INFO) {
            return;
        }
        let (method, path, wait) = (call.method.as_str(), self.place(call), to_three_places(wait.as_secs_f64()));
        let (status, error) = self.words(call, &failure.error);
        let reason = reason(status, error.as_deref());
        let error = error.as_deref();
        info!(target: TARGET, method, path, status, error, wait, "{method} {path}: again in {wait:.1} s: {reason}");
    }

    /// Where a request goes, as a line may show it.
    pub(super) fn place(&self, call: &Call) -> String {
        self.secrets(call).mask(&call.place())
    }

    /// The status of an error and what else there is to say. Its own text may quote a query or a body, so that of an
    /// answer is not used.
    fn words(&self, call: &Call, error: &Error) -> (Option<u16>, Option<String>) {
        match error {
            Error::Status(refusal) => (Some(refusal.status), None),
            Error::Unreadable(unreadable) => (Some(unreadable.status), Some("the answer could not be read".to_owned())),
            other => (None, Some(self.secrets(call).mask(&other.to_string()))),
        }
    }
}

/// The line of an attempt that is under way.
struct Line<'attempt> {
    client: &'attempt Client,
    call: &'attempt Call,
    attempt: u32,
    waited: Option<Duration>,
    began: Instant,
    is_told: bool,
}

impl Line<'_> {
    fn tell(&mut self, status: Option<u16>, error: Option<&str>) {
        self.is_told = true;
        if !enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        let (method, path, attempt) = (self.call.method.as_str(), self.client.place(self.call), self.attempt);
        let milliseconds = |length: Duration| to_three_places(length.as_secs_f64() * 1000.0);
        let (ms, waited) = (milliseconds(self.began.elapsed()), self.waited.map(milliseconds));
        let reason = reason(status, error);
        let line = waited.map_or_else(String::new, |waited| format!(", after {waited:.1} ms in line"));
        debug!(
            target: TARGET, method, path, status, error, ms, attempt, waited,
            "{method} {path}: {reason} (attempt {attempt}, {ms:.1} ms{line})"
        );
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(None, Some("given up before the answer was there"));
        }
    }
}

/// What is shorter is noise.
pub(super) fn to_three_places(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn reason(status: Option<u16>, error: Option<&str>) -> String {
    match (status, error) {
        (Some(status), None) => status.to_string(),
        (Some(status), Some(error)) => format!("{status}, but {error}"),
        (None, error) => error.unwrap_or_default().to_owned(),
    }
}
