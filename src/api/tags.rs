//! The Tags page: the tags of a media.

use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::Tag;
use super::request::{Call, Request};

/// The meaning of a 404 for a request with two ids. Documented.
const REMOVE_MEANINGS: &[(u16, &str)] =
    &[(404, "there is no such media, or it has no such tag; media.tags() lists those that it has")];

/// Lists the tags of a media. Documented is the status 201; 200 is observed. Any success counts. The page shows no paging.
pub fn list(media_id: i64) -> Result<Request<Page<Tag>>, InvalidArgument> {
    Ok(Call::get("list_tags", path(media_id)?).page("tags"))
}

/// Adds a tag to a media. Whether a tag that it has already is added again is unknown, so this is not sent twice.
pub fn add(media_id: i64, name: &str) -> Result<Request<Tag>, InvalidArgument> {
    let path = path(media_id)?;
    check::text("name", name)?;
    // Documented: the parameter of this POST is in the query, not in a body.
    Ok(Call::post("add_tag", path).query("name", name).at_key("tag"))
}

/// Removes a tag from a media. The body of the answer is unknown.
pub fn remove(media_id: i64, tag_id: i64) -> Result<Request<()>, InvalidArgument> {
    let (path, tag_id) = (path(media_id)?, check::id("tag", tag_id)?);
    Ok(Call::delete("remove_tag", format!("{path}/{tag_id}")).meaning(REMOVE_MEANINGS).empty())
}

fn path(media_id: i64) -> Result<String, InvalidArgument> {
    check::id("media_id", media_id).map(|id| format!("/media/{id}/tags"))
}
