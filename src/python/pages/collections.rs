//! `Collection`: a collection of Studio's, and its operations without the id.

use std::borrow::Cow;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyType;

#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use crate::python::convert::arguments::{Argument, Changes, named};

use super::value;
use crate::api::item::Item;
use crate::api::json::dates::Moment;
use crate::api::json::fields::field_index;
use crate::api::json::lazy::Written;
use crate::api::models::plain_name;
use crate::api::{collections, models};
use crate::client::Client;
use crate::python::convert::ids::ids;
use crate::python::convert::output::{Deliver, Hinted, JsonObject};
use crate::python::errors::detached;
use crate::python::listing::source::ListingOf;
use crate::python::operations::operations;

/// A collection of media.
///
/// It is what Studio said when it was asked: it does not change, and reading an attribute sends nothing. Every
/// attribute but `id` may be `None`.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct Collection {
    value: models::Collection,
    client: Option<Client>,
}

impl Collection {
    fn client(&self, py: Python<'_>) -> PyResult<Option<&Client>> {
        match &self.client {
            Some(client) => Ok(Some(client)),
            None => Err(detached(py, "Collection", &format!("studio.get_collection({})", self.value.id()))),
        }
    }
}

impl Deliver for models::Collection {
    type Python = Collection;

    fn deliver(self, _: Python<'_>, client: Option<&Client>) -> PyResult<Collection> {
        Ok(Collection { value: self, client: client.cloned() })
    }
}

ids! {
    OfCollection: ("canvas_studio._core", "Collection", "id") <Collection as pyo3::PyTypeInfo>::TYPE_HINT;
    /// The Canvas course, which is not the id of the course's collection.
    OfCourse:
        ("canvas_studio.models", "Course", "course_id") type_hint_identifier!("canvas_studio.models", "Course"),
        ("canvas_studio._core", "Collection", "course_id") <Collection as pyo3::PyTypeInfo>::TYPE_HINT;
}

operations! { Collection {
operations {
    /// Ask for it anew.
    ///
    /// Returns:
    ///     The collection as it is now; this object does not change.
    ///
    /// Raises:
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}.
    refresh / refresh_async (collection) -> models::Collection = collections::get(collection.value.id());

    /// Delete it with all its media and perspectives. There is no way back.
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

    /// Bring it back from the archive, with all its media and perspectives.
    ///
    /// Returns:
    ///     The collection, or `None` if Studio's answer holds none (its body is not documented).
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///
    /// Reference: Collection page, /collections/{collection_id}/unarchive (the method, POST, is inferred).
    unarchive / unarchive_async (collection) -> Option<models::Collection> = collections::unarchive(collection.value.id());

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
    permissions / permissions_async (collection) -> models::Permissions = collections::permissions(collection.value.id());

    /// Change with whom it is shared.
    ///
    /// Args:
    ///     changes: `PermissionChange` objects, or dicts with the same names. Whether Studio carries out either all of
    ///         them or none is not documented.
    ///
    /// Returns:
    ///     All users and groups with whom it is shared now.
    ///
    /// Raises:
    ///     BadRequestError: 400, if one to update or destroy does not exist, or one to create exists already.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if it is no longer there.
    ///     ResponseDecodeError: If Studio says yes, and its list shows that it did not make the change.
    ///
    /// Reference: Collection page, POST /collections/{collection_id}/permissions.
    #[pyo3(signature = (changes))]
    change_permissions / change_permissions_async (collection, changes: Changes) -> models::Permissions
        = collections::change_permissions(collection.value.id(), &changes);
}
lists {
    /// List the media in it.
    ///
    /// Args:
    ///     page: The page to begin with.
    ///     per_page: How many items are asked for at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of `Media`.
    ///
    /// Reference: Collection page, GET /collections/{collection_id}/media.
    #[pyo3(signature = (*, page: "int" = 1, per_page: "int" = 50))]
    media (collection, #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64) -> models::Media
        = collections::list_media(collection.value.id(), page, per_page);
}
fields {
    /// Studio's id of the collection.
    id: i64;
    /// The name. Some collections of courses have none.
    name: Option<Cow<'_, str>>;
    /// The type: `user` is somebody's own library, `course_wide` a course's; others exist.
    r#type: Option<Cow<'_, str>>;
    /// What the caller may do with it. The words are not documented.
    permission: Option<Cow<'_, str>>;
    /// To whom it belongs.
    owner: Option<models::Owner>;
    /// When it was made, in UTC.
    created_at: Option<Written<'_, Moment>>;
    /// The id of the course in Canvas, for a course's collection.
    course_id: Option<i64>;
    /// When it was archived, in UTC; `None` unless it is archived (inferred).
    archived_at: Option<Written<'_, Moment>>;
}
plain {
    /// Fields that are not documented, as they were sent.
    #[getter]
    fn extra(&self, py: Python<'_>) -> PyResult<Hinted<JsonObject>> {
        self.value.extra().deliver(py, None)
    }

    /// Return it as a dict that `json.dumps` takes.
    ///
    /// Returns:
    ///     Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
    fn to_dict(&self, py: Python<'_>) -> PyResult<Hinted<JsonObject>> {
        value::to_dict(py, &self.value)
    }

    /// Make one from a dict such as `to_dict()` returns. It knows no client.
    ///
    /// Args:
    ///     fields: The fields; all but `id` may be missing.
    ///
    /// Returns:
    ///     The collection.
    ///
    /// Raises:
    ///     InvalidArgumentError: If there is no `id` that can be read, or if it cannot be JSON. Any other field that cannot
    ///         be read stands in `extra`.
    #[staticmethod]
    #[pyo3(signature = (fields))]
    fn from_dict(fields: value::Fields<'_>) -> PyResult<Self> {
        Ok(Self { value: fields.read()?, client: None })
    }

    fn __eq__(&self, other: &Bound<'_, Self>) -> bool {
        other.get().value.id() == self.value.id()
    }

    /// Let pydantic, and with it FastAPI, read and write the object. Only pydantic calls this.
    #[classmethod]
    fn __get_pydantic_core_schema__<'py>(
        cls: &Bound<'py, PyType>,
        source: &Bound<'py, PyAny>,
        handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (source, handler);
        value::pydantic_schema(cls)
    }

    fn __hash__(&self) -> u64 {
        value::hash("Collection", self.value.id())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = |name| self.value.named::<Option<Cow<'_, str>>>(name).map(|text| text.into_py_any(py)).transpose();
        value::repr(py, "Collection", &[
            ("id", Some(self.value.id().into_py_any(py)?)),
            ("name", text("name")?),
            ("type", text("type")?),
        ])
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Hinted<JsonObject>,))> {
        Ok((slf.get_type().getattr("from_dict")?, (slf.get().to_dict(slf.py())?,)))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn _repr_html_(&self) -> String {
        let collection = &self.value;
        let text = |name| collection.named::<Option<Cow<'_, str>>>(name).map(Cow::into_owned);
        value::card(text("name").as_deref().unwrap_or("(no name)"), &[
            ("Collection", Some(collection.id().to_string())),
            ("Type", text("type")),
            ("Owner", value::owner(collection.named("owner"))),
            ("Created", value::minute(collection.named("created_at"))),
            ("Archived", value::minute(collection.named("archived_at"))),
            ("Canvas course", collection.named::<Option<i64>>("course_id").map(|id| id.to_string())),
        ])
    }
}
} }
