//! What the reference leaves open, as switches: each says how the sandbox behaves where nobody outside knows.

use serde::Deserialize;

/// Every one of these is a guess.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
pub struct Assumptions {
    /// Whether archived media and collections stay in the lists.
    pub archived_in_lists: bool,
    /// Whether an archived media or collection can still be asked for by its id; else it is 404.
    pub archived_readable: bool,
    /// Whether `per_page` above 50 is taken for 50; else it is 422.
    pub per_page_clamped: bool,
    /// Whether lists begin with the newest.
    pub newest_first: bool,
    /// Whether one change of permissions that cannot be made keeps the others of its batch from being made.
    pub batch_atomic: bool,
    /// Whether archiving, unarchiving and deleting a collection answer the collection; else an empty object.
    pub collection_changes_answer: bool,
    /// The key under which `create_embed` answers the URL; without one the answer is a JSON string.
    pub embed_url_key: Option<String>,
    /// Whether lists carry `meta`. Observed.
    pub list_meta: bool,
    /// Whether the storage host gives parts of files.
    pub range_honoured: bool,
    /// Whether the authorize page gives `state` back. That it does not is observed.
    pub state_echoed: bool,
    /// Whether a refresh ends the refresh token that was used. That a new one is given is observed.
    pub refresh_tokens_rotate: bool,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            archived_in_lists: false,
            archived_readable: true,
            per_page_clamped: false,
            newest_first: true,
            batch_atomic: true,
            collection_changes_answer: true,
            embed_url_key: None,
            list_meta: true,
            range_honoured: true,
            state_echoed: false,
            refresh_tokens_rotate: true,
        }
    }
}
