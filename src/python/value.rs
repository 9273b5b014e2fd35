//! What `Collection` and `Media` have in common as Python values: dicts, equality, pickles, and how they look.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;

use pyo3::exceptions::PyTypeError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyTuple};
use pythonize::{depythonize, pythonize};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[cfg(feature = "stubs")]
use super::convert::MAPPING;
use super::convert::{Hint, Hinted, JsonObject};
use super::errors::to_python;
use crate::api::InvalidArgument;

/// Anything that maps names to values.
pub(crate) struct AnyMapping<'py>(pub(crate) Bound<'py, PyMapping>);

impl<'py> FromPyObject<'_, 'py> for AnyMapping<'py> {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = MAPPING;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyMapping>() {
            Ok(mapping) => Ok(Self(mapping.to_owned())),
            Err(_) => Err(PyTypeError::new_err(format!("must be a dict, not {}", given.get_type().name()?))),
        }
    }
}

/// The fields of an object, as a dict of Python's.
pub(crate) struct Fields<'py>(Bound<'py, PyAny>);

impl<'py> FromPyObject<'_, 'py> for Fields<'py> {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = MAPPING;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(given.to_owned()))
    }
}

impl Fields<'_> {
    /// Reads them as the object that Studio would have sent.
    pub(crate) fn read<T: DeserializeOwned>(self) -> PyResult<T> {
        let refuse = |problem: String| to_python(InvalidArgument::new("fields", problem).into());
        let value: Value = depythonize(&self.0).map_err(|problem| refuse(format!("cannot be JSON: {problem}")))?;
        serde_path_to_error::deserialize(value).map_err(|problem| {
            let path = problem.path().to_string();
            let place = if path == "." { String::new() } else { format!("[{path}]") };
            refuse(format!("cannot be right: {}{place}", problem.inner()))
        })
    }
}

pub(crate) fn to_dict(py: Python<'_>, value: &impl Serialize) -> PyResult<Hinted<JsonObject>> {
    Ok(Hinted::new(pythonize(py, value)?.unbind()))
}

/// The documented fields of a class, as `match` takes them by position.
pub(crate) trait MatchArgs {
    const NAMES: &'static [&'static str];
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

/// The type of a class's `__match_args__`.
#[derive(Debug)]
pub(crate) struct MatchArgsOf<T>(PhantomData<T>);

impl<T: MatchArgs> Hint for MatchArgsOf<T> {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = T::HINT;
}

pub(crate) fn match_args<T: MatchArgs>(py: Python<'_>) -> PyResult<Hinted<MatchArgsOf<T>>> {
    Ok(Hinted::new(PyTuple::new(py, T::NAMES)?.unbind()))
}

/// A name as Python has it: Rust writes its own keywords in another way.
pub(crate) const fn plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// By kind and id, as equality is.
pub(crate) fn hash(kind: &str, id: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, id).hash(&mut hasher);
    hasher.finish()
}

/// Such as `Media(id=1, title='Intro')`; what is missing is left out.
pub(crate) fn repr(py: Python<'_>, class: &str, fields: &[(&str, Option<Py<PyAny>>)]) -> PyResult<String> {
    let mut text = format!("{class}(");
    for (index, (name, value)) in fields.iter().filter(|(_, value)| value.is_some()).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{name}={}", value.bind(py).repr()?);
        }
    }
    Ok(text + ")")
}

/// A small table for a notebook: a heading, and a row for each value that is there. Everything is escaped.
pub(crate) fn card(heading: &str, rows: &[(&str, Option<String>)]) -> String {
    let mut html = format!("<table><thead><tr><th colspan=\"2\">{}</th></tr></thead><tbody>", escaped(heading));
    for (name, value) in rows {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(html, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value));
        }
    }
    html + "</tbody></table>"
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#x27;"),
            other => safe.push(other),
        }
    }
    safe
}
