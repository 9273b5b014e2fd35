//! Requests to what has no function here yet, over the same road.

use http::Method;
use serde_json::Value;

use super::check::{self, InvalidArgument};
use super::request::{self, Answer, Body, Call, Page, Request, Shape, Undecodable};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What an answer that nobody has described holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Nothing,
    Text(String),
    Json(Value),
}

/// Any request; `path` is the part behind `/api/public/v1`.
pub fn request(
    method: &str,
    path: &str,
    params: Vec<(String, String)>,
    body: Option<Value>,
) -> Result<Request<Content>, InvalidArgument> {
    check::one_of("method", &method.to_ascii_uppercase(), METHODS)?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|error| InvalidArgument::new("method", error.to_string()))?;
    let mut call = with_params(Call::new("request", method, relative(path)?), params);
    call.body = body.map(Body::Json);
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

fn content(_: &Shape, answer: &Answer) -> Result<Content, Undecodable> {
    if answer.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Content::Nothing);
    }
    let text = request::json_text(answer)?;
    let (media_type, _) = request::media_type_and_charset(&answer.content_type);
    // Studio answers some requests with text (ping, captions, insights). Documented.
    if media_type.starts_with("text/") && !media_type.ends_with("json") {
        return Ok(Content::Text(text.to_owned()));
    }
    request::from_json(answer).map(Content::Json)
}
