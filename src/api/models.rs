//! The objects of Studio's answers: every field but an id may be missing or null, and what is not documented is kept.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Number, Value};

/// Fields that nobody has documented, as they were sent.
pub type Extra = Map<String, Value>;

/// A text of Studio's that was found to be a date or a time; both the text and its meaning are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Dated<T> {
    text: String,
    value: T,
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
}

impl Readable for Date {
    const EXPECTED: &'static str = "a date such as \"2020-09-18\"";

    fn read(text: &str) -> Option<Self> {
        // The documentation says a plain date; a whole date and time is understood too.
        let in_utc = |moment| TimeZone::UTC.to_datetime(moment).date();
        let day: Self = text.parse().ok().or_else(|| jiff::Timestamp::read(text).map(in_utc))?;
        PYTHON_YEARS.contains(&day.year()).then_some(day)
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
pub trait Item: Serialize {
    /// What tells it from the others, if anything does.
    fn identity(&self) -> Option<Identity>;

    /// The documented fields, in the reference's order; empty if there is no type for it here.
    fn fields() -> Vec<&'static str> {
        Vec::new()
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

/// A list of the model's fields, written once: the struct, its documented field names, and its identity by id.
macro_rules! model {
    (
        $(#[$about:meta])*
        $name:ident by $id:ident: $id_type:ty;
        $($(#[$mark:meta])* $field:ident: $type:ty,)*
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
            fn identity(&self) -> Option<Identity> {
                Some(self.$id.clone().into())
            }

            fn fields() -> Vec<&'static str> {
                [stringify!($id), $(stringify!($field)),*].map(|field| field.trim_start_matches("r#")).to_vec()
            }
        }
    };
}

model! {
    /// The person to whom a collection or a media belongs.
    Owner by id: i64;
    full_name: String,
    display_name: String,
    /// Studio does not require one, so it can be missing. Inferred.
    email: String,
}

model! {
    /// A person and what they may do.
    User by id: i64;
    full_name: String,
    display_name: String,
    email: String,
    /// The values are not documented; `access`, `view` and `edit` are expected.
    permission: String,
}

model! {
    /// A group and what it may do.
    Group by id: i64;
    name: String,
    permission: String,
}

model! {
    /// A collection of media.
    Collection by id: i64;
    /// Null for some course collections. Observed.
    name: String,
    /// `user` and `course_wide` are known; others exist.
    r#type: String,
    permission: String,
    owner: Owner,
    created_at: Timestamp,
    /// The Canvas course, for a course collection.
    course_id: i64,
}

model! {
    /// A video or an audio recording.
    Media by id: i64;
    title: String,
    description: String,
    /// Seconds; the documentation's example shows a whole number, real ones have fractions.
    duration: f64,
    created_at: Timestamp,
    last_viewed: Day,
    last_viewed_by_student: Day,
    thumbnail_url: String,
    transcoding_status: String,
    owner: Owner,
    /// Bytes.
    size: i64,
    source: String,
    embed_id: String,
    lti_launch_id: String,
    /// Only when one media is asked for by its id.
    collection: Collection,
}

model! {
    /// A course that contains a media: its collection, so `id` is the collection's. The shape is inferred.
    Course by id: i64;
    name: String,
    r#type: String,
    permission: String,
    owner: Owner,
    created_at: Timestamp,
    /// The Canvas course.
    course_id: i64,
}

model! {
    /// A media as it is placed in a collection. `uuid` and `title` are observed, `collection` is documented in words.
    Perspective by uuid: String;
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
    fn identity(&self) -> Option<Identity> {
        None
    }

    fn fields() -> Vec<&'static str> {
        vec!["url", "mime_type", "definition", "download_url"]
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
        let media: Media = serde_json::from_str(r#"{"id": 1, "title": null}"#).unwrap();
        assert_eq!((media.id, media.title, media.owner), (1, None, None));
        assert!(serde_json::from_str::<Media>(r#"{"title": "no id"}"#).is_err());
    }

    #[test]
    fn what_nobody_has_documented_is_kept_as_it_was_sent() {
        let sent = r#"{"id":1,"title":"x","mood":{"b":[1.1,null],"a":13.700000000000001},"source":"not an enum"}"#;
        let media: Media = serde_json::from_str(sent).unwrap();
        assert_eq!(media.extra.get("mood").unwrap().to_string(), r#"{"b":[1.1,null],"a":13.700000000000001}"#);
        assert_eq!(media.source.as_deref(), Some("not an enum"));
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let size = |text: &str| serde_json::from_str::<Media>(&format!(r#"{{"id": 1, "size": {text}}}"#));
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
