//! What the reference leaves open, as switches: each says how the sandbox behaves where nobody outside knows.

use serde::Deserialize;

/// The bodies of a change of permissions that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PermissionBodies {
    /// The bare array. Documented in 2025.
    Array,
    /// The object with `permissions`. Typed by a client of 2026.
    Object,
    Both,
    /// Either is answered with 200, and changes nothing.
    Ignored,
}

/// Every one of these is a guess. What is assumed unless its user says otherwise stands in Python, where they see it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
pub(crate) struct Assumptions {
    /// Whether archived media and collections stay in the lists.
    pub(crate) archived_in_lists: bool,
    /// Whether an archived media or collection can still be asked for by its id; else it is 404.
    pub(crate) archived_readable: bool,
    /// Whether `per_page` above 50 is taken for 50; else it is 422.
    pub(crate) per_page_clamped: bool,
    /// Whether lists begin with the newest.
    pub(crate) newest_first: bool,
    /// Whether one change of permissions that cannot be made keeps the others of its batch from being made.
    pub(crate) batch_atomic: bool,
    /// Which body changes permissions.
    pub(crate) permission_bodies: PermissionBodies,
    /// Whether archiving, unarchiving and deleting a collection answer the collection; else an empty object.
    pub(crate) collection_changes_answer: bool,
    /// The key under which `create_embed` answers the URL; without one the answer is a JSON string.
    pub(crate) embed_url_key: Option<String>,
    /// Whether lists carry `meta`. Observed.
    pub(crate) list_meta: bool,
    /// Whether the storage host gives parts of files.
    pub(crate) range_honoured: bool,
    /// Whether the authorize page gives `state` back. That it did not is observed in 2024, that it does in 2026.
    pub(crate) state_echoed: bool,
    /// Whether a refresh ends the refresh token that was used. That a new one is given is observed.
    pub(crate) refresh_tokens_rotate: bool,
}
