//! Sets permissions: reads them, sends what differs, and reads them again if that fails.

use super::error::Error;
use super::permissions::without_effect;
use super::send::Client;
use crate::api::models::Permissions;
use crate::api::permissions::Changes;
use crate::api::sharing::{SetPermissions, creating};

/// How often differences are sent at most: again only if others have changed the permissions meanwhile.
const MOST_ROUNDS: usize = 3;
/// The status with which Studio refuses to create a permission that exists, and to change one that does not. Documented.
const OTHERWISE_BY_NOW: u16 = 400;

/// Changes that were sent without success.
struct Tried {
    changes: Changes,
    error: Error,
    next: Next,
}

/// What to do after changes were sent without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GiveUp,
    /// Whether they were made is unknown, so they are looked for, and not sent again.
    Look,
    /// Studio refused them. What differs by now is sent.
    SendDifferences,
    /// Studio accepted them, and its list differs. What differs by now is sent.
    SendDifferencesFromAccepted,
}

impl Client {
    /// Gives users and groups their levels. Nothing is sent if they have them.
    pub async fn set_permissions(&self, set: &SetPermissions) -> Result<Permissions, Error> {
        let mut tried: Option<Tried> = None;
        let mut rounds = 0;
        loop {
            let now = match (self.send(&set.get).await, &tried) {
                (Err(_), Some(tried)) => return Err(tried.error.clone()),
                (now, _) => now?,
            };
            let accepted = tried.as_ref().filter(|tried| tried.next == Next::SendDifferencesFromAccepted);
            let mut changes = set.levels.differences(&now, accepted.map(|tried| &tried.changes));
            if changes.is_empty() {
                return Ok(now);
            }
            if let Some(tried) = tried {
                let created = creating(&changes, &now);
                let is_refused = tried.next == Next::SendDifferences && tried.changes == changes;
                if is_refused && created != changes {
                    changes = created;
                } else if tried.next == Next::Look
                    || [&changes, &created].contains(&&tried.changes)
                    || rounds >= MOST_ROUNDS
                {
                    return Err(tried.error);
                }
            }
            rounds += 1;
            match self.make(set, changes).await {
                Ok(after) => return Ok(after),
                Err(Tried { error, next: Next::GiveUp, .. }) => return Err(error),
                Err(failed) => tried = Some(failed),
            }
        }
    }

    /// Sends changes. Returns the permissions after them, if they are as they shall be.
    async fn make(&self, set: &SetPermissions, changes: Changes) -> Result<Permissions, Tried> {
        let request = set.request(changes.clone());
        let answer = match self.send_call(&request.call).await {
            Ok(answer) => answer,
            Err(error) => return Err(Tried { changes, next: next(&error), error }),
        };
        let after = match self.read(&request, &answer) {
            Ok(after) => after,
            Err(error) => return Err(Tried { changes, next: Next::Look, error }),
        };
        let left = set.levels.differences(&after, Some(&changes));
        if left.is_empty() {
            return Ok(after);
        }
        let error = without_effect(&self.context(&request.call), &answer, &left, None);
        Err(Tried { changes, error, next: Next::SendDifferencesFromAccepted })
    }
}

/// What to do after changes failed with this error.
fn next(error: &Error) -> Next {
    match error {
        Error::Status(refusal) if refusal.status == OTHERWISE_BY_NOW => Next::SendDifferences,
        Error::Status(refusal) if refusal.request.outcome_unknown => Next::Look,
        Error::Connection { request, .. } | Error::Timeout { request, .. } if request.outcome_unknown => Next::Look,
        Error::Unreadable(_) => Next::Look,
        _ => Next::GiveUp,
    }
}
