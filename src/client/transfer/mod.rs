//! Downloads files: from Studio's redirect to a complete file or none.

mod download;
mod media_type;
mod ranges;

pub use download::{Download, Transferred};
