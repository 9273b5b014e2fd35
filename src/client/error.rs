//! What can go wrong, by what the caller can do about it, in words that hold no secret.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use http::Method;
use serde_json::Value;
use url::Url;

use super::retry::{GiveUp, Policy};
use super::secrets::Secrets;
use crate::api::json::text::read_json;
use crate::api::request::without_query;
use crate::api::{Call, InvalidArgument, Target};

/// How much of a body an error quotes, in characters.
pub(super) const EXCERPT: usize = 500;
/// How far into a page its title is looked for, and how much of it is shown, in characters.
const PAGE_HEAD: usize = 4096;
const TITLE: usize = 100;
/// What to do if the proxy refuses.
const PROXY_ADVICE: &str = "the proxy wants a user and a password, proxy=\"http://user:password@host:port\"";

/// Which request it was, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    pub method: Method,
    /// Without the query if the URL is signed.
    pub url: String,
    /// Whether the request may have been carried out although no answer came.
    pub outcome_unknown: bool,
}

/// An answer with a status that says no.
#[derive(Debug, Clone)]
pub struct StatusError {
    pub request: RequestInfo,
    pub status: u16,
    /// The body as text, cut if it was very long.
    pub body: String,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    /// The path that was asked for, what the server said, and what to do next, for the message.
    place: String,
    said: Option<String>,
    advice: Vec<Cow<'static, str>>,
}

/// An answer that could not be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    pub request: RequestInfo,
    pub status: u16,
    /// Where in the JSON, such as `media[3].owner.id`.
    pub path: Option<String>,
    /// The start of the body.
    pub excerpt: String,
    pub message: String,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    InvalidArgument(#[from] InvalidArgument),
    #[error("the client is closed: make a new StudioClient")]
    Closed,
    #[error("the interpreter is about to exit, so no more requests are made")]
    Exiting,
    #[error("{message}")]
    Connection { request: RequestInfo, message: String },
    #[error("{message}")]
    Timeout { request: RequestInfo, message: String },
    #[error("{0}")]
    Status(Box<StatusError>),
    #[error("{}", .0.message)]
    Unreadable(Box<Unreadable>),
    /// A list that cannot be promised to be whole.
    #[error("{0}")]
    ListChanged(String),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: Arc<io::Error> },
    /// Signing in did not give tokens. `reason` is OAuth's word for it.
    #[error("{message}")]
    SignIn { reason: String, message: String, answer: Option<Box<StatusError>> },
    /// There are no tokens, and only a person can change that.
    #[error("{message}")]
    LoginRequired { reason: String, message: String, answer: Option<Box<StatusError>> },
    /// The tokens could not be read from their store, or not be written.
    #[error("{message}")]
    Store { message: String, cause: Arc<dyn std::error::Error + Send + Sync> },
    #[error("there is not enough memory left")]
    OutOfMemory,
    #[error("{0}")]
    Setup(String),
}

impl StatusError {
    /// The word under `error`, which is how OAuth says what is wrong. RFC 6749.
    pub(super) fn error_word(&self) -> Option<String> {
        let body: Value = read_json(&self.body).ok()?;
        Some(body.get("error")?.as_str()?.trim().to_owned())
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} for {} {}", self.status, self.request.method, self.place)?;
        if let Some(said) = &self.said {
            write!(formatter, ": {said}")?;
        }
        if !self.advice.is_empty() {
            write!(formatter, " ({})", self.advice.join("; "))?;
        }
        if let Some(id) = &self.request_id {
            write!(formatter, " [request {id}]")?;
        }
        Ok(())
    }
}

impl Error {
    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        Self::File { path: path.to_owned(), error: Arc::new(error) }
    }

    /// A token store that was left before its work was done.
    pub fn abandoned() -> Self {
        let message = "the event loop of the token store ended before its work was done".to_owned();
        Self::Store { message, cause: Arc::new(Self::Exiting) }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self, Self::Store { cause, .. } if matches!(cause.downcast_ref(), Some(Self::Exiting)))
    }

    /// `is_quoted` says whether the message shows how the body begins; it may hold what concerns people.
    pub(crate) fn unreadable(
        request: RequestInfo,
        status: u16,
        problem: &str,
        path: Option<String>,
        body: &str,
        is_quoted: bool,
    ) -> Self {
        let place = path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let quoted = match page_title(body) {
            _ if !is_quoted => String::new(),
            Some(title) => format!(". The body is an HTML page{title}"),
            None => format!(". The body begins: {excerpt:?}"),
        };
        let message =
            format!("the answer to {} {} could not be read{place}: {problem}{quoted}", request.method, request.url);
        Self::Unreadable(Box::new(Unreadable { request, status, path, excerpt, message }))
    }

    /// An answer that says yes, and shows that nothing came of it.
    pub(crate) fn without_effect(request: RequestInfo, status: u16, problem: &str, body: &str) -> Self {
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let message =
            format!("{status} for {} {}: {problem}. The body begins: {excerpt:?}", request.method, request.url);
        Self::Unreadable(Box::new(Unreadable { request, status, path: None, excerpt, message }))
    }

    pub(crate) fn refused(
        call: &Call,
        request: RequestInfo,
        status: u16,
        body: String,
        request_id: Option<String>,
        retry_after: Option<Duration>,
        is_renewed: bool,
    ) -> Self {
        let advice = advice(call, status, &body, is_renewed, request.outcome_unknown);
        let mut advice: Vec<_> = advice.map(Cow::Borrowed).into_iter().collect();
        if let Some(wait) = retry_after {
            let host = if matches!(call.target, Target::Signed(_)) { "the storage host" } else { "Studio" };
            advice.push(format!("{host} asks to wait {}", in_words(wait)).into());
        }
        let said = said_by_server(&body);
        let place = call.place();
        Self::Status(Box::new(StatusError { request, status, body, request_id, retry_after, place, said, advice }))
    }

    /// A refusal after which the client did not wait as it was asked to, and why.
    pub(super) fn without_the_wait(mut self, why: GiveUp, policy: &Policy) -> Self {
        if let Self::Status(refusal) = &mut self
            && refusal.retry_after.is_some()
        {
            refusal.advice.push(match why {
                GiveUp::NotRepeatable => return self,
                GiveUp::NoRetriesLeft if policy.max_retries == 0 => "max_retries is 0".into(),
                GiveUp::NoRetriesLeft => format!("repeated {} times, as max_retries says", policy.max_retries).into(),
                GiveUp::WaitTooLong => format!("max_retry_wait is {}", in_words(policy.max_wait)).into(),
                GiveUp::NoTimeLeft => "timeout leaves less time than that".into(),
            });
        }
        self
    }

    /// A refusal that leads from one place to another, and what to do about that.
    pub(super) fn redirected(mut self, from: &Url, to: &Url, secrets: &Secrets) -> Self {
        if let Self::Status(refusal) = &mut self {
            let host = to.host_str().unwrap_or_default();
            let advice = if to.origin() == from.origin() {
                "a redirect was not expected here".to_owned()
            } else if to.scheme() == "https" && to.port().is_none() {
                format!("if your school's Studio is there now, give that host: StudioClient(\"{host}\")")
            } else {
                let origin = to.origin().ascii_serialization();
                format!("if your school's Studio is there now, give that address: StudioClient(\"{origin}\")")
            };
            refusal.said = Some(format!("redirected to {}", secrets.mask(&without_query(to))));
            refusal.advice = vec![advice.into()];
        }
        self
    }
}

/// What may be quoted of the token endpoint, as JSON: what OAuth says is wrong. RFC 6749, 5.2. Anything else that stands there
/// may be a token, in whatever form.
pub(super) fn of_oauth(body: &[u8]) -> String {
    let fields: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = ["error", "error_description"].iter().filter_map(|name| {
        let text: String = fields.get(name)?.as_str()?.chars().take(EXCERPT).collect();
        Some(((*name).to_owned(), Value::String(text)))
    });
    let said: serde_json::Map<String, Value> = said.collect();
    if said.is_empty() { String::new() } else { Value::Object(said).to_string() }
}

/// The text under `error`, which is where Studio's own clients find it; other shapes are shown as they are. Observed. Of
/// a page there is only the title.
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

/// The title of an HTML page, or else its first heading, as a sentence goes on; empty if it has neither. Nothing if it is
/// no page.
fn page_title(body: &str) -> Option<String> {
    let start: String = body.trim_start_matches('\u{feff}').trim_start().chars().take(PAGE_HEAD).collect();
    // As long as the text itself, so that places in one are places in the other.
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

/// A length of time as a message says it.
pub(super) fn in_words(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// What to do next: by what answered, what the operation says of this status, or what the status says by itself.
/// `is_renewed` tells whether the client looks after its token itself.
fn advice(call: &Call, status: u16, body: &str, is_renewed: bool, outcome_unknown: bool) -> Option<&'static str> {
    if outcome_unknown {
        return Some("it may have been carried out all the same: look before you repeat it");
    }
    match &call.target {
        Target::Signed(_) => return of_storage(status),
        _ if status < 500 && page_title(body).is_some() => {
            return Some(
                "Studio's API answers in JSON: is the host given to StudioClient a Studio, and does no proxy answer in its place?",
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
        300..=399 => "a redirect was not expected here; check the host given to StudioClient",
        400 => "check the arguments",
        401 if is_renewed => {
            "new tokens are refused as well, or cannot be had yet: is it the right school, and may the person still sign in?"
        }
        401 => "the token is missing, expired or not of this school; get a new one",
        403 => "the user whose token this is may not do that; an administrator may",
        404 if is_raw => {
            "nothing is there, or it is not visible to the token's user: check the path, and the ids in it"
        }
        404 if !names_an_id(call) => "every Studio has this path: check the host given to StudioClient",
        404 => {
            "there is no such thing at this school, or it is not visible to the token's user: is it an id of Studio's, and \
             not of Canvas?"
        }
        405 if is_raw => "check the method and the path",
        405 => "Studio does not take this method here: please report it, with the version of this package",
        407 => PROXY_ADVICE,
        408 => "the request did not arrive in time; try again",
        409 => "conflict: it is already in this state",
        413 | 414 => "send less at once",
        422 => "Studio does not accept the arguments: check their values",
        429 => "too many requests: set max_rate, or lower max_concurrency",
        501 => "the server cannot do that, and will not if it is repeated; check the host given to StudioClient",
        500..=599 => "a fault on Studio's side; try again later",
        _ => return None,
    })
}

/// Whether a path is about something in particular; the others every Studio has.
fn names_an_id(call: &Call) -> bool {
    call.place().split('/').any(|segment| segment.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// What to do if the host of the files refuses.
fn of_storage(status: u16) -> Option<&'static str> {
    Some(match status {
        401 | 403 => "the storage host does not accept the signed URL, which may have expired: download it again",
        404 | 410 => "the storage host does not have the file",
        407 => PROXY_ADVICE,
        429 => "too many requests to the storage host: download less at once",
        500..=599 => "a fault of the storage host; try again later",
        _ => return None,
    })
}

/// What to do if there are no tokens, and OAuth's word for the reason is missing.
fn of_signing_in(status: u16) -> Option<&'static str> {
    Some(match status {
        400 | 401 | 403 | 422 => {
            "Studio gave out no tokens: check the client id, the client secret and the redirect URI"
        }
        404 | 405 | 501 => "no tokens are given out here: check the school's URL",
        407 => PROXY_ADVICE,
        429 => "too many attempts to sign in; wait",
        500..=599 => "a fault on Studio's side; try again later",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_server_said_and_what_to_do() {
        let call = Call::get("get_media", "/media/1");
        let request = RequestInfo { method: Method::GET, url: "https://x/media/1".into(), outcome_unknown: false };
        let body = r#"{"error": "The media ID was not found."}"#.to_owned();
        let error = Error::refused(&call, request, 404, body, Some("abc".into()), None, false).to_string();
        assert!(error.starts_with("404 for GET /media/1: The media ID was not found. (there is no such"), "{error}");
        assert!(error.ends_with("[request abc]"), "{error}");
    }
}
