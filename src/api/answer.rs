//! The server's answer, and decoding it: media type, envelope, and decoding errors.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use url::Url;

use super::item::{Doubt, Item, Meta, Page, has_value};
use super::json::locate::{ReadError, locate_in_list};
use super::json::outline::{Names, Outline};
use super::json::text::{check, check_list, read_json, read_seed, read_text, without_mark};

/// Content types of JSON that need no parsing.
pub const JSON_CONTENT_TYPES: [&str; 2] = ["application/json", "application/json; charset=utf-8"];

/// How HTML pages begin, in any case.
const HTML: [&str; 2] = ["<!doctype html", "<html"];

/// How many characters of each key of an answer an error shows.
const KEY_SHOWN: usize = 40;

/// A complete answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    /// The target of a redirect, resolved against the requested URL.
    pub location: Option<Url>,
    /// The server's id of the request, if it sent one.
    pub request_id: Option<String>,
    /// The headers, if the call accepts any status; otherwise nothing needs them.
    pub headers: Option<Box<HeaderMap>>,
    pub body: Bytes,
}

impl Answer {
    /// Whether the body is empty or white space.
    pub fn is_blank(&self) -> bool {
        let text = self.body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.body);
        text.iter().all(u8::is_ascii_whitespace)
    }
}

/// Where the result is in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    Key(Cow<'static, str>),
    KeyOrRoot(Cow<'static, str>),
    OptionalKeyOrRoot(Cow<'static, str>),
    Root,
    Page(Cow<'static, str>),
    Redirect,
    Custom,
}

/// The answer does not have the form that the operation expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct DecodeError {
    pub problem: String,
    /// Where in the JSON the problem is, such as `media[3].owner.id`.
    pub path: Option<String>,
    /// Whether the problem says enough without the body, which may contain personal data.
    pub hides_body: bool,
}

impl DecodeError {
    pub fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), path: None, hides_body: false }
    }
}

impl From<ReadError> for DecodeError {
    fn from(error: ReadError) -> Self {
        Self { path: error.path, ..Self::new(error.problem) }
    }
}

/// The answer's JSON text, or why it has none.
pub fn json_text(answer: &Answer) -> Result<&str, DecodeError> {
    if !JSON_CONTENT_TYPES.contains(&answer.content_type.as_str())
        && media_type_and_charset(&answer.content_type).0.ends_with("/html")
    {
        return Err(DecodeError::new("an HTML page came back instead of JSON: is this host a Studio?"));
    }
    text_of_body(answer)
}

/// The body as text, whatever its label.
pub(super) fn text_of_body(answer: &Answer) -> Result<&str, DecodeError> {
    let text = simdutf8::compat::from_utf8(&answer.body).map_err(|error| not_utf8(answer, &error))?;
    Ok(without_mark(text))
}

/// The answer's text where CSV is expected, whatever its label but HTML.
pub(super) fn csv_text(answer: &Answer) -> Result<&str, DecodeError> {
    let text = text_of_body(answer)?;
    if is_html(text) || media_type_and_charset(&answer.content_type).0.ends_with("/html") {
        return Err(DecodeError::new("an HTML page came back instead of CSV: is this host a Studio?"));
    }
    if text.contains('\0') {
        return Err(DecodeError::new("it contains zero bytes: it is a binary file, or UTF-16 without a charset"));
    }
    Ok(text)
}

/// Whether a text begins like an HTML page.
pub(super) fn is_html(text: &str) -> bool {
    let start = text.trim_start();
    HTML.iter().any(|html| start.get(..html.len()).is_some_and(|start| start.eq_ignore_ascii_case(html)))
}

/// The client has already converted the charset where it could.
fn not_utf8(answer: &Answer, error: &simdutf8::compat::Utf8Error) -> DecodeError {
    DecodeError::new(match media_type_and_charset(&answer.content_type).1 {
        Some(charset) if !["utf-8", "utf8"].contains(&charset.as_str()) => {
            format!("the answer is neither UTF-8 nor in charset {charset:?}, as it says: {error}")
        }
        _ => format!("the answer is not UTF-8: {error}"),
    })
}

/// The value of a header as text: UTF-8, or else Latin-1, which HTTP allows besides ASCII.
pub fn text_of(value: &HeaderValue) -> String {
    let value = value.as_bytes();
    str::from_utf8(value).map_or_else(|_| value.iter().copied().map(char::from).collect(), str::to_owned)
}

/// The media type and charset of a Content-Type header, in lower case.
pub fn media_type_and_charset(content_type: &str) -> (String, Option<String>) {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        (name.trim_end() == "charset").then(|| value.trim_matches([' ', '"', '\'']).to_owned())
    });
    (media_type, charset)
}

/// Reads the whole answer as JSON. Only a failure pays for locating the error.
pub fn from_json<T: DeserializeOwned>(answer: &Answer) -> Result<T, DecodeError> {
    Ok(read_text(json_text(answer)?)?)
}

pub(super) fn decode_at_key<T: Item>(locator: &Locator, answer: &Answer) -> Result<T, DecodeError> {
    if let Some(item) = scan_at_key(locator, answer)? {
        return Ok(item);
    }
    let (envelope, key) = open::<T, T::Check>(locator, answer)?;
    envelope.content.ok_or_else(|| missing(key, answer))
}

pub(super) fn decode_at_key_or_root<T: Item>(locator: &Locator, answer: &Answer) -> Result<T, DecodeError> {
    if let Some(item) = scan_at_key(locator, answer)? {
        return Ok(item);
    }
    let (envelope, key) = open::<T, T::Check>(locator, answer)?;
    match envelope.content {
        Some(content) => Ok(content),
        None if top_keys(answer).has_id => from_json(answer),
        None => Err(missing(key, answer)),
    }
}

pub(super) fn decode_at_optional_key_or_root<T: Item>(
    locator: &Locator,
    answer: &Answer,
) -> Result<Option<T>, DecodeError> {
    let (media_type, _) = media_type_and_charset(&answer.content_type);
    if media_type == "text/plain" || answer.is_blank() {
        return Ok(None);
    }
    let whole: Value = from_json(answer)?;
    let has_id = |object: &Value| object.get("id").is_some_and(Value::is_number);
    match locator {
        Locator::OptionalKeyOrRoot(key) if whole.get(key.as_ref()).is_some_and(has_id) => {
            decode_at_key(locator, answer).map(Some)
        }
        _ if has_id(&whole) => from_json(answer).map(Some),
        _ => Ok(None),
    }
}

/// Reads the object with the scanner, if the type has one and the answer is plain JSON.
fn scan_at_key<T: Item>(locator: &Locator, answer: &Answer) -> Result<Option<T>, DecodeError> {
    let (Locator::Key(key) | Locator::KeyOrRoot(key)) = locator else { return Ok(None) };
    let text = json_text(answer)?;
    match T::scan_at_key(text, key) {
        Ok(item) => Ok(Some(item)),
        Err(Doubt::Everything) => Ok(None),
        // Building an object takes more memory than checking it.
        Err(Doubt::From(_)) => {
            check(text, EnvelopeSeed::<T::Check>::new(key)).map_or(Ok(None), |error| Err(error.into()))
        }
    }
}

pub(super) fn decode_page<T: Item>(locator: &Locator, answer: &Answer) -> Result<Page<T>, DecodeError> {
    if let Some(read) = T::READ_CSV {
        let rows = read(csv_text(answer)?).map_err(DecodeError::new)?;
        let items = rows.into_iter().map(|row| serde_json::from_value(Value::Object(row))).collect::<Result<_, _>>();
        return Ok(Page { items: items.map_err(|error| DecodeError::new(error.to_string()))?, meta: None });
    }
    if let Locator::Page(key) = locator {
        let text = json_text(answer)?;
        match T::scan_page(text, key) {
            Ok(page) if !page.items.is_empty() => return Ok(page),
            Ok(_) | Err(Doubt::Everything) => {}
            Err(Doubt::From(at)) => {
                if let Some(error) = check_list(text, key, at, EnvelopeSeed::<Option<Vec<T::Check>>>::new(key)) {
                    return Err(error.into());
                }
            }
        }
    }
    let (envelope, key) = open::<Option<Vec<T>>, Option<Vec<T::Check>>>(locator, answer)?;
    // Some servers write null for an empty list.
    let items = envelope.content.ok_or_else(|| missing(key, answer))?.unwrap_or_default();
    if items.is_empty() && envelope.has_error {
        return Err(DecodeError::new(format!("the answer has an \"error\" beside an empty \"{key}\"")));
    }
    Ok(Page { items, meta: envelope.meta })
}

/// The error for a missing key: it lists the keys that exist.
fn missing(key: &str, answer: &Answer) -> DecodeError {
    let keys = top_keys(answer);
    let quoted = |key: &String| format!("{:?}", key.chars().take(KEY_SHOWN).collect::<String>());
    let shown: Vec<String> = keys.first.iter().map(quoted).collect();
    let and_more = if keys.has_more { ", and more" } else { "" };
    let found = if shown.is_empty() { "is empty".to_owned() } else { format!("has {}{and_more}", shown.join(", ")) };
    let problem = format!("the answer has no {key:?}; it {found}");
    DecodeError { hides_body: true, ..DecodeError::new(problem) }
}

/// The keys of a JSON object.
fn top_keys(answer: &Answer) -> Names {
    json_text(answer).ok().and_then(|text| read_json(text).ok()).unwrap_or_default()
}

/// A JSON object, of which only the value of one key and `meta` are read.
struct Envelope<T> {
    content: Option<T>,
    meta: Option<Meta>,
    /// Whether `error` or `errors` has a value.
    has_error: bool,
}

/// Reads the envelope; `Check` is read to locate an error.
fn open<'locator, T: DeserializeOwned, Check: DeserializeOwned>(
    locator: &'locator Locator,
    answer: &Answer,
) -> Result<(Envelope<T>, &'locator str), DecodeError> {
    let key = match locator {
        Locator::Key(key) | Locator::KeyOrRoot(key) | Locator::OptionalKeyOrRoot(key) | Locator::Page(key) => {
            key.as_ref()
        }
        Locator::Root | Locator::Redirect | Locator::Custom => "",
    };
    let locate = |text: &str, error: &_| locate_in_list(text, key, error, EnvelopeSeed::<Check>::new(key));
    let envelope = read_seed(json_text(answer)?, || EnvelopeSeed::<T>::new(key), locate)?;
    Ok((envelope, key))
}

struct EnvelopeSeed<'key, T> {
    key: &'key str,
    content: PhantomData<T>,
}

impl<'key, T> EnvelopeSeed<'key, T> {
    fn new(key: &'key str) -> Self {
        Self { key, content: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for EnvelopeSeed<'_, T> {
    type Value = Envelope<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for EnvelopeSeed<'_, T> {
    type Value = Envelope<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a JSON object with \"{}\"", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope { content: None, meta: None, has_error: false };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == self.key {
                envelope.content = Some(map.next_value()?);
            } else if key == "meta" {
                envelope.meta = Meta::read(&map.next_value_seed(Meta::FIELDS)?);
            } else if key == "error" || key == "errors" {
                envelope.has_error |= has_value(&map.next_value_seed(Outline(&[]))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(envelope)
    }
}
