//! The pages of the reference that the sandbox offers, one file each.

pub(crate) mod apidocs;
mod collections;
mod media;
pub(crate) mod oauth;
mod ping;

use super::operation::{Call, Operation, Refusal};
use super::state::{Archived, Collection, Media, Permission, State};

/// Every operation under `/api/public/v1`.
pub(crate) fn operations() -> Vec<Operation> {
    [collections::operations(), media::operations(), ping::operations()].into_iter().flatten().collect()
}

/// A media that the caller may do that much with, and that is not hidden in the archive.
fn media<'state>(state: &'state State, call: &Call<'_>, least: Permission) -> Result<&'state Media, Refusal> {
    let media = state.media(call.caller, call.id("media_id")?, least)?;
    if media.archived != Archived::No && !call.studio.assumptions.archived_readable {
        return Err(Refusal::not_found());
    }
    Ok(media)
}

/// A collection, likewise.
fn collection<'state>(state: &'state State, call: &Call<'_>, least: Permission) -> Result<&'state Collection, Refusal> {
    let collection = state.collection(call.caller, call.id("collection_id")?, least)?;
    if collection.archived && !call.studio.assumptions.archived_readable {
        return Err(Refusal::not_found());
    }
    Ok(collection)
}
