//! The Collection page: operations on collections.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::assumptions::PermissionBodies;
use super::super::lists::Query;
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{self, Permission, words};
use super::super::shapes::{self, Each, Paged};
use super::super::state::State;
use super::lookup;
use super::permissions::{apply, changes, changes_schema};

pub(super) fn operations(bodies: PermissionBodies) -> Vec<Operation> {
    let one = || shapes::wrapped("collection", "Collection");
    vec![
        Operation::get(
            "/collections",
            "listCollections",
            "List all collections the authenticated user has permission to.",
            list,
        )
        .paged()
        .answers(
            200,
            "The collections the authenticated user has permission to.",
            shapes::page("collections", "Collection"),
        ),
        Operation::post("/collections", "createCollection", "Create a new collection with the specified name", create)
            .query("name", Kind::Text, "The name of the collection.")
            .required()
            .query("user_id", Kind::Id, "ID of the user to create the collection on behalf of.")
            .answers(201, "The collection object that was created.", one())
            .refuses(&[403, 404, 422]),
        Operation::get("/collections/{collection_id}", "getCollection", "Get data of a collection", get)
            .answers(200, "The collection object.", one())
            .refuses(&[403, 404, 422]),
        Operation::delete(
            "/collections/{collection_id}",
            "deleteCollection",
            "Deletes the specified collection and all related media and perspectives.",
            delete,
        )
        .answers(200, "The collection object that was deleted.", changed())
        .refuses(&[403, 404, 422]),
        Operation::post(
            "/collections/{collection_id}/archive",
            "archiveCollection",
            "Archives the specified collection and all related media and perspectives.",
            archive,
        )
        .answers(200, "The collection was archived.", changed())
        .refuses(&[403, 404, 422]),
        Operation::post(
            "/collections/{collection_id}/unarchive",
            "unarchiveCollection",
            "Unarchives the specified collection and all related media and perspectives.",
            unarchive,
        )
        .answers(200, "The collection was unarchived.", changed())
        .refuses(&[403, 404, 422]),
        Operation::get(
            "/collections/{collection_id}/media",
            "listCollectionMedia",
            "List media in a specific collection",
            list_media,
        )
        .paged()
        .answers(200, "The list of media in a specific collection.", shapes::page("media", "Media"))
        .refuses(&[403, 404]),
        Operation::get(
            "/collections/{collection_id}/permissions",
            "getCollectionPermissions",
            "Get users and groups who have access to the collection",
            get_permissions,
        )
        .answers(200, "List of users and groups extended with permission type.", shapes::permissions())
        .refuses(&[403, 404, 422]),
        Operation::post(
            "/collections/{collection_id}/permissions",
            "changeCollectionPermissions",
            "Add permissions to the collection",
            change_permissions,
        )
        .body(changes_schema(bodies))
        .answers(200, "Permissions were added, the updated list of permissions is returned.", shapes::permissions())
        .refuses(&[400, 403, 404, 422]),
    ]
}

/// The answer to a change is unknown: the collection, or an empty object.
fn changed() -> Json {
    json!({"type": "object", "properties": {"collection": shapes::reference("Collection")}})
}

fn list(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct List<T> {
        collections: T,
    }
    call.page(state, Query::Collections, |state, ids, meta| {
        let show = call.show(state);
        let found = ids.iter().filter_map(|id| state.collections.get(id));
        let collections = Each(found.map(|collection| show.collection(collection)));
        Reply::json(200, &Paged { list: List { collections }, meta })
    })
}

fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let owner = call.integer("user_id").unwrap_or(call.caller);
    if owner != call.caller && !state.is_admin(call.caller) {
        return Err(ErrorReply::new(403, "Forbidden"));
    }
    if !state.users.contains_key(&owner) {
        return Err(ErrorReply::not_found());
    }
    let id = state.new_id();
    let collection = records::Collection {
        id,
        name: call.text("name").map(Into::into),
        kind: words::CUSTOM.into(),
        owner,
        created_at: call.now,
        course_id: None,
        archived: false,
        archived_at: None,
        shares: Vec::new(),
    };
    state.collections.insert(id, collection);
    state.forget_lists();
    answer(state, call, id, 201)
}

fn get(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = lookup::collection(state, call, Permission::Access)?.id;
    answer(state, call, id, 200)
}

fn delete(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = removable(state, call)?;
    let reply = changed_answer(state, call, id);
    state.delete_collection(id);
    reply
}

fn archive(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = removable(state, call)?;
    state.archive_collection(id, call.now, &call.studio.assumptions);
    changed_answer(state, call, id)
}

fn unarchive(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = owned(state, call)?;
    state.set_archived(id, None);
    changed_answer(state, call, id)
}

fn list_media(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = lookup::collection(state, call, Permission::Access)?.id;
    super::media::list(state, call, Query::CollectionMedia(id))
}

fn get_permissions(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let collection = lookup::collection(state, call, Permission::Edit)?;
    Reply::json(200, &call.show(state).permissions(&collection.shares))
}

fn change_permissions(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = lookup::collection(state, call, Permission::Edit)?.id;
    let changes = changes(call)?;
    let shares = state.collections.get(&id).map(|collection| collection.shares.clone()).unwrap_or_default();
    let (shares, error) = apply(state, shares, &changes, call);
    if let Some(collection) = state.collections.get_mut(&id) {
        collection.shares = shares;
    }
    state.forget_lists();
    error?;
    get_permissions(state, call)
}

/// The id of a collection that the caller owns or administrates.
fn owned(state: &State, call: &Call<'_>) -> Result<u64, ErrorReply> {
    let collection = state.collection(call.caller, call.id("collection_id")?, Permission::Access)?;
    state.owns(call.caller, collection.owner)?;
    Ok(collection.id)
}

/// The same, unless it is the library of a user, which that user's media need. A guess.
fn removable(state: &State, call: &Call<'_>) -> Result<u64, ErrorReply> {
    let id = owned(state, call)?;
    match state.collections.get(&id) {
        Some(collection) if *collection.kind == *words::LIBRARY => {
            Err(ErrorReply::new(403, "Forbidden: the library of a user stays"))
        }
        _ => Ok(id),
    }
}

fn answer(state: &State, call: &Call<'_>, id: u64, status: u16) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct One<'state> {
        collection: shapes::Collection<'state>,
    }
    let collection = state.collections.get(&id).ok_or_else(ErrorReply::not_found)?;
    Reply::json(status, &One { collection: call.show(state).collection(collection) })
}

fn changed_answer(state: &State, call: &Call<'_>, id: u64) -> Result<Reply, ErrorReply> {
    if call.studio.assumptions.collection_changes_answer {
        answer(state, call, id, 200)
    } else {
        Reply::json(200, &json!({}))
    }
}
