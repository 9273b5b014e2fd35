//! One exchange: sends a request once, and reads its answer.

use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::body::{self, BodyBuffer, Damaged, MAX_ANSWER};
use super::connections::root_cause;
use super::error::Error;
use super::failure::{Failure, MAX_REFUSAL, RequestContext};
use super::headers::{header_text, is_of_a_move, location, request_id};
use super::network::Cause;
use super::secrets::MARGIN;
use super::send::Client;
use super::sending::{Sending, Source};
use crate::api::{Answer, Target};

impl Client {
    /// One attempt: the request and its complete answer.
    pub(super) async fn attempt_whole(
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
        let (response, sending) = self.attempt(request, token, source).await?;
        self.whole_answer(request, response, sending).await
    }

    /// Reads the complete answer of an attempt.
    pub(super) async fn whole_answer(
        &self,
        request: &RequestContext<'_>,
        mut response: reqwest::Response,
        sending: Sending,
    ) -> Result<(Answer, Sending), Failure> {
        let unsent = (!sending.is_whole()).then(|| request.without_whole_body());
        let request = unsent.as_ref().unwrap_or(request);
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
        let read = if request.call.keeps_encoding { body::read_unchanged } else { body::read };
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
        self.successful(request, response, sending).await
    }

    /// The answer of an attempt, unless its status is an error.
    pub(super) async fn successful(
        &self,
        request: &RequestContext<'_>,
        response: reqwest::Response,
        sending: Sending,
    ) -> Result<(reqwest::Response, Sending), Failure> {
        let (status, call) = (response.status(), request.call);
        let is_whole = sending.pause();
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
        let unsent = (!is_whole).then(|| request.without_whole_body());
        Err(self.refusal(unsent.as_ref().unwrap_or(request), response).await)
    }

    /// Sends the request; nothing else does. Returns once the headers have arrived, whatever the status.
    pub(super) async fn send_once(
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

fn bearer(token: &SecretString) -> HeaderValue {
    // Tokens are checked to be visible ASCII, so this cannot fail; if it did, Studio would answer 401.
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
