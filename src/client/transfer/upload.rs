//! Sends a file to a signed URL: a `PUT` without a token, from the first byte again if it has to be repeated.

use std::path::Path;
use std::sync::Arc;

use http::Method;
use url::Url;

use super::media_type::START;
use super::transferred::Transferred;
use crate::api::request::without_query;
use crate::api::{Call, RetrySafety, Target};
use crate::client::attempts::Attempts;
use crate::client::error::Error;
use crate::client::failure::{Failure, RequestContext};
use crate::client::headers::request_id;
use crate::client::limit::CallPermit;
use crate::client::log::with_logging;
use crate::client::send::Client;
use crate::client::sending::Source;

/// The statuses of a storage host that has taken a file. Observed of Amazon S3, whose own is 200.
const STORED: [u16; 3] = [200, 201, 204];

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
        if !self.config.is_private(&request.url) {
            return Err(Error::Setup(format!(
                "the file was not sent to {}, which is not https: others could read and change it on its way",
                without_query(&request.url)
            )));
        }
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

    /// Fails unless the answer is one of a storage host that has the file: a status that says so, and no body (observed
    /// of Amazon S3). If there is a body, somebody else has answered, such as a captive portal, whatever the headers say.
    async fn check_stored(&self, request: &RequestContext<'_>, mut response: reqwest::Response) -> Result<(), Failure> {
        let status = response.status().as_u16();
        let mut start = Vec::new();
        let reading = async {
            while start.len() < START
                && start.iter().all(u8::is_ascii_whitespace)
                && let Some(chunk) = self.chunk(request, &mut response).await?
            {
                start.extend_from_slice(&chunk);
            }
            Ok::<_, Failure>(())
        };
        let limit = self.config.read_timeout;
        let Ok(read) = tokio::time::timeout(limit, reading).await else {
            let what = "from the head of the storage host's answer to its end";
            return Err(Failure::interrupted(request.timeout(limit, what, false)));
        };
        read?;
        let problem = if !STORED.contains(&status) {
            format!("its status is {status}, and a storage host that has the file says 200, 201 or 204")
        } else if start.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        } else {
            "it has a body, which a storage host that has the file does not send".to_owned()
        };
        let problem = format!("{problem}, so the file is not there");
        Err(request.no_file(status, &problem, start.get(..START).unwrap_or(&start)))
    }
}
