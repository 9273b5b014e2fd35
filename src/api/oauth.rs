//! OAuth: the authorization URL, and exchanging a code or a refresh token for tokens.
//!
//! The developer reference has no page about it. Endpoints and fields are observed in several clients and in the
//! vendor's guide for Postman.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use url::{Host, Url, form_urlencoded};

use super::answer::{self, Answer, DecodeError, Locator};
use super::check::{self, InvalidArgument};
use super::json::text::read_json;
use super::request::{Call, Form, Request, RetrySafety};

/// The authorization endpoint, below `/api/public`. Documented.
pub const AUTHORIZE: &str = "/oauth/authorize";
/// The token endpoint, below `/api/public`. Documented.
const TOKEN: &str = "/oauth/token";
/// The redirect URI with which Studio shows the code instead of redirecting. Observed.
pub const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";

/// The fields that are read from a token endpoint's answer.
const KNOWN: [&str; 5] = ["access_token", "refresh_token", "expires_in", "error", "error_description"];

/// A Studio developer key.
#[derive(Debug, Clone)]
pub struct Key {
    pub client_id: String,
    pub client_secret: SecretString,
}

/// The tokens in a token endpoint's answer.
#[derive(Debug)]
pub struct Grant {
    pub access_token: SecretString,
    pub refresh_token: Option<SecretString>,
    /// The lifetime of the access token, if the answer has it.
    pub expires_in: Option<Duration>,
}

/// An error response of the token endpoint. RFC 6749.
#[derive(Debug)]
pub struct TokenError {
    pub error: String,
    pub description: Option<String>,
}

/// Checks a redirect URI. That Studio accepts neither http nor localhost is observed.
pub fn check_redirect_uri(redirect_uri: &str) -> Result<(), InvalidArgument> {
    let is_elsewhere = |host: Host<&str>| match host {
        Host::Domain(name) => name != "localhost" && !name.ends_with(".localhost"),
        Host::Ipv4(address) => !address.is_loopback(),
        Host::Ipv6(address) => !address.is_loopback(),
    };
    let is_fit = |url: Url| url.scheme() == "https" && url.host().is_some_and(is_elsewhere) && url.fragment().is_none();
    if redirect_uri == OUT_OF_BAND || Url::parse(redirect_uri).is_ok_and(is_fit) {
        return Ok(());
    }
    let expected = format!(
        "must be a redirect URI of the developer key: https, not localhost, without a fragment; or \"{OUT_OF_BAND}\", \
         for which Studio shows the code"
    );
    Err(InvalidArgument::new("redirect_uri", expected))
}

/// A redirect URI for display: without user and query.
pub fn address(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if url.has_host() => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        _ => redirect_uri.to_owned(),
    }
}

/// The query of the authorization URL, for [`AUTHORIZE`].
pub fn authorization(
    key: &Key,
    redirect_uri: &str,
    state: Option<&str>,
    code_verifier: Option<&str>,
) -> Result<Vec<(&'static str, String)>, InvalidArgument> {
    let mut query = vec![
        ("client_id", key.client_id.clone()),
        ("response_type", "code".to_owned()),
        ("redirect_uri", redirect_uri.to_owned()),
    ];
    query.extend(state.map(|state| ("state", state.to_owned())));
    if let Some(verifier) = code_verifier {
        check_code_verifier(verifier)?;
        let digest = digest(&SHA256, verifier.as_bytes());
        query.push(("code_challenge", BASE64_URL_SAFE_NO_PAD.encode(digest)));
        query.push(("code_challenge_method", "S256".to_owned()));
    }
    Ok(query)
}

/// Checks a PKCE code verifier (RFC 7636). That Studio accepts PKCE is inferred; whether it verifies it is unknown. No
/// message quotes the verifier.
pub fn check_code_verifier(verifier: &str) -> Result<(), InvalidArgument> {
    let is_fit = |character: char| character.is_ascii_alphanumeric() || "-._~".contains(character);
    if (43..=128).contains(&verifier.len()) && verifier.chars().all(is_fit) {
        return Ok(());
    }
    let expected = "must be 43 to 128 letters, digits, or any of -._~: secrets.token_urlsafe(48) makes one";
    Err(InvalidArgument::new("code_verifier", expected))
}

/// Exchanges an authorization code for tokens. A code works once.
pub fn exchange(key: &Key, code: SecretString, redirect_uri: &str, code_verifier: Option<&str>) -> Request<Grant> {
    let fields = [("grant_type", "authorization_code".into()), ("code", code), ("redirect_uri", redirect_uri.into())];
    let mut form = form(key, fields);
    form.0.extend(code_verifier.map(|verifier| ("code_verifier", verifier.into())));
    Call::sign_in("exchange", TOKEN, form).custom(decode)
}

/// Exchanges a refresh token for new tokens.
///
/// It is always safe to retry: if an attempt without an answer was processed, the refresh token is used up anyway.
pub fn refresh(key: &Key, refresh_token: SecretString) -> Request<Grant> {
    let form = form(key, [("grant_type", "refresh_token".into()), ("refresh_token", refresh_token)]);
    let mut call = Call::sign_in("refresh", TOKEN, form);
    call.retry_safety = RetrySafety::Always;
    call.custom(decode)
}

/// The key goes into the form. HTTP Basic is observed to work too.
fn form<const N: usize>(key: &Key, fields: [(&'static str, SecretString); N]) -> Form {
    let mut all = Vec::from(fields);
    all.push(("client_id", key.client_id.as_str().into()));
    all.push(("client_secret", key.client_secret.clone()));
    Form(all)
}

fn decode(_: &Locator, answer: &Answer) -> Result<Grant, DecodeError> {
    read(&fields(answer)?)
}

/// The OAuth error in an answer with a success status and no tokens.
pub fn token_error(answer: &Answer) -> Option<TokenError> {
    let fields = fields(answer).ok()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let has_token = fields.get("access_token").and_then(Value::as_str).is_some_and(|token| !token.trim().is_empty());
    let error = text("error").filter(|_| !has_token)?.to_owned();
    Some(TokenError { error, description: text("error_description").map(str::to_owned) })
}

/// The known fields of an answer. Odd values beside new tokens must not lose the tokens.
fn fields(answer: &Answer) -> Result<Value, DecodeError> {
    let read = read_json(answer::json_text(answer)?).map_err(|_| DecodeError::new("it is no JSON object"));
    read.map(|Fields(fields)| fields.into())
}

/// The known fields of an object; the others may be anything.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            if KNOWN.contains(&name.as_str()) {
                fields.0.insert(name, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

/// Reads tokens from the JSON of the token endpoint. Errors quote no value.
///
/// Only the access token must be valid. An invalid refresh token counts as missing, so the one that was sent is kept.
pub fn read(fields: &Value) -> Result<Grant, DecodeError> {
    let problem = |problem: &str| DecodeError { path: Some("access_token".to_owned()), ..DecodeError::new(problem) };
    let access_token = match fields.get("access_token") {
        None | Some(Value::Null) => return Err(problem("there is no access token")),
        Some(Value::String(text)) if text.trim().is_empty() => return Err(problem("there is no access token")),
        Some(Value::String(text)) => token(text),
        Some(_) => None,
    };
    Ok(Grant {
        access_token: access_token.ok_or_else(|| problem("it is no token of visible ASCII characters"))?,
        refresh_token: fields.get("refresh_token").and_then(Value::as_str).and_then(token),
        // An invalid lifetime counts as missing; a rejected token is refreshed anyway.
        expires_in: number(fields.get("expires_in"))
            .filter(|seconds| *seconds > 0.0)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

/// A number, or a string that is one.
pub fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A token without the white space around it: a file or a variable often ends in a newline.
pub fn token(text: &str) -> Option<SecretString> {
    let text = text.trim();
    is_token(text).then(|| text.into())
}

/// Checks a token, or a part of a key, that the caller passed in. No message quotes it.
pub fn checked_token(argument: &str, text: &str) -> Result<SecretString, InvalidArgument> {
    let refused = |expected: &str| InvalidArgument::new(argument, expected);
    if is_school(text.trim()) {
        return Err(refused("is a URL: are the url and the token (or the key) mixed up?"));
    }
    if check::is_quoted(text.trim()) {
        return Err(refused("is in quotation marks: leave them out"));
    }
    if has_scheme(text) {
        return Err(refused("holds \"Bearer\", the word before a token in a header: leave it out, the client adds it"));
    }
    let expected = "must not be empty, and hold only visible ASCII characters: was it copied whole?";
    token(text).ok_or_else(|| refused(expected))
}

/// Whether a text that was passed as a token is the URL of a school.
fn is_school(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_host = text.ends_with(".instructuremedia.com") || text.ends_with(".instructure.com");
    is_host || text.starts_with("http://") || text.starts_with("https://")
}

/// Whether a text that was passed as a token is the value of the header that it goes into, or that whole header.
fn has_scheme(text: &str) -> bool {
    let text = text.trim();
    let value = text.split_once(':').filter(|(name, _)| name.trim().eq_ignore_ascii_case("authorization"));
    let first = value.map_or(text, |(_, value)| value).split_whitespace().next();
    first.is_some_and(|first| first.trim_end_matches(':').eq_ignore_ascii_case("bearer"))
}

/// Whether a text can be sent as a token.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_graphic())
}

/// What a person pasted: the code alone, or the URL that Studio redirected to.
#[derive(Debug)]
pub enum Pasted {
    Code(SecretString),
    /// An OAuth error: its code and description.
    Denied {
        reason: String,
        description: Option<String>,
    },
    /// A URL other than the redirect URI, at this host. The rest of it may contain a code.
    ElsewhereAt(String),
    /// A URL with another `state`: it answers a different request.
    OtherState,
    /// Neither a code nor a URL with one.
    NoCode,
}

/// Reads what a person pasted, including what mail programs and terminals add. `state` is what was sent; the answer may
/// lack it, since Studio did not return it in 2024. Observed. Without a redirect, `school` shows the code.
pub fn pasted(text: &str, redirect_uri: &str, school: &Url, state: Option<&str>) -> Pasted {
    let text: String = text.split_whitespace().collect();
    let text = text.trim_matches(|around| matches!(around, '<' | '>' | '"' | '\'' | '`'));
    let (base, query) = text.split_once('?').unwrap_or(("", text));
    let is_host = base.split('/').next().is_some_and(|host| host.contains('.'));
    // Some browsers show an address without its scheme, or only the end of it.
    let whole =
        if is_host && !base.contains("://") { Url::parse(&format!("https://{text}")) } else { Url::parse(text) };
    let whole = whole.ok().filter(|url| url.has_host() || url.query().is_some());
    let query = whole.as_ref().map_or(query, |url| url.query().unwrap_or_default());
    let query = query.split('#').next().unwrap_or_default();
    let field = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    match &whole {
        Some(url) if !leads_to(url, redirect_uri, school) => {
            return Pasted::ElsewhereAt(url.host_str().unwrap_or_default().to_owned());
        }
        None if !redirect_uri.trim_end_matches('/').ends_with(base.trim_end_matches('/')) => return Pasted::NoCode,
        _ => {}
    }
    let states = || form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "state");
    if state.is_some_and(|sent| states().any(|(_, answered)| answered != sent)) {
        return Pasted::OtherState;
    }
    match (field("code").filter(|code| is_token(code)), field("error")) {
        (_, Some(reason)) => Pasted::Denied { reason, description: field("error_description") },
        (Some(code), None) => Pasted::Code(code.into()),
        (None, None)
            if is_token(text) && !text.contains(['?', '&']) && !text.contains("://") && !text.starts_with("code=") =>
        {
            Pasted::Code(text.into())
        }
        (None, None) => Pasted::NoCode,
    }
}

fn leads_to(url: &Url, redirect_uri: &str, school: &Url) -> bool {
    if redirect_uri == OUT_OF_BAND {
        // The address of that page is unknown; in other products it contains the code.
        return url.origin() == school.origin();
    }
    Url::parse(redirect_uri).is_ok_and(|expected| {
        let endpoint = |url: &Url| (url.origin(), url.path().trim_end_matches('/').to_owned());
        endpoint(&expected) == endpoint(url)
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;

    const REDIRECT_URI: &str = "https://app.example.edu/studio/callback";

    fn pasted(text: &str, redirect_uri: &str) -> Pasted {
        super::pasted(text, redirect_uri, &Url::parse("https://myschool.instructuremedia.com").unwrap(), None)
    }

    fn key() -> Key {
        Key { client_id: "the-id".into(), client_secret: "the-secret".into() }
    }

    #[test]
    fn a_code_is_found_in_whatever_a_person_pastes() {
        for text in [
            "the-code",
            "  the-code\n",
            "https://app.example.edu/studio/callback?code=the-code",
            " <https://app.example.edu/studio/callback/?state=x&code=the-code#top>\r\n",
            "https://app.example.edu/studio/call\nback?code=the-code",
            "\"https://app.example.edu/studio/callback?code=the%2Dcode\"",
            "app.example.edu/studio/callback?code=the-code",
            "/studio/callback?state=x&code=the-code",
            "?code=the-code",
            "code=the-code&state=x",
        ] {
            match pasted(text, REDIRECT_URI) {
                Pasted::Code(code) => assert_eq!(code.expose_secret(), "the-code"),
                other => panic!("{other:?} of {text}"),
            }
        }
        for shown in ["the-code", "https://myschool.instructuremedia.com/oauth/authorize/native?code=the-code"] {
            assert!(matches!(pasted(shown, OUT_OF_BAND), Pasted::Code(_)), "{shown}");
        }
        assert!(matches!(pasted("https://evil.example/?code=the-code", OUT_OF_BAND), Pasted::ElsewhereAt(_)));
    }

    #[test]
    fn what_holds_no_code_says_why() {
        let pasted = |text| pasted(text, REDIRECT_URI);
        assert!(matches!(pasted("https://evil.example/studio/callback?code=x"), Pasted::ElsewhereAt(_)));
        assert!(matches!(pasted("http://app.example.edu/studio/callback?code=x"), Pasted::ElsewhereAt(_)));
        assert!(matches!(pasted("https://app.example.edu/studio/callback?code="), Pasted::NoCode));
        assert!(matches!(pasted("https://app.example.edu/studio/callback"), Pasted::NoCode));
        for text in ["", "?", "code=", "?state=x", "https://"] {
            assert!(matches!(pasted(text), Pasted::NoCode), "{text}");
        }
        assert!(matches!(pasted("evil.example/studio/callback?code=x"), Pasted::ElsewhereAt(_)));
        let at = pasted("https://myschool.instructuremedia.com/oauth/authorize/the-code");
        assert!(matches!(at, Pasted::ElsewhereAt(host) if host == "myschool.instructuremedia.com"));
        let denied = pasted("https://app.example.edu/studio/callback?error=access_denied&error_description=No");
        assert!(matches!(denied, Pasted::Denied { reason, .. } if reason == "access_denied"));
    }

    #[test]
    fn a_state_that_comes_back_is_the_one_that_was_sent() {
        let school = Url::parse("https://myschool.instructuremedia.com").unwrap();
        let answer =
            |query: &str, state| super::pasted(&format!("{REDIRECT_URI}?{query}"), REDIRECT_URI, &school, state);
        for (query, state) in [("code=c", Some("s")), ("code=c&state=s%20t", Some("s t")), ("code=c&state=x", None)] {
            assert!(matches!(answer(query, state), Pasted::Code(_)), "{query}");
        }
        for query in ["code=c&state=x", "code=c&state=", "code=c&state=s&state=x", "error=access_denied&state=x"] {
            assert!(matches!(answer(query, Some("s")), Pasted::OtherState), "{query}");
        }
    }

    #[test]
    fn a_redirect_uri_is_one_that_studio_takes() {
        for fit in [REDIRECT_URI, OUT_OF_BAND] {
            assert!(check_redirect_uri(fit).is_ok(), "{fit}");
        }
        for unfit in [
            "",
            "callback",
            "http://app.example.edu/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://a.example/#b",
        ] {
            assert!(check_redirect_uri(unfit).is_err(), "{unfit}");
        }
    }

    #[test]
    fn a_form_shows_no_secret() {
        let call = refresh(&key(), "the-refresh-token".into()).call;
        let shown = format!("{call:?}");
        assert!(shown.contains("grant_type") && !shown.contains("the-refresh-token") && !shown.contains("the-secret"));
    }

    #[test]
    fn tokens_are_read_however_their_lifetime_is_written() {
        for (expires_in, expected) in [
            (json!(7200), Some(7200)),
            (json!("7200"), Some(7200)),
            (json!(-1), None),
            (json!("soon"), None),
            (json!(null), None),
        ] {
            let grant = read(&json!({"access_token": "a", "refresh_token": "r", "expires_in": expires_in})).unwrap();
            assert_eq!(grant.expires_in, expected.map(Duration::from_secs));
        }
        for answer in [json!({}), json!({"access_token": ""}), json!({"access_token": "a b"}), json!([])] {
            assert!(read(&answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn tokens_are_read_whatever_stands_beside_them() {
        for beside in [
            r#""refresh_token": """#,
            r#""refresh_token": " \n""#,
            r#""refresh_token": null"#,
            r#""refresh_token": 7"#,
            r#""refresh_token": "a b""#,
            r#""refresh_token": {"deep": []}"#,
            r#""scope": "\ud800", "\udfff": 1, "expires_in": 1e999, "created_at": "then""#,
        ] {
            let body = format!("\u{feff}{{{beside}, \"access_token\": \" new \"}}");
            let answer = Answer { status: 200, body: body.into(), ..Answer::default() };
            let grant = decode(&Locator::Custom, &answer).unwrap_or_else(|problem| panic!("{beside}: {problem}"));
            assert_eq!(grant.access_token.expose_secret(), "new");
            assert!(grant.refresh_token.is_none() && grant.expires_in.is_none(), "{beside}");
            assert!(token_error(&answer).is_none());
        }
    }
}
