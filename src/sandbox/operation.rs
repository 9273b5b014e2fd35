//! An operation of the sandbox as a value, from which its route, its parameter checks and its description are made.

use axum::body::Bytes;
use http::Method;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::lists::{PageKey, Query};
use super::parameters::{File, Kind, Parameter, ParameterLocation, SentFields, Value};
use super::shapes::{Meta, Show};
use super::state::{Denied, State};
use super::studio::Studio;

/// Observed as `application/json; charset=utf-8`.
pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// Observed.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// Documented.
const PER_PAGE: usize = 20;

type Handle = fn(&mut State, &Call<'_>) -> Result<Reply, ErrorReply>;

/// One operation of a page of the reference.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    /// The schema of the body.
    pub(crate) body: Option<Json>,
    /// The statuses of its answers, with their meaning and schema.
    pub(crate) answers: Vec<(u16, &'static str, Option<Json>)>,
    /// Whether the reference lists 422 for it; if not, an invalid id is 404.
    lists_422: bool,
    /// The content type of its answer, if not JSON.
    pub(crate) produces: Option<&'static str>,
    /// The status of a missing parameter.
    missing: u16,
    pub(crate) handle: Handle,
}

impl Operation {
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handle: Handle,
    ) -> Self {
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameters = in_path.map(|name| Parameter {
            name,
            location: ParameterLocation::Path,
            kind: match name {
                "perspective_uuid" => Kind::Uuid,
                "key" => Kind::Text,
                _ => Kind::Id,
            },
            required: true,
            default: None,
            about: "The id of what this is about.",
        });
        Self {
            method,
            path,
            id,
            summary,
            parameters: parameters.collect(),
            body: None,
            answers: Vec::new(),
            lists_422: false,
            produces: None,
            missing: 422,
            handle,
        }
        .refuses(&[401])
    }

    pub(crate) fn get(path: &'static str, id: &'static str, summary: &'static str, handle: Handle) -> Self {
        Self::new(Method::GET, path, id, summary, handle)
    }

    pub(crate) fn post(path: &'static str, id: &'static str, summary: &'static str, handle: Handle) -> Self {
        Self::new(Method::POST, path, id, summary, handle)
    }

    pub(crate) fn delete(path: &'static str, id: &'static str, summary: &'static str, handle: Handle) -> Self {
        Self::new(Method::DELETE, path, id, summary, handle)
    }

    /// Adds a parameter that the reference puts into the query.
    pub(crate) fn query(self, name: &'static str, kind: Kind, about: &'static str) -> Self {
        self.parameter(name, ParameterLocation::Query, kind, about)
    }

    /// Adds a parameter that the reference puts into a JSON body.
    pub(crate) fn field(self, name: &'static str, kind: Kind, about: &'static str) -> Self {
        self.parameter(name, ParameterLocation::Body, kind, about)
    }

    /// Adds a parameter that the reference puts into a multipart form.
    pub(crate) fn form(self, name: &'static str, kind: Kind, about: &'static str) -> Self {
        self.parameter(name, ParameterLocation::Form, kind, about)
    }

    /// Adds a file in the body.
    pub(crate) fn file(self, name: &'static str, about: &'static str) -> Self {
        self.parameter(name, ParameterLocation::File, Kind::File, about)
    }

    fn parameter(mut self, name: &'static str, location: ParameterLocation, kind: Kind, about: &'static str) -> Self {
        self.parameters.push(Parameter { name, location, kind, required: false, default: None, about });
        self
    }

    /// Answers 400 if a required parameter is missing.
    pub(crate) fn missing_is_400(mut self) -> Self {
        self.missing = 400;
        self.says_no(400, "A required parameter is missing.")
    }

    /// Makes the last parameter required.
    pub(crate) fn required(mut self) -> Self {
        self.parameters.last_mut().into_iter().for_each(|parameter| parameter.required = true);
        self
    }

    /// Sets the default of the last parameter.
    pub(crate) fn default(mut self, value: impl Into<Json>) -> Self {
        let value = value.into();
        self.parameters.last_mut().into_iter().for_each(|parameter| parameter.default = Some(value.clone()));
        self
    }

    pub(crate) fn paged(self) -> Self {
        self.query("page", Kind::Integer { least: 1 }, "The page to retrieve. Default: 1.")
            .default(1)
            .query("per_page", Kind::PerPage, "The number of results per page. Default: 20, Max: 50.")
            .default(PER_PAGE)
            .checked()
    }

    /// Rejects invalid parameters other than ids with 422, where the reference does not say what happens.
    pub(crate) fn checked(self) -> Self {
        self.says_no(422, "Some parameter is missing or not valid.")
    }

    pub(crate) fn says_no(self, status: u16, about: &'static str) -> Self {
        self.answers(status, about, error())
    }

    pub(crate) fn body(mut self, schema: Json) -> Self {
        self.body = Some(schema);
        self
    }

    pub(crate) fn answers(mut self, status: u16, about: &'static str, schema: impl Into<Option<Json>>) -> Self {
        self.answers.push((status, about, schema.into()));
        self
    }

    /// Sets the content type of a successful answer that is not JSON.
    pub(crate) fn produces(mut self, content_type: &'static str) -> Self {
        self.produces = Some(content_type);
        self
    }

    /// Adds the error statuses that the reference lists.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let about = match status {
                400 => "One or more permission was not found or can not be created, because it already exists.",
                401 => "Authorization information is missing or invalid.",
                403 => "If a user without proper permissions tries to call this endpoint, the call is rejected.",
                404 => "It was not found by its id.",
                409 => "It was done already.",
                422 => "Invalid parameters are provided.",
                _ => "The request is rejected.",
            };
            self.lists_422 |= *status == 422;
            self.answers.push((*status, about, Some(error())));
        }
        self
    }

    /// The name of its file in the body, if it has one.
    pub(crate) fn file_name(&self) -> Option<&'static str> {
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.location == ParameterLocation::File).map(|parameter| parameter.name)
    }

    /// Whether it reads fields from a body: it has parameters outside of its path, and its body is not a document.
    pub(crate) fn has_fields(&self) -> bool {
        self.body.is_none() && self.parameters.iter().any(|parameter| parameter.location != ParameterLocation::Path)
    }

    /// Reads and checks the parameters. An invalid id is 404 where the reference lists no 422.
    pub(crate) fn read(
        &self,
        path: &SentFields,
        sent: &SentFields,
        studio: &Studio,
    ) -> Result<Vec<(&'static str, Value)>, ErrorReply> {
        let mut values = Vec::with_capacity(self.parameters.len());
        for parameter in self.parameters.iter().filter(|parameter| parameter.location != ParameterLocation::File) {
            let sent = if parameter.location == ParameterLocation::Path { path } else { sent };
            let Some(value) = sent.last(parameter.name) else {
                if parameter.required {
                    return Err(ErrorReply::new(self.missing, format!("{} is missing", parameter.name)));
                }
                continue;
            };
            match parameter.kind.read(value, studio) {
                Ok(value) => values.push((parameter.name, value)),
                Err(_) if parameter.kind == Kind::Id && !self.lists_422 => return Err(ErrorReply::not_found()),
                Err(expected) => {
                    return Err(ErrorReply::new(422, format!("Invalid {} is provided: {expected}", parameter.name)));
                }
            }
        }
        Ok(values)
    }
}

/// The schema of an error.
fn error() -> Json {
    json!({"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}})
}

/// A call of an operation, as its handler gets it.
#[derive(Debug)]
pub(crate) struct Call<'studio> {
    pub(crate) studio: &'studio Studio,
    pub(crate) caller: u64,
    pub(crate) now: Timestamp,
    /// Whether a fault lets the transcoding fail that the call leads to.
    pub(crate) fails_transcoding: bool,
    pub(crate) values: Vec<(&'static str, Value)>,
    /// The file in the body, if the operation has one.
    pub(crate) file: Option<File>,
    pub(crate) body: Bytes,
}

impl<'studio> Call<'studio> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn date(&self, name: &str) -> Option<Date> {
        match self.value(name) {
            Some(Value::Date(date)) => Some(*date),
            _ => None,
        }
    }

    /// Whether a flag is set; one that was not sent is not.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(&Value::Flag(true))
    }

    /// An id in the path, which was checked before.
    pub(crate) fn id(&self, name: &str) -> Result<u64, ErrorReply> {
        self.integer(name).ok_or_else(ErrorReply::not_found)
    }

    /// Reads the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ErrorReply> {
        serde_json::from_slice(&self.body).map_err(|error| ErrorReply::new(422, format!("Invalid body: {error}")))
    }

    /// The file in the body.
    pub(crate) fn file(&self) -> Result<&File, ErrorReply> {
        self.file
            .as_ref()
            .ok_or_else(|| ErrorReply::new(422, "Invalid body: expected multipart/form-data with the file"))
    }

    /// Renders records for the caller.
    pub(crate) fn show<'state>(&self, state: &'state State) -> Show<'state>
    where
        'studio: 'state,
    {
        Show { state, studio: self.studio, caller: self.caller }
    }

    /// Answers the requested page; `show` renders its ids.
    pub(crate) fn page(
        &self,
        state: &mut State,
        query: Query,
        show: impl FnOnce(&State, &[u64], Option<Meta>) -> Result<Reply, ErrorReply>,
    ) -> Result<Reply, ErrorReply> {
        let number = |name| self.integer(name).and_then(|number| usize::try_from(number).ok());
        let (page, per_page) = (number("page").unwrap_or(1), number("per_page").unwrap_or(PER_PAGE));
        let key = PageKey { caller: self.caller, query, page, per_page };
        if let Some(body) = state.cached_page(&key) {
            return Ok(Reply::text(200, JSON, body));
        }
        let ids = state.list(self.caller, key.query.clone(), &self.studio.assumptions);
        let ids_of_page = ids.chunks(per_page).nth(page - 1).unwrap_or_default();
        let last_page = ids.len().div_ceil(per_page).max(1);
        let meta = Meta { current_page: page, last_page, total_count: ids.len() };
        let reply = show(state, ids_of_page, self.studio.assumptions.list_meta.then_some(meta))?;
        if !ids_of_page.is_empty() {
            state.cache_page(key, reply.body.clone());
        }
        Ok(reply)
    }
}

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Empty if there is none.
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(status: u16, answer: &impl Serialize) -> Result<Self, ErrorReply> {
        // About the size of a page of media.
        let mut body = Vec::with_capacity(32 * 1024);
        serde_json::to_writer(&mut body, answer).map_err(|error| ErrorReply::new(500, error.to_string()))?;
        Ok(Self { status, content_type: JSON, headers: Vec::new(), body: body.into() })
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self::text(status, "", "")
    }

    pub(crate) fn text(status: u16, content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: text.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An error answer. Observed as an object with `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorReply {
    pub(crate) status: u16,
    pub(crate) error: String,
}

impl ErrorReply {
    pub(crate) fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not found")
    }
}

impl From<Denied> for ErrorReply {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::not_found(),
            Denied::Forbidden => Self::new(403, "Forbidden"),
        }
    }
}

impl From<ErrorReply> for Reply {
    fn from(error: ErrorReply) -> Self {
        let body = json!({"error": error.error}).to_string();
        Self::text(error.status, JSON, body)
    }
}
