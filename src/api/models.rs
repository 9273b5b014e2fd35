//! The objects in Studio's answers. Any field but the id may be missing or null; undocumented fields are kept.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::insights_csv;
use super::item::{Extra, Identity, Item, ReadCsv};
use super::json::dates::{Day, Timestamp};
use super::json::fields::{Field, Kind, Span, field_index};
use super::json::lazy::{self, Lazy, Model, spans_and_extra};
use super::json::lenient::{Checked, Identifiable, Lenient, lenient_object, read_with_id, take};
use super::signed_url::SignedUrl;

/// The kind of a field that holds this type.
trait Documented {
    const KIND: Kind;
    const KIND_OF_ID: Kind = Self::KIND;
}

macro_rules! documented {
    ($($type:ty: $kind:expr,)*) => {
        $(impl Documented for $type {
            const KIND: Kind = $kind;
        })*
    };
}

documented! {
    String: Kind::Text,
    SignedUrl: Kind::Text,
    f64: Kind::Number,
    bool: Kind::Flag,
    Timestamp: Kind::Timestamp,
    Day: Kind::Day,
    Vec<String>: Kind::Words,
    Viewership: Kind::Numbers,
    Owner: Kind::Object(Owner::FIELDS),
    Collection: Kind::Object(Collection::FIELDS),
}

impl Documented for i64 {
    const KIND: Kind = Kind::Int;
    const KIND_OF_ID: Kind = Kind::Id;
}

/// Defines a model from one list of fields: the struct, its `FIELDS`, and its identity, which is an id or the content.
/// `as Word` marks a field with few distinct values. One with a name in parentheses holds the fields of a [`Lazy`] object
/// of that name; the others are records. `from` names what reads a list of them that comes as CSV.
macro_rules! model {
    (
        $(#[$about:meta])*
        $name:ident by content $(from $csv:path)?;
        $($(#[$mark:meta])* $field:ident: $type:ty $(as $kind:ident)?,)*
    ) => {
        model! { @struct $(#[$about])* $name {} $($(#[$mark])* $field: $type,)* }
        record! { $name { $($field: Option<$type>,)* } }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut extra = Extra::deserialize(deserializer)?;
                Ok(Self { $($field: take(&mut extra, plain_name(stringify!($field))),)* extra })
            }
        }

        impl Item for $name {
            type Check = Self;

            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [Field] = &[
                $(Field::new(plain_name(stringify!($field)), model!(@kind $type $(, $kind)?)),)*
            ];

            $(const READ_CSV: Option<ReadCsv> = Some($csv);)?

            fn identity(&self) -> Identity {
                Identity::of_content(self)
            }
        }
    };
    (
        $(#[$about:meta])*
        $name:ident by $id:ident: $id_type:ty;
        $($(#[$mark:meta])* $field:ident: $type:ty $(as $kind:ident)?,)*
    ) => {
        model! {
            $(#[$about])*
            $name (stringify!($name)) by $id: $id_type;
            $($(#[$mark])* $field: $type $(as $kind)?,)*
        }
        record! { $name { $id: $id_type, $($field: Option<$type>,)* } }
    };
    (
        $(#[$about:meta])*
        $name:ident ($shown:expr) by $id:ident: $id_type:ty;
        $($(#[$mark:meta])* $field:ident: $type:ty $(as $kind:ident)?,)*
    ) => {
        model! { @struct $(#[$about])* $name { $id: $id_type, } $($(#[$mark])* $field: $type,)* }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let ($id, mut extra) = read_with_id(stringify!($id), deserializer)?;
                Ok(Self { $id, $($field: take(&mut extra, plain_name(stringify!($field))),)* extra })
            }
        }

        impl Identifiable for $name {
            type Id = $id_type;
            const ID: &'static str = stringify!($id);
        }

        impl Item for $name {
            type Check = Checked<Self>;

            const NAME: &'static str = $shown;
            const FIELDS: &'static [Field] = &[
                Field::new(stringify!($id), <$id_type>::KIND_OF_ID),
                $(Field::new(plain_name(stringify!($field)), model!(@kind $type $(, $kind)?)),)*
            ];

            fn identity(&self) -> Identity {
                self.$id.clone().into()
            }
        }
    };
    (
        @struct $(#[$about:meta])* $name:ident { $($id:ident: $id_type:ty,)? }
        $($(#[$mark:meta])* $field:ident: $type:ty,)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct $name {
            $(pub $id: $id_type,)?
            $($(#[$mark])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
            #[serde(flatten)]
            pub extra: Extra,
        }
    };
    (@kind $type:ty) => { <$type>::KIND };
    (@kind $type:ty, $kind:ident) => { Kind::$kind };
}

/// A model that is handed out as a whole, field by field.
pub trait Record: Send + 'static {
    /// The name of its class.
    const CLASS: &'static str;
    const FIELD_NAMES: &'static [&'static str];
    /// The types of the documented fields: the first's, and those of the others.
    type Values;

    /// The values of the documented fields, and the undocumented fields.
    fn into_values(self) -> (Self::Values, Extra);
}

/// Makes a record of a model.
macro_rules! record {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        impl Record for $name {
            const CLASS: &'static str = stringify!($name);
            const FIELD_NAMES: &'static [&'static str] = &[$(plain_name(stringify!($field))),*];
            type Values = record!(@types $($type,)*);

            fn into_values(self) -> (Self::Values, Extra) {
                (record!(@values $(self.$field,)*), self.extra)
            }
        }
    };
    (@types) => { () };
    (@types $first:ty, $($rest:ty,)*) => { ($first, record!(@types $($rest,)*)) };
    (@values) => { () };
    (@values $first:expr, $($rest:expr,)*) => { ($first, record!(@values $($rest,)*)) };
}

/// The JSON name of a field: Rust writes `r#type` for a keyword.
pub const fn plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Defines objects that come in large numbers and are kept as JSON text.
macro_rules! lazily {
    ($($(#[$about:meta])* $name:ident of $fields:ident;)*) => {
        $(
            $(#[$about])*
            pub type $name = Lazy<$fields>;

            impl Model for $fields {
                const FIELDS: &'static [Field] = <Self as Item>::FIELDS;
                type Spans = [Span; <Self as Item>::FIELDS.len()];
            }
        )*
    };
}

lazily! {
    /// A collection of media.
    Collection of CollectionFields;
    /// A video or an audio recording.
    Media of MediaFields;
}

model! {
    /// The owner of a collection or a media.
    Owner by id: i64;
    full_name: String,
    display_name: String,
    /// May be missing, since Studio does not require one. Inferred.
    email: String,
}

impl lazy::Value<'_> for Option<Owner> {
    fn read(raw: Option<&str>) -> Self {
        let raw = raw?;
        let (spans, extra) = spans_and_extra(raw, Owner::FIELDS);
        let field = |name| spans.get(field_index(Owner::FIELDS, name)).and_then(|span| span.of(raw));
        let text = |name| field(name).and_then(lazy::text).map(Cow::into_owned);
        Some(Owner {
            id: lazy::whole(field("id")?)?,
            full_name: text("full_name"),
            display_name: text("display_name"),
            email: text("email"),
            extra,
        })
    }
}

impl Lenient for Owner {
    fn lenient(sent: &Value) -> Option<Self> {
        lenient_object(sent)
    }
}

impl Lenient for Collection {
    fn lenient(sent: &Value) -> Option<Self> {
        lenient_object(sent)
    }
}

model! {
    /// A user, with their permission or their roles.
    User by id: i64;
    full_name: String,
    display_name: String,
    /// May be missing, or hold the login id in Canvas. Observed.
    email: String,
    /// Only where something is shared. The values are not documented; `access`, `view` and `edit` are expected.
    permission: String as Word,
    /// Only on the User page. The field is documented, its values are not.
    role_names: Vec<String>,
}

model! {
    /// A group and its permission.
    Group by id: i64;
    name: String,
    permission: String as Word,
}

model! {
    /// A user of a group.
    GroupUser by id: i64;
    full_name: String,
    display_name: String,
    /// May be missing, or hold the login id in Canvas. Observed for users.
    email: String,
    /// What they are in the group. `manager` is documented.
    permission: String as Word,
}

model! {
    /// All fields of a collection.
    CollectionFields ("Collection") by id: i64;
    /// Null for some course collections. Observed.
    name: String,
    /// `user` and `course_wide` are known; others exist.
    r#type: String as Word,
    permission: String as Word,
    owner: Owner,
    created_at: Timestamp,
    /// The Canvas course, for a course collection.
    course_id: i64,
    /// Documented since September 2025. That it is null or missing unless the collection is archived is inferred.
    archived_at: Timestamp,
}

model! {
    /// All fields of a media.
    MediaFields ("Media") by id: i64;
    title: String,
    description: String,
    /// Seconds. The documented example is a whole number; real values have fractions.
    duration: f64,
    created_at: Timestamp,
    last_viewed: Day,
    last_viewed_by_student: Day,
    thumbnail_url: String,
    transcoding_status: String as Word,
    owner: Owner,
    /// Bytes.
    size: i64,
    source: String as Word,
    embed_id: String,
    lti_launch_id: String,
    /// Typed by a client of 2026 from the vendor's portal. Inferred: it is null or missing unless the media is archived.
    archived_at: Timestamp,
    /// What a user may do with it. Documented for the media of a user.
    permission: String as Word,
    /// Only in the answer for a single media.
    collection: Collection,
}

model! {
    /// A course that contains a media: `id` is the id of its collection. The fields are inferred.
    Course by id: i64;
    name: String,
    r#type: String as Word,
    permission: String as Word,
    owner: Owner,
    created_at: Timestamp,
    /// The Canvas course.
    course_id: i64,
    archived_at: Timestamp,
}

model! {
    /// A media in one of its collections. `uuid` and `title` are observed, `collection` is documented in words.
    Perspective by uuid: String;
    title: String,
    collection: Collection,
}

model! {
    /// A file or stream of a media. All fields are observed; the page documents none.
    Source by content;
    url: String,
    mime_type: String as Word,
    definition: String as Word,
    download_url: String,
}

model! {
    /// A caption of a media in one language: the vendor's `CaptionFile`.
    Caption by id: i64;
    /// May be relative, may lead to JSON, and is missing unless the caption is published. Observed.
    url: String,
    srclang: String as Word,
    subtitle_format: String as Word,
    label: String,
    status: String as Word,
    created_at: Timestamp,
    /// These three are not documented. Observed.
    provider: String as Word,
    is_empty: bool,
    number_of_errors: i64,
}

model! {
    /// A tag of a media.
    Tag by id: i64;
    name: String,
}

model! {
    /// A request for captions of a professional service: the vendor's `caption_file_request`. What is in one is unknown. That
    /// it has an id is inferred from the path of its update, the two words from the filters of the list.
    CaptionFileRequest by content;
    id: i64,
    provider: String as Word,
    status: String as Word,
}

model! {
    /// The type of a captioning service: the vendor's `captioning_service_type`. That it has a description and languages is
    /// inferred from what is sent to make one.
    CaptioningServiceType by id: i64;
    key: String,
    label: String,
    is_asr: bool,
    description: String,
    languages: Vec<String>,
}

model! {
    /// An upload that was created: the id that the media has once it is completed, and where its file is sent. Observed.
    UploadSlot by id: i64;
    url: SignedUrl,
}

model! {
    /// How much a user watched of a perspective: a row of a table. The columns are observed.
    InsightsUser by content from insights_csv::users;
    name: String,
    email: String,
    /// One or more. Documented.
    roles: Vec<String>,
    /// Percent.
    completion_rate: f64,
    viewership: Viewership,
}

model! {
    /// How much a perspective was watched in all. The rows are observed.
    InsightsOverview by content;
    views: i64,
    minutes_viewed: f64,
    unique_viewers: i64,
    viewership: Viewership,
    /// The table itself.
    csv: String,
}

/// Numbers of views by the part of a media, in the order of the table; null where the table has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Viewership(pub Extra);

impl Lenient for Viewership {
    fn lenient(sent: &Value) -> Option<Self> {
        let parts = sent.as_object()?;
        parts.values().all(|part| part.is_number() || part.is_null()).then(|| Self(parts.clone()))
    }
}

/// The users and groups that a collection or a media is shared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permissions {
    #[serde(default, deserialize_with = "null_as_empty")]
    pub users: Vec<User>,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub groups: Vec<Group>,
    #[serde(flatten)]
    pub extra: Extra,
}

record! { Permissions { users: Vec<User>, groups: Vec<Group>, } }

/// What a transfer of media left behind. Documented: both may be missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MediaTransfer {
    pub not_transferred_perspective_ids: Vec<String>,
    pub not_transferred_collection_ids: Vec<i64>,
    #[serde(flatten)]
    pub extra: Extra,
}

record! { MediaTransfer {
    not_transferred_perspective_ids: Vec<String>,
    not_transferred_collection_ids: Vec<i64>,
} }

/// A list that cannot be read stays as it was sent: the transfer has been made, so that must be told.
impl<'de> Deserialize<'de> for MediaTransfer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut extra = Extra::deserialize(deserializer)?;
        Ok(Self {
            not_transferred_perspective_ids: take(&mut extra, "not_transferred_perspective_ids").unwrap_or_default(),
            not_transferred_collection_ids: take(&mut extra, "not_transferred_collection_ids").unwrap_or_default(),
            extra,
        })
    }
}

fn null_as_empty<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_id_needs_to_be_there() {
        let media: MediaFields = serde_json::from_str(r#"{"id": 1, "title": null}"#).unwrap();
        assert_eq!((media.id, media.title, media.owner), (1, None, None));
        assert!(serde_json::from_str::<MediaFields>(r#"{"title": "no id"}"#).is_err());
    }

    #[test]
    fn what_nobody_has_documented_is_kept_as_it_was_sent() {
        let sent = r#"{"id":1,"title":"x","mood":{"b":[1.1,null],"a":13.700000000000001},"source":"not an enum"}"#;
        let media: MediaFields = serde_json::from_str(sent).unwrap();
        assert_eq!(media.extra.get("mood").unwrap().to_string(), r#"{"b":[1.1,null],"a":13.700000000000001}"#);
        assert_eq!(media.source.as_deref(), Some("not an enum"));
    }

    #[test]
    fn a_whole_number_may_be_written_in_other_ways() {
        let media =
            |text: &str| serde_json::from_str::<MediaFields>(&format!(r#"{{"id": 1, "size": {text}}}"#)).unwrap();
        for text in ["1000000", "1000000.0", "1e6", "\"1000000\""] {
            assert_eq!((media(text).size, media(text).extra.len()), (Some(1_000_000), 0), "{text}");
        }
        assert_eq!(media("null").size, None);
    }

    #[test]
    fn a_field_that_cannot_be_read_stays_as_it_was_sent() {
        for (name, text) in [
            ("title", "5"),
            ("title", r#"["a"]"#),
            ("duration", r#""long""#),
            ("duration", "1e+400"),
            ("size", "1.5"),
            ("size", "9223372036854775808"),
            ("size", "true"),
            ("created_at", r#""yesterday""#),
            ("created_at", "1600439260"),
            ("last_viewed", r#""0000-00-00""#),
            ("owner", "[]"),
            ("owner", r#"{"full_name":"x"}"#),
            ("collection", r#"{"id":"x"}"#),
        ] {
            let sent = format!(r#"{{"id":1,"{name}":{text}}}"#);
            let fields: MediaFields = serde_json::from_str(&sent).unwrap();
            assert_eq!(fields.extra.get(name).map(ToString::to_string).as_deref(), Some(text), "{name}");
            let media: Media = serde_json::from_str(&sent).unwrap();
            assert_eq!((media.text(), media.extra()), (sent.as_str(), fields.extra.clone()));
            assert_eq!(media.read_all().unwrap(), fields);
        }
    }

    #[test]
    fn an_id_must_be_there_and_be_read() {
        let id = |text: &str| serde_json::from_str::<Media>(&format!(r#"{{"id": {text}}}"#)).map(|media| media.id());
        for text in ["42", "42.0", "4.2e1", "\"42\""] {
            assert_eq!(id(text).ok(), Some(42), "{text}");
        }
        for text in ["null", "1.5", "\"x\"", "\"\"", "true", "[]", "{}", "9223372036854775808"] {
            assert!(id(text).unwrap_err().to_string().contains("expected a whole number of 64 bits"), "{text}");
        }
        let uuid =
            |text: &str| serde_json::from_str::<Perspective>(&format!(r#"{{"uuid": {text}}}"#)).map(|one| one.uuid);
        assert_eq!(
            (uuid("\"a-1\"").unwrap(), uuid("7").unwrap(), uuid("7.0").unwrap()),
            ("a-1".into(), "7".into(), "7".into())
        );
        assert!(uuid("null").is_err());
    }

    #[test]
    #[expect(unreachable_pub, reason = "the macros make public types")]
    fn the_id_of_an_object_may_be_a_text() {
        model! {
            ThingFields ("Thing") by uuid: String;
            title: String,
        }
        lazily! {
            Thing of ThingFields;
        }
        let thing = |text: &str| serde_json::from_str::<Thing>(text).unwrap();
        for text in [r#"{"uuid":"a-1","title":"x"}"#, r#"{"title":"x","uuid":"\u0061-1"}"#] {
            let thing = thing(text);
            assert_eq!((thing.id(), thing.identity()), ("a-1".to_owned(), Identity::Text("a-1".to_owned())), "{text}");
            let page = format!(r#"{{"things":[{text}]}}"#);
            assert_eq!(Thing::scan_page(&page, "things").unwrap().items, [thing]);
        }
        assert_eq!(thing(r#"{"uuid": 7}"#).identity(), Identity::Text("7".to_owned()));
        assert!(serde_json::from_str::<Thing>(r#"{"uuid": null}"#).is_err());
        assert_ne!(Identity::Text("7".to_owned()), Identity::Number(7));
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_counts() {
        let media: Media =
            serde_json::from_str(r#"{"id": 1, "title": "a", "x": 1, "id": 2, "title": "b", "x": 2}"#).unwrap();
        assert_eq!(media.text(), r#"{"id":2,"title":"b","x":2}"#);
    }

    #[test]
    fn the_text_of_a_time_is_kept_beside_its_meaning() {
        for text in ["2020-09-18T14:27:40Z", "2020-09-18T16:27:40+02:00", "2020-09-18 14:27:40 +0000"] {
            let media: MediaFields =
                serde_json::from_value(serde_json::json!({ "id": 1, "created_at": text })).unwrap();
            let moment = media.created_at.unwrap();
            assert_eq!(moment.value().as_microsecond(), Some(1_600_439_260_000_000), "{text}");
            assert_eq!(serde_json::to_value(&moment).unwrap(), Value::from(text));
        }
    }
}
