//! A request as a value: what is sent, and how its answer is read. Nothing here sends it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::{HeaderName, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use super::answer::{
    Answer, DecodeError, Locator, decode_at_key, decode_at_key_or_root, decode_at_optional_key_or_root, decode_page,
    from_json, is_html,
};
use super::item::{Item, Page};
use super::multipart::Multipart;
use super::permissions::{BodyForm, Changes};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A path below `/api/public/v1`. The token goes with it.
    Studio(String),
    /// A path below `/api/public` for signing in. No token goes with it.
    SignIn(&'static str),
    /// A signed URL that Studio redirected to. The token must never go there.
    Signed(Url),
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// As text, since a number may have more digits than a `Value` keeps.
    Json(String),
    Form(Form),
    /// Bytes as they are, of this media type.
    Content(Bytes, &'static str),
    Multipart(Multipart),
    /// The form to try first; if Studio rejects it, the other one is sent.
    Permissions(Changes, BodyForm),
}

/// The fields of a form, with secret values.
#[derive(Clone)]
pub struct Form(pub Vec<(&'static str, SecretString)>);

impl Form {
    /// The form as it is sent.
    pub fn encoded(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| (name, value.expose_secret()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

impl PartialEq for Form {
    fn eq(&self, other: &Self) -> bool {
        self.encoded() == other.encoded()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.0.iter().map(|(name, _)| (name, "***"))).finish()
    }
}

impl fmt::Display for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(text) => formatter.write_str(text),
            Self::Form(form) => write!(formatter, "{form:?}"),
            Self::Content(bytes, _) => write!(formatter, "<{} bytes>", bytes.len()),
            Self::Multipart(body) => write!(formatter, "<multipart: {}>", body.names().collect::<Vec<_>>().join(", ")),
            Self::Permissions(changes, form) => write!(formatter, "{}", changes.json(*form)),
        }
    }
}

/// Whether a request may be sent again when it is unknown whether the server processed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrySafety {
    /// It changes nothing, or sending it again does no harm.
    Always,
    /// Only if the server cannot have processed it.
    OnlyIfNotProcessed,
}

/// A request without the type of its answer.
#[derive(Clone, PartialEq)]
pub struct Call {
    /// The name of the operation, which is the name of the client's method.
    pub operation: Cow<'static, str>,
    pub method: Method,
    pub target: Target,
    pub query: Vec<(Cow<'static, str>, String)>,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<Body>,
    pub retry_safety: RetrySafety,
    /// Whether a redirect is the expected answer.
    pub wants_redirect: bool,
    /// Whether an answer of any status is the result, with its headers, and not an error.
    pub accepts_any_status: bool,
    /// Whether the body of the answer is kept as it was sent, apart from its compression.
    pub keeps_encoding: bool,
    /// Meanings of a status for this operation, for error messages.
    pub meanings: &'static [(u16, &'static str)],
}

impl Call {
    /// A request to a path of Studio's API.
    pub fn new(operation: impl Into<Cow<'static, str>>, method: Method, path: impl Into<String>) -> Self {
        let retry_safety = if method.is_safe() { RetrySafety::Always } else { RetrySafety::OnlyIfNotProcessed };
        Self {
            operation: operation.into(),
            method,
            target: Target::Studio(path.into()),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            retry_safety,
            wants_redirect: false,
            accepts_any_status: false,
            keeps_encoding: false,
            meanings: &[],
        }
    }

    pub fn get(operation: impl Into<Cow<'static, str>>, path: impl Into<String>) -> Self {
        Self::new(operation, Method::GET, path)
    }

    pub fn post(operation: &'static str, path: impl Into<String>) -> Self {
        Self::new(operation, Method::POST, path)
    }

    pub fn delete(operation: &'static str, path: impl Into<String>) -> Self {
        Self::new(operation, Method::DELETE, path)
    }

    /// A GET of the file behind a signed URL.
    pub fn signed(operation: &'static str, url: Url) -> Self {
        let mut call = Self::get(operation, "");
        call.target = Target::Signed(url);
        call
    }

    /// A request to the token endpoint, which carries secrets.
    pub fn sign_in(operation: &'static str, path: &'static str, form: Form) -> Self {
        let mut call = Self::post(operation, "");
        call.target = Target::SignIn(path);
        call.body = Some(Body::Form(form));
        call
    }

    /// Adds a query parameter.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "numbers, dates and texts, borrowed or not")]
    pub fn query(mut self, name: impl Into<Cow<'static, str>>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Adds a query parameter, if it has a value.
    #[must_use]
    pub fn query_if(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the media types to ask for; JSON otherwise.
    #[must_use]
    pub fn accept(self, media_types: &'static str) -> Self {
        self.header(header::ACCEPT, media_types)
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: impl Into<String>) -> Self {
        self.body = Some(Body::Json(body.into()));
        self
    }

    /// Sets a body of fields and files.
    #[must_use]
    pub fn multipart(mut self, body: Multipart) -> Self {
        self.body = Some(Body::Multipart(body));
        self
    }

    /// Sets permission changes as the body.
    #[must_use]
    pub fn permissions(mut self, changes: Changes) -> Self {
        self.body = Some(Body::Permissions(changes, BodyForm::Array));
        self
    }

    /// Keeps the body of the answer as it was sent: not converted to UTF-8.
    #[must_use]
    pub fn unchanged(mut self) -> Self {
        self.keeps_encoding = true;
        self
    }

    /// Sets the meanings of a status for this operation.
    #[must_use]
    pub fn meaning(mut self, meanings: &'static [(u16, &'static str)]) -> Self {
        self.meanings = meanings;
        self
    }

    /// The path for display. Of a signed URL, the URL without its query, which is a secret.
    pub fn display_path(&self) -> String {
        match &self.target {
            Target::Studio(path) => path.clone(),
            Target::SignIn(path) => (*path).to_owned(),
            Target::Signed(url) => without_query(url),
        }
    }

    /// The result is the object under `key`.
    pub fn at_key<T: Item>(self, key: &'static str) -> Request<T> {
        self.answered(Locator::Key(key.into()), decode_at_key)
    }

    /// The result is the object under `key`, or the whole answer: for answers with an undocumented wrapper.
    pub fn at_key_or_root<T: Item>(self, key: &'static str) -> Request<T> {
        self.answered(Locator::KeyOrRoot(key.into()), decode_at_key_or_root)
    }

    /// The result is the object under `key`, or the whole answer, or nothing: for answers with an undocumented body.
    pub fn at_optional_key_or_root<T: Item>(self, key: &'static str) -> Request<Option<T>> {
        self.answered(Locator::OptionalKeyOrRoot(key.into()), decode_at_optional_key_or_root)
    }

    /// The result is the whole answer.
    pub fn at_root<T: DeserializeOwned>(self) -> Request<T> {
        self.answered(Locator::Root, |_, answer| from_json(answer))
    }

    /// The result is the list under `key`, with or without `meta`; or the rows, for items that come as CSV.
    pub fn page<T: Item>(self, key: impl Into<Cow<'static, str>>) -> Request<Page<T>> {
        let call = if T::READ_CSV.is_some() { self.accept("*/*") } else { self };
        call.answered(Locator::Page(key.into()), decode_page)
    }

    /// The result is the target of a redirect.
    pub fn redirect(mut self) -> Request<Url> {
        self.wants_redirect = true;
        self.answered(Locator::Redirect, |_, answer| match &answer.location {
            Some(location) if (300..400).contains(&answer.status) && ["http", "https"].contains(&location.scheme()) => {
                Ok(location.clone())
            }
            _ => Err(DecodeError::new("expected a redirect to an http or https URL")),
        })
    }

    /// The answer has no result. Its body may be anything but a page, which does not come from the API.
    pub fn empty(self) -> Request<()> {
        self.answered(Locator::Custom, |_, answer| {
            if is_html(&String::from_utf8_lossy(&answer.body)) {
                return Err(DecodeError::new("an HTML page came back: is this host a Studio?"));
            }
            Ok(())
        })
    }

    /// The result is the bytes of the answer, as they were sent.
    pub fn bytes(self) -> Request<Bytes> {
        self.unchanged().answered(Locator::Custom, |_, answer| Ok(answer.body.clone()))
    }

    /// The operation decodes the answer itself.
    pub fn custom<T>(self, decode: Decode<T>) -> Request<T> {
        self.answered(Locator::Custom, decode)
    }

    fn answered<T>(self, locator: Locator, decode: Decode<T>) -> Request<T> {
        Request { call: self, locator, decode, result: PhantomData }
    }
}

/// A request for log lines and tests, without the token and without the query of a signed URL.
impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.display_path())?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            write!(formatter, "{}{name}={value}", if index == 0 { '?' } else { '&' })?;
        }
        if let Some(body) = &self.body {
            write!(formatter, " {body}")?;
        }
        Ok(())
    }
}

/// Decodes an answer.
pub type Decode<T> = fn(&Locator, &Answer) -> Result<T, DecodeError>;

/// A request with the type of its result.
pub struct Request<T> {
    pub call: Call,
    pub locator: Locator,
    decode: Decode<T>,
    result: PhantomData<fn() -> T>,
}

impl<T> Request<T> {
    /// Decodes the answer.
    pub fn decode(&self, answer: &Answer) -> Result<T, DecodeError> {
        (self.decode)(&self.locator, answer)
    }
}

impl<T> Clone for Request<T> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), locator: self.locator.clone(), decode: self.decode, result: PhantomData }
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?} -> {:?}", self.call.operation, self.call, self.locator)
    }
}

impl<T> Request<Page<T>> {
    /// The same request for another page.
    #[must_use]
    pub fn at_page(&self, page: i64) -> Self {
        self.with_query("page", page)
    }

    /// The same request with another page size.
    #[must_use]
    pub fn with_per_page(&self, per_page: i64) -> Self {
        self.with_query("per_page", per_page)
    }

    /// The requested page, if any.
    pub fn page(&self) -> Option<i64> {
        self.number("page")
    }

    /// The requested page size, if any.
    pub fn per_page(&self) -> Option<i64> {
        self.number("per_page")
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.call.query.iter().find(|(existing, _)| existing == name).and_then(|(_, value)| value.parse().ok())
    }

    fn with_query(&self, name: &'static str, value: i64) -> Self {
        let mut request = self.clone();
        match request.call.query.iter_mut().find(|(existing, _)| existing == name) {
            Some((_, old)) => *old = value.to_string(),
            None => request.call.query.push((name.into(), value.to_string())),
        }
        request
    }
}

/// A URL for display: without user, query and fragment, since the query of a signed URL is a secret.
pub fn without_query(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // These fail only for URLs that cannot have a user name.
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use serde_json::Value;

    use super::super::answer::csv_text;
    use super::*;
    use crate::api::models::{Group as Thing, Media, MediaFields};

    fn thing(id: i64) -> Thing {
        serde_json::from_value(serde_json::json!({ "id": id })).unwrap()
    }

    fn answer(body: &'static str) -> Answer {
        Answer { status: 200, content_type: "application/json".into(), body: body.into(), ..Answer::default() }
    }

    fn get() -> Call {
        Call::get("get_thing", "/things/1")
    }

    #[test]
    fn a_wrapped_object_is_read_wherever_its_key_stands() {
        let request = get().at_key::<Thing>("thing");
        assert_eq!(request.decode(&answer(r#"{"note": [1, {}], "thing": {"id": 7}}"#)), Ok(thing(7)));
    }

    #[test]
    fn one_object_is_found_through_in_one_pass_and_what_is_strange_is_left_to_serde() {
        let request = get().at_key::<Media>("media");
        let plain = r#"{"media": {"id": 7, "title": "x", "owner": {"id": 1}, "new": [1]}, "note": null}"#;
        let slowly =
            serde_json::from_str::<HashMap<String, Option<MediaFields>>>(plain).unwrap().remove("media").flatten();
        assert_eq!(Media::scan_at_key(plain, "media").ok().map(|media| media.read_all().unwrap()), slowly);
        for strange in [r#"{"media": {"id": 1}, "media": {"id": 7}}"#, r#"{"m\u0065dia": {"id": 7}}"#] {
            assert!(Media::scan_at_key(strange, "media").is_err(), "{strange}");
        }
        for wrong in [r#"{"media": null}"#, r#"{"media": {"title": "x"}}"#, r#"{"media": {"id": 7}} x"#, "{}"] {
            assert!(Media::scan_at_key(wrong, "media").is_err(), "{wrong}");
            assert!(request.decode(&answer(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_problem_deep_inside_is_named_by_its_path() {
        let request = get().page::<crate::api::models::Group>("things");
        let problem = request.decode(&answer(r#"{"things": [{"id": 1}, {"id": "two"}]}"#)).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some("things[1].id"));
        assert!(problem.problem.contains("invalid type: string \"two\""), "{problem}");
    }

    #[test]
    fn a_missing_wrapper_is_named() {
        let problem = get().at_key::<Thing>("thing").decode(&answer(r#"{"other": {}}"#)).unwrap_err();
        assert_eq!(problem.problem, r#"the answer has no "thing"; it has "other""#);
    }

    #[test]
    fn text_after_the_json_is_a_problem() {
        assert!(get().at_key::<Thing>("thing").decode(&answer(r#"{"thing": {"id": 7}} garbage"#)).is_err());
    }

    #[test]
    fn an_undocumented_wrapper_may_be_there_or_not() {
        let request = get().at_key_or_root::<Thing>("thing");
        for body in [r#"{"thing": {"id": 7}}"#, r#"{"id": 7}"#] {
            assert_eq!(request.decode(&answer(body)), Ok(thing(7)));
        }
        assert!(request.decode(&answer("{}")).is_err());
    }

    #[test]
    fn an_undocumented_body_may_be_empty() {
        let request = get().at_optional_key_or_root::<Thing>("thing");
        for body in ["", "\n", "{}", r#"{"status": "archived"}"#] {
            assert_eq!(request.decode(&answer(body)), Ok(None), "{body}");
        }
        assert_eq!(request.decode(&answer(r#"{"id": 7}"#)), Ok(Some(thing(7))));
    }

    #[test]
    fn only_utf_8_is_read_and_what_else_it_was_said_to_be_is_named() {
        let mut strange = answer(r#"{"thing": {"id": 7}}"#);
        strange.content_type = "application/json; charset=\"klingon\"".into();
        let request = get().at_key::<Thing>("thing");
        assert_eq!(request.decode(&strange), Ok(thing(7)));
        strange.body = Bytes::from_static(b"{\"thing\": {\"id\": 7, \"name\": \"\xfc\"}}");
        let problem = request.decode(&strange).unwrap_err();
        assert!(problem.problem.contains("klingon"));
    }

    #[test]
    fn an_answer_is_empty_text_or_bytes_if_the_operation_says_so() {
        let csv = Answer { content_type: "text/csv".into(), ..answer("a,b\n1,2\n") };
        assert_eq!(csv_text(&csv), Ok("a,b\n1,2\n"));
        assert_eq!(get().bytes().decode(&csv).as_deref(), Ok(b"a,b\n1,2\n".as_slice()));
        for body in ["", "{}", "OK"] {
            assert_eq!(get().empty().decode(&answer(body)), Ok(()));
        }
        assert!(get().empty().decode(&answer("<!doctype html><title>Sign in</title>")).is_err());
        let page = Answer { content_type: "text/html".into(), ..answer("<html>") };
        let binary = answer("a\0b");
        for wrong in [page, binary] {
            assert!(csv_text(&wrong).is_err());
        }
    }

    #[test]
    fn what_is_asked_for_is_a_property_of_the_operation() {
        let call = get().accept("text/csv");
        assert_eq!(call.headers, [(header::ACCEPT, "text/csv".to_owned())]);
    }

    #[test]
    fn a_body_is_shown_without_its_content() {
        let mut call = Call::post("request", "/x");
        call.body = Some(Body::Content(Bytes::from_static(b"private"), "text/plain"));
        assert_eq!(format!("{call:?}"), "POST /x <7 bytes>");
        let call = call.multipart(Multipart::new(vec![("note".into(), "private".into())], Vec::new()).unwrap());
        assert_eq!(format!("{call:?}"), "POST /x <multipart: note>");
    }

    #[test]
    fn a_page_number_is_replaced_and_not_added() {
        let request = get().query("page", 1).query("per_page", 50).page::<Value>("things");
        let query = |request: &Request<Page<Value>>| format!("{:?}", request.call);
        assert_eq!(query(&request.at_page(3)), "GET /things/1?page=3&per_page=50");
        assert_eq!(query(&request.with_per_page(1)), "GET /things/1?page=1&per_page=1");
    }

    #[test]
    fn a_signed_url_is_shown_without_its_query() {
        let url = Url::parse("https://storage.example.com/a.mp4?Signature=secret").unwrap();
        assert_eq!(format!("{:?}", Call::signed("download_media", url)), "GET https://storage.example.com/a.mp4");
    }
}
