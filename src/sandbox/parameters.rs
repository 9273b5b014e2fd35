//! The parameters of operations: their types, and how they are read from a request, wherever they are sent.

use axum::body::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::civil::Date;
use multer::Multipart;
use percent_encoding::percent_decode;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use super::studio::Studio;

/// Documented.
const MAX_PER_PAGE: i64 = 50;
const NOT_UTF_8: &str = "it is not UTF-8";

/// Where the reference puts a parameter. Scalars are accepted in the query, a form and a JSON object alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterLocation {
    Path,
    Query,
    /// A field of a JSON object.
    Body,
    /// A field of a `multipart/form-data` body, and a file in one.
    Form,
    File,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A positive 64-bit integer.
    Id,
    Integer {
        least: i64,
    },
    Uuid,
    Text,
    /// An address of the web.
    Url,
    Date,
    Flag,
    File,
    Word(&'static [&'static str]),
    /// From 1 to 50; `assumptions.per_page_clamped` decides about more.
    PerPage,
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) location: ParameterLocation,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) default: Option<Json>,
    pub(crate) about: &'static str,
}

/// The value of a valid parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Text(String),
    Date(Date),
    Flag(bool),
}

/// A file, and its file name; empty if it has none.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

/// A value as it was sent: in a query or a form everything is text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sent {
    Text(String),
    Json(Json),
}

/// The fields and the file that came with a request.
#[derive(Debug, Default)]
pub(crate) struct SentFields {
    pub(crate) fields: Vec<(String, Sent)>,
    pub(crate) file: Option<File>,
}

impl SentFields {
    /// The last value of this name counts, as in Rails.
    pub(crate) fn last(&self, name: &str) -> Option<&Sent> {
        self.fields.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// Text fields, as a query and a form have them.
pub(crate) fn texts(pairs: Vec<(String, String)>) -> impl Iterator<Item = (String, Sent)> {
    pairs.into_iter().map(|(name, value)| (name, Sent::Text(value)))
}

/// Reads the pairs of a query or a form. That bytes are refused which are no UTF-8 is a guess: Rails refuses them too.
pub(crate) fn pairs(encoded: &[u8]) -> Result<Vec<(String, String)>, String> {
    if percent_decode(encoded).decode_utf8().is_err() {
        return Err(NOT_UTF_8.into());
    }
    Ok(form_urlencoded::parse(encoded).into_owned().collect())
}

/// Reads the fields of a body by its content type: a form, a multipart form, or a JSON object. Observed: Studio accepts
/// all of them. Another body has no fields. A guess.
pub(crate) async fn fields_of(headers: &HeaderMap, body: &[u8], file: Option<&str>) -> Result<SentFields, String> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Ok(SentFields { fields: texts(pairs(body)?).collect(), file: None }),
        "multipart/form-data" => multipart(content_type, body, file).await,
        "application/json" if !body.trim_ascii().is_empty() => {
            let fields: Map<String, Json> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Ok(SentFields { fields: fields.map(|(name, value)| (name, Sent::Json(value))).collect(), file: None })
        }
        _ => Ok(SentFields::default()),
    }
}

/// Reads the fields of a multipart form, and the part of the name `file`.
async fn multipart(content_type: &str, body: &[u8], file: Option<&str>) -> Result<SentFields, String> {
    let problem = |error: multer::Error| error.to_string();
    let mut parts = Multipart::with_reader(body, multer::parse_boundary(content_type).map_err(problem)?);
    let mut sent = SentFields::default();
    while let Some(part) = parts.next_field().await.map_err(problem)? {
        let Some(name) = part.name().map(str::to_owned) else { continue };
        if file == Some(name.as_str()) {
            let name = part.file_name().unwrap_or_default().to_owned();
            sent.file = Some(File { name, bytes: part.bytes().await.map_err(problem)? });
        } else {
            let bytes = part.bytes().await.map_err(problem)?;
            let text = String::from_utf8(bytes.into()).map_err(|_| NOT_UTF_8)?;
            sent.fields.push((name, Sent::Text(text)));
        }
    }
    Ok(sent)
}

impl Kind {
    /// Reads a value, or says what was expected.
    pub(crate) fn read(self, sent: &Sent, studio: &Studio) -> Result<Value, String> {
        match sent {
            Sent::Text(text) => self.read_text(text, studio),
            // That JSON values must have the type of the reference is a guess.
            Sent::Json(Json::String(text)) if !self.is_number() && self != Self::Flag => self.read_text(text, studio),
            Sent::Json(Json::Bool(flag)) if self == Self::Flag => Ok(Value::Flag(*flag)),
            Sent::Json(Json::Number(number)) if self.is_number() => self.read_text(&number.to_string(), studio),
            Sent::Json(_) if self == Self::Flag => Err("expected true or false".into()),
            Sent::Json(_) if self.is_number() => Err("expected a number".into()),
            Sent::Json(_) => Err("expected a string".into()),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Id | Self::Integer { .. } | Self::PerPage)
    }

    fn read_text(self, text: &str, studio: &Studio) -> Result<Value, String> {
        let whole = |least: i64| {
            let number = text.parse::<i64>().ok().filter(|number| *number >= least && !text.starts_with('+'));
            number.ok_or_else(|| format!("expected a whole number of at least {least}"))
        };
        match self {
            Self::Id => whole(1).map(Value::Integer),
            Self::Integer { least } => whole(least).map(Value::Integer),
            Self::PerPage => match whole(1)? {
                number if number <= MAX_PER_PAGE => Ok(Value::Integer(number)),
                _ if studio.assumptions.per_page_clamped => Ok(Value::Integer(MAX_PER_PAGE)),
                _ => Err(format!("expected at most {MAX_PER_PAGE}")),
            },
            Self::Uuid if is_uuid(text) => Ok(Value::Text(text.into())),
            Self::Uuid => Err("expected a UUID".into()),
            Self::File => Err("expected a file".into()),
            Self::Text if text.is_empty() => Err("expected some text".into()),
            Self::Text => Ok(Value::Text(text.into())),
            Self::Url if ["http:/", "https:/"].iter().any(|start| text.starts_with(start)) => {
                Ok(Value::Text(text.into()))
            }
            Self::Url => Err("expected a URL that begins with http:// or https://".into()),
            // Python writes True into a form.
            Self::Flag if text.eq_ignore_ascii_case("true") => Ok(Value::Flag(true)),
            Self::Flag if text.eq_ignore_ascii_case("false") => Ok(Value::Flag(false)),
            Self::Flag => Err("expected true or false".into()),
            Self::Date => {
                let date = text.parse::<Date>().ok().filter(|_| text.len() == "YYYY-MM-DD".len());
                date.map(Value::Date).ok_or_else(|| "expected a date like 2026-09-01".into())
            }
            Self::Word(words) if words.contains(&text) => Ok(Value::Text(text.into())),
            Self::Word(words) => Err(format!("expected one of {}", words.join(", "))),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let fits = |(index, letter): (usize, u8)| match index {
        8 | 13 | 18 | 23 => letter == b'-',
        _ => letter.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}
