//! The Captions page: its methods of `StudioClient` and of `Media`. Those of `Caption` are in `models.py`.

use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::type_hint_identifier;

use super::media::{Media, OfMedia};
use crate::api::{captions, models};
use crate::python::convert::ids::{Id, ids};
use crate::python::listing::source::lists;
use crate::python::operations::operations;
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

operations! { StudioClient {
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
