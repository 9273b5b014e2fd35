//! The Tags page: its methods of `StudioClient` and of `Media`.

use pyo3::prelude::*;

use super::media::{Media, OfMedia};
use crate::api::{models, tags};
use crate::python::convert::arguments::Text;
use crate::python::convert::ids::{Id, ids};
use crate::python::listing::source::lists;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

ids! {
    OfTag: ("canvas_studio.models", "Tag", "id") type_hint_identifier!("canvas_studio.models", "Tag");
}

lists! { StudioClient {
    /// List the tags of a media.
    ///
    /// Args:
    ///     media_id: The media, or its id.
    ///
    /// Returns:
    ///     A listing of `Tag`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see them.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Tags page, GET /media/{media_id}/tags.
    #[pyo3(signature = (media_id))]
    list_tags (studio, media_id: Id<OfMedia>) -> models::Tag = tags::list(media_id);
} }

operations! { StudioClient {
    /// Add a tag to a media.
    ///
    /// What Studio does with a tag that the media has already is unknown. So the request is not sent again if it may have
    /// been carried out: after such an error, list the tags first.
    ///
    /// Args:
    ///     media_id: The media, or its id.
    ///     name: The name of the tag.
    ///
    /// Returns:
    ///     The tag.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the name is empty.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Tags page, POST /media/{media_id}/tags.
    #[pyo3(signature = (media_id, name))]
    add_tag / add_tag_async (studio, media_id: Id<OfMedia>, name: Text) -> models::Tag = tags::add(media_id, &name);

    /// Remove a tag from a media.
    ///
    /// Args:
    ///     media_id: The media, or its id.
    ///     tag: The tag, or its id.
    ///
    /// Returns:
    ///     Nothing.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media, or it does not have this tag.
    ///
    /// Reference: Tags page, DELETE /media/{media_id}/tags/{tag_id}.
    #[pyo3(signature = (media_id, tag))]
    remove_tag / remove_tag_async (studio, media_id: Id<OfMedia>, tag: Id<OfTag>) -> () = tags::remove(media_id, tag);
} }

lists! { Media {
    /// List its tags.
    ///
    /// Returns:
    ///     A listing of `Tag`.
    ///
    /// Reference: Tags page, GET /media/{media_id}/tags.
    tags (this) -> models::Tag = tags::list(this.value.id());
} }

operations! { Media {
    /// Add a tag to it.
    ///
    /// What Studio does with a tag that it has already is unknown. So the request is not sent again if it may have been
    /// carried out: after such an error, list the tags first.
    ///
    /// Args:
    ///     name: The name of the tag.
    ///
    /// Returns:
    ///     The tag.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the name is empty.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Tags page, POST /media/{media_id}/tags.
    #[pyo3(signature = (name))]
    add_tag / add_tag_async (this, name: Text) -> models::Tag = tags::add(this.value.id(), &name);

    /// Remove a tag from it.
    ///
    /// Args:
    ///     tag: The tag, or its id.
    ///
    /// Returns:
    ///     Nothing.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there, or does not have this tag.
    ///
    /// Reference: Tags page, DELETE /media/{media_id}/tags/{tag_id}.
    #[pyo3(signature = (tag))]
    remove_tag / remove_tag_async (this, tag: Id<OfTag>) -> () = tags::remove(this.value.id(), tag);
} }
