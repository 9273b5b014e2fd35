//! The words of Studio's enumerations, one list for each. Type hints are made of them.

/// The types of embeds. Documented. Any other word is refused.
pub const EMBED_TYPES: &[&str] = &["embed", "bare_embed"];
/// The levels of access to a media, lowest first. Documented. Any other word is refused.
pub const MIN_PERMISSIONS: &[&str] = &["access", "view", "edit"];
/// The actions of a permission change. Documented. Any other word is refused.
pub const ACTIONS: &[&str] = &[CREATE, UPDATE, DESTROY];
pub const CREATE: &str = "create";
pub const UPDATE: &str = "update";
pub const DESTROY: &str = "destroy";
/// The targets of a share. Documented. Any other word is refused.
pub const SHARE_TYPES: &[&str] = &[USER, GROUP];
pub const USER: &str = "user";
pub const GROUP: &str = "group";
/// The actions of a change of a group's users. `add` and `update` are documented. Any word is sent.
pub const GROUP_ACTIONS: &[&str] = &[ADD, UPDATE, REMOVE];
pub const ADD: &str = "add";
/// The action that removes a user from a group. That there is one is documented, its word is a guess.
pub const REMOVE: &str = "remove";
/// What a user is in a group. `manager` is documented; that `member` is the other is inferred from the vendor's guide. Any
/// word is sent, and kept.
pub const GROUP_PERMISSIONS: &[&str] = &["manager", "member"];
/// The results of a request for captions. Documented. Any other word is refused.
pub const RESULTS: &[&str] = &["processing", "fulfilled", FAILED];
pub const FAILED: &str = "failed";
/// The levels that can be given to a user or a group, and that a group has. Typed by a client of 2026; `owner` comes back
/// too. Not all may be known, so any word is sent, and kept.
pub const LEVELS: &[&str] = &[DEFAULT_LEVEL, "edit"];
/// The level that Studio gives if none is named. Documented.
pub const DEFAULT_LEVEL: &str = "view";
/// The levels that nobody was given by a share: the owner has the one, and everybody who meets something in a course or a
/// collection the other. That they can stand in a list of permissions is inferred.
pub const NOT_SHARED: &[&str] = &["owner", "access"];
/// The level of an owner.
pub const OWNER: &str = "owner";
/// What a user may do with something, or the caller. `view`, `edit` and `owner` are typed by a client of 2026; that `access`
/// is among them is inferred from [`MIN_PERMISSIONS`]. Any other word is kept.
pub const PERMISSIONS: &[&str] = &["access", "view", "edit", "owner"];
/// The types of collections. `user` is documented, `course_wide` is observed; others exist, and are kept.
pub const COLLECTION_TYPES: &[&str] = &["user", "course_wide"];
/// The roles that users can be searched by. Typed by a client of 2026. That insights take the same ones is inferred. Not
/// all may be known, so any word is sent.
pub const ROLES: &[&str] = &["Admin", "Teacher", "Student", "Observer"];
/// The roles of a user. Typed by the same client. Any other word is kept.
pub const ROLE_NAMES: &[&str] = &["Admin", "Subaccount admin", "Teacher", "Student", "Observer"];
/// The processing states of a media. Observed; others exist, and are kept.
pub const TRANSCODING_STATUSES: &[&str] = &[TRANSCODING_FINISHED];
/// The processing state of a media that is ready. Observed.
pub const TRANSCODING_FINISHED: &str = "transcoding_finished";
/// The states of a caption. `published` and `uploaded` are observed, `unpublished` is another project's; others are kept.
pub const CAPTION_STATUSES: &[&str] = &["published", "uploaded", "unpublished"];
/// The makers of captions. Observed: machine-made ones are `notorious`. Any other word is kept.
pub const CAPTION_PROVIDERS: &[&str] = &["notorious"];
/// What stands in the processing state of a media that could not be transcoded. A guess.
pub const TRANSCODING_FAILED: &[&str] = &["fail", "error"];
/// The endings of the files that the vendor's guide names, and their media types. The endings are documented; of the media
/// types, that a `PUT` may have one is observed.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("flv", "video/x-flv"),
    ("asf", "video/x-ms-asf"),
    ("qt", "video/quicktime"),
    ("mov", "video/quicktime"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("avi", "video/x-msvideo"),
    ("m4v", "video/x-m4v"),
    ("wmv", "video/x-ms-wmv"),
    ("mp4", "video/mp4"),
    ("3gp", "video/3gpp"),
    ("mp3", "audio/mpeg"),
    ("wma", "audio/x-ms-wma"),
    ("wav", "audio/wav"),
];

/// The media type of a file with this ending, in lower case, if the vendor's guide names it.
pub fn media_type_of_ending(ending: &str) -> Option<&'static str> {
    MEDIA_TYPES.iter().find(|(known, _)| *known == ending).map(|(_, media_type)| *media_type)
}
