//! The User page: five operations on users, and the rule by which one user is picked by their e-mail address.

use std::fmt;

use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::{Collection, Media, User};
use super::request::{Call, Request};

/// The largest page, since all hits of an address are read.
const PER_PAGE: i64 = check::MAX_PER_PAGE;
/// Meanings of a status of a search. Documented is only that the caller may lack the right. Inferred: an administrator
/// has it.
const SEARCH_MEANINGS: &[(u16, &str)] = &[(403, "an administrator may search users; others may not be allowed to")];

/// Searches users by e-mail address, role, or both. Documented: both are optional, and a search without either is a 400.
/// Observed: the key `users`. Unknown: whether the address is compared as a whole.
pub fn search(
    email: Option<&str>,
    role: Option<&str>,
    page: i64,
    per_page: i64,
) -> Result<Request<Page<User>>, InvalidArgument> {
    if email.is_none() && role.is_none() {
        return Err(InvalidArgument::new("email", "or role is missing: give at least one of them"));
    }
    // Not necessarily an address: Studio may hold the login id in Canvas instead. Observed.
    email.map_or(Ok(()), |email| check::text("email", email))?;
    role.map_or(Ok(()), |role| check::text("role", role))?;
    check::paging(page, per_page)?;
    Ok(Call::get("search_users", "/users/search")
        .query_if("role", role)
        .query_if("email", email)
        .query("page", page)
        .query("per_page", per_page)
        .meaning(SEARCH_MEANINGS)
        .page("users"))
}

/// Gets a user by Studio's id, which is not the Canvas one.
pub fn get(id: i64) -> Result<Request<User>, InvalidArgument> {
    Ok(Call::get("get_user", path(id, "")?).at_key("user"))
}

/// Lists the media that a user has permission to.
pub fn media(id: i64, page: i64, per_page: i64) -> Result<Request<Page<Media>>, InvalidArgument> {
    check::paging(page, per_page)?;
    Ok(Call::get("list_user_media", path(id, "/media")?).query("page", page).query("per_page", per_page).page("media"))
}

/// Lists the collections that a user has permission to. The key is inferred.
pub fn collections(id: i64, page: i64, per_page: i64) -> Result<Request<Page<Collection>>, InvalidArgument> {
    check::paging(page, per_page)?;
    Ok(Call::get("list_user_collections", path(id, "/collections")?)
        .query("page", page)
        .query("per_page", per_page)
        .page("collections"))
}

/// Gets the personal collection of a user. The wrapper is inferred.
pub fn library(id: i64) -> Result<Request<Collection>, InvalidArgument> {
    Ok(Call::get("get_user_library", path(id, "/library")?).at_key_or_root("collection"))
}

/// A search for the one user with an e-mail address, or with a login id that Studio holds in its place.
#[derive(Debug, Clone)]
pub struct Find {
    pub search: Request<Page<User>>,
    email: String,
}

pub fn find(email: &str) -> Result<Find, InvalidArgument> {
    let email = email.trim();
    let mut search = search(Some(email), None, 1, PER_PAGE)?;
    search.call.operation = "find_user".into();
    Ok(Find { search, email: email.to_owned() })
}

impl Find {
    /// Picks the user from all hits. Whether Studio matches a part of an address is unknown, so the whole address is
    /// compared here, without regard to case.
    pub fn pick(&self, hits: Vec<User>) -> Result<User, NotOneUser> {
        let normal = |email: &str| email.trim().to_lowercase();
        let wanted = normal(&self.email);
        let has_address = |user: &User| user.email.as_deref().map(normal).as_ref() == Some(&wanted);
        let (mut found, others): (Vec<_>, Vec<_>) = hits.into_iter().partition(has_address);
        let email = self.email.clone();
        match (found.pop(), found.is_empty()) {
            (Some(user), true) => Ok(user),
            (Some(last), false) => {
                found.push(last);
                Err(NotOneUser { email, problem: Problem::Several, users: found })
            }
            (None, _) => Err(NotOneUser { email, problem: Problem::NoUser, users: others }),
        }
    }
}

/// A search for one user that found none, or several.
#[derive(Debug, Clone, PartialEq)]
pub struct NotOneUser {
    pub problem: Problem,
    /// All users with the address; if there is none, what Studio found instead.
    pub users: Vec<User>,
    email: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    NoUser,
    Several,
}

impl fmt::Display for NotOneUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (email, count) = (&self.email, self.users.len());
        match self.problem {
            Problem::Several => {
                let ids: Vec<String> = self.users.iter().map(|user| user.id.to_string()).collect();
                write!(
                    formatter,
                    "{count} users have the e-mail address \"{email}\": choose one of them by its id ({})",
                    ids.join(", ")
                )
            }
            Problem::NoUser => {
                write!(
                    formatter,
                    "no user has the e-mail address \"{email}\": this person never opened Studio (ask them to open it \
                     once from Canvas), or Studio holds another address or their Canvas login id (search for that)"
                )?;
                match count {
                    0 => Ok(()),
                    1 => write!(formatter, ". Studio found 1 user with another address, see the attribute users"),
                    _ => {
                        write!(formatter, ". Studio found {count} users with other addresses, see the attribute users")
                    }
                }
            }
        }
    }
}

fn path(id: i64, rest: &str) -> Result<String, InvalidArgument> {
    check::id("id", id).map(|id| format!("/users/{id}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(emails: &[Option<&str>]) -> Vec<User> {
        let user = |(id, email)| serde_json::from_value(serde_json::json!({"id": id + 1, "email": email})).unwrap();
        emails.iter().enumerate().map(user).collect()
    }

    fn picked(email: &str, hits: &[Option<&str>]) -> Result<i64, (Problem, Vec<i64>)> {
        let ids = |users: &[User]| users.iter().map(|user| user.id).collect::<Vec<_>>();
        let picked = find(email).unwrap().pick(users(hits));
        picked.map(|user| user.id).map_err(|error| (error.problem, ids(&error.users)))
    }

    #[test]
    fn one_user_is_picked_by_the_whole_address_without_regard_to_case() {
        let (ada, bo) = (Some("Ada.Park@example.edu"), Some("bo@example.edu"));
        assert_eq!(picked("ada.park@EXAMPLE.edu", &[bo, ada, None]), Ok(2));
        assert_eq!(picked(" Apark7 ", &[Some("apark70"), Some("aPARK7")]), Ok(2));
        assert_eq!(picked("ÅSA@example.edu", &[Some("åsa@example.edu")]), Ok(1));
    }

    #[test]
    fn no_user_and_several_are_errors_that_say_who_was_found() {
        assert_eq!(picked("a@example.edu", &[]), Err((Problem::NoUser, vec![])));
        let hits = [Some("ba@example.edu"), None, Some("")];
        assert_eq!(picked("a@example.edu", &hits), Err((Problem::NoUser, vec![1, 2, 3])));
        let hits = [Some("a@example.edu"), Some("ba@example.edu"), Some("A@example.edu"), Some("a@example.edu")];
        assert_eq!(picked("a@example.edu", &hits), Err((Problem::Several, vec![1, 3, 4])));
    }
}
