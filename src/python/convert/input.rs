//! Reads Python values as the core's types. Each type is read in one place, whichever argument it is for, and an error
//! names the argument.

use std::path::PathBuf;

use pyo3::PyTypeInfo;
use pyo3::exceptions::{PyOverflowError, PyRecursionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyCFunction, PyDate, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyIterator, PyList, PyMapping,
    PyString, PyTuple,
};

use super::json::MAX_DEPTH;
use super::scalars::{is_instance, is_missing, is_numpy_time, plain_value};
use crate::api::{InvalidArgument, check};
use crate::python::errors::to_python;

pub(crate) fn with_article(class: &str) -> String {
    format!("{} {class}", if class.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" })
}

pub(crate) fn refused(argument: &str, expected: impl Into<String>) -> PyErr {
    to_python(InvalidArgument::new(argument, expected).into())
}

/// The error for an argument of the wrong type: what it must be, what it is, and what to do.
pub(crate) fn wrong_type(name: &str, expected: &str, given: &Bound<'_, PyAny>, remedy: Option<String>) -> PyErr {
    let found = match given.get_type().name() {
        _ if given.is_none() => "None".to_owned(),
        Ok(class) => class.to_string(),
        Err(error) => return error,
    };
    let found = if is_missing(given) { format!("{found}, which stands for a missing value") } else { found };
    let remedy = remedy.map(|remedy| format!(": use {remedy}")).unwrap_or_default();
    PyTypeError::new_err(format!("{name} must be {expected}, not {found}{remedy}"))
}

/// Whether it is an int, or can be used as one, like numpy's.
fn is_int(given: &Bound<'_, PyAny>) -> bool {
    given.is_exact_instance_of::<PyInt>()
        || (!given.is_instance_of::<PyBool>() && given.hasattr("__index__").unwrap_or(false))
}

/// An int. `True` is not one. A number outside of 64 bits becomes the largest or smallest of them.
pub(crate) fn int(name: &str, given: &Bound<'_, PyAny>) -> PyResult<i64> {
    let remedy = if name.ends_with("id") { as_id } else { as_int };
    int_if_it_is(given)?.ok_or_else(|| wrong_type(name, "an int", given, remedy(given)))
}

pub(crate) fn int_if_it_is(given: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    let given = plain_value(given)?;
    if !is_int(&given) {
        return Ok(None);
    }
    match given.extract::<i64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => {
            Ok(Some(if given.call_method0("__index__")?.lt(0)? { i64::MIN } else { i64::MAX }))
        }
        // For example an array, which has an index only if it holds exactly one number.
        Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => Ok(None),
        other => other.map(Some),
    }
}

/// The expression that makes an id of it, if there is an obvious one.
fn as_id(given: &Bound<'_, PyAny>) -> Option<String> {
    let own = || given.getattr("id").ok().filter(is_int).map(|_| ".id".to_owned());
    as_int(given).or_else(own)
}

/// The expression that makes an int of it, if there is an obvious one.
pub(crate) fn as_int(given: &Bound<'_, PyAny>) -> Option<String> {
    let given = plain_value(given).ok()?;
    if let Ok(text) = given.extract::<String>() {
        let is_number = text.len() < 20 && text.trim().parse::<i64>().is_ok();
        return is_number.then(|| format!("int({:?})", text.trim()));
    }
    let is_number = given.is_instance_of::<PyFloat>() || is_instance(&given, "decimal", "Decimal").ok()?;
    let number: f64 = given.extract().ok().filter(|_| is_number)?;
    (number.fract() == 0.0 && (1.0..1e15).contains(&number)).then(|| format!("int({number:?})"))
}

/// A number. `True` is not one.
pub(crate) fn number(name: &str, given: &Bound<'_, PyAny>) -> PyResult<f64> {
    let remedy = || infinity(name, given).or_else(|| as_float(given));
    number_if_it_is(given)?.ok_or_else(|| wrong_type(name, "a number", given, remedy()))
}

/// What to pass in place of a `None` that stands for "no limit" in other libraries.
fn infinity(name: &str, given: &Bound<'_, PyAny>) -> Option<String> {
    let is_limit = name.ends_with("timeout") || name == "max_rate";
    (is_limit && given.is_none()).then(|| "float(\"inf\") for no limit".to_owned())
}

fn number_if_it_is(given: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let given = plain_value(given)?;
    if given.is_instance_of::<PyBool>() || is_numpy_time(&given)? {
        return Ok(None);
    }
    match given.extract::<f64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => {
            Ok(Some(if given.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY }))
        }
        other => Ok(other.ok()),
    }
}

fn as_float(given: &Bound<'_, PyAny>) -> Option<String> {
    let text: String = given.extract().ok()?;
    (text.len() < 20 && text.trim().parse::<f64>().is_ok()).then(|| format!("float({:?})", text.trim()))
}

pub(crate) fn seconds(name: &str, given: &Bound<'_, PyAny>) -> PyResult<f64> {
    if given.is_instance_of::<PyDelta>() && !is_missing(given) {
        return given.call_method0("total_seconds")?.extract();
    }
    if is_instance(given, "numpy", "timedelta64")? && !is_missing(given) {
        let numpy = given.py().import("numpy")?;
        return given.div(numpy.call_method1("timedelta64", (1, "s"))?)?.extract();
    }
    let expected = "a number of seconds or a timedelta";
    let remedy = || infinity(name, given).or_else(|| as_float(given));
    number_if_it_is(given)?.ok_or_else(|| wrong_type(name, expected, given, remedy()))
}

pub(crate) fn flag(name: &str, given: &Bound<'_, PyAny>) -> PyResult<bool> {
    flag_or(name, given, "True or False")
}

/// A bool, for an argument that also accepts something else.
pub(crate) fn flag_or(name: &str, given: &Bound<'_, PyAny>, expected: &str) -> PyResult<bool> {
    let remedy = || is_int(given).then(|| format!("bool({name})"));
    flag_if_it_is(given)?.ok_or_else(|| wrong_type(name, expected, given, remedy()))
}

/// The bool that it is, or None.
pub(crate) fn flag_if_it_is(given: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    Ok(plain_value(given)?.cast::<PyBool>().ok().map(PyBoolMethods::is_true))
}

/// A text. A member of a text enum gives its text.
pub(crate) fn text(name: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    borrowed_text(name, &plain_value(given)?).map(str::to_owned)
}

pub(crate) fn borrowed_text<'a>(name: &str, given: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let Ok(text) = given.cast::<PyString>() else {
        return Err(wrong_type(name, "a str", given, as_text(name, given)?));
    };
    text.to_str().map_err(|_| {
        let expected = "cannot be sent, since it holds a lone surrogate: \
                        was it a file name that Python could not decode, or cut in the middle of a character?";
        refused(name, expected)
    })
}

/// The expression that makes a text of it, if there is an obvious one. It does not show the value, which may be a
/// secret.
fn as_text(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if given.is_instance_of::<PyBytes>() {
        return Ok(Some(format!("{name}.decode()")));
    }
    let is_number = !given.is_instance_of::<PyBool>() && !is_missing(given) && given.extract::<f64>().is_ok();
    let is_plain = is_number || given.hasattr("__fspath__")? || is_instance(given, "uuid", "UUID")?;
    Ok(is_plain.then(|| format!("str({name})")))
}

pub(crate) fn word(name: &str, given: &Bound<'_, PyAny>, words: &'static [&'static str]) -> PyResult<&'static str> {
    check::one_of(name, &text(name, given)?, words).map_err(|refusal| to_python(refusal.into()))
}

pub(crate) fn day(name: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    let given = &plain_value(given)?;
    if given.is_instance_of::<PyString>() {
        return text(name, given);
    }
    let refuse =
        |remedy: Option<String>| Err(wrong_type(name, "a date or a str such as \"2026-01-31\"", given, remedy));
    if is_missing(given) {
        return refuse(None);
    }
    // A datetime is also a date. Which day it means depends on a time zone that Studio does not document.
    if given.is_instance_of::<PyDateTime>() {
        return refuse(Some(format!("{name}.date()")));
    }
    if given.is_instance_of::<PyDate>() {
        return given.call_method0("isoformat")?.extract();
    }
    if is_instance(given, "numpy", "datetime64")? {
        let text = given.str()?.to_string();
        return if text.len() == "YYYY-MM-DD".len() {
            Ok(text)
        } else {
            refuse(Some(format!("{name}.astype(\"datetime64[D]\")")))
        };
    }
    refuse(None)
}

pub(crate) fn file_path(name: &str, given: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let is_path = given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>();
    if !is_path && !given.hasattr("__fspath__")? {
        return Err(wrong_type(name, "a str or a path", given, None));
    }
    let text = given.py().import("os")?.call_method1("fsdecode", (given,))?;
    if text.contains('\0')? {
        return Err(refused(name, "must hold no NUL character"));
    }
    text.extract()
}

pub(crate) fn params(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    let Ok(mapping) = given.cast::<PyMapping>() else {
        return Err(wrong_type(name, "a dict", given, None));
    };
    let mut params = Vec::new();
    for item in mapping.items()?.iter() {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let key = text(&format!("each name in {name}"), &key)?;
        let path = format!("{name}[{:?}]", check::cut(&key));
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            for (index, element) in value.try_iter()?.enumerate() {
                params.push((key.clone(), query_text(&format!("{path}[{index}]"), &element?)?));
            }
        } else if !value.is_none() {
            let text = query_text(&path, &value)?;
            params.push((key, text));
        }
    }
    Ok(params)
}

/// The text of a value in a query.
fn query_text(name: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    let value = &plain_value(given)?;
    if value.is_instance_of::<PyString>() {
        return text(name, value);
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(flag.is_true().to_string());
    }
    let unreadable = |error: PyErr| refused(name, format!("cannot be sent: {}", error.value(value.py())));
    if is_int(value)
        && let Ok(number) = value.call_method0("__index__")
    {
        return Ok(number.str().map_err(unreadable)?.to_string());
    }
    if value.is_instance_of::<PyFloat>() || is_instance(value, "decimal", "Decimal")? {
        return finite_text(name, value);
    }
    let is_time = value.is_instance_of::<PyDate>() || is_instance(value, "numpy", "datetime64")?;
    if is_time && !is_missing(value) {
        return if value.is_instance_of::<PyDate>() {
            value.call_method0("isoformat")?.extract()
        } else {
            Ok(value.str()?.to_string())
        };
    }
    if is_instance(value, "uuid", "UUID")? {
        return Ok(value.str()?.to_string());
    }
    let is_group = !value.is_instance_of::<PyBytes>() && value.cast::<PyMapping>().is_err() && value.try_iter().is_ok();
    let remedy = match () {
        () if value.is_instance_of::<PyDelta>() => Some(format!("{name}.total_seconds()")),
        () if value.hasattr("isoformat")? && !is_missing(value) => Some(format!("{name}.isoformat()")),
        () if is_group => Some(format!("list({name})")),
        () if number_if_it_is(value)?.is_some() => Some(format!("float({name})")),
        () => as_text(name, value)?,
    };
    Err(wrong_type(name, "a str, a number, a bool, a date, or a list of them", given, remedy))
}

/// A float or a `Decimal` as decimal digits.
fn finite_text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.str()?.to_string();
    // A `Decimal` too small for a float would need pages of zeros.
    let fits = value
        .extract()
        .is_ok_and(|float: f64| float.is_finite() && (float != 0.0 || !value.is_truthy().unwrap_or(true)));
    if !fits {
        let remedy =
            if is_missing(value) { ", which stands for a missing value: use None to leave it out" } else { "" };
        return Err(refused(name, format!("must be a finite number, not {text}{remedy}")));
    }
    if value.is_instance_of::<PyFloat>() {
        return PyFloat::type_object(value.py()).call_method1("__repr__", (value,))?.extract();
    }
    value.call_method1("__format__", ("f",))?.extract()
}

/// The JSON text of a body, written by Python's own `json`, which knows best what can be JSON.
pub(crate) fn json(name: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = given.py();
    // `json` recurses, and a thread may have too little stack for that.
    check_depth(given).map_err(|problem| match problem {
        Some(error) => error,
        None => refused(name, format!("{WHAT_JSON_HOLDS}: it is nested more than {MAX_DEPTH} deep, or holds itself")),
    })?;
    let path = name.to_owned();
    let other = PyCFunction::new_closure(py, None, None, move |arguments, _| {
        let value = arguments.get_item(0)?;
        json_value(&path, &value).map(Bound::unbind)
    })?;
    let options = PyDict::new(py);
    options.set_item("allow_nan", false)?;
    options.set_item("separators", (",", ":"))?;
    options.set_item("default", other)?;
    match py.import("json")?.call_method("dumps", (given,), Some(&options)) {
        Ok(text) => text.extract(),
        Err(error) if error.value(py).to_string().starts_with("Out of range float") => {
            Err(refused(name, format!("{WHAT_JSON_HOLDS}, not NaN or infinity: use None")))
        }
        Err(error) if error.is_instance_of::<PyValueError>(py) || error.is_instance_of::<PyRecursionError>(py) => {
            Err(refused(name, format!("{WHAT_JSON_HOLDS}: {}", error.value(py))))
        }
        // The error is about a key. For a value, `json_value` has raised one already.
        Err(error) if error.is_instance_of::<PyTypeError>(py) && error.value(py).to_string().starts_with("keys ") => {
            Err(PyTypeError::new_err(format!("{name} {WHAT_JSON_HOLDS}: {}", error.value(py))))
        }
        Err(error) => Err(error),
    }
}

/// Fails with nothing if lists and dicts are nested too deep.
fn check_depth(value: &Bound<'_, PyAny>) -> Result<(), Option<PyErr>> {
    let mut open: Vec<_> = elements(value)?.into_iter().collect();
    while let Some(innermost) = open.last_mut() {
        match innermost.next().transpose()? {
            Some(value) => open.extend(elements(&value)?),
            None => drop(open.pop()),
        }
        if open.len() > MAX_DEPTH {
            return Err(None);
        }
    }
    Ok(())
}

/// What a list or a dict holds; `None` for other values.
fn elements<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyIterator>>> {
    match value.cast::<PyDict>() {
        Ok(dict) => dict.values().try_iter().map(Some),
        Err(_) if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() => value.try_iter().map(Some),
        Err(_) => Ok(None),
    }
}

const WHAT_JSON_HOLDS: &str = "must be what JSON can hold";

/// A JSON value in place of an object that JSON cannot hold.
fn json_value<'py>(name: &str, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let value = plain_value(given)?;
    if !value.get_type().is(given.get_type()) {
        return Ok(value);
    }
    let has_text = value.is_instance_of::<PyDate>()
        || is_instance(&value, "numpy", "datetime64")?
        || is_instance(&value, "uuid", "UUID")?;
    if has_text && !is_missing(&value) {
        return Ok(query_text(name, &value)?.into_pyobject(value.py())?.into_any());
    }
    let remedy = match () {
        () if is_missing(&value) => ", which stands for a missing value: use None",
        () if value.is_instance_of::<PyBytes>() => ": decode it first",
        () if value.cast::<PyMapping>().is_ok() => ": use dict(...)",
        () if value.try_iter().is_ok() => ": use list(...)",
        () if number_if_it_is(&value)?.is_some() => ": use float(...), or str(...)",
        () if value.hasattr("isoformat")? => ": use its isoformat()",
        () if value.hasattr("__fspath__")? => ": use str(...)",
        () => "",
    };
    let class = given.get_type().name()?;
    Err(PyTypeError::new_err(format!("{name} {WHAT_JSON_HOLDS}, not {class}{remedy}")))
}
