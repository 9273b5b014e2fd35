//! What can go wrong, by what the caller can do about it, in words that hold no secret.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use url::Url;

use super::secrets::Secrets;
use crate::api::lenient::read_json;
use crate::api::request::without_query;
use crate::api::{Call, InvalidArgument};

/// How much of a body an error quotes, in characters.
pub(super) const EXCERPT: usize = 500;

/// Which request it was, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: Method,
    /// Without the query if the URL is signed.
    pub url: String,
    /// Whether the request may have been carried out although no answer came.
    pub outcome_unknown: bool,
}

/// An answer with a status that says no.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub asked: Asked,
    pub status: u16,
    /// The body as text, cut if it was very long.
    pub body: String,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    pub message: String,
}

/// An answer that could not be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    pub asked: Asked,
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
    Connection { asked: Asked, message: String },
    #[error("{message}")]
    Timeout { asked: Asked, message: String },
    #[error("{}", .0.message)]
    Refused(Box<Refusal>),
    #[error("{}", .0.message)]
    Unreadable(Box<Unreadable>),
    /// A list that cannot be promised to be whole.
    #[error("{0}")]
    ListChanged(String),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: Arc<io::Error> },
    /// Signing in did not give tokens. `reason` is OAuth's word for it.
    #[error("{message}")]
    SignIn { reason: String, message: String, answer: Option<Box<Refusal>> },
    /// There are no tokens, and only a person can change that.
    #[error("{message}")]
    LoginRequired { reason: String, message: String, answer: Option<Box<Refusal>> },
    /// The tokens could not be read from their store, or not be written.
    #[error("{message}")]
    Store { message: String, cause: Arc<dyn std::error::Error + Send + Sync> },
    #[error("{0}")]
    Setup(String),
}

impl Refusal {
    /// The word under `error`, which is how OAuth says what is wrong. RFC 6749.
    pub(super) fn error_word(&self) -> Option<String> {
        let body: Value = read_json(&self.body).ok()?;
        Some(body.get("error")?.as_str()?.trim().to_owned())
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

    pub(crate) fn unreadable(asked: Asked, status: u16, problem: &str, path: Option<String>, body: &str) -> Self {
        let place = path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let message = format!(
            "the answer to {} {} could not be read{place}: {problem}. The body begins: {excerpt:?}",
            asked.method, asked.url
        );
        Self::Unreadable(Box::new(Unreadable { asked, status, path, excerpt, message }))
    }

    /// An answer that says yes, and shows that nothing came of it.
    pub(crate) fn without_effect(asked: Asked, status: u16, problem: &str, body: &str) -> Self {
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let message = format!("{status} for {} {}: {problem}. The body begins: {excerpt:?}", asked.method, asked.url);
        Self::Unreadable(Box::new(Unreadable { asked, status, path: None, excerpt, message }))
    }

    pub(crate) fn refused(
        call: &Call,
        asked: Asked,
        status: u16,
        body: String,
        request_id: Option<String>,
        retry_after: Option<Duration>,
        is_renewed: bool,
    ) -> Self {
        let mut message = format!("{status} for {} {}", asked.method, call.place());
        if let Some(said) = said_by_server(&body) {
            message.push_str(": ");
            message.push_str(&said);
        }
        if let Some(advice) = advice(call, status, is_renewed) {
            message.push_str(" (");
            message.push_str(advice);
            message.push(')');
        }
        if let Some(id) = &request_id {
            message.push_str(" [request ");
            message.push_str(id);
            message.push(']');
        }
        Self::Refused(Box::new(Refusal { asked, status, body, request_id, retry_after, message }))
    }

    /// A refusal that leads from one place to another, and what to do about that.
    pub(super) fn redirected(mut self, call: &Call, from: &Url, to: &Url, secrets: &Secrets) -> Self {
        if let Self::Refused(refusal) = &mut self {
            let host = to.host_str().unwrap_or_default();
            let advice = if to.origin() == from.origin() {
                "a redirect was not expected here".to_owned()
            } else if to.scheme() == "https" && to.port().is_none() {
                format!("if your school's Studio is there now, give that host: StudioClient(\"{host}\")")
            } else {
                let origin = to.origin().ascii_serialization();
                format!("if your school's Studio is there now, give that address: StudioClient(\"{origin}\")")
            };
            let place = secrets.mask(&without_query(to));
            let (status, method) = (refusal.status, &refusal.asked.method);
            refusal.message = format!("{status} for {method} {}: redirected to {place} ({advice})", call.place());
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

/// The text under `error`, which is where Studio's own clients find it; other shapes are shown as they are. Observed.
pub(super) fn said_by_server(body: &str) -> Option<String> {
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

/// What to do next: what the operation says of this status, or what the status says by itself. `is_renewed` tells whether
/// the client looks after its token itself.
fn advice(call: &Call, status: u16, is_renewed: bool) -> Option<&'static str> {
    if let Some((_, meaning)) = call.meanings.iter().find(|(meant, _)| *meant == status) {
        return Some(meaning);
    }
    Some(match status {
        300..=399 => "a redirect was not expected here; check the host given to StudioClient",
        400 => "check the arguments",
        401 if is_renewed => {
            "new tokens are refused as well, or cannot be had yet: is it the right school, and may the person still sign in?"
        }
        401 => "the token is missing, expired or not of this school; get a new one",
        403 => "the user whose token this is may not do that; an administrator may",
        404 => "there is no such thing at this school, or it is not visible to the token's user",
        407 => "the proxy wants a user and a password, proxy=\"http://user:password@host:port\"",
        409 => "it has been done already",
        422 => "Studio did not accept the arguments",
        429 => "too many requests; wait, or work in smaller steps",
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
        let asked = Asked { method: Method::GET, url: "https://x/media/1".into(), outcome_unknown: false };
        let body = r#"{"error": "The media ID was not found."}"#.to_owned();
        let error = Error::refused(&call, asked, 404, body, Some("abc".into()), None, false).to_string();
        assert!(error.starts_with("404 for GET /media/1: The media ID was not found. (there is no such"), "{error}");
        assert!(error.ends_with("[request abc]"), "{error}");
    }
}
