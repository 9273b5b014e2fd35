//! `StudioClient`: every operation of Studio's, by id.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use secrecy::ExposeSecret;

use super::auth::oauth::{OAuth, Reduced, network_of};
use super::bridge::caller::AttachedAuth;
use super::bridge::coroutine::CoroutineOf;
use super::bridge::operation::Operation;
use super::bridge::run::{close, run};
use super::convert::arguments::{
    Argument, Body, Changes, Day, FilePath, Flag, Number, Object, Params, Seconds, Text, Whole, named,
};
use super::convert::ids::Id;
use super::convert::output::{Deliver, Hinted, Nothing};
use super::errors::{to_python, warn_of_left_out};
use super::listing::reading::PyCheckpoint;
use super::listing::source::{ListingOf, ListingOfAny, ListingSource, made_of};
use super::operations::operations;
use super::pages::collections::{OfCollection, OfCourse};
use super::pages::media::{OfMedia, embed_type, min_permission};
use super::pages::records::OfUser;
use super::progress::{DownloadWithProgress, Progress};
use crate::api::check::MAX_PER_PAGE;
use crate::api::raw::{self, Content};
use crate::api::{InvalidArgument, collections, media, models};
use crate::client::config::{
    CONNECT_TIMEOUT, MAX_CONCURRENCY, MAX_RETRIES, MAX_RETRY_WAIT, READ_TIMEOUT, RETRY_DELAY, TIMEOUT,
};
use crate::client::{Auth, Client, Config, Error, Network, Options};

/// A client of one school's Studio.
///
/// It can be used from any number of threads and event loops, and after a fork. Every operation has two forms: `f`
/// blocks, and `f_async` is a coroutine with the same arguments, result and exceptions. What lists returns a `Listing`,
/// which is read with `for` or with `async for`.
///
/// It can be pickled for other processes, which find its secrets again where this one finds them: in the environment
/// (`CANVAS_STUDIO_TOKEN`), or in a profile and the token store of its `OAuth`. No secret is in the pickle.
///
/// Args:
///     url: The school's name (`"myschool"`), its host, or its URL. `http` only on this machine.
///     token: An access token that you look after.
///     auth: Instead of a token, an `OAuth`, which looks after its tokens itself.
///     proxy: The proxy's URL (`"http://host:port"`, or `"http://user:password@host:port"`), instead of `HTTPS_PROXY`,
///         `NO_PROXY` and the system's settings.
///     ca_bundle: A file in PEM form, or a folder of such files, with the certificate authorities to trust, instead of
///         `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and the system's trust store.
///     timeout: Seconds (or a timedelta) for one call with all its repetitions; `float("inf")` for no limit. Downloads
///         have none.
///     connect_timeout: Seconds for making a connection; it never takes longer than `read_timeout`.
///     read_timeout: Seconds without a byte from the server.
///     max_retries: How often a request is repeated. What may have been carried out is never repeated blindly.
///     retry_delay: Seconds before the first repetition; they double with each, and chance shortens them.
///     max_retry_wait: Seconds that a server may ask to be left alone; if it asks for more, the error is raised.
///     max_concurrency: How many pages of one list are asked for at once, 1 to 64. It falls by itself where Studio says
///         that it is too much, or becomes slow.
///     max_connections: How many requests are under way at once, 1 to 1000, and so how many connections there are. Further
///         calls wait in line, which counts as part of `timeout`. Clients made by `with_options` share it with this one,
///         unless they are given another.
///     max_rate: How many requests a second begin at the most; no limit if left out. Clients made by `with_options` share
///         it with this one.
///
/// Raises:
///     InvalidArgumentError: If an argument cannot be right.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct StudioClient {
    client: Client,
}

impl StudioClient {
    pub(crate) fn of(client: Client) -> Self {
        Self { client }
    }

    /// The `OAuth` that it was made with.
    fn auth(&self) -> Option<&AttachedAuth> {
        self.client.attached()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }
}

// Python shows the defaults of a signature only as numbers, so they are written once more below; here they are held
// to the core's.
const _: () = assert!(TIMEOUT == 120.0 && CONNECT_TIMEOUT == 5.0 && READ_TIMEOUT == 30.0);
const _: () = assert!(MAX_RETRIES == 2 && RETRY_DELAY == 0.5 && MAX_RETRY_WAIT == 60.0);
const _: () = assert!(MAX_PER_PAGE == 50 && MAX_CONCURRENCY == 16);

operations! { StudioClient {
operations {
    /// Make a collection.
    ///
    /// Args:
    ///     name: Its name.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) in whose library it is made; the caller's own if
    ///         left out. Only an administrator may make one for another user.
    ///
    /// Returns:
    ///     The new collection.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not make it for that user.
    ///     NotFoundError: 404, if there is no such user.
    ///     UnprocessableEntityError: 422, if the user id is not valid.
    ///
    /// Reference: Collection page, POST /collections.
    #[pyo3(signature = (name, *, user_id=None))]
    create_collection / create_collection_async (studio, name: Text, user_id: Option<Id<OfUser>>) -> models::Collection
        = collections::create(&name, user_id);

    /// Get a collection.
    ///
    /// Args:
    ///     id: The collection's id.
    ///
    /// Returns:
    ///     The collection.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}.
    #[pyo3(signature = (id))]
    get_collection / get_collection_async (studio, id: Id<OfCollection>) -> models::Collection = collections::get(id);

    /// Delete a collection with all its media and perspectives. There is no way back.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///
    /// Returns:
    ///     The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not delete it.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Collection page, DELETE /collections/{collection_id}.
    #[pyo3(signature = (id))]
    delete_collection / delete_collection_async (studio, id: Id<OfCollection>) -> Option<models::Collection>
        = collections::delete(id);

    /// Archive a collection with all its media and perspectives.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///
    /// Returns:
    ///     The collection, or `None` if Studio's answer holds none (its body is not documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not archive it.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Collection page, POST /collections/{collection_id}/archive.
    #[pyo3(signature = (id))]
    archive_collection / archive_collection_async (studio, id: Id<OfCollection>) -> Option<models::Collection>
        = collections::archive(id);

    /// Bring a collection back from the archive, with all its media and perspectives.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///
    /// Returns:
    ///     The collection, or `None` if Studio's answer holds none (its body is not documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
    #[pyo3(signature = (id))]
    unarchive_collection / unarchive_collection_async (studio, id: Id<OfCollection>) -> Option<models::Collection>
        = collections::unarchive(id);

    /// Get the users and groups with whom a collection is shared.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///
    /// Returns:
    ///     The users and the groups, each with a permission.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}/permissions.
    #[pyo3(signature = (id))]
    get_collection_permissions / get_collection_permissions_async (studio, id: Id<OfCollection>) -> models::Permissions
        = collections::permissions(id);

    /// Change with whom a collection is shared.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
    ///         them or none is not documented.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///     ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.
    ///
    /// Reference: Collection page, POST /collections/{collection_id}/permissions.
    #[pyo3(signature = (id, changes))]
    change_collection_permissions / change_collection_permissions_async (studio, id: Id<OfCollection>, changes: Changes)
        -> models::Permissions = collections::change_permissions(id, &changes);

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

    /// Delete a media with all its perspectives. There is no way back.
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

    /// Bring a media back from the archive, with all its perspectives.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     collection_id: The collection, or its id, into which it is put; left out, it is not moved.
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
    ///     downloadable: Whether viewers may download it; Studio's own default if left out.
    ///
    /// Returns:
    ///     The URL. It works only when it is launched over LTI.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media, or if Studio has not met the course: somebody has to open Studio
    ///         from the course in Canvas once (observed).
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Media page, /media/{media_id}/create_embed (the method, POST, is observed).
    #[pyo3(signature = (media_id, *, course_id, embed_type: "Literal['embed', 'bare_embed']" = "embed", downloadable=None))]
    create_embed / create_embed_async (studio, media_id: Id<OfMedia>, course_id: Id<OfCourse>, #[pyo3(from_py_with = embed_type)] embed_type: &'static str,
        downloadable: Option<Flag>) -> String = media::create_embed(media_id, course_id, embed_type, downloadable);

    /// Get the signed URL from which a media can be downloaded for 24 hours. Treat it as a secret.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     quality: Which version; the best if left out. The words are not documented.
    ///
    /// Returns:
    ///     The URL. It must not be sent the access token.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if there is no such media, or not in that quality.
    ///     UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept `quality`.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (id, *, quality=None))]
    get_download_url / get_download_url_async (studio, id: Id<OfMedia>, quality: Option<Text>) -> url::Url
        = media::download_url(id, quality.as_deref());

    /// Download a media into a file.
    ///
    /// It is written to `PATH.part` and has its name only when it is whole. A broken connection is taken up where it
    /// broke; if the signed URL expires, a new one is asked for.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     path: The file; one that is there is replaced.
    ///     quality: Which version; the best if left out. The words are not documented.
    ///     progress: `True` for a progress bar (needs tqdm), or a callable that is given the bytes so far and the bytes
    ///         in all (`None` if unknown), several times a second, on the calling thread.
    ///
    /// Returns:
    ///     The path.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller is neither the owner nor an administrator.
    ///     NotFoundError: 404, if there is no such media, or not in that quality.
    ///     UnprocessableEntityError: 422, if the media is external (YouTube, Vimeo), or Studio does not accept `quality`.
    ///     ResponseDecodeError: If what comes is not a recording.
    ///     OSError: If the file cannot be written.
    ///
    /// Reference: Media page, GET /media/{media_id}/download.
    #[pyo3(signature = (id, path, *, quality=None, progress=Progress::default()))]
    download_media / download_media_async (studio, id: Id<OfMedia>, path: FilePath, quality: Option<Text>,
        progress: Progress) -> PathBuf = DownloadWithProgress::new(media::download_url(id, quality.as_deref()), path, progress);

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

    /// Change with whom a media is shared.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
    ///         them or none is not documented.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///     ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.
    ///
    /// Reference: Media page, /media/{media_id}/permissions (POST is observed; of two bodies, one is inferred and one typed by a public client).
    #[pyo3(signature = (id, changes))]
    change_media_permissions / change_media_permissions_async (studio, id: Id<OfMedia>, changes: Changes)
        -> models::Permissions = media::change_permissions(id, &changes);

    /// Send any request to Studio's API, with the token, the repetitions and the errors of every other.
    ///
    /// Args:
    ///     method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. Only a `GET` is repeated when it may have been carried out.
    ///     path: The part behind `/api/public/v1`, such as `"/users/7"`.
    ///     params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
    ///     json: The body.
    ///
    /// Returns:
    ///     The parsed JSON; a `str` if the answer is plain text or CSV; `None` if it is empty.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the request would leave Studio's API.
    ///     APIStatusError: If Studio says no.
    ///     ResponseDecodeError: If the answer is neither.
    ///
    /// Reference: every page.
    #[pyo3(signature = (method, path, *, params=None, json=None))]
    request / request_async (studio, method: Text, path: Text, params: Option<Params>, json: Option<Body>) -> Content
        = raw::request(&method, &path, params.unwrap_or_default(), json);
}
lists {
    /// List the collections that the caller may see.
    ///
    /// Args:
    ///     page: The page to begin with.
    ///     per_page: How many items are asked for at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Collection`.
    ///
    /// Reference: Collection page, GET /collections.
    #[pyo3(signature = (*, page: "int" = 1, per_page: "int" = 50))]
    list_collections (studio, #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64) -> models::Collection = collections::list(page, per_page);

    /// List the media in a collection.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     page: The page to begin with.
    ///     per_page: How many items are asked for at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Media`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if there is no such collection.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}/media.
    #[pyo3(signature = (id, *, page: "int" = 1, per_page: "int" = 50))]
    list_collection_media (studio, id: Id<OfCollection>, #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64) -> models::Media
        = collections::list_media(id, page, per_page);

    /// Search for media. All that is given must hold; if nothing is given, everything that the caller may see is found.
    ///
    /// Args:
    ///     title: A part of the title.
    ///     min_size: The least size, in bytes.
    ///     max_size: The greatest size, in bytes.
    ///     start_date: The first day of creation, as a date or as `"YYYY-MM-DD"`.
    ///     end_date: The last day of creation.
    ///     last_viewed_start_date: The first day of the last view.
    ///     last_viewed_end_date: The last day of the last view.
    ///     last_viewed_by_student_start_date: The first day of the last view by a student.
    ///     last_viewed_by_student_end_date: The last day of the last view by a student.
    ///     owner: The e-mail address of the owner. Owners without one cannot be searched for.
    ///     tag: The whole name of a tag.
    ///     source: Where the media comes from. The words are not documented.
    ///     page: The page to begin with.
    ///     per_page: How many items are asked for at once, 1 to 50.
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
        last_viewed_by_student_end_date=None, owner=None, tag=None, source=None, page: "int" = 1, per_page: "int" = 50))]
    search_media (studio, title: Option<Text>, min_size: Option<Whole>, max_size: Option<Whole>,
        start_date: Option<Day>, end_date: Option<Day>, last_viewed_start_date: Option<Day>,
        last_viewed_end_date: Option<Day>, last_viewed_by_student_start_date: Option<Day>,
        last_viewed_by_student_end_date: Option<Day>, owner: Option<Text>, tag: Option<Text>,
        source: Option<Text>, #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64) -> models::Media = {
        let search = media::Search {
            title,
            min_size,
            max_size,
            start_date,
            end_date,
            last_viewed_start_date,
            last_viewed_end_date,
            last_viewed_by_student_start_date,
            last_viewed_by_student_end_date,
            owner,
            tag,
            source,
        };
        media::search(&search, page, per_page)
    };

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

    /// List the perspectives of a media: where it is placed.
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
    ///     min_permission: The least that they may do: `access`, `view` or `edit`, each of which includes those before.
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
    list_media_users (studio, id: Id<OfMedia>, #[pyo3(from_py_with = min_permission)] min_permission: &'static str) -> models::User
        = media::users(id, min_permission);

    /// Read any list of Studio's API page by page, as every other list is read.
    ///
    /// Args:
    ///     path: The part behind `/api/public/v1`, such as `"/users/7/media"`.
    ///     key: The name under which the answer holds the items, such as `"media"`.
    ///     params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
    ///     page: The page to begin with.
    ///     per_page: How many items are asked for at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of dicts.
    ///
    /// Reference: every page with `page` and `per_page`.
    #[pyo3(signature = (path, *, key, params=None, page: "int" = 1, per_page: "int" = 50))]
    paginate (studio, path: Text, key: Text, params: Option<Params>, #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> serde_json::Value
        = raw::paginate(&path, key, params.unwrap_or_default(), page, per_page);
}
plain {
    #[new]
    #[pyo3(signature = (url, *, token=None, auth=None, proxy=None, ca_bundle=None, timeout: "float | timedelta" = 120.0, connect_timeout: "float | timedelta" = 5.0,
        read_timeout: "float | timedelta" = 30.0, max_retries: "int" = 2, retry_delay: "float | timedelta" = 0.5,
        max_retry_wait: "float | timedelta" = 60.0, max_concurrency: "int" = 16, max_connections: "int" = 100, max_rate=None))]
fn new(py: Python<'_>, url: Text, token: Option<Text>, auth: Option<Object<OAuth>>, proxy: Option<Text>, ca_bundle: Option<FilePath>, #[pyo3(from_py_with = named::timeout)] timeout: f64, #[pyo3(from_py_with = named::connect_timeout)] connect_timeout: f64,
        #[pyo3(from_py_with = named::read_timeout)] read_timeout: f64, #[pyo3(from_py_with = named::max_retries)] max_retries: i64,
        #[pyo3(from_py_with = named::retry_delay)] retry_delay: f64, #[pyo3(from_py_with = named::max_retry_wait)] max_retry_wait: f64,
        #[pyo3(from_py_with = named::max_concurrency)] max_concurrency: i64,
        #[pyo3(from_py_with = named::max_connections)] max_connections: i64, max_rate: Option<Number>) -> PyResult<Self> {
        let url = url.read(py, "url")?;
        let token = token.read(py, "token")?;
        let auth = auth.read(py, "auth")?;
        let proxy = proxy.read(py, "proxy")?;
        let ca_bundle = ca_bundle.read(py, "ca_bundle")?;
        let options = Options {
            timeout: Some(timeout),
            connect_timeout: Some(connect_timeout),
            read_timeout: Some(read_timeout),
            max_retries: Some(max_retries),
            retry_delay: Some(retry_delay),
            max_retry_wait: Some(max_retry_wait),
            max_concurrency: Some(max_concurrency),
            max_connections: Some(max_connections),
            max_rate: max_rate.read(py, "max_rate")?,
        };
        let config = Network::new(proxy.as_deref(), ca_bundle).and_then(|network| Config::new(&url, network, options));
        let made = config.and_then(|config| {
            let known = match (&token, auth.as_ref().map(Py::get)) {
                (Some(token), None) => Auth::token(token)?,
                (None, Some(auth)) => {
                    auth.check_school(&config)?;
                    Auth::OAuth(Arc::clone(&auth.oauth))
                }
                (None, None) => return Err(InvalidArgument::new("token", "is missing: give a token, or auth=OAuth(...)")),
                (Some(_), Some(_)) => return Err(InvalidArgument::new("auth", "is given beside a token: give one of the two")),
            };
            let client = Client::new(config, known);
            Ok(match auth {
                Some(auth) => {
 let store = auth.get().store.clone_ref(py);
 client.with_attached(Arc::new(AttachedAuth::new(auth.into_any(), store)))
}
                None => client,
            })
        });
        let client = made.map_err(|refusal| to_python(refusal.into()))?;
        warn_of_left_out(client.config().network())?;
        Ok(Self { client })
    }

    /// Make a client from arguments, environment variables, and a profile that `canvas-studio login` has made.
    ///
    /// An argument wins over a variable, and a variable over the profile: `CANVAS_STUDIO_URL`, `CANVAS_STUDIO_TOKEN`,
    /// or `CANVAS_STUDIO_CLIENT_ID`, `CANVAS_STUDIO_CLIENT_SECRET` and `CANVAS_STUDIO_TOKEN_FILE`; `CANVAS_STUDIO_PROFILE`
    /// names the profile. With a profile that is named here, the variables are not looked at. Nothing secret is sent to a
    /// URL that came from elsewhere.
    ///
    /// Args:
    ///     profile: The profile; if left out, the variable's, or the only one that there is.
    ///     url: Instead of `CANVAS_STUDIO_URL`.
    ///     token: Instead of `CANVAS_STUDIO_TOKEN`.
    ///     auth: Instead of a token.
    ///     proxy: As for the client itself, and so are the others.
    ///     ca_bundle: Likewise.
    ///     timeout: Likewise.
    ///     connect_timeout: Likewise.
    ///     read_timeout: Likewise.
    ///     max_retries: Likewise.
    ///     retry_delay: Likewise.
    ///     max_retry_wait: Likewise.
    ///     max_concurrency: Likewise.
    ///     max_connections: Likewise.
    ///     max_rate: Likewise.
    ///
    /// Returns:
    ///     A client.
    ///
    /// Raises:
    ///     InvalidArgumentError: If something is missing, does not fit together, or cannot be right.
    #[staticmethod]
    #[pyo3(signature = (profile=None, *, url=None, token=None, auth=None, proxy=None, ca_bundle=None, timeout: "float | timedelta" = 120.0, connect_timeout: "float | timedelta" = 5.0,
        read_timeout: "float | timedelta" = 30.0, max_retries: "int" = 2, retry_delay: "float | timedelta" = 0.5,
        max_retry_wait: "float | timedelta" = 60.0, max_concurrency: "int" = 16, max_connections: "int" = 100, max_rate=None))]
    fn from_env(py: Python<'_>, profile: Option<Text>, url: Option<Text>, token: Option<Text>, auth: Option<Object<OAuth>>, proxy: Option<Text>, ca_bundle: Option<FilePath>, #[pyo3(from_py_with = named::timeout)] timeout: f64, #[pyo3(from_py_with = named::connect_timeout)] connect_timeout: f64,
        #[pyo3(from_py_with = named::read_timeout)] read_timeout: f64, #[pyo3(from_py_with = named::max_retries)] max_retries: i64,
        #[pyo3(from_py_with = named::retry_delay)] retry_delay: f64, #[pyo3(from_py_with = named::max_retry_wait)] max_retry_wait: f64,
        #[pyo3(from_py_with = named::max_concurrency)] max_concurrency: i64,
        #[pyo3(from_py_with = named::max_connections)] max_connections: i64, max_rate: Option<Number>) -> PyResult<Self> {
        let given = PyDict::new(py);
        given.set_item("profile", profile.read(py, "profile")?)?;
        given.set_item("url", url.read(py, "url")?)?;
        given.set_item("token", token.read(py, "token")?)?;
        given.set_item("auth", auth.read(py, "auth")?)?;
        given.set_item("proxy", proxy.read(py, "proxy")?)?;
        given.set_item("ca_bundle", ca_bundle.read(py, "ca_bundle")?)?;
        let found = py.import("canvas_studio.profiles")?.call_method("find", (), Some(&given))?;
        let (url, token, auth) = (found.getattr("url")?, found.getattr("token")?, found.getattr("auth")?);
        let (proxy, ca_bundle) = (found.getattr("proxy")?, found.getattr("ca_bundle")?);
        Self::new(py, url.extract()?, token.extract()?, auth.extract()?, proxy.extract()?, ca_bundle.extract()?, timeout, connect_timeout, read_timeout,
            max_retries, retry_delay, max_retry_wait, max_concurrency, max_connections, max_rate)
    }

    /// Go on with a list where a checkpoint was taken of its reading, perhaps in another process.
    ///
    /// Args:
    ///     checkpoint: What `Listing.checkpoint` has given.
    ///
    /// Returns:
    ///     A listing of what had not been given. If items vanished or appeared meanwhile, the list is read again, as it
    ///     is in one process.
    ///
    /// Raises:
    ///     InvalidArgumentError: If it is of another school.
    ///
    /// Reference: the page of the list.
    #[pyo3(signature = (checkpoint))]
    fn resume(&self, py: Python<'_>, checkpoint: Object<PyCheckpoint>) -> PyResult<Hinted<ListingOfAny>> {
        let checkpoint = checkpoint.read(py, "checkpoint")?;
        made_of(py, ListingSource::resumed(&self.client, &checkpoint.get().0).map_err(to_python)?)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let pickles = py.import("canvas_studio._pickles")?;
        let (place, auth) = match self.client.auth() {
            Auth::Token(token) => (Some(pickles.call_method1("token_place", (token.expose_secret(),))?), None),
            Auth::OAuth(_) => (None, self.auth().map(|auth| auth.oauth.clone_ref(py))),
        };
        let config = self.client.config();
        let set = config.options();
        let (proxy, ca_bundle) = network_of(&self.client)?;
        let options = PyDict::new(py);
        options.set_item("proxy", proxy)?;
        options.set_item("ca_bundle", ca_bundle)?;
        options.set_item("timeout", set.timeout)?;
        options.set_item("connect_timeout", set.connect_timeout)?;
        options.set_item("read_timeout", set.read_timeout)?;
        options.set_item("max_retries", set.max_retries)?;
        options.set_item("retry_delay", set.retry_delay)?;
        options.set_item("max_retry_wait", set.max_retry_wait)?;
        options.set_item("max_concurrency", set.max_concurrency)?;
        options.set_item("max_connections", set.max_connections)?;
        options.set_item("max_rate", set.max_rate)?;
        Ok((pickles.getattr("client")?, Hinted::new((config.url(), place, auth, options).into_py_any(py)?)))
    }

    /// The school's URL.
    #[getter]
    fn url(&self) -> String {
        self.client.config().url()
    }

    /// Make a client with other options, for some calls.
    ///
    /// It shares the connections of this one, unless connecting may take another time, and is closed by itself.
    ///
    /// Args:
    ///     timeout: As for the client itself, and so are the others; what is left out stays as it is.
    ///     connect_timeout: Likewise.
    ///     read_timeout: Likewise.
    ///     max_retries: Likewise.
    ///     retry_delay: Likewise.
    ///     max_retry_wait: Likewise.
    ///     max_concurrency: Likewise.
    ///     max_connections: Likewise; another number is counted for the new client alone, and those made of it.
    ///     max_rate: Likewise; `float("inf")` for no limit.
    ///
    /// Returns:
    ///     The client.
    ///
    /// Raises:
    ///     InvalidArgumentError: If an argument cannot be right.
    #[pyo3(signature = (*, timeout=None, connect_timeout=None, read_timeout=None, max_retries=None, retry_delay=None,
        max_retry_wait=None, max_concurrency=None, max_connections=None, max_rate=None))]
    fn with_options(&self, py: Python<'_>, timeout: Option<Seconds>, connect_timeout: Option<Seconds>, read_timeout: Option<Seconds>,
        max_retries: Option<Whole>, retry_delay: Option<Seconds>, max_retry_wait: Option<Seconds>,
        max_concurrency: Option<Whole>, max_connections: Option<Whole>, max_rate: Option<Number>) -> PyResult<Self> {
        let client = self.client.with(Options {
            timeout: timeout.read(py, "timeout")?,
            connect_timeout: connect_timeout.read(py, "connect_timeout")?,
            read_timeout: read_timeout.read(py, "read_timeout")?,
            max_retries: max_retries.read(py, "max_retries")?,
            retry_delay: retry_delay.read(py, "retry_delay")?,
            max_retry_wait: max_retry_wait.read(py, "max_retry_wait")?,
            max_concurrency: max_concurrency.read(py, "max_concurrency")?,
            max_connections: max_connections.read(py, "max_connections")?,
            max_rate: max_rate.read(py, "max_rate")?,
        });
        let client = client.map_err(to_python)?;
        // Each has a reference of its own, so that Python's garbage collector can count them.
        Ok(Self::of(match self.auth() {
            Some(auth) => client.with_attached(Arc::new(auth.clone_ref(py))),
            None => client,
        }))
    }

    /// What time it is at the server, as its `Date` says it; for `canvas-studio ping`.
    fn _server_date(&self, py: Python<'_>) -> PyResult<Option<String>> {
        run(py, Some(&self.client), Ok(ServerDate))
    }

    // As for OAuth. If an object, a listing or a call has the client as well, whoever has that keeps it alive.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands it over")]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.client.attached_to_this_alone::<AttachedAuth>().map_or(Ok(()), |auth| auth.traverse(&visit))
    }

    /// End what is under way with `ClientClosedError`, and refuse what comes.
    fn close(&self) {
        close(&self.client);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        close(&self.client);
    }

    fn __aenter__(slf: Py<Self>) -> CoroutineOf<Py<Self>> {
        CoroutineOf::new("StudioClient.__aenter__", async { Ok(slf) })
    }

    fn __aexit__(&self, _kind: Py<PyAny>, _error: Py<PyAny>, _traceback: Py<PyAny>) -> CoroutineOf<Hinted<Nothing>> {
        let client = self.client.clone();
        CoroutineOf::new("StudioClient.__aexit__", async move {
            close(&client);
            Ok(Python::attach(|py| Hinted::new(py.None())))
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("StudioClient({})", self.url().into_py_any(py)?.bind(py).repr()?))
    }
}
} }

/// Asks the server for the time.
struct ServerDate;

impl Operation for ServerDate {
    type Result = Option<String>;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Option<String>, Error>> + Send + 'static {
        let client = client.ok_or(Error::Closed);
        async move { client?.server_date().await }
    }
}
