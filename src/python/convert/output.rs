//! What the core returns, as Python's values.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::path::PathBuf;

#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDate, PyDateTime, PyString};
use pyo3::{PyTypeInfo, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};
use serde_json::Value;
use url::Url;

use super::json;
use crate::api::json::dates::{Dated, Moment, ParseDate};
use crate::api::json::lazy::DateSource;
use crate::api::raw::Content;
use crate::client::Client;
use crate::python::cached::cached;

/// A value that Python gets in a form of its own.
pub(crate) trait Deliver {
    type Python: for<'py> IntoPyObject<'py> + Send + 'static;

    /// Makes Python's form; objects that can ask for more are given the client.
    fn deliver(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python>;
}

/// Values that are the same on both sides.
macro_rules! delivered_as_they_are {
    ($($type:ty),*) => {
        $(impl Deliver for $type {
            type Python = Self;

            fn deliver(self, _: Python<'_>, _: Option<&Client>) -> PyResult<Self> {
                Ok(self)
            }
        })*
    };
}

delivered_as_they_are!(i64, u64, f64, String, PathBuf);

impl<T: Deliver> Deliver for Option<T> {
    type Python = Option<T::Python>;

    fn deliver(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        self.map(|value| value.deliver(py, client)).transpose()
    }
}

/// What Python makes of a date's or a time's text by itself. To give it the numbers takes longer, since each is an object
/// first.
pub(crate) trait FromText: ParseDate {
    type Class: PyTypeInfo;

    /// The class's `fromisoformat`.
    fn reader() -> &'static PyOnceLock<Py<PyAny>>;

    /// A text that it reads.
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

impl<T: FromText + TypeHint + Copy + 'static> Deliver for Dated<T> {
    type Python = Typed<T>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        T::to_python(py, &self.value().text()).map(Typed::new)
    }
}

impl<T: FromText + TypeHint + 'static> Deliver for DateSource<'_, T> {
    type Python = Typed<T>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        match self {
            Self::Canonical(text) => T::to_python(py, text),
            Self::Parsed(value) => T::to_python(py, &value.text()),
        }
        .map(Typed::new)
    }
}

/// A text that need not be copied before Python copies it.
impl Deliver for Cow<'_, str> {
    type Python = Py<PyString>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(PyString::new(py, &self).unbind())
    }
}

impl Deliver for Url {
    type Python = String;

    fn deliver(self, _: Python<'_>, _: Option<&Client>) -> PyResult<String> {
        Ok(self.into())
    }
}

/// A Python object of which only the type hint is known here.
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

/// What an operation returns that only does something.
#[derive(Debug)]
pub(crate) struct NoResult;

impl Deliver for NoResult {
    type Python = Typed<Self>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
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

/// Several of them.
#[cfg(feature = "sandbox")]
#[derive(Debug)]
pub(crate) struct JsonObjects;

#[cfg(feature = "sandbox")]
impl TypeHint for JsonObjects {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(type_hint_identifier!("builtins", "list"), JsonObject::HINT);
}

impl Deliver for Content {
    type Python = Typed<AnyJson>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(match self {
            Self::Empty => py.None(),
            Self::Text(text) => PyString::new(py, &text).into_any().unbind(),
            Self::Json(value) => json::to_python(py, &value)?.unbind(),
        }))
    }
}

/// An item of a list without a type of its own here.
impl Deliver for Value {
    type Python = Typed<JsonObject>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(json::to_python(py, &self)?.unbind()))
    }
}
