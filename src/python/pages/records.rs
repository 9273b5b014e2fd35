//! Converts the records in Studio's answers (`Owner`, `User`, `Course`, ...) to the dataclasses of
//! `canvas_studio.models`.

use pyo3::IntoPyObjectExt;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
#[cfg(feature = "stubs")]
use pyo3::type_hint_identifier;
use pyo3::types::{PyModule, PyTuple};

use crate::api::item::Extra;
use crate::api::models::{Course, Group, Owner, Permissions, Perspective, Source, User};
use crate::client::Client;
use crate::python::cached::cached;
use crate::python::convert::ids::ids;
use crate::python::convert::json::object_to_python;
use crate::python::convert::output::{IntoPython, TypeHint, Typed};

/// Converts a record by calling its dataclass with the fields in order, the undocumented ones last.
macro_rules! record {
    ($name:ident { $($field:ident),* }) => {
        impl TypeHint for $name {
            #[cfg(feature = "stubs")]
            const HINT: PyStaticExpr = type_hint_identifier!("canvas_studio.models", stringify!($name));
        }

        impl IntoPython for $name {
            type Python = Typed<Self>;

            fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
                let fields = [
                    $(self.$field.into_python(py, client)?.into_py_any(py)?,)*
                    object_to_python(py, &self.extra)?.into_any().unbind(),
                ];
                make(py, stringify!($name), fields)
            }
        }
    };
}

record!(Owner { id, full_name, display_name, email });
record!(User { id, full_name, display_name, email, permission });
record!(Group { id, name, permission });
record!(Course { id, name, r#type, permission, owner, created_at, course_id, archived_at });
record!(Perspective { uuid, title, collection });
record!(Source { url, mime_type, definition, download_url });
record!(Permissions { users, groups });

ids! {
    OfUser:
        ("canvas_studio.models", "Owner", "id") type_hint_identifier!("canvas_studio.models", "Owner"),
        ("canvas_studio.models", "User", "id") type_hint_identifier!("canvas_studio.models", "User");
}

fn make<H>(py: Python<'_>, class: &str, fields: impl IntoIterator<Item = Py<PyAny>>) -> PyResult<Typed<H>> {
    static MODELS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let models = cached(py, &MODELS, || PyModule::import(py, "canvas_studio.models").map(Bound::unbind))?;
    let fields = PyTuple::new(py, fields.into_iter().collect::<Vec<_>>())?;
    Ok(Typed::new(models.bind(py).getattr(class)?.call1(fields)?.unbind()))
}

/// A list inside a record is a tuple, so that the record cannot be changed through it.
impl<T: IntoPython> IntoPython for Vec<T> {
    type Python = Py<PyTuple>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        let items: PyResult<Vec<_>> =
            self.into_iter().map(|item| item.into_python(py, client)?.into_py_any(py)).collect();
        PyTuple::new(py, items?).map(Bound::unbind)
    }
}

/// The undocumented fields of a record.
impl IntoPython for Extra {
    type Python = Typed<crate::python::convert::output::JsonObject>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(object_to_python(py, &self)?.unbind()))
    }
}
