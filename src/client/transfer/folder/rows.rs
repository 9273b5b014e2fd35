//! `upload_rows`: the rows of a table, each with a video and perhaps a caption, an owner and a collection.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use tokio::task::yield_now;

use super::caption::Caption;
use super::folder_upload::width;
use super::journal::JOURNAL;
use super::progress::TotalProgress;
use super::report::{FileResult, UploadReport};
use super::run::{Job, Run, why_refused};
use crate::api::media_upload::Destination;
use crate::api::{InvalidArgument, collections, users};
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
    /// The e-mail address of the owner, or their Studio id.
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
                    found.push(format!("the same video as in {first}"));
                }
                let file = FileToSend::new(path.clone(), true);
                if let Some(kind) = file.unknown_kind() {
                    let kind = if kind.is_empty() { "no ending".to_owned() } else { format!("the ending {kind:?}") };
                    found.push(format!(
                        "video has {kind}, which the vendor's guide does not name, so Studio may not transcode it: {}; \
                         upload_media sends it",
                        path.display()
                    ));
                }
                match file.check() {
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
        // A message has no line breaks.
        let numbered = |(index, fault)| format!("({}) {fault}", index + 1);
        let faults: Vec<String> = faults.iter().enumerate().map(numbered).collect();
        let expected = format!("cannot be uploaded, and nothing was sent: {}", faults.join("; "));
        Err(InvalidArgument::new("rows", expected).into())
    }

    fn caption(&self, row: &Row, faults: &mut Vec<String>) -> Option<Caption> {
        let Some(path) = &row.caption else {
            if row.srclang.is_some() {
                faults.push("it has srclang, but no caption: give a caption, or leave srclang empty".to_owned());
            }
            return None;
        };
        let path = self.folder.join(path);
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
        // A search that is forbidden is forbidden for all addresses.
        Error::Status(refusal) => matches!(refusal.status, 400 | 422),
        _ => false,
    }
}

/// Whether a request failed because of the id in its path.
fn is_of_the_id(error: &Error) -> bool {
    matches!(error, Error::Status(refusal) if matches!(refusal.status, 400 | 403 | 404 | 422))
}

/// The Studio id that an owner is given by, if it is not an address.
fn id_of(owner: Option<&str>) -> Option<i64> {
    let owner = owner?.trim();
    owner.bytes().all(|byte| byte.is_ascii_digit()).then(|| owner.parse().ok())?
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
        let owners = self.find_owners(&rows, upload.dry_run).await?;
        let collections = if upload.dry_run { self.look_at_collections(&rows).await? } else { HashMap::new() };
        let mut report = UploadReport { dry_run: upload.dry_run, ..UploadReport::default() };
        let mut jobs = Vec::new();
        for Checked { video, relative, size, caption, row } in rows {
            let user_id = match row.owner.as_ref().and_then(|owner| owners.get(owner)) {
                Some(Err(error)) => {
                    let reason = id_of(row.owner.as_deref())
                        .and_then(|id| why_refused(Destination { user_id: Some(id), ..Destination::default() }, error));
                    report.add(FileResult { reason, ..FileResult::of(video).in_row(row.place) }.failed(error.clone()));
                    continue;
                }
                Some(Ok(id)) => Some(*id),
                None => None,
            };
            let destination = Destination { collection_id: row.collection_id, user_id };
            if let Some(error) = row.collection_id.and_then(|id| collections.get(&id)) {
                let reason = why_refused(Destination { user_id: None, ..destination }, error);
                report.add(FileResult { reason, ..FileResult::of(video).in_row(row.place) }.failed(error.clone()));
                continue;
            }
            let title = row.title.or_else(|| Some(video.file_stem()?.to_string_lossy().into_owned()));
            let media =
                MediaUpload::new(FileToSend::new(video.clone(), true), title, row.description, None, destination);
            match media {
                Ok(upload) => {
                    let row = Some(row.place);
                    jobs.push(Job { path: video, relative, size, upload, destination, caption, row });
                }
                Err(error) => report.add(FileResult::of(video).in_row(row.place).failed(error.into())),
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

    /// The users that own rows, or why there is not one. Ids are looked up in a dry run alone: otherwise Studio checks
    /// them when it creates the upload.
    async fn find_owners(&self, rows: &[Checked], is_dry: bool) -> Result<HashMap<String, Result<i64, Error>>, Error> {
        let mut found = HashMap::new();
        for owner in rows.iter().filter_map(|row| row.row.owner.as_ref()) {
            if found.contains_key(owner) {
                continue;
            }
            let user = match id_of(Some(owner)) {
                Some(id) if is_dry => match self.send(&users::get(id)?).await {
                    Err(error) if !is_of_the_id(&error) => return Err(error),
                    looked_up => looked_up.map(|user| user.id),
                },
                Some(id) => Ok(id),
                None => {
                    let user = match users::find(owner) {
                        Ok(find) => self.find_user(&find).await.map(|user| user.id),
                        Err(refusal) => Err(refusal.into()),
                    };
                    match user {
                        Err(error) if !is_of_the_address(&error) => return Err(error),
                        user => user,
                    }
                }
            };
            found.insert(owner.clone(), user);
        }
        Ok(found)
    }

    /// The collections of rows that cannot be looked at, and why.
    async fn look_at_collections(&self, rows: &[Checked]) -> Result<HashMap<i64, Error>, Error> {
        let ids: BTreeSet<i64> = rows.iter().filter_map(|row| row.row.collection_id).collect();
        let mut missing = HashMap::new();
        for id in ids {
            match self.send(&collections::get(id)?).await {
                Ok(_) => {}
                Err(error) if is_of_the_id(&error) => {
                    missing.insert(id, error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }
}
