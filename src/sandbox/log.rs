//! The request log, for a user's assertions: bounded, and without secrets.

use std::collections::{BTreeMap, VecDeque};

use http::HeaderMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use url::form_urlencoded;

use super::credentials::SECRET_LENGTH;
use super::faults::Host;

/// The most requests and bytes in the log; older requests are dropped.
const KEPT: usize = 100_000;
const KEPT_BYTES: usize = 128 * 1024 * 1024;
/// The memory of two strings besides their bytes.
const PAIR: usize = 2 * size_of::<String>();
/// Fields whose values are secrets.
const SECRETS: &[&str] = &[
    "client_secret",
    "refresh_token",
    "access_token",
    "code",
    "signature",
    "x-amz-signature",
    "state",
    "password",
    "token",
];
const MASK: &str = "***";
/// The prefix of every secret of the sandbox.
const GIVEN_OUT: &str = "sandbox-";
const SECRET_KINDS: &[&str] =
    &["sandbox-secret-", "sandbox-token-", "sandbox-access-", "sandbox-refresh-", "sandbox-code-"];

/// A received request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoggedRequest {
    #[serde(serialize_with = "as_seconds")]
    pub(crate) at: Timestamp,
    pub(crate) host: Host,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) user_id: Option<u64>,
    /// None if the connection was cut before the answer.
    pub(crate) status: Option<u16>,
    /// The fault that applied.
    pub(crate) fault: Option<u64>,
}

impl LoggedRequest {
    /// How much memory the request takes.
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| PAIR + name.len() + value.len());
        let query = self.query.iter().map(|(name, value)| PAIR + name.len() + value.len());
        self.method.len() + self.path.len() + self.body.len() + headers.chain(query).sum::<usize>()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    seen: VecDeque<LoggedRequest>,
    bytes: usize,
}

impl Log {
    pub(crate) fn add(&mut self, seen: LoggedRequest) {
        self.bytes += seen.bytes();
        self.seen.push_back(seen);
        while self.seen.len() > KEPT || self.bytes > KEPT_BYTES {
            self.bytes -= self.seen.pop_front().map_or(0, |oldest| oldest.bytes());
        }
    }

    pub(crate) fn all(&self) -> Vec<LoggedRequest> {
        self.seen.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.seen.clear();
        self.bytes = 0;
    }
}

/// Seconds since the epoch.
fn as_seconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.as_duration().as_secs_f64())
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// Masks the secrets that the sandbox issued, anywhere in a text.
pub(crate) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(GIVEN_OUT) {
        let (before, found) = rest.split_at(start);
        shown.push_str(before);
        let secret = secret_length(found);
        let (taken, after) = found.split_at(secret.unwrap_or(GIVEN_OUT.len()));
        shown.push_str(if secret.is_some() { MASK } else { taken });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// The length of the secret at the beginning of a text, if there is one.
fn secret_length(text: &str) -> Option<usize> {
    let kind = SECRET_KINDS.iter().find(|kind| text.starts_with(**kind))?;
    let letters = text.get(kind.len()..)?.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (letters >= SECRET_LENGTH).then_some(kind.len() + letters)
}

pub(crate) fn masked_pairs(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let shown = |name: &str, value: &str| if is_secret(name) { MASK.to_owned() } else { masked(value) };
    pairs.into_iter().map(|(name, value)| (masked(&name), shown(&name, &value))).collect()
}

/// Masks credentials, but not their scheme, so that a test can check it.
pub(crate) fn masked_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let shown = |name: &str, value: &str| match name {
        "authorization" | "proxy-authorization" => match value.split_once(' ') {
            Some((scheme, _)) => format!("{scheme} {MASK}"),
            None => MASK.to_owned(),
        },
        "cookie" => MASK.to_owned(),
        _ => masked(value),
    };
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), shown(name.as_str(), &text(value)))).collect()
}

/// A body as text, with the secrets in forms and JSON objects masked.
pub(crate) fn masked_text(body: &[u8]) -> String {
    if let Ok(mut json) = serde_json::from_slice::<Json>(body)
        && mask(&mut json)
    {
        return masked(&json.to_string());
    }
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    if pairs.iter().any(|(name, _)| is_secret(name)) {
        return form_urlencoded::Serializer::new(String::new()).extend_pairs(masked_pairs(pairs)).finish();
    }
    masked(&String::from_utf8_lossy(body))
}

/// Masks the secrets in JSON. Returns whether there were any.
fn mask(json: &mut Json) -> bool {
    match json {
        Json::Object(fields) => fields.iter_mut().fold(false, |found, (name, value)| {
            if is_secret(name) && value.is_string() {
                *value = MASK.into();
                return true;
            }
            mask(value) || found
        }),
        Json::Array(items) => items.iter_mut().filter_map(|item| mask(item).then_some(())).count() > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_in_headers_and_query_too() {
        let seen = LoggedRequest {
            at: Timestamp::UNIX_EPOCH,
            host: Host::Api,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: vec![("q".to_owned(), "x".repeat(KEPT_BYTES / 8))],
            headers: BTreeMap::from([("h".to_owned(), "x".repeat(KEPT_BYTES / 8))]),
            body: String::new(),
            user_id: None,
            status: None,
            fault: None,
        };
        let mut log = Log::default();
        for _ in 0..5 {
            log.add(seen.clone());
        }
        assert_eq!(log.seen.len(), 3);
        let empty = LoggedRequest { query: vec![Default::default(); KEPT_BYTES / PAIR], ..seen };
        log.add(empty);
        assert_eq!((log.seen.len(), log.bytes), (0, 0));
    }
}
