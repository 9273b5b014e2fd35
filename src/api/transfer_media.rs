//! The Transfer Media page: gives the unshared media of one user to another, and what counts as unshared.

use std::borrow::Cow;

use serde_json::json;

use super::check::{self, InvalidArgument};
use super::models::{Media, MediaTransfer, Owner, Permissions};
use super::request::{Call, Request};
use super::words::{NOT_SHARED, OWNER};
use super::{Page, media, users};

/// Meanings of a status. Documented, but that the right is an administrator's is inferred.
const MEANINGS: &[(u16, &str)] = &[
    (
        400,
        "Studio does not know one of the users, or neither: from_user and to_user are Studio's ids, not those in Canvas, \
         and a person has one once they have opened Studio",
    ),
    (403, "an administrator may transfer media; others may not be allowed to"),
];

/// A transfer, and how many media it may move.
#[derive(Debug, Clone)]
pub struct TransferMedia {
    pub from_user: i64,
    pub expected: usize,
    /// All media that the first user has permission to.
    pub list: Request<Page<Media>>,
    pub transfer: Request<MediaTransfer>,
}

pub fn transfer(from_user: i64, to_user: i64, expect: i64) -> Result<TransferMedia, InvalidArgument> {
    check::id("from_user", from_user)?;
    check::id("to_user", to_user)?;
    if from_user == to_user {
        return Err(InvalidArgument::new("to_user", format!("must be another user than from_user, {from_user}")));
    }
    let Ok(expected) = usize::try_from(expect) else {
        return Err(InvalidArgument::new("expect", format!("must be a number of media, 0 or more, not {expect}")));
    };
    let body = json!({"from_user_id": from_user, "to_user_id": to_user});
    let call = Call::post("transfer_media", "/transfer_media").json(body.to_string()).meaning(MEANINGS);
    let list = users::media(from_user, 1, check::MAX_PER_PAGE)?;
    Ok(TransferMedia { from_user, expected, list, transfer: call.at_root() })
}

impl TransferMedia {
    /// Whether a media in the list is the first user's own. Without an owner, their permission says so. Inferred.
    pub fn is_own(&self, media: &Media) -> bool {
        match media.named::<Option<Owner>>("owner") {
            Some(owner) => owner.id == self.from_user,
            None => media.named::<Option<Cow<'_, str>>>("permission").as_deref() == Some(OWNER),
        }
    }

    /// The request for the permissions of a media.
    pub fn permissions(id: i64) -> Result<Request<Permissions>, InvalidArgument> {
        media::permissions(id)
    }

    /// Whether a media with these permissions may be moved. Documented: one that is not shared is. Whether a share of a
    /// collection or a course that it is in counts for Studio is unknown. Here only a share of the media itself does, so
    /// what is counted is the most that can be moved.
    pub fn is_unshared(&self, permissions: &Permissions) -> bool {
        let is_share = |level: Option<&str>| !level.is_some_and(|level| NOT_SHARED.contains(&level));
        permissions.groups.is_empty()
            && !permissions.users.iter().any(|user| user.id != self.from_user && is_share(user.permission.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_moved_is_this_table() {
        let transfer = transfer(3, 4, 0).unwrap();
        for (media, is_own) in [
            (r#"{"id": 1, "owner": {"id": 3}}"#, true),
            (r#"{"id": 1, "owner": {"id": 4}, "permission": "owner"}"#, false),
            (r#"{"id": 1, "permission": "owner"}"#, true),
            (r#"{"id": 1, "owner": null, "permission": "edit"}"#, false),
            (r#"{"id": 1}"#, false),
        ] {
            assert_eq!(transfer.is_own(&serde_json::from_str(media).unwrap()), is_own, "{media}");
        }
        for (permissions, is_unshared) in [
            ("{}", true),
            (r#"{"users": [], "groups": []}"#, true),
            (r#"{"users": [{"id": 3, "permission": "owner"}]}"#, true),
            (r#"{"users": [{"id": 3, "permission": "edit"}]}"#, true),
            (r#"{"users": [{"id": 5, "permission": "access"}]}"#, true),
            (r#"{"users": [{"id": 5, "permission": "view"}]}"#, false),
            (r#"{"users": [{"id": 5}]}"#, false),
            (r#"{"groups": [{"id": 11, "permission": "view"}]}"#, false),
        ] {
            let permissions: Permissions = serde_json::from_str(permissions).unwrap();
            assert_eq!(transfer.is_unshared(&permissions), is_unshared, "{permissions:?}");
        }
    }
}
