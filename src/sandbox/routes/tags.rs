//! The Tags page: the tags of a media.

use serde_json::{Value as Json, json};

use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::random::mix;
use super::super::records::Permission;
use super::super::shapes;
use super::super::state::State;
use super::lookup;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        // Documented as 201; observed as 200.
        Operation::get("/media/{media_id}/tags", "listMediaTags", "Get the tags of a media", list)
            .answers(200, "The tags of the media.", shapes::list("tags", "Tag"))
            .refuses(&[403, 404]),
        Operation::post("/media/{media_id}/tags", "createMediaTag", "Add a tag to a media", create)
            .query("name", Kind::Text, "The name of the tag.")
            .required()
            .checked()
            .answers(201, "The tag that was added.", shapes::wrapped("tag", "Tag"))
            .refuses(&[403, 404]),
        Operation::delete("/media/{media_id}/tags/{tag_id}", "deleteMediaTag", "Remove a tag from a media", delete)
            .answers(200, "The tag that was removed.", shapes::wrapped("tag", "Tag"))
            .refuses(&[403, 404]),
    ]
}

fn list(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::Access)?;
    let tags: Vec<_> = media.tags.iter().map(|name| shown(name)).collect();
    Reply::json(200, &json!({"tags": tags}))
}

/// Adds a tag. An existing tag is answered like a new one. A guess.
fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = lookup::media(state, call, Permission::Edit)?.id;
    let name = call.text("name").unwrap_or_default();
    if let Some(media) = state.media.get_mut(&id)
        && media.tags.iter().all(|own| **own != *name)
    {
        media.tags.push(name.into());
        state.forget_lists();
    }
    Reply::json(201, &json!({"tag": shown(name)}))
}

/// Deletes a tag. That the answer is the deleted tag is a guess.
fn delete(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = lookup::media(state, call, Permission::Edit)?.id;
    let wanted = call.id("tag_id")?;
    let media = state.media.get_mut(&id).ok_or_else(ErrorReply::not_found)?;
    let index = media.tags.iter().position(|name| id_of(name) == wanted).ok_or_else(ErrorReply::not_found)?;
    let name = media.tags.remove(index);
    state.forget_lists();
    Reply::json(200, &json!({"tag": shown(&name)}))
}

fn shown(name: &str) -> Json {
    json!({"id": id_of(name), "name": name})
}

/// The id of a tag, made from its name, since a tag is the same for all media.
fn id_of(name: &str) -> u64 {
    name.bytes().fold(0, |id, byte| mix(id ^ u64::from(byte))) % 1_000_000_000 + 1
}
