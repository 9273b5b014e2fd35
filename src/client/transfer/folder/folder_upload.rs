//! `upload_folder`: what is uploaded, and how.

use std::path::{Path, PathBuf};

use glob::Pattern;
use tokio::task::yield_now;

use super::journal::{JOURNAL, Journal};
use super::progress::TotalProgress;
use super::report::{FileResult, UploadReport};
use super::run::{Job, Run};
use super::scan::scan;
use crate::api::InvalidArgument;
use crate::api::media_upload::{self, Destination};
use crate::client::error::Error;
use crate::client::send::Client;
use crate::client::transfer::media_upload::{FileToSend, MediaUpload};

/// The most files that are uploaded at once.
pub const MAX_JOBS: i64 = 64;
/// How many files are looked at before others have their turn.
const AT_ONCE: usize = 64;

/// A folder to upload.
#[derive(Debug, Clone)]
pub struct FolderUpload {
    folder: PathBuf,
    pattern: Pattern,
    recursive: bool,
    destination: Destination,
    width: usize,
    journal: PathBuf,
    dry_run: bool,
}

impl FolderUpload {
    /// Checks the arguments, and not yet the files.
    pub fn new(
        folder: PathBuf,
        pattern: Option<&str>,
        recursive: bool,
        destination: Destination,
        jobs: i64,
        journal: Option<PathBuf>,
        dry_run: bool,
    ) -> Result<Self, InvalidArgument> {
        if !folder.is_dir() {
            let expected = format!("must be a folder; there is none at \"{}\"", folder.display());
            return Err(InvalidArgument::new("folder", expected));
        }
        let pattern = Pattern::new(pattern.unwrap_or("*")).map_err(|problem| {
            InvalidArgument::new("pattern", format!("is no pattern such as \"*.mp4\": {problem}"))
        })?;
        media_upload::create(destination)?;
        let width = width(jobs)?;
        let journal = journal.unwrap_or_else(|| folder.join(JOURNAL));
        Ok(Self { folder, pattern, recursive, destination, width, journal, dry_run })
    }
}

/// How many files are uploaded at once.
pub(super) fn width(jobs: i64) -> Result<usize, InvalidArgument> {
    let refuse = || InvalidArgument::new("jobs", format!("must be from 1 to {MAX_JOBS}, not {jobs}"));
    usize::try_from(jobs).ok().filter(|_| (1..=MAX_JOBS).contains(&jobs)).ok_or_else(refuse)
}

impl Client {
    /// Uploads the files of a folder. What fails for one file is in the report; what would fail for each is an error. When
    /// it ends, in whatever way, the journal knows what was done.
    pub async fn upload_folder(&self, upload: &FolderUpload, progress: &TotalProgress) -> Result<UploadReport, Error> {
        self.until_closed(Box::pin(self.upload_files_of(upload, progress))).await
    }

    async fn upload_files_of(&self, upload: &FolderUpload, progress: &TotalProgress) -> Result<UploadReport, Error> {
        let journal = self.journal(&upload.journal, upload.dry_run).await?;
        let found = scan(&upload.folder, &upload.pattern, upload.recursive, &upload.journal).await?;
        let result = |path: PathBuf| FileResult::of(upload.folder.join(path));
        let mut report = UploadReport { dry_run: upload.dry_run, ..UploadReport::default() };
        report.skipped.extend(found.skipped.into_iter().map(|(path, reason)| result(path).because(reason)));
        for (path, error) in found.failed {
            report.add(result(path).failed(error));
        }
        let mut jobs = Vec::new();
        for (index, relative) in found.files.into_iter().enumerate() {
            if index % AT_ONCE == 0 {
                yield_now().await;
            }
            let path = upload.folder.join(&relative);
            let file = FileToSend::new(path.clone(), true);
            if let Some(kind) = file.unknown_kind() {
                report.skipped.push(result(relative).because(format!("unknown kind: {kind}")));
                continue;
            }
            // The name need not be UTF-8.
            let title = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let prepared = file
                .check()
                .and_then(|size| Ok((size, MediaUpload::new(file, Some(title), None, None, upload.destination)?)));
            match prepared {
                Ok((size, media)) => {
                    jobs.push(Job {
                        path,
                        relative,
                        size,
                        upload: media,
                        destination: upload.destination,
                        caption: None,
                        row: None,
                    });
                }
                Err(error) => report.add(result(relative).failed(error)),
            }
        }
        let run = Run {
            client: self,
            journal: &journal,
            progress,
            jobs: &jobs,
            is_dry: upload.dry_run,
            is_one_destination: true,
        };
        run.report(report, upload.width, &upload.folder).await
    }

    /// The journal of a run.
    pub(super) async fn journal(&self, path: &Path, dry_run: bool) -> Result<Journal, Error> {
        let url = self.config.url();
        if dry_run { Journal::look(path, &url) } else { Journal::open(path, &url).await }
    }
}
