//! What Python passes in, as the core's values, and what the core returns, as Python's.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::path::PathBuf;

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDate, PyDateTime, PyDelta, PyDict, PyInt, PyList, PyMapping, PyString, PyTuple};
use pyo3::{IntoPyObjectExt, PyTypeInfo, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};
use pythonize::pythonize;
use serde_json::Value;
use url::Url;

#[cfg(feature = "stubs")]
use super::collection::Collection;
use super::errors::to_python;
#[cfg(feature = "stubs")]
use super::media::Media;
use crate::api::collections::PermissionChange;
use crate::api::lazy::Written;
use crate::api::media::{EMBED_TYPES, MIN_PERMISSIONS};
use crate::api::models::{Dated, Readable};
use crate::api::raw::Content;
use crate::api::{InvalidArgument, check};
use crate::client::Client;

/// A value that is made once. Python code may run while it is made, a finalizer for one, and come back here, so nothing is
/// locked meanwhile; whoever is second throws theirs away.
pub(crate) fn once<'cell, T>(
    py: Python<'_>,
    cell: &'cell PyOnceLock<T>,
    make: impl FnOnce() -> PyResult<T>,
) -> PyResult<&'cell T> {
    match cell.get(py) {
        Some(value) => Ok(value),
        None => make().map(|value| cell.get_or_init(py, || value)),
    }
}

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

impl<T> Deliver for Dated<T>
where
    T: Copy + Send + 'static + for<'py> IntoPyObject<'py>,
{
    type Python = T;

    fn deliver(self, _: Python<'_>, _: Option<&Client>) -> PyResult<T> {
        Ok(self.value())
    }
}

/// What Python makes of a date's or a time's text by itself. To give it the numbers takes longer, since each is an object
/// first.
pub(crate) trait FromText: Readable {
    type Class: PyTypeInfo;

    /// The class's `fromisoformat`.
    fn reader() -> &'static PyOnceLock<Py<PyAny>>;
}

macro_rules! from_text {
    ($($type:ty: $class:ty;)*) => {
        $(impl FromText for $type {
            type Class = $class;

            fn reader() -> &'static PyOnceLock<Py<PyAny>> {
                static READER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                &READER
            }
        }

        impl Hint for $type {
            #[cfg(feature = "stubs")]
            const HINT: PyStaticExpr = <Self as IntoPyObject<'static>>::OUTPUT_TYPE;
        })*
    };
}

from_text! {
    jiff::Timestamp: PyDateTime;
    jiff::civil::Date: PyDate;
}

impl<T: FromText + Hint + for<'py> IntoPyObject<'py> + 'static> Deliver for Written<'_, T> {
    type Python = Hinted<T>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        let date = match self {
            Self::Usual(text) => {
                let find = || Ok(T::Class::type_object(py).getattr(intern!(py, "fromisoformat"))?.unbind());
                once(py, T::reader(), find)?.bind(py).call1((text,))?.unbind()
            }
            Self::Otherwise(value) => value.into_py_any(py)?,
        };
        Ok(Hinted::new(date))
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
pub(crate) struct Hinted<H>(pub(crate) Py<PyAny>, PhantomData<fn() -> H>);

/// How a [`Hinted`] object's type is written in the stub.
pub(crate) trait Hint {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

impl<H> Hinted<H> {
    pub(crate) fn new(object: impl Into<Py<PyAny>>) -> Self {
        Self(object.into(), PhantomData)
    }
}

impl<'py, H: Hint> IntoPyObject<'py> for Hinted<H> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const OUTPUT_TYPE: PyStaticExpr = H::HINT;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.into_bound(py))
    }
}

/// Anything that maps names to values.
#[cfg(feature = "stubs")]
pub(crate) const MAPPING: PyStaticExpr = type_hint_subscript!(
    type_hint_identifier!("collections.abc", "Mapping"),
    type_hint_identifier!("builtins", "str"),
    type_hint_identifier!("typing", "Any")
);

/// Anything that JSON can hold.
#[derive(Debug)]
pub(crate) struct AnyJson;

impl Hint for AnyJson {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("typing", "Any");
}

/// What an operation returns that only does something.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Deliver for Nothing {
    type Python = Hinted<Self>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Hinted::new(py.None()))
    }
}

impl Hint for Nothing {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = PyStaticExpr::Constant { value: PyStaticConstant::None };
}

/// A JSON object.
#[derive(Debug)]
pub(crate) struct JsonObject;

impl Hint for JsonObject {
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
impl Hint for JsonObjects {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(type_hint_identifier!("builtins", "list"), JsonObject::HINT);
}

impl Deliver for Content {
    type Python = Hinted<AnyJson>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Hinted::new(match self {
            Self::Nothing => py.None(),
            Self::Text(text) => PyString::new(py, &text).into_any().unbind(),
            Self::Json(value) => pythonize(py, &value)?.unbind(),
        }))
    }
}

/// An item of a list without a type of its own here.
impl Deliver for Value {
    type Python = Hinted<JsonObject>;

    fn deliver(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Hinted::new(pythonize(py, &self)?.unbind()))
    }
}

/// A whole number; `True` is none, and what is too large for Studio is as good as the largest there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole(pub(crate) i64);

impl<'a, 'py> FromPyObject<'a, 'py> for Whole {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_identifier!("builtins", "int");

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if !is_whole(given) {
            return Err(PyTypeError::new_err(format!("must be an int, not {}", given.get_type().name()?)));
        }
        match given.extract::<i64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(given.py()) => {
                Ok(Self(if given.call_method0("__index__")?.lt(0)? { i64::MIN } else { i64::MAX }))
            }
            other => other.map(Self),
        }
    }
}

/// Whether it is an int or as good as one, such as numpy's.
fn is_whole(given: Borrowed<'_, '_, PyAny>) -> bool {
    given.is_exact_instance_of::<PyInt>()
        || (!given.is_instance_of::<PyBool>() && given.hasattr("__index__").unwrap_or(false))
}

/// A whole number that is not optional: in this form a signature can show its default.
pub(crate) fn whole(given: &Bound<'_, PyAny>) -> PyResult<i64> {
    given.extract::<Whole>().map(|number| number.0)
}

/// A length of time in seconds, likewise.
pub(crate) fn seconds(given: &Bound<'_, PyAny>) -> PyResult<f64> {
    given.extract::<Seconds>().map(|length| length.0)
}

/// A word of `embed_type`, likewise.
pub(crate) fn embed_type_word(given: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    word("embed_type", given, EMBED_TYPES)
}

/// A word of `min_permission`, likewise.
pub(crate) fn min_permission_word(given: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    word("min_permission", given, MIN_PERMISSIONS)
}

fn word(argument: &str, given: &Bound<'_, PyAny>, words: &'static [&'static str]) -> PyResult<&'static str> {
    let text: String = given.extract()?;
    check::one_of(argument, &text, words).map_err(|refusal| to_python(refusal.into()))
}

/// The kinds of object that have ids which may be given as the object itself.
pub(crate) trait Kind {
    /// Where its classes are, which are they, and the attribute that holds the id.
    const CLASSES: &'static [(&'static str, &'static str, &'static str)];
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident: $(($module:literal, $class:literal, $attribute:literal) $hint:expr),+;)*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy)]
            pub(crate) struct $kind;

            impl Kind for $kind {
                const CLASSES: &'static [(&'static str, &'static str, &'static str)] =
                    &[$(($module, $class, $attribute)),+];
                #[cfg(feature = "stubs")]
                const HINT: PyStaticExpr = type_hint_union!(
                    type_hint_identifier!("builtins", "int"), $($hint),+
                );
            }
        )*
    };
}

kinds! {
    OfMedia: ("canvas_studio._core", "Media", "id") Media::TYPE_HINT;
    OfCollection: ("canvas_studio._core", "Collection", "id") Collection::TYPE_HINT;
    OfUser:
        ("canvas_studio.models", "Owner", "id") type_hint_identifier!("canvas_studio.models", "Owner"),
        ("canvas_studio.models", "User", "id") type_hint_identifier!("canvas_studio.models", "User");
    /// The Canvas course, which is not the id of the course's collection.
    OfCourse:
        ("canvas_studio.models", "Course", "course_id") type_hint_identifier!("canvas_studio.models", "Course"),
        ("canvas_studio._core", "Collection", "course_id") Collection::TYPE_HINT;
}

/// An id, given as a number or as the object that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Id<K>(pub(crate) i64, PhantomData<K>);

impl<'a, 'py, K: Kind> FromPyObject<'a, 'py> for Id<K> {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = K::HINT;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if is_whole(given) {
            return given.extract::<Whole>().map(|number| Self(number.0, PhantomData));
        }
        for (module, class, attribute) in K::CLASSES {
            if given.is_instance(&py.import(*module)?.getattr(*class)?)? {
                let id = given.getattr(*attribute)?;
                return match id.extract::<i64>() {
                    Ok(id) => Ok(Self(id, PhantomData)),
                    Err(_) => Err(PyTypeError::new_err(format!("this {class} has no {attribute}"))),
                };
            }
        }
        let classes: Vec<&str> = K::CLASSES.iter().map(|(_, class, _)| *class).collect();
        let expected = classes.join(" or a ");
        Err(PyTypeError::new_err(format!("must be an int or a {expected}, not {}", given.get_type().name()?)))
    }
}

/// A calendar day as a date or as text; whether the text is one, the core checks.
#[derive(Debug, Clone)]
pub(crate) struct DateText(pub(crate) String);

impl<'a, 'py> FromPyObject<'a, 'py> for DateText {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr =
        type_hint_union!(type_hint_identifier!("datetime", "date"), type_hint_identifier!("builtins", "str"));

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = given.extract::<String>() {
            return Ok(Self(text));
        }
        // A datetime is a date to Python; which day it means depends on a zone that Studio does not document.
        if given.is_instance_of::<PyDate>() && !given.is_instance_of::<PyDateTime>() {
            return given.call_method0("isoformat")?.extract().map(Self);
        }
        Err(PyTypeError::new_err(format!("must be a date or a str, not {}", given.get_type().name()?)))
    }
}

/// A length of time, as seconds or as a timedelta.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(pub(crate) f64);

impl<'a, 'py> FromPyObject<'a, 'py> for Seconds {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr =
        type_hint_union!(type_hint_identifier!("builtins", "float"), type_hint_identifier!("datetime", "timedelta"));

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyDelta>() {
            return given.call_method0("total_seconds")?.extract().map(Self);
        }
        if given.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("must be seconds or a timedelta, not bool"));
        }
        given.extract().map(Self)
    }
}

/// Changes of permissions, as `PermissionChange` or as dicts with the same names.
#[derive(Debug, Clone)]
pub(crate) struct Changes(pub(crate) Vec<PermissionChange>);

impl<'a, 'py> FromPyObject<'a, 'py> for Changes {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Iterable"),
        type_hint_union!(type_hint_identifier!("canvas_studio.models", "PermissionChange"), MAPPING)
    );

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let class = given.py().import("canvas_studio.models")?.getattr("PermissionChange")?;
        let is_one =
            given.is_instance(&class)? || given.cast::<PyMapping>().is_ok() || given.is_instance_of::<PyString>();
        if is_one || given.try_iter().is_err() {
            let found = given.get_type().name()?;
            return Err(PyTypeError::new_err(format!("must be a list of PermissionChange, not {found}")));
        }
        let changes = given.try_iter()?.enumerate().map(|(index, change)| read_change(index, &class, &change?));
        changes.collect::<PyResult<_>>().map(Self)
    }
}

/// The names of a change, in the order of `PermissionChange`.
const CHANGE_FIELDS: [&str; 4] = ["action", "id", "share_type", "permission_type"];

fn read_change(index: usize, class: &Bound<'_, PyAny>, change: &Bound<'_, PyAny>) -> PyResult<PermissionChange> {
    let argument = format!("changes[{index}]");
    let refuse = |argument: String, expected: String| to_python(InvalidArgument::new(argument, expected).into());
    let fields = PyDict::new(change.py());
    if change.is_instance(class)? {
        fields.update(change.call_method0("to_dict")?.cast::<PyMapping>()?)?;
    } else if let Ok(mapping) = change.cast::<PyMapping>() {
        fields.update(mapping)?;
    } else {
        let found = change.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{argument} must be a PermissionChange or a dict, not {found}")));
    }
    for (name, _) in &fields {
        let name = name.str()?.to_string();
        if !CHANGE_FIELDS.contains(&name.as_str()) {
            let expected = format!("is not known; a change has {}", CHANGE_FIELDS.join(", "));
            return Err(refuse(format!("{argument}.{name}"), expected));
        }
    }
    let text = |name: &str, default: Option<&str>| match (fields.get_item(name)?, default) {
        (Some(value), _) => {
            value.extract::<String>().map_err(|_| refuse(format!("{argument}.{name}"), "must be a str".into()))
        }
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(refuse(format!("{argument}.{name}"), "is missing".into())),
    };
    let id = match fields.get_item("id")? {
        Some(id) => id.extract::<Whole>().map_err(|_| refuse(format!("{argument}.id"), "must be an int".into()))?.0,
        None => return Err(refuse(format!("{argument}.id"), "is missing: it is the user's or the group's".into())),
    };
    Ok(PermissionChange {
        action: text("action", None)?,
        id,
        share_type: text("share_type", None)?,
        permission_type: text("permission_type", Some("view"))?,
    })
}

/// Query parameters of the caller's own.
#[derive(Debug, Clone)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl<'a, 'py> FromPyObject<'a, 'py> for Params {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = MAPPING;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(mapping) = given.cast::<PyMapping>() else {
            return Err(PyTypeError::new_err(format!("must be a dict, not {}", given.get_type().name()?)));
        };
        let mut params = Vec::new();
        for item in mapping.items()?.iter() {
            let (name, value): (String, Bound<'_, PyAny>) = item.extract()?;
            if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
                for element in value.try_iter()? {
                    params.push((name.clone(), query_value(&name, &element?)?));
                }
            } else if !value.is_none() {
                let text = query_value(&name, &value)?;
                params.push((name, text));
            }
        }
        Ok(Self(params))
    }
}

fn query_value(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(flag.is_true().to_string());
    }
    if value.is_instance_of::<PyDate>() {
        return value.call_method0("isoformat")?.extract();
    }
    if let Ok(text) = value.extract::<String>() {
        return Ok(text);
    }
    if value.is_instance_of::<PyInt>() || value.extract::<f64>().is_ok() {
        return Ok(value.str()?.to_string());
    }
    let found = value.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "{name:?} must be a str, a number, a bool, a date, or a list of them, not {found}"
    )))
}

/// A JSON body of the caller's own.
#[derive(Debug, Clone)]
pub(crate) struct Body(pub(crate) Value);

impl<'a, 'py> FromPyObject<'a, 'py> for Body {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_identifier!("typing", "Any");

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        // Python's own json knows best what of Python can be JSON, and how to say what cannot.
        let py = given.py();
        let options = PyDict::new(py);
        options.set_item("allow_nan", false)?;
        let refuse =
            |problem: String| to_python(InvalidArgument::new("json", format!("cannot be sent: {problem}")).into());
        let text: String = match py.import("json")?.call_method("dumps", (given,), Some(&options)) {
            Ok(text) => text.extract()?,
            Err(error) if error.is_instance_of::<PyValueError>(py) => return Err(refuse(error.value(py).to_string())),
            Err(error) => return Err(error),
        };
        let value = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if has_lost_digits(&value) {
            return Err(refuse("it holds a number of more than 64 bits".to_owned()));
        }
        Ok(Self(value))
    }
}

/// Whether a number is larger than a whole number can be; it may have been one, and have lost its last digits.
fn has_lost_digits(value: &Value) -> bool {
    const LARGEST: f64 = 18_446_744_073_709_551_615.0;
    const SMALLEST: f64 = -9_223_372_036_854_775_808.0;
    let is_between = |number: f64| SMALLEST < number && number < LARGEST;
    match value {
        Value::Number(number) => number.is_f64() && !number.as_f64().is_some_and(is_between),
        Value::Array(items) => items.iter().any(has_lost_digits),
        Value::Object(fields) => fields.values().any(has_lost_digits),
        _ => false,
    }
}
