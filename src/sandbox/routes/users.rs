//! The User page: users, with their media and collections.

use serde::Serialize;
use serde_json::json;

use super::super::lists::Query;
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{Role, User};
use super::super::shapes::{self, Each, Paged, Show};
use super::super::state::State;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/users/search", "searchUsers", "Search users by their e-mail address or role", search)
            .query("role", Kind::Word(Role::WORDS), "The role of the users.")
            .query("email", Kind::Text, "The e-mail address of the user.")
            .paged()
            .answers(200, "The users that were found.", shapes::page("users", "User"))
            .says_no(400, "A required parameter is missing.")
            .refuses(&[403, 422]),
        Operation::get("/users/{user_id}", "getUser", "Get data of a user", get)
            .answers(200, "The user.", shapes::wrapped("user", "User"))
            .refuses(&[403, 404, 422]),
        Operation::get(
            "/users/{user_id}/media",
            "listUserMedia",
            "List the media that a user has permission to",
            media,
        )
        .paged()
        .answers(200, "The media, with the permission of the user.", shapes::page("media", "MediaWithPermission"))
        .refuses(&[403, 404, 422]),
        Operation::get(
            "/users/{user_id}/collections",
            "listUserCollections",
            "List the collections that a user has permission to",
            list_collections,
        )
        .paged()
        .answers(200, "The collections, with the permission of the user.", shapes::page("collections", "Collection"))
        .refuses(&[403, 404, 422]),
        Operation::get("/users/{user_id}/library", "getUserLibrary", "Get the personal collection of a user", library)
            .answers(200, "The personal collection.", shapes::wrapped("collection", "Collection"))
            .refuses(&[403, 404, 422]),
    ]
}

/// Searches users. That only administrators may search, and only by the whole address, are guesses.
fn search(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct List<T> {
        users: T,
    }
    if !state.is_admin(call.caller) {
        return Err(ErrorReply::new(403, "Forbidden"));
    }
    let (email, role) = (call.text("email").map(str::to_lowercase), call.text("role").and_then(Role::from_word));
    if email.is_none() && role.is_none() {
        return Err(ErrorReply::new(400, "email or role is missing"));
    }
    call.page(state, Query::Users { email, role }, |state, ids, meta| {
        let found = ids.iter().filter_map(|id| state.users.get(id));
        Reply::json(200, &Paged { list: List { users: Each(found.map(shapes::user_with_roles)) }, meta })
    })
}

fn get(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    Reply::json(200, &json!({"user": shapes::user_with_roles(user(state, call)?)}))
}

fn media(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct List<T> {
        media: T,
    }
    let user = user(state, call)?.id;
    call.page(state, Query::UserMedia(user), |state, ids, meta| {
        let show = show(state, call, user);
        let found = ids.iter().filter_map(|id| state.media.get(id));
        let media = Each(found.map(|media| show.media_with_permission(media)));
        Reply::json(200, &Paged { list: List { media }, meta })
    })
}

fn list_collections(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct List<T> {
        collections: T,
    }
    let user = user(state, call)?.id;
    call.page(state, Query::UserCollections(user), |state, ids, meta| {
        let show = show(state, call, user);
        let found = ids.iter().filter_map(|id| state.collections.get(id));
        let collections = Each(found.map(|collection| show.collection(collection)));
        Reply::json(200, &Paged { list: List { collections }, meta })
    })
}

fn library(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let user = user(state, call)?;
    let library = state.collections.get(&user.library).ok_or_else(ErrorReply::not_found)?;
    Reply::json(200, &json!({"collection": show(state, call, user.id).collection(library)}))
}

/// The user in the path. Only administrators may ask about others. A guess.
fn user<'state>(state: &'state State, call: &Call<'_>) -> Result<&'state User, ErrorReply> {
    let user = state.users.get(&call.id("user_id")?).ok_or_else(ErrorReply::not_found)?;
    state.owns(call.caller, user.id)?;
    Ok(user)
}

/// Renders records with this user's permissions.
fn show<'state>(state: &'state State, call: &Call<'state>, user: u64) -> Show<'state> {
    Show { caller: user, ..call.show(state) }
}
