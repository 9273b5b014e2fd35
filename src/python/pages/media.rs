//! The Media page: its methods of `StudioClient`, and the class `Media`.

use std::borrow::Cow;

use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use url::Url;

use super::collections::OfCollection;
use super::courses::OfCourse;
use super::value::{self, object};
use crate::api::check::MAX_PER_PAGE;
use crate::api::json::dates::Moment;
use crate::api::json::lazy::DateSource;
use crate::api::permissions::PermissionChange;
use crate::api::words::{EMBED_TYPES, MIN_PERMISSIONS};
use crate::api::{Answer, media, models};
use crate::client::{Limits, Saved};
use crate::python::convert::arguments::{Day, Flag, Int, Text, named};
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::input::word;
use crate::python::convert::input_records::Records;
use crate::python::convert::output::{AnyJson, Typed, page_into_python};
use crate::python::convert::words::{Permission, TranscodingStatus, Word};
use crate::python::errors::to_python;
use crate::python::file_objects::DownloadTarget;
use crate::python::listing::source::lists;
use crate::python::operations::{operations, reads};
use crate::python::progress::{DownloadWithProgress, Progress};
use crate::python::studio_client::StudioClient;

reads! { StudioClient {
    /// Get a media, with the collection that it is in.
    ///
    /// Args:
    ///     id: The media's id.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Media page, GET /media/{media_id}.
    #[pyo3(signature = (id))]
    get_media / get_media_async (studio, id: Id<OfMedia>) -> models::Media = media::get(id);

    /// Get the signed URL from which a media can be downloaded for 24 hours. Treat it as a secret.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     quality: Which version; the best if omitted. The values are not documented.
    ///
    /// Returns:
    ///     The URL. Do not send the access token to it.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
    ///         transcoding it (a guess): see `wait_until_ready`.
    ///     UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
    ///         `quality`.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (id, *, quality=None))]
    get_download_url / get_download_url_async (studio, id: Id<OfMedia>, quality: Option<Text>) -> url::Url
        = media::download_url(id, quality.as_deref());

    /// Get the users and groups with whom a media is shared directly.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     The users and the groups, each with a permission.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Media page, GET /media/{media_id}/permissions.
    #[pyo3(signature = (id))]
    get_media_permissions / get_media_permissions_async (studio, id: Id<OfMedia>) -> models::Permissions
        = media::permissions(id);
} }

operations! { StudioClient {
    /// Delete a media with all its perspectives. This cannot be undone.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     The media as it was.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not delete it.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Media page, DELETE /media/{media_id}.
    #[pyo3(signature = (id))]
    delete_media / delete_media_async (studio, id: Id<OfMedia>) -> models::Media = media::delete(id);

    /// Archive a media with all its perspectives. It leaves its courses and shared libraries.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not archive it.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Media page, /media/{media_id}/archive (the method, POST, is inferred).
    #[pyo3(signature = (id))]
    archive_media / archive_media_async (studio, id: Id<OfMedia>) -> models::Media = media::archive(id);

    /// Unarchive a media, with all its perspectives.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     collection_id: The collection, or its id, to move it into; if omitted, it is not moved.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
    #[pyo3(signature = (id, *, collection_id=None))]
    unarchive_media / unarchive_media_async (studio, id: Id<OfMedia>, collection_id: Option<Id<OfCollection>>)
        -> models::Media = media::unarchive(id, collection_id);

    /// Add a media to the collection of a course, and get the URL that launches it there.
    ///
    /// Args:
    ///     media_id: The media, or its id.
    ///     course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
    ///     embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
    ///     downloadable: Whether viewers may download it; Studio's own default if omitted.
    ///
    /// Returns:
    ///     The URL. It works only when it is launched over LTI.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media, or if Studio has not met the course: somebody has to open
    ///         Studio from the course in Canvas once (observed).
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
    #[pyo3(signature = (media_id, *, course_id,
        embed_type: "Literal['embed', 'bare_embed']" = "embed", downloadable=None))]
    create_embed / create_embed_async (studio, media_id: Id<OfMedia>, course_id: Id<OfCourse>,
        #[pyo3(from_py_with = embed_type)] embed_type: &'static str, downloadable: Option<Flag>) -> String
        = media::create_embed(media_id, course_id, embed_type, downloadable);

    /// Download a media into a file.
    ///
    /// It is written to `PATH.part` and renamed when it is complete. After a broken connection the download resumes; if
    /// the signed URL expires, a new one is requested. If it ends before the file is complete, `PATH.part` stays with
    /// `PATH.part.json`, and the next download to the same path goes on there, in this process or in another one, if
    /// Studio's storage host says by a strong `ETag` that the file is the same.
    ///
    /// A file object in place of the path gets the bytes as they come, and keeps what it has if the download fails. It is
    /// only written to, never closed; the async method calls its `write()` on another thread, one call at a time.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     path: The file, of which an existing one is replaced; or a binary file object with `write()`.
    ///     quality: Which version; the best if omitted. The values are not documented.
    ///     progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
    ///         in all (`None` if unknown), several times a second, on the calling thread. The async method also takes
    ///         an async callable, and awaits it, one report at a time, while the download continues.
    ///     max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted. A larger file is refused,
    ///         before it is transferred if its length is announced, and nothing of it stays.
    ///     resume: Whether to go on with what an earlier download left, and to leave something for the next one. `False`
    ///         starts from the beginning, and leaves nothing behind if it fails. It is about paths alone.
    ///     sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked while the file is written, over all
    ///         of it, and before it gets its name.
    ///
    /// Returns:
    ///     The path; for a file object, how many bytes were written to it.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if there is no such media, or not in that quality, or if Studio has not finished
    ///         transcoding it (a guess): see `wait_until_ready`.
    ///     UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept
    ///         `quality`.
    ///     ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
    ///         than `sha256`. Nothing of it stays.
    ///     OSError: If the file cannot be written. What `write()` of a file object raises comes out as it is.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (id, path, *, quality=None, progress=None, max_bytes=None, resume: "bool" = true, sha256=None))]
    download_media / download_media_async (studio, id: Id<OfMedia>, path: DownloadTarget, quality: Option<Text>,
        progress: Option<Progress>, max_bytes: Option<Int>,
        #[pyo3(from_py_with = named::resume)] resume: bool, sha256: Option<Text>) -> Saved
        = DownloadWithProgress::new(media::download_url(id, quality.as_deref()), path, progress,
            Limits::new(max_bytes, sha256.as_deref()), resume);

    /// Change with whom a media is shared.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
    ///         none is not documented.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///     ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.
    ///
    /// Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
    #[pyo3(signature = (id, changes))]
    change_media_permissions / change_media_permissions_async (studio, id: Id<OfMedia>, changes: Records<PermissionChange>)
        -> models::Permissions = media::change_permissions(id, &changes);
} }

lists! { StudioClient {
    /// Search for media. Filters are combined with AND; without any, all media that the caller may see are found.
    ///
    /// Args:
    ///     title: A part of the title.
    ///     min_size: The minimum size, in bytes.
    ///     max_size: The maximum size, in bytes.
    ///     start_date: The first day of creation, as a date or as `"YYYY-MM-DD"`.
    ///     end_date: The last day of creation.
    ///     last_viewed_start_date: The first day of the last view.
    ///     last_viewed_end_date: The last day of the last view.
    ///     last_viewed_by_student_start_date: The first day of the last view by a student.
    ///     last_viewed_by_student_end_date: The last day of the last view by a student.
    ///     owner: The e-mail address of the owner. Owners without one cannot be found this way.
    ///     tag: The full name of a tag.
    ///     source: The source of the media. The values are not documented.
    ///     page: The page to start at.
    ///     per_page: How many items to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Media`.
    ///
    /// Raises, while it is read:
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Media page, GET /media/search.
    #[pyo3(signature = (*, title=None, min_size=None, max_size=None, start_date=None, end_date=None,
        last_viewed_start_date=None, last_viewed_end_date=None, last_viewed_by_student_start_date=None,
        last_viewed_by_student_end_date=None, owner=None, tag=None, source=None,
        page: "int" = 1, per_page: "int" = 50))]
    search_media (studio, title: Option<Text>, min_size: Option<Int>, max_size: Option<Int>,
        start_date: Option<Day>, end_date: Option<Day>, last_viewed_start_date: Option<Day>,
        last_viewed_end_date: Option<Day>, last_viewed_by_student_start_date: Option<Day>,
        last_viewed_by_student_end_date: Option<Day>, owner: Option<Text>, tag: Option<Text>,
        source: Option<Text>,
        #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> models::Media = media::search(&media::Search { title, min_size, max_size, start_date, end_date, last_viewed_start_date,
            last_viewed_end_date, last_viewed_by_student_start_date, last_viewed_by_student_end_date, owner, tag,
            source }, page, per_page);

    /// List the courses that contain a media.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     A listing of `Course`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Media page, GET /media/{media_id}/courses.
    #[pyo3(signature = (id))]
    list_media_courses (studio, id: Id<OfMedia>) -> models::Course = media::courses(id);

    /// List the perspectives of a media, which are the places where it appears.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     A listing of `Perspective`, each with its collection.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Media page, GET /media/{media_id}/perspectives.
    #[pyo3(signature = (id))]
    list_media_perspectives (studio, id: Id<OfMedia>) -> models::Perspective = media::perspectives(id);

    /// List the files and streams of a media.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///
    /// Returns:
    ///     A listing of `Source`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such media.
    ///
    /// Reference: Media page, GET /media/{media_id}/sources.
    #[pyo3(signature = (id))]
    list_media_sources (studio, id: Id<OfMedia>) -> models::Source = media::sources(id);

    /// List everyone who has access to a media, directly or not.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     min_permission: The minimum permission: `access`, `view` or `edit`, each of which includes the previous
    ///         ones.
    ///
    /// Returns:
    ///     A listing of `User`, each with a permission.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Media page, GET /media/{media_id}/users.
    #[pyo3(signature = (id, *, min_permission: "Literal['access', 'view', 'edit']" = "access"))]
    list_media_users (studio, id: Id<OfMedia>,
        #[pyo3(from_py_with = min_permission)] min_permission: &'static str) -> models::User
        = media::users(id, min_permission);
} }

ids! {
    OfMedia: ("canvas_studio._core", "Media", "id") <Media as pyo3::PyTypeInfo>::TYPE_HINT;
}

/// A reader for an argument with a default: pyo3 requires a value of the default's own type.
pub(crate) fn embed_type(given: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    word("embed_type", given, EMBED_TYPES)
}

pub(crate) fn min_permission(given: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    word("min_permission", given, MIN_PERMISSIONS)
}

operations! { Media {
    /// Fetch it again.
    ///
    /// Returns:
    ///     The media as it is now; this object does not change.
    ///
    /// Raises:
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Media page, GET /media/{media_id}.
    refresh / refresh_async (this) -> models::Media = media::get(this.value.id());

    /// Delete it with all its perspectives. This cannot be undone.
    ///
    /// Returns:
    ///     The media as it was.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not delete it.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Media page, DELETE /media/{media_id}.
    delete / delete_async (this) -> models::Media = media::delete(this.value.id());

    /// Archive it with all its perspectives. It leaves its courses and shared libraries.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not archive it.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Media page, /media/{media_id}/archive (the method, POST, is inferred).
    archive / archive_async (this) -> models::Media = media::archive(this.value.id());

    /// Unarchive it, with all its perspectives.
    ///
    /// Args:
    ///     collection_id: The collection, or its id, to move it into; if omitted, it is not moved.
    ///
    /// Returns:
    ///     The media.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Media page, /media/{media_id}/unarchive (the method, POST, is inferred).
    #[pyo3(signature = (*, collection_id=None))]
    unarchive / unarchive_async (this, collection_id: Option<Id<OfCollection>>) -> models::Media
        = media::unarchive(this.value.id(), collection_id);

    /// Add it to the collection of a course, and get the URL that launches it there.
    ///
    /// Args:
    ///     course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
    ///     embed_type: `embed` for a player with media tabs, `bare_embed` for the player alone.
    ///     downloadable: Whether viewers may download it; Studio's own default if omitted.
    ///
    /// Returns:
    ///     The URL. It works only when it is launched over LTI.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there, or if Studio has not met the course: somebody has to open
    ///         Studio from the course in Canvas once (observed).
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
    #[pyo3(signature = (*, course_id, embed_type: "Literal['embed', 'bare_embed']" = "embed", downloadable=None))]
    create_embed / create_embed_async (this, course_id: Id<OfCourse>,
        #[pyo3(from_py_with = embed_type)] embed_type: &'static str, downloadable: Option<Flag>) -> String
        = media::create_embed(this.value.id(), course_id, embed_type, downloadable);

    /// Get the signed URL from which it can be downloaded for 24 hours. Treat it as a secret.
    ///
    /// Args:
    ///     quality: Which version; the best if omitted. The values are not documented.
    ///
    /// Returns:
    ///     The URL. Do not send the access token to it.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
    ///         transcoding it (a guess): see `wait_until_ready`.
    ///     UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (*, quality=None))]
    download_url / download_url_async (this, quality: Option<Text>) -> Url
        = media::download_url(this.value.id(), quality.as_deref());

    /// Download it into a file.
    ///
    /// It is written to `PATH.part` and renamed when it is complete. After a broken connection the download resumes; if
    /// the signed URL expires, a new one is requested. If it ends before the file is complete, `PATH.part` stays with
    /// `PATH.part.json`, and the next download to the same path goes on there, in this process or in another one, if
    /// Studio's storage host says by a strong `ETag` that the file is the same.
    ///
    /// A file object in place of the path gets the bytes as they come, and keeps what it has if the download fails. It is
    /// only written to, never closed; the async method calls its `write()` on another thread, one call at a time.
    ///
    /// Args:
    ///     path: The file, of which an existing one is replaced; or a binary file object with `write()`.
    ///     quality: Which version; the best if omitted. The values are not documented.
    ///     progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
    ///         in all (`None` if unknown), several times a second, on the calling thread. The async method also takes
    ///         an async callable, and awaits it, one report at a time, while the download continues.
    ///     max_bytes: The most bytes that the file may have, 1 or more; no limit if omitted. A larger file is refused,
    ///         before it is transferred if its length is announced, and nothing of it stays.
    ///     resume: Whether to go on with what an earlier download left, and to leave something for the next one. `False`
    ///         starts from the beginning, and leaves nothing behind if it fails. It is about paths alone.
    ///     sha256: The SHA-256 of the file, as 64 hexadecimal digits. It is checked while the file is written, over all
    ///         of it, and before it gets its name.
    ///
    /// Returns:
    ///     The path; for a file object, how many bytes were written to it.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if it is no longer there, or not in that quality, or if Studio has not finished
    ///         transcoding it (a guess): see `wait_until_ready`.
    ///     UnprocessableEntityError: 422, if it is external (YouTube, Vimeo).
    ///     ResponseDecodeError: If the response is not a recording, is larger than `max_bytes`, or has another SHA-256
    ///         than `sha256`. Nothing of it stays.
    ///     OSError: If the file cannot be written. What `write()` of a file object raises comes out as it is.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (path, *, quality=None, progress=None, max_bytes=None, resume: "bool" = true, sha256=None))]
    download / download_async (this, path: DownloadTarget, quality: Option<Text>, progress: Option<Progress>,
        max_bytes: Option<Int>, #[pyo3(from_py_with = named::resume)] resume: bool, sha256: Option<Text>) -> Saved
        = DownloadWithProgress::new(media::download_url(this.value.id(), quality.as_deref()), path, progress,
            Limits::new(max_bytes, sha256.as_deref()), resume);

    /// Get the users and groups with whom it is shared directly.
    ///
    /// Returns:
    ///     The users and the groups, each with a permission.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Media page, GET /media/{media_id}/permissions.
    permissions / permissions_async (this) -> models::Permissions = media::permissions(this.value.id());

    /// Change with whom it is shared.
    ///
    /// Args:
    ///     changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
    ///         none is not documented.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.
    ///
    /// Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
    #[pyo3(signature = (changes))]
    change_permissions / change_permissions_async (this, changes: Records<PermissionChange>) -> models::Permissions
        = media::change_permissions(this.value.id(), &changes);
} }

lists! { Media {
    /// List the courses that contain it.
    ///
    /// Returns:
    ///     A listing of `Course`.
    ///
    /// Reference: Media page, GET /media/{media_id}/courses.
    courses (this) -> models::Course = media::courses(this.value.id());

    /// List its perspectives, which are the places where it appears.
    ///
    /// Returns:
    ///     A listing of `Perspective`, each with its collection.
    ///
    /// Reference: Media page, GET /media/{media_id}/perspectives.
    perspectives (this) -> models::Perspective = media::perspectives(this.value.id());

    /// List its files and streams.
    ///
    /// Returns:
    ///     A listing of `Source`.
    ///
    /// Reference: Media page, GET /media/{media_id}/sources.
    sources (this) -> models::Source = media::sources(this.value.id());

    /// List everyone who has access to it, directly or not.
    ///
    /// Args:
    ///     min_permission: The minimum permission: `access`, `view` or `edit`, each of which includes the previous
    ///         ones.
    ///
    /// Returns:
    ///     A listing of `User`, each with a permission.
    ///
    /// Reference: Media page, GET /media/{media_id}/users.
    #[pyo3(signature = (*, min_permission: "Literal['access', 'view', 'edit']" = "access"))]
    users (this, #[pyo3(from_py_with = min_permission)] min_permission: &'static str) -> models::User
        = media::users(this.value.id(), min_permission);
} }

object! {
    /// A video or an audio recording.
    ///
    /// It is a snapshot of Studio's answer: it does not change, and reading an attribute sends no request. Every attribute
    /// but `id` may be `None`; lists send fewer of them than `get_media`.
    Media from "get_media" {
        /// Studio's id of the media.
        id: i64;
        /// The title.
        title: Option<Cow<'_, str>>;
        /// The description.
        description: Option<Cow<'_, str>>;
        /// The length in seconds, with fractions.
        duration: Option<f64>;
        /// When it was created, in UTC.
        created_at: Option<DateSource<'_, Moment>>;
        /// The day on which somebody last viewed it.
        last_viewed: Option<DateSource<'_, jiff::civil::Date>>;
        /// The day on which a student last viewed it.
        last_viewed_by_student: Option<DateSource<'_, jiff::civil::Date>>;
        /// The URL of the thumbnail. For an audio recording it may look valid and still not load.
        thumbnail_url: Option<Cow<'_, str>>;
        /// The processing state. `transcoding_finished` means ready; the other values are not documented.
        transcoding_status: Option<Word<'_, TranscodingStatus>>;
        /// The owner.
        owner: Option<models::Owner>;
        /// The size in bytes.
        size: Option<i64>;
        /// Its source. The values are not documented.
        source: Option<Cow<'_, str>>;
        /// Its id for embedding.
        embed_id: Option<Cow<'_, str>>;
        /// Its id in an LTI launch.
        lti_launch_id: Option<Cow<'_, str>>;
        /// When it was archived, in UTC; `None` unless it is archived (inferred).
        archived_at: Option<DateSource<'_, Moment>>;
        /// What a user may do with it. Only `list_user_media` sets it, to the permission of that user.
        permission: Option<Word<'_, Permission>>;
        /// The collection that it is in. Only `get_media`, `refresh` and the like set it.
        collection: Option<models::Collection>;
    }
    repr: id, title, duration, size;
}

/// Decode the body of a page of media as a listing does, to measure what that costs without a server.
#[pyfunction]
#[pyo3(name = "_decode_media_page", signature = (body))]
pub(crate) fn decode_media_page(py: Python<'_>, body: &[u8]) -> PyResult<Typed<AnyJson>> {
    let request = media::search(&media::Search::default(), 1, MAX_PER_PAGE).map_err(|error| to_python(error.into()))?;
    let answer = Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: Bytes::copy_from_slice(body),
        ..Answer::default()
    };
    let decoded =
        py.detach(|| request.decode(&answer)).map_err(|problem| PyValueError::new_err(problem.to_string()))?;
    Ok(Typed::new(page_into_python(py, None, decoded.items)?.into_any().unbind()))
}
