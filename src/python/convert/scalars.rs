//! What an object stands for: the value of an enum's member, the scalar in one of numpy's, or a missing value.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

/// What an object means that stands for another: an enum's member for its value, a scalar of numpy's for one of Python's.
/// Its dates and times stay as they are, since Python has none so fine.
pub(crate) fn meant<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let is_plain = given.is_exact_instance_of::<PyString>()
        || given.is_exact_instance_of::<PyInt>()
        || given.is_exact_instance_of::<PyFloat>()
        || given.is_exact_instance_of::<PyBool>()
        || given.is_exact_instance_of::<PyDict>()
        || given.is_none();
    if is_plain {
        return Ok(given.clone());
    }
    if is_a(given, "enum", "Enum")? {
        let value = given.getattr("value")?;
        // A member of an enum as the value of another is refused as what it is, so this has an end.
        return if is_a(&value, "enum", "Enum")? { Ok(value) } else { meant(&value) };
    }
    if is_a(given, "numpy", "generic")? && !is_numpy_time(given)? {
        let plain = given.call_method0("item")?;
        // A long double has no counterpart.
        let is_long = plain.get_type().is(given.get_type()) && is_a(given, "numpy", "floating")?;
        return if is_long { given.call_method0("__float__") } else { Ok(plain) };
    }
    Ok(given.clone())
}

pub(crate) fn is_numpy_time(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(is_a(given, "numpy", "datetime64")? || is_a(given, "numpy", "timedelta64")?)
}

/// Whether it is of a class of a module that need not be there: where nobody has imported it, there are no objects of it.
pub(crate) fn is_a(given: &Bound<'_, PyAny>, module: &str, class: &str) -> PyResult<bool> {
    let modules = given.py().import("sys")?.getattr("modules")?;
    match modules.call_method1("get", (module,))?.getattr_opt(class)? {
        Some(class) => given.is_instance(&class),
        None => Ok(false),
    }
}

/// Whether it stands for a value that is not there, as in data frames: NaN, NaT, NA.
pub(crate) fn is_missing(given: &Bound<'_, PyAny>) -> bool {
    let is_na = || given.get_type().name().is_ok_and(|name| name == "NAType");
    is_na() || given.ne(given).unwrap_or(false)
}
