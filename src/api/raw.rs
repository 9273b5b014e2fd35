//! Requests to endpoints without a function of their own, through the same pipeline.

use http::Method;
use serde_json::Value;

use super::answer::{self, Answer, DecodeError, Locator};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::request::{Body, Call, Request};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// How HTML pages begin, in any case.
const HTML: [&str; 2] = ["<!doctype html", "<html"];

/// The content of an undescribed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Empty,
    Text(String),
    Json(Value),
}

/// Any request. `path` is the part after `/api/public/v1`, `json` the text of the body.
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

/// Any list. `key` is the key of the items in the answer.
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
        return Err(InvalidArgument::new(
            "params",
            format!("must not contain \"{name}\", which is an argument of its own"),
        ));
    }
    let call = with_params(Call::get("paginate", relative(path)?), params);
    Ok(call.query("page", page).query("per_page", per_page).page(key))
}

fn with_params(call: Call, params: Vec<(String, String)>) -> Call {
    params.into_iter().fold(call, |call, (name, value)| call.query(name, value))
}

/// Checks that a path stays on Studio's API, since the token goes there.
pub fn relative(path: &str) -> Result<&str, InvalidArgument> {
    let refuse = |expected: String| Err(InvalidArgument::new("path", expected));
    if !path.starts_with('/') || path.starts_with("//") {
        return refuse(format!("must begin with one \"/\", as in \"/media/7/tags\", not \"{path}\""));
    }
    if path.contains(['?', '#']) {
        return refuse("must not contain a query; pass it as params".to_owned());
    }
    if path.contains(['\\', '%']) || path.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return refuse(format!("must not contain a space, \"%\" or \"\\\": \"{path}\""));
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return refuse(format!("must not contain \".\" or \"..\": \"{path}\""));
    }
    if path.starts_with("/api/") {
        return refuse(format!("is the part after \"/api/public/v1\", not \"{path}\""));
    }
    Ok(path)
}

/// Studio answers some requests with text (ping, captions, insights). Documented. Apart from ping, the media type is
/// unknown, and files mostly have a generic one.
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
        DecodeError::new(format!("the content type is {media_type:?}, and the body is neither JSON nor text: {error}"))
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
        return Err(DecodeError::new("it contains zero bytes: it is a binary file, or UTF-16 without a charset"));
    }
    Ok(Content::Text(text.to_owned()))
}
