//! OAuth: the authorize page and the token endpoint, both outside `/v1`.

use std::collections::HashMap;
use std::fmt::Write;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::json;

use super::super::credentials::{Challenge, OUT_OF_BAND};
use super::super::operation::{JSON, Reply};
use super::super::records::Role;
use super::super::state::State;
use super::super::studio::Studio;

const HTML: &str = "text/html; charset=utf-8";

/// `GET /oauth/authorize`: a page with a button to allow the request.
pub(crate) fn authorize_page(studio: &Studio, query: &[(String, String)]) -> Reply {
    let state = studio.state();
    let form: HashMap<_, _> = query.iter().cloned().collect();
    if let Err(reason) = check(&state, &form) {
        return refusal_page(&reason);
    }
    let mut hidden = String::new();
    for name in ["client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method"] {
        if let Some(value) = form.get(name) {
            let _ = write!(hidden, "<input type=hidden name=\"{name}\" value=\"{}\">", escaped(value));
        }
    }
    let mut options = String::new();
    for user in state.users.values().filter(|user| user.role != Role::Student).take(50) {
        let _ = write!(options, "<option value={}>{}</option>", user.id, escaped(&user.full_name));
    }
    page(
        200,
        "Authorize",
        &format!(
            "<p>An application asks to act for you in Studio.</p><form method=post>{hidden}<label>Sign in as \
             <select name=user_id>{options}</select></label> <button>Allow</button></form>"
        ),
    )
}

/// `POST /oauth/authorize`: the button was pressed.
pub(crate) fn authorize(studio: &Studio, form: &HashMap<String, String>, now: Timestamp) -> Reply {
    let user = match form.get("user_id").map(|id| id.parse()) {
        None => studio.admin,
        Some(Ok(id)) => id,
        Some(Err(_)) => return refusal_page("there is no such user"),
    };
    match allow(studio, form, user, now) {
        Err(reason) => refusal_page(&reason),
        Ok(code) if form.get("redirect_uri").is_some_and(|redirect_uri| redirect_uri == OUT_OF_BAND) => {
            page(200, "Authorization code", &format!("<p>Copy this code:</p><pre>{}</pre>", escaped(&code)))
        }
        Ok(url) => Reply::text(302, HTML, "").header("location", url),
    }
}

/// Allows an authorization request for a user. Returns where the browser goes, or the code alone.
pub(crate) fn allow(
    studio: &Studio,
    form: &HashMap<String, String>,
    user: u64,
    now: Timestamp,
) -> Result<String, String> {
    let state = &mut *studio.state();
    check(state, form)?;
    if !state.users.contains_key(&user) {
        return Err(format!("there is no user {user}"));
    }
    let redirect_uri = form.get("redirect_uri").map_or("", String::as_str);
    let given_back = form.get("state").filter(|_| studio.assumptions.state_echoed).map(String::as_str);
    state.credentials.allow(user, redirect_uri, given_back, Challenge::of(form)?, now)
}

/// `POST /oauth/token`.
pub(crate) fn token(studio: &Studio, form: &HashMap<String, String>, headers: &HeaderMap, now: Timestamp) -> Reply {
    let credentials = &mut studio.state().credentials;
    let rotate = studio.assumptions.refresh_tokens_rotate;
    let reply = match credentials.token(form, basic(headers), studio.token_lifetime, rotate, now) {
        Ok(tokens) => Reply::text(200, JSON, tokens.to_string()),
        Err(error) => {
            let body = json!({"error": error.error, "error_description": error.description});
            let reply = Reply::text(error.status, JSON, body.to_string());
            if error.status == 401 { reply.header("www-authenticate", "Basic realm=\"Studio\"") } else { reply }
        }
    };
    reply.header("cache-control", "no-store")
}

fn check(state: &State, form: &HashMap<String, String>) -> Result<(), String> {
    let field = |name: &str| form.get(name).map(String::as_str).ok_or_else(|| format!("{name} is missing"));
    state.credentials.check_key(field("client_id")?, field("redirect_uri")?)?;
    match field("response_type")? {
        "code" => Challenge::of(form).map(drop),
        other => Err(format!("response_type is code, not {other}")),
    }
}

/// The client's id and secret from HTTP Basic, if used.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64(encoded.trim())?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.decode(text).ok()
}

fn refusal_page(reason: &str) -> Reply {
    page(400, "This cannot be authorized", &format!("<p>{}</p>", escaped(reason)))
}

fn page(status: u16, title: &str, content: &str) -> Reply {
    let html = format!("<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{content}\n");
    Reply::text(status, HTML, html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
