//! The Media page: thirteen operations on media.

use http::Method;
use jiff::civil::Date;
use serde_json::{Value, json};
use url::Url;

use super::answer::{self, Answer, DecodeError, Locator};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::json::text::read_json;
use super::models::{Course, Media, Permissions, Perspective, Source, User};
use super::permissions::{Changes, MEANINGS, PermissionChange};
use super::request::{Call, Request};
use super::sharing::{Levels, SetPermissions};
use super::words::{EMBED_TYPES, MIN_PERMISSIONS};

/// The page gives no method for archiving a media; for a collection, POST is documented. Inferred.
const ARCHIVE_METHOD: Method = Method::POST;
/// No page gives the method of unarchiving. Inferred.
const UNARCHIVE_METHOD: Method = Method::POST;
/// The keys under which the answer of `create_embed` may have its URL; the first match counts. `embed_url` is observed,
/// the others are guesses.
const EMBED_URL_KEYS: &[&str] = &["embed_url", "url", "launch_url", "lti_launch_url", "lti_url"];
/// Meanings of a status of `create_embed`. Observed: Studio must know the course already.
const EMBED_MEANINGS: &[(u16, &str)] = &[(
    404,
    "there is no such media, or Studio does not know this course yet: open Studio from the course in Canvas once; \
     course_id is the course's id in Canvas",
)];
/// The meaning of a 404 for a request with two ids. Inferred.
const NO_MEDIA_OR_COLLECTION: &str =
    "there is no such media, or no such collection, or they are not visible to the token's user";
/// The meaning of a 403 for a download. Documented.
const DOWNLOAD_DENIED: (u16, &str) = (403, "only the owner of a media or an administrator may download it");
/// Meanings of a status for a download in the best quality. Documented, but for the 404 of a media that is being
/// transcoded, which is a guess.
const DOWNLOAD_MEANINGS: &[(u16, &str)] = &[
    DOWNLOAD_DENIED,
    (404, "there is no such media, or Studio has not finished transcoding it: media.wait_until_ready(timeout=...)"),
    (422, "Studio has no file of what is on YouTube or Vimeo; for anything else, check the id"),
];
/// Meanings of a status for a download in a given quality. Which status stands for a missing quality is unknown, so both
/// name it.
const QUALITY_MEANINGS: &[(u16, &str)] = &[
    DOWNLOAD_DENIED,
    (
        404,
        "there is no such media, or not in this quality: omit quality to get the best one; or Studio has not finished \
         transcoding it: media.wait_until_ready(timeout=...)",
    ),
    (422, "Studio did not accept this quality for this media; omit quality to get the best one"),
];

/// Filters of a search, combined with AND.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    pub title: Option<String>,
    pub min_size: Option<i64>,
    pub max_size: Option<i64>,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    pub last_viewed_start_date: Option<String>,
    pub last_viewed_end_date: Option<String>,
    pub last_viewed_by_student_start_date: Option<String>,
    pub last_viewed_by_student_end_date: Option<String>,
    pub owner: Option<String>,
    pub tag: Option<String>,
    /// An enumeration without documented words, so any word is sent.
    pub source: Option<String>,
}

/// Searches media; without filters, finds everything that the caller may see.
pub fn search(search: &Search, page: i64, per_page: i64) -> Result<Request<Page<Media>>, InvalidArgument> {
    for (argument, value) in [("title", &search.title), ("tag", &search.tag), ("source", &search.source)] {
        value.as_deref().map_or(Ok(()), |text| check::text(argument, text))?;
    }
    search.owner.as_deref().map_or(Ok(()), |owner| check::email("owner", owner))?;
    let min_size = check::size("min_size", search.min_size)?;
    let max_size = check::size("max_size", search.max_size)?;
    check::in_order(("min_size", min_size.as_ref()), ("max_size", max_size.as_ref()))?;
    check::paging(page, per_page)?;

    let mut call = Call::get("search_media", "/media/search")
        .query_if("title", search.title.as_ref())
        .query_if("min_size", min_size)
        .query_if("max_size", max_size);
    for (start_name, start, end_name, end) in [
        ("start_date", &search.start_date, "end_date", &search.end_date),
        (
            "last_viewed_start_date",
            &search.last_viewed_start_date,
            "last_viewed_end_date",
            &search.last_viewed_end_date,
        ),
        (
            "last_viewed_by_student_start_date",
            &search.last_viewed_by_student_start_date,
            "last_viewed_by_student_end_date",
            &search.last_viewed_by_student_end_date,
        ),
    ] {
        let start: Option<Date> = check::date(start_name, start.as_deref())?;
        let end: Option<Date> = check::date(end_name, end.as_deref())?;
        check::in_order((start_name, start.as_ref()), (end_name, end.as_ref()))?;
        call = call.query_if(start_name, start).query_if(end_name, end);
    }
    Ok(call
        .query_if("owner", search.owner.as_ref())
        .query_if("tag", search.tag.as_ref())
        .query_if("source", search.source.as_ref())
        .query("page", page)
        .query("per_page", per_page)
        .page("media"))
}

pub fn get(id: i64) -> Result<Request<Media>, InvalidArgument> {
    Ok(Call::get("get_media", path(id, "")?).at_key("media"))
}

/// Deletes a media with its perspectives.
pub fn delete(id: i64) -> Result<Request<Media>, InvalidArgument> {
    Ok(Call::delete("delete_media", path(id, "")?).at_key("media"))
}

/// Archives a media with its perspectives. The wrapper is inferred.
pub fn archive(id: i64) -> Result<Request<Media>, InvalidArgument> {
    Ok(Call::new("archive_media", ARCHIVE_METHOD, path(id, "/archive")?).at_key_or_root("media"))
}

/// Unarchives a media, into `collection_id` if given. That this is a query parameter, and the wrapper, are inferred.
pub fn unarchive(id: i64, collection_id: Option<i64>) -> Result<Request<Media>, InvalidArgument> {
    let collection_id = collection_id.map(|id| check::id("collection_id", id)).transpose()?;
    let call = Call::new("unarchive_media", UNARCHIVE_METHOD, path(id, "/unarchive")?)
        .query_if("collection_id", collection_id);
    let call = if collection_id.is_some() { call.meaning(&[(404, NO_MEDIA_OR_COLLECTION)]) } else { call };
    Ok(call.at_key_or_root("media"))
}

/// Lists the courses of a media. The key is observed; the page shows no paging.
pub fn courses(id: i64) -> Result<Request<Page<Course>>, InvalidArgument> {
    Ok(Call::get("list_media_courses", path(id, "/courses")?).page("courses"))
}

/// Lists the perspectives of a media. The key is observed; the page shows no paging.
pub fn perspectives(id: i64) -> Result<Request<Page<Perspective>>, InvalidArgument> {
    Ok(Call::get("list_media_perspectives", path(id, "/perspectives")?).page("perspectives"))
}

/// Lists the sources of a media. The key is observed; the page shows no paging.
pub fn sources(id: i64) -> Result<Request<Page<Source>>, InvalidArgument> {
    Ok(Call::get("list_media_sources", path(id, "/sources")?).page("sources"))
}

/// Lists everyone with access. The path and the key `user_permissions` are observed.
pub fn users(id: i64, min_permission: &str) -> Result<Request<Page<User>>, InvalidArgument> {
    check::one_of("min_permission", min_permission, MIN_PERMISSIONS)?;
    Ok(Call::get("list_media_users", path(id, "/users")?)
        .query("min_permission", min_permission)
        .page("user_permissions"))
}

/// Adds the media to the collection of a course. The result is the URL that launches it over LTI.
pub fn create_embed(
    media_id: i64,
    course_id: i64,
    embed_type: &str,
    downloadable: Option<bool>,
) -> Result<Request<String>, InvalidArgument> {
    let media_id = check::id("media_id", media_id)?;
    check::id("course_id", course_id)?;
    check::one_of("embed_type", embed_type, EMBED_TYPES)?;
    let mut body = json!({"course_id": course_id, "embed_type": embed_type});
    if let (Some(downloadable), Some(fields)) = (downloadable, body.as_object_mut()) {
        fields.insert("downloadable".into(), downloadable.into());
    }
    // The page gives no method; POST is observed.
    let call = Call::post("create_embed", format!("/media/{media_id}/create_embed"));
    Ok(call.json(body.to_string()).meaning(EMBED_MEANINGS).custom(embed_url))
}

/// Gets a signed URL of a file of the media, valid for 24 hours.
pub fn download_url(id: i64, quality: Option<&str>) -> Result<Request<Url>, InvalidArgument> {
    // An enumeration without documented words, so any word is sent. Without it, Studio takes the best quality.
    quality.map_or(Ok(()), |quality| check::text("quality", quality))?;
    let meanings = if quality.is_some() { QUALITY_MEANINGS } else { DOWNLOAD_MEANINGS };
    Ok(Call::get("get_download_url", path(id, "/download")?).query_if("quality", quality).meaning(meanings).redirect())
}

pub fn permissions(id: i64) -> Result<Request<Permissions>, InvalidArgument> {
    Ok(Call::get("get_media_permissions", path(id, "/permissions")?).at_root())
}

/// Changes the permissions of a media. POST is observed.
pub fn change_permissions(id: i64, changes: &[PermissionChange]) -> Result<Request<Permissions>, InvalidArgument> {
    Ok(change(id)?.permissions(Changes::checked(changes)?).meaning(MEANINGS).at_root())
}

/// Gives users and groups levels, whatever they have now.
pub fn set_permissions(id: i64, levels: Levels) -> Result<SetPermissions, InvalidArgument> {
    Ok(SetPermissions::new(levels, permissions(id)?, change(id)?))
}

fn change(id: i64) -> Result<Call, InvalidArgument> {
    Ok(Call::post("change_media_permissions", path(id, "/permissions")?))
}

fn path(id: i64, rest: &str) -> Result<String, InvalidArgument> {
    check::id("id", id).map(|id| format!("/media/{id}{rest}"))
}

/// Finds the launch URL in an undocumented answer: an object with a known key, or plain text.
fn embed_url(_: &Locator, answer: &Answer) -> Result<String, DecodeError> {
    let text = answer::json_text(answer)?.trim();
    let found = match read_json(text) {
        Ok(Value::String(url)) => Some(url),
        Ok(Value::Object(fields)) => {
            EMBED_URL_KEYS.iter().find_map(|key| fields.get(*key)).and_then(Value::as_str).map(str::to_owned)
        }
        Ok(_) => None,
        Err(_) => Some(text.to_owned()),
    };
    found
        .filter(|url| Url::parse(url).is_ok())
        .ok_or_else(|| DecodeError::new("the answer has no embed URL under any known key"))
}
