//! The objects of Studio's answers: every field but an id may be missing or null, and what is not documented is kept.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Number, Value};

use super::lazy::{Lazy, Model};
use super::request::Page;
use super::scan::{Field, Kind, Span, is_usual_day, is_usual_moment};

/// Fields that nobody has documented, as they were sent.
pub type Extra = Map<String, Value>;

/// A text of Studio's that was found to be a date or a time; both the text and its meaning are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Dated<T> {
    text: String,
    value: T,
}

impl<T: Readable> Dated<T> {
    /// What a text means, if it is a date or a time.
    pub fn of(text: String) -> Option<Self> {
        T::read(&text).map(|value| Self { text, value })
    }

    /// Whether a text is one.
    pub fn reads(text: &str) -> bool {
        T::is_usual(text) || T::read(text).is_some()
    }
}

/// A moment, such as `2020-09-18T14:27:40Z`.
pub type Timestamp = Dated<jiff::Timestamp>;
/// A calendar day, such as `2020-09-18`.
pub type Day = Dated<Date>;

impl<T: Copy> Dated<T> {
    pub fn value(&self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for Dated<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<T> Serialize for Dated<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The years that Python's dates have.
const PYTHON_YEARS: std::ops::RangeInclusive<i16> = 1..=9999;

/// What a [`Dated`] text can mean.
pub trait Readable: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;

    /// Whether a text is one for sure, in the form of the reference's examples.
    fn is_usual(text: &str) -> bool;
}

impl Readable for jiff::Timestamp {
    const EXPECTED: &'static str = "a date and time such as \"2020-09-18T14:27:40Z\"";

    fn read(text: &str) -> Option<Self> {
        // The documentation says UTC, so a text without an offset is taken as UTC. Inferred.
        let in_utc = |text: &str| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
        let moment: Self = match text.parse() {
            Ok(moment) => moment,
            Err(_) => in_utc(text.strip_suffix(" UTC").unwrap_or(text))?.timestamp(),
        };
        PYTHON_YEARS.contains(&TimeZone::UTC.to_datetime(moment).year()).then_some(moment)
    }

    fn is_usual(text: &str) -> bool {
        is_usual_moment(text.as_bytes())
    }
}

impl Readable for Date {
    const EXPECTED: &'static str = "a date such as \"2020-09-18\"";

    fn read(text: &str) -> Option<Self> {
        // The documentation says a plain date; a whole date and time is understood too.
        let in_utc = |moment| TimeZone::UTC.to_datetime(moment).date();
        let day: Self = text.parse().ok().or_else(|| jiff::Timestamp::read(text).map(in_utc))?;
        PYTHON_YEARS.contains(&day.year()).then_some(day)
    }

    fn is_usual(text: &str) -> bool {
        is_usual_day(text.as_bytes())
    }
}

impl<'de, T: Readable> Deserialize<'de> for Dated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(String::deserialize(deserializer)?)
    }
}

impl<T: Readable> Dated<T> {
    fn read<E: de::Error>(text: String) -> Result<Self, E> {
        match T::read(&text) {
            Some(value) => Ok(Self { text, value }),
            None => Err(E::invalid_value(de::Unexpected::Str(&text), &T::EXPECTED)),
        }
    }
}

/// What tells an item of a list from the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    Number(i64),
    Text(String),
}

impl From<i64> for Identity {
    fn from(id: i64) -> Self {
        Self::Number(id)
    }
}

impl From<String> for Identity {
    fn from(id: String) -> Self {
        Self::Text(id)
    }
}

/// An item of a list.
pub trait Item: Serialize + DeserializeOwned + Send + 'static {
    /// What it is called, where only its name can say what it is.
    const NAME: &'static str;
    /// The documented fields, in the reference's order; empty if there is no type for it here.
    const FIELDS: &'static [Field];

    /// What tells it from the others, if anything does.
    fn identity(&self) -> Option<Identity>;

    /// Reads a page in a quicker way than serde, if there is one, and if the page is plain.
    fn scan_page(_text: &str, _key: &str) -> Option<Page<Self>> {
        None
    }

    /// Likewise, a single one under its key.
    fn scan_under(_text: &str, _key: &str) -> Option<Self> {
        None
    }

    /// Its JSON text.
    fn json(&self) -> Cow<'_, str> {
        Cow::Owned(serde_json::to_string(self).unwrap_or_default())
    }

    /// Where in that text the documented fields are, if that is known, and whether there are others.
    fn spans(&self) -> Option<(&[Span], bool)> {
        None
    }
}

/// A value in a form that Studio might as well have sent.
trait Lenient: Sized {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error>;
}

fn lenient<'de, T: Lenient, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::lenient(deserializer)
}

/// Types that have one form only.
macro_rules! strict {
    ($($type:ty),*) => {
        $(impl Lenient for $type {
            fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
                Option::deserialize(deserializer)
            }
        })*
    };
}

strict!(String, f64, Owner, Collection);

/// A whole number from its JSON text.
pub fn lenient_whole(text: &str) -> Option<i64> {
    i64::lenient(&mut serde_json::Deserializer::from_str(text)).ok().flatten()
}

/// A whole number may be written as `1000000.0`.
impl Lenient for i64 {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
        match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Some(whole)),
            #[expect(clippy::cast_possible_truncation, reason = "it was found to be whole and small enough")]
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(Some(float as Self)),
            _ => Err(de::Error::custom(format!("{number} is not a whole number of 64 bits"))),
        }
    }
}

/// An empty text is no date.
impl<T: Readable> Lenient for Dated<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) if !text.is_empty() => Self::read(text).map(Some),
            _ => Ok(None),
        }
    }
}

/// What kind of field holds a type.
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
    f64: Kind::Number,
    Timestamp: Kind::Moment,
    Day: Kind::Day,
    Owner: Kind::Object(Owner::FIELDS),
    Collection: Kind::Object(Collection::FIELDS),
}

impl Documented for i64 {
    const KIND: Kind = Kind::Whole;
    const KIND_OF_ID: Kind = Kind::Id;
}

/// A list of the model's fields, written once: the struct, what its fields are called and hold, and its identity by id.
/// `as Word` marks what is one of a few words.
macro_rules! model {
    (
        $(#[$about:meta])*
        $name:ident ($shown:literal) by $id:ident: $id_type:ty;
        $($(#[$mark:meta])* $field:ident: $type:ty $(as $kind:ident)?,)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            pub $id: $id_type,
            $($(#[$mark])* #[serde(default, deserialize_with = "lenient")] pub $field: Option<$type>,)*
            #[serde(flatten)]
            pub extra: Extra,
        }

        impl Item for $name {
            const NAME: &'static str = $shown;
            const FIELDS: &'static [Field] = &[
                Field::new(stringify!($id), <$id_type>::KIND_OF_ID),
                $(Field::new(plain_name(stringify!($field)), model!(@kind $type $(, $kind)?)),)*
            ];

            fn identity(&self) -> Option<Identity> {
                Some(self.$id.clone().into())
            }
        }
    };
    (@kind $type:ty) => { <$type>::KIND };
    (@kind $type:ty, $kind:ident) => { Kind::$kind };
}

/// A name as JSON has it: Rust writes its own keywords in another way.
pub const fn plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Objects of which there are many, and of which only the text is kept.
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

impl<T: Model + Item> Item for Lazy<T> {
    const NAME: &'static str = T::NAME;
    const FIELDS: &'static [Field] = <T as Item>::FIELDS;

    fn identity(&self) -> Option<Identity> {
        Some(self.id().into())
    }

    fn scan_page(text: &str, key: &str) -> Option<Page<Self>> {
        Self::scan_page(text, key)
    }

    fn scan_under(text: &str, key: &str) -> Option<Self> {
        Self::scan_under(text, key)
    }

    fn json(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.text())
    }

    fn spans(&self) -> Option<(&[Span], bool)> {
        Some(self.spans())
    }
}

model! {
    /// The person to whom a collection or a media belongs.
    Owner ("Owner") by id: i64;
    full_name: String,
    display_name: String,
    /// Studio does not require one, so it can be missing. Inferred.
    email: String,
}

model! {
    /// A person and what they may do.
    User ("User") by id: i64;
    full_name: String,
    display_name: String,
    email: String,
    /// The values are not documented; `access`, `view` and `edit` are expected.
    permission: String as Word,
}

model! {
    /// A group and what it may do.
    Group ("Group") by id: i64;
    name: String,
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
    /// Seconds; the documentation's example shows a whole number, real ones have fractions.
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
    /// Typed by a client of 2026 from the vendor's portal. Null or missing unless the media is archived; inferred.
    archived_at: Timestamp,
    /// Only when one media is asked for by its id.
    collection: Collection,
}

model! {
    /// A course that contains a media: its collection, so `id` is the collection's. The shape is inferred.
    Course ("Course") by id: i64;
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
    /// A media as it is placed in a collection. `uuid` and `title` are observed, `collection` is documented in words.
    Perspective ("Perspective") by uuid: String;
    title: String,
    collection: Collection,
}

/// A file or a stream of a media. All of it is observed; the page documents no fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub mime_type: Option<String>,
    #[serde(default)]
    pub definition: Option<String>,
    #[serde(default)]
    pub download_url: Option<String>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl Item for Source {
    const NAME: &'static str = "Source";
    const FIELDS: &'static [Field] = &[
        Field::new("url", Kind::Text),
        Field::new("mime_type", Kind::Word),
        Field::new("definition", Kind::Word),
        Field::new("download_url", Kind::Text),
    ];

    fn identity(&self) -> Option<Identity> {
        None
    }
}

/// The people and groups that something is shared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permissions {
    #[serde(default, deserialize_with = "null_as_empty")]
    pub users: Vec<User>,
    #[serde(default, deserialize_with = "null_as_empty")]
    pub groups: Vec<Group>,
    #[serde(flatten)]
    pub extra: Extra,
}

fn null_as_empty<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An item of a list that has no type of its own here.
impl Item for Value {
    const NAME: &'static str = "";
    const FIELDS: &'static [Field] = &[];

    fn identity(&self) -> Option<Identity> {
        // Ids of different types of things may be the same.
        let kind = self.get("type").or_else(|| self.get("share_type")).and_then(Value::as_str).unwrap_or_default();
        match self.get("id").or_else(|| self.get("uuid"))? {
            Value::Number(id) => Some(Identity::Text(format!("{kind} {id}"))),
            Value::String(id) => Some(Identity::Text(format!("{kind} {id}"))),
            _ => None,
        }
    }
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
    fn a_whole_number_may_be_written_with_a_point() {
        let size = |text: &str| serde_json::from_str::<MediaFields>(&format!(r#"{{"id": 1, "size": {text}}}"#));
        assert_eq!(size("1000000.0").unwrap().size, Some(1_000_000));
        assert_eq!(size("null").unwrap().size, None);
        for (wrong, said) in [("1.5", "1.5 is not a whole number"), ("\"big\"", "invalid type: string \"big\"")] {
            assert!(size(wrong).unwrap_err().to_string().contains(said), "{wrong}");
        }
    }

    #[test]
    fn the_text_of_a_time_is_kept_beside_its_meaning() {
        for text in
            ["2020-09-18T14:27:40Z", "2020-09-18T14:27:40.000Z", "2020-09-18T16:27:40+02:00", "2020-09-18T14:27:40"]
        {
            let moment: Timestamp = serde_json::from_value(text.into()).unwrap();
            assert_eq!(moment.value().as_second(), 1_600_439_260, "{text}");
            assert_eq!(serde_json::to_value(&moment).unwrap(), Value::from(text));
        }
        assert!(serde_json::from_value::<Timestamp>("yesterday".into()).is_err());
    }

    #[test]
    fn a_day_may_come_as_a_moment() {
        for text in ["2020-09-18", "2020-09-18T14:27:40Z"] {
            let day: Day = serde_json::from_value(text.into()).unwrap();
            assert_eq!(day.value().to_string(), "2020-09-18");
        }
    }
}
