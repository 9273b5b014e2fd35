//! Types for the arguments of methods. Each is read once its name is known, so that an error can name it.

use std::marker::PhantomData;
use std::path::PathBuf;

use pyo3::PyTypeInfo;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyMapping;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};

use super::input::{
    borrowed_text, day, file_path, flag, flag_or, int, json, number, params, seconds, text, with_article, wrong_type,
};

/// An argument of a method, read once its name is known.
pub(crate) trait Argument {
    type Value;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<Self::Value>;
}

impl<A: Argument> Argument for Option<A> {
    type Value = Option<A::Value>;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<Self::Value> {
        self.map(|argument| argument.read(py, name)).transpose()
    }
}

/// Arguments that pyo3 has already read, through a function in `named`.
macro_rules! already_read {
    ($($type:ty),*) => {
        $(impl Argument for $type {
            type Value = Self;

            fn read(self, _: Python<'_>, _: &str) -> PyResult<Self> {
                Ok(self)
            }
        })*
    };
}

already_read!(i64, bool, &str);

/// Declares types for arguments as Python passed them, each with the function that reads it.
macro_rules! arguments {
    ($($(#[$about:meta])* $argument:ident: $value:ty = $read:path, $hint:expr;)*) => {
        $(
            $(#[$about])*
            #[derive(Debug)]
            pub(crate) struct $argument(Py<PyAny>);

            impl<'a, 'py> FromPyObject<'a, 'py> for $argument {
                type Error = std::convert::Infallible;
                #[cfg(feature = "stubs")]
                const INPUT_TYPE: PyStaticExpr = $hint;

                fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
                    Ok(Self(given.to_owned().unbind()))
                }
            }

            impl Argument for $argument {
                type Value = $value;

                fn read(self, py: Python<'_>, name: &str) -> PyResult<Self::Value> {
                    $read(name, self.0.bind(py))
                }
            }
        )*
    };
}
pub(crate) use arguments;

/// The type hint of a mapping from names to values.
#[cfg(feature = "stubs")]
pub(crate) const MAPPING: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Mapping"),
    type_hint_identifier!("builtins", "str"),
    type_hint_identifier!("typing", "Any")
);

/// A mapping from names to values. Errors call it `values`.
pub(crate) struct AnyMapping<'py>(pub(crate) Bound<'py, PyMapping>);

impl<'py> FromPyObject<'_, 'py> for AnyMapping<'py> {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = MAPPING;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyMapping>() {
            Ok(mapping) => Ok(Self(mapping.to_owned())),
            Err(_) => Err(wrong_type("values", "a dict", &given, None)),
        }
    }
}

arguments! {
    Text: String = text, type_hint_identifier!("builtins", "str");
    Flag: bool = flag, type_hint_identifier!("builtins", "bool");
    Int: i64 = int, type_hint_identifier!("builtins", "int");
    Number: f64 = number, type_hint_identifier!("builtins", "float");
    /// A duration, in seconds or as a timedelta.
    Seconds: f64 = seconds,
        type_hint_union!(type_hint_identifier!("builtins", "float"), type_hint_identifier!("datetime", "timedelta"));
    /// A calendar day, as a date or as text. The core checks the text.
    Day: String = day,
        type_hint_union!(type_hint_identifier!("datetime", "date"), type_hint_identifier!("builtins", "str"));
    FilePath: PathBuf = file_path, <PathBuf as FromPyObject<'_, '_>>::INPUT_TYPE;
    /// Query parameters of a raw request.
    Params: Vec<(String, String)> = params, MAPPING;
    /// The body of a raw request, as JSON text.
    Body: String = json, type_hint_identifier!("typing", "Any");
}

/// An object of one of this module's classes.
#[derive(Debug)]
pub(crate) struct Object<T>(Py<PyAny>, PhantomData<fn() -> T>);

impl<'a, 'py, T: PyTypeInfo> FromPyObject<'a, 'py> for Object<T> {
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = T::TYPE_HINT;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(given.to_owned().unbind(), PhantomData))
    }
}

impl<T: PyTypeInfo> Argument for Object<T> {
    type Value = Py<T>;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<Py<T>> {
        let given = self.0.bind(py);
        if let Ok(object) = given.cast::<T>() {
            return Ok(object.clone().unbind());
        }
        let class = T::type_object(py).name()?.to_string();
        Err(wrong_type(name, &with_article(&class), given, None))
    }
}

/// Readers for arguments whose default a signature shows: pyo3 requires a value of the default's own type.
pub(crate) mod named {
    use super::{Bound, PyAny, PyResult, borrowed_text, flag, int, seconds};

    macro_rules! named {
        ($($name:ident: $value:ty = $read:path;)*) => {
            $(pub(crate) fn $name(given: &Bound<'_, PyAny>) -> PyResult<$value> {
                $read(stringify!($name), given)
            })*
        };
    }

    named! {
        page: i64 = int;
        per_page: i64 = int;
        timeout: f64 = seconds;
        connect_timeout: f64 = seconds;
        read_timeout: f64 = seconds;
        max_retries: i64 = int;
        retry_delay: f64 = seconds;
        max_retry_wait: f64 = seconds;
        max_concurrency: i64 = int;
        max_connections: i64 = int;
        raw: bool = flag;
        check: bool = flag;
        recursive: bool = flag;
        jobs: i64 = int;
        dry_run: bool = flag;
        resume: bool = flag;
        chunk_size: i64 = int;
        consistent: bool = flag;
        keep_others: bool = flag;
    }

    pub(crate) fn provider<'given>(given: &'given Bound<'_, PyAny>) -> PyResult<&'given str> {
        borrowed_text("provider", given)
    }

    pub(crate) fn status<'given>(given: &'given Bound<'_, PyAny>) -> PyResult<&'given str> {
        borrowed_text("status", given)
    }
}

/// Readers for options that stay as they are if they are left out. `None` is refused: it could also mean "no limit".
pub(crate) mod changed {
    use super::{Bound, PyAny, PyResult, int, number, seconds};

    macro_rules! changed {
        ($($name:ident: $value:ty = $read:path;)*) => {
            $(pub(crate) fn $name(given: &Bound<'_, PyAny>) -> PyResult<Option<$value>> {
                $read(stringify!($name), given).map(Some)
            })*
        };
    }

    changed! {
        timeout: f64 = seconds;
        connect_timeout: f64 = seconds;
        read_timeout: f64 = seconds;
        max_retries: i64 = int;
        retry_delay: f64 = seconds;
        max_retry_wait: f64 = seconds;
        max_concurrency: i64 = int;
        max_connections: i64 = int;
        max_rate: f64 = number;
    }
}

/// Read an argument of a class written in Python: an int.
#[pyfunction]
#[pyo3(signature = (name, value))]
pub(crate) fn read_int(name: &str, value: &Bound<'_, PyAny>) -> PyResult<i64> {
    int(name, value)
}

/// Read an argument of a class written in Python: a bool.
#[pyfunction]
#[pyo3(signature = (name, value, expected="True or False"))]
pub(crate) fn read_bool(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyResult<bool> {
    flag_or(name, value, expected)
}

/// Read an argument of a class written in Python: a JSON value, returned as JSON text.
#[pyfunction]
#[pyo3(signature = (name, value))]
pub(crate) fn read_json(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    json(name, value)
}

/// Read an argument of a class written in Python: the path of a file.
#[pyfunction]
#[pyo3(signature = (name, value))]
pub(crate) fn read_path(name: &str, value: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    file_path(name, value)
}

/// Read an argument of a class written in Python: a duration, returned in seconds.
#[pyfunction]
#[pyo3(signature = (name, value))]
pub(crate) fn read_seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    seconds(name, value)
}
