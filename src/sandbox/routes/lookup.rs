//! Finds the media or collection in a path, if the caller has the permission and the archive does not hide it.

use super::super::operation::{Call, ErrorReply};
use super::super::records::{Archived, Collection, Media, Permission};
use super::super::state::State;

/// The media in the path, if the caller has at least this permission and the archive does not hide it.
pub(super) fn media<'state>(
    state: &'state State,
    call: &Call<'_>,
    least: Permission,
) -> Result<&'state Media, ErrorReply> {
    let media = state.media(call.caller, call.id("media_id")?, least)?;
    shown(call, media)?;
    Ok(media)
}

/// The collection in the path, if the caller has at least this permission and the archive does not hide it.
pub(super) fn collection<'state>(
    state: &'state State,
    call: &Call<'_>,
    least: Permission,
) -> Result<&'state Collection, ErrorReply> {
    let collection = state.collection(call.caller, call.id("collection_id")?, least)?;
    shown_collection(call, collection)?;
    Ok(collection)
}

/// Checks that the archive does not hide a media.
pub(super) fn shown(call: &Call<'_>, media: &Media) -> Result<(), ErrorReply> {
    let shown = media.archived == Archived::No || call.studio.assumptions.archived_readable;
    if shown { Ok(()) } else { Err(ErrorReply::not_found()) }
}

/// Checks that the archive does not hide a collection.
pub(super) fn shown_collection(call: &Call<'_>, collection: &Collection) -> Result<(), ErrorReply> {
    let shown = !collection.archived || call.studio.assumptions.archived_readable;
    if shown { Ok(()) } else { Err(ErrorReply::not_found()) }
}
