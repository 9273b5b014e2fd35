//! The request pipeline: `Client::send` authorizes a request, sends it, classifies the answer and retries.

use std::any::Any;
use std::convert::Infallible;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use url::Url;

use super::attempts::Attempts;
use super::auth::{Auth, Authorization, SendsTokenRequest};
use super::config::{Config, Options};
use super::connections::Connections;
use super::error::Error;
use super::failure::{Failure, RequestContext};
use super::limit::{CallPermit, PrefetchPermit, RequestLimit};
use super::log::{log_other_form, with_logging};
use super::network::Trace;
use super::own_runtime::OwnRuntimes;
use super::pace::Pace;
use super::permissions::{AcceptedForm, First, judge_first, judge_second, with_form};
use super::process::PerProcess;
use super::retry::Outcome;
use super::secrets::Secrets;
use super::sending::{Sending, Source};
use crate::api::oauth::{self, Grant};
use crate::api::permissions::Changes;
use crate::api::request::without_query;
use crate::api::{Answer, Body, Call, Request, Target};
use crate::memory;

/// Reading an answer takes at most this many times the memory of its body.
const MEMORY_OF_BODY: usize = 4;

/// Sends requests to one Studio. Cheap to clone: every item of a list has one.
#[derive(Debug, Clone)]
pub struct Client(Arc<Parts>);

/// The state that clones share, some of it also with clients derived by other options.
#[derive(Debug, Clone)]
pub struct Parts {
    pub(super) config: Config,
    pub(super) auth: Arc<Auth>,
    pub(super) connections: Arc<Connections>,
    own_runtimes: Arc<OwnRuntimes>,
    closing: Arc<Closing>,
    pub(super) pace: Pace,
    limit: RequestLimit,
    attached: Option<Attached>,
    accepted_form: Arc<AcceptedForm>,
}

/// A value that lives as long as the client, for the code that creates clients.
pub type Attached = Arc<dyn Any + Send + Sync>;

impl Deref for Client {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Whether a client was closed.
#[derive(Debug, Default)]
struct Closing {
    is_closed: AtomicBool,
    /// Wakes running calls. It has locks inside, so a forked child needs its own.
    wakes: PerProcess<Notify>,
}

impl Client {
    pub fn new(config: Config, auth: Auth) -> Self {
        let limit = RequestLimit::new(config.max_connections);
        Self(Arc::new(Parts {
            config,
            auth: Arc::new(auth),
            connections: Arc::default(),
            own_runtimes: Arc::default(),
            closing: Arc::default(),
            pace: Pace::default(),
            limit,
            attached: None,
            accepted_form: Arc::default(),
        }))
    }

    /// The same client with a value attached.
    #[must_use]
    pub fn with_attached(&self, attached: Attached) -> Self {
        Self(Arc::new(Parts { attached: Some(attached), ..Parts::clone(self) }))
    }

    /// The attached value.
    pub fn attached<T: Any>(&self) -> Option<&T> {
        self.attached.as_deref()?.downcast_ref()
    }

    /// The attached value, if this `Client` is the only owner of it and of the client's state.
    pub fn attached_to_this_alone<T: Any>(&self) -> Option<&T> {
        let attached = self.attached.as_ref().filter(|attached| Arc::strong_count(attached) == 1)?;
        if Arc::strong_count(&self.0) == 1 { attached.downcast_ref() } else { None }
    }

    /// A client with other options. It shares the connections unless the connect timeout differs, the pace, and the
    /// request limit unless that differs. It is closed separately.
    pub fn with(&self, options: Options) -> Result<Self, Error> {
        self.derive(options, Arc::default(), None)
    }

    /// A client that requests a page of a list only when its reader wants it. It is closed separately.
    #[must_use]
    pub fn without_prefetch(&self) -> Self {
        let mut config = self.config.clone();
        config.prefetches = false;
        Self(Arc::new(Parts { config, closing: Arc::default(), ..Parts::clone(self) }))
    }

    /// The same client with other options, closed together with this one.
    pub fn with_overrides(&self, options: Options) -> Result<Self, Error> {
        self.derive(options, Arc::clone(&self.closing), None)
    }

    /// The same client with other options, for a request that other requests wait for. It has a permit of its own,
    /// since those requests may hold all of the client's.
    fn with_own_permit(&self, options: Options) -> Result<Self, Error> {
        self.derive(options, Arc::default(), Some(RequestLimit::new(1)))
    }

    fn derive(&self, options: Options, closing: Arc<Closing>, limit: Option<RequestLimit>) -> Result<Self, Error> {
        let config = self.config.with(options)?;
        let limit = limit.unwrap_or_else(|| {
            // Clients that share permits must agree on their number, or some would wait forever.
            let same = config.max_connections == self.config.max_connections;
            if same { self.limit.clone() } else { RequestLimit::new(config.max_connections) }
        });
        let same = config.time_to_connect() == self.config.time_to_connect();
        let parts = Parts { config, closing, limit, ..Parts::clone(self) };
        if same {
            return Ok(Self(Arc::new(parts)));
        }
        Ok(Self(Arc::new(Parts { connections: Arc::default(), own_runtimes: Arc::default(), ..parts })))
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Whether the token store needs to know its caller.
    pub fn needs_caller(&self) -> bool {
        matches!(&*self.auth, Auth::OAuth(oauth) if oauth.needs_caller())
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub fn limit(&self) -> &RequestLimit {
        &self.limit
    }

    /// A permit for a prefetched page, if one is free.
    pub(super) fn prefetch_permit(&self, comes_by_itself: bool) -> Option<Arc<PrefetchPermit>> {
        self.limit.prefetch_permit(comes_by_itself)
    }

    /// Cancels running calls and rejects new ones.
    pub fn close(&self) {
        self.closing.is_closed.store(true, Ordering::SeqCst);
        self.closing.wakes().notify_waiters();
        // Clients that differ only in options open new connections when they need them.
        self.connections.clear();
        self.own_runtimes.clear();
    }

    /// A request as it may be shown, with secrets masked.
    pub fn shown(&self, call: &Call) -> String {
        self.context(call).masked_call()
    }

    /// The context of a request for errors and log lines.
    pub(super) fn context<'call>(&self, call: &'call Call) -> RequestContext<'call> {
        RequestContext::new(call, self.config.url_for(call), self.secrets())
    }

    /// The secrets that no error and no log line may show.
    fn secrets(&self) -> Secrets {
        self.auth.secrets().and(self.config.secrets())
    }

    /// Sends a request and reads the answer.
    pub async fn send<T>(&self, request: &Request<T>) -> Result<T, Error> {
        let answer = self.send_call(&request.call).await?;
        self.read(request, &answer)
    }

    /// Sends a request and returns the raw answer.
    pub(crate) async fn send_call(&self, call: &Call) -> Result<Answer, Error> {
        let mut hold = CallPermit::default();
        // The future is large, and callers should not have to copy it.
        match &call.body {
            Some(Body::Permissions(changes, _)) => {
                self.until_closed(Box::pin(self.change_permissions(call, changes))).await
            }
            _ => self.until_closed(Box::pin(self.answer(call, &mut hold))).await,
        }
    }

    /// Sends a prefetch request; `None` if it lost its permit.
    pub(super) async fn prefetch(&self, call: &Call, spare: Arc<PrefetchPermit>) -> Option<Result<Answer, Error>> {
        let mut hold = CallPermit::ahead(spare);
        let result = self.until_closed(Box::pin(self.answer(call, &mut hold))).await;
        (!hold.is_missing).then_some(result)
    }

    /// Runs an attempt that streams its body on a runtime of its own.
    pub(super) async fn on_own_runtime<T: Send + 'static, F>(
        &self,
        attempt: impl FnOnce(Self) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<(T, Sending), Failure>> + Send + 'static,
    {
        self.own_runtimes.run(|connections| attempt(Self(Arc::new(Parts { connections, ..Parts::clone(self) })))).await
    }

    /// Rejects a redirect to a URL on which private data could be read in transit.
    pub(super) fn check_private(&self, request: &RequestContext<'_>, url: &Url) -> Result<(), Error> {
        if self.config.is_private(url) {
            return Ok(());
        }
        Err(request.refused(302, format!("redirected to {}, which is not https", without_query(url))))
    }

    /// Reads the answer to a request.
    pub(crate) fn read<T>(&self, request: &Request<T>, answer: &Answer) -> Result<T, Error> {
        let call = &request.call;
        if let Some(location) =
            answer.location.as_ref().filter(|location| call.wants_redirect && location.scheme() == "http")
        {
            self.check_private(&self.context(call), location)?;
        }
        if !memory::is_there(memory::ROOM.saturating_add(answer.body.len().saturating_mul(MEMORY_OF_BODY))) {
            return Err(Error::OutOfMemory);
        }
        request.decode(answer).map_err(|error| self.context(call).error(answer, error))
    }

    /// Sends permission changes in the form that Studio accepted last, or else as an array. If it is certain that the
    /// first attempt changed nothing, sends them once in the other form.
    async fn change_permissions(&self, call: &Call, changes: &Changes) -> Result<Answer, Error> {
        self.wait_for_rate(call).await;
        let begun = Instant::now();
        let (form, timeout) = (self.accepted_form.get(), self.config.timeout);
        let first = self.answer_within(&with_form(call, changes, form), timeout, &mut CallPermit::default()).await;
        let first = match judge_first(changes, first)? {
            First::Made(answer) => {
                self.accepted_form.set(form);
                return Ok(answer);
            }
            First::NotMade(failure) => failure,
        };
        let (request, form) = (self.context(call), form.other());
        log_other_form(&request, form);
        let rest = timeout.saturating_sub(begun.elapsed());
        self.wait_for_rate(call).await;
        let call = with_form(call, first.left(changes), form);
        let second = self.answer_within(&call, rest, &mut CallPermit::default()).await;
        let answer = judge_second(&request, changes, first, second)?;
        self.accepted_form.set(form);
        Ok(answer)
    }

    /// The complete answer to a call, within its timeout. On success, the call still holds its permit.
    pub(super) async fn answer(&self, call: &Call, hold: &mut CallPermit) -> Result<Answer, Error> {
        // Waiting for the rate limit does not count against the timeout.
        self.wait_for_rate(call).await;
        self.answer_within(call, self.config.timeout, hold).await
    }

    /// The complete answer to a call that has passed the rate limit.
    pub(super) async fn answer_within(
        &self,
        call: &Call,
        limit: Duration,
        hold: &mut CallPermit,
    ) -> Result<Answer, Error> {
        let source = Arc::new(Source::new(call.body.as_ref())?);
        let mut attempts = Attempts::new(&self.config.policy, &self.pace, Some(limit));
        let mut authorization = Authorization::new(&self.auth, &self.config, self);
        let mut is_renewing = false;
        let mut is_under_way = false;
        let all = async {
            loop {
                let token = loop {
                    is_renewing = true;
                    let token = match call.target {
                        Target::Studio(_) => Some(hold.not_during(authorization.token()).await?),
                        Target::SignIn(_) | Target::Signed(_) => None,
                    };
                    is_renewing = false;
                    if !self.take_permit(call, hold).await? {
                        break token;
                    }
                    // The token may have expired while the call waited.
                };
                if let Target::Studio(_) = call.target {
                    self.pace.start(self.config.max_rate).await;
                }
                let request = self.context(call);
                let attempt = pin!(self.attempt_whole(&request, token.as_ref(), &source));
                let seen = |answer: &Answer| (answer.status, answer.request_id.clone());
                is_under_way = true;
                let attempted = with_logging(&request, attempts.next(), hold.waited.take(), seen, attempt).await;
                is_under_way = false;
                match attempted {
                    // Any status may be the result, but the token is still renewed.
                    Ok(answer) if answer.status == 401 && token.is_some() => {
                        hold.end();
                        is_renewing = true;
                        if !authorization.renew().await? {
                            return Ok(answer);
                        }
                        self.wait_for_rate(call).await;
                    }
                    Ok(answer) => {
                        authorization.accepted();
                        return Ok(answer);
                    }
                    Err(Failure { outcome: Outcome::Status(401, _), error }) if token.is_some() => {
                        hold.end();
                        is_renewing = true;
                        if !authorization.renew().await? {
                            return Err(error);
                        }
                        self.wait_for_rate(call).await;
                    }
                    Err(failure) => {
                        hold.end();
                        if let Outcome::Status(..) = failure.outcome {
                            authorization.accepted();
                        }
                        attempts.wait_or_give_up(&request, failure).await?;
                        self.wait_for_rate(call).await;
                    }
                }
            }
        };
        match tokio::time::timeout(limit, all).await {
            Ok(result) => result,
            Err(_) if is_renewing => {
                let what = "in total, waiting for tokens to be renewed";
                Err(self.context(call).timeout(self.config.timeout, what, false))
            }
            Err(_) if hold.is_missing => Err(self.without_permit(call)),
            Err(_) if is_under_way => Err(self.context(call).total_timeout(self.config.timeout, source.pause())),
            // Nothing was carried out by the attempts before, or there would be no other.
            Err(_) => Err(self.context(call).timeout(self.config.timeout, "in total", false)),
        }
    }

    /// Waits until the rate limit lets a request to Studio start.
    pub(super) async fn wait_for_rate(&self, call: &Call) {
        if let Target::Studio(_) = call.target {
            self.pace.turn(self.config.max_rate).await;
        }
    }

    /// Takes the permit for an attempt, unless the call holds one already. Returns whether it had to wait.
    pub(super) async fn take_permit(&self, call: &Call, hold: &mut CallPermit) -> Result<bool, Error> {
        if hold.try_begin(&self.limit) {
            return Ok(false);
        }
        if !hold.may_wait() {
            return Err(self.without_permit(call));
        }
        hold.begin(&self.limit).await;
        Ok(true)
    }

    /// The error of a call that got no permit in time. No request was sent.
    fn without_permit(&self, call: &Call) -> Error {
        let most = self.config.max_connections;
        let what = format!("in total, waiting for other requests to end: at most {most} run at once (max_connections)");
        self.context(call).timeout(self.config.timeout, &what, false)
    }

    /// The same client with connections of its own, which report to `trace`.
    pub(super) fn traced(&self, trace: Arc<Trace>) -> Self {
        let (config, connections) = (self.config.traced(trace), Arc::default());
        Self(Arc::new(Parts { config, connections, ..Parts::clone(self) }))
    }

    /// Runs a future until the client is closed.
    pub(super) async fn until_closed<T>(&self, running: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let wakes = self.closing.wakes();
        let mut notified = pin!(wakes.notified());
        // From here on no `close()` is missed, so check now whether there was one.
        notified.as_mut().enable();
        if self.closing.is_closed.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        tokio::select! {
            biased;
            () = notified => Err(Error::Closed),
            result = running => result,
        }
    }
}

impl SendsTokenRequest for Client {
    async fn send_token_request(&self, request: Request<Grant>, patience: Option<Options>) -> Result<Grant, Error> {
        let client = patience.map_or_else(|| Ok(self.clone()), |options| self.with_own_permit(options))?;
        let answer = client.send_call(&request.call).await?;
        // Some servers report errors with a success status. The error quotes nothing else of such an answer.
        if let Some(refusal) = oauth::token_error(&answer) {
            let body = json!({"error": refusal.error, "error_description": refusal.description}).to_string();
            let context = client.context(&request.call);
            return Err(context.refused(answer.status, context.mask(&body)));
        }
        client.read(&request, &answer)
    }
}

impl Closing {
    fn wakes(&self) -> Arc<Notify> {
        let Ok(wakes) = self.wakes.get(|| Ok::<_, Infallible>(Notify::new()));
        wakes
    }
}
