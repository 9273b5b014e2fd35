//! The Media page: the thirteen operations on media, as values.

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

/// The page prints no method for archiving a media; that of a collection is documented as POST. Inferred.
const ARCHIVE_METHOD: Method = Method::POST;
/// No page prints the method of unarchiving, neither for media nor for collections. Inferred.
const UNARCHIVE_METHOD: Method = Method::POST;
/// What `create_embed` can make. Documented.
pub const EMBED_TYPES: &[&str] = &["embed", "bare_embed"];
/// The levels of access to a media, lowest first. Documented.
pub const MIN_PERMISSIONS: &[&str] = &["access", "view", "edit"];
/// The keys under which the answer of `create_embed` may hold its URL; the first that is there is taken. `embed_url` is
/// observed, the others are guesses.
const EMBED_URL_KEYS: &[&str] = &["embed_url", "url", "launch_url", "lti_launch_url", "lti_url"];
/// What a status means where a media is put into a course. That Studio has to have met the course is observed.
const EMBED_MEANINGS: &[(u16, &str)] = &[(
    404,
    "there is no such media, or Studio has not met this course yet: somebody has to open Studio from the course in \
     Canvas once; course_id is the course's id in Canvas",
)];
/// What a 404 means where two ids are sent. Inferred.
const NO_MEDIA_OR_COLLECTION: &str =
    "there is no such media, or no such collection, or they are not visible to the token's user";
/// Why Studio gives no file with a 403. Documented.
const DOWNLOAD_DENIED: (u16, &str) = (403, "only the owner of a media or an administrator may download it");
/// What a status means where the best file of a media is asked for. Documented.
const DOWNLOAD_MEANINGS: &[(u16, &str)] = &[
    DOWNLOAD_DENIED,
    (404, "there is no such media"),
    (422, "the media is external (on YouTube or Vimeo), so Studio has no file of it, or the id is not valid"),
];
/// What a status means where a quality is asked for. Which one says that there is no such quality is unknown, so both do.
const QUALITY_MEANINGS: &[(u16, &str)] = &[
    DOWNLOAD_DENIED,
    (404, "there is no such media, or not in this quality: leave out quality to get the best that there is"),
    (422, "Studio did not accept this quality of this media: leave out quality to get the best that there is"),
];

/// What to search for; all that is given must hold.
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
    /// An enumeration whose words are not documented, so any word is sent.
    pub source: Option<String>,
}

/// Finds media; without any criterion, all that the caller may see.
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

/// Deletes it with all its perspectives.
pub fn delete(id: i64) -> Result<Request<Media>, InvalidArgument> {
    Ok(Call::delete("delete_media", path(id, "")?).at_key("media"))
}

/// Archives it with all its perspectives. The wrapper is inferred.
pub fn archive(id: i64) -> Result<Request<Media>, InvalidArgument> {
    Ok(Call::new("archive_media", ARCHIVE_METHOD, path(id, "/archive")?).at_key_or_root("media"))
}

/// The reverse, into `collection_id` if it is given; that this goes as query is inferred, and so is the wrapper.
pub fn unarchive(id: i64, collection_id: Option<i64>) -> Result<Request<Media>, InvalidArgument> {
    let collection_id = collection_id.map(|id| check::id("collection_id", id)).transpose()?;
    let call = Call::new("unarchive_media", UNARCHIVE_METHOD, path(id, "/unarchive")?)
        .query_if("collection_id", collection_id);
    let call = if collection_id.is_some() { call.meaning(&[(404, NO_MEDIA_OR_COLLECTION)]) } else { call };
    Ok(call.at_key_or_root("media"))
}

/// The key is observed; the page shows no paging.
pub fn courses(id: i64) -> Result<Request<Page<Course>>, InvalidArgument> {
    Ok(Call::get("list_media_courses", path(id, "/courses")?).page("courses"))
}

/// The key is observed; the page shows no paging.
pub fn perspectives(id: i64) -> Result<Request<Page<Perspective>>, InvalidArgument> {
    Ok(Call::get("list_media_perspectives", path(id, "/perspectives")?).page("perspectives"))
}

/// The key is observed; the page shows no paging.
pub fn sources(id: i64) -> Result<Request<Page<Source>>, InvalidArgument> {
    Ok(Call::get("list_media_sources", path(id, "/sources")?).page("sources"))
}

/// Everyone with access. That the key is `user_permissions` is observed, and so is the path.
pub fn users(id: i64, min_permission: &str) -> Result<Request<Page<User>>, InvalidArgument> {
    check::one_of("min_permission", min_permission, MIN_PERMISSIONS)?;
    Ok(Call::get("list_media_users", path(id, "/users")?)
        .query("min_permission", min_permission)
        .page("user_permissions"))
}

/// Adds the media to the collection of a course; the answer is the URL that launches it over LTI.
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
    // The page prints no method; POST is observed.
    let call = Call::post("create_embed", format!("/media/{media_id}/create_embed"));
    Ok(call.json(body.to_string()).meaning(EMBED_MEANINGS).custom(embed_url))
}

/// Where a file of the media can be read for 24 hours.
pub fn download_url(id: i64, quality: Option<&str>) -> Result<Request<Url>, InvalidArgument> {
    // An enumeration whose words are not documented, so any word is sent; left out, Studio takes the best.
    quality.map_or(Ok(()), |quality| check::text("quality", quality))?;
    let meanings = if quality.is_some() { QUALITY_MEANINGS } else { DOWNLOAD_MEANINGS };
    Ok(Call::get("get_download_url", path(id, "/download")?).query_if("quality", quality).meaning(meanings).redirect())
}

pub fn permissions(id: i64) -> Result<Request<Permissions>, InvalidArgument> {
    Ok(Call::get("get_media_permissions", path(id, "/permissions")?).at_root())
}

/// POST is observed.
pub fn change_permissions(id: i64, changes: &[PermissionChange]) -> Result<Request<Permissions>, InvalidArgument> {
    let call = Call::post("change_media_permissions", path(id, "/permissions")?);
    Ok(call.permissions(Changes::checked(changes)?).meaning(MEANINGS).at_root())
}

fn path(id: i64, rest: &str) -> Result<String, InvalidArgument> {
    check::id("id", id).map(|id| format!("/media/{id}{rest}"))
}

/// Finds the launch URL in an answer whose shape is not documented: an object that holds it under a known key, or a text.
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
        .ok_or_else(|| DecodeError::new("the answer holds no URL of the embed where one is known to stand"))
}
