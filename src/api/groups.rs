//! The Group page: the users of a group, and changes of them.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::GroupUser;
use super::request::{Call, Request};
use super::words::{ADD, GROUP_PERMISSIONS, REMOVE, UPDATE};

/// The meaning of a 404. That no operation gives the ids of groups is documented by their absence.
const NO_GROUP: (u16, &str) =
    (404, "there is no such group; the id of a group is found in Studio itself, since no operation lists groups");
/// Meanings of a status of the list. Documented.
const LIST_MEANINGS: &[(u16, &str)] =
    &[(403, "only an administrator or a member of the group may see its users"), NO_GROUP];
/// Meanings of a status of a change. Documented.
const CHANGE_MEANINGS: &[(u16, &str)] = &[(403, "only an administrator may change the users of a group"), NO_GROUP];
/// The same for changes with the word that is a guess.
const REMOVAL_MEANINGS: &[(u16, &str)] = &[
    (403, "only an administrator may change the users of a group"),
    NO_GROUP,
    (422, "the action \"remove\" is a guess, since no public page has the word; any other word is sent, too"),
];

/// Lists the users of a group. The page shows no paging.
pub fn users(id: i64) -> Result<Request<Page<GroupUser>>, InvalidArgument> {
    Ok(Call::get("list_group_users", path(id, "")?).meaning(LIST_MEANINGS).page("group_users"))
}

/// One change of a group's users.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupUserChange {
    /// Not all words are known, so any is sent.
    pub action: String,
    pub user_id: i64,
    /// Documented as optional. The words are inferred, so any is sent.
    #[serde(default)]
    pub permission: Option<String>,
}

impl GroupUserChange {
    fn json(&self) -> Value {
        let mut body = json!({"action": self.action, "user_id": self.user_id});
        if let (Some(permission), Some(fields)) = (&self.permission, body.as_object_mut()) {
            fields.insert("permission".into(), permission.as_str().into());
        }
        body
    }

    /// Checks it. `argument` names a field as the caller knows it.
    pub fn check(&self, argument: impl Fn(&str) -> String) -> Result<(), InvalidArgument> {
        check::text(&argument("action"), &self.action)?;
        check::id(&argument("user_id"), self.user_id)?;
        let Some(permission) = &self.permission else { return Ok(()) };
        if self.action == REMOVE {
            return Err(InvalidArgument::new(argument("permission"), "must be left out of a removal"));
        }
        check::text(&argument("permission"), permission)
    }

    /// Whether a list of the group's users can be the one after it.
    fn is_made(&self, users: &[GroupUser]) -> bool {
        let found = users.iter().find(|user| user.id == self.user_id);
        match (self.action.as_str(), found) {
            (REMOVE, found) => found.is_none(),
            (ADD | UPDATE, None) => false,
            (ADD | UPDATE, Some(user)) => {
                // Words that are not known cannot be compared.
                let known = |word: &Option<String>| word.clone().filter(|word| GROUP_PERMISSIONS.contains(&&**word));
                let (wanted, has) = (known(&self.permission), known(&user.permission));
                wanted.is_none() || has.is_none() || wanted == has
            }
            _ => true,
        }
    }
}

impl fmt::Display for GroupUserChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} user {}", self.action, self.user_id)
    }
}

/// The changes of one request. Studio answers with the users of the group after them.
#[derive(Debug, Clone)]
pub struct ChangeUsers {
    pub request: Request<Page<GroupUser>>,
    changes: Vec<GroupUserChange>,
}

/// Changes the users of a group. The body, a bare array, is documented.
pub fn change_users(id: i64, changes: Vec<GroupUserChange>) -> Result<ChangeUsers, InvalidArgument> {
    let path = path(id, "/batch_update")?;
    if changes.is_empty() {
        return Err(InvalidArgument::new("changes", "must hold at least one change"));
    }
    for (index, change) in changes.iter().enumerate() {
        change.check(|field| format!("changes[{index}].{field}"))?;
        // In which order Studio would make them is unknown.
        if changes.iter().take(index).any(|other| other.user_id == change.user_id) {
            let problem = format!("is {}, of whom there is a change already", change.user_id);
            return Err(InvalidArgument::new(format!("changes[{index}].user_id"), problem));
        }
    }
    let removes = changes.iter().any(|change| change.action == REMOVE);
    let body: Value = changes.iter().map(GroupUserChange::json).collect();
    let call = Call::post("change_group_users", path).json(body.to_string());
    let call = call.meaning(if removes { REMOVAL_MEANINGS } else { CHANGE_MEANINGS });
    Ok(ChangeUsers { request: call.page("group_users"), changes })
}

impl ChangeUsers {
    /// The changes that the answered list shows were not made, in words.
    pub fn not_made(&self, users: &[GroupUser]) -> Option<String> {
        let left = self.changes.iter().filter(|change| !change.is_made(users));
        let left: Vec<String> = left.map(ToString::to_string).collect();
        (!left.is_empty()).then(|| left.join(", "))
    }
}

fn path(id: i64, rest: &str) -> Result<String, InvalidArgument> {
    check::id("group_id", id).map(|id| format!("/groups/{id}/users{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_shows_of_the_changes_is_this_table() {
        let manager: &[(i64, Option<&str>)] = &[(7, Some("manager"))];
        for (action, permission, users, is_made) in [
            ("add", None, manager, true),
            ("add", None, &[(8, None)], false),
            ("add", Some("member"), manager, false),
            ("add", Some("manager"), manager, true),
            ("add", Some("boss"), manager, true),
            ("update", Some("member"), &[(7, Some("guest"))], true),
            ("update", Some("member"), &[(7, None)], true),
            ("update", Some("member"), manager, false),
            ("update", None, &[], false),
            ("remove", None, manager, false),
            ("remove", None, &[], true),
            ("expel", None, manager, true),
        ] {
            let users = users.iter().map(|(id, permission)| json!({"id": id, "permission": permission}));
            let users: Vec<GroupUser> = serde_json::from_value(users.collect()).unwrap();
            let change = GroupUserChange { action: action.into(), user_id: 7, permission: permission.map(Into::into) };
            let left = change_users(1, vec![change.clone()]).unwrap().not_made(&users);
            assert_eq!(left.is_none(), is_made, "{change} {users:?}");
        }
    }
}
