//! The server of both hosts: it accepts each request, applies faults, answers it and logs it.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, RawQuery, State as FromState};
use axum::routing::{MethodFilter, get, on};
use axum::{Extension, Router};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Sleep, sleep, timeout};
use url::form_urlencoded;

use super::additions::drift;
use super::faults::{ActiveFaults, Host, Outcome, Replacement};
use super::files;
use super::log::{LoggedRequest, masked, masked_headers, masked_pairs, masked_text};
use super::operation::{Call, ErrorReply, JSON, Operation, Reply, TEXT};
use super::parameters::{self, SentFields};
use super::routes::{self, apidocs, oauth};
use super::stored::{Receiver, StoredFile};
use super::studio::Studio;
use super::transcoding::tick;

const API: &str = "/api/public";
/// The most connections that wait to be accepted.
const BACKLOG: u32 = 1024;
const MAX_BODY: usize = 1024 * 1024;
/// The most headers of a request, and from how many bytes of head on no more is read; hyper answers larger requests with
/// 431. A single read may go over it, up to twice as much.
const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 256 << 10;
/// The time limit for sending headers, and for sending a body.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);
/// The delay between a truncated body and the cut, so that the bytes are sent before it.
const CUT_DELAY: Duration = Duration::from_millis(5);

/// Whether the transcoding that the request leads to fails, as requested.
#[derive(Debug, Clone, Copy)]
struct FailsTranscoding(bool);

/// The caller, for the request log.
#[derive(Debug, Clone, Copy)]
struct Caller(u64);

/// Listens on loopback.
pub(crate) fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // On Windows it would let another program listen on the same port.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

/// Serves both hosts until it is dropped.
pub(crate) async fn serve(studio: Arc<Studio>, api: TcpListener, storage: TcpListener) {
    let router = router(&studio);
    let mut connections: JoinSet<()> = JoinSet::new();
    loop {
        let (host, accepted) = tokio::select! {
            accepted = api.accept() => (Host::Api, accepted),
            accepted = storage.accept() => (Host::Storage, accepted),
            Some(ended) = connections.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    studio.panics.fetch_add(1, Ordering::SeqCst);
                }
                continue;
            }
        };
        // Too many open files, perhaps: wait until some are closed.
        let Ok((stream, _)) = accepted else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        connections.spawn(connection(Arc::clone(&studio), router.clone(), host, stream));
    }
}

async fn connection(studio: Arc<Studio>, router: Router, host: Host, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| {
        let (studio, router, reset) = (Arc::clone(&studio), router.clone(), Arc::clone(&reset));
        async move { respond(&studio, router, host, request, &reset).await }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(CLIENT_TIMEOUT);
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    // Errors of the client, such as a closed connection, are ignored.
    let _ = builder.serve_connection(TokioIo::new(wire), service).await;
}

/// A connection that can be reset, as if the server had crashed.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The connection must be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut, as requested")]
struct Cut;

/// Answers one request.
async fn respond(
    studio: &Arc<Studio>,
    router: Router,
    host: Host,
    request: Request<Incoming>,
    reset: &AtomicBool,
) -> Result<Response<Body>, Cut> {
    let (mut parts, body) = request.into_parts();
    let requested = parts.uri.clone();
    if let Some(normalized) = normalized(&requested) {
        parts.uri = normalized;
    }
    let path = parts.uri.path().strip_prefix(API).unwrap_or(parts.uri.path());
    let mut active_faults = studio.faults().next_fault(host, parts.method.as_str(), path, Instant::now());
    parts.extensions.insert(FailsTranscoding(active_faults.fail_transcoding));
    let at = studio.now();
    let sent = match active_faults.outcome {
        Outcome::ResetRequest(part) => receive_part(body, part).await,
        _ => receive_body(host, &parts.headers, body).await?,
    };
    corrupt_request(studio, &parts.headers, &mut active_faults);
    let mut seen = LoggedRequest {
        at,
        host,
        method: parts.method.to_string(),
        path: masked(requested.path()),
        query: masked_pairs(pairs(requested.query())),
        headers: masked_headers(&parts.headers),
        body: sent.as_ref().map(|sent| masked_text(&sent.bytes)).unwrap_or_default(),
        user_id: None,
        status: None,
        fault: active_faults.fault,
    };
    let answer = match (sent, &active_faults.outcome) {
        (Err(error), _) => reply(error.into()),
        (Ok(_), Outcome::Replacement(replacement)) if !replacement.carried_out => replacement_answer(replacement),
        (Ok(_), Outcome::ResetBefore | Outcome::ResetRequest(_)) => Response::default(),
        (Ok(sent), _) if host == Host::Storage => {
            let query = pairs(parts.uri.query());
            let path = parts.uri.path();
            files::answer(studio, &parts.method, path, &query, &parts.headers, sent.file, studio.now())
        }
        (Ok(sent), _) => route(router, Request::from_parts(parts, Body::from(sent.bytes))).await,
    };
    let cut = match active_faults.outcome {
        Outcome::ResetBefore | Outcome::ResetRequest(_) | Outcome::ResetAfter => true,
        // An empty body has no middle.
        Outcome::ResetBody(_) => HttpBody::size_hint(answer.body()).exact() == Some(0),
        _ => false,
    };
    seen.user_id = answer.extensions().get::<Caller>().map(|Caller(id)| *id);
    let answer = match &active_faults.outcome {
        Outcome::Replacement(replacement) if replacement.carried_out => replacement_answer(replacement),
        _ => answer,
    };
    let answer = if cut { answer } else { corrupt_response(answer, &active_faults, reset).await };
    seen.status = (!cut).then(|| answer.status().as_u16());
    studio.log().add(seen);
    // The delay comes last: a client that does not wait must not cancel the processing and the logging.
    if active_faults.delay > 0.0 {
        sleep(Duration::from_secs_f64(active_faults.delay)).await;
    }
    if cut {
        reset.store(true, Ordering::SeqCst);
        return Err(Cut);
    }
    Ok(answer)
}

/// A received body: bytes on the API host, a file on the storage host.
#[derive(Default)]
struct RequestBody {
    bytes: Bytes,
    file: Option<StoredFile>,
}

/// Receives a body. If it breaks off, the connection is cut.
async fn receive_body(host: Host, headers: &HeaderMap, body: Incoming) -> Result<Result<RequestBody, ErrorReply>, Cut> {
    let received = match host {
        Host::Api => timeout(CLIENT_TIMEOUT, Limited::new(body, MAX_BODY).collect())
            .await
            .map(|collected| Ok(RequestBody { bytes: collected?.to_bytes(), file: None })),
        Host::Storage => receive_file(headers, body).await,
    };
    match received {
        Ok(Ok(sent)) => Ok(Ok(sent)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Ok(Err(ErrorReply::new(413, "The body is too large"))),
        Ok(Err(_)) => Err(Cut),
        Err(_) => Ok(Err(ErrorReply::new(408, "The body did not come"))),
    }
}

/// Receives a file of any size.
async fn receive_file(headers: &HeaderMap, mut body: Incoming) -> Result<Result<RequestBody, axum::BoxError>, Elapsed> {
    let mut receiver = Receiver::new();
    loop {
        match timeout(CLIENT_TIMEOUT, body.frame()).await? {
            None => break,
            Some(Err(error)) => return Ok(Err(error.into())),
            Some(Ok(frame)) => frame.data_ref().into_iter().for_each(|bytes| receiver.push(bytes)),
        }
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Ok(RequestBody { bytes: Bytes::new(), file: Some(receiver.finish(content_type)) }))
}

/// Receives a part of a body, which goes no further.
async fn receive_part(mut body: Incoming, part: f64) -> Result<RequestBody, ErrorReply> {
    let mut left = portion(HttpBody::size_hint(&body).exact().unwrap_or_default(), part);
    while left > 0 {
        let Ok(Some(Ok(frame))) = timeout(CLIENT_TIMEOUT, body.frame()).await else { break };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
    Ok(RequestBody::default())
}

async fn route(mut router: Router, request: Request<Body>) -> Response<Body> {
    use tower_service::Service;
    match router.call(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// Applies what faults do before the request is handled: they revoke its token, and add or remove media.
fn corrupt_request(studio: &Studio, headers: &HeaderMap, active_faults: &mut ActiveFaults) {
    if active_faults.revoke
        && let Some((token, _)) = bearer(headers)
    {
        studio.state().credentials.revoke(token);
    }
    if active_faults.appear > 0 || active_faults.vanish > 0 {
        let now = studio.now();
        drift(&mut studio.state(), studio.admin, active_faults, now);
    }
}

/// Builds the answer that replaces the real one.
fn replacement_answer(replacement: &Replacement) -> Response<Body> {
    let Replacement { status, body, headers, retry_after, as_date, .. } = replacement;
    let (content_type, text) = match body {
        Some(Json::String(text)) => (TEXT, text.clone()),
        Some(body) => (JSON, body.to_string()),
        None => (JSON, format!("{{\"error\":\"a fault that was asked for: {status}\"}}")),
    };
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let wait = retry_after.map(|seconds| if *as_date { http_date(seconds) } else { format!("{}", seconds.ceil()) });
    if let Some(Ok(wait)) = wait.map(HeaderValue::try_from) {
        answer.headers_mut().insert(RETRY_AFTER, wait);
    }
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// The HTTP date that is this many seconds ahead, rounded up.
fn http_date(seconds: f64) -> String {
    let ahead = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default() + SignedDuration::from_millis(999);
    Timestamp::now().saturating_add(ahead).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Applies faults to an answer.
async fn corrupt_response(answer: Response<Body>, active_faults: &ActiveFaults, reset: &AtomicBool) -> Response<Body> {
    let answer = match active_faults.outcome {
        Outcome::Html => {
            let page = "<!doctype html><title>Sign in</title><h1>Sign in to the network</h1>\n";
            let mut answer = Response::new(Body::from(page));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            answer
        }
        Outcome::Malformed(part) => {
            let whole = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            // Half an object is never valid JSON, and neither is a lone bracket.
            let cut = whole.slice(..portion(whole.len() as u64, part));
            let cut = if cut.first() == Some(&b'{') { cut } else { Bytes::from_static(b"{") };
            let mut answer = Response::new(Body::from(cut));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            answer
        }
        Outcome::ResetBody(part) => cut_short(answer, part, Some(reset)),
        Outcome::Truncated(part) => cut_short(answer, part, None),
        _ => answer,
    };
    match active_faults.bandwidth {
        None => answer,
        Some(bandwidth) => {
            let size = HttpBody::size_hint(answer.body()).exact();
            let mut answer =
                answer.map(|body| Body::new(ThrottledBody { body, bandwidth, left: Bytes::new(), pause: None }));
            if let Some(size) = size {
                answer.headers_mut().insert(CONTENT_LENGTH, size.into());
            }
            answer
        }
    }
}

/// The size of a part of a body, always less than the whole.
fn portion(size: u64, part: f64) -> usize {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bytes = (size.saturating_sub(1) as f64 * part) as usize;
    bytes
}

/// Sends only a part of the body, then ends the connection, with a reset if `reset` is given.
fn cut_short(answer: Response<Body>, part: f64, reset: Option<&AtomicBool>) -> Response<Body> {
    let Some(size) = HttpBody::size_hint(answer.body()).exact() else { return answer };
    if let Some(reset) = reset {
        reset.store(true, Ordering::SeqCst);
    }
    let left = portion(size, part);
    let mut answer = answer.map(|body| Body::new(TruncatedBody { body, left, pause: None }));
    answer.headers_mut().insert(CONTENT_LENGTH, size.into());
    answer
}

/// A body that ends early.
struct TruncatedBody {
    body: Body,
    left: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for TruncatedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if self.left > 0 {
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
            let Some(Ok(mut bytes)) = frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
            else {
                return Poll::Ready(None);
            };
            bytes.truncate(self.left);
            self.left -= bytes.len();
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(CUT_DELAY)));
        std::task::ready!(pause.as_mut().poll(context));
        Poll::Ready(Some(Err(Box::new(Cut))))
    }
}

/// A body with limited bandwidth.
struct ThrottledBody {
    body: Body,
    /// Bytes per second.
    bandwidth: f64,
    left: Bytes,
    pause: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for ThrottledBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.left.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => self.left = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        // Twenty pieces per second, so that a progress bar moves.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a positive number of bytes")]
        let step = ((self.bandwidth / 20.0) as usize).max(1).min(self.left.len());
        let bytes = self.left.split_to(step);
        #[expect(clippy::cast_precision_loss)]
        let seconds = bytes.len() as f64 / self.bandwidth;
        self.pause = Some(Box::pin(sleep(Duration::from_secs_f64(seconds.min(CLIENT_TIMEOUT.as_secs_f64())))));
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// The routes of the API host.
fn router(studio: &Arc<Studio>) -> Router {
    let operations = routes::operations(studio.assumptions.permission_bodies);
    let description = apidocs::description(&operations, studio.url.trim_start_matches("http://")).to_string();
    let mut router = Router::new()
        .route(&format!("{API}/apidocs"), get(|| async { reply(Reply::text(200, JSON, description)) }))
        // Observed: the URL of captions may be one of this host.
        .route(
            &format!("{}/{{name}}", files::CAPTION_FILES),
            get(|FromState(studio): FromState<Arc<Studio>>, uri: Uri| async move {
                files::caption(&studio, uri.path(), &pairs(uri.query()), studio.now())
            }),
        )
        .route(
            &format!("{API}/oauth/authorize"),
            get(|FromState(studio): FromState<Arc<Studio>>, RawQuery(query): RawQuery| async move {
                reply(oauth::authorize_page(&studio, &pairs(query.as_deref())))
            })
            .post(|FromState(studio): FromState<Arc<Studio>>, body: Bytes| async move {
                reply(oauth::authorize(&studio, &form(&body), studio.now()))
            }),
        )
        .route(
            &format!("{API}/oauth/token"),
            axum::routing::post(
                |FromState(studio): FromState<Arc<Studio>>, headers: HeaderMap, body: Bytes| async move {
                    reply(oauth::token(&studio, &form(&body), &headers, studio.now()))
                },
            ),
        );
    for operation in operations {
        let Ok(method) = MethodFilter::try_from(operation.method.clone()) else { continue };
        let path = format!("{API}/v1{}", operation.path);
        router = router.route(&path, on(method, handle_operation).layer(Extension(Arc::new(operation))));
    }
    router
        .fallback(|| async { reply(ErrorReply::not_found().into()) })
        .method_not_allowed_fallback(|| async { error_reply(405, "Method not allowed") })
        .with_state(Arc::clone(studio))
}

/// Handles one operation.
async fn handle_operation(
    FromState(studio): FromState<Arc<Studio>>,
    Extension(operation): Extension<Arc<Operation>>,
    Extension(FailsTranscoding(fails_transcoding)): Extension<FailsTranscoding>,
    path: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let sent = if operation.has_fields() {
        parameters::fields_of(&headers, &body, operation.file_name()).await
    } else {
        Ok(SentFields::default())
    };
    let state = &mut *studio.state();
    let now = tick(state);
    let caller = bearer(&headers).and_then(|(token, claimed)| {
        let caller = state.credentials.user_of(token, now)?;
        claimed.is_none_or(|claimed| claimed == caller.to_string()).then_some(caller)
    });
    let Some(caller) = caller else {
        let mut answer = error_reply(401, "Authorization information is missing or invalid");
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Studio\""));
        return answer;
    };
    // A path that is not text contains no valid id.
    let Ok(path) = path else { return reply(ErrorReply::not_found().into()) };
    let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let path = SentFields { fields: parameters::texts(path).collect(), file: None };
    let sent = sent.map_err(|problem| ErrorReply::new(422, format!("Invalid body: {problem}")));
    let answer = sent.and_then(|mut sent| {
        let query = parameters::pairs(query.unwrap_or_default().as_bytes())
            .map_err(|problem| ErrorReply::new(422, format!("Invalid query: {problem}")))?;
        // If a parameter is sent in both, the query takes precedence. A guess.
        sent.fields.extend(parameters::texts(query));
        let values = operation.read(&path, &sent, &studio)?;
        let call = Call { studio: &studio, caller, now, fails_transcoding, values, file: sent.file, body };
        (operation.handle)(state, &call)
    });
    let mut answer = reply(answer.unwrap_or_else(Reply::from));
    answer.extensions_mut().insert(Caller(caller));
    answer
}

fn reply(reply: Reply) -> Response<Body> {
    let mut answer = Response::new(Body::from(reply.body));
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !reply.content_type.is_empty() {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn error_reply(status: u16, error: &str) -> Response<Body> {
    reply(ErrorReply::new(status, error).into())
}

/// The token of an `Authorization: Bearer` header, and the user that it is said to be of, if one is named. Observed: a
/// client of 2018 and the vendor's app send `Bearer user_id="7", token="..."`, with or without the space.
fn bearer(headers: &HeaderMap) -> Option<(&str, Option<&str>)> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = Some(token.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
    let Some((user, rest)) = token.strip_prefix("user_id=\"").and_then(|rest| rest.split_once("\",")) else {
        return Some((token, None));
    };
    let token = rest.trim_start().strip_prefix("token=\"")?.strip_suffix('"')?;
    Some((token, Some(user)))
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn form(body: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// Removes doubled and trailing slashes. Observed: Studio accepts both.
fn normalized(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && (path == "/" || !path.ends_with('/')) {
        return None;
    }
    let mut normalized: String = path.split('/').filter(|part| !part.is_empty()).flat_map(|part| ["/", part]).collect();
    if normalized.is_empty() {
        normalized.push('/');
    }
    if let Some(query) = uri.query() {
        normalized.push('?');
        normalized.push_str(query);
    }
    normalized.parse().ok()
}
