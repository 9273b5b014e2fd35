//! The Transfer Media page: its method of `StudioClient`.

use pyo3::prelude::*;

use super::records::OfUser;
use crate::api::models;
use crate::api::transfer_media::{self, TransferMedia};
use crate::client::{Client, Error};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::Int;
use crate::python::convert::ids::Id;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

operations! { StudioClient {
    /// Give all media of a user that are not shared to another user.
    ///
    /// Studio moves every unshared media at once, with its perspectives in the library and in custom collections, and only
    /// a transfer in the other direction brings them back, with all else that the other user has. So say how many you
    /// expect. They are counted first; if there are more or fewer, nothing is transferred.
    ///
    /// What counts is a media whose owner is `from_user` and that is shared with nobody directly. Whether Studio also
    /// calls a media shared that is only in a shared collection or in a course is unknown: it moves that many at most.
    /// The count takes a request for each media of the user.
    ///
    /// Args:
    ///     from_user: Who has the media: the Studio user id, or a user as an object.
    ///     to_user: Who gets them; likewise.
    ///     expect: How many unshared media `from_user` has.
    ///
    /// Returns:
    ///     What was not transferred.
    ///
    /// Raises:
    ///     MediaCountError: If they are not as many as expected. Nothing was transferred.
    ///     InvalidArgumentError: If both users are the same, or `expect` is no number of media.
    ///     BadRequestError: 400, if Studio does not know the users.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if there is no `from_user`, whose media are listed first.
    ///     UnprocessableEntityError: 422, if an id is not valid.
    ///
    /// Reference: Transfer Media page, POST /transfer_media.
    #[pyo3(signature = (from_user, to_user, *, expect))]
    transfer_media / transfer_media_async (studio, from_user: Id<OfUser>, to_user: Id<OfUser>, expect: Int)
        -> models::MediaTransfer = transfer_media::transfer(from_user, to_user, expect);
} }

impl Operation for TransferMedia {
    type Result = models::MediaTransfer;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        let transfer = self.clone();
        async move { client.ok_or(Error::Closed)?.transfer_media(&transfer).await }
    }
}
