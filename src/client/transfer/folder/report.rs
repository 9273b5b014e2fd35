//! What an upload of many files has come to.

use std::path::{Path, PathBuf};

use super::history::{History, Slot, Step};
use super::scan::natural;
use crate::client::error::Error;

/// What happened to one file, or of an upload that was never completed.
#[derive(Debug, Clone)]
pub struct FileResult {
    pub path: PathBuf,
    pub media_id: Option<i64>,
    /// Why. What comes before a colon is the same for all files with that reason.
    pub reason: Option<String>,
    pub error: Option<Error>,
    /// Where its row stands, such as `line 3`.
    pub row: Option<String>,
}

/// Where a file belongs in the report.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Done(FileResult),
    Skipped(FileResult),
    Failed(FileResult),
}

/// What happened to all files. Each list is in the order of the paths.
#[derive(Debug, Clone, Default)]
pub struct UploadReport {
    /// The files whose upload was completed in this run.
    pub done: Vec<FileResult>,
    /// What was not to be uploaded, or was uploaded already.
    pub skipped: Vec<FileResult>,
    pub failed: Vec<FileResult>,
    /// The uploads of this run and of earlier ones that were never completed, as far as the journal knows.
    pub unfinished: Vec<FileResult>,
    /// Nothing was sent: `done` has what would be.
    pub dry_run: bool,
}

impl FileResult {
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, media_id: None, reason: None, error: None, row: None }
    }

    pub(super) fn in_row(mut self, row: impl Into<String>) -> Self {
        self.row = Some(row.into());
        self
    }

    pub(super) fn media(mut self, id: i64) -> Self {
        self.media_id = Some(id);
        self
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    pub(super) fn failed(mut self, error: Error) -> Outcome {
        if let Error::Upload { media_id, .. } = &error {
            self.media_id = Some(*media_id);
        }
        self.error = Some(error);
        Outcome::Failed(self)
    }
}

impl UploadReport {
    pub(super) fn add(&mut self, outcome: Outcome) {
        let (list, result) = match outcome {
            Outcome::Done(result) => (&mut self.done, result),
            Outcome::Skipped(result) => (&mut self.skipped, result),
            Outcome::Failed(result) => (&mut self.failed, result),
        };
        list.push(result);
    }

    /// Lists the uploads that were never completed, and sorts everything.
    pub(super) fn finish(mut self, folder: &Path, history: &History) -> Self {
        self.unfinished = history.unfinished().map(|slot| unfinished(folder, history, slot)).collect();
        for list in [&mut self.done, &mut self.skipped, &mut self.failed, &mut self.unfinished] {
            list.sort_by(|one, other| natural(&one.path, &other.path).then(one.media_id.cmp(&other.media_id)));
        }
        self
    }
}

fn unfinished(folder: &Path, history: &History, slot: &Slot) -> FileResult {
    let result = FileResult::of(folder.join(&slot.file.path)).media(slot.media_id);
    match history.of_content(&slot.file.sha256) {
        Some(other) if other.media_id != slot.media_id => {
            result.because(format!("replaced: the file was sent as media {}", other.media_id))
        }
        _ if slot.step == Step::Sent => result.because("sent: the next run with this file completes it"),
        _ => result.because("not sent: the next run with this file begins a new upload"),
    }
}
