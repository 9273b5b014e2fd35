//! Finds what a path names, if the caller may do with it what the operation does, and if it is not hidden in the archive.

use super::super::operation::{Call, ErrorReply};
use super::super::records::{Archived, Collection, Media, Permission};
use super::super::state::State;

/// A media that the caller may do that much with, and that is not hidden in the archive.
pub(super) fn media<'state>(
    state: &'state State,
    call: &Call<'_>,
    least: Permission,
) -> Result<&'state Media, ErrorReply> {
    let media = state.media(call.caller, call.id("media_id")?, least)?;
    shown(call, media)?;
    Ok(media)
}

/// A collection, likewise.
pub(super) fn collection<'state>(
    state: &'state State,
    call: &Call<'_>,
    least: Permission,
) -> Result<&'state Collection, ErrorReply> {
    let collection = state.collection(call.caller, call.id("collection_id")?, least)?;
    shown_collection(call, collection)?;
    Ok(collection)
}

/// Whether a media is not hidden in the archive.
pub(super) fn shown(call: &Call<'_>, media: &Media) -> Result<(), ErrorReply> {
    let shown = media.archived == Archived::No || call.studio.assumptions.archived_readable;
    if shown { Ok(()) } else { Err(ErrorReply::not_found()) }
}

/// Whether a collection is not, likewise.
pub(super) fn shown_collection(call: &Call<'_>, collection: &Collection) -> Result<(), ErrorReply> {
    let shown = !collection.archived || call.studio.assumptions.archived_readable;
    if shown { Ok(()) } else { Err(ErrorReply::not_found()) }
}
