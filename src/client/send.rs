//! How a request travels: `Client::send` is the one road that everything to Studio takes.

use std::any::Any;
use std::convert::Infallible;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header;
use http::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio::time::Instant;
use url::Url;

use super::auth::{Auth, Authorization};
use super::body::{self, Damage, Damaged, Gathered, MAX_ANSWER};
use super::config::{Config, Options};
use super::error::{self, EXCERPT, Error, RequestInfo, in_words};
use super::headers::{header_text, is_of_a_move, location};
use super::limit::{Hold, Limit, Spare};
use super::network::{Cause, Names};
use super::pace::Pace;
use super::permissions::TakenForm;
use super::process::{PerProcess, PerRuntime};
use super::retry::{self, Decision, Outcome};
use super::secrets::{ROOM, Secrets};
use crate::api::request::without_query;
use crate::api::{Answer, Body, Call, Repeat, Request, Target};
use crate::memory;

/// How many times as much memory as the body of an answer takes what is read of it, at the most.
const MEMORY_OF_BODY: usize = 4;
/// How much of what is not understood is read, to quote it.
pub(super) const QUOTED: usize = 4096;
/// The longest body of a refusal that is quoted.
const MAX_REFUSAL: usize = 64 << 10;
/// The shortest value in the query of a signed URL that is a secret by itself; shorter ones are dates and the like.
const SHORTEST_SIGNATURE: usize = 8;
/// How many headers an answer may have; gateways add policies, cookies and traces. Over HTTP/2 their length counts.
const MAX_HEADERS: usize = 500;
const MAX_HEADER_BYTES: u32 = 256 << 10;
/// How long an unused connection is kept: less than the usual 60 s of the load balancers in between, since a request on
/// a connection that they have closed is lost, and a POST is then not repeated.
const IDLE: Duration = Duration::from_secs(50);
/// How many unused connections to one host are kept at least; or as many as a list asks for pages at once. What a burst
/// opened beyond that is closed: each is an open file, here and there.
const IDLE_CONNECTIONS: usize = 16;
/// What a body is, but for the token endpoint's.
const JSON: &str = "application/json";
/// How the token endpoint is asked. Observed.
const FORM: &str = "application/x-www-form-urlencoded";
/// Which fields of such a form are secrets.
const SECRET_FIELDS: [&str; 4] = ["client_secret", "code", "code_verifier", "refresh_token"];
/// The header in which servers usually say how they name a request. Whether Studio does is unknown.
const REQUEST_ID: &str = "x-request-id";

/// Sends requests to one Studio. Cheap to clone: every item of a list has one.
#[derive(Debug, Clone)]
pub struct Client(Arc<Parts>);

/// What clones have in common, and partly those with other options, too.
#[derive(Debug, Clone)]
pub struct Parts {
    pub(super) config: Config,
    pub(super) auth: Arc<Auth>,
    connections: Arc<Connections>,
    closing: Arc<Closing>,
    pub(super) pace: Pace,
    limit: Limit,
    attached: Option<Attached>,
    pub(super) taken_form: Arc<TakenForm>,
}

/// Something that lives as long as a client, for those who make clients.
pub type Attached = Arc<dyn Any + Send + Sync>;

impl Deref for Client {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The connections that a client shares with those that differ from it only in options.
#[derive(Debug, Default)]
struct Connections {
    to_studio: PerRuntime<reqwest::Client>,
    /// For signed URLs: others, so that nothing of Studio's can travel with them, and bytes come as they are.
    to_storage: PerRuntime<reqwest::Client>,
}

/// Whether a client was closed.
#[derive(Debug, Default)]
struct Closing {
    is_closed: AtomicBool,
    /// Wakes those who are under way. It has locks inside, so a forked child needs its own.
    wakes: PerProcess<Notify>,
}

/// What an error adds when a change may have been made although no answer came.
const PERHAPS_CARRIED_OUT: &str = "; it may have been carried out all the same: look before repeating it";

/// An attempt that did not succeed: what to say if it was the last, and whether it need be.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) outcome: Outcome,
}

impl Failure {
    fn out_of_memory() -> Self {
        Self { error: Error::OutOfMemory, outcome: Outcome::Final }
    }
}

impl Client {
    pub fn new(config: Config, auth: Auth) -> Self {
        let limit = Limit::new(config.max_connections);
        Self(Arc::new(Parts {
            config,
            auth: Arc::new(auth),
            connections: Arc::default(),
            closing: Arc::default(),
            pace: Pace::default(),
            limit,
            attached: None,
            taken_form: Arc::default(),
        }))
    }

    /// The same client with something attached to it.
    #[must_use]
    pub fn with_attached(&self, attached: Attached) -> Self {
        Self(Arc::new(Parts { attached: Some(attached), ..Parts::clone(self) }))
    }

    /// What is attached to it.
    pub fn attached<T: Any>(&self) -> Option<&T> {
        self.attached.as_deref()?.downcast_ref()
    }

    /// The same, if nobody else has this client or what is attached to it: what holds on to that is this value alone.
    pub fn attached_to_this_alone<T: Any>(&self) -> Option<&T> {
        let attached = self.attached.as_ref().filter(|attached| Arc::strong_count(attached) == 1)?;
        if Arc::strong_count(&self.0) == 1 { attached.downcast_ref() } else { None }
    }

    /// A client with other options; it shares the connections unless the time to make one differs, the pace, and the limit
    /// unless that differs, and is closed by itself.
    pub fn with(&self, options: Options) -> Result<Self, Error> {
        self.varied(options, Arc::default(), None)
    }

    /// The same client, closed together with this one, that takes another time for something.
    pub(super) fn likewise(&self, options: Options) -> Result<Self, Error> {
        self.varied(options, Arc::clone(&self.closing), None)
    }

    /// The same client with other options, for a request that others wait for, with permits or without: it does not wait
    /// for one of theirs.
    pub(super) fn beside(&self, options: Options) -> Result<Self, Error> {
        self.varied(options, Arc::default(), Some(Limit::new(1)))
    }

    fn varied(&self, options: Options, closing: Arc<Closing>, limit: Option<Limit>) -> Result<Self, Error> {
        let config = self.config.with(options)?;
        let limit = limit.unwrap_or_else(|| {
            // Those who share permits have to agree how many there are, or some would wait for ever.
            let same = config.max_connections == self.config.max_connections;
            if same { self.limit.clone() } else { Limit::new(config.max_connections) }
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

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub fn limit(&self) -> &Limit {
        &self.limit
    }

    /// A permit for a page that is asked for ahead, if one is free.
    pub(super) fn spare(&self, comes_by_itself: bool) -> Option<Arc<Spare>> {
        self.limit.spare(comes_by_itself)
    }

    /// Ends what is under way and refuses what comes.
    pub fn close(&self) {
        self.closing.is_closed.store(true, Ordering::SeqCst);
        self.closing.wakes().notify_waiters();
        // Those who differ from it only in options make new connections when they need them.
        self.connections.to_studio.clear();
        self.connections.to_storage.clear();
    }

    /// A request as it may be shown.
    pub fn shown(&self, call: &Call) -> String {
        self.secrets(call).mask_plain(&format!("{call:?}"))
    }

    /// Sends a request and reads the answer.
    pub async fn send<T>(&self, request: &Request<T>) -> Result<T, Error> {
        let answer = self.ask(&request.call).await?;
        self.read(request, &answer)
    }

    /// Sends a request: authorize, send, classify, repeat.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Answer, Error> {
        let mut hold = Hold::default();
        // It is large, and whoever hands it on should not have to copy it.
        match &call.body {
            Some(Body::Permissions(changes, _)) => self.until_closed(Box::pin(self.change(call, changes))).await,
            _ => self.until_closed(Box::pin(self.answer(call, &mut hold))).await,
        }
    }

    /// Likewise, ahead of whoever wants the answer; `None` if there is no permit for it any more.
    pub(super) async fn ask_ahead(&self, call: &Call, spare: Arc<Spare>) -> Option<Result<Answer, Error>> {
        let mut hold = Hold::ahead(spare);
        let result = self.until_closed(Box::pin(self.answer(call, &mut hold))).await;
        (!hold.is_missing).then_some(result)
    }

    /// Refuses a redirect to where what is private could be read.
    pub(super) fn check_private(&self, call: &Call, url: &Url) -> Result<(), Error> {
        if self.config.is_private(url) {
            return Ok(());
        }
        let body = format!("redirected to {}, which is not https", without_query(url));
        Err(Error::refused(call, self.request_info(call, false), 302, body, None, None, false))
    }

    /// Reads the answer to a request.
    pub(crate) fn read<T>(&self, request: &Request<T>, answer: &Answer) -> Result<T, Error> {
        if let Some(location) =
            answer.location.as_ref().filter(|location| request.call.wants_redirect && location.scheme() == "http")
        {
            self.check_private(&request.call, location)?;
        }
        if !memory::is_there(memory::ROOM.saturating_add(answer.body.len().saturating_mul(MEMORY_OF_BODY))) {
            return Err(Error::OutOfMemory);
        }
        request.decode(answer).map_err(|undecodable| {
            let call = &request.call;
            let secrets = self.secrets(call);
            // What gives out tokens is not quoted.
            let is_secret = matches!(call.target, Target::SignIn(_));
            let body = if is_secret { "***".to_owned() } else { secrets.mask_body(&answer.body, QUOTED) };
            // They may quote what came.
            let problem = secrets.mask_body(undecodable.problem.as_bytes(), EXCERPT);
            let path = undecodable.path.map(|path| secrets.mask_body(path.as_bytes(), EXCERPT));
            Error::unreadable(
                self.request_info(call, false),
                answer.status,
                &problem,
                path,
                &body,
                !undecodable.hides_body,
            )
        })
    }

    /// The whole answer to a call, within the time for one. If there is one, the permit for it is still held.
    pub(super) async fn answer(&self, call: &Call, hold: &mut Hold) -> Result<Answer, Error> {
        // Waiting for one's turn is not waiting for Studio.
        self.turn(call).await;
        self.answer_within(call, self.config.timeout, hold).await
    }

    /// The whole answer to a call whose turn it is.
    pub(super) async fn answer_within(&self, call: &Call, limit: Duration, hold: &mut Hold) -> Result<Answer, Error> {
        let mut attempts = Attempts::new(self, call, Some(limit));
        let mut authorization = Authorization::new(self);
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
                    if !self.admit(call, hold).await? {
                        break token;
                    }
                    // The token may have ended meanwhile.
                };
                if let Target::Studio(_) = call.target {
                    self.pace.start(self.config.max_rate).await;
                }
                let exchange = pin!(self.exchange(call, token.as_ref()));
                let status = |answer: &Answer| answer.status;
                match self.told(call, attempts.next(), hold.waited.take(), status, exchange).await {
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
                        self.turn(call).await;
                    }
                    Err(failure) => {
                        hold.end();
                        if let Outcome::Status(..) = failure.outcome {
                            authorization.accepted();
                        }
                        attempts.wait_or_give_up(failure).await?;
                        self.turn(call).await;
                    }
                }
            }
        };
        match tokio::time::timeout(limit, all).await {
            Ok(result) => result,
            Err(_) if is_renewing => {
                Err(self.timeout(call, self.config.timeout, "in all, waiting for tokens that are being renewed", false))
            }
            Err(_) if hold.is_missing => Err(self.without_permit(call)),
            Err(_) => Err(self.timeout(call, self.config.timeout, "in all", call.repeat == Repeat::IfNotCarriedOut)),
        }
    }

    /// Waits until a request to Studio may begin.
    pub(super) async fn turn(&self, call: &Call) {
        if let Target::Studio(_) = call.target {
            self.pace.turn(self.config.max_rate).await;
        }
    }

    /// Takes the permit for an attempt, if the call does not have it yet. Says whether that took a while.
    pub(super) async fn admit(&self, call: &Call, hold: &mut Hold) -> Result<bool, Error> {
        if hold.try_begin(&self.limit) {
            return Ok(false);
        }
        if !hold.may_wait() {
            return Err(self.without_permit(call));
        }
        hold.begin(&self.limit).await;
        Ok(true)
    }

    /// Nothing was sent, since too much else is under way.
    fn without_permit(&self, call: &Call) -> Error {
        let most = self.config.max_connections;
        let what = format!("in all, waiting for others to end: at most {most} are under way at once (max_connections)");
        self.timeout(call, self.config.timeout, &what, false)
    }

    /// One attempt: the request, and the whole answer.
    async fn exchange(&self, call: &Call, token: Option<&SecretString>) -> Result<Answer, Failure> {
        let mut response = self.attempt(call, token).await?;
        let status = response.status().as_u16();
        let content_type = header_text(response.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let location = location(&response).filter(|_| call.wants_redirect);
        let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut body = Gathered::default();
        // Where there is a redirect, a body is of no use, and some servers send a page with it.
        while location.is_none()
            && let Some(chunk) = self.chunk(call, &mut response).await?
        {
            body.add(chunk, expected).map_err(|_| Failure::out_of_memory())?;
            if body.bytes().len() > MAX_ANSWER {
                return Err(self.unreadable(call, status, &Damaged::too_long(MAX_ANSWER, body.whole().into())));
            }
        }
        match body::read(response.headers(), body.whole(), MAX_ANSWER) {
            Ok(body) => Ok(Answer { status, content_type, location, body }),
            Err(damaged) => Err(self.unreadable(call, status, &damaged)),
        }
    }

    /// An answer of which the body cannot be read.
    fn unreadable(&self, call: &Call, status: u16, damaged: &Damaged) -> Failure {
        if damaged.kind == Damage::OutOfMemory {
            return Failure::out_of_memory();
        }
        let start = self.secrets(call).mask_body(&damaged.start, QUOTED);
        let error = Error::unreadable(self.request_info(call, false), status, &damaged.problem, None, &start, true);
        Failure { error, outcome: if damaged.kind == Damage::Passing { Outcome::Interrupted } else { Outcome::Final } }
    }

    /// One attempt, until the answer's headers are there and say yes.
    pub(super) async fn attempt(
        &self,
        call: &Call,
        token: Option<&SecretString>,
    ) -> Result<reqwest::Response, Failure> {
        let response = self.respond(call, token).await?;
        let status = response.status();
        if status.is_success() || (status.is_redirection() && call.wants_redirect && !is_of_a_move(call, &response)) {
            return Ok(response);
        }
        Err(self.refusal(call, response).await)
    }

    /// The `Date` of whatever the server answers to a ping without a token: a refusal has one, too.
    pub async fn server_date(&self) -> Result<Option<String>, Error> {
        let call = Call::get("server_date", "/ping");
        let response = self.until_closed(async { self.respond(&call, None).await.map_err(|failure| failure.error) });
        Ok(header_text(response.await?.headers(), header::DATE.as_str()))
    }

    /// The only place where something is sent. It returns once the answer's headers are there, whatever they say.
    async fn respond(&self, call: &Call, token: Option<&SecretString>) -> Result<reqwest::Response, Failure> {
        let connections = match call.target {
            Target::Studio(_) | Target::SignIn(_) => self.connections.to_studio.here().get(|| to_studio(&self.config)),
            Target::Signed(_) => self.connections.to_storage.here().get(|| to_storage(&self.config)),
        };
        let url = self.config.url_for(call);
        let connections = connections.map_err(|error| {
            let message = format!("no connection to {}: {error}", url.host_str().unwrap_or_default());
            let error = Error::Connection { request: self.request_info(call, false), message };
            Failure { error, outcome: Outcome::Final }
        })?;
        let mut request = connections.request(call.method.clone(), url);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, bearer(token));
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request = match &call.body {
            // RFC 9110, 8.6: a method that means something by its content says so when there is none. Some gateways
            // answer 411 otherwise.
            None if [Method::POST, Method::PUT, Method::PATCH].contains(&call.method) => {
                request.header(header::CONTENT_LENGTH, 0)
            }
            None => request,
            Some(Body::Json(text)) => request.header(header::CONTENT_TYPE, JSON).body(text.clone()),
            Some(Body::Permissions(changes, form)) => {
                request.header(header::CONTENT_TYPE, JSON).body(changes.json(*form).to_string())
            }
            Some(Body::Form(form)) => request.header(header::CONTENT_TYPE, FORM).body(form.encoded()),
        };
        // The time without a byte begins when there is a connection.
        let limit = self.config.time_to_connect().saturating_add(self.config.read_timeout);
        self.in_time(call, limit, pin!(request.send())).await
    }

    /// The next bytes of an answer.
    pub(super) async fn chunk(&self, call: &Call, response: &mut reqwest::Response) -> Result<Option<Bytes>, Failure> {
        self.in_time(call, self.config.read_timeout, pin!(response.chunk())).await
    }

    /// Waits for the server, but no longer than the time in which something must come.
    async fn in_time<T>(
        &self,
        call: &Call,
        limit: Duration,
        waiting: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.connection_failure(call, &error)),
            Err(_) => Err(Failure {
                error: self.timeout(
                    call,
                    self.config.read_timeout,
                    "without a byte from the server",
                    call.repeat != Repeat::Safe,
                ),
                outcome: Outcome::Interrupted,
            }),
        }
    }

    /// Runs something until the client is closed.
    pub(super) async fn until_closed<T>(&self, running: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let wakes = self.closing.wakes();
        let mut notified = pin!(wakes.notified());
        // From here on no closing can be missed, so now is the time to look whether there was one.
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

    async fn refusal(&self, call: &Call, mut response: reqwest::Response) -> Failure {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let request_id =
            header_text(&headers, REQUEST_ID).map(|id| self.secrets(call).mask_body(id.as_bytes(), EXCERPT));
        let retry_after = retry::retry_after(&headers);
        let mut body = Vec::new();
        // The status says enough; what of its body arrives in time is an extra.
        let reading = async {
            while body.len() < MAX_REFUSAL + ROOM
                && let Ok(Some(chunk)) = self.chunk(call, &mut response).await
            {
                body.extend_from_slice(&chunk);
            }
        };
        let _ = tokio::time::timeout(self.config.read_timeout, reading).await;
        let body = match body::read(&headers, body.into(), MAX_REFUSAL + ROOM) {
            Ok(body) => body,
            Err(damaged) if damaged.start.is_empty() => damaged.problem.into(),
            // Perhaps it was cut off here.
            Err(damaged) => damaged.start.into(),
        };
        let body = match call.target {
            Target::SignIn(_) => error::of_oauth(&body).into(),
            Target::Studio(_) | Target::Signed(_) => body,
        };
        let body = self.secrets(call).mask_body(&body, MAX_REFUSAL);
        // With 503 and a time to come back, it was not carried out: it is repeated, too.
        let is_unclear = status == 408 || (status >= 500 && (status, retry_after.is_some()) != (503, true));
        let request = self.request_info(call, call.repeat != Repeat::Safe && is_unclear);
        let is_renewed = matches!((&*self.auth, &call.target), (Auth::OAuth(_), Target::Studio(_)));
        let mut error = Error::refused(call, request, status, body, request_id, retry_after, is_renewed);
        if let Some(location) = location(&response) {
            error = error.redirected(&self.config.url_for(call), &location, &self.secrets(call));
        }
        Failure { error, outcome: Outcome::Status(status, retry_after) }
    }

    fn connection_failure(&self, call: &Call, error: &reqwest::Error) -> Failure {
        let cause = self.secrets(call).mask(&root_cause(error));
        let host = self.config.url_for(call).host_str().unwrap_or_default().to_owned();
        if error.is_connect() {
            let Cause { text, may_pass } = match self.config.cause(call, error, &cause) {
                Ok(cause) => cause,
                Err(error) => return Failure { error, outcome: Outcome::Final },
            };
            let request = self.request_info(call, false);
            let outcome = if may_pass { Outcome::NotConnected } else { Outcome::Final };
            if error.is_timeout() {
                let message =
                    format!("no connection to {host} within {}: {text}", in_words(self.config.time_to_connect()));
                return Failure { error: Error::Timeout { request, message }, outcome };
            }
            let message = format!("no connection to {host}: {text}");
            return Failure { error: Error::Connection { request, message }, outcome };
        }
        let outcome_unknown = call.repeat != Repeat::Safe;
        let request = self.request_info(call, outcome_unknown);
        let mut message = format!("the connection to {host} broke during {} {}: {cause}", request.method, call.place());
        if outcome_unknown {
            message.push_str(PERHAPS_CARRIED_OUT);
        }
        Failure { error: Error::Connection { request, message }, outcome: Outcome::Interrupted }
    }

    fn timeout(&self, call: &Call, limit: Duration, what: &str, outcome_unknown: bool) -> Error {
        let request = self.request_info(call, outcome_unknown);
        let mut message = format!("{} {} took longer than {} {what}", request.method, call.place(), in_words(limit));
        if outcome_unknown {
            message.push_str(PERHAPS_CARRIED_OUT);
        }
        Error::Timeout { request, message }
    }

    /// What an error may show of a request.
    pub(super) fn request_info(&self, call: &Call, outcome_unknown: bool) -> RequestInfo {
        let url = self.config.url_for(call);
        let url = match call.target {
            Target::Studio(_) | Target::SignIn(_) => self.secrets(call).mask_plain(url.as_str()),
            Target::Signed(_) => without_query(&url),
        };
        RequestInfo { method: call.method.clone(), url, outcome_unknown }
    }

    /// What no error and no log may show of a call.
    pub(super) fn secrets(&self, call: &Call) -> Secrets {
        let form = match &call.body {
            Some(Body::Form(form)) => form.0.as_slice(),
            _ => &[],
        };
        let signed = match &call.target {
            Target::Signed(url) => Some(url),
            Target::Studio(_) | Target::SignIn(_) => None,
        };
        let signature = signed.into_iter().flat_map(signature_of);
        self.auth
            .secrets()
            .and(self.config.secrets())
            .and(signature)
            .and(form.iter().filter(|(name, _)| SECRET_FIELDS.contains(name)).map(|(_, value)| value.clone()))
    }
}

impl Closing {
    fn wakes(&self) -> Arc<Notify> {
        let Ok(wakes) = self.wakes.get(|| Ok::<_, Infallible>(Notify::new()));
        wakes
    }
}

/// What must not be shown of a signed URL. Whoever answers it may quote any part of its query.
fn signature_of(url: &Url) -> impl Iterator<Item = SecretString> {
    let values = url.query_pairs().flat_map(|(_, value)| {
        let parts = value.split(|character: char| character == '/' || character.is_whitespace());
        let parts = parts.filter(|part| part.len() >= SHORTEST_SIGNATURE).map(str::to_owned);
        parts.chain([value.to_string()]).collect::<Vec<String>>()
    });
    values
        .filter(|value| value.len() >= SHORTEST_SIGNATURE)
        .chain(url.query().map(str::to_owned))
        .map(SecretString::from)
}

fn bearer(token: &SecretString) -> HeaderValue {
    // Tokens were checked to be visible ASCII, so this cannot fail; if it did, Studio would answer 401.
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn to_studio(config: &Config) -> Result<reqwest::Client, Error> {
    let accepted = [(header::ACCEPT, "application/json"), (header::ACCEPT_ENCODING, "gzip")];
    let headers = accepted.map(|(name, value)| (name, HeaderValue::from_static(value)));
    build(connections(config, true)?.default_headers(HeaderMap::from_iter(headers)))
}

fn to_storage(config: &Config) -> Result<reqwest::Client, Error> {
    let as_it_is = (header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    build(connections(config, false)?.default_headers(HeaderMap::from_iter([as_it_is])))
}

fn connections(config: &Config, are_to_studio: bool) -> Result<reqwest::ClientBuilder, Error> {
    config.apply_network(
        reqwest::Client::builder()
            .user_agent(concat!("canvas-studio/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.time_to_connect())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.max_concurrency.max(IDLE_CONNECTIONS))
            .dns_resolver(Names)
            // As browsers and curl do: a header that is not as it should be is no reason to lose the answer.
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            // Redirects are followed by hand, so that it is plain where the token goes.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false),
        are_to_studio,
    )
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder.build().map_err(|error| Error::Setup(format!("no HTTP client could be made: {}", root_cause(&error))))
}

/// The attempts at one call: counts them, and waits between them.
pub(super) struct Attempts<'client> {
    client: &'client Client,
    call: &'client Call,
    /// How many there were.
    made: u32,
    /// How many repetitions there were since something was gained.
    retries: u32,
    deadline: Option<Instant>,
}

impl<'client> Attempts<'client> {
    pub(super) fn new(client: &'client Client, call: &'client Call, limit: Option<Duration>) -> Self {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Self { client, call, made: 0, retries: 0, deadline }
    }

    /// The number of the attempt that begins now.
    pub(super) fn next(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// Waits until the next attempt, or gives the failure back if there is to be none.
    pub(super) async fn wait_or_give_up(&mut self, failure: Failure) -> Result<(), Error> {
        let remaining = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let policy = &self.client.config.policy;
        let decision =
            retry::decide(policy, self.call.repeat, failure.outcome, self.retries, remaining, fastrand::f64());
        if let Outcome::Status(429, _) | Outcome::Status(503, Some(_)) = failure.outcome {
            // What is fetched ahead waits as well.
            let wait = if let Decision::Wait(wait) = decision { wait } else { Duration::ZERO };
            self.client.pace.throttled(wait);
        }
        match decision {
            Decision::GiveUp(why) => Err(failure.error.without_the_wait(why, policy)),
            Decision::Wait(wait) => {
                self.retries += 1;
                self.client.tell_wait(self.call, wait, &failure);
                tokio::time::sleep(wait).await;
                Ok(())
            }
        }
    }

    /// Something was gained, so the counting starts anew.
    pub(super) fn progressed(&mut self) {
        self.retries = 0;
    }
}

/// The innermost cause of an error, which is the part that tells something; it holds no URL.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
