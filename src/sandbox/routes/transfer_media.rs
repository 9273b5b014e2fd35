//! The Transfer Media page: gives the unshared media of one user to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{Collection, Media, words};
use super::super::shapes::perspective_uuid;
use super::super::state::State;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post(
            "/transfer_media",
            "transferMedia",
            "Transfer the unshared media of a user to another",
            transfer,
        )
        .field("from_user_id", Kind::Id, "ID of the user who has the media.")
        .required()
        .field("to_user_id", Kind::Id, "ID of the user who gets the media.")
        .required()
        .answers(
            200,
            "What was not transferred.",
            json!({
                "type": "object",
                "properties": {
                    "not_transferred_perspective_ids": {
                        "type": "array", "items": {"type": "string", "format": "uuid"},
                    },
                    "not_transferred_collection_ids": {
                        "type": "array", "items": {"type": "integer", "format": "int64"},
                    },
                },
            }),
        )
        .says_no(400, "The users were not found by their ids.")
        .refuses(&[403, 422]),
    ]
}

/// What stays with the first user. Guesses: a list that would be empty is left out, and the library, which always stays,
/// is not in it.
#[derive(Debug, Default, Serialize)]
struct NotTransferred {
    #[serde(rename = "not_transferred_perspective_ids", skip_serializing_if = "Vec::is_empty")]
    perspectives: Vec<String>,
    #[serde(rename = "not_transferred_collection_ids", skip_serializing_if = "Vec::is_empty")]
    collections: Vec<u64>,
}

/// Transfers every media that is not shared, with its perspectives in the library and in custom collections. That only
/// administrators may, and that a user cannot transfer to themselves, are guesses.
fn transfer(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let (from, to) = (call.id("from_user_id")?, call.id("to_user_id")?);
    if !state.is_admin(call.caller) {
        return Err(ErrorReply::new(403, "Forbidden"));
    }
    let library = |user: u64| state.users.get(&user).map(|user| user.library);
    let (Some(own_library), Some(new_library)) = (library(from), library(to)) else {
        return Err(ErrorReply::new(400, "The users were not found"));
    };
    if from == to {
        return Err(ErrorReply::new(422, "Invalid to_user_id is provided: it is from_user_id"));
    }
    let own: Vec<&Media> = state.media.values().filter(|media| media.owner == from).collect();
    let (moved, kept): (Vec<&Media>, Vec<&Media>) = own.into_iter().partition(|media| is_unshared(state, media));
    let moved: BTreeSet<u64> = moved.into_iter().map(|media| media.id).collect();
    let mut in_collections: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for media in state.media.values() {
        for collection in media.collections() {
            in_collections.entry(collection).or_default().push(media.id);
        }
    }
    // A custom collection goes along if nobody else has a part in it.
    let goes = |collection: &&Collection| {
        let media = in_collections.get(&collection.id).map_or(&[][..], Vec::as_slice);
        is_own(collection, from) && *collection.kind != *words::LIBRARY && media.iter().all(|id| moved.contains(id))
    };
    let collections = state.collections.values().filter(|found| found.owner == from && found.id != own_library);
    let (gone, stay): (Vec<&Collection>, Vec<&Collection>) = collections.partition(goes);
    let gone: BTreeSet<u64> = gone.into_iter().map(|collection| collection.id).collect();
    let perspectives = |media: &&Media| -> Vec<String> {
        media.collections().map(|collection| perspective_uuid(media.id, collection).to_string()).collect()
    };
    let left = NotTransferred {
        perspectives: kept.iter().flat_map(perspectives).collect(),
        collections: stay.into_iter().map(|collection| collection.id).collect(),
    };
    for id in moved {
        state.give_media(id, to, new_library, &gone);
    }
    for id in gone {
        state.collections.get_mut(&id).into_iter().for_each(|collection| collection.owner = to);
    }
    state.forget_lists();
    Reply::json(200, &left)
}

/// Whether a media is shared with nobody: neither by itself nor by a collection that it is in. A guess.
fn is_unshared(state: &State, media: &Media) -> bool {
    let collections = media.collections().filter_map(|id| state.collections.get(&id));
    media.shares.is_empty() && collections.into_iter().all(|collection| is_own(collection, media.owner))
}

/// Whether a collection is the library or a custom one of a user, and shared with nobody.
fn is_own(collection: &Collection, user: u64) -> bool {
    let is_private = [words::LIBRARY, words::CUSTOM].contains(&&*collection.kind);
    is_private && collection.owner == user && collection.shares.is_empty()
}
