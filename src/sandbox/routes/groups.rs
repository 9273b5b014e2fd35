//! The Group page: the members of a group, and changes of them.

use serde::Deserialize;
use serde_json::json;

use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::records::Group;
use super::super::shapes;
use super::super::state::State;

/// What a member of a group may. Inferred: the vendor's guide knows these two roles.
const MANAGER: &str = "manager";
const MEMBER: &str = "member";
const PERMISSIONS: &[&str] = &[MANAGER, MEMBER];
/// The actions of a change. The first two are documented, the last is a guess.
const ACTIONS: &[&str] = &["add", "update", "remove"];

pub(super) fn operations() -> Vec<Operation> {
    let members = || shapes::list("group_users", "GroupUser");
    vec![
        Operation::get("/groups/{group_id}/users", "listGroupUsers", "Get the users of a group", list)
            .answers(200, "The users of the group.", members())
            .refuses(&[403, 404, 422]),
        Operation::post(
            "/groups/{group_id}/users/batch_update",
            "changeGroupUsers",
            "Add, update and remove users of a group",
            change,
        )
        .body(json!({
            "type": "array",
            "items": {
                "type": "object",
                "required": ["action", "user_id"],
                "properties": {
                    "action": {"type": "string", "enum": ACTIONS},
                    "user_id": {"type": "integer", "format": "int64", "minimum": 1},
                    "permission": {"type": "string", "enum": PERMISSIONS},
                },
            },
        }))
        .answers(200, "The users of the group after the changes.", members())
        .refuses(&[403, 404, 422]),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Add,
    Update,
    Remove,
}

#[derive(Debug, Deserialize)]
struct Change {
    action: Action,
    user_id: u64,
    #[serde(default, deserialize_with = "given")]
    permission: Option<bool>,
}

/// Whether the permission is that of a manager.
fn given<'json, D: serde::Deserializer<'json>>(field: D) -> Result<Option<bool>, D::Error> {
    match &*String::deserialize(field)? {
        MANAGER => Ok(Some(true)),
        MEMBER => Ok(Some(false)),
        other => Err(serde::de::Error::custom(format!(
            "permission: expected one of {}, not {other}",
            PERMISSIONS.join(", ")
        ))),
    }
}

/// Lists the members, for themselves and for administrators. Documented.
fn list(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let group = group(state, call)?;
    let is_member = state.users.get(&call.caller).is_some_and(|caller| caller.groups.contains(&group.id));
    if is_member || state.is_admin(call.caller) { answer(state, group) } else { Err(forbidden()) }
}

/// Changes the members. Only administrators may. Documented.
fn change(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = group(state, call)?.id;
    if !state.is_admin(call.caller) {
        return Err(forbidden());
    }
    let changes: Vec<Change> = call.json()?;
    let before = state.groups.get(&id).map(|group| members_of(state, group)).unwrap_or_default();
    let mut after = before.clone();
    let mut error = Ok(());
    for change in &changes {
        error = apply(state, &mut after, change);
        if error.is_err() {
            after = if call.studio.assumptions.batch_atomic { before } else { after };
            break;
        }
    }
    for user in state.users.values_mut() {
        let is_member = after.iter().any(|(member, _)| *member == user.id);
        match user.groups.iter().position(|group| *group == id) {
            Some(index) if !is_member => drop(user.groups.remove(index)),
            None if is_member => user.groups.push(id),
            _ => {}
        }
    }
    if let Some(group) = state.groups.get_mut(&id) {
        group.managers = after.iter().filter(|(_, is_manager)| *is_manager).map(|(member, _)| *member).collect();
    }
    state.forget_lists();
    error?;
    answer(state, group(state, call)?)
}

/// Applies one change. Guesses: a new user is a member unless it says otherwise, an update without a permission changes
/// nothing, and what cannot be done is 422.
fn apply(state: &State, members: &mut Vec<(u64, bool)>, change: &Change) -> Result<(), ErrorReply> {
    let invalid = |problem: &str| Err(ErrorReply::new(422, format!("The user {} {problem}", change.user_id)));
    let index = members.iter().position(|(member, _)| *member == change.user_id);
    match (&change.action, index) {
        (Action::Add, None) if state.users.contains_key(&change.user_id) => {
            members.push((change.user_id, change.permission.unwrap_or(false)));
        }
        (Action::Add, None) => return invalid("was not found"),
        (Action::Add, Some(_)) => return invalid("is in the group already"),
        (Action::Update | Action::Remove, None) => return invalid("is not in the group"),
        (Action::Remove, Some(index)) => drop(members.remove(index)),
        (Action::Update, Some(index)) => {
            if let (Some((_, is_manager)), Some(permission)) = (members.get_mut(index), change.permission) {
                *is_manager = permission;
            }
        }
    }
    Ok(())
}

/// The members by their ids, and whether each is a manager.
fn members_of(state: &State, group: &Group) -> Vec<(u64, bool)> {
    state.group_members(group).map(|(user, is_manager)| (user.id, is_manager)).collect()
}

fn group<'state>(state: &'state State, call: &Call<'_>) -> Result<&'state Group, ErrorReply> {
    state.groups.get(&call.id("group_id")?).ok_or_else(ErrorReply::not_found)
}

fn answer(state: &State, group: &Group) -> Result<Reply, ErrorReply> {
    let members: Vec<_> = state
        .group_members(group)
        .map(|(user, is_manager)| shapes::group_user(user, if is_manager { MANAGER } else { MEMBER }))
        .collect();
    Reply::json(200, &json!({"group_users": members}))
}

fn forbidden() -> ErrorReply {
    ErrorReply::new(403, "Forbidden")
}
