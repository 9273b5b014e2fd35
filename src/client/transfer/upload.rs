//! Sends a file to a signed URL: a `PUT` without a token, from the first byte again if it has to be repeated.

use std::path::Path;
use std::sync::Arc;

use http::{Method, header};
use url::Url;

use super::media_type::{START, begins_like_text};
use super::transferred::Transferred;
use crate::api::{Call, RetrySafety, Target};
use crate::client::attempts::Attempts;
use crate::client::error::Error;
use crate::client::failure::{Failure, RequestContext};
use crate::client::headers::request_id;
use crate::client::limit::CallPermit;
use crate::client::log::with_logging;
use crate::client::send::Client;
use crate::client::sending::Source;

/// A file to send, as it was when this value was made: if it changes afterwards, no `PUT` of it succeeds.
#[derive(Debug)]
pub struct Upload {
    source: Arc<Source>,
}

impl Upload {
    /// Looks at the file before anything is sent. The progress begins anew with each attempt.
    pub fn new(path: &Path, media_type: &str, transferred: &Arc<Transferred>) -> Result<Self, Error> {
        let source = Source::of_file(path, media_type, Arc::clone(transferred))?;
        Ok(Self { source: Arc::new(source) })
    }

    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        self.source.length()
    }

    /// Fails if the file is no longer what was sent.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.source.check_unchanged()
    }
}

impl Client {
    /// Sends a file to a signed URL. Like a download it has no total timeout. A broken connection, a stall and a 503 are
    /// repeated, since a `PUT` may be; a 403, a 400 and a redirect are errors at once.
    pub async fn put_file(&self, upload: &Upload, url: &Url) -> Result<(), Error> {
        let mut call = Call::new("upload_media", Method::PUT, "");
        call.target = Target::Signed(url.clone());
        call.retry_safety = RetrySafety::Always;
        self.until_closed(Box::pin(self.put(upload, &call))).await
    }

    async fn put(&self, upload: &Upload, call: &Call) -> Result<(), Error> {
        let mut hold = CallPermit::default();
        let mut attempts = Attempts::new(&self.config.policy, &self.pace, None);
        let request = self.context(call);
        self.check_private(&request, &request.url)?;
        loop {
            self.take_permit(call, &mut hold).await?;
            let (call, source) = (call.clone(), Arc::clone(&upload.source));
            let attempting = self.on_own_runtime(|client| async move {
                let context = client.context(&call);
                let (response, sending) = client.attempt(&context, None, &source).await?;
                let seen = (response.status().as_u16(), request_id(response.headers()));
                client.check_stored(&context, response).await?;
                Ok((seen, sending))
            });
            let attempted = with_logging(&request, attempts.next(), hold.waited.take(), Clone::clone, attempting).await;
            hold.end();
            match attempted {
                Ok(_) => return Ok(()),
                Err(failure) => attempts.wait_or_give_up(&request, failure).await?,
            }
        }
    }

    /// Fails if a page or a document came back with a success status, as from a captive portal: then somebody else has
    /// answered, and the file is not there. Storage hosts answer with an `ETag`, and mostly without a body.
    async fn check_stored(&self, request: &RequestContext<'_>, mut response: reqwest::Response) -> Result<(), Failure> {
        if response.headers().contains_key(header::ETAG) {
            return Ok(());
        }
        let mut start = Vec::new();
        while start.len() < START
            && let Some(chunk) = self.chunk(request, &mut response).await?
        {
            start.extend_from_slice(&chunk);
        }
        if begins_like_text("", &start) {
            let problem = "it is a page or a document, which the storage host does not send, so the file is not there";
            return Err(request.no_file(response.status().as_u16(), problem, &start));
        }
        Ok(())
    }
}
