//! Uploads a folder, or rows of a table: many files at once, with a journal by which a run that was killed goes on.

mod caption;
mod folder_upload;
pub(super) mod hash;
mod history;
mod journal;
mod progress;
mod report;
mod rows;
mod run;
mod scan;

pub use folder_upload::{FolderUpload, MAX_JOBS};
pub use history::{CaptionKey, FileKey, History, Slot, Step, Unusable};
pub use journal::{JOURNAL, Journal};
pub use progress::TotalProgress;
pub use report::{FileResult, UploadReport};
pub use rows::{Row, RowsUpload};
