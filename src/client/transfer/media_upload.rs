//! Uploads a media in three steps: create the upload, send the file to the storage host, complete the upload.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;
use url::Url;

use super::disk::on_disk;
use super::transferred::Transferred;
use super::upload::Upload;
use crate::api::media_upload::{self, Completion, Destination};
use crate::api::models::{Media, UploadSlot};
use crate::api::words::media_type_of_ending;
use crate::api::{DecodeError, InvalidArgument, Request, RetrySafety, check, media};
use crate::client::attempts::Attempts;
use crate::client::error::{Error, UploadState};
use crate::client::failure::Failure;
use crate::client::log::{TARGET, to_three_places};
use crate::client::send::Client;

/// The largest file that the vendor's guide allows. Documented, as 10 GB.
const LARGEST: u64 = 10_000_000_000;
/// The largest file that Amazon S3 takes in one PUT. That Studio stores files there is observed, that this is a limit of
/// Studio's is inferred.
const LARGEST_SURE: u64 = 5_000_000_000;
/// The media type of a file of unknown kind.
const ANY_TYPE: &str = "application/octet-stream";
/// How many times an upload is created anew because its signed URL has expired. Each leaves an upload that is never
/// completed.
const MAX_RENEWALS: u32 = 2;
/// The query parameter that holds the lifetime of a URL signed by Amazon, in seconds. Observed.
const LIFETIME: &str = "X-Amz-Expires";
/// What the storage host says of a signed URL that has expired. Amazon's words are "Request has expired" and
/// "ExpiredToken".
const EXPIRED: &str = "expired";

/// What it means if Studio says that an upload was completed before (409), and no try of this call was in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    /// An earlier run may have completed it.
    Done,
    /// Nobody else knows the upload. But a proxy may have sent the request twice, so the media may be ours.
    DoneUnderItsTitle,
    Error,
}

/// How far the upload of a media has come. Each has the id that the media has once it is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStep {
    /// There is a place for the file, which is no media yet. It comes again, with another id, if the signed URL has
    /// expired; the upload before it is then never completed.
    Created(i64),
    /// The storage host has the whole file; the upload is about to be completed. If the process ends now,
    /// [`Client::settle_upload`] goes on.
    Sent(i64),
    /// The media is there.
    Completed(i64),
}

/// Learns of each step before the next one begins, to write it into a journal. An error ends the upload.
pub trait UploadSteps: Send + Sync {
    fn record(&self, step: UploadStep) -> Result<(), Error>;
}

impl UploadSteps for () {
    fn record(&self, _: UploadStep) -> Result<(), Error> {
        Ok(())
    }
}

/// A file to send, and whether its size and its kind are checked first.
#[derive(Debug, Clone)]
pub struct FileToSend {
    path: PathBuf,
    is_checked: bool,
}

impl FileToSend {
    pub fn new(path: PathBuf, is_checked: bool) -> Self {
        Self { path, is_checked }
    }

    /// What may go wrong with this file, and what to do. Problems that are certain are errors when it is sent.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.is_checked {
            return warnings;
        }
        let shown = self.path.display();
        let size = fs::metadata(&self.path).map_or(0, |found| found.len());
        if (LARGEST_SURE + 1..=LARGEST).contains(&size) {
            warnings.push(format!(
                "{shown} has {size} bytes: the vendor's guide allows 10 GB, but Amazon S3, where Studio stores files, takes \
                 at most 5 GB at once, so the upload may be refused; check=False sends it without this warning"
            ));
        }
        if media_type(&self.path).is_none() {
            warnings.push(format!(
                "{shown} is of a kind that the vendor's guide does not name (it names flv, asf, qt, mov, mpg, mpeg, avi, \
                 m4v, wmv, mp4, 3gp, mp3, wma and wav), so Studio may not be able to transcode it; check=False sends it \
                 without this warning"
            ));
        }
        warnings
    }

    /// The size of the file, if it can be sent.
    pub(super) fn check(&self) -> Result<u64, Error> {
        self.open(&Arc::default()).map(|upload| upload.length())
    }

    /// The ending of its name, if the vendor's guide does not name it.
    pub(super) fn unknown_kind(&self) -> Option<String> {
        let ending = || self.path.extension().map_or_else(String::new, |ending| ending.to_string_lossy().into_owned());
        media_type(&self.path).is_none().then(ending)
    }

    /// Looks at the file before anything is sent.
    fn open(&self, transferred: &Arc<Transferred>) -> Result<Upload, Error> {
        let upload = Upload::new(&self.path, media_type(&self.path).unwrap_or(ANY_TYPE), transferred)?;
        let (shown, size) = (self.path.display(), upload.length());
        let refuse = |expected: String| Err(InvalidArgument::new("path", expected).into());
        if size == 0 {
            return refuse(format!("names an empty file: {shown}"));
        }
        if self.is_checked && size > LARGEST {
            return refuse(format!(
                "names a file of {size} bytes, and Studio takes at most 10 GB: {shown}; check=False sends it all the same"
            ));
        }
        Ok(upload)
    }
}

/// A file to upload, and what Studio is told about it.
#[derive(Debug, Clone)]
pub struct MediaUpload {
    file: FileToSend,
    create: Request<UploadSlot>,
    completion: Completion,
}

impl MediaUpload {
    /// The title is the file's name without its ending if there is none. Checks the arguments, and not yet the file.
    pub fn new(
        file: FileToSend,
        title: Option<String>,
        description: Option<String>,
        auto_caption: Option<bool>,
        destination: Destination,
    ) -> Result<Self, InvalidArgument> {
        let title = title.map_or_else(|| title_of(&file.path), Ok)?;
        let completion = Completion::new(title, description, auto_caption)?;
        Ok(Self { file, create: media_upload::create(destination)?, completion })
    }

    pub fn file(&self) -> &FileToSend {
        &self.file
    }

    pub fn completion(&self) -> &Completion {
        &self.completion
    }
}

fn title_of(path: &Path) -> Result<String, InvalidArgument> {
    match path.file_stem().map(OsStr::to_str) {
        Some(Some(title)) => Ok(title.to_owned()),
        Some(None) => Err(InvalidArgument::new("title", "must be given: the name of the file is not UTF-8")),
        None => Err(InvalidArgument::new("path", format!("must name a file, not \"{}\"", path.display()))),
    }
}

/// The media type of a file of a kind that the vendor's guide names, by the ending of its name.
fn media_type(path: &Path) -> Option<&'static str> {
    media_type_of_ending(&path.extension()?.to_str()?.to_ascii_lowercase())
}

impl Client {
    /// Uploads a file: creates an upload, sends the file, completes the upload. The upload is completed only after the
    /// storage host has taken the whole file, and the file is still the same. An error after the first step is an
    /// [`Error::Upload`].
    pub async fn upload_media(
        &self,
        upload: &MediaUpload,
        transferred: &Arc<Transferred>,
        steps: &dyn UploadSteps,
    ) -> Result<Media, Error> {
        let began = Instant::now();
        let file = upload.file.open(transferred)?;
        let media_id = self.send_to_new_slot(upload, &file, steps).await?;
        let record = |step, state| on_disk(|| steps.record(step)).map_err(|error| error.in_upload(media_id, state));
        record(UploadStep::Sent(media_id), UploadState::Sent)?;
        let media = self.finish_upload(media_id, &upload.completion, Conflict::DoneUnderItsTitle).await?;
        let (bytes, seconds) = (file.length(), to_three_places(began.elapsed().as_secs_f64()));
        info!(
            target: TARGET, media_id, bytes, seconds,
            "upload of media {media_id} finished: {bytes} bytes in {seconds:.1} s"
        );
        record(UploadStep::Completed(media_id), UploadState::Completed)?;
        Ok(media)
    }

    /// The first two steps. If the signed URL has expired, no file is there, and nothing was completed: so the upload is
    /// created anew.
    async fn send_to_new_slot(
        &self,
        upload: &MediaUpload,
        file: &Upload,
        steps: &dyn UploadSteps,
    ) -> Result<i64, Error> {
        let mut left: Option<i64> = None;
        let mut renewals = 0;
        loop {
            let slot = self.send(&upload.create).await;
            let slot = slot.map_err(|error| match left {
                Some(media_id) => error.in_upload(media_id, UploadState::NotSent),
                None => error,
            })?;
            let (media_id, created, bytes) = (slot.id, Instant::now(), file.length());
            info!(target: TARGET, media_id, bytes, "upload of media {media_id} started: {bytes} bytes");
            let result = match on_disk(|| steps.record(UploadStep::Created(media_id))) {
                Ok(()) => self.send_to_slot(file, &slot).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => return Ok(media_id),
                Err(error) if renewals < MAX_RENEWALS && has_expired(&error, &slot, created.elapsed()) => {
                    left = Some(media_id);
                    renewals += 1;
                    info!(
                        target: TARGET, media_id,
                        "upload of media {media_id}: its signed URL has expired; creating the upload anew"
                    );
                }
                Err(error) => return Err(error.in_upload(media_id, UploadState::NotSent)),
            }
        }
    }

    /// Sends a file to an upload that was created. Returns only if the storage host has the whole file.
    pub async fn send_upload(
        &self,
        file: &FileToSend,
        slot: &UploadSlot,
        transferred: &Arc<Transferred>,
    ) -> Result<(), Error> {
        let file = file.open(transferred)?;
        self.send_to_slot(&file, slot).await.map_err(|error| error.in_upload(slot.id, UploadState::NotSent))
    }

    async fn send_to_slot(&self, file: &Upload, slot: &UploadSlot) -> Result<(), Error> {
        let Some(url) = &slot.url else {
            return Err(InvalidArgument::new("slot", "has no URL to send the file to").into());
        };
        self.put_file(file, url.expose()).await?;
        file.check_unchanged()
    }

    /// Sends a request whose answer must be this media, and no other.
    async fn send_for(&self, media_id: i64, request: &Request<Media>) -> Result<Media, Error> {
        let answer = self.send_call(&request.call).await?;
        let media = self.read(request, &answer)?;
        if media.id() == media_id {
            return Ok(media);
        }
        let problem = format!("it is about media {}, not about media {media_id}", media.id());
        Err(self.context(&request.call).error(&answer, DecodeError::new(problem)))
    }

    /// Completes an upload whose file was sent, and finds out whether that was done if the answer does not say so. An
    /// upload that was completed before is a result, too: so a run that was stopped after [`UploadStep::Sent`] goes on
    /// here.
    pub async fn settle_upload(&self, media_id: i64, completion: &Completion) -> Result<Media, Error> {
        self.finish_upload(media_id, completion, Conflict::Done).await
    }

    async fn finish_upload(&self, media_id: i64, completion: &Completion, conflict: Conflict) -> Result<Media, Error> {
        self.complete_until_closed(media_id, completion, conflict).await.map_err(|error| {
            let is_gone = matches!(&error, Error::Status(refusal) if refusal.status == 404);
            error.in_upload(media_id, if is_gone { UploadState::NotSent } else { UploadState::Sent })
        })
    }

    /// Completes an upload, and finds out whether that was done if the answer does not say so. It is an error if it was
    /// completed before this call.
    pub async fn complete_upload(&self, media_id: i64, completion: &Completion) -> Result<Media, Error> {
        self.complete_until_closed(media_id, completion, Conflict::Error).await
    }

    /// If the client is closed after the request may have been sent, it is unknown whether it was carried out.
    async fn complete_until_closed(
        &self,
        media_id: i64,
        completion: &Completion,
        conflict: Conflict,
    ) -> Result<Media, Error> {
        let is_begun = AtomicBool::new(false);
        let completing = self.complete(media_id, completion, conflict, &is_begun);
        self.until_closed(Box::pin(completing)).await.map_err(|error| match error {
            Error::Closed | Error::Exiting if is_begun.load(Ordering::Relaxed) => {
                error.in_upload(media_id, UploadState::Unknown)
            }
            error => error,
        })
    }

    /// After an answer that says nothing, a 409 always is a result: a repeated completion is safe, since Studio completes
    /// an upload once (documented).
    async fn complete(
        &self,
        media_id: i64,
        completion: &Completion,
        mut conflict: Conflict,
        is_begun: &AtomicBool,
    ) -> Result<Media, Error> {
        let complete = media_upload::complete(media_id, completion)?;
        let get = media::get(media_id)?;
        let mut call = complete.call.clone();
        call.retry_safety = RetrySafety::Always;
        let mut attempts = Attempts::new(&self.config.policy, &self.pace, None);
        let mut is_unknown = false;
        loop {
            is_begun.store(true, Ordering::Relaxed);
            let error = match self.send_for(media_id, &complete).await {
                Ok(media) => return Ok(media),
                Err(error) => error,
            };
            if matches!(&error, Error::Status(refusal) if refusal.status == 409) {
                return match conflict {
                    Conflict::Error => Err(error),
                    Conflict::Done => {
                        let found = self.send_for(media_id, &get).await;
                        found.map_err(|error| error.in_upload(media_id, UploadState::SaidToBeCompleted))
                    }
                    Conflict::DoneUnderItsTitle => match self.send_for(media_id, &get).await {
                        Ok(media) if is_completed(&media, completion) => Ok(media),
                        found => Err(with_finding(error, found, completion).in_upload(media_id, UploadState::Conflict)),
                    },
                };
            }
            if !leaves_unknown(&error) {
                return Err(if is_unknown { error.in_upload(media_id, UploadState::Unknown) } else { error });
            }
            info!(target: TARGET, media_id, "upload of media {media_id}: asking whether it was completed");
            match self.send_for(media_id, &get).await {
                Ok(media) if is_completed(&media, completion) => return Ok(media),
                // Not visible to the token's user, not completed, or no answer: only a repetition can tell.
                _ => {}
            }
            (is_unknown, conflict) = (true, Conflict::Done);
            let waited = attempts.wait_or_give_up(&self.context(&call), Failure::interrupted(error)).await;
            waited.map_err(|error| error.in_upload(media_id, UploadState::Unknown))?;
        }
    }
}

/// The error of a completion that was made before, with what is known of the media.
fn with_finding(mut error: Error, found: Result<Media, Error>, completion: &Completion) -> Error {
    if let Error::Status(refusal) = &mut error {
        refusal.advice.push(match found {
            Ok(media) => {
                let title = title_of_media(&media).unwrap_or_default();
                format!("the media has the title {:?}, not {:?}", check::cut(&title), check::cut(completion.title()))
                    .into()
            }
            Err(error) => format!("its media could not be looked at: {error}").into(),
        });
    }
    error
}

/// Whether an error of a completion leaves open whether it was carried out.
fn leaves_unknown(error: &Error) -> bool {
    match error {
        Error::Connection { request, .. } | Error::Timeout { request, .. } => request.outcome_unknown,
        Error::Status(refusal) => refusal.request.outcome_unknown,
        // The answer has a success status.
        Error::Unreadable(_) | Error::OutOfMemory => true,
        _ => false,
    }
}

/// Whether a media shows that its upload was completed. It may be there before that (a guess), but its title comes with
/// the completion.
fn is_completed(media: &Media, completion: &Completion) -> bool {
    title_of_media(media).is_some_and(|title| title.trim() == completion.title().trim())
}

fn title_of_media(media: &Media) -> Option<Cow<'_, str>> {
    media.named::<Option<Cow<'_, str>>>("title")
}

/// Whether the storage host rejected a file because its signed URL has expired: it says so, or the time is over.
fn has_expired(error: &Error, slot: &UploadSlot, age: Duration) -> bool {
    let Error::Status(refusal) = error else { return false };
    let says_so = refusal.body.to_ascii_lowercase().contains(EXPIRED);
    match refusal.status {
        403 => says_so || slot.url.as_ref().and_then(|url| lifetime(url.expose())).is_some_and(|time| age >= time),
        400 => says_so,
        _ => false,
    }
}

fn lifetime(url: &Url) -> Option<Duration> {
    let (_, seconds) = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case(LIFETIME))?;
    seconds.parse().ok().map(Duration::from_secs)
}
