//! The Captions page: its methods of `StudioClient` and of `Media`. Those of `Caption` are in `models.py`.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::media::{Media, OfMedia};
use crate::api::captions::{self, WithWarnings};
use crate::api::models;
use crate::client::{Client, Error, Save};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, FilePath, Text};
use crate::python::convert::bodies::ShortFile;
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::output::IntoPython;
use crate::python::errors::{to_python, warn};
use crate::python::listing::source::lists;
use crate::python::operations::{operations, reads};
use crate::python::studio_client::StudioClient;

ids! {
    OfCaption: ("canvas_studio.models", "Caption", "id") type_hint_identifier!("canvas_studio.models", "Caption");
}

lists! { StudioClient {
    /// List the captions of a media, in every language and status.
    ///
    /// Args:
    ///     media_id: The media, or its id.
    ///
    /// Returns:
    ///     A listing of `Caption`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see them.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Captions page, GET /media/{media_id}/caption_files.
    #[pyo3(signature = (media_id))]
    list_captions (studio, media_id: Id<OfMedia>) -> models::Caption = captions::list(media_id);
} }

/// How the file of a caption may be called, for messages.
const EXAMPLE: &str = "lecture.srt";

/// Check a file of captions as `add_caption` does before it sends one.
///
/// Args:
///     file: A path, or `(name, bytes)`.
///     srclang: Its language, which decides how a file that is not UTF-8 is read.
///
/// Returns:
///     What players put up with; each begins with the name of the file.
///
/// Raises:
///     InvalidArgumentError: If the file would not be sent.
///     OSError: If the file cannot be read.
#[pyfunction]
#[pyo3(signature = (file, srclang))]
pub(crate) fn check_captions(py: Python<'_>, file: ShortFile, srclang: Text) -> PyResult<Vec<String>> {
    let (file, srclang) = (file.read(py, "file")?, srclang.read(py, "srclang")?);
    // Everything but the id of the media is checked.
    let added = captions::add(1, file, &srclang).map_err(|refusal| to_python(refusal.into()))?;
    Ok(added.warnings)
}

/// It warns before it is sent.
impl<T: IntoPython + Send + 'static> Operation for WithWarnings<T> {
    type Result = T;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        self.request.start(client)
    }

    fn check(&self, py: Python<'_>, is_blocking: bool) -> PyResult<()> {
        // The async method has a frame of its own.
        let stack_level = if is_blocking { 1 } else { 2 };
        self.warnings.iter().try_for_each(|warning| warn(py, "CaptionWarning", warning, stack_level))
    }
}

operations! { StudioClient {
    /// Add captions to a media: a file in one language.
    ///
    /// The file is read before it is sent. UTF-8 is sent byte for byte. UTF-16 with a byte order mark is converted to it,
    /// and so is Windows-1252 in a language that is written with it; another encoding is refused.
    ///
    /// Args:
    ///     media_id: The media, or its id.
    ///     file: A path, an open binary file, or `(name, bytes)`: SubRip named `.srt`, or WebVTT named `.vtt`.
    ///     srclang: The language of the captions, as a tag of BCP 47 such as `en` or `pt-BR`.
    ///
    /// Returns:
    ///     The caption. Whether viewers see it is told by its `status`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the file is empty, has no cues, is of another format or encoding, or has a cue that
    ///         players would show wrongly; the message names the line.
    ///     CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
    ///     OSError: If the file cannot be read.
    ///     PermissionDeniedError: 403, if the caller may not add captions to it.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Captions page, POST /media/{media_id}/caption_files.
    #[pyo3(signature = (media_id, file, *, srclang))]
    add_caption / add_caption_async (studio, media_id: Id<OfMedia>, file: ShortFile, srclang: Text) -> models::Caption
        = captions::add(media_id, file, &srclang);

    /// Download a caption into a file, byte for byte.
    ///
    /// The file gets its name only when it is whole.
    ///
    /// Args:
    ///     id: The caption, or its id.
    ///     path: The file. An existing one is replaced.
    ///
    /// Returns:
    ///     The path.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not have it: only the owner of the media, or an administrator
    ///         (observed).
    ///     NotFoundError: 404, if there is no such caption.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///     ResponseDecodeError: If JSON or a page came instead.
    ///     OSError: If the file cannot be written.
    ///
    /// Reference: Captions page, GET /caption_files/{caption_file_id}/download.
    #[pyo3(signature = (id, path))]
    download_caption / download_caption_async (studio, id: Id<OfCaption>, path: FilePath) -> PathBuf
        = captions::download(id).and_then(|request| Save::new(request, path, EXAMPLE));
} }

reads! { StudioClient {
    /// Get the text of a caption, such as SubRip or WebVTT.
    ///
    /// Args:
    ///     id: The caption, or its id.
    ///
    /// Returns:
    ///     The text.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not have it: only the owner of the media, or an administrator
    ///         (observed).
    ///     NotFoundError: 404, if there is no such caption.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///     ResponseDecodeError: If JSON or a page came instead, or text in an encoding that nothing names.
    ///
    /// Reference: Captions page, GET /caption_files/{caption_file_id}/download.
    #[pyo3(signature = (id))]
    get_caption_text / get_caption_text_async (studio, id: Id<OfCaption>) -> String = captions::text(id);
} }

lists! { Media {
    /// List its captions, in every language and status.
    ///
    /// Returns:
    ///     A listing of `Caption`.
    ///
    /// Reference: Captions page, GET /media/{media_id}/caption_files.
    captions (this) -> models::Caption = captions::list(this.value.id());
} }

operations! { Media {
    /// Add captions to it: a file in one language.
    ///
    /// The file is read before it is sent. UTF-8 is sent byte for byte. UTF-16 with a byte order mark is converted to it,
    /// and so is Windows-1252 in a language that is written with it; another encoding is refused.
    ///
    /// Args:
    ///     file: A path, an open binary file, or `(name, bytes)`: SubRip named `.srt`, or WebVTT named `.vtt`.
    ///     srclang: The language of the captions, as a tag of BCP 47 such as `en` or `pt-BR`.
    ///
    /// Returns:
    ///     The caption. Whether viewers see it is told by its `status`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the file is empty, has no cues, is of another format or encoding, or has a cue that
    ///         players would show wrongly; the message names the line.
    ///     CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
    ///     OSError: If the file cannot be read.
    ///     PermissionDeniedError: 403, if the caller may not add captions to it.
    ///     NotFoundError: 404, if it is no longer there.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Captions page, POST /media/{media_id}/caption_files.
    #[pyo3(signature = (file, *, srclang))]
    add_caption / add_caption_async (this, file: ShortFile, srclang: Text) -> models::Caption
        = captions::add(this.value.id(), file, &srclang);
} }
