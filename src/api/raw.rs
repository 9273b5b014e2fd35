//! Requests to what has no function here yet, over the same road.

use http::Method;
use serde_json::Value;

use super::answer::{self, Answer, DecodeError, Locator};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::request::{Body, Call, Request};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// How pages of HTML begin, whatever the case.
const HTML: [&str; 2] = ["<!doctype html", "<html"];

/// What an answer that nobody has described holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Empty,
    Text(String),
    Json(Value),
}

/// Any request; `path` is the part behind `/api/public/v1`, and `json` the text of the body.
pub fn request(
    method: &str,
    path: &str,
    params: Vec<(String, String)>,
    json: Option<String>,
) -> Result<Request<Content>, InvalidArgument> {
    check::one_of("method", &method.to_ascii_uppercase(), METHODS)?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|error| InvalidArgument::new("method", error.to_string()))?;
    let mut call = with_params(Call::new("request", method, relative(path)?), params);
    call.body = json.map(Body::Json);
    Ok(call.custom(content))
}

/// Any list; `key` is the name under which the answer holds the items.
pub fn paginate(
    path: &str,
    key: String,
    params: Vec<(String, String)>,
    page: i64,
    per_page: i64,
) -> Result<Request<Page<Value>>, InvalidArgument> {
    check::text("key", &key)?;
    check::paging(page, per_page)?;
    if let Some((name, _)) = params.iter().find(|(name, _)| name == "page" || name == "per_page") {
        return Err(InvalidArgument::new("params", format!("must not hold \"{name}\": it is an argument of its own")));
    }
    let call = with_params(Call::get("paginate", relative(path)?), params);
    Ok(call.query("page", page).query("per_page", per_page).page(key))
}

fn with_params(call: Call, params: Vec<(String, String)>) -> Call {
    params.into_iter().fold(call, |call, (name, value)| call.query(name, value))
}

/// A path must stay on Studio's API: the token goes where the path leads.
pub fn relative(path: &str) -> Result<&str, InvalidArgument> {
    let refuse = |expected: String| Err(InvalidArgument::new("path", expected));
    if !path.starts_with('/') || path.starts_with("//") {
        return refuse(format!("must begin with one \"/\", as in \"/media/7/tags\", not \"{path}\""));
    }
    if path.contains(['?', '#']) {
        return refuse("must not hold a query: give it as params".to_owned());
    }
    if path.contains(['\\', '%']) || path.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return refuse(format!("must hold no space, \"%\" or \"\\\", not \"{path}\""));
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return refuse(format!("must hold no \".\" or \"..\", not \"{path}\""));
    }
    if path.starts_with("/api/") {
        return refuse(format!("is the part behind \"/api/public/v1\", not \"{path}\""));
    }
    Ok(path)
}

/// Studio answers some requests with text (ping, captions, insights). Documented. Under which media type is unknown but for
/// ping, and files to save mostly have one that says nothing.
fn content(_: &Locator, answer: &Answer) -> Result<Content, DecodeError> {
    if answer.is_blank() {
        return Ok(Content::Empty);
    }
    let (media_type, _) = answer::media_type_and_charset(&answer.content_type);
    let (is_text, is_json) = (media_type.starts_with("text/"), media_type.ends_with("json"));
    let refused = |error: DecodeError| {
        if is_text || is_json || media_type.is_empty() {
            return error;
        }
        DecodeError::new(format!("it is {media_type:?}, which is neither JSON nor text here: {error}"))
    };
    let text = answer::json_text(answer).map_err(refused)?;
    let json = || answer::from_json(answer).map(Content::Json);
    let begins_like_json = text.trim_start().starts_with(['{', '[']);
    if is_json || (media_type.is_empty() && begins_like_json) {
        return json();
    }
    if is_text {
        return plain(text).map_err(refused);
    }
    if (media_type.is_empty() || begins_like_json)
        && let Ok(content) = json()
    {
        return Ok(content);
    }
    let starts_with =
        |start: &&str| text.trim_start().get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
    if HTML.iter().any(starts_with) {
        return Err(DecodeError::new("an HTML page came back: is this host a Studio?"));
    }
    plain(text).map_err(refused)
}

fn plain(text: &str) -> Result<Content, DecodeError> {
    if text.contains('\0') {
        return Err(DecodeError::new("it holds zeros, as files that are no text do, and UTF-16 that does not say so"));
    }
    Ok(Content::Text(text.to_owned()))
}
