//! Makes errors from a failed request, its URL and the secrets that the error must not show.

use std::borrow::Cow;
use std::time::Duration;

use http::Method;
use http::header::{HeaderMap, HeaderName};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::body::{Damage, Damaged};
use super::error::{Error, RequestInfo, StatusError, Unreadable};
use super::headers::request_id;
use super::retry::{self, GiveUp, Outcome, Policy};
use super::secrets::{Secrets, printable};
use crate::api::answer::text_of;
use crate::api::json::text::read_json;
use crate::api::request::without_query;
use crate::api::{Answer, Body, Call, DecodeError, RetrySafety, Target};

/// How much of a body an error quotes, in characters.
pub(super) const EXCERPT: usize = 500;
/// How many bytes of an answer that cannot be read are quoted.
pub(super) const QUOTED: usize = 4096;
/// How many bytes of an error answer are read.
pub(super) const MAX_REFUSAL: usize = 64 << 10;
/// How far into an HTML page its title is searched, and how much of it is shown, in characters.
const PAGE_HEAD: usize = 4096;
const TITLE: usize = 100;
/// The shortest value in a signed URL's query that counts as a secret; shorter ones are dates and the like.
const SHORTEST_SIGNATURE: usize = 8;
/// The form fields that are secrets.
const SECRET_FIELDS: [&str; 4] = ["client_secret", "code", "code_verifier", "refresh_token"];
/// How many headers an error shows, and how much of each, in characters.
const HEADERS_SHOWN: usize = 100;
const HEADER_SHOWN: usize = 1000;
/// Headers with this in their name are not shown.
const SECRET_HEADERS: [&str; 6] = ["authorization", "cookie", "csrf", "secret", "signature", "token"];
/// Advice if the proxy rejects the request.
const PROXY_ADVICE: &str = "the proxy requires a user and a password: proxy=\"http://user:password@host:port\"";
/// Advice if the storage host redirects.
const REDIRECT_OF_STORAGE: &str = "the storage host does not redirect signed URLs: check that no proxy and no sign-in page of \
                                   the network answers for it";
/// Added to an error if a change may have been made although no answer came.
const PERHAPS_CARRIED_OUT: &str = "; it may still have been carried out: check before you repeat it";

/// A failed attempt: its error, and what the retry decision needs.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) outcome: Outcome,
}

impl Failure {
    /// A failure that is never retried.
    pub(super) fn last(error: Error) -> Self {
        Self { error, outcome: Outcome::Final }
    }

    pub(super) fn interrupted(error: Error) -> Self {
        Self { error, outcome: Outcome::Interrupted }
    }
}

/// A request as errors and log lines need it: its URL, and the secrets that they must not show. Made once for each
/// attempt.
#[derive(Debug, Clone)]
pub(super) struct RequestContext<'call> {
    pub(super) call: &'call Call,
    pub(super) url: Url,
    secrets: Secrets,
    /// Whether the whole body was sent. If not, the server cannot have carried the request out.
    is_sent: bool,
}

impl<'call> RequestContext<'call> {
    /// `secrets` are the client's; those of the request are added.
    pub(super) fn new(call: &'call Call, url: Url, secrets: Secrets) -> Self {
        let form = match &call.body {
            Some(Body::Form(form)) => form.0.as_slice(),
            _ => &[],
        };
        let signed = match &call.target {
            Target::Signed(url) => Some(url),
            Target::Studio(_) | Target::SignIn(_) => None,
        };
        let form = form.iter().filter(|(name, _)| SECRET_FIELDS.contains(name)).map(|(_, value)| value.clone());
        // A media may be made from a signed URL, which is then a parameter.
        let sent = call.query.iter().filter(|(_, value)| value.contains("://"));
        let sent: Vec<Url> = sent.filter_map(|(_, value)| Url::parse(value.trim()).ok()).collect();
        let secrets = secrets.and(signed.into_iter().chain(&sent).flat_map(signature_of)).and(form);
        Self { call, url, secrets, is_sent: true }
    }

    /// The same request, whose body was not sent whole.
    pub(super) fn without_whole_body(&self) -> Self {
        Self { is_sent: false, ..self.clone() }
    }

    /// What an error may show of the request.
    fn info(&self, outcome_unknown: bool) -> RequestInfo {
        let url = match self.call.target {
            Target::Studio(_) | Target::SignIn(_) => self.secrets.mask_plain(self.url.as_str()),
            Target::Signed(_) => without_query(&self.url),
        };
        RequestInfo { method: self.call.method.clone(), url, outcome_unknown }
    }

    /// The path as a log line may show it.
    pub(super) fn display_path(&self) -> String {
        self.mask(&self.call.display_path())
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn mask(&self, text: &str) -> String {
        self.secrets.mask(text)
    }

    /// The start of a line that a server sent, with secrets masked.
    pub(super) fn mask_line(&self, line: &str) -> String {
        self.secrets.mask_body(line.as_bytes(), EXCERPT)
    }

    /// The whole call with secrets masked.
    pub(super) fn masked_call(&self) -> String {
        self.secrets.mask_plain(&format!("{:?}", self.call))
    }

    /// Whether a retry could make a change twice.
    fn may_repeat_a_change(&self) -> bool {
        self.is_sent && self.call.retry_safety != RetrySafety::Always
    }

    fn failed(&self, error: Error, outcome: Outcome) -> Failure {
        Failure { error, outcome: if self.is_sent { outcome } else { outcome.without_whole_body() } }
    }

    /// A timeout. `what` completes the message: what took too long.
    pub(super) fn timeout(&self, limit: Duration, what: &str, outcome_unknown: bool) -> Error {
        let request = self.info(outcome_unknown);
        let mut message = format!(
            "{} {} took longer than {} {what}",
            request.method,
            self.call.display_path(),
            format_seconds(limit)
        );
        if outcome_unknown {
            message.push_str(PERHAPS_CARRIED_OUT);
        }
        Error::Timeout { request, message }
    }

    /// A media was not transcoded in time. `status` says how far it was.
    pub(super) fn not_transcoded(&self, media_id: i64, limit: Duration, status: &str) -> Error {
        let limit = format_seconds(limit);
        let message = format!(
            "media {media_id} was not transcoded within {limit}: {status}; Studio goes on, so wait again, or longer"
        );
        Error::Timeout { request: self.info(false), message }
    }

    /// The server sent nothing for too long.
    pub(super) fn read_timeout(&self, limit: Duration) -> Failure {
        let error = self.timeout(limit, "without a byte from the server", self.may_repeat_a_change());
        self.failed(error, Outcome::Interrupted)
    }

    /// The call took too long in total. `unfinished` are the bytes that were sent, and those of the whole body.
    pub(super) fn total_timeout(&self, limit: Duration, unfinished: Option<(u64, u64)>) -> Error {
        match unfinished {
            Some((sent, length)) => {
                let what = format!("in total: {sent} of {length} bytes of the body were sent");
                self.timeout(limit, &what, false)
            }
            None => self.timeout(limit, "in total", self.may_repeat_a_change()),
        }
    }

    /// The connection took nothing of the body for too long.
    pub(super) fn stalled(&self, limit: Duration, (sent, length): (u64, u64)) -> Failure {
        let what = format!("without the server taking more of the body: {sent} of {length} bytes were sent");
        Failure { error: self.timeout(limit, &what, false), outcome: Outcome::NotProcessed }
    }

    /// The connection broke before it had taken the whole body, so that nothing was carried out.
    pub(super) fn broke_while_sending(&self, cause: &str, (sent, length): (u64, u64)) -> Failure {
        let (host, path) = (self.host(), self.call.display_path());
        let method = &self.call.method;
        let message = format!(
            "the connection to {host} broke while the body of {method} {path} was sent, after {sent} of {length} bytes: \
             {cause}"
        );
        Failure { error: Error::Connection { request: self.info(false), message }, outcome: Outcome::NotProcessed }
    }

    /// An answer that reports success before the whole body was sent.
    pub(super) fn answered_early(&self, status: u16, (sent, length): (u64, u64)) -> Failure {
        let outcome_unknown = self.may_repeat_a_change();
        let (host, path) = (self.host(), self.call.display_path());
        let mut message = format!(
            "{host} answered {} {path} with {status} after {sent} of {length} bytes of its body",
            self.call.method
        );
        if outcome_unknown {
            message.push_str(PERHAPS_CARRIED_OUT);
        }
        self.failed(Error::Connection { request: self.info(outcome_unknown), message }, Outcome::Interrupted)
    }

    /// No connection could be made. `timeout` is the connect timeout, if it has passed.
    pub(super) fn not_connected(&self, cause: &str, timeout: Option<Duration>, is_temporary: bool) -> Failure {
        let (request, host) = (self.info(false), self.host());
        let error = match timeout {
            Some(limit) => {
                let message = format!("no connection to {host} within {}: {cause}", format_seconds(limit));
                Error::Timeout { request, message }
            }
            None => Error::Connection { request, message: format!("no connection to {host}: {cause}") },
        };
        Failure { error, outcome: if is_temporary { Outcome::NotProcessed } else { Outcome::Final } }
    }

    /// The connection broke during the request.
    pub(super) fn connection_broke(&self, cause: &str) -> Failure {
        let outcome_unknown = self.may_repeat_a_change();
        let request = self.info(outcome_unknown);
        let (host, path) = (self.host(), self.call.display_path());
        let mut message = format!("the connection to {host} broke during {} {path}: {cause}", request.method);
        if outcome_unknown {
            message.push_str(PERHAPS_CARRIED_OUT);
        }
        self.failed(Error::Connection { request, message }, Outcome::Interrupted)
    }

    /// A download broke off.
    pub(super) fn download_broke(&self, problem: &str) -> Failure {
        let request = self.info(false);
        let message = format!("the download from {} broke: {problem}", request.url);
        self.failed(Error::Connection { request, message }, Outcome::Interrupted)
    }

    /// An answer whose body cannot be read.
    pub(super) fn damaged(&self, status: u16, damaged: &Damaged) -> Failure {
        if damaged.kind == Damage::OutOfMemory {
            return Failure::last(Error::OutOfMemory);
        }
        let start = self.secrets.mask_body(&damaged.start, QUOTED);
        let error = self.unreadable(status, &damaged.problem, None, &start, true);
        if damaged.kind == Damage::Temporary { self.failed(error, Outcome::Damaged) } else { Failure::last(error) }
    }

    /// An answer that does not decode as the operation's result.
    pub(super) fn error(&self, answer: &Answer, error: DecodeError) -> Error {
        // Answers of the token endpoint are never quoted.
        let is_secret = matches!(self.call.target, Target::SignIn(_));
        let body = if is_secret { "***".to_owned() } else { self.secrets.mask_body(&answer.body, QUOTED) };
        // Both may quote the answer.
        let problem = self.secrets.mask_body(error.problem.as_bytes(), EXCERPT);
        let path = error.path.map(|path| self.secrets.mask_body(path.as_bytes(), EXCERPT));
        self.unreadable(answer.status, &problem, path, &body, !error.hides_body)
    }

    /// An answer that is not the file, or not that of a host that took it. `start` is the start of its body.
    pub(super) fn no_file(&self, status: u16, problem: &str, start: &[u8]) -> Failure {
        let (problem, start) = (self.mask(problem), self.secrets.mask_body(start, QUOTED));
        Failure::last(self.unreadable(status, &problem, None, &start, true))
    }

    /// A file that is larger than the caller allows. `announced` says what the host said about its length.
    pub(super) fn too_large(&self, status: u16, max_bytes: u64, announced: &str) -> Failure {
        let request = self.info(false);
        let message = format!(
            "the file at {} is larger than max_bytes, {max_bytes} bytes ({announced}), so it was not saved; to get it, \
             raise max_bytes",
            request.url
        );
        let excerpt = String::new();
        Failure::last(Error::Unreadable(Box::new(Unreadable { request, status, path: None, excerpt, message })))
    }

    /// A file that is sent from its start again, and may have changed since its first bytes were handed on.
    pub(super) fn cannot_go_on(&self, given: u64) -> Failure {
        let request = self.info(false);
        let message = format!(
            "the download from {} cannot go on after {given} bytes: the host sends the file from its start again and does not \
             say that it is the same: discard what you have, and begin anew",
            request.url
        );
        Failure::last(Error::Connection { request, message })
    }

    /// A file whose content is not what the caller expects.
    pub(super) fn other_content(&self, expected: &str, found: &str, is_removed: bool) -> Error {
        let request = self.info(false);
        let so =
            if is_removed { "so it was not saved, and nothing of it stays" } else { "so discard what was written" };
        let message = format!(
            "the file of {} has the SHA-256 {found}, not {expected}, {so}: download it again, and if that brings the same, \
             sha256 is of another file",
            self.call.display_path()
        );
        let excerpt = String::new();
        Error::Unreadable(Box::new(Unreadable { request, status: 200, path: None, excerpt, message }))
    }

    /// `is_quoted` says whether the message quotes the start of the body, which may contain personal data.
    fn unreadable(&self, status: u16, problem: &str, path: Option<String>, body: &str, is_quoted: bool) -> Error {
        let request = self.info(false);
        let at = path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let end = if problem.ends_with(['.', '?']) { "" } else { "." };
        let quoted = match page_title(body) {
            _ if !is_quoted => String::new(),
            Some(title) => format!("{end} The body is an HTML page{title}"),
            None => format!("{end} The body begins: {excerpt:?}"),
        };
        let (method, url) = (&request.method, &request.url);
        let message = format!("the answer to {method} {url} could not be read{at}: {problem}{quoted}");
        Error::Unreadable(Box::new(Unreadable { request, status, path, excerpt, message }))
    }

    /// An answer with a success status that shows that nothing was changed.
    pub(super) fn without_effect(&self, answer: &Answer, problem: &str) -> Error {
        let (request, status) = (self.info(false), answer.status);
        let body = self.secrets.mask_body(&answer.body, QUOTED);
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let (method, url) = (&request.method, &request.url);
        let message = format!("{status} for {method} {url}: {problem}. The body begins: {excerpt:?}");
        Error::Unreadable(Box::new(Unreadable { request, status, path: None, excerpt, message }))
    }

    /// An error answer with only a status and a body, which is not masked here.
    pub(super) fn refused(&self, status: u16, body: String) -> Error {
        Error::Status(Box::new(self.status_error(status, body, None, None, false, false)))
    }

    /// An answer with an error status. `is_renewed` says whether the client renews its token itself.
    pub(super) fn refusal(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        location: Option<&Url>,
        is_renewed: bool,
    ) -> Failure {
        let request_id = request_id(headers).map(|id| printable(&self.mask_line(&id)).into_owned());
        let retry_after = retry::retry_after(headers);
        let body = match self.call.target {
            Target::SignIn(_) => Cow::Owned(of_oauth(body).into()),
            Target::Studio(_) | Target::Signed(_) => Cow::Borrowed(body),
        };
        let body = self.secrets.mask_body(&body, MAX_REFUSAL);
        let outcome = Outcome::Status(status, retry_after);
        let is_documented = self.call.meanings.iter().any(|(meant, _)| *meant == status);
        let outcome_unknown = self.may_repeat_a_change() && outcome.is_unclear() && !is_documented;
        let mut error = self.status_error(status, body, request_id, retry_after, is_renewed, outcome_unknown);
        error.headers = self.shown_headers(headers);
        if let Some(location) = location {
            error.server_message = Some(format!("redirected to {}", self.mask(&without_query(location))));
            error.advice = vec![match self.call.target {
                Target::Signed(_) => REDIRECT_OF_STORAGE.into(),
                Target::Studio(_) | Target::SignIn(_) => advice_on_redirect(&self.url, location).into(),
            }];
        }
        self.failed(Error::Status(Box::new(error)), outcome)
    }

    fn status_error(
        &self,
        status: u16,
        body: String,
        request_id: Option<String>,
        retry_after: Option<Duration>,
        is_renewed: bool,
        outcome_unknown: bool,
    ) -> StatusError {
        let advice = advice(self.call, status, &body, is_renewed, outcome_unknown);
        let mut advice: Vec<_> = advice.map(Cow::Borrowed).into_iter().collect();
        if let Some(wait) = retry_after {
            let host = if matches!(self.call.target, Target::Signed(_)) { "the storage host" } else { "Studio" };
            advice.push(format!("{host} asks to wait {}", format_seconds(wait)).into());
        }
        let (display_path, server_message) = (self.call.display_path(), said_by_server(&body));
        let request = self.info(outcome_unknown);
        let headers = Vec::new();
        StatusError { request, status, headers, body, request_id, retry_after, display_path, server_message, advice }
    }

    /// The headers of an answer as they may be shown: none that holds a secret by its name, secrets and queries masked.
    fn shown_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let is_shown = |name: &&HeaderName| {
            let name = name.as_str();
            !SECRET_HEADERS.iter().any(|part| name.contains(part)) && self.mask(name) == name
        };
        let names = headers.keys().filter(is_shown).take(HEADERS_SHOWN);
        let shown = |name: &HeaderName| {
            let values: Vec<_> = headers.get_all(name).iter().map(text_of).collect();
            let value = self.secrets.mask_body(values.join(", ").as_bytes(), HEADER_SHOWN);
            (name.to_string(), without_queries(&value))
        };
        names.map(shown).collect()
    }
}

/// Adds to the error why the client did not wait as long as the server asked.
pub(super) fn without_the_wait(mut error: Error, why: GiveUp, policy: &Policy) -> Error {
    if let Error::Status(refusal) = &mut error
        && refusal.retry_after.is_some()
    {
        refusal.advice.push(match why {
            GiveUp::NotRepeatable => return error,
            GiveUp::NoRetriesLeft if policy.max_retries == 0 => "max_retries is 0".into(),
            GiveUp::NoRetriesLeft => {
                format!("retried {} times, the most that max_retries allows", policy.max_retries).into()
            }
            GiveUp::WaitTooLong => format!("max_retry_wait is {}", format_seconds(policy.max_wait)).into(),
            GiveUp::NoTimeLeft => "timeout leaves less time than that".into(),
        });
    }
    error
}

/// A header without the queries of URLs, relative ones included.
fn without_queries(value: &str) -> String {
    let mut shown = String::with_capacity(value.len());
    let mut is_query = false;
    for character in value.chars() {
        is_query = is_query && !(character.is_whitespace() || matches!(character, '>' | '"' | ',' | ';'));
        if !is_query {
            shown.push(character);
        }
        if character == '?' && !is_query {
            is_query = true;
            shown.push_str("***");
        }
    }
    shown
}

/// Advice on an unexpected redirect.
fn advice_on_redirect(from: &Url, to: &Url) -> String {
    let host = to.host_str().unwrap_or_default();
    if to.origin() == from.origin() {
        "unexpected redirect".to_owned()
    } else if to.scheme() == "https" && to.port().is_none() {
        format!("if your school's Studio has moved there, use that host: StudioClient(\"{host}\")")
    } else {
        let origin = to.origin().ascii_serialization();
        format!("if your school's Studio has moved there, use that address: StudioClient(\"{origin}\")")
    }
}

/// The secrets in a signed URL. Whoever answers it may quote any part of its query.
fn signature_of(url: &Url) -> impl Iterator<Item = SecretString> {
    let values = url.query_pairs().flat_map(|(_, value)| {
        let parts = value.split(|character: char| character == '/' || character.is_whitespace());
        let parts = parts.filter(|part| part.len() >= SHORTEST_SIGNATURE).map(str::to_owned);
        parts.chain([value.to_string()]).collect::<Vec<String>>()
    });
    values
        .filter(|value| value.len() >= SHORTEST_SIGNATURE)
        .chain(url.query().map(str::to_owned))
        .map(SecretString::from)
}

/// What may be quoted from the token endpoint, as JSON: its error code and description. RFC 6749, 5.2. Anything else
/// there may be a token, in whatever form.
fn of_oauth(body: &[u8]) -> String {
    let fields: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["error", "error_description"].iter().filter_map(|name| {
        let text: String = fields.get(name)?.as_str()?.chars().take(EXCERPT).collect();
        Some(((*name).to_owned(), Value::String(text)))
    });
    let said: serde_json::Map<String, Value> = said.collect();
    if said.is_empty() { String::new() } else { Value::Object(said).to_string() }
}

/// The text under `error`, where Studio's own clients look for it; other bodies are shown as they are. Observed. Of an
/// HTML page, only the title is shown.
pub(super) fn said_by_server(body: &str) -> Option<String> {
    if let Some(title) = page_title(body) {
        return Some(format!("an HTML page{title}"));
    }
    let text = match read_json::<Value>(body) {
        Ok(Value::Object(fields)) => match fields.get("error").or_else(|| fields.get("message")) {
            Some(Value::String(text)) => match fields.get("error_description") {
                Some(Value::String(description)) => format!("{text}: {description}"),
                _ => text.clone(),
            },
            Some(other) => other.to_string(),
            None => body.to_owned(),
        },
        _ => body.to_owned(),
    };
    let text: String = text.trim().chars().take(EXCERPT).collect();
    (!text.is_empty()).then_some(text)
}

/// The title of an HTML page, or its first heading, ready to continue a sentence; empty if it has neither. `None` if
/// the body is not an HTML page.
fn page_title(body: &str) -> Option<String> {
    let start: String = body.trim_start_matches('\u{feff}').trim_start().chars().take(PAGE_HEAD).collect();
    // The same length as the text, so that positions in one are positions in the other.
    let tags = start.to_ascii_lowercase();
    if !tags.starts_with("<!doctype html") && !tags.starts_with("<html") {
        return None;
    }
    let inside = |tag: &str| {
        let (open, close) = (format!("<{tag}"), format!("</{tag}"));
        let from = tags.find(&open)?;
        let from = from + tags.get(from..)?.find('>')? + 1;
        let title = start.get(from..from + tags.get(from..)?.find(&close)?)?;
        let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(TITLE).collect();
        (!title.is_empty()).then_some(title)
    };
    Some(inside("title").or_else(|| inside("h1")).map_or_else(String::new, |title| format!(", {title:?}")))
}

/// A duration as messages show it.
fn format_seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Advice on what to do next, by who answered, by what the operation says of the status, or by the status alone.
/// `is_renewed` says whether the client renews its token itself.
fn advice(call: &Call, status: u16, body: &str, is_renewed: bool, outcome_unknown: bool) -> Option<&'static str> {
    if outcome_unknown {
        return Some("it may still have been carried out: check before you repeat it");
    }
    match &call.target {
        Target::Signed(_) => return of_storage(&call.method, status),
        _ if status < 500 && page_title(body).is_some() => {
            return Some(
                "Studio's API answers in JSON: check that the host given to StudioClient is a Studio, and that no \
                 proxy answers for it",
            );
        }
        Target::SignIn(_) => return of_signing_in(status),
        Target::Studio(_) => {}
    }
    if let Some((_, meaning)) = call.meanings.iter().find(|(meant, _)| *meant == status) {
        return Some(meaning);
    }
    let is_raw = matches!(call.operation.as_ref(), "request" | "paginate");
    Some(match status {
        300..=399 => "unexpected redirect; check the host given to StudioClient",
        400 => "check the arguments",
        401 if is_renewed => {
            "new tokens are rejected too, or cannot be issued yet: check the school, and whether the person may \
             still sign in"
        }
        401 => "the token is missing, expired or from another school; get a new one",
        403 => "the token's user is not allowed to do this; an administrator may be",
        404 if is_raw => "nothing exists here, or the token's user cannot see it: check the path and the ids in it",
        404 if !names_an_id(call) => "every Studio has this path: check the host given to StudioClient",
        404 => {
            "there is no such object at this school, or the token's user cannot see it: check that it is a Studio id, \
             not a Canvas id"
        }
        405 if is_raw => "check the method and the path",
        405 => "Studio does not accept this method here: please report it, with the version of this package",
        407 => PROXY_ADVICE,
        408 => "the request did not arrive in time; try again",
        409 => "conflict: it is already in this state",
        413 | 414 => "the request is too large: send less at once",
        422 => "Studio does not accept the arguments: check their values",
        429 => "too many requests: set max_rate, or lower max_concurrency",
        501 => "the server does not support this, and a retry will not help; check the host given to StudioClient",
        500..=599 => "an error on Studio's side; try again later",
        _ => return None,
    })
}

/// Whether the path contains an id. Paths without one exist in every Studio.
fn names_an_id(call: &Call) -> bool {
    call.display_path().split('/').any(|segment| segment.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// Advice if the storage host answers with an error, to a download or to an upload.
fn of_storage(method: &Method, status: u16) -> Option<&'static str> {
    let is_upload = *method == Method::PUT;
    Some(match status {
        400 | 411..=413 if is_upload => "the storage host does not accept the file",
        401 | 403 if is_upload => {
            "the storage host rejects the signed URL, which may have expired: begin with a new upload"
        }
        401 | 403 => "the storage host rejects the signed URL, which may have expired: download it again",
        404 | 410 if is_upload => "the storage host does not know the signed URL: begin with a new upload",
        404 | 410 => "the storage host does not have the file",
        300..=399 => REDIRECT_OF_STORAGE,
        407 => PROXY_ADVICE,
        429 if is_upload => "too many requests to the storage host: upload less at once",
        429 => "too many requests to the storage host: download less at once",
        500..=599 => "an error of the storage host; try again later",
        _ => return None,
    })
}

/// Advice if the token endpoint answers with an error but without an OAuth error code.
fn of_signing_in(status: u16) -> Option<&'static str> {
    Some(match status {
        400 | 401 | 403 | 422 => "Studio issued no tokens: check the client id, the client secret and the redirect URI",
        404 | 405 | 501 => "no tokens are issued here: check the school's URL",
        407 => PROXY_ADVICE,
        429 => "too many attempts to sign in; wait",
        500..=599 => "an error on Studio's side; try again later",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_server_said_and_what_to_do() {
        let call = Call::get("get_media", "/media/1");
        let request = RequestContext::new(&call, Url::parse("https://x.example/media/1").unwrap(), Secrets::default());
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-request-id"), "abc".parse().unwrap())]);
        let body = br#"{"error": "The media ID was not found."}"#;
        let error = request.refusal(404, &headers, body, None, false).error.to_string();
        assert!(error.starts_with("404 for GET /media/1: The media ID was not found. (there is no such"), "{error}");
        assert!(error.ends_with("[request abc]"), "{error}");
    }
}
