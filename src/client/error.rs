//! What can go wrong, by what the caller can do about it, in words that hold no secret.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::api::{Call, InvalidArgument};

/// Shorter tokens are not masked: they are no secrets, and would be found in the middle of words.
const MASKED: usize = 4;
/// How much of a body an error quotes, in characters.
const EXCERPT: usize = 500;

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
#[derive(Debug)]
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
#[derive(Debug)]
pub struct Unreadable {
    pub asked: Asked,
    pub status: u16,
    /// Where in the JSON, such as `media[3].owner.id`.
    pub path: Option<String>,
    /// The start of the body.
    pub excerpt: String,
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
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
    #[error(
        "the list kept shrinking while it was read again and again, or had no end: \
         read it at a quieter hour, or in smaller parts (by date, owner or collection)"
    )]
    ListChanged,
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Setup(String),
}

impl Error {
    pub(crate) fn unreadable(asked: Asked, status: u16, problem: &str, path: Option<String>, body: &str) -> Self {
        let place = path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
        let excerpt: String = body.chars().take(EXCERPT).collect();
        let message = format!(
            "the answer to {} {} could not be read{place}: {problem}. The body begins: {excerpt:?}",
            asked.method, asked.url
        );
        Self::Unreadable(Box::new(Unreadable { asked, status, path, excerpt, message }))
    }

    pub(crate) fn refused(
        call: &Call,
        asked: Asked,
        status: u16,
        body: String,
        request_id: Option<String>,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut message = format!("{status} for {} {}", asked.method, call.place());
        if let Some(said) = said_by_server(&body) {
            message.push_str(": ");
            message.push_str(&said);
        }
        if let Some(advice) = advice(call, status) {
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
}

/// The text under `error`, which is where Studio's own clients find it; other shapes are shown as they are. Observed.
fn said_by_server(body: &str) -> Option<String> {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(fields)) => match fields.get("error").or_else(|| fields.get("message")) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => body.to_owned(),
        },
        _ => body.to_owned(),
    };
    let text: String = text.trim().chars().take(EXCERPT).collect();
    (!text.is_empty()).then_some(text)
}

/// What to do next: what the operation says of this status, or what the status says by itself.
fn advice(call: &Call, status: u16) -> Option<&'static str> {
    if let Some((_, meaning)) = call.meanings.iter().find(|(meant, _)| *meant == status) {
        return Some(meaning);
    }
    Some(match status {
        300..=399 => "a redirect was not expected here; check the host given to StudioClient",
        400 => "check the arguments",
        401 => "the token is missing, expired or not of this school; get a new one",
        403 => "the user whose token this is may not do that; an administrator may",
        404 => "there is no such thing at this school, or it is not visible to the token's user",
        409 => "it has been done already",
        422 => "Studio did not accept the arguments",
        429 => "too many requests; wait, or work in smaller steps",
        500..=599 => "a fault on Studio's side; try again later",
        _ => return None,
    })
}

/// Hides what must not be shown in a body: inside the strings if it is JSON, since they may be escaped.
pub(crate) fn mask_body(body: &[u8], token: &str) -> String {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => {
            let mut masked = value.clone();
            mask_strings(&mut masked, token);
            if masked == value { text.into_owned() } else { masked.to_string() }
        }
        // Perhaps it is cut JSON, in which what makes up a URL or a token may be escaped.
        Err(_) => mask(&unescaped(&text), token),
    }
}

/// Undoes the escapes that JSON allows for ASCII characters.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.strip_prefix('u').and_then(|after| after.get(..4)).filter(|code| code.starts_with("00"));
        let character = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(u8::is_ascii_graphic);
        rest = if let Some(character) = character {
            plain.push(char::from(character));
            after.get(5..).unwrap_or_default()
        } else {
            if !after.starts_with('/') {
                plain.push('\\');
            }
            after
        };
    }
    plain.push_str(rest);
    plain
}

fn mask_strings(value: &mut Value, token: &str) {
    match value {
        Value::String(text) => *text = mask(text, token),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_strings(item, token)),
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(name, mut value)| {
                    mask_strings(&mut value, token);
                    (mask(&name, token), value)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Hides in a text what must not be shown: the token, and of any URL the query and the user.
pub(crate) fn mask(text: &str, token: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let text = mask_token(text, token);
    let mut rest = text.as_str();
    while let Some((start, marks)) = next_url(rest) {
        let (before, url) = rest.split_at(start + marks.scheme.len());
        masked.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || c == '<' || c == '>').unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let place = find_ignoring_case(url, marks.query).map_or(url, |query| url.split_at(query).0);
        let host_ends = find_ignoring_case(place, marks.slash).unwrap_or(place.len());
        let user = find_ignoring_case(place.split_at(host_ends).0, marks.at);
        masked.push_str(user.map_or(place, |user| place.split_at(user + marks.at.len()).1));
        if place.len() < url.len() {
            masked.push_str("?***");
        }
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// How the parts of a URL are told apart, in plain text and where it was percent-encoded.
struct Marks {
    scheme: &'static str,
    at: &'static str,
    slash: &'static str,
    query: &'static str,
}

const MARKS: [Marks; 2] = [
    Marks { scheme: "://", at: "@", slash: "/", query: "?" },
    Marks { scheme: "%3a%2f%2f", at: "%40", slash: "%2f", query: "%3f" },
];

fn next_url(text: &str) -> Option<(usize, &'static Marks)> {
    MARKS
        .iter()
        .filter_map(|marks| find_ignoring_case(text, marks.scheme).map(|start| (start, marks)))
        .min_by_key(|(start, _)| *start)
}

/// Where an ASCII text stands in another.
fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

pub(crate) fn mask_token(text: &str, token: &str) -> String {
    if token.len() < MASKED {
        return text.to_owned();
    }
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    text.replace(token, "***").replace(&encoded, "***")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_holds_no_token_and_no_signature() {
        let body = br#"{"got": "Bearer t0/ken", "see": "https:\/\/me:pw@s.example.com\/a?Signature=x\u0026\"Expires=1", "t": "t0\/ken"}"#;
        let shown = r#"{"got":"Bearer ***","see":"https://s.example.com/a?***","t":"***"}"#;
        assert_eq!(mask_body(body, "t0/ken"), shown);
        let cut = mask_body(&body[..body.len() - 2], "t0/ken");
        for secret in ["t0/ken", "t0\\/ken", "Signature", "Expires", "pw"] {
            assert!(!cut.contains(secret), "{secret} in {cut}");
        }
        assert_eq!(
            mask("go=https%3A%2F%2Fs.example.com%2Fa%3FSignature%3Dx y", "t0ken"),
            "go=https%3A%2F%2Fs.example.com%2Fa?*** y"
        );
        assert_eq!(mask("no secret: 1 ? 2 @ 3", ""), "no secret: 1 ? 2 @ 3");
    }

    #[test]
    fn a_refusal_says_what_the_server_said_and_what_to_do() {
        let call = Call::get("get_media", "/media/1");
        let asked = Asked { method: Method::GET, url: "https://x/media/1".into(), outcome_unknown: false };
        let body = r#"{"error": "The media ID was not found."}"#.to_owned();
        let error = Error::refused(&call, asked, 404, body, Some("abc".into()), None).to_string();
        assert!(error.starts_with("404 for GET /media/1: The media ID was not found. (there is no such"), "{error}");
        assert!(error.ends_with("[request abc]"), "{error}");
    }
}
