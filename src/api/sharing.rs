//! The levels that users and groups shall have, and the permission changes that lead to them.

use super::check::{self, InvalidArgument};
use super::models::Permissions;
use super::permissions::{Changes, PermissionChange};
use super::request::{Call, Request};
use super::words::{CREATE, DEFAULT_LEVEL, DESTROY, GROUP, LEVELS, NOT_SHARED, OWNER, UPDATE, USER};

/// The meaning of a 400 for changes that follow from the permissions that were read before. Inferred.
const MEANINGS: &[(u16, &str)] = &[(
    400,
    "the permissions were read again, and the change is still to be made; check that the user or group exists in Studio",
)];

/// A user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    pub share_type: &'static str,
    pub id: i64,
}

/// The levels that some users and groups shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Without a level, nothing shall be shared with them.
    wanted: Vec<(Recipient, Option<&'static str>)>,
    keeps_others: bool,
}

impl Levels {
    /// One user or group shall have this level, or nothing shall be shared with them. All others stay.
    pub fn of_one(who: Recipient, level: Option<&'static str>) -> Result<Self, InvalidArgument> {
        check::id("who", who.id)?;
        Ok(Self { wanted: vec![(who, level)], keeps_others: true })
    }

    pub fn of_many(
        wanted: Vec<(Recipient, Option<&'static str>)>,
        keeps_others: bool,
    ) -> Result<Self, InvalidArgument> {
        for (index, (who, _)) in wanted.iter().enumerate() {
            check::id("each id in permissions", who.id)?;
            if wanted.iter().take(index).any(|(other, _)| other == who) {
                let problem = format!("names {} {} twice", who.share_type, who.id);
                return Err(InvalidArgument::new("permissions", problem));
            }
        }
        Ok(Self { wanted, keeps_others })
    }

    /// The changes that lead from these permissions to the levels.
    ///
    /// A level that is none of the known words cannot be compared: a change of it that Studio `accepted` counts as made.
    #[must_use]
    pub fn differences(&self, now: &Permissions, accepted: Option<&Changes>) -> Changes {
        let users =
            now.users.iter().map(|user| (Recipient { share_type: USER, id: user.id }, user.permission.as_deref()));
        let groups =
            now.groups.iter().map(|group| (Recipient { share_type: GROUP, id: group.id }, group.permission.as_deref()));
        let rows: Vec<_> = users.chain(groups).collect();
        let of = |who: Recipient| rows.iter().find(|(other, _)| *other == who).map(|(_, level)| *level);
        let is_shared = |level: Option<&str>| level.is_none_or(|level| !NOT_SHARED.contains(&level));

        let mut changes = Vec::new();
        for (who, wanted) in &self.wanted {
            changes.extend(match (of(*who), *wanted) {
                (None, Some(level)) => Some(who.change(CREATE, level)),
                (Some(Some(OWNER)), _) => None,
                (Some(now), Some(level)) if now != Some(level) => {
                    let update = who.change(UPDATE, level);
                    let is_known = now.is_some_and(|now| LEVELS.contains(&now) || NOT_SHARED.contains(&now));
                    let is_accepted = accepted.is_some_and(|accepted| accepted.contains(&update));
                    (is_known || !is_accepted).then_some(update)
                }
                (Some(now), None) if is_shared(now) => Some(who.change(DESTROY, DEFAULT_LEVEL)),
                _ => None,
            });
        }
        if !self.keeps_others {
            let others = rows
                .iter()
                .filter(|(who, level)| is_shared(*level) && !self.wanted.iter().any(|(other, _)| other == who));
            changes.extend(others.map(|(who, _)| who.change(DESTROY, DEFAULT_LEVEL)));
        }
        changes.into()
    }
}

/// The same changes, where what follows from a course or a collection is no permission that could be updated. Whether it is
/// one, nobody documents.
#[must_use]
pub fn creating(changes: &Changes, now: &Permissions) -> Changes {
    changes.creating(|change| {
        let level = if change.share_type == USER {
            now.users.iter().find(|user| user.id == change.id).and_then(|user| user.permission.as_deref())
        } else {
            now.groups.iter().find(|group| group.id == change.id).and_then(|group| group.permission.as_deref())
        };
        level.is_some_and(|level| NOT_SHARED.contains(&level))
    })
}

impl Recipient {
    fn change(self, action: &str, level: &str) -> PermissionChange {
        PermissionChange {
            action: action.to_owned(),
            id: self.id,
            share_type: self.share_type.to_owned(),
            permission_type: level.to_owned(),
        }
    }
}

/// Sets permissions of a media or a collection: a request that reads them, and the call that changes them.
#[derive(Debug, Clone)]
pub struct SetPermissions {
    pub levels: Levels,
    pub get: Request<Permissions>,
    change: Call,
}

impl SetPermissions {
    pub(super) fn new(levels: Levels, get: Request<Permissions>, change: Call) -> Self {
        Self { levels, get, change }
    }

    /// The request that makes these changes.
    pub fn request(&self, changes: Changes) -> Request<Permissions> {
        self.change.clone().permissions(changes).meaning(MEANINGS).at_root()
    }
}
