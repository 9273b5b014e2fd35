//! The User page: its methods of `StudioClient`.

use pyo3::prelude::*;

use super::records::OfUser;
use crate::api::{models, users};
use crate::client::{Client, Error};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Text, named};
use crate::python::convert::ids::Id;
use crate::python::convert::words::{OpenWord, Role};
use crate::python::listing::source::lists;
use crate::python::operations::reads;
use crate::python::studio_client::StudioClient;

reads! { StudioClient {
    /// Get a user.
    ///
    /// Args:
    ///     id: The Studio user id, or an `Owner` or a `User`.
    ///
    /// Returns:
    ///     The user, with their roles.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see them.
    ///     NotFoundError: 404, if there is no such user.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: User page, GET /users/{user_id}.
    #[pyo3(signature = (id))]
    get_user / get_user_async (studio, id: Id<OfUser>) -> models::User = users::get(id);

    /// Find the one user with an e-mail address.
    ///
    /// Studio is asked for everyone with this address, and the addresses in its answer are compared with it as a whole,
    /// without regard to case: whether Studio also matches a part of an address is unknown.
    ///
    /// Args:
    ///     email: The e-mail address, or the Canvas login id if Studio holds that in its place.
    ///
    /// Returns:
    ///     The user, with their roles.
    ///
    /// Raises:
    ///     UserNotFoundError: If nobody has it: this person never opened Studio, or Studio holds another address or
    ///         their Canvas login id.
    ///     SeveralUsersError: If several users have it; `users` lists them.
    ///     PermissionDeniedError: 403, if the caller may not search users.
    ///     UnprocessableEntityError: 422, if Studio does not accept the address.
    ///
    /// Reference: User page, GET /users/search.
    #[pyo3(signature = (email))]
    find_user / find_user_async (studio, email: Text) -> models::User = users::find(&email);

    /// Get the library of a user: the personal collection, into which their media go by default.
    ///
    /// Args:
    ///     id: The Studio user id, or an `Owner` or a `User`.
    ///
    /// Returns:
    ///     The collection.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if there is no such user.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: User page, GET /users/{user_id}/library.
    #[pyo3(signature = (id))]
    get_user_library / get_user_library_async (studio, id: Id<OfUser>) -> models::Collection = users::library(id);
} }

lists! { StudioClient {
    /// Search users by e-mail address, by role, or by both. Give at least one of them.
    ///
    /// Args:
    ///     email: The e-mail address, or the Canvas login id if Studio holds that in its place. Whether a part of it is
    ///         enough is unknown; `find_user` finds one exact person.
    ///     role: The role. The words are not documented; those in the type hint are expected, and any other is sent.
    ///     page: The first page to read.
    ///     per_page: How many users to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `User`, each with their roles. Only people who have opened Studio are found.
    ///
    /// Raises, while it is read:
    ///     BadRequestError: 400, if Studio misses a parameter.
    ///     PermissionDeniedError: 403, if the caller may not search users.
    ///     UnprocessableEntityError: 422, if something is not valid, such as the role.
    ///
    /// Reference: User page, GET /users/search.
    #[pyo3(signature = (*, email=None, role=None, page: "int" = 1, per_page: "int" = 50))]
    search_users (studio, email: Option<Text>, role: Option<OpenWord<Role>>,
        #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> models::User = users::search(email.as_deref(), role.as_deref(), page, per_page);

    /// List the media that a user has permission to: what they own, and what is shared with them.
    ///
    /// For what they own, call `search_media(owner=email)`, or compare `media.owner.id`.
    ///
    /// Args:
    ///     id: The Studio user id, or an `Owner` or a `User`.
    ///     page: The first page to read.
    ///     per_page: How many media to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Media`, each with the permission of this user.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such user.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: User page, GET /users/{user_id}/media.
    #[pyo3(signature = (id, *, page: "int" = 1, per_page: "int" = 50))]
    list_user_media (studio, id: Id<OfUser>, #[pyo3(from_py_with = named::page)] page: i64,
        #[pyo3(from_py_with = named::per_page)] per_page: i64) -> models::Media = users::media(id, page, per_page);

    /// List the collections that a user has permission to.
    ///
    /// Args:
    ///     id: The Studio user id, or an `Owner` or a `User`.
    ///     page: The first page to read.
    ///     per_page: How many collections to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Collection`, each with the permission of this user.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such user.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: User page, GET /users/{user_id}/collections.
    #[pyo3(signature = (id, *, page: "int" = 1, per_page: "int" = 50))]
    list_user_collections (studio, id: Id<OfUser>, #[pyo3(from_py_with = named::page)] page: i64,
        #[pyo3(from_py_with = named::per_page)] per_page: i64) -> models::Collection
        = users::collections(id, page, per_page);
} }

impl Operation for users::Find {
    type Result = models::User;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<models::User, Error>> + Send + 'static {
        let find = self.clone();
        async move { client.ok_or(Error::Closed)?.find_user(&find).await }
    }
}
