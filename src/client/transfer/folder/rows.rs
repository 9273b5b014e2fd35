//! `upload_rows`: the rows of a table, each with a video and perhaps a caption, an owner and a collection.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use tokio::task::yield_now;

use super::caption::Caption;
use super::journal::JOURNAL;
use super::progress::TotalProgress;
use super::report::{FileResult, UploadReport};
use super::run::{Job, Run};
use super::upload::width;
use crate::api::media_upload::Destination;
use crate::api::{InvalidArgument, users};
use crate::client::error::Error;
use crate::client::send::Client;
use crate::client::transfer::media_upload::{FileToSend, MediaUpload};

/// A row of a table.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Where it stands, such as `line 3`.
    pub place: String,
    /// What is wrong with it already.
    pub faults: Vec<String>,
    pub video: Option<PathBuf>,
    pub caption: Option<PathBuf>,
    pub srclang: Option<String>,
    /// The e-mail address of the owner.
    pub owner: Option<String>,
    pub collection_id: Option<i64>,
    pub title: Option<String>,
    pub description: Option<String>,
}

/// Rows to upload.
#[derive(Debug, Clone)]
pub struct RowsUpload {
    rows: Vec<Row>,
    /// To which their paths are relative.
    folder: PathBuf,
    width: usize,
    journal: PathBuf,
    dry_run: bool,
}

/// A row that can be uploaded once its owner is known.
#[derive(Debug)]
struct Checked {
    video: PathBuf,
    relative: PathBuf,
    size: u64,
    caption: Option<Caption>,
    row: Row,
}

impl RowsUpload {
    /// Without a folder, the rows are no file, beside which the journal could be.
    pub fn new(
        rows: Vec<Row>,
        folder: Option<PathBuf>,
        jobs: i64,
        journal: Option<PathBuf>,
        dry_run: bool,
    ) -> Result<Self, InvalidArgument> {
        let missing = || {
            let expected = "is missing: only rows of a CSV file have a place for it, beside that file; give a path";
            InvalidArgument::new("journal", expected)
        };
        let journal = journal.or_else(|| Some(folder.as_ref()?.join(JOURNAL))).ok_or_else(missing)?;
        Ok(Self { rows, folder: folder.unwrap_or_default(), width: width(jobs)?, journal, dry_run })
    }

    /// Checks all rows. The error has all faults of all of them.
    async fn check(&self) -> Result<Vec<Checked>, Error> {
        let mut checked = Vec::new();
        let mut faults = Vec::new();
        let mut videos: HashMap<PathBuf, &str> = HashMap::new();
        for row in &self.rows {
            yield_now().await;
            let mut found = row.faults.clone();
            let caption = self.caption(row, &mut found);
            if let Some(video) = &row.video {
                let path = self.folder.join(video);
                let real = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                if let Some(first) = videos.insert(real, &row.place) {
                    found.push(format!("its video is that of {first}, too"));
                }
                match FileToSend::new(path.clone(), true).check() {
                    Ok(size) => {
                        let relative = path.strip_prefix(&self.folder).unwrap_or(&path).to_owned();
                        checked.push(Checked { video: path, relative, size, caption, row: row.clone() });
                    }
                    Err(error) => found.push(fault("video", &error)),
                }
            }
            if let Some(title) = &row.title
                && let Err(problem) = crate::api::check::text("title", title)
            {
                found.push(problem.to_string());
            }
            faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", row.place)));
        }
        if faults.is_empty() {
            return Ok(checked);
        }
        let expected = format!("cannot be uploaded, and nothing was sent: {}", faults.join("; "));
        Err(InvalidArgument::new("rows", expected).into())
    }

    fn caption(&self, row: &Row, faults: &mut Vec<String>) -> Option<Caption> {
        let path = self.folder.join(row.caption.as_ref()?);
        let Some(srclang) = &row.srclang else {
            faults.push("its caption needs srclang, the code of its language such as \"en\"".to_owned());
            return None;
        };
        let caption = Caption { path, srclang: srclang.clone() };
        // Whatever the media will be.
        if let Err(error) = caption.addition(1) {
            faults.push(fault("caption", &error));
        }
        Some(caption)
    }
}

/// Whether a search failed because of the address that was searched for.
fn is_of_the_address(error: &Error) -> bool {
    match error {
        Error::NotOneUser(_) | Error::InvalidArgument(_) => true,
        Error::Status(refusal) => matches!(refusal.status, 400 | 422),
        _ => false,
    }
}

/// What is wrong with a file of a row.
fn fault(column: &str, error: &Error) -> String {
    match error {
        Error::InvalidArgument(refusal) if refusal.argument == "srclang" => refusal.to_string(),
        Error::InvalidArgument(refusal) => format!("{column} {}", refusal.expected),
        Error::File { path, error } => format!("{column} cannot be read: {}: {error}", path.display()),
        other => format!("{column}: {other}"),
    }
}

impl Client {
    /// Uploads the rows of a table. All of them are checked before anything is sent. What fails for one row is in the
    /// report.
    pub async fn upload_rows(&self, upload: &RowsUpload, progress: &TotalProgress) -> Result<UploadReport, Error> {
        self.until_closed(Box::pin(self.upload_videos_of(upload, progress))).await
    }

    async fn upload_videos_of(&self, upload: &RowsUpload, progress: &TotalProgress) -> Result<UploadReport, Error> {
        let rows = upload.check().await?;
        let journal = self.journal(&upload.journal, upload.dry_run).await?;
        let owners = if upload.dry_run { HashMap::new() } else { self.find_owners(&rows).await? };
        let mut report = UploadReport { dry_run: upload.dry_run, ..UploadReport::default() };
        let mut jobs = Vec::new();
        for Checked { video, relative, size, caption, row } in rows {
            let user_id = match row.owner.as_ref().and_then(|owner| owners.get(owner)) {
                Some(Err(error)) => {
                    report.add(FileResult::of(video).failed(error.clone()));
                    continue;
                }
                Some(Ok(id)) => Some(*id),
                None => None,
            };
            let destination = Destination { collection_id: row.collection_id, user_id };
            let title = row.title.or_else(|| Some(video.file_stem()?.to_string_lossy().into_owned()));
            let media =
                MediaUpload::new(FileToSend::new(video.clone(), true), title, row.description, None, destination);
            match media {
                Ok(upload) => jobs.push(Job { path: video, relative, size, upload, destination, caption }),
                Err(error) => report.add(FileResult::of(video).failed(error.into())),
            }
        }
        let run = Run {
            client: self,
            journal: &journal,
            progress,
            jobs: &jobs,
            is_dry: upload.dry_run,
            is_one_destination: false,
        };
        run.report(report, upload.width, &upload.folder).await
    }

    /// The users with the e-mail addresses of rows, or why there is not one.
    async fn find_owners(&self, rows: &[Checked]) -> Result<HashMap<String, Result<i64, Error>>, Error> {
        let mut found = HashMap::new();
        for email in rows.iter().filter_map(|row| row.row.owner.as_ref()) {
            if found.contains_key(email) {
                continue;
            }
            let user = match users::find(email) {
                Ok(find) => self.find_user(&find).await.map(|user| user.id),
                Err(refusal) => Err(refusal.into()),
            };
            if let Err(error) = &user
                && !is_of_the_address(error)
            {
                return Err(error.clone());
            }
            found.insert(email.clone(), user);
        }
        Ok(found)
    }
}
