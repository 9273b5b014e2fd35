//! Uploads of many files: their methods of `StudioClient`, and the report that they return.

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};

use super::collections::{Collection, OfCollection};
use super::records::OfUser;
use crate::api::media_upload::Destination;
use crate::client::transfer::folder::{FileResult, FolderUpload, Row, RowsUpload, TotalProgress, UploadReport};
use crate::client::{Client, Error};
#[cfg(feature = "stubs")]
use crate::python::convert::arguments::MAPPING;
use crate::python::convert::arguments::{Argument, FilePath, Text, arguments, named};
use crate::python::convert::ids::Id;
use crate::python::convert::output::{IntoPython, TypeHint, Typed};
use crate::python::errors::to_python;
use crate::python::operations::operations;
use crate::python::progress::{Measure, Progress, Transfer, WithProgress};
use crate::python::studio_client::StudioClient;

operations! { StudioClient {
    /// Upload the files of a folder, several at once. A run that was interrupted, even killed, is continued by the next one.
    ///
    /// A journal in the folder remembers each file by its content (SHA-256). So a file that was uploaded is not uploaded
    /// again, in whatever way the run before ended, and even if the file has another name now: its title in Studio stays.
    /// A file whose content has changed is a new media. The same journal does not upload a file to a second collection: the
    /// report says where it is.
    ///
    /// What concerns one file is in the report. An error that would stop every file ends the run: the token or the
    /// destination is rejected, the journal cannot be written, the client is closed.
    ///
    /// Args:
    ///     folder: The folder. Hidden files, links, and kinds that the vendor does not name are skipped.
    ///     pattern: Which files, such as `"*.mp4"`, which also matches `A.MP4`; all if omitted. A pattern with `/` is for paths
    ///         relative to the folder, such as `"Week */*.mp4"`; any other is for names.
    ///     recursive: Whether to upload the files of the folders inside, too, except hidden ones.
    ///     collection_id: The collection, or its id, to upload into; the user's own library if omitted.
    ///     user_id: The user, or their Studio id, to upload for. Only an administrator may upload for others.
    ///     jobs: How many files to upload at once, 1 to 64.
    ///     journal: The file of the journal; `.canvas-studio-uploads.jsonl` in the folder if omitted.
    ///     progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes of all files that are
    ///         dealt with so far, and those in all (`None` before the folder has been read), several times a second, on
    ///         the calling thread. The async method also takes an async callable, and awaits it, one report at a time.
    ///     dry_run: Whether to send nothing, and only report what would be done.
    ///
    /// Returns:
    ///     What was uploaded, what was skipped and why, what failed, and which uploads were never completed.
    ///
    /// Raises:
    ///     InvalidArgumentError: If an argument is invalid, or the journal is that of another school, or damaged.
    ///     PermissionDeniedError: 403, if the caller may not upload there.
    ///     NotFoundError: 404, if there is no such user or collection.
    ///     UnprocessableEntityError: 422, if `user_id` or `collection_id` is not valid.
    ///     OSError: If the folder cannot be read, or the journal cannot be written or is in use by another run.
    ///
    /// Reference: Media Upload page, POST /media/uploads, then the storage host, then POST
    /// /media/uploads/{media_id}/complete.
    #[pyo3(signature = (folder, *, pattern=None, recursive: "bool" = false, collection_id=None, user_id=None, jobs: "int" = 4,
        journal=None, progress=None, dry_run: "bool" = false))]
    upload_folder / upload_folder_async (studio, folder: FilePath, pattern: Option<Text>,
        #[pyo3(from_py_with = named::recursive)] recursive: bool, collection_id: Option<Id<OfCollection>>,
        user_id: Option<Id<OfUser>>, #[pyo3(from_py_with = named::jobs)] jobs: i64, journal: Option<FilePath>,
        progress: Option<Progress>, #[pyo3(from_py_with = named::dry_run)] dry_run: bool) -> UploadReport
        = FolderUpload::new(folder, pattern.as_deref(), recursive, Destination { collection_id, user_id }, jobs, journal, dry_run)
            .map(|upload| WithProgress::of(upload, progress));

    /// Upload the videos of a table, several at once, each with its caption.
    ///
    /// Each goes into the library of its owner, or into a collection. A run that was interrupted, even killed, is continued
    /// by the next one.
    ///
    /// The columns are `video` (a path), `caption` (the path of an `.srt` or `.vtt` file) with `srclang` (the tag of its
    /// language, such as `en`), `owner` (an e-mail address, as for `find_user`, or a Studio user id), `collection` (an id),
    /// `title` and `description`. Only `video` is required. All rows are checked before anything is sent: the error names
    /// every fault of every row.
    ///
    /// The journal is as for `upload_folder`. A row that was uploaded without its caption gets it in the next run. A video
    /// gets one caption. A title, description, owner, collection, caption or language that was changed after its row was
    /// uploaded is not applied; the report says so.
    ///
    /// Args:
    ///     rows: The path of a CSV file with these columns in its first line, in UTF-8; paths in it are relative to its
    ///         folder. Or an iterable of dicts with these keys; paths in it are relative to the current folder.
    ///     jobs: How many videos to upload at once, 1 to 64.
    ///     journal: The file of the journal; `.canvas-studio-uploads.jsonl` beside the CSV file if omitted. Required for
    ///         other rows.
    ///     progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes of all videos that are
    ///         dealt with so far, and those in all (`None` before they have been checked), several times a second, on the
    ///         calling thread. The async method also takes an async callable, and awaits it, one report at a time.
    ///     dry_run: Whether to upload nothing, and only report what would be done. Owners and collections are looked up (GET).
    ///
    /// Returns:
    ///     What was uploaded, what was skipped and why, what failed, and which uploads were never completed. A row is in
    ///     `failed` if its owner is nobody or several people, or its collection does not exist.
    ///
    /// Raises:
    ///     InvalidArgumentError: If a row or another argument is invalid, or the journal is that of another school, or
    ///         damaged.
    ///     PermissionDeniedError: 403, if the caller may not search users. None if the owners are ids.
    ///     OSError: If the CSV file cannot be read, or the journal cannot be written or is in use by another run.
    ///
    /// Reference: Media Upload page, POST /media/uploads, then the storage host, then POST
    /// /media/uploads/{media_id}/complete; User page, GET /users/search; Captions page, POST
    /// /media/{media_id}/caption_files.
    #[pyo3(signature = (rows, *, jobs: "int" = 4, journal=None, progress=None, dry_run: "bool" = false))]
    upload_rows / upload_rows_async (studio, rows: Rows, #[pyo3(from_py_with = named::jobs)] jobs: i64,
        journal: Option<FilePath>, progress: Option<Progress>, #[pyo3(from_py_with = named::dry_run)] dry_run: bool) -> UploadReport
        = RowsUpload::new(rows.1, rows.0, jobs, journal, dry_run).map(|upload| WithProgress::of(upload, progress));
} }

operations! { Collection {
    /// Upload the files of a folder into it, as `StudioClient.upload_folder` does.
    ///
    /// Args:
    ///     folder: The folder.
    ///     pattern: Which files, such as `"*.mp4"`; all if omitted.
    ///     recursive: Whether to upload the files of the folders inside, too, except hidden ones.
    ///     user_id: The user, or their Studio id, to upload for. Only an administrator may upload for others.
    ///     jobs: How many files to upload at once, 1 to 64.
    ///     journal: The file of the journal; `.canvas-studio-uploads.jsonl` in the folder if omitted.
    ///     progress: As for `StudioClient.upload_folder`.
    ///     dry_run: Whether to send nothing, and only report what would be done.
    ///
    /// Returns:
    ///     What was uploaded, what was skipped and why, what failed, and which uploads were never completed.
    ///
    /// Raises:
    ///     InvalidArgumentError: If an argument is invalid, or the journal is that of another school, or damaged.
    ///     PermissionDeniedError: 403, if the caller may not upload there.
    ///     NotFoundError: 404, if there is no such user or collection.
    ///     OSError: If the folder cannot be read, or the journal cannot be written or is in use by another run.
    ///
    /// Reference: Media Upload page.
    #[pyo3(signature = (folder, *, pattern=None, recursive: "bool" = false, user_id=None, jobs: "int" = 4, journal=None,
        progress=None, dry_run: "bool" = false))]
    upload_folder / upload_folder_async (this, folder: FilePath, pattern: Option<Text>,
        #[pyo3(from_py_with = named::recursive)] recursive: bool, user_id: Option<Id<OfUser>>,
        #[pyo3(from_py_with = named::jobs)] jobs: i64, journal: Option<FilePath>, progress: Option<Progress>,
        #[pyo3(from_py_with = named::dry_run)] dry_run: bool) -> UploadReport
        = FolderUpload::new(folder, pattern.as_deref(), recursive,
            Destination { collection_id: Some(this.value.id()), user_id }, jobs, journal, dry_run)
            .map(|upload| WithProgress::of(upload, progress));
} }

arguments! {
    /// The rows of a table, and the folder of its file.
    Rows: (Option<PathBuf>, Vec<Row>) = read_rows, type_hint_union!(
        <PathBuf as FromPyObject<'_, '_>>::INPUT_TYPE,
        type_hint_subscript!(type_hint_identifier!("collections.abc", "Iterable"), MAPPING)
    );
}

/// A row as Python reads it.
type Fields = (
    String,
    Vec<String>,
    Option<PathBuf>,
    Option<PathBuf>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
);

fn read_rows(_: &str, given: &Bound<'_, PyAny>) -> PyResult<(Option<PathBuf>, Vec<Row>)> {
    let read = given.py().import("canvas_studio._upload_rows")?.call_method1("read_rows", (given,))?;
    let (folder, rows): (Option<PathBuf>, Vec<Fields>) = read.extract()?;
    let row = |(place, faults, video, caption, srclang, owner, collection_id, title, description)| Row {
        place,
        faults,
        video,
        caption,
        srclang,
        owner,
        collection_id,
        title,
        description,
    };
    Ok((folder, rows.into_iter().map(row).collect()))
}

impl Measure for TotalProgress {
    fn end_upload(&self) -> Option<String> {
        let note = "Files that were being uploaded may be left uncompleted. The journal has what was done: the same call \
                    continues";
        self.has_begun().then(|| note.to_owned())
    }

    fn read(&self) -> (u64, Option<u64>) {
        self.read()
    }
}

impl Transfer for FolderUpload {
    type Result = UploadReport;
    type Measure = TotalProgress;

    async fn run(self, client: Client, progress: Arc<TotalProgress>) -> Result<UploadReport, Error> {
        client.upload_folder(&self, &progress).await
    }
}

impl Transfer for RowsUpload {
    type Result = UploadReport;
    type Measure = TotalProgress;

    async fn run(self, client: Client, progress: Arc<TotalProgress>) -> Result<UploadReport, Error> {
        client.upload_rows(&self, &progress).await
    }
}

impl TypeHint for UploadReport {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("canvas_studio.uploads", "UploadReport");
}

impl IntoPython for UploadReport {
    type Python = Typed<Self>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        let module = py.import("canvas_studio.uploads")?;
        let result = module.getattr("UploadResult")?;
        let one = |FileResult { path, media_id, reason, error, row }: FileResult| {
            result.call1((path, media_id, reason, error.map(|error| to_python(error).into_value(py)), row))
        };
        let all = |list: Vec<FileResult>| PyTuple::new(py, list.into_iter().map(one).collect::<PyResult<Vec<_>>>()?);
        let lists = (all(self.done)?, all(self.skipped)?, all(self.failed)?, all(self.unfinished)?, self.dry_run);
        Ok(Typed::new(module.getattr("UploadReport")?.call1(lists)?.unbind()))
    }
}
