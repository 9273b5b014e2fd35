//! The Media Upload page: a file becomes a media in three steps, of which Studio's API takes the first and the last.

use super::answer::{Answer, DecodeError, Locator, decode_at_key};
use super::check::{self, InvalidArgument};
use super::models::{Media, UploadSlot};
use super::request::{Call, Request};

/// Meanings of a status when an upload is created. Documented, but for that of `collection_id`, which is inferred.
const CREATE_MEANINGS: &[(u16, &str)] = &[
    (403, "the token's user may not upload there; only an administrator may upload for another user"),
    (
        404,
        "there is no user with this user_id, or no collection with this collection_id; both are Studio's ids, not those \
         in Canvas",
    ),
];
/// Meanings of a status when an upload is completed. Documented, but for what has happened to the media after a 501,
/// which is inferred.
const COMPLETE_MEANINGS: &[(u16, &str)] = &[
    (400, "Studio requires a title"),
    (404, "there is no such upload, or it is not visible to the token's user"),
    (409, "the upload was completed before: get_media has the media"),
    (
        501,
        "automatic captions are not enabled for this account, so the upload is not completed: complete it without \
         auto_caption; the file need not be sent again",
    ),
];

/// Where a media is going to be: neither of them is the caller's own library. That both may be given is observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Destination {
    pub collection_id: Option<i64>,
    pub user_id: Option<i64>,
}

/// Creates an upload: an id for the media, and a signed URL for its file. `user_id` is documented as a field of the body,
/// and observed as a query parameter, as is `collection_id`.
pub fn create(destination: Destination) -> Result<Request<UploadSlot>, InvalidArgument> {
    let collection_id = destination.collection_id.map(|id| check::id("collection_id", id)).transpose()?;
    let user_id = destination.user_id.map(|id| check::id("user_id", id)).transpose()?;
    let call = Call::post("create_upload", "/media/uploads")
        .query_if("user_id", user_id)
        .query_if("collection_id", collection_id)
        .meaning(CREATE_MEANINGS);
    Ok(call.custom(upload_slot))
}

/// What Studio is told about a file when its upload is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    title: String,
    description: Option<String>,
    auto_caption: Option<bool>,
}

impl Completion {
    /// Studio requires a title. Typed by a client of 2026 from the vendor's portal.
    pub fn new(
        title: String,
        description: Option<String>,
        auto_caption: Option<bool>,
    ) -> Result<Self, InvalidArgument> {
        check::text("title", &title)?;
        Ok(Self { title, description, auto_caption })
    }

    pub fn title(&self) -> &str {
        &self.title
    }
}

/// Completes an upload whose file was sent. A JSON body is documented. A second completion is a 409, so that a repeated
/// one makes no second media.
pub fn complete(media_id: i64, completion: &Completion) -> Result<Request<Media>, InvalidArgument> {
    let media_id = check::id("media_id", media_id)?;
    let mut body = serde_json::Map::from_iter([("title".to_owned(), completion.title.as_str().into())]);
    if let Some(description) = &completion.description {
        body.insert("description".into(), description.as_str().into());
    }
    if let Some(auto_caption) = completion.auto_caption {
        body.insert("auto_caption".into(), auto_caption.into());
    }
    let call = Call::post("complete_upload", format!("/media/uploads/{media_id}/complete"));
    Ok(call.json(serde_json::Value::Object(body).to_string()).meaning(COMPLETE_MEANINGS).at_key("media"))
}

/// An upload needs its URL. The key is observed.
fn upload_slot(_: &Locator, answer: &Answer) -> Result<UploadSlot, DecodeError> {
    let slot: UploadSlot = decode_at_key(&Locator::Key("upload".into()), answer)?;
    if slot.url.is_none() {
        return Err(DecodeError::new("the upload has no http or https URL to send its file to"));
    }
    Ok(slot)
}
