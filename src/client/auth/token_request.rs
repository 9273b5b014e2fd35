//! Requests to the token endpoint, and what its errors mean.

use crate::api::Request;
use crate::api::oauth::Grant;
use crate::client::config::Options;
use crate::client::error::{Error, StatusError};
use crate::client::failure::said_by_server;

/// The error code that only the person can resolve. RFC 6749, which Studio is inferred to follow.
const INVALID_GRANT: &str = "invalid_grant";
/// The error codes that only a token endpoint uses. RFC 6749, section 5.2.
const OAUTH_WORDS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    INVALID_GRANT,
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// Sends requests to the token endpoint.
pub trait SendsTokenRequest: Clone + Send + Sync + 'static {
    /// Sends one. With `patience`, these options replace the sender's own, closing the sender does not cancel the
    /// request, and it needs no permit that requests which wait for it could hold.
    fn send_token_request(
        &self,
        request: Request<Grant>,
        patience: Option<Options>,
    ) -> impl Future<Output = Result<Grant, Error>> + Send;
}

/// Translates an error of the token endpoint into what it means for the sign-in. Other errors stay unchanged.
pub(super) fn refused(error: Error, is_refresh: bool) -> Error {
    let Error::Status(refusal) = &error else { return error };
    // Without an OAuth error code, or with another status, the answer may not be the token endpoint's.
    let Some(reason) = refusal.error_word().filter(|reason| match refusal.status {
        200..300 | 400 | 401 => true,
        402..500 => OAUTH_WORDS.contains(&reason.as_str()),
        _ => false,
    }) else {
        return error;
    };
    let said = format!("{}: {}", refusal.status, said_by_server(&refusal.body).unwrap_or_default());
    let message = match (reason.as_str(), is_refresh) {
        (INVALID_GRANT, true) => format!("log in again: Studio no longer accepts the refresh token ({said})"),
        (INVALID_GRANT, false) => format!(
            "Studio rejects the code: a code works once, for a few minutes, and only with the redirect URI that it was \
             requested with; log in again ({said})"
        ),
        ("invalid_client" | "unauthorized_client", _) => {
            format!("Studio does not know this developer key: check the client id and the client secret ({said})")
        }
        _ => format!("Studio refused to issue tokens ({said})"),
    };
    let answer = Some(Box::<StatusError>::clone(refusal));
    if reason == INVALID_GRANT && is_refresh {
        Error::LoginRequired { reason, message, answer }
    } else {
        Error::SignIn { reason, message, answer }
    }
}

/// There are no usable tokens, and only a person can change that.
pub(super) fn login_required(reason: &str, message: &str) -> Error {
    Error::LoginRequired { reason: reason.to_owned(), message: message.to_owned(), answer: None }
}
