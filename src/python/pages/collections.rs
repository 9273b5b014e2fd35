//! The Collection page: its methods of `StudioClient`, and the class `Collection`.

use std::borrow::Cow;

use pyo3::prelude::*;

use super::records::OfUser;
use super::value::{self, object};
use crate::api::json::dates::Moment;
use crate::api::json::lazy::DateSource;
use crate::api::permissions::PermissionChange;
use crate::api::{collections, models};
use crate::python::convert::arguments::{Text, named};
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::input_records::Records;
use crate::python::convert::words::{CollectionType, Permission, Word};
use crate::python::listing::source::lists;
use crate::python::operations::{operations, reads};
use crate::python::studio_client::StudioClient;

reads! { StudioClient {
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
} }

operations! { StudioClient {
    /// Create a collection.
    ///
    /// Args:
    ///     name: Its name.
    ///     user_id: The Studio user (an id, an `Owner` or a `User`) in whose library it is created; the caller's own if
    ///         omitted. Only an administrator may create one for another user.
    ///
    /// Returns:
    ///     The new collection.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not create it for that user.
    ///     NotFoundError: 404, if there is no such user.
    ///     UnprocessableEntityError: 422, if the user id is not valid.
    ///
    /// Reference: Collection page, POST /collections.
    #[pyo3(signature = (name, *, user_id=None))]
    create_collection / create_collection_async (studio, name: Text, user_id: Option<Id<OfUser>>) -> models::Collection
        = collections::create(&name, user_id);

    /// Delete a collection with all its media and perspectives. This cannot be undone.
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

    /// Unarchive a collection, with all its media and perspectives.
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

    /// Change with whom a collection is shared.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     changes: `PermissionChange` objects, or dicts with the same names. Whether Studio applies all of them or
    ///         none is not documented.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if one to update or destroy does not exist, or one to create already exists.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///     ResponseDecodeError: If Studio accepts the change, but its list shows that it did not make it.
    ///
    /// Reference: Collection page, POST /collections/{collection_id}/permissions.
    #[pyo3(signature = (id, changes))]
    change_collection_permissions / change_collection_permissions_async (studio, id: Id<OfCollection>, changes: Records<PermissionChange>)
        -> models::Permissions = collections::change_permissions(id, &changes);
} }

lists! { StudioClient {
    /// List the collections that the caller may see.
    ///
    /// Args:
    ///     page: The page to start at.
    ///     per_page: How many items to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Collection`.
    ///
    /// Reference: Collection page, GET /collections.
    #[pyo3(signature = (*, page: "int" = 1, per_page: "int" = 50))]
    list_collections (studio,
        #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> models::Collection = collections::list(page, per_page);

    /// List the media in a collection.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     page: The page to start at.
    ///     per_page: How many items to request at once, 1 to 50.
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
    list_collection_media (studio, id: Id<OfCollection>,
        #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> models::Media = collections::list_media(id, page, per_page);
} }

ids! {
    OfCollection: ("canvas_studio._core", "Collection", "id") <Collection as pyo3::PyTypeInfo>::TYPE_HINT;
}

operations! { Collection {
    /// Fetch it again.
    ///
    /// Returns:
    ///     The collection as it is now; this object does not change.
    ///
    /// Raises:
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}.
    refresh / refresh_async (collection) -> models::Collection = collections::get(collection.value.id());

    /// Delete it with all its media and perspectives. This cannot be undone.
    ///
    /// Returns:
    ///     The collection as it was, or `None` if Studio's answer holds none (its body is hardly documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not delete it.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, DELETE /collections/{collection_id}.
    delete / delete_async (collection) -> Option<models::Collection> = collections::delete(collection.value.id());

    /// Archive it with all its media and perspectives.
    ///
    /// Returns:
    ///     The collection, or `None` if Studio's answer holds none (its body is not documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not archive it.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, POST /collections/{collection_id}/archive.
    archive / archive_async (collection) -> Option<models::Collection> = collections::archive(collection.value.id());

    /// Unarchive it, with all its media and perspectives.
    ///
    /// Returns:
    ///     The collection, or `None` if Studio's answer holds none (its body is not documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
    unarchive / unarchive_async (collection) -> Option<models::Collection>
        = collections::unarchive(collection.value.id());

    /// Get the users and groups with whom it is shared.
    ///
    /// Returns:
    ///     The users and the groups, each with a permission.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}/permissions.
    permissions / permissions_async (collection) -> models::Permissions
        = collections::permissions(collection.value.id());

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
    /// Reference: Collection page, POST /collections/{collection_id}/permissions.
    #[pyo3(signature = (changes))]
    change_permissions / change_permissions_async (collection, changes: Records<PermissionChange>) -> models::Permissions
        = collections::change_permissions(collection.value.id(), &changes);
} }

lists! { Collection {
    /// List the media in it.
    ///
    /// Args:
    ///     page: The page to start at.
    ///     per_page: How many items to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Media`.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}/media.
    #[pyo3(signature = (*, page: "int" = 1, per_page: "int" = 50))]
    media (collection,
        #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> models::Media = collections::list_media(collection.value.id(), page, per_page);
} }

object! {
    /// A collection of media.
    ///
    /// It is a snapshot of Studio's answer: it does not change, and reading an attribute sends no request. Every attribute
    /// but `id` may be `None`.
    Collection from "get_collection" {
        /// Studio's id of the collection.
        id: i64;
        /// The name. Some collections of courses have none.
        name: Option<Cow<'_, str>>;
        /// The type: `user` is somebody's own library, `course_wide` a course's; others exist.
        r#type: Option<Word<'_, CollectionType>>;
        /// What the caller may do with it. The values are not documented; those in the type hint are expected.
        permission: Option<Word<'_, Permission>>;
        /// The owner.
        owner: Option<models::Owner>;
        /// When it was created, in UTC.
        created_at: Option<DateSource<'_, Moment>>;
        /// The id of the course in Canvas, for a course's collection.
        course_id: Option<i64>;
        /// When it was archived, in UTC; `None` unless it is archived (inferred).
        archived_at: Option<DateSource<'_, Moment>>;
    }
    repr: id, name, type;
}
