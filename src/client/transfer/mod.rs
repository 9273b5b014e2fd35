//! Downloads files: from Studio's redirect to a complete file or none.

mod download;
mod media_type;
mod ranges;
pub(super) mod transferred;

pub use download::Download;
pub use transferred::Transferred;
