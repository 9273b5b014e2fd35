//! The operations of Studio's API, one file per page of the vendor's reference. Each is a function that returns a request
//! as a value.
//!
//! Nothing here performs I/O or depends on Python.

pub mod answer;
pub mod captions;
pub mod check;
pub mod collections;
pub mod courses;
mod csv;
pub mod groups;
pub mod insights;
mod insights_csv;
pub mod item;
pub mod json;
pub mod media;
pub mod media_upload;
pub mod models;
pub mod multipart;
pub mod oauth;
pub mod permissions;
pub mod ping;
pub mod professional_captioning;
pub mod raw;
pub mod request;
pub mod sharing;
pub mod signed_url;
pub mod subtitles;
pub mod tags;
pub mod transfer_media;
pub mod users;
pub mod words;

pub use answer::{Answer, DecodeError, Locator};
pub use check::InvalidArgument;
pub use item::Page;
pub use multipart::Multipart;
pub use request::{Body, Call, Form, Request, RetrySafety, Target};
