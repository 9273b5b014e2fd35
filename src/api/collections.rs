//! The Collection page: nine operations on collections.

use http::Method;

use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::{Collection, Media, Permissions};
use super::permissions::{Changes, MEANINGS, PermissionChange};
use super::request::{Call, Request};
use super::sharing::{Levels, SetPermissions};

/// Meanings of a status when a collection is created for another user. Documented.
const FOR_ANOTHER_USER: &[(u16, &str)] = &[
    (403, "only an administrator may create a collection for another user"),
    (404, "there is no user with this user_id; it is Studio's id, not the id in Canvas"),
];

/// No page gives the method of unarchiving; archiving is documented as POST. Inferred.
const UNARCHIVE_METHOD: Method = Method::POST;

/// Lists the collections that the caller may see.
pub fn list(page: i64, per_page: i64) -> Result<Request<Page<Collection>>, InvalidArgument> {
    check::paging(page, per_page)?;
    Ok(Call::get("list_collections", "/collections")
        .query("page", page)
        .query("per_page", per_page)
        .page("collections"))
}

/// Creates a collection for the caller, or for `user_id`.
pub fn create(name: &str, user_id: Option<i64>) -> Result<Request<Collection>, InvalidArgument> {
    check::text("name", name)?;
    let user_id = user_id.map(|id| check::id("user_id", id)).transpose()?;
    // Documented: the parameters of this POST are in the query, not in a body.
    let call = Call::post("create_collection", "/collections").query("name", name).query_if("user_id", user_id);
    let call = if user_id.is_some() { call.meaning(FOR_ANOTHER_USER) } else { call };
    Ok(call.at_key("collection"))
}

pub fn get(id: i64) -> Result<Request<Collection>, InvalidArgument> {
    Ok(Call::get("get_collection", path(id, "")?).at_key("collection"))
}

/// Deletes a collection with its media and perspectives. That the answer is wrapped is inferred.
pub fn delete(id: i64) -> Result<Request<Option<Collection>>, InvalidArgument> {
    Ok(Call::delete("delete_collection", path(id, "")?).at_optional_key_or_root("collection"))
}

/// Archives a collection with its media and perspectives. The body of the answer is unknown.
pub fn archive(id: i64) -> Result<Request<Option<Collection>>, InvalidArgument> {
    Ok(Call::post("archive_collection", path(id, "/archive")?).at_optional_key_or_root("collection"))
}

/// Unarchives a collection. The method is inferred from archiving; the body of the answer is unknown.
pub fn unarchive(id: i64) -> Result<Request<Option<Collection>>, InvalidArgument> {
    let call = Call::new("unarchive_collection", UNARCHIVE_METHOD, path(id, "/unarchive")?);
    Ok(call.at_optional_key_or_root("collection"))
}

pub fn list_media(id: i64, page: i64, per_page: i64) -> Result<Request<Page<Media>>, InvalidArgument> {
    check::paging(page, per_page)?;
    Ok(Call::get("list_collection_media", path(id, "/media")?)
        .query("page", page)
        .query("per_page", per_page)
        .page("media"))
}

pub fn permissions(id: i64) -> Result<Request<Permissions>, InvalidArgument> {
    Ok(Call::get("get_collection_permissions", path(id, "/permissions")?).at_root())
}

pub fn change_permissions(id: i64, changes: &[PermissionChange]) -> Result<Request<Permissions>, InvalidArgument> {
    Ok(change(id)?.permissions(Changes::checked(changes)?).meaning(MEANINGS).at_root())
}

/// Gives users and groups levels, whatever they have now.
pub fn set_permissions(id: i64, levels: Levels) -> Result<SetPermissions, InvalidArgument> {
    Ok(SetPermissions::new(levels, permissions(id)?, change(id)?))
}

fn change(id: i64) -> Result<Call, InvalidArgument> {
    Ok(Call::post("change_collection_permissions", path(id, "/permissions")?))
}

fn path(id: i64, rest: &str) -> Result<String, InvalidArgument> {
    check::id("id", id).map(|id| format!("/collections/{id}{rest}"))
}
