//! Permission changes, the same for collections and media: schema, body forms, and applying them.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::assumptions::PermissionBodies;
use super::super::operation::{Call, ErrorReply};
use super::super::records::{Permission, Share, ShareType};
use super::super::state::State;

/// The permissions that can be granted. `edit` is inferred; whether `access` can be granted is unknown.
const GRANTED: &[Permission] = &[Permission::View, Permission::Edit];

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

/// Reads the changes in a body. That an unaccepted form is 422 is inferred.
pub(super) fn changes(call: &Call<'_>) -> Result<Vec<Change>, ErrorReply> {
    #[derive(Deserialize)]
    struct Nested {
        permissions: Vec<Change>,
    }
    let array = || call.json::<Vec<Change>>();
    let nested = || call.json::<Nested>().map(|nested| nested.permissions);
    match call.studio.assumptions.permission_bodies {
        PermissionBodies::Array => array(),
        PermissionBodies::Object => nested(),
        PermissionBodies::Both => array().or_else(|error| nested().map_err(|_| error)),
        PermissionBodies::Ignored => Ok(Vec::new()),
    }
}

/// The schema of the body. If both forms are accepted, it describes the documented one.
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

/// Applies a batch to shares. An impossible change is 400; an assumption decides about the rest of the batch.
pub(super) fn apply(
    state: &State,
    shares: Vec<Share>,
    changes: &[Change],
    call: &Call<'_>,
) -> (Vec<Share>, Result<(), ErrorReply>) {
    let mut after = shares.clone();
    for change in changes {
        if let Err(error) = apply_one(state, &mut after, change) {
            let kept = if call.studio.assumptions.batch_atomic { shares } else { after };
            return (kept, Err(error));
        }
    }
    (after, Ok(()))
}

fn apply_one(state: &State, shares: &mut Vec<Share>, change: &Change) -> Result<(), ErrorReply> {
    if !GRANTED.contains(&change.permission_type) {
        return Err(ErrorReply::new(422, "Invalid permission_type is provided"));
    }
    let known = match change.share_type {
        ShareType::User => state.users.contains_key(&change.id),
        ShareType::Group => state.groups.contains_key(&change.id),
    };
    let index = shares.iter().position(|share| share.share_type == change.share_type && share.id == change.id);
    let wanted = Share { share_type: change.share_type, id: change.id, permission: change.permission_type };
    match (change.action, index.and_then(|index| shares.get_mut(index))) {
        (Action::Create, None) if known => shares.push(wanted),
        (Action::Create, None) => {
            return Err(ErrorReply::new(400, format!("No user or group {} was found", change.id)));
        }
        (Action::Create, Some(_)) => {
            return Err(ErrorReply::new(
                400,
                format!("A permission of {} can not be created, because it already exists", change.id),
            ));
        }
        (Action::Update, Some(share)) => *share = wanted,
        (Action::Destroy, Some(_)) => {
            shares.retain(|share| share.share_type != change.share_type || share.id != change.id);
        }
        (Action::Update | Action::Destroy, None) => {
            return Err(ErrorReply::new(400, format!("A permission of {} was not found", change.id)));
        }
    }
    Ok(())
}
