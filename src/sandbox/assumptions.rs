//! Assumptions about what the reference leaves open, as switches.

use serde::Deserialize;

/// The forms of the body that a permission change accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PermissionBodies {
    /// A bare array. Documented in 2025.
    Array,
    /// An object with `permissions`. Typed by a client of 2026.
    Object,
    Both,
    /// Both forms are answered with 200 and change nothing.
    Ignored,
}

/// Every assumption is a guess. The defaults are in Python, where users see them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
pub(crate) struct Assumptions {
    /// Whether archived media and collections stay in the lists.
    pub(crate) archived_in_lists: bool,
    /// Whether an archived media or collection can still be read by its id; otherwise 404.
    pub(crate) archived_readable: bool,
    /// Whether an archived media stays in its courses. Documented by the vendor's help: it does not.
    pub(crate) archive_keeps_courses: bool,
    /// Whether an archived media keeps its shares. Documented by the vendor's help: it does not.
    pub(crate) archive_keeps_shares: bool,
    /// Whether `per_page` above 50 counts as 50; otherwise 422.
    pub(crate) per_page_clamped: bool,
    /// Whether lists start with the newest item.
    pub(crate) newest_first: bool,
    /// Whether one failing permission change keeps the others of its batch from being made.
    pub(crate) batch_atomic: bool,
    /// The form of the body of a permission change.
    pub(crate) permission_bodies: PermissionBodies,
    /// Whether archiving, unarchiving and deleting a collection answer the collection; otherwise an empty object.
    pub(crate) collection_changes_answer: bool,
    /// The key of the URL in the answer of `create_embed`; without one the answer is a JSON string.
    pub(crate) embed_url_key: Option<String>,
    /// Whether the `url` of captions answers JSON; otherwise the file. Both are observed.
    pub(crate) caption_url_is_json: bool,
    /// Whether uploads that were not completed are listed and can be read, like media.
    pub(crate) uploads_in_lists: bool,
    /// Whether the account has automatic captions; if not, asking for them is 501. Documented.
    pub(crate) auto_captions: bool,
    /// Whether the account has an active captioning service; if not, its types are 404. Documented.
    pub(crate) captioning_service: bool,
    /// Whether lists have `meta`. Observed.
    pub(crate) list_meta: bool,
    /// Whether the storage host supports range requests.
    pub(crate) range_honoured: bool,
    /// Whether the authorize page returns `state`. Observed: it did not in 2024, and does in 2026.
    pub(crate) state_echoed: bool,
    /// Whether a refresh revokes the refresh token that was used. That a new one is issued is observed.
    pub(crate) refresh_tokens_rotate: bool,
    /// Whether media in answers have `last_viewed` and `last_viewed_by_student`. Documented for the search only.
    pub(crate) last_viewed_in_answers: bool,
    /// Whether a search by the last view brings what was never viewed, whatever the period.
    pub(crate) never_viewed_in_periods: bool,
}
