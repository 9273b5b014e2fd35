//! The Collection page: what can be asked about collections, and done to them.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::super::assumptions::PermissionBodies;
use super::super::operation::{Call, Kind, Operation, Refusal, Reply};
use super::super::shapes::{self, Each, Paged, Show};
use super::super::state::{self, Permission, Query, Share, ShareType, State, words};

/// What a share can be given. That `edit` can be is inferred; whether `access` can be is unknown.
const GRANTED: &[Permission] = &[Permission::View, Permission::Edit];

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

/// What a change answers is unknown: the collection, or an empty object.
fn changed() -> Json {
    json!({"type": "object", "properties": {"collection": shapes::reference("Collection")}})
}

fn list(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    #[derive(Serialize)]
    struct List<T> {
        collections: T,
    }
    call.page(state, Query::Collections, |state, ids, meta| {
        let show = show(state, call);
        let found = ids.iter().filter_map(|id| state.collections.get(id));
        let collections = Each(found.map(|collection| show.collection(collection)));
        Reply::json(200, &Paged { list: List { collections }, meta })
    })
}

fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let owner = call.integer("user_id").unwrap_or(call.caller);
    if owner != call.caller && !state.is_admin(call.caller) {
        return Err(Refusal::new(403, "Forbidden: only an administrator may create collections for others"));
    }
    if !state.users.contains_key(&owner) {
        return Err(Refusal::not_found());
    }
    let id = state.new_id();
    let collection = state::Collection {
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

fn get(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = super::collection(state, call, Permission::Access)?.id;
    answer(state, call, id, 200)
}

fn delete(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = removable(state, call)?;
    let reply = changed_answer(state, call, id);
    state.delete_collection(id);
    reply
}

fn archive(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = removable(state, call)?;
    state.archive_collection(id, Some(call.now));
    changed_answer(state, call, id)
}

fn unarchive(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = owned(state, call)?;
    state.archive_collection(id, None);
    changed_answer(state, call, id)
}

fn list_media(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = super::collection(state, call, Permission::Access)?.id;
    super::media::list(state, call, Query::CollectionMedia(id))
}

fn get_permissions(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let collection = super::collection(state, call, Permission::Edit)?;
    Reply::json(200, &show(state, call).permissions(&collection.shares))
}

fn change_permissions(state: &mut State, call: &Call<'_>) -> Result<Reply, Refusal> {
    let id = super::collection(state, call, Permission::Edit)?.id;
    let changes = changes(call)?;
    let shares = state.collections.get(&id).map(|collection| collection.shares.clone()).unwrap_or_default();
    let (shares, refusal) = apply(state, shares, &changes, call);
    if let Some(collection) = state.collections.get_mut(&id) {
        collection.shares = shares;
    }
    state.forget_lists();
    refusal?;
    get_permissions(state, call)
}

/// The id of a collection that the caller owns, or is an administrator of.
fn owned(state: &State, call: &Call<'_>) -> Result<u64, Refusal> {
    let collection = state.collection(call.caller, call.id("collection_id")?, Permission::Access)?;
    state.owns(call.caller, collection.owner)?;
    Ok(collection.id)
}

/// The same, if it is not the library of a user, without which that user's media would have no place. A guess.
fn removable(state: &State, call: &Call<'_>) -> Result<u64, Refusal> {
    let id = owned(state, call)?;
    match state.collections.get(&id) {
        Some(collection) if *collection.kind == *words::LIBRARY => {
            Err(Refusal::new(403, "Forbidden: the library of a user stays"))
        }
        _ => Ok(id),
    }
}

fn answer(state: &State, call: &Call<'_>, id: u64, status: u16) -> Result<Reply, Refusal> {
    #[derive(Serialize)]
    struct One<'state> {
        collection: shapes::Collection<'state>,
    }
    let collection = state.collections.get(&id).ok_or_else(Refusal::not_found)?;
    Reply::json(status, &One { collection: show(state, call).collection(collection) })
}

fn changed_answer(state: &State, call: &Call<'_>, id: u64) -> Result<Reply, Refusal> {
    if call.studio.assumptions.collection_changes_answer {
        answer(state, call, id, 200)
    } else {
        Reply::json(200, &json!({}))
    }
}

pub(super) fn show<'state>(state: &'state State, call: &Call<'state>) -> Show<'state> {
    Show { state, studio: call.studio, caller: call.caller }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Update,
    Destroy,
}

/// One change of a batch. Documented.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Change {
    action: Action,
    id: u64,
    share_type: ShareType,
    #[serde(default = "view")]
    permission_type: Permission,
}

fn view() -> Permission {
    Permission::View
}

/// The changes in a body, if it has a form that is taken. That another one is 422 is inferred.
pub(super) fn changes(call: &Call<'_>) -> Result<Vec<Change>, Refusal> {
    #[derive(Deserialize)]
    struct Nested {
        permissions: Vec<Change>,
    }
    let array = || call.json::<Vec<Change>>();
    let nested = || call.json::<Nested>().map(|nested| nested.permissions);
    match call.studio.assumptions.permission_bodies {
        PermissionBodies::Array => array(),
        PermissionBodies::Object => nested(),
        PermissionBodies::Both => array().or_else(|refusal| nested().map_err(|_| refusal)),
        PermissionBodies::Ignored => Ok(Vec::new()),
    }
}

/// Where both forms are taken, it describes the one that is documented.
pub(super) fn changes_schema(bodies: PermissionBodies) -> Json {
    let array = json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["action", "id", "share_type"],
            "properties": {
                "action": {"type": "string", "enum": ["create", "update", "destroy"]},
                "id": {"type": "integer", "format": "int64", "minimum": 0},
                "share_type": {"type": "string", "enum": ["user", "group"]},
                "permission_type": {"type": "string", "enum": GRANTED, "default": "view"},
            },
        },
    });
    match bodies {
        PermissionBodies::Array | PermissionBodies::Both => array,
        PermissionBodies::Object => {
            json!({"type": "object", "required": ["permissions"], "properties": {"permissions": array}})
        }
        PermissionBodies::Ignored => json!({}),
    }
}

/// Carries a batch out on some shares. What cannot be done is 400; what then becomes of the rest is an assumption.
pub(super) fn apply(
    state: &State,
    shares: Vec<Share>,
    changes: &[Change],
    call: &Call<'_>,
) -> (Vec<Share>, Result<(), Refusal>) {
    let mut after = shares.clone();
    for change in changes {
        if let Err(refusal) = apply_one(state, &mut after, change) {
            let kept = if call.studio.assumptions.batch_atomic { shares } else { after };
            return (kept, Err(refusal));
        }
    }
    (after, Ok(()))
}

fn apply_one(state: &State, shares: &mut Vec<Share>, change: &Change) -> Result<(), Refusal> {
    if !GRANTED.contains(&change.permission_type) {
        return Err(Refusal::new(422, "Invalid permission_type is provided"));
    }
    let known = match change.share_type {
        ShareType::User => state.users.contains_key(&change.id),
        ShareType::Group => state.groups.contains_key(&change.id),
    };
    let place = shares.iter().position(|share| share.share_type == change.share_type && share.id == change.id);
    let wanted = Share { share_type: change.share_type, id: change.id, permission: change.permission_type };
    match (change.action, place.and_then(|place| shares.get_mut(place))) {
        (Action::Create, None) if known => shares.push(wanted),
        (Action::Create, None) => return Err(Refusal::new(400, format!("No user or group {} was found", change.id))),
        (Action::Create, Some(_)) => {
            return Err(Refusal::new(
                400,
                format!("A permission of {} can not be created, because it already exists", change.id),
            ));
        }
        (Action::Update, Some(share)) => *share = wanted,
        (Action::Destroy, Some(_)) => {
            shares.retain(|share| share.share_type != change.share_type || share.id != change.id);
        }
        (Action::Update | Action::Destroy, None) => {
            return Err(Refusal::new(400, format!("A permission of {} was not found", change.id)));
        }
    }
    Ok(())
}
