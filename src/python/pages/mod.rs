//! One file per page of Studio's reference: methods of `StudioClient`, object classes, and the methods of those.
//!
//! Beside them: `raw` (requests to any path), `folder_uploads` (many files), `streams` (files chunk by chunk), `value`
//! (what all object classes share) and `records` (the objects that are written in Python).

pub(crate) mod captions;
pub(crate) mod collections;
pub(crate) mod courses;
mod folder_uploads;
pub(crate) mod groups;
pub(crate) mod insights;
pub(crate) mod media;
pub(crate) mod media_upload;
mod ping;
mod professional_captioning;
pub(crate) mod raw;
pub(crate) mod records;
mod sharing;
pub(crate) mod streams;
mod tags;
mod transfer_media;
pub(crate) mod users;
pub(crate) mod value;
