//! The Group page: its methods of `StudioClient`. Those of `Group` are in `models.py`.

use pyo3::prelude::*;

use crate::api::groups::{self, ChangeUsers, GroupUserChange};
use crate::api::models;
use crate::client::{Client, Error};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, Int, Text};
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::input_records::{InputRecord, Records};
use crate::python::errors::to_python;
use crate::python::listing::source::lists;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

ids! {
    OfGroup: ("canvas_studio.models", "Group", "id") type_hint_identifier!("canvas_studio.models", "Group");
}

lists! { StudioClient {
    /// List the users of a group.
    ///
    /// Args:
    ///     group_id: The id of the group, or a `Group`. No operation lists groups: take the id from Studio itself, or
    ///         from the permissions of something that is shared with the group.
    ///
    /// Returns:
    ///     A listing of `GroupUser`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller is neither an administrator nor a member of the group.
    ///     NotFoundError: 404, if there is no such group.
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Group page, GET /groups/{group_id}/users.
    #[pyo3(signature = (group_id))]
    list_group_users (studio, group_id: Id<OfGroup>) -> models::GroupUser = groups::users(group_id);
} }

operations! { StudioClient {
    /// Add users to a group, change what they are in it, or remove them.
    ///
    /// Args:
    ///     group_id: The id of the group, or a `Group`.
    ///     changes: `GroupUserChange` objects, or dicts with the same names; one for each user. Whether Studio applies all
    ///         of them or none is not documented.
    ///
    /// Returns:
    ///     All users of the group after the changes.
    ///
    /// Raises:
    ///     InvalidArgumentError: If there is no change, two are of one user, or one cannot be right.
    ///     PermissionDeniedError: 403, if the caller is not an administrator.
    ///     NotFoundError: 404, if there is no such group.
    ///     UnprocessableEntityError: 422, if something is not valid, such as an action.
    ///     ResponseDecodeError: If Studio accepts the changes, but its list shows that it did not make them.
    ///
    /// Reference: Group page, POST /groups/{group_id}/users/batch_update.
    #[pyo3(signature = (group_id, changes))]
    change_group_users / change_group_users_async (studio, group_id: Id<OfGroup>, changes: Records<GroupUserChange>)
        -> Vec<models::GroupUser> = groups::change_users(group_id, changes);
} }

impl InputRecord for GroupUserChange {
    const NAME: &'static str = "GroupUserChange";
}

/// Check the fields of a `GroupUserChange` when it is made.
#[pyfunction]
#[pyo3(signature = (action, user_id, permission))]
pub(crate) fn check_group_user_change(
    py: Python<'_>,
    action: Text,
    user_id: Int,
    permission: Option<Text>,
) -> PyResult<()> {
    let change = GroupUserChange {
        action: action.read(py, "action")?,
        user_id: user_id.read(py, "user_id")?,
        permission: permission.read(py, "permission")?,
    };
    change.check(str::to_owned).map_err(|refusal| to_python(refusal.into()))
}

impl Operation for ChangeUsers {
    type Result = Vec<models::GroupUser>;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        let change = self.clone();
        async move { client.ok_or(Error::Closed)?.change_group_users(&change).await }
    }
}
