//! Permission changes, one operation on two pages. Studio documents one form of the body in 2025 and another in 2026.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use super::check::{self, InvalidArgument};
use super::words::{ACTIONS, CREATE, DEFAULT_LEVEL, DESTROY, LEVELS, SHARE_TYPES, UPDATE, USER};

/// The meaning of a 400 for a permission change. Documented.
pub(super) const MEANINGS: &[(u16, &str)] = &[(
    400,
    "a permission to update or destroy does not exist, or one to create already exists; read the permissions first and \
     send only the differences",
)];

/// The statuses with which Studio rejects the form of a body. Inferred.
const REJECTING: &[u16] = &[400, 422];
/// Words of an error about a permission or about the id in the path, not about the form of the body. The documented
/// sentences have them; that other sentences of Studio have them is a guess.
const ABOUT_THE_CONTENT: &[&str] =
    &["already", "exist", "found", "no such", "is missing", "are missing", "media_id", "collection_id"];
/// Words of an error about the form, which take precedence: what Rails and Grape say about a body without its key. A
/// guess.
const ABOUT_THE_FORM: &[&str] = &["param", "permissions is missing", "value is empty", "array", "json"];

/// The form of the changes in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// A bare array. Documented in 2025.
    Array,
    /// An object with the array under `permissions`. Typed by a client of 2026, and inferred from the pages of 2026.
    Object,
}

impl BodyForm {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Array => Self::Object,
            Self::Object => Self::Array,
        }
    }
}

/// One permission change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionChange {
    pub action: String,
    /// The id of the user or group.
    pub id: i64,
    pub share_type: String,
    /// The other levels are not documented, so any word is sent.
    #[serde(default = "default_level")]
    pub permission_type: String,
}

fn default_level() -> String {
    DEFAULT_LEVEL.to_owned()
}

impl PermissionChange {
    fn json(&self) -> Value {
        let mut body = json!({"action": self.action, "id": self.id, "share_type": self.share_type});
        if let Some(fields) = body.as_object_mut().filter(|_| self.action != DESTROY) {
            fields.insert("permission_type".into(), self.permission_type.as_str().into());
        }
        body
    }

    /// Checks it. `argument` names a field as the caller knows it.
    pub fn check(&self, argument: impl Fn(&str) -> String) -> Result<(), InvalidArgument> {
        check::one_of(&argument("action"), &self.action, ACTIONS)?;
        check::id(&argument("id"), self.id)?;
        check::one_of(&argument("share_type"), &self.share_type, SHARE_TYPES)?;
        check::text(&argument("permission_type"), &self.permission_type)
    }

    fn is_of(&self, other: &Self) -> bool {
        (&self.share_type, self.id) == (&other.share_type, other.id)
    }
}

/// The changes of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes(Vec<PermissionChange>);

impl From<Vec<PermissionChange>> for Changes {
    fn from(changes: Vec<PermissionChange>) -> Self {
        Self(changes)
    }
}

impl Changes {
    pub(super) fn checked(changes: &[PermissionChange]) -> Result<Self, InvalidArgument> {
        if changes.is_empty() {
            return Err(InvalidArgument::new("changes", "must hold at least one change"));
        }
        for (index, change) in changes.iter().enumerate() {
            change.check(|field| format!("changes[{index}].{field}"))?;
        }
        Ok(Self(changes.to_vec()))
    }

    /// The JSON of the body.
    pub fn json(&self, form: BodyForm) -> Value {
        let array: Value = self.0.iter().map(PermissionChange::json).collect();
        match form {
            BodyForm::Array => array,
            BodyForm::Object => json!({ "permissions": array }),
        }
    }

    /// The changes that an answer shows were not made; none, if the answer has no list to compare.
    #[must_use]
    pub fn not_made(&self, answer: &Value) -> Self {
        let is_made = |change: &PermissionChange| {
            let list = match answer.get(if change.share_type == USER { "users" } else { "groups" }) {
                Some(Value::Array(list)) => list.as_slice(),
                Some(Value::Null) => &[],
                _ => return true,
            };
            let found = list.iter().find(|item| item.get("id").is_some_and(|id| is_id(id, change.id)));
            match (change.action.as_str(), found) {
                (DESTROY, found) => found.is_none(),
                (_, None) => false,
                (UPDATE, Some(item)) => is_level(item.get("permission"), &change.permission_type),
                (_, Some(_)) => true,
            }
        };
        // Of several changes for one user or group, the list shows only the last.
        let last =
            |change: &PermissionChange| self.0.iter().rev().find(|other| other.is_of(change)).is_none_or(is_made);
        Self(self.0.iter().filter(|change| !last(change)).cloned().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, change: &PermissionChange) -> bool {
        self.0.contains(change)
    }

    /// The same changes, of which the updates for some users and groups create a permission.
    #[must_use]
    pub fn creating(&self, concerns: impl Fn(&PermissionChange) -> bool) -> Self {
        let changed = |change: &PermissionChange| {
            let action = if change.action == UPDATE && concerns(change) { CREATE } else { &change.action };
            PermissionChange { action: action.to_owned(), ..change.clone() }
        };
        Self(self.0.iter().map(changed).collect())
    }
}

/// Whether an id in an answer is this one. Studio writes some whole numbers with a decimal point.
fn is_id(answered: &Value, id: i64) -> bool {
    let text = answered.as_str().map_or_else(|| answered.to_string(), str::to_owned);
    text.strip_suffix(".0").unwrap_or(&text) == id.to_string()
}

/// Whether an answered level is the requested one, as far as the two can be compared.
fn is_level(answered: Option<&Value>, requested: &str) -> bool {
    let answered = answered.and_then(Value::as_str).filter(|answered| LEVELS.contains(answered));
    !LEVELS.contains(&requested) || answered.is_none_or(|answered| answered == requested)
}

/// The changes, as a message lists them.
impl fmt::Display for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, PermissionChange { action, id, share_type, permission_type }) in self.0.iter().enumerate() {
            formatter.write_str(if index == 0 { "" } else { ", " })?;
            write!(formatter, "{action} {share_type} {id}")?;
            if action != DESTROY {
                write!(formatter, " as {permission_type}")?;
            }
        }
        Ok(())
    }
}

/// Whether Studio rejects the form of a body, so that the other form may work. `message` is the error message.
pub fn rejects_form(status: u16, message: &str) -> bool {
    let message = message.to_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| message.contains(word));
    REJECTING.contains(&status) && (mentions(ABOUT_THE_FORM) || !mentions(ABOUT_THE_CONTENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: &str, id: i64, share_type: &str, permission_type: &str) -> PermissionChange {
        PermissionChange {
            action: action.into(),
            id,
            share_type: share_type.into(),
            permission_type: permission_type.into(),
        }
    }

    #[test]
    fn what_a_list_shows_of_the_changes_is_this_table() {
        let users = |users: &str| format!(r#"{{"users": [{users}], "groups": []}}"#);
        let seven = |permission: &str| users(&format!(r#"{{"id": 7, "permission": {permission}}}"#));
        let (create, destroy) = (change("create", 7, "user", "edit"), change("destroy", 7, "user", "view"));
        let update = change("update", 7, "user", "edit");
        let group = change("create", 7, "group", "view");
        let table: &[(&[&PermissionChange], String, &[&PermissionChange])] = &[
            (&[&create], seven("\"edit\""), &[]),
            (&[&create], seven("\"view\""), &[]),
            (&[&create], users(""), &[&create]),
            (&[&create], r#"{"users": null, "groups": []}"#.into(), &[&create]),
            (&[&create], r#"{"users": [{"id": 7.0}]}"#.into(), &[]),
            // Without a list of users, nothing can be compared.
            (&[&create], r#"{"groups": []}"#.into(), &[]),
            (&[&create], "{}".into(), &[]),
            (&[&create], r#"{"users": "7", "groups": []}"#.into(), &[]),
            (&[&create], "[]".into(), &[]),
            (&[&create], "\"done\"".into(), &[]),
            (&[&update], seven("\"edit\""), &[]),
            (&[&update], seven("\"view\""), &[&update]),
            (&[&update], seven("\"owner\""), &[]),
            (&[&update], seven("null"), &[]),
            (&[&update], users(""), &[&update]),
            (&[&destroy], users(""), &[]),
            (&[&destroy], seven("\"view\""), &[&destroy]),
            (&[&group], seven("\"view\""), &[&group]),
            // Of several changes for one user, the last counts; if it was not made, none was.
            (&[&create, &destroy], users(""), &[]),
            (&[&destroy, &create], seven("\"edit\""), &[]),
            (&[&create, &update], users(""), &[&create, &update]),
            (&[&create, &update, &group], seven("\"edit\""), &[&group]),
        ];
        for (changes, answer, not_made) in table {
            let changes = Changes(changes.iter().copied().cloned().collect());
            let answer: Value = serde_json::from_str(answer).unwrap();
            let expected = Changes(not_made.iter().copied().cloned().collect());
            assert_eq!(changes.not_made(&answer), expected, "{changes:?} {answer}");
        }
    }

    #[test]
    fn a_refusal_is_about_the_form_or_about_a_permission() {
        for (status, said) in [
            (400, "param is missing or the value is empty: permissions"),
            (400, "permissions is missing"),
            (400, "Bad Request"),
            (422, "Invalid parameters are provided."),
            (422, "expected an Array, but an Object was found"),
            (400, ""),
        ] {
            assert!(rejects_form(status, said), "{status} {said}");
        }
        for (status, said) in [
            (400, "One ore more permission was not found or can not be created, because already exists."),
            (400, "Permission Already Exists"),
            (400, "The permission is missing"),
            (400, "One or more permissions are missing"),
            (422, "Invalid collection_id is provided."),
            (422, "Invalid media_id is provided."),
            (403, "Bad Request"),
            (404, ""),
            (500, "permissions is missing"),
        ] {
            assert!(!rejects_form(status, said), "{status} {said}");
        }
    }
}
