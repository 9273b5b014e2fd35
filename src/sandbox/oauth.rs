//! Who may come in: the developer key, and the codes and tokens that were given out for it.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Formatter};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use url::Url;

/// Shows the code in the browser instead of redirecting. Observed.
pub(crate) const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
/// How many letters a secret has.
pub(crate) const SECRET_LENGTH: usize = 40;
/// How long a code can be exchanged. A guess; the standard recommends no more.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uris: Vec<String>,
    /// The administrator's token that the sandbox hands to its user.
    pub(crate) token: String,
    /// Whose each access token is, and until when; without a moment, for ever.
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
}

/// What the token endpoint says no with. RFC 6749, which Studio is assumed to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenRefusal {
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) description: &'static str,
}

impl Credentials {
    /// A key and a token as they are at the start of a sandbox.
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

    /// The same key and token; everything that was given out since is forgotten.
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

    /// A token of a user that does not expire.
    pub(crate) fn permanent(&mut self, user: u64) -> String {
        let token = random("sandbox-token");
        self.access.insert(token.clone(), (user, None));
        token
    }

    /// Whose an access token is.
    pub(crate) fn user_of(&self, token: &str, now: Timestamp) -> Option<u64> {
        let (user, expires) = self.access.get(token)?;
        let alive = expires.is_none_or(|expires| now < expires) && !self.revoked.contains(token);
        alive.then_some(*user)
    }

    pub(crate) fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
    }

    /// A set of tokens as the token endpoint answers it. Observed.
    pub(crate) fn grant(&mut self, user: u64, lifetime: SignedDuration, now: Timestamp) -> Json {
        let (access, refresh) = (random("sandbox-access"), random("sandbox-refresh"));
        self.access.insert(access.clone(), (user, now.checked_add(lifetime).ok()));
        self.refresh.insert(refresh.clone(), user);
        json!({
            "access_token": access,
            "token_type": "Bearer",
            // A whole number above 0 is observed; parts of a second only tests have.
            "expires_in": (lifetime + SignedDuration::from_millis(999)).as_secs(),
            "refresh_token": refresh,
            "created_at": now.as_second(),
        })
    }

    /// Whether the authorize page would be shown; if not, why not.
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

    /// The user allows it: where the browser goes then, or the bare code if it goes nowhere.
    pub(crate) fn allow(
        &mut self,
        user: u64,
        redirect_uri: &str,
        state: Option<&str>,
        now: Timestamp,
    ) -> Result<String, String> {
        let code = random("sandbox-code");
        let expires = now.checked_add(CODE_LIFETIME).unwrap_or(now);
        self.codes.insert(code.clone(), Code { user, redirect_uri: redirect_uri.to_owned(), expires });
        if redirect_uri == OUT_OF_BAND {
            return Ok(code);
        }
        let mut url = Url::parse(redirect_uri).map_err(|error| format!("{redirect_uri} is no URL: {error}"))?;
        url.query_pairs_mut().append_pair("code", &code).extend_pairs(state.map(|state| ("state", state)));
        Ok(url.into())
    }

    /// What the token endpoint does: exchanges a code, or refreshes.
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
                    Some(code) => Ok(self.grant(code.user, lifetime, now)),
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

/// Studio takes neither http nor localhost. Observed.
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

/// A secret that is worth nothing outside of this sandbox, and says where it comes from.
fn random(prefix: &str) -> String {
    let letters: String = std::iter::repeat_with(fastrand::alphanumeric).take(SECRET_LENGTH).collect();
    format!("{prefix}-{letters}")
}
