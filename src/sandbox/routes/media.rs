//! The Media page: operations on media.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::assumptions::PermissionBodies;
use super::super::files;
use super::super::lists::{Criteria, Period, Query};
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{Collection, Media, Permission, words};
use super::super::shapes::{self, Each, LaunchId, Paged};
use super::super::state::State;
use super::lookup;
use super::permissions::{apply, changes, changes_schema};

pub(super) fn operations(bodies: PermissionBodies) -> Vec<Operation> {
    let one = || shapes::wrapped("media", "MediaDetail");
    vec![
        Operation::get("/media/search", "searchMedia", "Search media by the given query parameters. If multiple options are provided, we will use a logical AND operation when searching!", search)
            .query("title", Kind::Text, "Substring of the media title you want to search for.")
            .query("min_size", Kind::Integer { least: 0 }, "Minimum size of the media in bytes.")
            .query("max_size", Kind::Integer { least: 0 }, "Maximum size of the media in bytes.")
            .query("start_date", Kind::Date, "Start of the creation date (inclusive). Format: YYYY-MM-DD.")
            .query("end_date", Kind::Date, "End of the creation date (inclusive). Format: YYYY-MM-DD.")
            .query("last_viewed_start_date", Kind::Date, "Start of the last viewed date (inclusive). Format: YYYY-MM-DD.")
            .query("last_viewed_end_date", Kind::Date, "End of the last viewed date (inclusive). Format: YYYY-MM-DD.")
            .query("last_viewed_by_student_start_date", Kind::Date, "Start of the last viewed by student date (inclusive). Format: YYYY-MM-DD.")
            .query("last_viewed_by_student_end_date", Kind::Date, "End of the last viewed by student date (inclusive). Format: YYYY-MM-DD.")
            .query("owner", Kind::Text, "Email address of the owner of the media.")
            .query("tag", Kind::Text, "The full name of the tag, you want to list media objects for.")
            .query("source", Kind::Word(words::SOURCES), "The source of the media you want to list media objects for.")
            .paged()
            .answers(200, "The list of media objects that matched the given query.", shapes::page("media", "Media"))
            .refuses(&[422]),
        Operation::get("/media/{media_id}", "getMedia", "Get data of a media", get)
            .answers(200, "The media object that was requested.", one())
            .refuses(&[403, 404]),
        Operation::delete("/media/{media_id}", "deleteMedia", "Deletes the specified media object and all related perspectives.", delete)
            .answers(200, "The media object that was deleted.", one())
            .refuses(&[403, 404]),
        Operation::post("/media/{media_id}/archive", "archiveMedia", "Archives the specified media object and all related perspectives.", archive)
            .answers(200, "The media object that was archived.", one())
            .refuses(&[403, 404]),
        Operation::post("/media/{media_id}/unarchive", "unarchiveMedia", "Unarchives the specified media object and all related perspectives.", unarchive)
            .query("collection_id", Kind::Id, "Move the media to this collection after unarchiving.")
            .answers(200, "The media object that was unarchived.", one())
            .refuses(&[403, 404]),
        Operation::get("/media/{media_id}/courses", "listMediaCourses", "Get a list of courses which contains the media", courses)
            .answers(200, "The list of courses that were requested.", shapes::list("courses", "Collection"))
            .refuses(&[403, 404, 422]),
        Operation::post("/media/{media_id}/create_embed", "createEmbed", "Adds a Media to a Course Collection for the given course_id. Returns the URL to LTI-launch the embedded media.", create_embed)
            .field("course_id", Kind::Id, "The id of the course in Canvas.")
            .required()
            .field("embed_type", Kind::Word(&["embed", "bare_embed"]), "The player with the tabs of the media, or the player alone.")
            .required()
            .field("downloadable", Kind::Flag, "Whether viewers may download the media.")
            .answers(200, "The URL to LTI-launch the embedded media.", json!({}))
            .refuses(&[403, 404, 422]),
        Operation::get("/media/{media_id}/download", "downloadMedia", "Download best or specified version of a media", download)
            .query("quality", Kind::Word(words::QUALITIES), "The quality the user wants to download")
            .answers(302, "Redirects to the URL from where the media can be downloaded. The URL is only valid for 24 hours.", None)
            .produces("text/html")
            .refuses(&[403, 404, 422]),
        Operation::get("/media/{media_id}/permissions", "getMediaPermissions", "Get users and groups the media is shared with directly", get_permissions)
            .answers(200, "List of users and groups extended with permission type.", shapes::permissions())
            .refuses(&[403, 404, 422]),
        Operation::post("/media/{media_id}/permissions", "changeMediaPermissions", "Add permissions to a media", change_permissions)
            .body(changes_schema(bodies))
            .answers(200, "Permissions were added, the updated list of permissions is returned.", shapes::permissions())
            .refuses(&[400, 403, 404, 422]),
        Operation::get("/media/{media_id}/perspectives", "listMediaPerspectives", "Get perspectives belonging to a media", perspectives)
            .answers(200, "List of perspectives extended with collection.", shapes::list("perspectives", "PerspectiveWithCollection"))
            .refuses(&[403, 404, 422]),
        Operation::get("/media/{media_id}/sources", "listMediaSources", "Get a media's sources by its id", sources)
            .answers(200, "The media sources that were requested.", shapes::list("sources", "MediaSource"))
            .refuses(&[403, 404]),
        Operation::get("/media/{media_id}/users", "listMediaUsers", "Get a list of users, who have access to the media", users)
            .query("min_permission", Kind::Word(Permission::WORDS), "Filter users by a minimum permission level. If provided, only users with this permission or higher will be returned.")
            .default("access")
            // Observed: the key is not `users`.
            .answers(200, "The users who have access to the media.", shapes::list("user_permissions", "UserWithPermission"))
            .refuses(&[403, 404, 422]),
    ]
}

fn search(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let text = |name| call.text(name).map(str::to_owned);
    let period = |start, end| Period { start: call.date(start), end: call.date(end) };
    let criteria = Criteria {
        title: text("title"),
        min_size: call.integer("min_size"),
        max_size: call.integer("max_size"),
        created: period("start_date", "end_date"),
        last_viewed: period("last_viewed_start_date", "last_viewed_end_date"),
        last_viewed_by_student: period("last_viewed_by_student_start_date", "last_viewed_by_student_end_date"),
        owner: text("owner"),
        tag: text("tag"),
        source: text("source"),
    };
    list(state, call, Query::Media(Box::new(criteria)))
}

/// Answers a page of media.
pub(super) fn list(state: &mut State, call: &Call<'_>, query: Query) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct List<T> {
        media: T,
    }
    call.page(state, query, |state, ids, meta| {
        let show = call.show(state);
        let found = ids.iter().filter_map(|id| state.media.get(id));
        Reply::json(200, &Paged { list: List { media: Each(found.map(|media| show.media(media))) }, meta })
    })
}

fn get(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    answer(state, call, lookup::media(state, call, Permission::Access)?)
}

fn delete(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = owned(state, call)?;
    let (id, reply) = (media.id, answer(state, call, media));
    state.delete_media(id);
    reply
}

fn archive(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = owned(state, call)?.id;
    state.archive_media(id, call.now, &call.studio.assumptions);
    answer(state, call, owned(state, call)?)
}

fn unarchive(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = owned(state, call)?.id;
    if let Some(collection) = call.integer("collection_id") {
        let collection = state.collection(call.caller, collection, Permission::Edit)?;
        if collection.archived {
            return Err(ErrorReply::not_found());
        }
    }
    state.unarchive_media(id, call.integer("collection_id"));
    answer(state, call, owned(state, call)?)
}

fn courses(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::Access)?;
    let show = call.show(state);
    let courses: Vec<_> = visible(state, call, media)
        .filter(|collection| *collection.kind == *words::COURSE)
        .map(|collection| show.collection(collection))
        .collect();
    Reply::json(200, &json!({"courses": courses}))
}

fn create_embed(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = lookup::media(state, call, Permission::Edit)?.id;
    let collection = state.course_collection(call.id("course_id")?)?;
    state.add_perspective(id, collection);
    let kind = call.text("embed_type").unwrap_or_default();
    let url = format!(
        "{}/lti/launch?custom_arc_launch_type={kind}&custom_arc_media_id={}&custom_arc_downloadable={}",
        call.studio.url,
        LaunchId(id),
        call.flag("downloadable"),
    );
    match &call.studio.assumptions.embed_url_key {
        Some(key) => Reply::json(200, &json!({key: url})),
        None => Reply::json(200, &url),
    }
}

fn download(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::Access)?;
    state.owns(call.caller, media.owner)?;
    if media.is_external() {
        return Err(ErrorReply::new(422, "The media is external"));
    }
    if *media.transcoding_status != *words::FINISHED {
        return Err(ErrorReply::new(404, "No version of the media was found"));
    }
    let quality = call.text("quality").unwrap_or(files::BEST);
    let url = files::signed_url(call.studio, media.id, quality, call.now);
    Ok(Reply::text(302, "text/html; charset=utf-8", "").header("location", url))
}

fn get_permissions(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::Edit)?;
    Reply::json(200, &call.show(state).permissions(&media.shares))
}

fn change_permissions(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::Edit)?;
    let (id, shares) = (media.id, media.shares.clone());
    let changes = changes(call)?;
    let (shares, error) = apply(state, shares, &changes, call);
    if let Some(media) = state.media.get_mut(&id) {
        media.shares = shares;
    }
    state.forget_lists();
    error?;
    get_permissions(state, call)
}

fn perspectives(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::Access)?;
    let show = call.show(state);
    let perspectives: Vec<_> =
        visible(state, call, media).map(|collection| show.perspective_with_collection(media, collection)).collect();
    Reply::json(200, &json!({"perspectives": perspectives}))
}

fn sources(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::View)?;
    let mut sources: Vec<Json> = Vec::new();
    if media.is_external() {
        let url = format!("https://{}.example/watch/{}", media.source, media.id);
        sources.push(json!({"url": url, "mime_type": format!("video/{}", media.source)}));
    } else if *media.transcoding_status == *words::FINISHED {
        let url = |version| files::signed_url(call.studio, media.id, version, call.now);
        sources.extend(
            words::QUALITIES
                .iter()
                .map(|quality| json!({"url": url(quality), "mime_type": "video/mp4", "definition": quality})),
        );
        let mut manifest = json!({"url": url(files::MANIFEST), "mime_type": "application/dash+xml"});
        // Playing needs the other sources; only callers that may download get this one. A guess.
        if let (Ok(()), Some(fields)) = (state.owns(call.caller, media.owner), manifest.as_object_mut()) {
            fields.insert("download_url".into(), url(files::BEST).into());
        }
        sources.push(manifest);
    }
    Reply::json(200, &json!({"sources": sources}))
}

fn users(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let media = lookup::media(state, call, Permission::View)?;
    let least = call.text("min_permission").and_then(Permission::from_word).unwrap_or(Permission::Access);
    let everyone = state.everyone_on(media, least);
    let users: Vec<_> = everyone.into_iter().map(|(user, permission)| shapes::user(user, Some(permission))).collect();
    Reply::json(200, &json!({"user_permissions": users}))
}

/// The collections of a media that the caller may see.
fn visible<'state>(
    state: &'state State,
    call: &Call<'_>,
    media: &'state Media,
) -> impl Iterator<Item = &'state Collection> {
    let caller = call.caller;
    let known = media.collections().filter_map(|id| state.collections.get(&id));
    known.filter(move |collection| !collection.archived && state.on_collection(caller, collection).is_some())
}

/// A media that the caller owns or administrates, archived or not.
fn owned<'state>(state: &'state State, call: &Call<'_>) -> Result<&'state Media, ErrorReply> {
    let media = state.media(call.caller, call.id("media_id")?, Permission::Access)?;
    state.owns(call.caller, media.owner)?;
    Ok(media)
}

fn answer(state: &State, call: &Call<'_>, media: &Media) -> Result<Reply, ErrorReply> {
    #[derive(Serialize)]
    struct One<'state> {
        media: shapes::Media<'state>,
    }
    Reply::json(200, &One { media: call.show(state).media_detail(media) })
}
