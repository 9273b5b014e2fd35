//! Unwraps objects that stand for another value: members of enums, numpy scalars, and markers of missing values.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

/// The value of an enum member, the Python scalar of a numpy scalar, or the object itself. Dates and times of numpy
/// stay as they are, since Python's are less precise.
pub(crate) fn plain_value<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let is_plain = given.is_exact_instance_of::<PyString>()
        || given.is_exact_instance_of::<PyInt>()
        || given.is_exact_instance_of::<PyFloat>()
        || given.is_exact_instance_of::<PyBool>()
        || given.is_exact_instance_of::<PyDict>()
        || given.is_none();
    if is_plain {
        return Ok(given.clone());
    }
    if is_instance(given, "enum", "Enum")? {
        let value = given.getattr("value")?;
        // A member whose value is a member again is not unwrapped further, so the recursion ends.
        return if is_instance(&value, "enum", "Enum")? { Ok(value) } else { plain_value(&value) };
    }
    if is_instance(given, "numpy", "generic")? && !is_numpy_time(given)? {
        let plain = given.call_method0("item")?;
        // Python has no long double.
        let is_long = plain.get_type().is(given.get_type()) && is_instance(given, "numpy", "floating")?;
        return if is_long { given.call_method0("__float__") } else { Ok(plain) };
    }
    Ok(given.clone())
}

pub(crate) fn is_numpy_time(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(is_instance(given, "numpy", "datetime64")? || is_instance(given, "numpy", "timedelta64")?)
}

/// Whether it is an instance of a class in a module that may not be imported. If it is not, there are no instances.
pub(crate) fn is_instance(given: &Bound<'_, PyAny>, module: &str, class: &str) -> PyResult<bool> {
    let modules = given.py().import("sys")?.getattr("modules")?;
    match modules.call_method1("get", (module,))?.getattr_opt(class)? {
        Some(class) => given.is_instance(&class),
        None => Ok(false),
    }
}

/// Whether it marks a missing value, as in data frames: NaN, NaT, NA.
pub(crate) fn is_missing(given: &Bound<'_, PyAny>) -> bool {
    let is_na = || given.get_type().name().is_ok_and(|name| name == "NAType");
    is_na() || given.ne(given).unwrap_or(false)
}
