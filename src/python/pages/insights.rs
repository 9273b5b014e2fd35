//! The Insights page: its methods of `StudioClient`. Those of `Perspective` are in `models.py`.

use pyo3::prelude::*;

use crate::api::{insights, models};
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::words::{OpenWord, Role};
use crate::python::listing::source::lists;
use crate::python::operations::reads;
use crate::python::studio_client::StudioClient;

ids! {
    OfPerspective as String:
        ("canvas_studio.models", "Perspective", "uuid") type_hint_identifier!("canvas_studio.models", "Perspective");
}

reads! { StudioClient {
    /// Get how much a perspective, which is a media in one of its collections, was watched in all.
    ///
    /// Args:
    ///     perspective: The perspective, or its UUID.
    ///     role: Only by people with this role; by everybody if omitted. The words are not documented; those in the type
    ///         hint are expected, and any other is sent.
    ///
    /// Returns:
    ///     The overview: views, minutes, viewers, and views by part of the media.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such perspective.
    ///     UnprocessableEntityError: 422, if something is not valid, such as the role.
    ///     ResponseDecodeError: If the answer is no such table.
    ///
    /// Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/overview.
    #[pyo3(signature = (perspective, role=None))]
    get_insights_overview / get_insights_overview_async (studio, perspective: Id<OfPerspective>,
        role: Option<OpenWord<Role>>) -> models::InsightsOverview = insights::overview(&perspective, role.as_deref());
} }

lists! { StudioClient {
    /// List how much each user watched of a perspective, which is a media in one of its collections.
    ///
    /// Args:
    ///     perspective: The perspective, or its UUID.
    ///     role: Only people with this role; everybody if omitted. The words are not documented; those in the type hint are
    ///         expected, and any other is sent.
    ///
    /// Returns:
    ///     A listing of `InsightsUser`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see that.
    ///     NotFoundError: 404, if there is no such perspective.
    ///     UnprocessableEntityError: 422, if something is not valid, such as the role.
    ///     ResponseDecodeError: If the answer is no such table.
    ///
    /// Reference: Insights page, GET /perspectives/{perspective_uuid}/insights/users.
    #[pyo3(signature = (perspective, role=None))]
    list_insights_users (studio, perspective: Id<OfPerspective>, role: Option<OpenWord<Role>>)
        -> models::InsightsUser = insights::users(&perspective, role.as_deref());
} }
