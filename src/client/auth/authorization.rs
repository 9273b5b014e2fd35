//! Chooses the token of a request, through all its attempts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use secrecy::SecretString;

use super::oauth::{CachedTokens, OAuth, Renewed};
use super::token_request::{SendsTokenRequest, login_required};
use crate::api::InvalidArgument;
use crate::api::oauth;
use crate::client::config::Config;
use crate::client::error::Error;
use crate::client::secrets::Secrets;

/// How often one request may be rejected for its token and retried with another from the store.
const MAX_RENEWALS: u32 = 3;

/// How a client authorizes its requests.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A fixed token that the caller manages.
    Token(SecretString),
    /// Tokens that are refreshed.
    OAuth(Arc<OAuth>),
}

impl Auth {
    pub fn token(token: &str) -> Result<Self, InvalidArgument> {
        oauth::checked_token("token", token).map(Self::Token)
    }

    /// The secrets that must not be shown.
    pub(crate) fn secrets(&self) -> Secrets {
        match self {
            Self::Token(token) => Secrets::from_iter([token.clone()]),
            Self::OAuth(oauth) => oauth.secrets().collect(),
        }
    }
}

/// The token of one request, through all its attempts.
#[derive(Debug)]
pub(crate) struct Authorization<'client, S> {
    auth: &'client Auth,
    config: &'client Config,
    sender: &'client S,
    cached: Option<Arc<CachedTokens>>,
    renewals: u32,
    was_refreshed: bool,
}

impl<'client, S: SendsTokenRequest> Authorization<'client, S> {
    pub(crate) fn new(auth: &'client Auth, config: &'client Config, sender: &'client S) -> Self {
        Self { auth, config, sender, cached: None, renewals: 0, was_refreshed: false }
    }

    /// The token to send now, renewed first if it is about to expire.
    pub(crate) async fn token(&mut self) -> Result<SecretString, Error> {
        let oauth = match self.auth {
            Auth::Token(token) => return Ok(token.clone()),
            Auth::OAuth(oauth) => oauth,
        };
        let now = Timestamp::now();
        let cached = match oauth.usable(None) {
            Some(cached) if self.was_refreshed || cached.renew_at.is_none_or(|moment| now < moment) => cached,
            Some(cached) if cached.tokens.expires_at.is_some_and(|end| now < end) => {
                oauth.renew_early(self.config, self.sender, &cached).await;
                oauth.usable(None).unwrap_or(cached)
            }
            ended => self.renewed(oauth, ended.as_ref()).await?,
        };
        let url = self.config.url();
        if let Some(other) = cached.tokens.url.as_ref().filter(|other| **other != url) {
            let message = format!(
                "the tokens of this OAuth belong to {other}, not to {url}: use one OAuth for each school; if they are \
                     of {url}, and were first used with the wrong url=, save them again as Tokens(..., url={url:?}) and \
                     make a new OAuth"
            );
            return Err(login_required("other_school", &message));
        }
        let token = cached.tokens.access.clone();
        self.cached = Some(cached);
        Ok(token)
    }

    /// Called after Studio has rejected the token: returns whether there is another one to try. At most one refresh per
    /// request.
    pub(crate) async fn renew(&mut self) -> Result<bool, Error> {
        let Auth::OAuth(oauth) = self.auth else { return Ok(false) };
        let refused = self.cached.take();
        let is_hopeless = refused.as_ref().is_some_and(|refused| refused.is_fresh());
        if self.was_refreshed || is_hopeless || self.renewals >= MAX_RENEWALS {
            return Ok(false);
        }
        // Another request may have renewed it meanwhile.
        if oauth.usable(refused.as_deref()).is_none() {
            self.renewed(oauth, refused.as_ref()).await?;
        }
        self.renewals += 1;
        Ok(true)
    }

    /// Called when Studio has accepted the token.
    pub(crate) fn accepted(&self) {
        if let Some(cached) = &self.cached {
            cached.is_proven.store(true, Ordering::Relaxed);
        }
    }

    async fn renewed(
        &mut self,
        oauth: &Arc<OAuth>,
        stale: Option<&Arc<CachedTokens>>,
    ) -> Result<Arc<CachedTokens>, Error> {
        let (cached, renewed) = oauth.renew(self.config, self.sender, stale).await?;
        self.was_refreshed |= renewed == Renewed::Refreshed;
        Ok(cached)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        for token in ["", " \n", "t0 ken", "t0k\nen", "t0kén"] {
            let refusal = Auth::token(token).unwrap_err();
            assert_eq!(refusal.argument, "token");
            assert!(!refusal.expected.contains("t0k"));
        }
        assert!(!format!("{:?}", Auth::token("t0ken").unwrap()).contains("t0ken"));
    }

    #[test]
    fn a_token_with_its_quotation_marks_or_its_scheme_is_recognised_and_not_shown() {
        for (token, problem) in [
            ("\"t0ken\"", "is in quotation marks"),
            (" 't0ken'\n", "is in quotation marks"),
            ("\u{201c}t0ken\u{201d}", "is in quotation marks"),
            ("\"t0ken", "is in quotation marks"),
            ("\"Bearer t0ken\"", "is in quotation marks"),
            ("Bearer t0ken", "holds \"Bearer\""),
            ("bearer: t0ken", "holds \"Bearer\""),
            ("Authorization: Bearer t0ken", "holds \"Bearer\""),
            ("authorization:BEARER\tt0ken", "holds \"Bearer\""),
            ("https://myschool.instructuremedia.com", "is a URL"),
            ("myschool.instructure.com", "is a URL"),
        ] {
            let refusal = Auth::token(token).unwrap_err();
            assert!(refusal.expected.starts_with(problem), "{token}: {refusal}");
            assert!(!refusal.to_string().contains("t0ken"), "{refusal}");
        }
        for token in ["bearer-of-news", "authorization:t0ken", "t\"0ken"] {
            assert!(Auth::token(token).is_ok(), "{token}");
        }
    }

    #[test]
    fn white_space_around_a_token_is_not_part_of_it() {
        for token in [" t0ken", "t0ken\n", "t0ken\r\n"] {
            assert!(matches!(Auth::token(token), Ok(Auth::Token(read)) if read.expose_secret() == "t0ken"));
        }
    }
}
