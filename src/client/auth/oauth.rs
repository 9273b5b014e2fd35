//! The tokens of one person at one school, and how they are renewed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use super::token_request::{SendsTokenRequest, login_required, refused};
use super::token_store::{Change, Decide, TokenStore, Tokens};
use crate::api::InvalidArgument;
use crate::api::oauth::{self, Key, Pasted};
use crate::client::config::{Config, Options};
use crate::client::error::Error;
use crate::client::log::TARGET;
use crate::client::process::PerProcess;
use crate::client::tasks::shared_runtime;

/// How long before its expiry a token is renewed: this fraction of its lifetime, but at most this time.
const EARLY: (u32, Duration) = (64, Duration::from_secs(60));
/// The pause between two early renewals, if the first has failed.
const EARLY_PAUSE: Duration = Duration::from_secs(5);
/// How long the call that starts an early renewal waits for it.
const EARLY_WAIT: Duration = Duration::from_secs(2);
/// The timeout of a refresh with all retries, in seconds, whatever the client's own: an abandoned refresh may have been
/// carried out, which uses the refresh token up; and other requests wait for it.
const REFRESH_TIMEOUT: f64 = 60.0;
/// The read timeout of a refresh, in seconds.
const REFRESH_READ_TIMEOUT: f64 = 30.0;
/// A token that Studio has never accepted is not refreshed again before this age. A younger one is not rejected for its
/// age, so a new one would be rejected as well; and many requests at once must not cause as many refreshes.
const FRESH_TOKEN_GRACE: Duration = Duration::from_secs(60);
/// How many earlier secrets are kept for masking: those of sixteen refreshes.
const PAST: usize = 32;
/// The `reason` of an error if the answer belongs to another sign-in.
const OTHER_STATE: &str = "other_state";

/// Advice if the school of the tokens cannot be stored.
const BIND_BEFORE_USE: &str = "The tokens do not say of which school they are, so this is stored before they are used: \
    store them with their `url`, or let the store save them";

/// The renewals of this process that are in progress.
static IN_FLIGHT: PerProcess<AtomicUsize> = PerProcess::new();

/// How many renewals are in progress: the process must not exit before they end, or their tokens are lost.
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
    /// The renewals in progress, by the site where the store works: mostly one.
    renewals: PerProcess<Mutex<HashMap<usize, Renewal>>>,
    /// When an early renewal was last started.
    early: ArcSwapOption<Instant>,
    /// Held during a refresh: a renewal whose store has stopped (because its event loop ended, say) may still be
    /// waiting for Studio when the next one starts.
    asking: PerProcess<tokio::sync::Mutex<()>>,
}

/// The tokens in memory.
#[derive(Debug)]
pub(super) struct CachedTokens {
    pub(super) tokens: Tokens,
    /// When to renew them, if their expiry is known.
    pub(super) renew_at: Option<Timestamp>,
    /// Whether the store has them; they are not used before that.
    is_saved: AtomicBool,
    /// When this process refreshed them, if it did.
    refreshed_at: Option<Instant>,
    /// Whether Studio has accepted the access token.
    pub(super) is_proven: AtomicBool,
    /// What the store held before them.
    before: StoredBefore,
    /// The earlier secrets, latest first: requests that use them may still be running, and they must not be shown.
    past: Vec<SecretString>,
}

/// What a store held before the tokens that are in memory.
#[derive(Debug)]
enum StoredBefore {
    /// Unknown, or the store itself provided the tokens.
    Unknown,
    Was(Option<Tokens>),
}

impl StoredBefore {
    /// Whether the store's content is unchanged.
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

/// The result of a renewal; `None` while it is in progress.
type Renewal = watch::Receiver<Option<Result<Renewed, Error>>>;

/// Where the new tokens came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewed {
    /// The store had them: another process or thread has refreshed them.
    Found,
    /// The store had them without a school. They are bound to this client's school, the first that uses them, and
    /// stored with it.
    Bound,
    Refreshed,
}

/// Where the tokens in memory come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The store, which has them unchanged.
    Store,
    /// The store, which does not have their school yet.
    StoreWithoutSchool,
    /// The token endpoint. The store does not have them yet.
    TokenEndpoint,
}

impl OAuth {
    pub fn new(client_id: &str, client_secret: &str, store: Arc<dyn TokenStore>) -> Result<Self, InvalidArgument> {
        let client_id = oauth::checked_token("client_id", client_id)?.expose_secret().to_owned();
        let key = Key { client_id, client_secret: oauth::checked_token("client_secret", client_secret)? };
        Ok(Self {
            key,
            store,
            cached: ArcSwapOption::empty(),
            renewals: PerProcess::new(),
            early: ArcSwapOption::empty(),
            asking: PerProcess::new(),
        })
    }

    /// The school of the tokens, if they have been read.
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

    /// The URL of the page on which a person grants access.
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

    /// Exchanges what a person pasted for tokens, and stores them.
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
        // The code is used up, so if saving fails now, the next request saves them.
        self.cache(tokens.clone(), Origin::TokenEndpoint, StoredBefore::Unknown);
        let (oauth, saved) = (Arc::clone(self), tokens.clone());
        self.change_store(Box::new(move |loaded| {
            oauth.cache(saved.clone(), Origin::TokenEndpoint, StoredBefore::Was(loaded));
            Box::pin(async { Ok(Change::Save(Some(saved))) })
        }))
        .await?;
        // These are newer than whatever a renewal has cached meanwhile.
        self.cache(tokens.clone(), Origin::Store, StoredBefore::Unknown);
        Ok(tokens)
    }

    /// Deletes the tokens, in memory and in the store.
    pub async fn forget(&self) -> Result<(), Error> {
        self.change_store(Box::new(|_| Box::pin(async { Ok(Change::Save(None)) }))).await?;
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

    /// The cached tokens, unless Studio has rejected them or they are not saved yet.
    pub(super) fn usable(&self, refused: Option<&CachedTokens>) -> Option<Arc<CachedTokens>> {
        self.cached
            .load_full()
            .filter(|cached| cached.is_saved() && refused.is_none_or(|refused| !cached.tokens.is_same(&refused.tokens)))
    }

    /// Gets tokens other than `stale`: joins the renewal in progress, or starts one.
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
                // The renewal ended with the event loop of another caller's async store.
                Ok(Some(Err(error))) if !is_own && error.is_abandoned() => continue,
                Ok(Some(renewed)) => renewed?,
                _ => return Err(Error::Exiting),
            };
            // A renewal that ended before these tokens became stale does not help.
            let cached = if is_own { self.usable(None) } else { self.usable(stale.as_deref()) };
            let Some(cached) = cached else { continue };
            let is_stale = stale.as_ref().is_some_and(|stale| stale.tokens.is_same(&cached.tokens));
            if renewed == Renewed::Bound && (is_stale || cached.tokens.have_ended()) {
                // Their school is stored, so they can now be sent there to be refreshed.
                stale = Some(cached);
                continue;
            }
            return Ok((cached, renewed));
        }
    }

    /// Starts an early renewal. The call that starts it waits briefly, since the event loop of an async store may end
    /// with the call; if that is not enough, the tokens may still be valid, and are renewed when Studio rejects them.
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
            let wait = EARLY_WAIT.min(config.timeout / 2);
            let _ = tokio::time::timeout(wait, outcome.wait_for(Option::is_some)).await;
        }
    }

    fn join(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        stale: Option<&Arc<CachedTokens>>,
    ) -> (Renewal, bool) {
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

    /// Starts a renewal. It runs as its own task, which no call owns, since tokens of an abandoned refresh would be
    /// lost.
    fn begin(
        self: &Arc<Self>,
        config: &Config,
        sender: &impl SendsTokenRequest,
        stale: Option<Arc<CachedTokens>>,
        site: usize,
    ) -> Renewal {
        let shared = match shared_runtime() {
            Ok(shared) => shared,
            Err(error) => return watch::channel(Some(Err(error))).1,
        };
        let (publish, outcome) = watch::channel(None);
        let (oauth, sender, url) = (Arc::clone(self), sender.clone(), config.url());
        let decided = Arc::new(Mutex::new(None));
        let decision = Arc::clone(&decided);
        let decide: Decide = Box::new(move |loaded| {
            Box::pin(async move {
                let (renewed, cached) = oauth.decide(url, &sender, loaded, stale.as_deref()).await?;
                let change = if cached.is_saved() { Change::Keep } else { Change::Save(Some(cached.tokens.clone())) };
                *decision.lock().unwrap_or_else(PoisonError::into_inner) = Some((renewed, cached));
                Ok(change)
            })
        });
        let (oauth, ended) = (Arc::clone(self), outcome.clone());
        self.begin_change(&shared, decide, move |updated| {
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
            // Nobody may be waiting any more.
            let _ = publish.send(Some(result));
            oauth.forget_renewal(site, &ended);
        });
        outcome
    }

    /// Drops a renewal that has ended: its error may hold much memory.
    fn forget_renewal(&self, site: usize, ended: &Renewal) {
        if let Some(renewals) = self.renewals.existing() {
            let mut renewals = renewals.lock().unwrap_or_else(PoisonError::into_inner);
            if renewals.get(&site).is_some_and(|outcome| outcome.same_channel(ended)) {
                renewals.remove(&site);
            }
        }
    }

    /// Decides what to do with the content of the store, under the store's lock.
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
            // They are newer than the store's, unless somebody has signed in or out meanwhile.
            if !cached.is_saved() && (is_as_it_was || matches!(cached.before, StoredBefore::Unknown)) {
                let renewed = if cached.refreshed_at.is_some() { Renewed::Refreshed } else { Renewed::Bound };
                return Ok((renewed, cached));
            }
            // The store was read before they were saved, under a lock that does not exclude everybody.
            if cached.is_saved() && is_as_it_was && stale.is_none_or(|stale| !stale.tokens.is_same(&cached.tokens)) {
                return Ok((Renewed::Found, cached));
            }
        }
        let Some(mut loaded) = loaded else {
            return Err(login_required("no_tokens", "nobody has signed in: the token store is empty"));
        };
        // A store may lose the school of the tokens, so it is remembered here as well.
        let known = self.cached.load_full().filter(|cached| cached.tokens.is_same(&loaded));
        loaded.url = loaded.url.or_else(|| known.and_then(|cached| cached.tokens.url.clone()));
        let is_bound = loaded.url.is_some();
        let own = loaded.url.get_or_insert_with(|| url.clone());
        if *own != url {
            let message = format!(
                "the tokens in the store belong to {own}, not to {url}: log in at {url}; if they are of {url}, and were \
                 first used with the wrong url=, save them again as Tokens(..., url={url:?})"
            );
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
            // So that the replaced tokens are known, and masked.
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

    /// Changes the store. The change is completed even if the caller leaves.
    async fn change_store(&self, decide: Decide) -> Result<(), Error> {
        self.begin_change(&shared_runtime()?, decide, |updated| updated).await.unwrap_or(Err(Error::Exiting))
    }

    /// Starts a change of the store on the shared runtime, as a task that no call owns.
    fn begin_change<T: Send + 'static>(
        &self,
        shared: &Handle,
        decide: Decide,
        finish: impl FnOnce(Result<(), Error>) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        // The store may ask which runtime this is.
        let _entered = shared.enter();
        let updating = self.store.update(decide);
        let counted = InFlight::begin();
        shared.spawn(async move {
            let _counted = counted;
            finish(updating.await)
        })
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

/// Counts a renewal as long as it is in progress.
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

/// The timeouts of a refresh, instead of the client's own.
fn patience() -> Options {
    Options { timeout: Some(REFRESH_TIMEOUT), read_timeout: Some(REFRESH_READ_TIMEOUT), ..Options::default() }
}
