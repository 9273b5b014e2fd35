//! The tokens of one person at one school, and how they are renewed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tracing::info;

use super::token_request::{SendsTokenRequest, login_required, refused};
use crate::api::InvalidArgument;
use crate::api::oauth::{self, Key, Pasted};
use crate::client::config::{Config, Options};
use crate::client::error::Error;
use crate::client::log::TARGET;
use crate::client::process::{PerProcess, background};
use crate::client::token_store::{BoxFuture, Change, TokenStore, Tokens};

/// How long before its end a token is followed by the next: this part of its lifetime, but no more than this time.
const EARLY: (u32, Duration) = (64, Duration::from_secs(60));
/// How long after one attempt to be early the next may come, if the first has failed.
const EARLY_PAUSE: Duration = Duration::from_secs(5);
/// How long the call that makes such an attempt waits for it.
const EARLY_WAIT: Duration = Duration::from_secs(2);
/// How long a refresh may take, in seconds, with all its repetitions, however patient or impatient the client is: one that
/// is given up may have been carried out, and then the refresh token is used up; and others wait for it.
const REFRESH_TIMEOUT: f64 = 60.0;
/// How long the token endpoint may be silent, likewise.
const REFRESH_READ_TIMEOUT: f64 = 30.0;
/// How old a token has to be to be refreshed again, if Studio has never accepted it. A younger one is not refused for its age,
/// so another would be refused as well; and many requests at once must not become as many refreshes.
const FRESH_TOKEN_GRACE: Duration = Duration::from_secs(60);
/// How many secrets of the past are remembered, to mask them: those of sixteen refreshes.
const PAST: usize = 32;
/// The reason of an error about an answer that is not to the request that was sent.
const OTHER_STATE: &str = "other_state";

/// What to do if the school of tokens cannot be stored.
const BIND_BEFORE_USE: &str = "The tokens do not say of which school they are, so this is stored before they are used: \
    store them with their `url`, or let the store save them";

/// How many renewals this process has under way.
static IN_FLIGHT: PerProcess<AtomicUsize> = PerProcess::new();

/// How many renewals are under way: the process must not end before they do, or their tokens are lost.
pub fn renewals_under_way() -> usize {
    IN_FLIGHT.existing().map_or(0, |count| count.load(Ordering::SeqCst))
}

/// The tokens of one person at one school, and how they are renewed.
#[derive(Debug)]
pub struct OAuth {
    key: Key,
    store: Arc<dyn TokenStore>,
    /// Read without a lock, for every request.
    cached: ArcSwapOption<CachedTokens>,
    /// The renewals that are under way, by where the store does its work: mostly one.
    renewals: PerProcess<Mutex<HashMap<usize, Outcome>>>,
    /// When a renewal was last begun before its time.
    early: ArcSwapOption<Instant>,
    /// Held while Studio is asked: a renewal whose store has given up, with the event loop that it ran on, say, may still
    /// be asking when the next one begins.
    asking: PerProcess<tokio::sync::Mutex<()>>,
}

/// Tokens in memory.
#[derive(Debug)]
pub(super) struct CachedTokens {
    pub(super) tokens: Tokens,
    /// When it is time for the next, if the end is known.
    pub(super) renew_at: Option<Timestamp>,
    /// Whether the store has them; they are not used before that.
    is_saved: AtomicBool,
    /// When this process got them by a refresh, if it did.
    refreshed_at: Option<Instant>,
    /// Whether Studio has accepted the access token.
    pub(super) is_proven: AtomicBool,
    /// What the store held before them.
    before: StoredBefore,
    /// The secrets before these, the latest first: requests with them may still be under way, and they must not be shown.
    past: Vec<SecretString>,
}

/// What a store held before the tokens that are in memory.
#[derive(Debug)]
enum StoredBefore {
    /// The store could not say, or has given them itself.
    Unknown,
    Was(Option<Tokens>),
}

impl StoredBefore {
    /// Whether a store that holds this is as it was.
    fn is(&self, loaded: Option<&Tokens>) -> bool {
        match self {
            Self::Unknown => false,
            Self::Was(before) => match (before, loaded) {
                (Some(before), Some(loaded)) => before.is_same(loaded),
                (before, loaded) => before.is_none() && loaded.is_none(),
            },
        }
    }
}

/// What a renewal comes to; nothing while it is under way.
type Outcome = watch::Receiver<Option<Result<Renewed, Error>>>;

/// Where other tokens came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    /// They were in the store: somebody else has refreshed them.
    Found,
    /// They were in the store without a school. This client's is the first that uses them, and is stored with them.
    Bound,
    Refreshed,
}

/// Where tokens that are kept in memory come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The store, which has them as they are.
    Store,
    /// The store, which does not have their school yet.
    StoreWithoutSchool,
    /// The token endpoint. The store does not have them yet.
    TokenEndpoint,
}

impl OAuth {
    pub fn new(client_id: &str, client_secret: &str, store: Arc<dyn TokenStore>) -> Result<Self, InvalidArgument> {
        let client_id = oauth::given_token("client_id", client_id)?.expose_secret().to_owned();
        let key = Key { client_id, client_secret: oauth::given_token("client_secret", client_secret)? };
        Ok(Self {
            key,
            store,
            cached: ArcSwapOption::empty(),
            renewals: PerProcess::new(),
            early: ArcSwapOption::empty(),
            asking: PerProcess::new(),
        })
    }

    /// The school that its tokens are of, if they have been read.
    pub fn school(&self) -> Option<String> {
        self.cached.load().as_ref().and_then(|cached| cached.tokens.url.clone())
    }

    pub fn needs_caller(&self) -> bool {
        self.store.needs_caller()
    }

    pub fn client_id(&self) -> &str {
        &self.key.client_id
    }

    pub fn client_secret(&self) -> &SecretString {
        &self.key.client_secret
    }

    /// The page on which a person allows it.
    pub fn authorization_url(
        &self,
        config: &Config,
        redirect_uri: &str,
        state: Option<&str>,
        code_verifier: Option<&str>,
    ) -> Result<String, InvalidArgument> {
        let query = oauth::authorization(&self.key, redirect_uri, state, code_verifier)?;
        Ok(config.sign_in_url(oauth::AUTHORIZE, query).into())
    }

    /// Turns what a person pasted into tokens, and keeps them.
    pub async fn exchange(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        text: &str,
        redirect_uri: &str,
        state: Option<&str>,
        code_verifier: Option<&str>,
    ) -> Result<Tokens, Error> {
        let code = match oauth::pasted(text, redirect_uri, config.base(), state) {
            Pasted::Code(code) => code,
            Pasted::OtherState => {
                let message =
                    "the state differs from the one that was sent, so the answer belongs to another sign-in or was \
                               forged; no request was sent: open a new authorization_url()"
                        .to_owned();
                return Err(Error::SignIn { reason: OTHER_STATE.to_owned(), message, answer: None });
            }
            Pasted::Denied { reason, description } => {
                let said = description.map_or_else(String::new, |said| format!(": {said}"));
                let what =
                    if reason == "access_denied" { "the person denied access" } else { "Studio refused the sign-in" };
                let message = format!("{what} ({reason}{said})");
                return Err(Error::SignIn { reason, message, answer: None });
            }
            Pasted::ElsewhereAt(host) => {
                let asked = oauth::address(redirect_uri);
                let expected = format!("is a URL at {host}, not at the redirect URI that was requested: {asked}");
                return Err(InvalidArgument::new("code", expected).into());
            }
            Pasted::NoCode => {
                let expected = "must be the code, or the whole URL that the browser was redirected to";
                return Err(InvalidArgument::new("code", expected).into());
            }
        };
        let asked_at = Timestamp::now();
        let request = oauth::exchange(&self.key, code, redirect_uri, code_verifier);
        let grant = sender.send_token_request(request, None).await.map_err(|error| refused(error, false))?;
        let tokens = Tokens::granted(grant, None, asked_at, config.url());
        // The code is used up: if they cannot be saved now, then at the next request.
        self.cache(tokens.clone(), Origin::TokenEndpoint, StoredBefore::Unknown);
        let (oauth, saved) = (Arc::clone(self), tokens.clone());
        let updating = self.store.update(Box::new(move |loaded| {
            oauth.cache(saved.clone(), Origin::TokenEndpoint, StoredBefore::Was(loaded));
            Box::pin(async { Ok(Change::Save(Some(saved))) })
        }));
        self.finish(updating).await?;
        // Whatever a renewal has put there meanwhile, these are newer.
        self.cache(tokens.clone(), Origin::Store, StoredBefore::Unknown);
        Ok(tokens)
    }

    /// Forgets the tokens, here and in the store.
    pub async fn forget(&self) -> Result<(), Error> {
        self.finish(self.store.update(Box::new(|_| Box::pin(async { Ok(Change::Save(None)) })))).await?;
        self.cached.store(None);
        Ok(())
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretString> {
        let cached = self.cached.load_full();
        std::iter::once(self.key.client_secret.clone()).chain(
            cached
                .into_iter()
                .flat_map(|cached| cached.tokens.secrets().chain(cached.past.clone()).collect::<Vec<_>>()),
        )
    }

    /// Keeps tokens in memory.
    fn cache(&self, tokens: Tokens, origin: Origin, before: StoredBefore) -> Arc<CachedTokens> {
        let now = Timestamp::now();
        let renew_at = tokens.expires_at.map(|end| {
            let rest = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            end.checked_sub((rest / EARLY.0).min(EARLY.1)).unwrap_or(end)
        });
        let refreshed_at = (origin == Origin::TokenEndpoint).then(Instant::now);
        let (is_saved, is_proven) = (AtomicBool::new(origin == Origin::Store), AtomicBool::new(false));
        let cached = self.cached.load_full();
        let past = cached.iter().flat_map(|cached| cached.tokens.secrets().chain(cached.past.iter().cloned()));
        let past = past.take(PAST).collect();
        let cached = Arc::new(CachedTokens { tokens, renew_at, is_saved, refreshed_at, is_proven, before, past });
        self.cached.store(Some(Arc::clone(&cached)));
        cached
    }

    /// The tokens in memory, unless they are the ones that Studio has refused, or not safe yet.
    pub(super) fn usable(&self, refused: Option<&CachedTokens>) -> Option<Arc<CachedTokens>> {
        self.cached
            .load_full()
            .filter(|cached| cached.is_saved() && refused.is_none_or(|refused| !cached.tokens.is_same(&refused.tokens)))
    }

    /// Gets other tokens than `stale`: joins the renewal that is under way, or begins one.
    pub(super) async fn renew(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        stale: Option<&Arc<CachedTokens>>,
    ) -> Result<(Arc<CachedTokens>, Renewed), Error> {
        if self.store.is_waiting_for_caller() {
            let message = "a token store cannot use a client that is waiting for that same store".to_owned();
            return Err(Error::Store { message, cause: Arc::new(Error::Closed) });
        }
        let mut stale = stale.cloned();
        loop {
            let (mut outcome, is_own) = self.join(config, sender, stale.as_ref());
            let renewed = match outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
                // It was a caller's who is gone, and with whom the loop of an async store is gone.
                Ok(Some(Err(error))) if !is_own && error.is_abandoned() => continue,
                Ok(Some(renewed)) => renewed?,
                _ => return Err(Error::Exiting),
            };
            // What others had renewed before these tokens were stale is of no help.
            let cached = if is_own { self.usable(None) } else { self.usable(stale.as_deref()) };
            let Some(cached) = cached else { continue };
            let is_stale = stale.as_ref().is_some_and(|stale| stale.tokens.is_same(&cached.tokens));
            if renewed == Renewed::Bound && (is_stale || cached.tokens.have_ended()) {
                // Their school is stored. Now they can be sent there, to be refreshed.
                stale = Some(cached);
                continue;
            }
            return Ok((cached, renewed));
        }
    }

    /// Begins a renewal for those who come later. The one who begins it waits a little, since the loop of an async store may
    /// end with the call; if that is not enough, the tokens are still good.
    pub(super) async fn renew_early(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        due: &Arc<CachedTokens>,
    ) {
        let now = Instant::now();
        let last = self.early.load_full();
        if last.is_none_or(|last| now.duration_since(*last) >= EARLY_PAUSE) {
            self.early.store(Some(Arc::new(now)));
            let (mut outcome, _) = self.join(config, sender, Some(due));
            let rest = due.tokens.expires_at.and_then(|end| end.duration_since(Timestamp::now()).try_into().ok());
            let wait = EARLY_WAIT.min(config.timeout / 2).min(rest.unwrap_or_default());
            let _ = tokio::time::timeout(wait, outcome.wait_for(Option::is_some)).await;
        }
    }

    fn join(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        stale: Option<&Arc<CachedTokens>>,
    ) -> (Outcome, bool) {
        let Ok(renewals) = self.renewals.get(|| Ok::<_, Infallible>(Mutex::default()));
        let mut renewals = renewals.lock().unwrap_or_else(PoisonError::into_inner);
        let site = self.store.work_site();
        match renewals.get(&site) {
            Some(outcome) if outcome.borrow().is_none() && outcome.has_changed().is_ok() => (outcome.clone(), false),
            _ => {
                let outcome = self.begin(config, sender, stale.cloned(), site);
                renewals.insert(site, outcome.clone());
                (outcome, true)
            }
        }
    }

    /// Begins a renewal. It goes on whatever becomes of those who wait for it, since tokens that are given up are lost.
    fn begin(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        stale: Option<Arc<CachedTokens>>,
        site: usize,
    ) -> Outcome {
        let (tell, outcome) = watch::channel(None);
        // Not the caller's runtime, which rests when the caller has left. The store may ask which one this is.
        let background = background();
        let _entered = background.enter();
        let (oauth, sender, url) = (Arc::clone(self), sender.clone(), config.url());
        let decided = Arc::new(Mutex::new(None));
        let decision = Arc::clone(&decided);
        let updating = self.store.update(Box::new(move |loaded| {
            Box::pin(async move {
                let (renewed, cached) = oauth.decide(url, &sender, loaded, stale.as_deref()).await?;
                let change = if cached.is_saved() { Change::Keep } else { Change::Save(Some(cached.tokens.clone())) };
                *decision.lock().unwrap_or_else(PoisonError::into_inner) = Some((renewed, cached));
                Ok(change)
            })
        }));
        let (oauth, ended) = (Arc::clone(self), outcome.clone());
        let counted = InFlight::begin();
        tokio::spawn(async move {
            let _counted = counted;
            let updated = updating.await;
            let result = match (updated, decided.lock().unwrap_or_else(PoisonError::into_inner).take()) {
                (Ok(()), None) => Ok(Renewed::Found),
                (Ok(()), Some((renewed, cached))) => {
                    cached.is_saved.store(true, Ordering::Release);
                    Ok(renewed)
                }
                (Err(Error::Store { message, cause }), Some((Renewed::Bound, _))) => {
                    let message = format!("{message}. {BIND_BEFORE_USE}");
                    Err(Error::Store { message, cause })
                }
                (Err(error), _) => Err(error),
            };
            // If nobody waits any more, nobody need be told.
            let _ = tell.send(Some(result));
            oauth.forget_renewal(site, &ended);
        });
        outcome
    }

    /// Lets go of a renewal that has ended: an error may hold on to much.
    fn forget_renewal(&self, site: usize, ended: &Outcome) {
        if let Some(renewals) = self.renewals.existing() {
            let mut renewals = renewals.lock().unwrap_or_else(PoisonError::into_inner);
            if renewals.get(&site).is_some_and(|outcome| outcome.same_channel(ended)) {
                renewals.remove(&site);
            }
        }
    }

    /// What to do about what the store holds, under its lock.
    async fn decide(
        &self,
        url: String,
        sender: &impl SendsTokenRequest,
        loaded: Option<Tokens>,
        stale: Option<&CachedTokens>,
    ) -> Result<(Renewed, Arc<CachedTokens>), Error> {
        let Ok(asking) = self.asking.get(|| Ok::<_, Infallible>(tokio::sync::Mutex::default()));
        let _asking = asking.lock().await;
        if let Some(cached) = self.cached.load_full() {
            let is_as_it_was = cached.before.is(loaded.as_ref());
            // They are newer than what the store holds, unless somebody has signed in or out meanwhile.
            if !cached.is_saved() && (is_as_it_was || matches!(cached.before, StoredBefore::Unknown)) {
                let renewed = if cached.refreshed_at.is_some() { Renewed::Refreshed } else { Renewed::Bound };
                return Ok((renewed, cached));
            }
            // It was read before they were saved, under a lock that does not keep everybody away.
            if cached.is_saved() && is_as_it_was && stale.is_none_or(|stale| !stale.tokens.is_same(&cached.tokens)) {
                return Ok((Renewed::Found, cached));
            }
        }
        let Some(mut loaded) = loaded else {
            return Err(login_required("no_tokens", "nobody has signed in: the token store is empty"));
        };
        // A store may drop the school of the tokens. It is remembered here as well.
        let known = self.cached.load_full().filter(|cached| cached.tokens.is_same(&loaded));
        loaded.url = loaded.url.or_else(|| known.and_then(|cached| cached.tokens.url.clone()));
        let is_bound = loaded.url.is_some();
        let own = loaded.url.get_or_insert_with(|| url.clone());
        if *own != url {
            let message = format!("the tokens in the store belong to {own}, not to {url}: log in there");
            return Err(login_required("other_school", &message));
        }
        let is_stale = stale.is_some_and(|stale| stale.tokens.is_same(&loaded));
        let is_good = !is_stale && !loaded.have_ended();
        let refresh_token = match &loaded.refresh {
            _ if is_good => None,
            Some(refresh_token) => Some(refresh_token.clone()),
            None => {
                let message = "the token has expired, and there is no refresh token";
                return Err(login_required("no_refresh_token", message));
            }
        };
        if !is_bound {
            // The school is stored before the tokens are sent to it, so no other school gets them later.
            let before = StoredBefore::Was(Some(loaded.clone()));
            return Ok((Renewed::Bound, self.cache(loaded, Origin::StoreWithoutSchool, before)));
        }
        let Some(refresh_token) = refresh_token else {
            if stale.is_some() {
                info!(target: TARGET, url, "the tokens of {url} were refreshed by someone else");
            }
            return Ok((Renewed::Found, self.cache(loaded, Origin::Store, StoredBefore::Unknown)));
        };
        if self.cached.load().as_ref().is_none_or(|cached| !cached.tokens.is_same(&loaded)) {
            // So that what is replaced is known, and masked.
            self.cache(loaded.clone(), Origin::Store, StoredBefore::Unknown);
        }
        let asked_at = Timestamp::now();
        let request = oauth::refresh(&self.key, refresh_token.clone());
        let grant = sender.send_token_request(request, Some(patience()));
        let grant = grant.await.map_err(|error| refused(error, true))?;
        let seconds = grant.expires_in.map(|lifetime| lifetime.as_secs_f64());
        info!(target: TARGET, url, seconds, "refreshed the tokens of {url}");
        let tokens = Tokens::granted(grant, Some(&refresh_token), asked_at, url);
        Ok((Renewed::Refreshed, self.cache(tokens, Origin::TokenEndpoint, StoredBefore::Was(Some(loaded)))))
    }

    /// Carries a change of the store through, whatever becomes of the caller.
    async fn finish(&self, updating: BoxFuture<Result<(), Error>>) -> Result<(), Error> {
        let counted = InFlight::begin();
        let updating = async move {
            let _counted = counted;
            updating.await
        };
        tokio::spawn(updating).await.unwrap_or(Err(Error::Exiting))
    }
}

impl CachedTokens {
    fn is_saved(&self) -> bool {
        self.is_saved.load(Ordering::Acquire)
    }

    pub(super) fn is_fresh(&self) -> bool {
        !self.is_proven.load(Ordering::Relaxed)
            && self.refreshed_at.is_some_and(|moment| moment.elapsed() < FRESH_TOKEN_GRACE)
            && !self.tokens.have_ended()
    }
}

/// Counts a renewal for as long as it is under way.
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn begin() -> Self {
        let Ok(count) = IN_FLIGHT.get(|| Ok::<_, Infallible>(AtomicUsize::new(0)));
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The limits of a refresh, in place of the client's own.
fn patience() -> Options {
    Options { timeout: Some(REFRESH_TIMEOUT), read_timeout: Some(REFRESH_READ_TIMEOUT), ..Options::default() }
}
