//! The errors that a call can end with, by what the caller can do about them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use http::Method;
use serde_json::Value;

use crate::api::InvalidArgument;
use crate::api::json::text::read_json;
use crate::api::models::Media;
use crate::api::users::NotOneUser;

/// The request that failed, with secrets masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    pub method: Method,
    /// Signed URLs are shown without their query.
    pub url: String,
    /// Whether the request may have been carried out although no answer came.
    pub outcome_unknown: bool,
}

/// An answer with an error status.
#[derive(Debug, Clone)]
pub struct StatusError {
    pub request: RequestInfo,
    pub status: u16,
    /// Without cookies, and with secrets and the queries of URLs masked. Names are lower-case.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut if it is very long.
    pub body: String,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    /// For the message: the requested path, what the server said, and what to do next.
    pub(super) display_path: String,
    pub(super) server_message: Option<String>,
    pub(super) advice: Vec<Cow<'static, str>>,
}

/// An answer that could not be decoded.
#[derive(Debug, Clone)]
pub struct Unreadable {
    pub request: RequestInfo,
    pub status: u16,
    /// The path in the JSON, such as `media[3].owner.id`.
    pub path: Option<String>,
    /// The start of the body.
    pub excerpt: String,
    pub message: String,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    InvalidArgument(#[from] InvalidArgument),
    #[error("the client is closed: make a new StudioClient")]
    Closed,
    #[error("the interpreter is exiting: no more requests are sent")]
    Exiting,
    #[error("{message}")]
    Connection { request: RequestInfo, message: String },
    #[error("{message}")]
    Timeout { request: RequestInfo, message: String },
    #[error("{0}")]
    Status(Box<StatusError>),
    #[error("{}", .0.message)]
    Unreadable(Box<Unreadable>),
    /// A search for one user found none, or several.
    #[error("{0}")]
    NotOneUser(Box<NotOneUser>),
    /// Another number of unshared media than expected. Nothing was transferred. `found` are their ids.
    #[error("{}", other_count(*user, *expected, found.len()))]
    OtherCount { user: i64, expected: usize, found: Vec<i64> },
    /// A list that may be incomplete.
    #[error("{0}")]
    ListChanged(String),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: Arc<io::Error> },
    /// The upload of a media that was begun and did not come to its end.
    #[error("{}", in_sentence(error, &state.explained(*media_id)))]
    Upload { media_id: i64, state: UploadState, error: Box<Self> },
    /// Studio could not transcode a media.
    #[error("{}", transcoding_failed(.0))]
    TranscodingFailed(Box<Media>),
    /// A file that was being sent has changed.
    #[error("{} {problem}: send it again once nothing writes to it", path.display())]
    FileChanged { path: PathBuf, problem: String },
    /// The sign-in gave no tokens. `reason` is the OAuth error code.
    #[error("{message}")]
    SignIn { reason: String, message: String, answer: Option<Box<StatusError>> },
    /// There are no usable tokens, and only a person can change that.
    #[error("{message}")]
    LoginRequired { reason: String, message: String, answer: Option<Box<StatusError>> },
    /// The token store could not be read or written.
    #[error("{message}")]
    Store { message: String, cause: Arc<dyn std::error::Error + Send + Sync> },
    /// An exception of the caller's own code, which they get as it is.
    #[error("{0}")]
    OfCaller(Arc<dyn std::error::Error + Send + Sync>),
    #[error("not enough memory")]
    OutOfMemory,
    #[error("{0}")]
    Setup(String),
}

/// How far the upload of a media had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadState {
    /// The storage host does not have the file.
    NotSent,
    /// The storage host has the file, but the upload is not completed.
    Sent,
    /// The upload may have been completed.
    Unknown,
    Completed,
    /// Studio says that it is completed, but its media could not be had.
    SaidToBeCompleted,
    /// Studio says that it was completed before, but not by this call, as far as is known.
    Conflict,
}

impl UploadState {
    /// What that means for the media, and what to do.
    pub fn explained(self, id: i64) -> String {
        match self {
            Self::NotSent => format!("Upload {id} was left uncompleted, so it is no media: upload the file again"),
            Self::Sent => format!(
                "Upload {id} has its file, but was left uncompleted: complete_upload({id}, title=...) completes it"
            ),
            Self::Unknown => format!(
                "Whether upload {id} was completed is unknown: complete_upload({id}, title=...) completes it, or says \
                 that it is completed (409)"
            ),
            Self::Completed => format!("Upload {id} is completed: get_media({id}) has the media"),
            Self::SaidToBeCompleted => format!(
                "Studio says that upload {id} is completed (409), but did not show its media: look for media {id} before \
                 you upload the file again"
            ),
            Self::Conflict => format!(
                "Studio says that upload {id} was completed before, and this call did not do that: look for media {id} \
                 before you upload the file again"
            ),
        }
    }
}

fn transcoding_failed(media: &Media) -> String {
    let status = media.named::<Option<Cow<'_, str>>>("transcoding_status").unwrap_or_default();
    format!(
        "Studio could not transcode media {}: its transcoding_status is {status:?}. Upload a file of another kind",
        media.id()
    )
}

fn other_count(user: i64, expected: usize, found: usize) -> String {
    format!(
        "user {user} has {found} unshared media, and expect is {expected}: nothing was transferred. Look at them (media_ids has \
         their ids); if all of them may move, pass expect={found}"
    )
}

/// Two sentences.
fn in_sentence(error: &Error, next: &str) -> String {
    let error = error.to_string();
    let end = if error.ends_with(['.', '?']) { "" } else { "." };
    format!("{error}{end} {next}")
}

impl StatusError {
    /// The OAuth error code, under `error`. RFC 6749.
    pub(super) fn error_word(&self) -> Option<String> {
        let body: Value = read_json(&self.body).ok()?;
        Some(body.get("error")?.as_str()?.trim().to_owned())
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} for {} {}", self.status, self.request.method, self.display_path)?;
        if let Some(message) = &self.server_message {
            write!(formatter, ": {message}")?;
        }
        if !self.advice.is_empty() {
            write!(formatter, " ({})", self.advice.join("; "))?;
        }
        if let Some(id) = &self.request_id {
            write!(formatter, " [request {id}]")?;
        }
        Ok(())
    }
}

impl Error {
    pub(crate) fn file(path: &Path, error: io::Error) -> Self {
        Self::File { path: path.to_owned(), error: Arc::new(error) }
    }

    /// No runtime could be started.
    #[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
    pub fn no_threads(error: io::Error) -> Self {
        let message = "the system gives this process no thread, or nothing to wait with";
        Self::Setup(format!("{message} ({error}): raise its limits (ulimit -u, ulimit -n, a container's pids limit)"))
    }

    /// The same error as that of an upload that had come so far. One that says so already stays as it is.
    pub(super) fn in_upload(self, media_id: i64, state: UploadState) -> Self {
        match self {
            Self::Upload { .. } => self,
            error => Self::Upload { media_id, state, error: Box::new(error) },
        }
    }

    /// A token store whose event loop ended before it had finished.
    pub fn abandoned() -> Self {
        let message = "the event loop of the token store ended before its work was done".to_owned();
        Self::Store { message, cause: Arc::new(Self::Exiting) }
    }

    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self, Self::Store { cause, .. } if matches!(cause.downcast_ref(), Some(Self::Exiting)))
    }
}
