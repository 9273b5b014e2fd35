//! Converts the records in Studio's answers (`Owner`, `User`, `Course`, ...) to the dataclasses of
//! `canvas_studio.models`.

use std::marker::PhantomData;
use std::sync::{PoisonError, RwLock};

use pyo3::exceptions::PyTypeError;
#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{IntoPyObjectExt, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use crate::api::item::Extra;
use crate::api::models::{Record, Viewership};
use crate::api::sharing::Recipient;
use crate::api::words::{GROUP, USER};
use crate::client::Client;
use crate::python::convert::arguments::Argument;
#[cfg(feature = "stubs")]
use crate::python::convert::ids::IdKind;
use crate::python::convert::ids::{Id, ids};
use crate::python::convert::json::object_to_python;
use crate::python::convert::output::{IntoPython, JsonObject, TypeHint, Typed};
use crate::python::studio_client::StudioClient;

ids! {
    OfUser:
        ("canvas_studio.models", "Owner", "id") type_hint_identifier!("canvas_studio.models", "Owner"),
        ("canvas_studio.models", "User", "id") type_hint_identifier!("canvas_studio.models", "User"),
        ("canvas_studio.models", "GroupUser", "id") type_hint_identifier!("canvas_studio.models", "GroupUser");
}

ids! {
    OfUserOrGroup:
        ("canvas_studio.models", "Owner", "id") type_hint_identifier!("canvas_studio.models", "Owner"),
        ("canvas_studio.models", "User", "id") type_hint_identifier!("canvas_studio.models", "User"),
        ("canvas_studio.models", "GroupUser", "id") type_hint_identifier!("canvas_studio.models", "GroupUser"),
        ("canvas_studio.models", "Group", "id") type_hint_identifier!("canvas_studio.models", "Group");
}

/// A user, by their id or as an object, or a `Group`.
#[derive(Debug)]
pub(crate) struct Who(Py<PyAny>);

impl<'a, 'py> FromPyObject<'a, 'py> for Who {
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = <OfUserOrGroup as IdKind>::HINT;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(given.to_owned().unbind()))
    }
}

impl Argument for Who {
    type Value = Recipient;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<Recipient> {
        let given = self.0.bind(py);
        let Ok(id) = given.extract::<Id<OfUserOrGroup>>();
        let is_group = given.is_instance(&py.import("canvas_studio.models")?.getattr("Group")?)?;
        Ok(Recipient { share_type: if is_group { GROUP } else { USER }, id: id.read(py, name)? })
    }
}

impl<T: Record> TypeHint for T {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("canvas_studio.models", T::CLASS);
}

/// Fills an object of the dataclass's twin, which takes the documented fields in their order, the undocumented ones and, if
/// the record has methods, the client; and makes it one of the dataclass, which is frozen. A record without a client, of
/// which few are made, is made by the dataclass itself.
impl<T: Record<Values: FieldValues>> IntoPython for T {
    type Python = Typed<Self>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        let (values, extra) = self.into_values();
        let mut arguments = Vec::with_capacity(T::FIELD_NAMES.len() + 2);
        values.push_to(&mut arguments, py, client)?;
        arguments.push(object_to_python(py, &extra)?.into_any().unbind());
        let Class { frozen, twin, has_client } = class::<T>(py)?;
        let record = match client {
            Some(client) => {
                if *has_client {
                    arguments.push(StudioClient::sharing(py, client.clone()).into_py_any(py)?);
                }
                let record = twin.bind(py).call1(PyTuple::new(py, arguments)?)?;
                record.setattr(intern!(py, "__class__"), frozen)?;
                record
            }
            None => frozen.bind(py).call1(PyTuple::new(py, arguments)?)?,
        };
        Ok(Typed::new(record.unbind()))
    }
}

/// The values of a record's fields.
pub(crate) trait FieldValues {
    fn push_to(self, arguments: &mut Vec<Py<PyAny>>, py: Python<'_>, client: Option<&Client>) -> PyResult<()>;
}

impl FieldValues for () {
    fn push_to(self, _: &mut Vec<Py<PyAny>>, _: Python<'_>, _: Option<&Client>) -> PyResult<()> {
        Ok(())
    }
}

impl<First: IntoPython, Others: FieldValues> FieldValues for (First, Others) {
    fn push_to(self, arguments: &mut Vec<Py<PyAny>>, py: Python<'_>, client: Option<&Client>) -> PyResult<()> {
        let (first, others) = self;
        arguments.push(first.into_python(py, client)?.into_py_any(py)?);
        others.push_to(arguments, py, client)
    }
}

/// The dataclass of a record, and its twin.
struct Class {
    frozen: Py<PyAny>,
    twin: Py<PyAny>,
    has_client: bool,
}

/// The dataclass of a record. When it is first used, its fields are compared with those of the model.
fn class<T: Record>(py: Python<'_>) -> PyResult<&'static Class> {
    static CLASSES: RwLock<Vec<(&'static str, &'static Class)>> = RwLock::new(Vec::new());
    let known = |classes: &[(&str, &'static Class)]| {
        classes.iter().find(|(name, _)| *name == T::CLASS).map(|(_, class)| *class)
    };
    if let Some(class) = known(&CLASSES.read().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(class);
    }
    let models = py.import("canvas_studio.models")?;
    let class = models.getattr(T::CLASS)?;
    let found: Vec<String> = class.getattr("__match_args__")?.extract()?;
    if !found.iter().map(String::as_str).eq(T::FIELD_NAMES.iter().copied().chain(["extra"])) {
        let (name, expected) = (T::CLASS, T::FIELD_NAMES.join(", "));
        return Err(PyTypeError::new_err(format!(
            "the dataclass {name} has the fields {}; its model has {expected}, and then extra",
            found.join(", ")
        )));
    }
    let twin = models.getattr("unfrozen_twin")?.call1((&class,))?.unbind();
    let has_client = class.hasattr("_client")?;
    let class: &'static Class = Box::leak(Box::new(Class { frozen: class.unbind(), twin, has_client }));
    CLASSES.write().unwrap_or_else(PoisonError::into_inner).push((T::CLASS, class));
    Ok(class)
}

/// The type of a tuple with any number of items.
#[derive(Debug)]
pub(crate) struct TupleOf<T>(PhantomData<T>);

impl<T: IntoPython> TypeHint for TupleOf<T> {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "tuple"),
        <T::Python as IntoPyObject<'static>>::OUTPUT_TYPE,
        PyStaticExpr::Constant { value: PyStaticConstant::Ellipsis }
    );
}

/// A list inside a record is a tuple, so that the record cannot be changed through it.
impl<T: IntoPython + 'static> IntoPython for Vec<T> {
    type Python = Typed<TupleOf<T>>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        let items: PyResult<Vec<_>> =
            self.into_iter().map(|item| item.into_python(py, client)?.into_py_any(py)).collect();
        Ok(Typed::new(PyTuple::new(py, items?)?.into_any().unbind()))
    }
}

/// Views by the part of a media.
impl IntoPython for Viewership {
    type Python = Typed<JsonObject>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        self.0.into_python(py, client)
    }
}

/// The undocumented fields of a record.
impl IntoPython for Extra {
    type Python = Typed<JsonObject>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(object_to_python(py, &self)?.unbind()))
    }
}
