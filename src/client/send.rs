//! The request pipeline: `Client::send` authorizes a request, sends it, classifies the answer and retries.

use std::any::Any;
use std::convert::Infallible;
use std::mem;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;
use url::Url;

use super::attempts::Attempts;
use super::auth::{Auth, Authorization, SendsTokenRequest};
use super::body::{self, BodyBuffer, Damaged, MAX_ANSWER};
use super::config::{Config, Options};
use super::connections::{Connections, root_cause};
use super::error::Error;
use super::failure::{Failure, MAX_REFUSAL, RequestContext};
use super::headers::{header_text, is_of_a_move, location, request_id};
use super::limit::{CallPermit, PrefetchPermit, RequestLimit};
use super::log::{log_other_form, with_logging};
use super::network::Cause;
use super::pace::Pace;
use super::permissions::{AcceptedForm, First, judge_first, judge_second, with_form};
use super::process::PerProcess;
use super::retry::Outcome;
use super::secrets::{MARGIN, Secrets};
use super::sending::{Sending, Source};
use super::tasks::Task;
use crate::api::oauth::{self, Grant};
use crate::api::permissions::Changes;
use crate::api::request::without_query;
use crate::api::{Answer, Body, Call, Request, RetrySafety, Target};
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
    connections: Arc<Connections>,
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

    /// The same client with other options, closed together with this one.
    pub(super) fn with_overrides(&self, options: Options) -> Result<Self, Error> {
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
        let connections = if same { Arc::clone(&self.connections) } else { Arc::default() };
        Ok(Self(Arc::new(Parts { config, connections, closing, limit, ..Parts::clone(self) })))
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

    /// Runs an attempt that streams its body on a runtime of its own. When this future is dropped, or the attempt ends
    /// before the body does, that runtime is stopped, and with it the connection.
    pub(super) async fn on_own_runtime<T: Send + 'static, F>(
        &self,
        attempt: impl FnOnce(Self) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<(T, Sending), Failure>> + Send + 'static,
    {
        let runtime = self.connections.own_runtime().map_err(Failure::last)?;
        let connections = Arc::clone(runtime.connections());
        let client = Self(Arc::new(Parts { connections, ..Parts::clone(self) }));
        let mut task = Task::begin(runtime.handle(), attempt(client));
        let (result, sending) = task.wait().await.map_err(Failure::last)??;
        if sending.is_whole() {
            self.connections.keep(runtime);
        }
        Ok(result)
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
                match with_logging(&request, attempts.next(), hold.waited.take(), seen, attempt).await {
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
            Err(_) => {
                let outcome_unknown = call.retry_safety == RetrySafety::OnlyIfNotProcessed;
                Err(self.context(call).timeout(self.config.timeout, "in total", outcome_unknown))
            }
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

    /// One attempt: the request and its complete answer.
    async fn attempt_whole(
        &self,
        request: &RequestContext<'_>,
        token: Option<&SecretString>,
        source: &Arc<Source>,
    ) -> Result<Answer, Failure> {
        if !source.is_streamed() {
            return Ok(self.attempt_here(request, token, source).await?.0);
        }
        let (call, token, source) = (request.call.clone(), token.cloned(), Arc::clone(source));
        self.on_own_runtime(|client| async move {
            client.attempt_here(&client.context(&call), token.as_ref(), &source).await
        })
        .await
    }

    /// One attempt on the current runtime: the complete answer, and how far the body came.
    async fn attempt_here(
        &self,
        request: &RequestContext<'_>,
        token: Option<&SecretString>,
        source: &Source,
    ) -> Result<(Answer, Sending), Failure> {
        let (mut response, sending) = self.attempt(request, token, source).await?;
        let is_raw = request.call.accepts_any_status;
        let status = response.status().as_u16();
        let content_type = header_text(response.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let location = location(&response).filter(|_| request.call.wants_redirect);
        let request_id = request_id(response.headers());
        let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut body = BodyBuffer::default();
        // The body of a redirect is not needed, and some servers send a page with it.
        while location.is_none()
            && let Some(chunk) = self.chunk(request, &mut response).await?
        {
            body.add(chunk, expected).map_err(|_| Failure::last(Error::OutOfMemory))?;
            if body.bytes().len() > MAX_ANSWER {
                return Err(request.damaged(status, &Damaged::too_long(MAX_ANSWER, body.whole().into())));
            }
        }
        let read = if is_raw { body::read_unchanged } else { body::read };
        match read(response.headers(), body.whole(), MAX_ANSWER) {
            Ok(body) => {
                let headers = is_raw.then(|| Box::new(mem::take(response.headers_mut())));
                Ok((Answer { status, content_type, location, request_id, headers, body }, sending))
            }
            Err(damaged) => Err(request.damaged(status, &damaged)),
        }
    }

    /// One attempt, until the headers of a successful answer have arrived. The body of the request must be kept as long
    /// as the answer is read.
    pub(super) async fn attempt(
        &self,
        request: &RequestContext<'_>,
        token: Option<&SecretString>,
        source: &Source,
    ) -> Result<(reqwest::Response, Sending), Failure> {
        let (response, sending) = self.send_once(request, token, source).await?;
        let (status, call) = (response.status(), request.call);
        let is_whole = sending.is_whole();
        if !is_whole {
            sending.pause();
        }
        if call.accepts_any_status && !status.is_success() {
            return Ok((response, sending));
        }
        if status.is_success() || (status.is_redirection() && call.wants_redirect && !is_of_a_move(call, &response)) {
            return if is_whole {
                Ok((response, sending))
            } else {
                Err(request.answered_early(status.as_u16(), sending.sent()))
            };
        }
        Err(self.refusal(request, response).await)
    }

    /// The `Date` header of the answer to a ping without a token, whatever its status.
    pub async fn server_date(&self) -> Result<Option<String>, Error> {
        let call = Call::get("server_date", "/ping");
        let request = self.context(&call);
        let nothing = Source::default();
        let answered = self
            .until_closed(async { self.send_once(&request, None, &nothing).await.map_err(|failure| failure.error) });
        Ok(header_text(answered.await?.0.headers(), header::DATE.as_str()))
    }

    /// Sends the request; nothing else does. Returns once the headers have arrived, whatever the status.
    async fn send_once(
        &self,
        context: &RequestContext<'_>,
        token: Option<&SecretString>,
        source: &Source,
    ) -> Result<(reqwest::Response, Sending), Failure> {
        let call = context.call;
        let connections = self.connections.to(&call.target, &self.config);
        let connections = connections.map_err(|error| context.not_connected(&error.to_string(), None, false))?;
        let mut request = connections.request(call.method.clone(), context.url.clone());
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, bearer(token));
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(content_type) = &source.content_type
            && !call.headers.iter().any(|(name, _)| name == header::CONTENT_TYPE)
        {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let (body, sending) = source.begin().map_err(Failure::last)?;
        request = match source.is_empty() {
            // RFC 9110, 8.6: a method whose content has a meaning declares an empty body. Some gateways answer 411
            // otherwise.
            true if [Method::POST, Method::PUT, Method::PATCH].contains(&call.method) => {
                request.header(header::CONTENT_LENGTH, 0)
            }
            true => request,
            false => request.body(body),
        };
        let mut running = pin!(request.send());
        loop {
            let deadline = sending.deadline(self.config.time_to_connect(), self.config.read_timeout);
            let ended = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, running.as_mut()).await,
                None => Ok(running.as_mut().await),
            };
            match ended {
                Ok(Ok(response)) => return Ok((response, sending)),
                Ok(Err(error)) => {
                    return Err(match sending.problem() {
                        Some(problem) => Failure::last(problem),
                        None if sending.is_whole() || error.is_connect() => self.connection_failure(context, &error),
                        None => context.broke_while_sending(&context.mask(&root_cause(&error)), sending.sent()),
                    });
                }
                // Bytes were taken meanwhile.
                Err(_) if sending.deadline(self.config.time_to_connect(), self.config.read_timeout) != deadline => {}
                Err(_) if sending.is_whole() => return Err(context.read_timeout(self.config.read_timeout)),
                Err(_) => return Err(context.stalled(self.config.read_timeout, sending.sent())),
            }
        }
    }

    /// The next chunk of an answer's body.
    pub(super) async fn chunk(
        &self,
        request: &RequestContext<'_>,
        response: &mut reqwest::Response,
    ) -> Result<Option<Bytes>, Failure> {
        self.in_time(request, self.config.read_timeout, pin!(response.chunk())).await
    }

    /// Waits for the server, at most for `limit`.
    async fn in_time<T>(
        &self,
        request: &RequestContext<'_>,
        limit: Duration,
        waiting: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.connection_failure(request, &error)),
            Err(_) => Err(request.read_timeout(self.config.read_timeout)),
        }
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

    /// Reads an answer with an error status.
    async fn refusal(&self, request: &RequestContext<'_>, mut response: reqwest::Response) -> Failure {
        let headers = response.headers().clone();
        let mut body = Vec::new();
        // The status is enough for the error; the body is included as far as it arrives in time.
        let reading = async {
            while body.len() < MAX_REFUSAL + MARGIN
                && let Ok(Some(chunk)) = self.chunk(request, &mut response).await
            {
                body.extend_from_slice(&chunk);
            }
        };
        let _ = tokio::time::timeout(self.config.read_timeout, reading).await;
        let body = match body::read(&headers, body.into(), MAX_REFUSAL + MARGIN) {
            Ok(body) => body,
            Err(damaged) if damaged.start.is_empty() => damaged.problem.into(),
            // The body may have been cut off here.
            Err(damaged) => damaged.start.into(),
        };
        let is_renewed = matches!((&*self.auth, &request.call.target), (Auth::OAuth(_), Target::Studio(_)));
        let location = location(&response);
        request.refusal(response.status().as_u16(), &headers, &body, location.as_ref(), is_renewed)
    }

    fn connection_failure(&self, request: &RequestContext<'_>, error: &reqwest::Error) -> Failure {
        let quoted = request.mask(&root_cause(error));
        if !error.is_connect() {
            return request.connection_broke(&quoted);
        }
        match self.config.cause(&request.url, error, &quoted) {
            Ok(Cause { text, is_temporary }) => {
                let timeout = error.is_timeout().then(|| self.config.time_to_connect());
                request.not_connected(&text, timeout, is_temporary)
            }
            Err(error) => Failure::last(error),
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

fn bearer(token: &SecretString) -> HeaderValue {
    // Tokens are checked to be visible ASCII, so this cannot fail; if it did, Studio would answer 401.
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
