//! A run: uploads files several at once, each by what the journal knows of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use http::Method;
use tokio::sync::Mutex;
use tracing::info;

use super::caption::Caption;
use super::hash::{Content, check_unchanged, content};
use super::history::{FileKey, History, Slot, Step};
use super::journal::Journal;
use super::progress::{Active, TotalProgress};
use super::report::{FileResult, Outcome, UploadReport};
use crate::api::media_upload::Destination;
use crate::client::error::{Error, UploadState};
use crate::client::log::TARGET;
use crate::client::send::Client;
use crate::client::transfer::media_upload::{MediaUpload, UploadStep, UploadSteps};

/// A file that is to be uploaded.
#[derive(Debug)]
pub(super) struct Job {
    /// Where it is.
    pub(super) path: PathBuf,
    /// As the journal has it.
    pub(super) relative: PathBuf,
    pub(super) size: u64,
    pub(super) upload: MediaUpload,
    pub(super) destination: Destination,
    pub(super) caption: Option<Caption>,
    /// Where its row stands, if it is of a table.
    pub(super) row: Option<String>,
}

/// Several jobs, one after the other or at once.
#[derive(Debug)]
pub(super) struct Run<'run> {
    pub(super) client: &'run Client,
    pub(super) journal: &'run Journal,
    pub(super) progress: &'run TotalProgress,
    pub(super) jobs: &'run [Job],
    pub(super) is_dry: bool,
    /// Whether all jobs have one destination: what is refused for one of them is refused for all.
    pub(super) is_one_destination: bool,
}

/// Which job is next, and which contents this run has met.
#[derive(Debug, Default)]
struct Queue {
    next: usize,
    contents: HashMap<String, usize>,
}

/// What the journal says of a content.
enum Known {
    Nothing { earlier: Option<i64> },
    Sent(Slot),
    Completed(Slot),
}

impl Run<'_> {
    /// Does all jobs, at most `width` at once, and adds what became of them to a report. An error ends them all.
    pub(super) async fn report(
        &self,
        mut report: UploadReport,
        width: usize,
        folder: &Path,
    ) -> Result<UploadReport, Error> {
        self.progress.set_total(self.jobs.iter().map(|job| job.size).sum());
        let queue = Mutex::default();
        let outcomes = try_join_all((0..width.min(self.jobs.len())).map(|_| self.work(&queue))).await?;
        for outcome in outcomes.into_iter().flatten() {
            report.add(outcome);
        }
        let report = self.journal.with_history(|history| report.finish(folder, history));
        let (done, skipped) = (report.done.len(), report.skipped.len());
        let (failed, unfinished) = (report.failed.len(), report.unfinished.len());
        info!(
            target: TARGET, done, skipped, failed, unfinished,
            "uploads finished: {done} done, {skipped} skipped, {failed} failed, {unfinished} unfinished"
        );
        Ok(report)
    }

    /// Does one job after the other, until none is left.
    async fn work(&self, queue: &Mutex<Queue>) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = Vec::new();
        loop {
            // One file is read at a time, in order: so a copy is always that of the first file, whatever takes longer.
            let mut queue = queue.lock().await;
            let Some(job) = self.jobs.get(queue.next) else { return Ok(outcomes) };
            let index = queue.next;
            queue.next += 1;
            let active = self.progress.begin(job.size);
            let content = content(&job.path).await;
            let twin =
                content.as_ref().ok().map(|content| *queue.contents.entry(content.sha256.clone()).or_insert(index));
            drop(queue);
            let twin = twin.filter(|twin| *twin != index).and_then(|twin| self.jobs.get(twin));
            let outcome = match (content, twin) {
                (Err(error), _) => job.result().failed(error),
                (Ok(_), Some(twin)) => Outcome::Skipped(job.result().because(same_content(job, twin))),
                (Ok(content), None) => {
                    let outcome = self.video(job, content, &active).await?;
                    self.caption(job, outcome).await?
                }
            };
            if !matches!(outcome, Outcome::Failed(_)) {
                active.end();
            }
            outcomes.push(outcome);
        }
    }

    /// Adds the caption of a job to its media, unless it is there.
    async fn caption(&self, job: &Job, outcome: Outcome) -> Result<Outcome, Error> {
        let (Some(caption), Outcome::Done(result) | Outcome::Skipped(result)) = (&job.caption, &outcome) else {
            return Ok(outcome);
        };
        let slot = self.journal.with_history(|history| history.of_media(result.media_id?).cloned());
        let Some(slot) = slot.filter(|slot| slot.step < Step::Captioned) else { return Ok(outcome) };
        let result = match &outcome {
            Outcome::Skipped(result) => {
                let reason = match unapplied(job, &slot) {
                    Some(unapplied) => format!("caption added; {unapplied}"),
                    None => "caption added: the file was uploaded before".to_owned(),
                };
                result.clone().because(reason)
            }
            _ => result.clone(),
        };
        if self.is_dry {
            return Ok(Outcome::Done(result));
        }
        match caption.add(self.client, self.journal, &slot).await {
            Ok(warnings) if warnings.is_empty() => Ok(Outcome::Done(result)),
            Ok(warnings) => {
                let doubts = format!("doubtful caption: {}", warnings.join("; "));
                let reason =
                    result.reason.as_ref().map_or_else(|| doubts.clone(), |reason| format!("{reason}; {doubts}"));
                Ok(Outcome::Done(result.because(reason)))
            }
            Err(error) => {
                let failed = result.because("caption missing: the file was uploaded; the next run adds the caption");
                self.failed(failed, error)
            }
        }
    }

    /// Uploads one file, unless that was done already. An error is one that ends the run.
    async fn video(&self, job: &Job, content: Content, active: &Active<'_>) -> Result<Outcome, Error> {
        let file = FileKey { path: job.relative.clone(), sha256: content.sha256.clone(), size: job.size };
        let steps = Steps { job, file: &file, content: &content, journal: self.journal };
        let mut reason = None;
        match self.journal.with_history(|history| known(history, &file)) {
            Known::Completed(slot) => return Ok(Outcome::Skipped(already(job, &slot))),
            Known::Sent(slot) => {
                let id = slot.media_id;
                let completed = another_place(job, &slot).map_or_else(
                    || "completed: an earlier run had sent the file".to_owned(),
                    |place| format!("completed, but to another place: {place}"),
                );
                let result = job.result().media(id).because(completed);
                if self.is_dry {
                    return Ok(Outcome::Done(result));
                }
                match self.client.settle_upload(id, job.upload.completion()).await {
                    // Perhaps only the answer about the finished media could not be had.
                    Ok(_)
                    | Err(Error::Upload { state: UploadState::Completed | UploadState::SaidToBeCompleted, .. }) => {
                        let (title, description) = job.told();
                        self.journal.record(Slot { step: Step::Completed, title, description, ..slot })?;
                        return Ok(Outcome::Done(result));
                    }
                    Err(Error::Upload { state: UploadState::NotSent, .. }) => {
                        reason =
                            Some(format!("sent again: Studio does not know media {id}, which an earlier run had sent"));
                    }
                    Err(error) => return self.failed(job.result(), error),
                }
            }
            Known::Nothing { earlier: Some(id) } => {
                reason = Some(format!("changed: media {id} has the earlier content"));
            }
            Known::Nothing { earlier: None } => {}
        }
        let result = FileResult { reason, ..job.result() };
        if self.is_dry {
            return Ok(Outcome::Done(result));
        }
        match self.client.upload_media(&job.upload, &active.transferred, &steps).await {
            Ok(media) => Ok(Outcome::Done(result.media(media.id()))),
            // Only the answer about the finished media could not be had.
            Err(Error::Upload { media_id, state: UploadState::Completed | UploadState::SaidToBeCompleted, .. })
                if self.journal.broken().is_none() =>
            {
                steps.record(UploadStep::Completed(media_id))?;
                Ok(Outcome::Done(result.media(media_id)))
            }
            Err(error) => {
                let failed = FileResult { reason: why_refused(job.destination, &error), ..job.result() };
                self.failed(failed, error)
            }
        }
    }

    /// The outcome of a file that failed, or the error that ends the run.
    fn failed(&self, result: FileResult, error: Error) -> Result<Outcome, Error> {
        if let Some(broken) = self.journal.broken() {
            return Err(broken);
        }
        if ends_all(&error, self.is_one_destination) { Err(error) } else { Ok(result.failed(error)) }
    }
}

impl Job {
    fn result(&self) -> FileResult {
        FileResult { row: self.row.clone(), ..FileResult::of(self.path.clone()) }
    }

    /// The title and the description that Studio is told.
    fn told(&self) -> (Option<String>, Option<String>) {
        let completion = self.upload.completion();
        (Some(completion.title().to_owned()), completion.description().map(str::to_owned))
    }
}

fn known(history: &History, file: &FileKey) -> Known {
    match history.of_content(&file.sha256) {
        Some(slot) if slot.step >= Step::Completed => Known::Completed(slot.clone()),
        Some(slot) => Known::Sent(slot.clone()),
        None => Known::Nothing { earlier: history.before(file).map(|slot| slot.media_id) },
    }
}

/// Why a file is not uploaded a second time.
fn already(job: &Job, slot: &Slot) -> FileResult {
    let unapplied = unapplied(job, slot);
    let mut reason = unapplied.clone().unwrap_or_else(|| "uploaded already".to_owned());
    if slot.file.path != job.relative {
        let separator = if unapplied.is_some() { ";" } else { ":" };
        reason = format!("{reason}{separator} as {}", slot.file.path.display());
    }
    job.result().media(slot.media_id).because(reason)
}

/// What a caller asks for that an upload before did not do and that is not done now, and what to do about it.
fn unapplied(job: &Job, slot: &Slot) -> Option<String> {
    let place = another_place(job, slot);
    let fields = changed_fields(job, slot);
    let mut told = Vec::from_iter(place.clone());
    if let [before @ .., last] = fields.as_slice() {
        let (names, verbs) = match before {
            [] => ((*last).to_owned(), ("differs", "was")),
            before => (format!("{} and {last}", before.join(", ")), ("differ", "were")),
        };
        let (differ, were) = verbs;
        told.push(format!("{names} {differ} from what was sent and {were} not applied"));
        if fields.iter().any(|field| matches!(*field, "title" | "description")) {
            told.push("change the media in Studio".to_owned());
        }
        if fields.iter().any(|field| matches!(*field, "caption" | "srclang")) {
            told.push("media.add_caption(...) adds a caption".to_owned());
        }
    }
    let what = if place.is_some() { "to another place" } else { "the row has changed" };
    (!told.is_empty()).then(|| format!("uploaded already, but {what}: {}", told.join("; ")))
}

/// Where a file is, if that is not where the caller wants it.
fn another_place(job: &Job, slot: &Slot) -> Option<String> {
    let there = Destination { collection_id: slot.collection_id, user_id: slot.user_id };
    (there != job.destination).then(|| {
        format!("{}, not {}; to upload there too, give another journal=", in_words(there), in_words(job.destination))
    })
}

/// The fields of a row that differ from what was sent.
fn changed_fields(job: &Job, slot: &Slot) -> Vec<&'static str> {
    let mut changed = Vec::new();
    if job.row.is_none() {
        return changed;
    }
    let (title, description) = job.told();
    // An older version did not write them down.
    if slot.title.is_some() {
        changed.extend((slot.title != title).then_some("title"));
        changed.extend((slot.description != description).then_some("description"));
    }
    let Some(sent) = slot.caption.as_ref().filter(|_| slot.step == Step::Captioned) else { return changed };
    match job.caption.as_ref().map(|caption| caption.addition(slot.media_id)) {
        None => changed.push("caption"),
        Some(Ok((_, key))) => {
            changed.extend((key.sha256 != sent.sha256).then_some("caption"));
            changed.extend((!key.srclang.eq_ignore_ascii_case(&sent.srclang)).then_some("srclang"));
        }
        // It was read when the rows were checked, and is not needed any more.
        Some(Err(_)) => {}
    }
    changed
}

/// Why a file is not uploaded that has the content of another one of this run.
fn same_content(job: &Job, twin: &Job) -> String {
    let path = twin.path.display();
    if twin.destination == job.destination {
        return format!("same content: as {path}");
    }
    let (there, here) = (in_words(twin.destination), in_words(job.destination));
    format!("same content, but to another place: as {path}, which goes {there}, not {here}")
}

fn in_words(destination: Destination) -> String {
    match (destination.collection_id, destination.user_id) {
        (Some(collection), Some(user)) => format!("to collection {collection} for user {user}"),
        (Some(collection), None) => format!("to collection {collection}"),
        (None, Some(user)) => format!("for user {user}"),
        (None, None) => "into the user's own library".to_owned(),
    }
}

/// What the refusal of an upload says of its destination.
pub(super) fn why_refused(destination: Destination, error: &Error) -> Option<String> {
    let Error::Status(refusal) = error else { return None };
    if refusal.request.method == Method::PUT || !matches!(refusal.status, 400 | 403 | 404 | 422) {
        return None;
    }
    match (destination.collection_id, destination.user_id) {
        (Some(collection), Some(user)) => {
            Some(format!("collection {collection} or user {user} does not exist, or you may not upload there"))
        }
        (Some(collection), None) => {
            Some(format!("collection {collection} does not exist, or you may not upload there"))
        }
        (None, Some(user)) => Some(format!("user {user} does not exist, or you may not upload for them")),
        (None, None) => None,
    }
}

/// Whether an error will be that of every other file, too.
fn ends_all(error: &Error, is_one_destination: bool) -> bool {
    match error {
        Error::Upload { error, .. } => ends_all(error, false),
        Error::Closed
        | Error::Exiting
        | Error::OutOfMemory
        | Error::Setup(_)
        | Error::SignIn { .. }
        | Error::LoginRequired { .. }
        | Error::Store { .. } => true,
        // That of the storage host says nothing about the token.
        Error::Status(refusal) if refusal.request.method == Method::PUT => false,
        // An error outside of an upload is that of its creation, which says only where the media is to be.
        Error::Status(refusal) => {
            refusal.status == 401 || (is_one_destination && matches!(refusal.status, 400 | 403 | 404 | 422))
        }
        _ => false,
    }
}

/// Writes the steps of one file into the journal.
struct Steps<'run> {
    job: &'run Job,
    file: &'run FileKey,
    content: &'run Content,
    journal: &'run Journal,
}

impl UploadSteps for Steps<'_> {
    fn record(&self, step: UploadStep) -> Result<(), Error> {
        let (media_id, step) = match step {
            UploadStep::Created(id) => (id, Step::Created),
            UploadStep::Sent(id) => (id, Step::Sent),
            UploadStep::Completed(id) => (id, Step::Completed),
        };
        // The journal must not say of a file that it was sent whose content is no longer the one that it knows.
        if step == Step::Sent {
            self.check()?;
        }
        let Destination { collection_id, user_id } = self.job.destination;
        let (title, description) = self.job.told();
        let file = self.file.clone();
        self.journal.record(Slot {
            media_id,
            file,
            collection_id,
            user_id,
            title,
            description,
            caption: None,
            step,
        })?;
        if step == Step::Created {
            self.check()?;
        }
        Ok(())
    }
}

impl Steps<'_> {
    fn check(&self) -> Result<(), Error> {
        check_unchanged(Path::new(&self.job.path), self.content)
    }
}
