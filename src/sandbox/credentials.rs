//! Credentials: the developer key, and the codes and tokens that were issued for it.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Formatter};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use url::Url;

/// Shows the code in the browser instead of redirecting. Observed.
pub(crate) const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
/// The number of characters of a secret.
pub(crate) const SECRET_LENGTH: usize = 40;
/// The lifetime of a code. A guess; the standard recommends no more.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uris: Vec<String>,
    /// The administrator's token, which the sandbox returns to its user.
    pub(crate) token: String,
    /// The user and the expiry of each access token; without an expiry it never expires.
    access: HashMap<String, (u64, Option<Timestamp>)>,
    refresh: HashMap<String, u64>,
    codes: HashMap<String, Code>,
    revoked: BTreeSet<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Code {
    user: u64,
    redirect_uri: String,
    expires: Timestamp,
    /// The PKCE challenge, if the code was requested with one.
    #[serde(default)]
    challenge: Option<Challenge>,
}

/// A PKCE challenge (RFC 7636). That Studio accepts it is inferred; what it does with it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Challenge {
    Plain(String),
    S256(String),
}

impl Challenge {
    /// Reads the challenge of an authorization request, if it has one.
    pub(crate) fn of(query: &HashMap<String, String>) -> Result<Option<Self>, String> {
        let method = query.get("code_challenge_method").map(String::as_str);
        let Some(text) = query.get("code_challenge") else {
            return if method.is_none() { Ok(None) } else { Err("code_challenge is missing".into()) };
        };
        if !is_pkce(text) {
            return Err("code_challenge is 43 to 128 letters, digits, or -._~".into());
        }
        match method {
            Some("S256") => Ok(Some(Self::S256(text.clone()))),
            None | Some("plain") => Ok(Some(Self::Plain(text.clone()))),
            Some(other) => Err(format!("code_challenge_method is S256 or plain, not {other}")),
        }
    }

    fn fits(&self, verifier: &str) -> bool {
        is_pkce(verifier)
            && match self {
                Self::Plain(text) => text == verifier,
                Self::S256(text) => {
                    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
                    *text == BASE64_URL_SAFE_NO_PAD.encode(digest)
                }
            }
    }
}

/// Whether a text can be a verifier or a challenge.
fn is_pkce(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-._~".contains(&letter))
}

/// An error response of the token endpoint. RFC 6749, which Studio is assumed to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenRefusal {
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl Credentials {
    /// The credentials of a new sandbox.
    pub(crate) fn new(admin: u64, redirect_uris: Vec<String>) -> Self {
        let mut credentials = Self {
            client_id: random("sandbox-client"),
            client_secret: random("sandbox-secret"),
            redirect_uris,
            ..Self::default()
        };
        credentials.token = credentials.permanent(admin);
        credentials
    }

    /// The same key and administrator's token, without anything that was issued since.
    pub(crate) fn renewed(&self, admin: u64) -> Self {
        Self {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            redirect_uris: self.redirect_uris.clone(),
            token: self.token.clone(),
            access: HashMap::from([(self.token.clone(), (admin, None))]),
            ..Self::default()
        }
    }

    /// Issues a token for a user that does not expire.
    pub(crate) fn permanent(&mut self, user: u64) -> String {
        let token = random("sandbox-token");
        self.access.insert(token.clone(), (user, None));
        token
    }

    /// The user of an access token.
    pub(crate) fn user_of(&self, token: &str, now: Timestamp) -> Option<u64> {
        let (user, expires) = self.access.get(token)?;
        let alive = expires.is_none_or(|expires| now < expires) && !self.revoked.contains(token);
        alive.then_some(*user)
    }

    pub(crate) fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
    }

    /// Issues tokens as the token endpoint answers them. Observed.
    pub(crate) fn grant(&mut self, user: u64, lifetime: SignedDuration, now: Timestamp) -> Json {
        let (access, refresh) = (random("sandbox-access"), random("sandbox-refresh"));
        self.access.insert(access.clone(), (user, now.checked_add(lifetime).ok()));
        self.refresh.insert(refresh.clone(), user);
        json!({
            "access_token": access,
            "token_type": "Bearer",
            // A positive whole number is observed; only tests have fractions of a second.
            "expires_in": (lifetime + SignedDuration::from_millis(999)).as_secs(),
            "refresh_token": refresh,
            "created_at": now.as_second(),
        })
    }

    /// Checks an authorization request.
    pub(crate) fn check_key(&self, client_id: &str, redirect_uri: &str) -> Result<(), String> {
        if client_id != self.client_id {
            return Err("there is no developer key with this client_id".into());
        }
        check_redirect_uri(redirect_uri)?;
        if !self.redirect_uris.iter().any(|known| known == redirect_uri) {
            return Err(format!("{redirect_uri} is not a redirect URI of this developer key"));
        }
        Ok(())
    }

    /// Allows an authorization request. Returns where the browser goes, or the code alone if there is no redirect.
    pub(crate) fn allow(
        &mut self,
        user: u64,
        redirect_uri: &str,
        state: Option<&str>,
        challenge: Option<Challenge>,
        now: Timestamp,
    ) -> Result<String, String> {
        let code = random("sandbox-code");
        let expires = now.checked_add(CODE_LIFETIME).unwrap_or(now);
        self.codes.insert(code.clone(), Code { user, redirect_uri: redirect_uri.to_owned(), expires, challenge });
        if redirect_uri == OUT_OF_BAND {
            return Ok(code);
        }
        let mut url = Url::parse(redirect_uri).map_err(|error| format!("{redirect_uri} is no URL: {error}"))?;
        url.query_pairs_mut().append_pair("code", &code).extend_pairs(state.map(|state| ("state", state)));
        Ok(url.into())
    }

    /// Handles a request to the token endpoint: exchanges a code, or refreshes.
    pub(crate) fn token(
        &mut self,
        form: &HashMap<String, String>,
        client: Option<(String, String)>,
        lifetime: SignedDuration,
        rotate: bool,
        now: Timestamp,
    ) -> Result<Json, TokenRefusal> {
        let refuse = |status, error, description| Err(TokenRefusal { status, error, description });
        let field = |name: &str| form.get(name).map(String::as_str);
        let client = client.or_else(|| Some((field("client_id")?.to_owned(), field("client_secret")?.to_owned())));
        if client != Some((self.client_id.clone(), self.client_secret.clone())) {
            return refuse(401, "invalid_client", "Client authentication failed");
        }
        match field("grant_type") {
            Some("authorization_code") => {
                let Some(code) = field("code") else { return refuse(400, "invalid_request", "code is missing") };
                match self.codes.remove(code) {
                    None => refuse(400, "invalid_grant", "The code is not valid, or was used before"),
                    Some(code) if code.expires < now => refuse(400, "invalid_grant", "The code has expired"),
                    Some(code) if field("redirect_uri") != Some(&code.redirect_uri) => {
                        refuse(400, "invalid_grant", "redirect_uri is not the one that the code was asked for with")
                    }
                    Some(Code { user, challenge, .. }) => match (challenge, field("code_verifier")) {
                        (Some(_), None) => refuse(400, "invalid_grant", "code_verifier is missing"),
                        (Some(challenge), Some(verifier)) if !challenge.fits(verifier) => {
                            refuse(400, "invalid_grant", "code_verifier does not fit the code_challenge")
                        }
                        // RFC 9700, 4.8.2: otherwise an attacker could remove the challenge.
                        (None, Some(_)) => refuse(400, "invalid_grant", "the code was asked for without a challenge"),
                        _ => Ok(self.grant(user, lifetime, now)),
                    },
                }
            }
            Some("refresh_token") => {
                let Some(token) = field("refresh_token") else {
                    return refuse(400, "invalid_request", "refresh_token is missing");
                };
                let user = if rotate { self.refresh.remove(token) } else { self.refresh.get(token).copied() };
                match user {
                    None => refuse(400, "invalid_grant", "The refresh token is not valid, or was used before"),
                    Some(user) => Ok(self.grant(user, lifetime, now)),
                }
            }
            Some(_) => refuse(400, "unsupported_grant_type", "grant_type is authorization_code or refresh_token"),
            None => refuse(400, "invalid_request", "grant_type is missing"),
        }
    }
}

/// Checks a redirect URI. Studio accepts neither http nor localhost. Observed.
pub(crate) fn check_redirect_uri(redirect_uri: &str) -> Result<(), String> {
    if redirect_uri == OUT_OF_BAND {
        return Ok(());
    }
    let url = Url::parse(redirect_uri).map_err(|_| format!("{redirect_uri} is no URL"))?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    };
    if url.scheme() != "https" || loopback {
        return Err(format!("Studio refuses {redirect_uri}: a redirect URI is https and not localhost"));
    }
    Ok(())
}

/// Generates a secret that is worthless outside this sandbox and says where it comes from.
fn random(prefix: &str) -> String {
    let letters: String = std::iter::repeat_with(fastrand::alphanumeric).take(SECRET_LENGTH).collect();
    format!("{prefix}-{letters}")
}
