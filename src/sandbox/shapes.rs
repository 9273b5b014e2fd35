//! The JSON of answers and its schemas: the sandbox's own reading of the reference.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::random::mix;
use super::records::{self, Permission, Role, Share, ShareType, User};
use super::state::State;
use super::studio::Studio;

#[derive(Debug, Serialize)]
pub(crate) struct UserRef<'state> {
    id: u64,
    full_name: &'state str,
    display_name: &'state str,
    email: Option<&'state str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_names: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<Permission>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Group<'state> {
    id: u64,
    name: &'state str,
    permission: Permission,
}

#[derive(Debug, Serialize)]
pub(crate) struct Collection<'state> {
    id: u64,
    name: Option<&'state str>,
    #[serde(rename = "type")]
    kind: &'state str,
    permission: Permission,
    owner: Option<UserRef<'state>>,
    #[serde(serialize_with = "as_whole_seconds")]
    created_at: Timestamp,
    course_id: Option<u64>,
    #[serde(serialize_with = "as_whole_seconds_if_any")]
    archived_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Media<'state> {
    id: u64,
    title: &'state str,
    description: Option<&'state str>,
    duration: f64,
    #[serde(serialize_with = "as_whole_seconds")]
    created_at: Timestamp,
    /// Null for what was never viewed; missing, like the next one, where answers lack them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "JSON tells null and nothing apart, too")]
    last_viewed: Option<Option<Date>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "JSON tells null and nothing apart, too")]
    last_viewed_by_student: Option<Option<Date>>,
    #[serde(serialize_with = "as_text")]
    thumbnail_url: Thumbnail<'state>,
    transcoding_status: &'state str,
    owner: Option<UserRef<'state>>,
    size: u64,
    source: &'state str,
    #[serde(serialize_with = "as_text")]
    embed_id: Uuid,
    #[serde(serialize_with = "as_text")]
    lti_launch_id: LaunchId,
    #[serde(serialize_with = "as_whole_seconds_if_any")]
    archived_at: Option<Timestamp>,
    /// Null for callers that may not see the collection; missing in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(clippy::option_option, reason = "JSON tells null and nothing apart, too")]
    collection: Option<Option<Collection<'state>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<Permission>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Perspective<'state> {
    #[serde(serialize_with = "as_text")]
    uuid: Uuid,
    title: &'state str,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<Collection<'state>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Permissions<'state> {
    users: Vec<UserRef<'state>>,
    groups: Vec<Group<'state>>,
}

/// A list that is serialized item by item, without an intermediate list.
#[derive(Debug)]
pub(crate) struct Each<I>(pub(crate) I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// `meta`, which comes with a list. Observed.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Meta {
    pub(crate) current_page: usize,
    pub(crate) last_page: usize,
    pub(crate) total_count: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Paged<T> {
    #[serde(flatten)]
    pub(crate) list: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<Meta>,
}

pub(crate) fn user(user: &User, permission: Option<Permission>) -> UserRef<'_> {
    UserRef {
        id: user.id,
        full_name: &user.full_name,
        display_name: &user.display_name,
        email: user.email.as_deref(),
        role_names: None,
        permission,
    }
}

/// A member of a group.
#[derive(Debug, Serialize)]
pub(crate) struct GroupUser<'state> {
    #[serde(flatten)]
    user: UserRef<'state>,
    permission: &'static str,
}

pub(crate) fn group_user<'state>(member: &'state User, permission: &'static str) -> GroupUser<'state> {
    GroupUser { user: user(member, None), permission }
}

/// A user with roles. The words of the roles are typed by a public client.
pub(crate) fn user_with_roles(one: &User) -> UserRef<'_> {
    UserRef { role_names: Some(one.roles().map(Role::title).collect()), ..user(one, None) }
}

/// The UUID of a media in a collection.
pub(crate) fn perspective_uuid(media: u64, collection: u64) -> Uuid {
    Uuid::of("perspective", media, collection)
}

/// A media in a collection.
pub(crate) fn perspective(media: &records::Media, collection: u64) -> Perspective<'_> {
    Perspective { uuid: perspective_uuid(media.id, collection), title: &media.title, collection: None }
}

/// Renders records for one caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show<'state> {
    pub(crate) state: &'state State,
    pub(crate) studio: &'state Studio,
    pub(crate) caller: u64,
}

impl<'state> Show<'state> {
    fn owner(self, id: u64) -> Option<UserRef<'state>> {
        self.state.users.get(&id).map(|owner| user(owner, None))
    }

    pub(crate) fn collection(self, collection: &'state records::Collection) -> Collection<'state> {
        Collection {
            id: collection.id,
            name: collection.name.as_deref(),
            kind: &collection.kind,
            permission: self.state.on_collection(self.caller, collection).unwrap_or(Permission::Access),
            owner: self.owner(collection.owner),
            created_at: collection.created_at,
            course_id: collection.course_id,
            archived_at: collection.archived_at,
        }
    }

    pub(crate) fn media(self, media: &'state records::Media) -> Media<'state> {
        let embed_id = Uuid::of("embed", media.id, 0);
        let with_views = self.studio.assumptions.last_viewed_in_answers;
        Media {
            id: media.id,
            title: &media.title,
            description: media.description.as_deref(),
            duration: media.duration,
            created_at: media.created_at,
            last_viewed: with_views.then_some(media.last_viewed),
            last_viewed_by_student: with_views.then_some(media.last_viewed_by_student),
            thumbnail_url: Thumbnail { base: &self.studio.storage_url, media: media.id },
            transcoding_status: &media.transcoding_status,
            owner: self.owner(media.owner),
            size: media.size,
            source: &media.source,
            embed_id,
            lti_launch_id: LaunchId(media.id),
            archived_at: media.archived_at,
            collection: None,
            permission: None,
        }
    }

    /// With its home collection, as in the answer for a single media.
    pub(crate) fn media_detail(self, media: &'state records::Media) -> Media<'state> {
        let home = self.state.collections.get(&media.collection);
        let home = home.filter(|home| self.state.on_collection(self.caller, home).is_some());
        Media { collection: Some(home.map(|home| self.collection(home))), ..self.media(media) }
    }

    /// With the caller's permission.
    pub(crate) fn media_with_permission(self, media: &'state records::Media) -> Media<'state> {
        Media { permission: self.state.on_media(self.caller, media), ..self.media(media) }
    }

    pub(crate) fn perspective_with_collection(
        self,
        media: &'state records::Media,
        collection: &'state records::Collection,
    ) -> Perspective<'state> {
        let shown = self.collection(collection);
        Perspective { collection: Some(shown), ..perspective(media, collection.id) }
    }

    pub(crate) fn permissions(self, shares: &'state [Share]) -> Permissions<'state> {
        let of = |kind| shares.iter().filter(move |share| share.share_type == kind);
        let users = of(ShareType::User)
            .filter_map(|share| Some(user(self.state.users.get(&share.id)?, Some(share.permission))));
        let groups = of(ShareType::Group).filter_map(|share| {
            let group = self.state.groups.get(&share.id)?;
            Some(Group { id: group.id, name: &group.name, permission: share.permission })
        });
        Permissions { users: users.collect(), groups: groups.collect() }
    }
}

/// A timestamp without fractions and with `Z`. Observed.
pub(crate) fn as_whole_seconds<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&whole_seconds(*moment))
}

pub(crate) fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// Null unless archived. Inferred.
#[expect(clippy::ref_option, reason = "serde calls it so")]
fn as_whole_seconds_if_any<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => as_whole_seconds(moment, serializer),
        None => serializer.serialize_none(),
    }
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// A UUID that is always the same for the same record, so it is not stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uuid(uuid::Uuid);

impl Uuid {
    pub(crate) fn of(kind: &str, first: u64, second: u64) -> Self {
        let seed = kind.bytes().fold(first, |seed, byte| mix(seed ^ u64::from(byte)));
        let (high, low) = (mix(seed ^ second), mix(mix(seed).wrapping_add(second)));
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl Display for Uuid {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// `{uuid}-{media id}`. Observed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaunchId(pub(crate) u64);

impl Display for LaunchId {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", Uuid::of("launch", self.0, 0), self.0)
    }
}

#[derive(Debug, Clone, Copy)]
struct Thumbnail<'state> {
    base: &'state str,
    media: u64,
}

impl Display for Thumbnail<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/thumbnails/{}.svg", self.base, self.media)
    }
}

/// The definitions of the Swagger description.
pub(crate) fn definitions() -> Json {
    let integer = json!({"type": "integer", "format": "int64"});
    let text = json!({"type": "string"});
    let nullable_text = json!({"type": "string", "x-nullable": true});
    let moment = json!({"type": "string", "format": "date-time"});
    let nullable_moment = json!({"type": "string", "format": "date-time", "x-nullable": true});
    let date = json!({"type": "string", "format": "date", "x-nullable": true});
    let permission = json!({"type": "string", "enum": Permission::WORDS});
    let user = json!({"id": integer, "full_name": text, "display_name": text, "email": nullable_text});
    let collection = json!({
        "id": integer, "name": nullable_text, "type": text, "permission": permission,
        "owner": {"$ref": "#/definitions/UserRef"}, "created_at": moment,
        "course_id": {"type": "integer", "format": "int64", "x-nullable": true}, "archived_at": nullable_moment,
    });
    let media = json!({
        "id": integer, "title": text, "description": nullable_text, "duration": {"type": "number"},
        "created_at": moment, "last_viewed": date, "last_viewed_by_student": date, "thumbnail_url": text,
        "transcoding_status": text, "owner": {"$ref": "#/definitions/UserRef"}, "size": integer, "source": text,
        "embed_id": text, "lti_launch_id": text, "archived_at": nullable_moment,
    });
    let home = json!({"x-nullable": true, "allOf": [{"$ref": "#/definitions/Collection"}]});
    let perspective = json!({"uuid": {"type": "string", "format": "uuid"}, "title": text});
    json!({
        "UserRef": object(&user),
        "User": object(&with(&user, "role_names", &json!({"type": "array", "items": text}))),
        "UserWithPermission": object(&with(&user, "permission", &permission)),
        "GroupWithPermission": object(&json!({"id": integer, "name": text, "permission": permission})),
        "Collection": object(&collection),
        "Media": object(&media),
        "MediaDetail": object(&with(&media, "collection", &home)),
        "MediaWithPermission": object(&with(&media, "permission", &permission)),
        "Perspective": object(&perspective),
        "PerspectiveWithCollection": object(&with(&perspective, "collection", &reference("Collection"))),
        "GroupUser": object(&with(&user, "permission", &text)),
        // The fields of a request for captions are guesses; of a type of captions, the description and the languages.
        "CaptionFileRequest": object(&json!({
            "id": integer, "media_id": integer, "srclang": text, "captioning_service_type_key": text,
            "provider": text, "status": text, "created_at": moment,
        })),
        "CaptioningServiceType": object(&json!({
            "id": integer, "key": text, "label": text, "description": text, "is_asr": {"type": "boolean"},
            "languages": {"type": "array", "items": text},
        })),
        "Tag": object(&json!({"id": integer, "name": text})),
        "CaptionFile": {
            "type": "object", "additionalProperties": false,
            "required": [
                "id", "srclang", "subtitle_format", "label", "status", "created_at", "provider",
                "is_empty", "number_of_errors",
            ],
            "properties": {
                "id": integer, "url": text, "srclang": text, "subtitle_format": text, "label": text, "status": text,
                "created_at": moment, "provider": text, "is_empty": {"type": "boolean"}, "number_of_errors": integer,
            },
        },
        "MediaSource": {
            "type": "object", "additionalProperties": false, "required": ["url", "mime_type"],
            "properties": {"url": text, "mime_type": text, "definition": text, "download_url": text},
        },
        "Meta": object(&json!({"current_page": integer, "last_page": integer, "total_count": integer})),
    })
}

/// Properties with one more.
fn with(properties: &Json, name: &str, schema: &Json) -> Json {
    let mut properties = properties.clone();
    properties.as_object_mut().into_iter().for_each(|fields| drop(fields.insert(name.to_owned(), schema.clone())));
    properties
}

/// An object with exactly these fields, all required.
fn object(properties: &Json) -> Json {
    let names: Vec<&String> = properties.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

/// A reference to a definition.
pub(crate) fn reference(definition: &str) -> Json {
    json!({"$ref": format!("#/definitions/{definition}")})
}

/// An object with one record under a key.
pub(crate) fn wrapped(key: &str, definition: &str) -> Json {
    json!({"type": "object", "required": [key], "properties": {key: reference(definition)}})
}

/// An object with a list under a key.
pub(crate) fn list(key: &str, definition: &str) -> Json {
    json!({
        "type": "object",
        "required": [key],
        "properties": {key: {"type": "array", "items": reference(definition)}},
    })
}

/// An object with a list under a key, and `meta`.
pub(crate) fn page(key: &str, definition: &str) -> Json {
    json!({
        "allOf": [
            list(key, definition),
            {"type": "object", "properties": {"meta": reference("Meta")}},
        ],
    })
}

/// The answer about permissions has no wrapper. Documented.
pub(crate) fn permissions() -> Json {
    json!({
        "type": "object",
        "required": ["users", "groups"],
        "properties": {
            "users": {"type": "array", "items": reference("UserWithPermission")},
            "groups": {"type": "array", "items": reference("GroupWithPermission")},
        },
    })
}
