//! The Media Upload page: media from a URL, and uploads in three steps; the second goes to the storage host.

use std::time::Duration;

use serde_json::json;
use url::Url;

use super::super::files;
use super::super::operation::{Call, ErrorReply, Operation, Reply};
use super::super::parameters::Kind;
use super::super::records::{Archived, Media, Permission, Transcoding, Upload, words};
use super::super::shapes;
use super::super::state::State;
use super::super::transcoding::settle;
use super::lookup;

/// Bytes per second: the duration is guessed from the size, since nobody reads the file.
const BYTES_A_SECOND: u64 = 125_000;
/// The size of a media from a URL, which nobody fetches.
const SIZE_BEHIND_A_URL: u64 = 7_500_000;
/// The hosts of external media. Documented: YouTube and Vimeo; the names of their hosts are not.
const EXTERNAL_HOSTS: &[(&str, &str)] =
    &[("youtube.com", "youtube"), ("youtu.be", "youtube"), ("youtube-nocookie.com", "youtube"), ("vimeo.com", "vimeo")];

pub(super) fn operations() -> Vec<Operation> {
    let upload = json!({
        "type": "object",
        "required": ["id", "url"],
        "properties": {"id": {"type": "integer", "format": "int64"}, "url": {"type": "string"}},
    });
    vec![
        Operation::post(
            "/collections/{collection_id}/media",
            "createCollectionMedia",
            "Create a new media in a collection from a URL",
            create_in_collection,
        )
        .query("url", Kind::Url, "The URL of the media.")
        .required()
        .query("title", Kind::Text, "The title of the media. Required if it is not external.")
        .query("description", Kind::Text, "The description of the media.")
        .query("auto_caption", Kind::Flag, "Whether to make captions automatically.")
        .query("user_id", Kind::Id, "ID of the user to create the media on behalf of.")
        .query("is_external", Kind::Flag, "Whether it is a video of YouTube or Vimeo.")
        .answers(201, "The media that was created.", shapes::wrapped("media", "Media"))
        .refuses(&[403, 404, 422])
        .says_no(501, "Automatic captions are not enabled for the account."),
        // That it is 404 and 422 is inferred from the other operations of the page.
        Operation::post("/media", "createMedia", "Create a new media from a URL", create)
            .field("url", Kind::Url, "The URL of the media.")
            .required()
            .field("title", Kind::Text, "The title of the media. Required if it is not external.")
            .field("user_id", Kind::Id, "ID of the user into whose library it goes. Excludes collection_id.")
            .field("description", Kind::Text, "The description of the media.")
            .field("collection_id", Kind::Id, "ID of the collection that it goes into. Excludes user_id.")
            .field("auto_caption", Kind::Flag, "Whether to make captions automatically.")
            .field("is_external", Kind::Flag, "Whether it is a video of YouTube or Vimeo.")
            .answers(201, "The media that was created.", shapes::wrapped("media", "Media"))
            .refuses(&[403, 404, 422])
            .says_no(501, "Automatic captions are not enabled for the account."),
        Operation::post(
            "/media/uploads",
            "createUpload",
            "Start the upload of a media, and get the URL for its file",
            start,
        )
        .field("user_id", Kind::Id, "ID of the user to upload the media on behalf of.")
        // Undocumented; observed, also together with user_id.
        .query("collection_id", Kind::Id, "ID of the collection to upload the media into.")
        .answers(
            201,
            "The id of the media, and the URL to PUT its file to.",
            json!({
                "type": "object", "required": ["upload"], "properties": {"upload": upload},
            }),
        )
        .refuses(&[403, 404, 422]),
        Operation::post(
            "/media/uploads/{media_id}/complete",
            "completeUpload",
            "Complete the upload of a media",
            complete,
        )
        .field("title", Kind::Text, "The title of the media.")
        .required()
        .missing_is_400()
        .field("description", Kind::Text, "The description of the media.")
        .field("auto_caption", Kind::Flag, "Whether to make captions automatically.")
        .checked()
        .answers(200, "The media that was uploaded.", shapes::wrapped("media", "Media"))
        .refuses(&[403, 404, 409])
        .says_no(501, "Automatic captions are not enabled for the account."),
    ]
}

/// Starts an upload. That the caller needs edit rights on the collection is a guess.
fn start(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let owner = owner(state, call)?;
    let collection = match call.integer("collection_id") {
        Some(_) => lookup::collection(state, call, Permission::Edit)?.id,
        None => library(state, owner)?,
    };
    let id = state.new_id();
    state.uploads.insert(id, Upload { owner, collection, size: None });
    if call.studio.assumptions.uploads_in_lists {
        state.insert_media(Media { transcoding_status: words::INCOMPLETE.into(), ..new(id, owner, collection, call) });
    }
    let url = files::upload_url(call.studio, id, call.now);
    Reply::json(201, &json!({"upload": {"id": id, "url": url}}))
}

/// Completes an upload. Guesses: the media exists from now on, and one without a file cannot be transcoded.
fn complete(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let id = call.id("media_id")?;
    let Some(upload) = state.uploads.get(&id).copied() else {
        state.owns(call.caller, state.media.get(&id).ok_or_else(ErrorReply::not_found)?.owner)?;
        return Err(ErrorReply::new(409, "Conflict"));
    };
    state.owns(call.caller, upload.owner)?;
    check_captions(call)?;
    let home = Some(upload.collection).filter(|id| state.collections.contains_key(id));
    let home = home.map_or_else(|| library(state, upload.owner), Ok)?;
    let (size, file) = (upload.size.unwrap_or_default(), state.files.remove(&id));
    // Where uploads are listed, there is a media already.
    state.delete_media(id);
    state.uploads.remove(&id);
    state.files.extend(file.map(|file| (id, file)));
    state.insert_media(Media { size, ..new(id, upload.owner, home, call) });
    transcode(state, call, id, size);
    let media = state.media.get(&id).ok_or_else(ErrorReply::not_found)?;
    Reply::json(200, &json!({"media": call.show(state).media(media)}))
}

/// Creates a media from a URL in a collection. That the caller needs edit rights on it is a guess.
fn create_in_collection(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    let owner = owner(state, call)?;
    let collection = lookup::collection(state, call, Permission::Edit)?.id;
    from_url(state, call, owner, collection)
}

/// Creates a media from a URL.
fn create(state: &mut State, call: &Call<'_>) -> Result<Reply, ErrorReply> {
    // Documented: they exclude each other. The status is a guess.
    if call.integer("user_id").is_some() && call.integer("collection_id").is_some() {
        return Err(ErrorReply::new(422, "user_id and collection_id exclude each other"));
    }
    let owner = owner(state, call)?;
    let collection = match call.integer("collection_id") {
        Some(_) => lookup::collection(state, call, Permission::Edit)?.id,
        None => library(state, owner)?,
    };
    from_url(state, call, owner, collection)
}

/// Creates a media from a URL, which is not fetched.
fn from_url(state: &mut State, call: &Call<'_>, owner: u64, collection: u64) -> Result<Reply, ErrorReply> {
    let external = call.flag("is_external");
    let source = if external { Some(provider(call.text("url").unwrap_or_default())?) } else { None };
    // Documented as required; the status is a guess.
    if !external && call.text("title").is_none() {
        return Err(ErrorReply::new(422, "title is missing"));
    }
    check_captions(call)?;
    let id = state.new_id();
    let media = new(id, owner, collection, call);
    if let Some(source) = source {
        let title = call.text("title").unwrap_or("A video").into();
        let status = words::FINISHED.into();
        state.insert_media(Media { title, source: source.into(), transcoding_status: status, duration: 60.0, ..media });
    } else {
        state.insert_media(Media { size: SIZE_BEHIND_A_URL, ..media });
        transcode(state, call, id, SIZE_BEHIND_A_URL);
    }
    let media = state.media.get(&id).ok_or_else(ErrorReply::not_found)?;
    Reply::json(201, &json!({"media": call.show(state).media(media)}))
}

/// Whom a media is for: the user of `user_id`, whom only an administrator may name, or else the caller.
fn owner(state: &State, call: &Call<'_>) -> Result<u64, ErrorReply> {
    let owner = call.integer("user_id").unwrap_or(call.caller);
    if owner != call.caller && !state.is_admin(call.caller) {
        return Err(ErrorReply::new(403, "Forbidden"));
    }
    if state.users.contains_key(&owner) { Ok(owner) } else { Err(ErrorReply::not_found()) }
}

fn library(state: &State, user: u64) -> Result<u64, ErrorReply> {
    state.users.get(&user).map(|user| user.library).ok_or_else(ErrorReply::not_found)
}

/// The provider of an external media.
fn provider(url: &str) -> Result<&'static str, ErrorReply> {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let is_of = |name: &str| host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    let known = EXTERNAL_HOSTS.iter().find(|(name, _)| is_of(name)).map(|(_, provider)| *provider);
    known.ok_or_else(|| ErrorReply::new(422, "Invalid url is provided: external media are of YouTube or Vimeo"))
}

/// Checks that automatic captions are enabled, if they are asked for. Documented.
fn check_captions(call: &Call<'_>) -> Result<(), ErrorReply> {
    if call.flag("auto_caption") && !call.studio.assumptions.auto_captions {
        return Err(ErrorReply::new(501, "Automatic captions are not enabled for the account"));
    }
    Ok(())
}

/// A media with the title and description of the call, before its transcoding.
fn new(id: u64, owner: u64, collection: u64, call: &Call<'_>) -> Media {
    Media {
        id,
        title: call.text("title").unwrap_or_default().into(),
        description: call.text("description").map(Into::into),
        duration: 0.0,
        created_at: call.now,
        last_viewed: None,
        last_viewed_by_student: None,
        transcoding_status: words::QUEUED.into(),
        owner,
        size: 0,
        source: "upload".into(),
        collection,
        placed: Vec::new(),
        tags: Vec::new(),
        archived: Archived::No,
        archived_at: None,
        shares: Vec::new(),
        file: id,
    }
}

/// Starts the transcoding of a media: half of its time in the queue, half at work. A guess.
fn transcode(state: &mut State, call: &Call<'_>, id: u64, size: u64) {
    let time = call.studio.transcoding_time;
    let transcoding = Transcoding {
        starts: call.now.checked_add(time / 2).unwrap_or(call.now),
        ends: call.now.checked_add(time).unwrap_or(call.now),
        fails: size == 0 || call.fails_transcoding,
        auto_caption: call.flag("auto_caption"),
        duration: Duration::from_millis(size.saturating_mul(1000) / BYTES_A_SECOND).as_secs_f64(),
    };
    state.transcodings.insert(id, transcoding);
    // It has ended already if it takes no time.
    settle(state, call.now);
}
