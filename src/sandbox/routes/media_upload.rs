//! The Media Upload page: an upload in three steps; the second goes to the storage host.

use std::time::Duration;

use serde_json::json;

use super::super::files;
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{Archived, Media, Permission, Upload, words};
use super::super::shapes;
use super::super::state::State;
use super::lookup;

/// Bytes per second: the duration is guessed from the size, since nobody reads the file.
const BYTES_A_SECOND: u64 = 125_000;

pub(super) fn operations() -> Vec<Operation> {
    let upload = json!({
        "type": "object",
        "required": ["id", "url"],
        "properties": {"id": {"type": "integer", "format": "int64"}, "url": {"type": "string"}},
    });
    vec![
        Operation::post(
            "/media/uploads",
            "createUpload",
            "Start the upload of a media, and get the URL for its file",
            start,
        )
        .field("user_id", Kind::Id, "ID of the user to upload the media on behalf of.")
        // Undocumented; observed, also together with user_id.
        .query("collection_id", Kind::Id, "ID of the collection to upload the media into.")
        .answers(
            201,
            "The id of the media, and the URL to PUT its file to.",
            json!({
                "type": "object", "required": ["upload"], "properties": {"upload": upload},
            }),
        )
        .refuses(&[403, 404, 422]),
        Operation::post(
            "/media/uploads/{media_id}/complete",
            "completeUpload",
            "Complete the upload of a media",
            complete,
        )
        .field("title", Kind::Text, "The title of the media.")
        .required()
        .missing_is_400()
        .field("description", Kind::Text, "The description of the media.")
        .checked()
        .answers(200, "The media that was uploaded.", shapes::wrapped("media", "Media"))
        .refuses(&[403, 404, 409]),
    ]
}

/// Starts an upload. That the caller needs edit rights on the collection is a guess.
fn start(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let owner = call.integer("user_id").unwrap_or(call.caller);
    if owner != call.caller && !state.is_admin(call.caller) {
        return Err(ErrorReply::new(403, "Forbidden: only an administrator may upload for others"));
    }
    let library = state.users.get(&owner).ok_or_else(ErrorReply::not_found)?.library;
    let collection = match call.integer("collection_id") {
        Some(_) => lookup::collection(state, call, Permission::Edit)?.id,
        None => library,
    };
    let id = state.new_id();
    state.uploads.insert(id, Upload { owner, collection, size: None });
    let url = files::upload_url(call.studio, id, call.now);
    Reply::json(201, &json!({"upload": {"id": id, "url": url}}))
}

/// Completes an upload. Guesses: the media exists from now on, and transcoding takes no time.
fn complete(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = call.id("media_id")?;
    let Some(upload) = state.uploads.get(&id).copied() else {
        state.owns(call.caller, state.media.get(&id).ok_or_else(ErrorReply::not_found)?.owner)?;
        return Err(ErrorReply::new(409, "The upload was completed already"));
    };
    state.owns(call.caller, upload.owner)?;
    let library = state.users.get(&upload.owner).map(|owner| owner.library);
    let home = Some(upload.collection).filter(|id| state.collections.contains_key(id)).or(library);
    let size = upload.size.unwrap_or_default();
    let duration = Duration::from_millis(size.saturating_mul(1000) / BYTES_A_SECOND).as_secs_f64();
    let status = if size == 0 { words::FAILED } else { words::FINISHED };
    state.uploads.remove(&id);
    state.insert_media(Media {
        id,
        title: call.text("title").unwrap_or_default().into(),
        description: call.text("description").map(Into::into),
        duration,
        created_at: call.now,
        last_viewed: None,
        last_viewed_by_student: None,
        transcoding_status: status.into(),
        owner: upload.owner,
        size,
        source: "upload".into(),
        collection: home.ok_or_else(ErrorReply::not_found)?,
        placed: Vec::new(),
        tags: Vec::new(),
        archived: Archived::No,
        archived_at: None,
        shares: Vec::new(),
        file: id,
    });
    let media = state.media.get(&id).ok_or_else(ErrorReply::not_found)?;
    Reply::json(200, &json!({"media": call.show(state).media(media)}))
}
