//! The pages of the reference that the sandbox offers, one file each.

pub(crate) mod apidocs;
mod captions;
mod collections;
mod courses;
mod insights;
mod media;
mod media_upload;
pub(crate) mod oauth;
mod ping;
mod tags;
mod users;

use super::assumptions::PermissionBodies;
use super::operation::{Call, Operation, Refusal};
use super::state::{Archived, Collection, Media, Permission, State};

/// Every operation under `/api/public/v1`.
pub(crate) fn operations(bodies: PermissionBodies) -> Vec<Operation> {
    let pages = [
        captions::operations(),
        collections::operations(bodies),
        courses::operations(),
        insights::operations(),
        media::operations(bodies),
        media_upload::operations(),
        ping::operations(),
        tags::operations(),
        users::operations(),
    ];
    pages.into_iter().flatten().collect()
}

/// A media that the caller may do that much with, and that is not hidden in the archive.
fn media<'state>(state: &'state State, call: &Call<'_>, least: Permission) -> Result<&'state Media, Refusal> {
    let media = state.media(call.caller, call.id("media_id")?, least)?;
    shown(call, media)?;
    Ok(media)
}

/// A collection, likewise.
fn collection<'state>(state: &'state State, call: &Call<'_>, least: Permission) -> Result<&'state Collection, Refusal> {
    let collection = state.collection(call.caller, call.id("collection_id")?, least)?;
    shown_collection(call, collection)?;
    Ok(collection)
}

/// Whether a media is not hidden in the archive.
fn shown(call: &Call<'_>, media: &Media) -> Result<(), Refusal> {
    let shown = media.archived == Archived::No || call.studio.assumptions.archived_readable;
    if shown { Ok(()) } else { Err(Refusal::not_found()) }
}

/// Whether a collection is not, likewise.
fn shown_collection(call: &Call<'_>, collection: &Collection) -> Result<(), Refusal> {
    let shown = !collection.archived || call.studio.assumptions.archived_readable;
    if shown { Ok(()) } else { Err(Refusal::not_found()) }
}
