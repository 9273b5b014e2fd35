//! The Media Upload page: a file becomes a media in three steps, of which Studio's API takes the first and the last. Or
//! Studio fetches the file from a URL.

use serde_json::Value;
use url::Url;

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
/// which is inferred. That of a 501 is the last, and applies only if automatic captions were asked for: [`meanings`].
const COMPLETE_MEANINGS: &[(u16, &str)] = &[
    (400, "Studio requires a title"),
    (404, "there is no such upload, or it is not visible to the token's user"),
    (409, "the upload was completed before: look at the media with get_media"),
    (
        501,
        "automatic captions are not enabled for this account, so the upload is not completed: complete it without \
         auto_caption; the file need not be sent again",
    ),
];
/// The hosts of external media. Documented: YouTube and Vimeo; the names of their hosts are a guess.
const EXTERNAL_HOSTS: &[&str] = &["youtube.com", "youtu.be", "youtube-nocookie.com", "vimeo.com"];
/// Meanings of a status when a media is made from a URL. Documented, but for that of an external media, which the vendor's
/// guide says of administrators in general, and for 404 and 422 of `POST /media`, which are inferred.
/// That of a 501 is the last.
const FROM_URL_MEANINGS: &[(u16, &str)] = &[
    (
        403,
        "the token's user may not create a media there; only an administrator may create one for another user, and an \
         administrator can forbid media of YouTube and Vimeo",
    ),
    (
        404,
        "there is no user with this user_id, or no collection with this collection_id; both are Studio's ids, not those \
         in Canvas",
    ),
    (501, "automatic captions are not enabled for this account: create the media without auto_caption"),
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

/// Meanings of a status, without that of a 501 if nobody asked for automatic captions: what it means then is unknown.
fn meanings(all: &'static [(u16, &'static str)], auto_caption: Option<bool>) -> &'static [(u16, &'static str)] {
    match all {
        [others @ .., (501, _)] if auto_caption != Some(true) => others,
        _ => all,
    }
}

/// What Studio is told about a file when its upload is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    title: String,
    description: Option<String>,
    auto_caption: Option<bool>,
}

impl Completion {
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

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
    let meanings = meanings(COMPLETE_MEANINGS, completion.auto_caption);
    Ok(call.json(Value::Object(body).to_string()).meaning(meanings).at_key("media"))
}

/// An upload needs an id that a media can have, and its URL. The key is observed.
fn upload_slot(_: &Locator, answer: &Answer) -> Result<UploadSlot, DecodeError> {
    let slot: UploadSlot = decode_at_key(&Locator::Key("upload".into()), answer)?;
    if check::id("id", slot.id).is_err() {
        let problem = format!("the upload has the id {}, which no media can have", slot.id);
        return Err(DecodeError { path: Some("upload.id".to_owned()), ..DecodeError::new(problem) });
    }
    if slot.url.is_none() {
        return Err(DecodeError::new("the upload has no http or https URL to send its file to"));
    }
    Ok(slot)
}

/// A media that Studio makes of what is behind a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromUrl {
    pub url: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub user_id: Option<i64>,
    pub auto_caption: Option<bool>,
    pub is_external: Option<bool>,
}

impl FromUrl {
    /// The pattern of the URL, and that a title is required of what is not external, are documented. No message quotes
    /// the URL, which may be a signed one.
    fn check(&self) -> Result<(), InvalidArgument> {
        let is_web = ["http://", "https://"].iter().any(|start| self.url.starts_with(start));
        let Some(url) = Url::parse(&self.url).ok().filter(|_| is_web) else {
            return Err(InvalidArgument::new("url", "must be a URL that begins with http:// or https://"));
        };
        if self.is_external.is_none() && is_at_provider(&url) {
            return Err(InvalidArgument::new(
                "is_external",
                "must be given for a URL of YouTube or Vimeo: True for a video that stays there, False for a file that \
                 Studio fetches",
            ));
        }
        match &self.title {
            Some(title) => check::text("title", title)?,
            None if self.is_external == Some(true) => {}
            None => {
                return Err(InvalidArgument::new(
                    "title",
                    "is missing: Studio requires it, unless is_external is True",
                ));
            }
        }
        self.user_id.map_or(Ok(()), |id| check::id("user_id", id).map(drop))
    }
}

fn is_at_provider(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_of = |name: &&str| host.strip_suffix(*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    EXTERNAL_HOSTS.iter().any(is_of)
}

/// Creates a media from a URL, in the library of its owner or in a collection. A JSON body is documented.
pub fn create_media(media: &FromUrl, collection_id: Option<i64>) -> Result<Request<Media>, InvalidArgument> {
    media.check()?;
    let collection_id = collection_id.map(|id| check::id("collection_id", id)).transpose()?;
    if media.user_id.is_some() && collection_id.is_some() {
        return Err(InvalidArgument::new(
            "user_id",
            "cannot be given with collection_id here, which Studio refuses: create_collection_media takes both",
        ));
    }
    let fields = [
        ("url", Some(Value::from(media.url.as_str()))),
        ("title", media.title.as_deref().map(Value::from)),
        ("description", media.description.as_deref().map(Value::from)),
        ("user_id", media.user_id.map(Value::from)),
        ("collection_id", collection_id.map(Value::from)),
        ("auto_caption", media.auto_caption.map(Value::from)),
        ("is_external", media.is_external.map(Value::from)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let call = Call::post("create_media", "/media").json(Value::Object(fields.collect()).to_string());
    Ok(call.meaning(meanings(FROM_URL_MEANINGS, media.auto_caption)).at_key("media"))
}

/// Creates a media from a URL in a collection. Documented: the parameters of this POST are in the query, and `user_id` may
/// be among them.
pub fn create_collection_media(collection_id: i64, media: &FromUrl) -> Result<Request<Media>, InvalidArgument> {
    let collection_id = check::id("collection_id", collection_id)?;
    media.check()?;
    let call = Call::post("create_collection_media", format!("/collections/{collection_id}/media"))
        .query("url", &media.url)
        .query_if("title", media.title.as_ref())
        .query_if("description", media.description.as_ref())
        .query_if("user_id", media.user_id)
        .query_if("auto_caption", media.auto_caption)
        .query_if("is_external", media.is_external);
    Ok(call.meaning(meanings(FROM_URL_MEANINGS, media.auto_caption)).at_key("media"))
}
