//! Converts the core's results to Python values.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::path::PathBuf;

#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDate, PyDateTime, PyList, PyString};
use pyo3::{IntoPyObjectExt, PyTypeInfo, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};
use serde_json::Value;
use url::Url;

use super::json;
use crate::api::json::dates::{Dated, Moment, ParseDate};
use crate::api::json::lazy::DateSource;
use crate::client::Client;
use crate::client::listing::Drift;
use crate::python::cached::cached;

/// A result that is converted for Python.
pub(crate) trait IntoPython {
    type Python: for<'py> IntoPyObject<'py> + Send + 'static;

    /// Converts it. Objects with operations of their own get the client.
    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python>;
}

/// Converts the items of a list.
pub(crate) fn page_into_python<'py, T: IntoPython>(
    py: Python<'py>,
    client: Option<&Client>,
    items: Vec<T>,
) -> PyResult<Bound<'py, PyList>> {
    let items: PyResult<Vec<_>> = items.into_iter().map(|item| item.into_python(py, client)?.into_py_any(py)).collect();
    PyList::new(py, items?)
}

/// The fields of `canvas_studio.drift.Drift`, in order.
pub(crate) type DriftFields = (u32, u64, u64, Option<i64>, Option<i64>);

pub(crate) fn drift_fields(drift: Drift) -> DriftFields {
    let Drift { readings, appeared, vanished, first_total, last_total } = drift;
    (readings, appeared, vanished, first_total, last_total)
}

/// Types that need no conversion.
macro_rules! unchanged {
    ($($type:ty),*) => {
        $(impl IntoPython for $type {
            type Python = Self;

            fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<Self> {
                Ok(self)
            }
        })*
    };
}

unchanged!(i64, u64, f64, bool, String, PathBuf);

impl<T: IntoPython> IntoPython for Option<T> {
    type Python = Option<T::Python>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        self.map(|value| value.into_python(py, client)).transpose()
    }
}

/// A date or a time that Python parses from its text. Passing numbers takes longer, since each becomes an object first.
pub(crate) trait FromText: ParseDate {
    type Class: PyTypeInfo;

    /// The class's `fromisoformat`.
    fn reader() -> &'static PyOnceLock<Py<PyAny>>;

    /// A text that `fromisoformat` reads.
    fn text(&self) -> String;

    fn to_python(py: Python<'_>, text: &str) -> PyResult<Py<PyAny>> {
        let find = || Ok(Self::Class::type_object(py).getattr(intern!(py, "fromisoformat"))?.unbind());
        cached(py, Self::reader(), find)?.call1(py, (text,))
    }
}

macro_rules! from_text {
    ($($type:ty: $class:ty, $hint:literal, |$value:ident| $text:expr;)*) => {
        $(impl FromText for $type {
            type Class = $class;

            fn reader() -> &'static PyOnceLock<Py<PyAny>> {
                static READER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                &READER
            }

            fn text(&self) -> String {
                let $value = self;
                $text
            }
        }

        impl TypeHint for $type {
            #[cfg(feature = "stubs")]
            const HINT: PyStaticExpr = type_hint_identifier!("datetime", $hint);
        })*
    };
}

from_text! {
    Moment: PyDateTime, "datetime", |moment| format!("{:.6}Z", moment.in_utc());
    jiff::civil::Date: PyDate, "date", |day| day.to_string();
}

impl<T: FromText + TypeHint + Copy + 'static> IntoPython for Dated<T> {
    type Python = Typed<T>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        T::to_python(py, &self.value().text()).map(Typed::new)
    }
}

impl<T: FromText + TypeHint + 'static> IntoPython for DateSource<'_, T> {
    type Python = Typed<T>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        match self {
            Self::Canonical(text) => T::to_python(py, text),
            Self::Parsed(value) => T::to_python(py, &value.text()),
        }
        .map(Typed::new)
    }
}

/// A text that is copied once, by Python.
impl IntoPython for Cow<'_, str> {
    type Python = Py<PyString>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(PyString::new(py, &self).unbind())
    }
}

impl IntoPython for Url {
    type Python = String;

    fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<String> {
        Ok(self.into())
    }
}

/// A Python object with the type hint `H`.
pub(crate) struct Typed<H>(pub(crate) Py<PyAny>, PhantomData<fn() -> H>);

/// How a [`Typed`] object's type is written in the stub.
pub(crate) trait TypeHint {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

impl<H> Typed<H> {
    pub(crate) fn new(object: impl Into<Py<PyAny>>) -> Self {
        Self(object.into(), PhantomData)
    }
}

impl<'py, H: TypeHint> IntoPyObject<'py> for Typed<H> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const OUTPUT_TYPE: PyStaticExpr = H::HINT;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.into_bound(py))
    }
}

/// Anything that JSON can hold.
#[derive(Debug)]
pub(crate) struct AnyJson;

impl TypeHint for AnyJson {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("typing", "Any");
}

/// The type hint of `None`.
#[derive(Debug)]
pub(crate) struct NoResult;

impl IntoPython for () {
    type Python = Typed<NoResult>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(py.None()))
    }
}

impl TypeHint for NoResult {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = PyStaticExpr::Constant { value: PyStaticConstant::None };
}

/// A JSON object.
#[derive(Debug)]
pub(crate) struct JsonObject;

impl TypeHint for JsonObject {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "dict"),
        type_hint_identifier!("builtins", "str"),
        type_hint_identifier!("typing", "Any")
    );
}

/// A list of JSON objects.
#[cfg(feature = "sandbox")]
#[derive(Debug)]
pub(crate) struct JsonObjects;

#[cfg(feature = "sandbox")]
impl TypeHint for JsonObjects {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(type_hint_identifier!("builtins", "list"), JsonObject::HINT);
}

/// An item of a list whose items have no type here.
impl IntoPython for Value {
    type Python = Typed<JsonObject>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(json::to_python(py, &self)?.unbind()))
    }
}
