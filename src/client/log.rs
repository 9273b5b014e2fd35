//! The client's log: a line for each attempt (DEBUG) and each retry (INFO). Lists, downloads and sign-in log their own.
//!
//! A line holds no query, whose parameters may be signatures or e-mail addresses, and no secret.

use std::time::{Duration, Instant};

use tracing::{Level, debug, enabled, info};

use super::error::Error;
use super::failure::{Failure, RequestContext};
use crate::api::permissions::BodyForm;

/// The target of all lines; Python's logger has the same name.
pub const TARGET: &str = "canvas_studio";

/// Runs an attempt and logs its outcome, even if it is cancelled. `waited` is how long it waited in the queue before;
/// `seen` gives the status and the server's id of the request.
pub(super) async fn with_logging<T>(
    request: &RequestContext<'_>,
    attempt: u32,
    waited: Option<Duration>,
    seen: impl Fn(&T) -> (u16, Option<String>),
    running: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut record = AttemptRecord { request, attempt, waited, began: Instant::now(), is_emitted: false };
    let result = running.await;
    match &result {
        Ok(value) => {
            let (status, request_id) = seen(value);
            record.emit(Some(status), None, request_id.as_deref());
        }
        Err(failure) => {
            let (status, error) = status_and_text(request, &failure.error);
            let request_id = match &failure.error {
                Error::Status(refusal) => refusal.request_id.as_deref(),
                _ => None,
            };
            record.emit(status, error.as_deref(), request_id);
        }
    }
    result
}

/// Logs why and when a request is retried.
pub(super) fn log_retry(request: &RequestContext<'_>, wait: Duration, failure: &Failure) {
    if !enabled!(target: TARGET, Level::INFO) {
        return;
    }
    let (method, path) = (request.call.method.as_str(), request.display_path());
    let wait = to_three_places(wait.as_secs_f64());
    let (status, error) = status_and_text(request, &failure.error);
    let reason = reason(status, error.as_deref());
    let error = error.as_deref();
    info!(target: TARGET, method, path, status, error, wait, "{method} {path}: retrying in {wait:.1} s: {reason}");
}

/// Logs that permission changes are retried in the other form.
pub(super) fn log_other_form(request: &RequestContext<'_>, form: BodyForm) {
    let (method, path) = (request.call.method.as_str(), request.display_path());
    info!(target: TARGET, method, path, "{method} {path}: retrying with its body in the other form ({form:?})");
}

/// The status of an error and the rest of its text. The text of an error answer is left out, since it may quote a query
/// or a body.
fn status_and_text(request: &RequestContext<'_>, error: &Error) -> (Option<u16>, Option<String>) {
    match error {
        Error::Status(refusal) => (Some(refusal.status), None),
        Error::Unreadable(unreadable) => (Some(unreadable.status), Some("the answer could not be read".to_owned())),
        other => (None, Some(request.mask(&other.to_string()))),
    }
}

/// The log line of a running attempt.
struct AttemptRecord<'attempt> {
    request: &'attempt RequestContext<'attempt>,
    attempt: u32,
    waited: Option<Duration>,
    began: Instant,
    is_emitted: bool,
}

impl AttemptRecord<'_> {
    fn emit(&mut self, status: Option<u16>, error: Option<&str>, request_id: Option<&str>) {
        self.is_emitted = true;
        if !enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        let (method, path) = (self.request.call.method.as_str(), self.request.display_path());
        let milliseconds = |length: Duration| to_three_places(length.as_secs_f64() * 1000.0);
        let (ms, waited) = (milliseconds(self.began.elapsed()), self.waited.map(milliseconds));
        let (attempt, reason) = (self.attempt, reason(status, error));
        let line = waited.map_or_else(String::new, |waited| format!(", after {waited:.1} ms in the queue"));
        let server_request_id = request_id.map(|id| self.request.mask_line(id));
        let server_request_id = server_request_id.as_deref();
        let named = server_request_id.map_or_else(String::new, |id| format!(" [request {id}]"));
        debug!(
            target: TARGET, method, path, status, error, ms, attempt, waited, server_request_id,
            "{method} {path}: {reason} (attempt {attempt}, {ms:.1} ms{line}){named}"
        );
    }
}

impl Drop for AttemptRecord<'_> {
    fn drop(&mut self) {
        if !self.is_emitted {
            self.emit(None, Some("cancelled before the answer arrived"), None);
        }
    }
}

/// More digits would be noise.
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
