//! Requests to endpoints without a function of their own, through the same pipeline.

use std::fmt;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName};
use serde_json::Value;
use url::form_urlencoded;

use super::answer::{self, Answer, DecodeError, Locator};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::multipart::{File, Multipart};
use super::request::{Body, Call, Request};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Headers that the client sets itself, since the token, the connection and the length of the body depend on them.
const OWN_HEADERS: [HeaderName; 14] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The content of an undescribed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Empty,
    Text(String),
    Json(Value),
    Bytes(Bytes),
    Response(Response),
}

/// An answer of any status, as it came.
#[derive(Clone, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Lower-case names and values, those of one name joined by commas. Without cookies.
    pub headers: Vec<(String, String)>,
    /// Decompressed, and otherwise unchanged.
    pub body: Bytes,
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {} bytes", self.status, self.body.len())
    }
}

/// What the caller gives for the body of a raw request: one of `json`, `content`, and `files` or `data` or both.
#[derive(Debug, Default)]
pub struct Given {
    /// JSON text.
    pub json: Option<String>,
    /// The fields of a form, or with files those of a multipart body.
    pub data: Option<Vec<(String, String)>>,
    pub files: Option<Vec<File>>,
    /// Bytes as they are, and their media type.
    pub content: Option<(Bytes, &'static str)>,
}

impl Given {
    fn into_body(self) -> Result<Option<Body>, InvalidArgument> {
        let given = [
            ("json", self.json.is_some()),
            ("content", self.content.is_some()),
            ("files", self.files.is_some()),
            ("data", self.data.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        if let [first, second, ..] = given.as_slice()
            && given != ["files", "data"]
        {
            return Err(InvalidArgument::new(*second, format!("is given beside {first}: a request has one body")));
        }
        Ok(match self {
            Self { json: Some(text), .. } => Some(Body::Json(text)),
            Self { content: Some((bytes, media_type)), .. } => Some(Body::Content(bytes, media_type)),
            Self { files: Some(files), .. } if files.is_empty() => {
                return Err(InvalidArgument::new("files", "must hold at least one file"));
            }
            Self { files: Some(files), data, .. } => {
                Some(Body::Multipart(Multipart::new(data.unwrap_or_default(), files)?))
            }
            Self { data: Some(fields), .. } => {
                let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
                Some(Body::Content(text.into(), "application/x-www-form-urlencoded"))
            }
            Self { .. } => None,
        })
    }
}

/// Any request. `path` is the part after `/api/public/v1`. With `is_raw`, an answer of any status is the result.
pub fn request(
    method: &str,
    path: &str,
    params: Vec<(String, String)>,
    given: Given,
    headers: Vec<(String, String)>,
    is_raw: bool,
) -> Result<Request<Content>, InvalidArgument> {
    check::one_of("method", &method.to_ascii_uppercase(), METHODS)?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|error| InvalidArgument::new("method", error.to_string()))?;
    let mut call = with_params(Call::new("request", method, relative(path)?), params);
    call.body = given.into_body()?;
    for (name, value) in headers {
        let known = checked_header(&name, &value, call.body.as_ref())?;
        if call.headers.iter().any(|(other, _)| *other == known) {
            let expected = "is given twice: upper and lower case make no difference";
            return Err(InvalidArgument::new(header_argument(&name), expected));
        }
        call = call.header(known, value);
    }
    (call.accepts_any_status, call.keeps_encoding) = (is_raw, is_raw);
    Ok(call.custom(if is_raw { response } else { content }))
}

fn header_argument(name: &str) -> String {
    format!("headers[{:?}]", check::cut(name))
}

/// Checks a header before it is sent. The error does not show the value, which may be a secret.
fn checked_header(name: &str, value: &str, body: Option<&Body>) -> Result<HeaderName, InvalidArgument> {
    let refuse = |expected: &str| Err(InvalidArgument::new(header_argument(name), expected));
    let Ok(known) = HeaderName::from_bytes(name.as_bytes()) else {
        return refuse("is not the name of a header");
    };
    if OWN_HEADERS.contains(&known) {
        return refuse("cannot be set: the client sets it itself");
    }
    if known == header::CONTENT_TYPE && matches!(body, Some(Body::Multipart(_))) {
        return refuse("cannot be set with files: it names the boundary between them");
    }
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return refuse("must be visible ASCII characters and spaces on one line");
    }
    Ok(known)
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

/// Studio's description of its API, which stands beside `/api/public/v1`. Observed.
const DESCRIPTION: &str = "/api/public/apidocs";

/// Checks that a path stays on Studio's API, since the token goes there.
pub fn relative(path: &str) -> Result<&str, InvalidArgument> {
    let refuse = |expected: String| Err(InvalidArgument::new("path", expected));
    let shown = check::cut(path);
    if !path.starts_with('/') || path.starts_with("//") {
        return refuse(format!("must begin with one \"/\", as in \"/media/7/tags\", not \"{shown}\""));
    }
    if path.contains(['?', '#']) {
        return refuse("must not contain a query; pass it as params".to_owned());
    }
    if path.contains(['\\', '%']) || path.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return refuse(format!("must not contain a space, \"%\" or \"\\\": \"{shown}\""));
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return refuse(format!("must not contain \".\" or \"..\": \"{shown}\""));
    }
    if path.starts_with("/api/") && path != DESCRIPTION {
        return refuse(format!("is the part after \"/api/public/v1\", not \"{shown}\""));
    }
    Ok(path)
}

#[expect(clippy::unnecessary_wraps, reason = "as a decoder must")]
fn response(_: &Locator, answer: &Answer) -> Result<Content, DecodeError> {
    let all = answer.headers.as_deref().cloned().unwrap_or_default();
    let names = all.keys().filter(|name| **name != header::SET_COOKIE);
    let joined = |name| all.get_all(name).iter().map(answer::text_of).collect::<Vec<_>>().join(", ");
    let headers = names.map(|name| (name.to_string(), joined(name))).collect();
    Ok(Content::Response(Response { status: answer.status, headers, body: answer.body.clone() }))
}

/// Studio answers some requests with text (ping, captions, insights). Documented. Apart from ping, the media type is
/// unknown, and files mostly have a generic one, so their bytes decide: what is neither JSON nor text stays bytes.
fn content(_: &Locator, answer: &Answer) -> Result<Content, DecodeError> {
    if answer.is_blank() {
        return Ok(Content::Empty);
    }
    let (media_type, _) = answer::media_type_and_charset(&answer.content_type);
    let (is_text, is_json) = (media_type.starts_with("text/"), media_type.ends_with("json"));
    let bytes = || Ok(Content::Bytes(answer.body.clone()));
    let text = match answer::json_text(answer) {
        Ok(text) => text,
        Err(error) if is_text || is_json => return Err(error),
        Err(_) => return bytes(),
    };
    let json = || answer::from_json(answer).map(Content::Json);
    let begins_like_json = text.trim_start().starts_with(['{', '[']);
    if is_json || (media_type.is_empty() && begins_like_json) {
        return json();
    }
    if (media_type.is_empty() || begins_like_json)
        && !is_text
        && let Ok(content) = json()
    {
        return Ok(content);
    }
    if !is_text && answer::is_html(text) {
        return Err(DecodeError::new("an HTML page came back: is this host a Studio?"));
    }
    match text.contains('\0') {
        false => Ok(Content::Text(text.to_owned())),
        true if is_text => {
            Err(DecodeError::new("it contains zero bytes: it is a binary file, or UTF-16 without a charset"))
        }
        true => bytes(),
    }
}
