//! Downloads files, from Studio's redirect to a complete file or none; sends files to signed URLs.

mod download;
mod media_type;
mod ranges;
pub(super) mod transferred;
mod upload;

pub use download::Download;
pub use transferred::Transferred;
pub use upload::Upload;
