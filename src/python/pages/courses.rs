//! The Courses page: its methods of `StudioClient` and of `Collection`. Those of `Course` are in `models.py`.

use pyo3::prelude::*;

use super::collections::Collection;
use crate::api::{courses, models};
use crate::python::convert::ids::{Id, ids};
use crate::python::listing::source::lists;
use crate::python::operations::reads;
use crate::python::studio_client::StudioClient;

reads! { StudioClient {
    /// Get the collection of a course in Canvas.
    ///
    /// Args:
    ///     course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
    ///
    /// Returns:
    ///     The collection. Its `id` is Studio's id of the collection, its `course_id` that of the course in Canvas.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not see it.
    ///     NotFoundError: 404, if Studio does not know the course: somebody has to open Studio from the course in Canvas
    ///         once (observed).
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Courses page, GET /courses/{course_id}.
    #[pyo3(signature = (course_id))]
    get_course / get_course_async (studio, course_id: Id<OfCourse>) -> models::Collection = courses::get(course_id);
} }

lists! { StudioClient {
    /// List the perspectives of a course in Canvas: the media in it, each with the UUID that its insights have.
    ///
    /// Args:
    ///     course_id: The course's id in Canvas, or a `Course` or a `Collection` that has one.
    ///
    /// Returns:
    ///     A listing of `Perspective`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see them.
    ///     NotFoundError: 404, if Studio does not know the course: somebody has to open Studio from the course in Canvas
    ///         once (observed).
    ///     UnprocessableEntityError: 422, if the id is not valid.
    ///
    /// Reference: Courses page, GET /courses/{course_id}/perspectives.
    #[pyo3(signature = (course_id))]
    list_course_perspectives (studio, course_id: Id<OfCourse>) -> models::Perspective
        = courses::perspectives(course_id);
} }

ids! {
    /// The Canvas course, which is not the id of the course's collection.
    OfCourse:
        ("canvas_studio.models", "Course", "course_id") type_hint_identifier!("canvas_studio.models", "Course"),
        ("canvas_studio._core", "Collection", "course_id") <Collection as pyo3::PyTypeInfo>::TYPE_HINT;
}

lists! { Collection {
    /// List the perspectives of its course in Canvas: the media in it, each with the UUID that its insights have.
    ///
    /// Returns:
    ///     A listing of `Perspective`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If it is no collection of a course: it has no `course_id`.
    ///
    /// Reference: Courses page, GET /courses/{course_id}/perspectives.
    perspectives (collection) -> models::Perspective = courses::perspectives_of(&collection.value);
} }
