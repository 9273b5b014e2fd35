//! The Media Upload page: files become media, in one call or in three steps, and so does what is behind a URL.

use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::type_hint_identifier;

use super::collections::{Collection, OfCollection};
use super::media::{Media, OfMedia};
use super::records::OfUser;
use crate::api::item::Extra;
use crate::api::media_upload::{self, Completion, Destination, FromUrl};
use crate::api::models::{self, UploadSlot};
use crate::api::signed_url::SignedUrl;
use crate::api::{InvalidArgument, check};
use crate::client::{
    Client, Error, FileToSend, MediaUpload, Transcoding, Transferred, UploadState, UploadStep, UploadSteps,
};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, FilePath, Flag, Seconds, Text, arguments, named};
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::input::{int, refused, text, wrong_type};
use crate::python::convert::output::IntoPython;
use crate::python::operations::operations;
use crate::python::progress::{Measure, Progress, Transfer, WithProgress};
use crate::python::studio_client::StudioClient;

operations! { StudioClient {
    /// Upload a file, which becomes a media. Studio transcodes it afterwards: see `wait_until_ready`.
    ///
    /// It creates an upload, sends the file to the storage host, and completes the upload. The upload is completed only
    /// after the storage host has taken the whole file, and the file is still the same. If it is unknown whether the
    /// completion was carried out, Studio is asked. If something fails, the exception has the id of the upload that was
    /// left uncompleted: `media_id`.
    ///
    /// Args:
    ///     path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
    ///     title: The title; the file's name without its ending if omitted.
    ///     description: The description.
    ///     collection_id: The collection, or its id, to upload it into; the library of the user if omitted.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
    ///         administrator may upload for another user.
    ///     auto_caption: Whether Studio makes captions automatically. The account must have that.
    ///     progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes sent so far and the
    ///         bytes in all, several times a second, on the calling thread. The async method also takes an async
    ///         callable, and awaits it, one report at a time, while the upload continues.
    ///     check: Whether to refuse a file of more than 10 GB, and to warn of one of more than 5 GB or of an unknown kind.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the file is empty or too large, or the title is empty. No request was sent.
    ///     PermissionDeniedError: 403, if the caller may not upload there, or the storage host rejects the file.
    ///     NotFoundError: 404, if there is no such user or collection.
    ///     UnprocessableEntityError: 422, if the user id is not valid.
    ///     InternalServerError: 501, if captions cannot be made automatically. `complete_upload` without `auto_caption`
    ///         then completes the upload.
    ///     FileChangedError: If the file changed while it was sent.
    ///     OSError: If the file cannot be read.
    ///
    /// Reference: Media Upload page, POST /media/uploads, a PUT to the storage host, and POST
    /// /media/uploads/{media_id}/complete.
    #[pyo3(signature = (path, *, title=None, description=None, collection_id=None, user_id=None, auto_caption=None,
        progress=None, check: "bool" = true))]
    upload_media / upload_media_async (studio, path: FilePath, title: Option<Text>, description: Option<Text>,
        collection_id: Option<Id<OfCollection>>, user_id: Option<Id<OfUser>>, auto_caption: Option<Flag>,
        progress: Option<Progress>, #[pyo3(from_py_with = named::check)] check: bool) -> models::Media
        = upload(FileToSend::new(path, check), title, description, auto_caption,
            Destination { collection_id, user_id }, progress);

    /// Create an upload: the first of the three steps that `upload_media` makes.
    ///
    /// Args:
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) who will own the media; the caller if omitted. Only
    ///         an administrator may upload for another user.
    ///     collection_id: The collection, or its id, to upload it into; the library of the user if omitted.
    ///
    /// Returns:
    ///     The id that the media will have, and a signed URL for its file, good for 24 hours (observed). Treat the URL as a
    ///     secret.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not upload there.
    ///     NotFoundError: 404, if there is no such user or collection.
    ///     UnprocessableEntityError: 422, if the user id is not valid.
    ///
    /// Reference: Media Upload page, POST /media/uploads.
    #[pyo3(signature = (*, user_id=None, collection_id=None))]
    create_upload / create_upload_async (studio, user_id: Option<Id<OfUser>>, collection_id: Option<Id<OfCollection>>)
        -> UploadSlot = media_upload::create(Destination { collection_id, user_id });

    /// Send a file to an upload that was created: the second step.
    ///
    /// Args:
    ///     slot: What `create_upload` returned.
    ///     path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
    ///     progress: As for `upload_media`.
    ///     check: As for `upload_media`.
    ///
    /// Returns:
    ///     Nothing.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the file is empty or too large. No request was sent.
    ///     APIStatusError: If the storage host rejects the file, as when the signed URL has expired (403).
    ///     FileChangedError: If the file changed while it was sent.
    ///     OSError: If the file cannot be read.
    ///
    /// Reference: Media Upload page, a PUT to the storage host.
    #[pyo3(signature = (slot, path, *, progress=None, check: "bool" = true))]
    send_upload / send_upload_async (studio, slot: Slot, path: FilePath, progress: Option<Progress>,
        #[pyo3(from_py_with = named::check)] check: bool) -> ()
        = send(slot, FileToSend::new(path, check), progress);

    /// Complete an upload whose file was sent: the third step. Studio then transcodes the media.
    ///
    /// If the answer is lost or says nothing (5xx), Studio is asked whether the upload was completed.
    ///
    /// Args:
    ///     media_id: The upload, or its id.
    ///     title: The title. Studio requires one.
    ///     description: The description.
    ///     auto_caption: Whether Studio makes captions automatically. The account must have that.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio does not accept the title.
    ///     PermissionDeniedError: 403, if the caller may not complete it.
    ///     NotFoundError: 404, if there is no such upload.
    ///     ConflictError: 409, if it was completed before this call.
    ///     InternalServerError: 501, if captions cannot be made automatically. The upload is not completed then
    ///         (inferred).
    ///
    /// Reference: Media Upload page, POST /media/uploads/{media_id}/complete.
    #[pyo3(signature = (media_id, *, title, description=None, auto_caption=None))]
    complete_upload / complete_upload_async (studio, media_id: Id<OfUpload>, title: Text, description: Option<Text>,
        auto_caption: Option<Flag>) -> models::Media = UploadToComplete::new(media_id, title, description, auto_caption);

    /// Create a media from a URL. Studio fetches the file afterwards, or shows the video of YouTube or Vimeo.
    ///
    /// It is never repeated if it may have been carried out: after a 5xx or a broken connection, look for the media before
    /// you call it again.
    ///
    /// Args:
    ///     url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
    ///         Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
    ///     title: The title. Studio requires one, unless `is_external` is `True`.
    ///     description: The description.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) into whose library it goes; the caller's own if
    ///         omitted. Only an administrator may name another. Studio does not take it together with `collection_id`.
    ///     collection_id: The collection, or its id, into which it goes.
    ///     auto_caption: Whether Studio makes captions automatically. The account must have that.
    ///     is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
    ///         Studio takes anything else for a file if omitted.
    ///
    /// Returns:
    ///     The media, which Studio may still be fetching: see `wait_until_ready`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the URL or the title cannot be right, or `user_id` and `collection_id` are both given.
    ///         No request was sent.
    ///     PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
    ///     NotFoundError: 404, if there is no such user or collection.
    ///     UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
    ///     InternalServerError: 501, if captions cannot be made automatically.
    ///
    /// Reference: Media Upload page, POST /media.
    #[pyo3(signature = (url, *, title=None, description=None, user_id=None, collection_id=None, auto_caption=None,
        is_external=None))]
    create_media / create_media_async (studio, url: Text, title: Option<Text>, description: Option<Text>,
        user_id: Option<Id<OfUser>>, collection_id: Option<Id<OfCollection>>, auto_caption: Option<Flag>,
        is_external: Option<Flag>) -> models::Media
        = media_upload::create_media(
            &FromUrl { url, title, description, user_id, auto_caption, is_external }, collection_id);

    /// Create a media from a URL in a collection.
    ///
    /// Studio fetches the file afterwards, or shows the video of YouTube or Vimeo. The call is never repeated if it may have
    /// been carried out: after a 5xx or a broken connection, look for the media before you call it again.
    ///
    /// Args:
    ///     collection_id: The collection, or its id, into which it goes.
    ///     url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
    ///         Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
    ///     title: The title. Studio requires one, unless `is_external` is `True`.
    ///     description: The description.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
    ///         administrator may create one for another user.
    ///     auto_caption: Whether Studio makes captions automatically. The account must have that.
    ///     is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
    ///         Studio takes anything else for a file if omitted.
    ///
    /// Returns:
    ///     The media, which Studio may still be fetching: see `wait_until_ready`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the URL or the title cannot be right. No request was sent.
    ///     PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
    ///     NotFoundError: 404, if there is no such collection or user.
    ///     UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
    ///     InternalServerError: 501, if captions cannot be made automatically.
    ///
    /// Reference: Media Upload page, POST /collections/{collection_id}/media.
    #[pyo3(signature = (collection_id, url, *, title=None, description=None, user_id=None, auto_caption=None,
        is_external=None))]
    create_collection_media / create_collection_media_async (studio, collection_id: Id<OfCollection>, url: Text,
        title: Option<Text>, description: Option<Text>, user_id: Option<Id<OfUser>>, auto_caption: Option<Flag>,
        is_external: Option<Flag>) -> models::Media
        = media_upload::create_collection_media(
            collection_id, &FromUrl { url, title, description, user_id, auto_caption, is_external });
} }

operations! { StudioClient {
    /// Wait until Studio has transcoded a media, so that it can be watched and downloaded.
    ///
    /// It asks at once, and then less and less often: every half second at first, every 15 seconds in the end.
    ///
    /// Args:
    ///     media: The media, or its id.
    ///     timeout: How long to wait, in seconds or as a timedelta; `float("inf")` for no limit.
    ///
    /// Returns:
    ///     The media, whose `transcoding_status` is `transcoding_finished`. Any other status means "not yet".
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if there is no such media.
    ///     TranscodingFailedError: If the status has `fail` or `error` in it, which is a guess.
    ///     APITimeoutError: If it is not transcoded in time. The message has the last status; Studio goes on.
    ///
    /// Reference: Media page, GET /media/{media_id}.
    #[pyo3(signature = (media, *, timeout))]
    wait_until_ready / wait_until_ready_async (studio, media: Id<OfMedia>, timeout: Seconds) -> models::Media
        = Transcoding::new(media, timeout);
} }

operations! { Media {
    /// Wait until Studio has transcoded it, so that it can be watched and downloaded.
    ///
    /// It asks at once, and then less and less often: every half second at first, every 15 seconds in the end.
    ///
    /// Args:
    ///     timeout: How long to wait, in seconds or as a timedelta; `float("inf")` for no limit.
    ///
    /// Returns:
    ///     The media, whose `transcoding_status` is `transcoding_finished`. Any other status means "not yet".
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if it is no longer there.
    ///     TranscodingFailedError: If the status has `fail` or `error` in it, which is a guess.
    ///     APITimeoutError: If it is not transcoded in time. The message has the last status; Studio goes on.
    ///
    /// Reference: Media page, GET /media/{media_id}.
    #[pyo3(signature = (*, timeout))]
    wait_until_ready / wait_until_ready_async (this, timeout: Seconds) -> models::Media
        = Transcoding::new(this.value.id(), timeout);
} }

operations! { Collection {
    /// Upload a file into it, which becomes a media. Studio transcodes it afterwards: see `Media.wait_until_ready`.
    ///
    /// Args:
    ///     path: The file. It is streamed; if a connection breaks, it is sent again from its first byte.
    ///     title: The title; the file's name without its ending if omitted.
    ///     description: The description.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
    ///         administrator may upload for another user.
    ///     auto_caption: Whether Studio makes captions automatically. The account must have that.
    ///     progress: As for `StudioClient.upload_media`.
    ///     check: As for `StudioClient.upload_media`.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the file is empty or too large, or the title is empty. No request was sent.
    ///     PermissionDeniedError: 403, if the caller may not upload there, or the storage host rejects the file.
    ///     NotFoundError: 404, if there is no such user or collection.
    ///     FileChangedError: If the file changed while it was sent.
    ///     OSError: If the file cannot be read.
    ///
    /// Reference: Media Upload page.
    #[pyo3(signature = (path, *, title=None, description=None, user_id=None, auto_caption=None,
        progress=None, check: "bool" = true))]
    upload / upload_async (this, path: FilePath, title: Option<Text>, description: Option<Text>,
        user_id: Option<Id<OfUser>>, auto_caption: Option<Flag>, progress: Option<Progress>,
        #[pyo3(from_py_with = named::check)] check: bool) -> models::Media
        = upload(FileToSend::new(path, check), title, description, auto_caption,
            Destination { collection_id: Some(this.value.id()), user_id }, progress);

    /// Create a media from a URL in it. Studio fetches the file afterwards, or shows the video of YouTube or Vimeo.
    ///
    /// It is never repeated if it may have been carried out: after a 5xx or a broken connection, look for the media before
    /// you call it again.
    ///
    /// Args:
    ///     url: The URL, which begins with `http://` or `https://`: of a file that Studio fetches, or of a video of YouTube or
    ///         Vimeo. A signed URL must stay good until Studio has fetched the file; when that is, is unknown.
    ///     title: The title. Studio requires one, unless `is_external` is `True`.
    ///     description: The description.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) who will own it; the caller if omitted. Only an
    ///         administrator may create one for another user.
    ///     auto_caption: Whether Studio makes captions automatically. The account must have that.
    ///     is_external: Whether it is a video of YouTube or Vimeo, which stays there. For a URL of these it must be given;
    ///         Studio takes anything else for a file if omitted.
    ///
    /// Returns:
    ///     The media, which Studio may still be fetching: see `Media.wait_until_ready`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the URL or the title cannot be right. No request was sent.
    ///     PermissionDeniedError: 403, if the caller may not create it there, or an administrator forbids external media.
    ///     NotFoundError: 404, if the collection is no longer there, or there is no such user.
    ///     UnprocessableEntityError: 422, if Studio does not accept the URL or something else.
    ///     InternalServerError: 501, if captions cannot be made automatically.
    ///
    /// Reference: Media Upload page, POST /collections/{collection_id}/media.
    #[pyo3(signature = (url, *, title=None, description=None, user_id=None, auto_caption=None, is_external=None))]
    create_media / create_media_async (this, url: Text, title: Option<Text>, description: Option<Text>,
        user_id: Option<Id<OfUser>>, auto_caption: Option<Flag>, is_external: Option<Flag>) -> models::Media
        = media_upload::create_collection_media(
            this.value.id(), &FromUrl { url, title, description, user_id, auto_caption, is_external });
} }

ids! {
    OfUpload: ("canvas_studio.models", "UploadSlot", "id") type_hint_identifier!("canvas_studio.models", "UploadSlot");
}

arguments! {
    /// An upload that was created.
    Slot: UploadSlot = slot, type_hint_identifier!("canvas_studio.models", "UploadSlot");
}

fn slot(name: &str, given: &Bound<'_, PyAny>) -> PyResult<UploadSlot> {
    let class = given.py().import("canvas_studio.models")?.getattr("UploadSlot")?;
    if !given.is_instance(&class)? {
        return Err(wrong_type(name, "an UploadSlot", given, None));
    }
    let id = int(&format!("{name}.id"), &given.getattr("id")?)?;
    let url = text(&format!("{name}.url"), &given.getattr("url")?)?;
    let Some(url) = SignedUrl::parse(&url) else {
        return Err(refused(&format!("{name}.url"), "must be an http or https URL, as create_upload returns it"));
    };
    Ok(UploadSlot { id, url: Some(url), extra: Extra::new() })
}

fn upload(
    file: FileToSend,
    title: Option<String>,
    description: Option<String>,
    auto_caption: Option<bool>,
    destination: Destination,
    progress: Option<Progress>,
) -> Result<WithProgress<MediaUpload>, InvalidArgument> {
    let upload = MediaUpload::new(file, title, description, auto_caption, destination)?;
    Ok(WithProgress::of(upload, progress))
}

fn send(
    slot: UploadSlot,
    file: FileToSend,
    progress: Option<Progress>,
) -> Result<WithProgress<FileAndSlot>, InvalidArgument> {
    check::id("slot.id", slot.id)?;
    Ok(WithProgress::of(FileAndSlot { file, slot }, progress))
}

/// How far an upload has come: its bytes, and its steps.
#[derive(Debug, Default)]
pub(crate) struct UploadProgress {
    transferred: Arc<Transferred>,
    reached: Mutex<Reached>,
}

#[derive(Debug, Default)]
struct Reached {
    /// None before it is created.
    upload: Option<(i64, UploadState)>,
    is_ended: bool,
}

impl UploadProgress {
    fn reach(&self, media_id: i64, state: UploadState) -> Result<(), Error> {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.is_ended {
            return Err(Error::Closed);
        }
        reached.upload = Some((media_id, state));
        Ok(())
    }
}

impl UploadSteps for UploadProgress {
    fn record(&self, step: UploadStep) -> Result<(), Error> {
        match step {
            UploadStep::Created(id) => self.reach(id, UploadState::NotSent),
            // From here on, the completion may be under way.
            UploadStep::Sent(id) => self.reach(id, UploadState::Unknown),
            UploadStep::Completed(id) => self.reach(id, UploadState::Completed),
        }
    }
}

impl Measure for UploadProgress {
    fn read(&self) -> (u64, Option<u64>) {
        self.transferred.read()
    }

    fn is_ending(&self) -> bool {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(reached.upload, Some((_, UploadState::Unknown)))
    }

    fn end_upload(&self) -> Option<String> {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.is_ended = true;
        reached.upload.map(|(media_id, state)| state.explained(media_id))
    }
}

impl Transfer for MediaUpload {
    type Result = models::Media;
    type Measure = UploadProgress;

    async fn run(self, client: Client, progress: Arc<UploadProgress>) -> Result<models::Media, Error> {
        client.upload_media(&self, &progress.transferred, &*progress).await
    }

    fn warn(&self, py: Python<'_>, stack_level: i32) -> PyResult<()> {
        warn(py, self.file(), stack_level)
    }
}

/// The second step of an upload.
#[derive(Debug, Clone)]
struct FileAndSlot {
    file: FileToSend,
    slot: UploadSlot,
}

impl Transfer for FileAndSlot {
    type Result = ();
    type Measure = UploadProgress;

    async fn run(self, client: Client, progress: Arc<UploadProgress>) -> Result<(), Error> {
        progress.reach(self.slot.id, UploadState::NotSent)?;
        client.send_upload(&self.file, &self.slot, &progress.transferred).await?;
        progress.reach(self.slot.id, UploadState::Sent)?;
        Ok(())
    }

    fn warn(&self, py: Python<'_>, stack_level: i32) -> PyResult<()> {
        warn(py, &self.file, stack_level)
    }
}

fn warn(py: Python<'_>, file: &FileToSend, stack_level: i32) -> PyResult<()> {
    for warning in file.warnings() {
        let class = py.import("canvas_studio.errors")?.getattr("UploadWarning")?;
        PyErr::warn(py, &class, &CString::new(warning)?, stack_level)?;
    }
    Ok(())
}

/// The third step of an upload.
struct UploadToComplete {
    media_id: i64,
    completion: Completion,
}

impl UploadToComplete {
    fn new(
        media_id: i64,
        title: String,
        description: Option<String>,
        auto_caption: Option<bool>,
    ) -> Result<Self, InvalidArgument> {
        let media_id = check::id("media_id", media_id)?;
        Ok(Self { media_id, completion: Completion::new(title, description, auto_caption)? })
    }
}

impl Operation for UploadToComplete {
    type Result = models::Media;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<models::Media, Error>> + Send + 'static {
        let (media_id, completion) = (self.media_id, self.completion.clone());
        async move { client.ok_or(Error::Closed)?.complete_upload(media_id, &completion).await }
    }

    fn end_upload(&self) -> Option<String> {
        Some(UploadState::Unknown.explained(self.media_id))
    }
}

impl Operation for Transcoding {
    type Result = models::Media;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<models::Media, Error>> + Send + 'static {
        let transcoding = self.clone();
        async move { client.ok_or(Error::Closed)?.wait_until_ready(&transcoding).await }
    }
}

/// Python's own record shows it without its query, too.
impl IntoPython for SignedUrl {
    type Python = String;

    fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<String> {
        Ok(self.expose().to_string())
    }
}
