//! The records that the Studio in the box keeps: people, collections, media, captions, and the words in their fields.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The words that Studio's documentation never lists; all of them are guesses, but for those that name a source.
pub(crate) mod words {
    /// Observed.
    pub(crate) const FINISHED: &str = "transcoding_finished";
    pub(crate) const FAILED: &str = "transcoding_failed";
    pub(crate) const STATUSES: &[&str] = &[FINISHED, "transcoding_started", "transcoding_queued", FAILED];
    pub(crate) const SOURCES: &[&str] = &["upload", "screen_capture", "webcam", "youtube", "vimeo"];
    /// Of these Studio has no file.
    pub(crate) const EXTERNAL: &[&str] = &["youtube", "vimeo"];
    /// A user's own library and a course's collection. Observed.
    pub(crate) const LIBRARY: &str = "user";
    pub(crate) const COURSE: &str = "course_wide";
    /// What `POST /collections` makes.
    pub(crate) const CUSTOM: &str = "custom";
    pub(crate) const GROUP: &str = "group";
    pub(crate) const FEATURED: &str = "featured_collection";
    /// What a download can be asked for, best first.
    pub(crate) const QUALITIES: &[&str] = &["high", "medium", "low"];
}

/// What somebody may do with a media or a collection. Each includes those before it. Documented for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Permission {
    Access,
    View,
    Edit,
}

impl Permission {
    pub(crate) const WORDS: &[&str] = &["access", "view", "edit"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Access, Self::View, Self::Edit];
        Self::WORDS.iter().zip(all).find(|(own, _)| **own == word).map(|(_, permission)| permission)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Sees and may do everything.
    Admin,
    Teacher,
    Student,
}

impl Role {
    pub(crate) const WORDS: &[&str] = &["admin", "teacher", "student"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Admin, Self::Teacher, Self::Student];
        Self::WORDS.iter().zip(all).find(|(own, _)| **own == word).map(|(_, role)| role)
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Teacher => "Teacher",
            Self::Student => "Student",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) full_name: Arc<str>,
    pub(crate) display_name: Arc<str>,
    /// Accounts without an e-mail address exist. Documented.
    pub(crate) email: Option<Arc<str>>,
    pub(crate) role: Role,
    /// The groups the user is in.
    #[serde(default)]
    pub(crate) groups: Vec<u64>,
    /// The collection that is the user's own library.
    pub(crate) library: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShareType {
    User,
    Group,
}

/// That something is shared with a user or a group directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "it is the vendor's name")]
pub(crate) struct Share {
    pub(crate) share_type: ShareType,
    pub(crate) id: u64,
    pub(crate) permission: Permission,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Collection {
    pub(crate) id: u64,
    /// Null for some course collections. Observed.
    pub(crate) name: Option<Arc<str>>,
    #[serde(rename = "type")]
    pub(crate) kind: Arc<str>,
    pub(crate) owner: u64,
    pub(crate) created_at: Timestamp,
    /// The course in Canvas, whose id has nothing to do with that of the collection.
    pub(crate) course_id: Option<u64>,
    #[serde(default)]
    pub(crate) archived: bool,
    /// Since when; unknown in snapshots of older versions.
    #[serde(default)]
    pub(crate) archived_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) shares: Vec<Share>,
}

/// Whether something is archived, and by what: unarchiving a collection brings back what left with it, and only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Archived {
    #[default]
    No,
    ByItself,
    WithItsCollection,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) id: u64,
    pub(crate) title: Box<str>,
    #[serde(default)]
    pub(crate) description: Option<Box<str>>,
    /// Seconds.
    pub(crate) duration: f64,
    pub(crate) created_at: Timestamp,
    #[serde(default)]
    pub(crate) last_viewed: Option<Date>,
    #[serde(default)]
    pub(crate) last_viewed_by_student: Option<Date>,
    pub(crate) transcoding_status: Arc<str>,
    pub(crate) owner: u64,
    /// Bytes of the best version.
    pub(crate) size: u64,
    pub(crate) source: Arc<str>,
    /// The collection it lives in: with that it is deleted and archived.
    pub(crate) collection: u64,
    /// The collections it was put into besides, each of which is a perspective of it.
    #[serde(default)]
    pub(crate) placed: Vec<u64>,
    #[serde(default)]
    pub(crate) tags: Vec<Arc<str>>,
    #[serde(default)]
    pub(crate) archived: Archived,
    /// Since when; unknown in snapshots of older versions.
    #[serde(default)]
    pub(crate) archived_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) shares: Vec<Share>,
    /// What its file is made of; two media with the same are copies of one file.
    pub(crate) file: u64,
}

impl Media {
    pub(crate) fn is_external(&self) -> bool {
        words::EXTERNAL.contains(&&*self.source)
    }

    /// All collections it is in: one perspective for each.
    pub(crate) fn collections(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.collection).chain(self.placed.iter().copied())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caption {
    pub(crate) id: u64,
    pub(crate) srclang: Box<str>,
    pub(crate) label: Box<str>,
    pub(crate) subtitle_format: Box<str>,
    pub(crate) status: Box<str>,
    pub(crate) provider: Box<str>,
    pub(crate) created_at: Timestamp,
    /// The file as it was sent; one without is made up when it is read.
    #[serde(default)]
    pub(crate) file: Option<Vec<u8>>,
}

/// A media that is not there yet: its id is given, its file may have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) owner: u64,
    pub(crate) collection: u64,
    /// Bytes, once they came.
    pub(crate) size: Option<u64>,
}

/// The day of a moment, in UTC.
pub(crate) fn day(moment: Timestamp) -> Date {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}
