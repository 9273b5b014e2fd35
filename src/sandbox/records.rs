//! The records of the sandbox: users, groups, collections, media, captions, and the words in their fields.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Words that Studio's documentation does not list. All are guesses, unless marked.
pub(crate) mod words {
    /// Observed.
    pub(crate) const FINISHED: &str = "transcoding_finished";
    pub(crate) const FAILED: &str = "transcoding_failed";
    pub(crate) const STARTED: &str = "transcoding_started";
    pub(crate) const QUEUED: &str = "transcoding_queued";
    pub(crate) const STATUSES: &[&str] = &[FINISHED, STARTED, QUEUED, FAILED];
    /// The status of an upload that was not completed, where it is listed.
    pub(crate) const INCOMPLETE: &str = "upload_started";
    pub(crate) const SOURCES: &[&str] = &["upload", "screen_capture", "webcam", "youtube", "vimeo"];
    /// Sources of which Studio has no file.
    pub(crate) const EXTERNAL: &[&str] = &["youtube", "vimeo"];
    /// A user's own library and a course's collection. Observed.
    pub(crate) const LIBRARY: &str = "user";
    pub(crate) const COURSE: &str = "course_wide";
    /// The type of a collection from `POST /collections`.
    pub(crate) const CUSTOM: &str = "custom";
    pub(crate) const GROUP: &str = "group";
    pub(crate) const FEATURED: &str = "featured_collection";
    /// The qualities of a download, best first.
    pub(crate) const QUALITIES: &[&str] = &["high", "medium", "low"];
}

/// A permission on a media or a collection. Each includes those before it. Documented for media.
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
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// May see and do everything.
    Admin,
    /// May here what a teacher may: 403 for an administrator of a part of a school is documented.
    SubaccountAdmin,
    Teacher,
    Student,
    Observer,
}

impl Role {
    /// The roles that can be searched for, in Studio's words. Typed by a public client.
    pub(crate) const WORDS: &[&str] = &["Admin", "Teacher", "Student", "Observer"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Admin, Self::Teacher, Self::Student, Self::Observer];
        Self::WORDS.iter().zip(all).find(|(own, _)| **own == word).map(|(_, role)| role)
    }

    /// Studio's word for it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::SubaccountAdmin => "Subaccount admin",
            Self::Teacher => "Teacher",
            Self::Student => "Student",
            Self::Observer => "Observer",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) full_name: Arc<str>,
    pub(crate) display_name: Arc<str>,
    /// What Studio holds as the e-mail address: it can be the login id of Canvas, and be the same for several users.
    /// Accounts without one exist. Documented.
    pub(crate) email: Option<Arc<str>>,
    /// What they may do.
    pub(crate) role: Role,
    /// The roles that they have besides, which allow nothing more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_roles: Vec<Role>,
    /// The user's groups.
    #[serde(default)]
    pub(crate) groups: Vec<u64>,
    /// The user's own library, a collection.
    pub(crate) library: u64,
}

impl User {
    /// All roles. That there can be several is documented.
    pub(crate) fn roles(&self) -> impl Iterator<Item = Role> {
        std::iter::once(self.role).chain(self.other_roles.iter().copied())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    /// The members who are managers, in order. A group without any is possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) managers: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShareType {
    User,
    Group,
}

/// A direct share with a user or a group.
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
    /// The id of the course in Canvas, unrelated to the collection's id.
    pub(crate) course_id: Option<u64>,
    #[serde(default)]
    pub(crate) archived: bool,
    /// When it was archived; unknown in snapshots of older versions.
    #[serde(default)]
    pub(crate) archived_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) shares: Vec<Share>,
}

/// Whether a media is archived, and how: unarchiving a collection restores only the media archived with it.
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
    /// The size of the best version, in bytes.
    pub(crate) size: u64,
    pub(crate) source: Arc<str>,
    /// Its home collection: it is deleted and archived with it.
    pub(crate) collection: u64,
    /// The other collections it was added to; each is a perspective.
    #[serde(default)]
    pub(crate) placed: Vec<u64>,
    #[serde(default)]
    pub(crate) tags: Vec<Arc<str>>,
    #[serde(default)]
    pub(crate) archived: Archived,
    /// When it was archived; unknown in snapshots of older versions.
    #[serde(default)]
    pub(crate) archived_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) shares: Vec<Share>,
    /// The seed of its file; media with the same seed have the same file.
    pub(crate) file: u64,
}

impl Media {
    pub(crate) fn is_external(&self) -> bool {
        words::EXTERNAL.contains(&&*self.source)
    }

    /// All its collections: one perspective each.
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
    /// The file as uploaded; without one it is generated on request.
    #[serde(default)]
    pub(crate) file: Option<Vec<u8>>,
}

/// A type of captions that the school's captioning service offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaptioningServiceType {
    pub(crate) id: u64,
    pub(crate) label: Box<str>,
    pub(crate) description: Box<str>,
    /// Whether a machine makes the captions.
    pub(crate) is_asr: bool,
    #[serde(default)]
    pub(crate) languages: Vec<Box<str>>,
}

/// What became of a request for captions. The words are documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RequestStatus {
    Requested,
    Processing,
    Fulfilled,
    Failed,
}

impl RequestStatus {
    /// What a captioning service can report.
    pub(crate) const REPORTED: &[&str] = &["processing", "fulfilled", "failed"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Processing, Self::Fulfilled, Self::Failed];
        Self::REPORTED.iter().zip(all).find(|(own, _)| **own == word).map(|(_, status)| status)
    }

    /// Whether it cannot change any more. Documented.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Failed)
    }
}

/// A request for captions that people make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaptionRequest {
    pub(crate) id: u64,
    pub(crate) media: u64,
    pub(crate) srclang: Box<str>,
    /// The key of the type of captions.
    pub(crate) service_type: Box<str>,
    pub(crate) status: RequestStatus,
    pub(crate) created_at: Timestamp,
    /// Why it failed.
    #[serde(default)]
    pub(crate) message: Option<Box<str>>,
}

/// An upload in progress: the media has an id, and its file may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) owner: u64,
    pub(crate) collection: u64,
    /// The size in bytes, once the file has arrived.
    pub(crate) size: Option<u64>,
}

/// What happens to a media after its upload.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transcoding {
    /// When a media leaves the queue, and when its transcoding ends.
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
    pub(crate) fails: bool,
    /// Whether captions are made at the end.
    pub(crate) auto_caption: bool,
    /// The duration, which is known at the end. Seconds.
    pub(crate) duration: f64,
}

/// The day of a timestamp, in UTC.
pub(crate) fn day(moment: Timestamp) -> Date {
    moment.to_zoned(jiff::tz::TimeZone::UTC).date()
}
