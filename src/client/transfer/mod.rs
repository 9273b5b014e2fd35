//! Downloads files, from Studio's redirect to a complete file or none; uploads files in three steps, and many of them from
//! a folder or a table (`folder/`).

mod chunks;
mod disk;
mod download;
pub mod folder;
mod media_type;
mod media_upload;
mod part_file;
mod part_record;
mod ranges;
mod save;
mod stream;
pub(super) mod transferred;
mod upload;

pub use chunks::WritesBytes;
pub use download::{Download, Limits, Saved, Target};
pub use media_upload::{FileToSend, MediaUpload, UploadStep, UploadSteps};
pub use save::Save;
pub use stream::ByteStream;
pub use transferred::Transferred;
pub use upload::Upload;
