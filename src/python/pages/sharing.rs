//! Sharing: sets the permissions of media and collections, whatever they are. Its methods stand on two pages.

#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyMapping;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};

use super::collections::{Collection, OfCollection};
use super::media::{Media, OfMedia};
use super::records::Who;
use crate::api::sharing::{Levels, Recipient, SetPermissions};
use crate::api::words::LEVELS;
use crate::api::{collections, media, models};
use crate::client::{Client, Error};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, named};
use crate::python::convert::ids::Id;
use crate::python::convert::input::{word, wrong_type};
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

operations! { StudioClient {
    /// Share a media with a user or a group. If they have another level, it is changed to this one.
    ///
    /// Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
    /// stays the owner.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///     level: `view` or `edit`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
    ///         is missing so far. Call it again.
    ///
    /// Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
    #[pyo3(signature = (id, who, level: "Literal['view', 'edit']" = "view"))]
    share_media / share_media_async (studio, id: Id<OfMedia>, who: Who, #[pyo3(from_py_with = level)] level: &'static str)
        -> models::Permissions
        = Levels::of_one(who, Some(level)).and_then(|levels| media::set_permissions(id, levels));

    /// Stop sharing a media with a user or a group.
    ///
    /// Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
    /// `access`, which comes from courses and collections, stays.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and it is still shared with them.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
    ///         shared with them so far. Call it again.
    ///
    /// Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
    #[pyo3(signature = (id, who))]
    unshare_media / unshare_media_async (studio, id: Id<OfMedia>, who: Who) -> models::Permissions
        = Levels::of_one(who, None).and_then(|levels| media::set_permissions(id, levels));

    /// Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.
    ///
    /// Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
    /// is raised if you name its user or group, and never taken away.
    ///
    /// Args:
    ///     id: The media, or its id.
    ///     permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
    ///         `None` to stop sharing with them.
    ///     keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
    ///     BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
    ///         been made.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such media.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
    ///         is not made so far. Call it again.
    ///
    /// Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
    #[pyo3(signature = (id, permissions, *, keep_others: "bool" = true))]
    set_media_permissions / set_media_permissions_async (studio, id: Id<OfMedia>, permissions: WantedLevels,
        #[pyo3(from_py_with = named::keep_others)] keep_others: bool) -> models::Permissions
        = Levels::of_many(permissions, keep_others).and_then(|levels| media::set_permissions(id, levels));
} }

operations! { StudioClient {
    /// Share a collection with a user or a group. If they have another level, it is changed to this one.
    ///
    /// Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
    /// stays the owner.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///     level: `view` or `edit`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
    ///         is missing so far. Call it again.
    ///
    /// Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
    #[pyo3(signature = (id, who, level: "Literal['view', 'edit']" = "view"))]
    share_collection / share_collection_async (studio, id: Id<OfCollection>, who: Who, #[pyo3(from_py_with = level)] level: &'static str)
        -> models::Permissions
        = Levels::of_one(who, Some(level)).and_then(|levels| collections::set_permissions(id, levels));

    /// Stop sharing a collection with a user or a group.
    ///
    /// Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
    /// `access`, which comes from courses and collections, stays.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and it is still shared with them.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
    ///         shared with them so far. Call it again.
    ///
    /// Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
    #[pyo3(signature = (id, who))]
    unshare_collection / unshare_collection_async (studio, id: Id<OfCollection>, who: Who) -> models::Permissions
        = Levels::of_one(who, None).and_then(|levels| collections::set_permissions(id, levels));

    /// Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.
    ///
    /// Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
    /// is raised if you name its user or group, and never taken away.
    ///
    /// Args:
    ///     id: The collection, or its id.
    ///     permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
    ///         `None` to stop sharing with them.
    ///     keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
    ///     BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
    ///         been made.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no such collection.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
    ///         is not made so far. Call it again.
    ///
    /// Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
    #[pyo3(signature = (id, permissions, *, keep_others: "bool" = true))]
    set_collection_permissions / set_collection_permissions_async (studio, id: Id<OfCollection>, permissions: WantedLevels,
        #[pyo3(from_py_with = named::keep_others)] keep_others: bool) -> models::Permissions
        = Levels::of_many(permissions, keep_others).and_then(|levels| collections::set_permissions(id, levels));
} }

operations! { Media {
    /// Share it with a user or a group. If they have another level, it is changed to this one.
    ///
    /// Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
    /// stays the owner.
    ///
    /// Args:
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///     level: `view` or `edit`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
    ///         is missing so far. Call it again.
    ///
    /// Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
    #[pyo3(signature = (who, level: "Literal['view', 'edit']" = "view"))]
    share / share_async (this, who: Who, #[pyo3(from_py_with = level)] level: &'static str)
        -> models::Permissions
        = Levels::of_one(who, Some(level)).and_then(|levels| media::set_permissions(this.value.id(), levels));

    /// Stop sharing it with a user or a group.
    ///
    /// Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
    /// `access`, which comes from courses and collections, stays.
    ///
    /// Args:
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and it is still shared with them.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
    ///         shared with them so far. Call it again.
    ///
    /// Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
    #[pyo3(signature = (who))]
    unshare / unshare_async (this, who: Who) -> models::Permissions
        = Levels::of_one(who, None).and_then(|levels| media::set_permissions(this.value.id(), levels));

    /// Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.
    ///
    /// Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
    /// is raised if you name its user or group, and never taken away.
    ///
    /// Args:
    ///     permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
    ///         `None` to stop sharing with them.
    ///     keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
    ///     BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
    ///         been made.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
    ///         is not made so far. Call it again.
    ///
    /// Reference: Media page, /media/{media_id}/permissions: GET, then POST (observed).
    #[pyo3(signature = (permissions, *, keep_others: "bool" = true))]
    set_permissions / set_permissions_async (this, permissions: WantedLevels,
        #[pyo3(from_py_with = named::keep_others)] keep_others: bool) -> models::Permissions
        = Levels::of_many(permissions, keep_others).and_then(|levels| media::set_permissions(this.value.id(), levels));
} }

operations! { Collection {
    /// Share it with a user or a group. If they have another level, it is changed to this one.
    ///
    /// Call it as often as you like: the permissions are read first, and nothing is sent if they have the level. The owner
    /// stays the owner.
    ///
    /// Args:
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///     level: `view` or `edit`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and the level is still missing: there is no such user or group, say.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and the level
    ///         is missing so far. Call it again.
    ///
    /// Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
    #[pyo3(signature = (who, level: "Literal['view', 'edit']" = "view"))]
    share / share_async (collection, who: Who, #[pyo3(from_py_with = level)] level: &'static str)
        -> models::Permissions
        = Levels::of_one(who, Some(level)).and_then(|levels| collections::set_permissions(collection.value.id(), levels));

    /// Stop sharing it with a user or a group.
    ///
    /// Call it as often as you like: nothing is sent if it is not shared with them. The owner stays the owner, and the level
    /// `access`, which comes from courses and collections, stays.
    ///
    /// Args:
    ///     who: The Studio user (an id, an `Owner` or a `User`), or a `Group`. For a group's id, pass `Group(id)`.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if Studio refuses, and it is still shared with them.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and it is
    ///         shared with them so far. Call it again.
    ///
    /// Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
    #[pyo3(signature = (who))]
    unshare / unshare_async (collection, who: Who) -> models::Permissions
        = Levels::of_one(who, None).and_then(|levels| collections::set_permissions(collection.value.id(), levels));

    /// Set the levels of several users and groups. The permissions are read, and only what differs is sent, in one request.
    ///
    /// Call it as often as you like. The owner stays the owner. The level `access`, which comes from courses and collections,
    /// is raised if you name its user or group, and never taken away.
    ///
    /// Args:
    ///     permissions: A dict from users and groups (an id of a user, an `Owner`, `User` or `Group`) to `view`, `edit`, or
    ///         `None` to stop sharing with them.
    ///     keep_others: Whether everybody else keeps what they have. If `False`, it is no longer shared with them.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     InvalidArgumentError: If somebody is named twice, or a level is another word. No request was sent.
    ///     BadRequestError: 400, if Studio refuses, and a change is still to be made. The others of the same call may have
    ///         been made.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     APIConnectionError, APITimeoutError, InternalServerError: With `outcome_unknown`, if no answer came and a change
    ///         is not made so far. Call it again.
    ///
    /// Reference: Collection page, /collections/{collection_id}/permissions: GET, then POST.
    #[pyo3(signature = (permissions, *, keep_others: "bool" = true))]
    set_permissions / set_permissions_async (collection, permissions: WantedLevels,
        #[pyo3(from_py_with = named::keep_others)] keep_others: bool) -> models::Permissions
        = Levels::of_many(permissions, keep_others).and_then(|levels| collections::set_permissions(collection.value.id(), levels));
} }

impl Operation for SetPermissions {
    type Result = models::Permissions;

    fn start(
        &self,
        client: Option<Client>,
    ) -> impl Future<Output = Result<models::Permissions, Error>> + Send + 'static {
        let set = self.clone();
        async move { client.ok_or(Error::Closed)?.set_permissions(&set).await }
    }
}

/// A reader for an argument with a default: pyo3 requires a value of the default's own type.
fn level(given: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    word("level", given, LEVELS)
}

/// The levels of users and groups, as a dict. `None` is no level.
#[derive(Debug)]
struct WantedLevels(Py<PyAny>);

impl<'a, 'py> FromPyObject<'a, 'py> for WantedLevels {
    type Error = std::convert::Infallible;
    /// The type of the keys is not told: a dict of ids would not be one of ids and groups.
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Mapping"),
        type_hint_identifier!("typing", "Any"),
        type_hint_union!(type_hint_identifier!("builtins", "str"), type_hint_identifier!("builtins", "None"))
    );

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(given.to_owned().unbind()))
    }
}

impl Argument for WantedLevels {
    type Value = Vec<(Recipient, Option<&'static str>)>;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<Self::Value> {
        let given = self.0.bind(py);
        let Ok(mapping) = given.cast::<PyMapping>() else {
            return Err(wrong_type(name, "a dict from users and groups to levels", given, None));
        };
        let mut wanted = Vec::new();
        for item in mapping.items()?.iter() {
            let (who, level): (Who, Bound<'_, PyAny>) = item.extract()?;
            let who = who.read(py, &format!("each key of {name}"))?;
            let path = format!("{name}[{}]", who.id);
            wanted.push((who, if level.is_none() { None } else { Some(word(&path, &level, LEVELS)?) }));
        }
        Ok(wanted)
    }
}
