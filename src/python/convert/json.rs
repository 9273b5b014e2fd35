//! Converts JSON to Python values and back, without losing a digit.

use std::{mem, slice};

use pyo3::PyTypeInfo;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyIterator, PyList, PyMapping, PyString, PyTuple};
use serde_json::{Map, Number, Value, map};

use super::scalars::plain_value;

/// The most digits that Python converts to an `int` by default, since the time grows with their square.
pub(crate) const MAX_DIGITS: usize = 4300;
/// How deep lists and dicts may be nested: as deep as in an answer. An object that contains itself is deeper.
pub(crate) const MAX_DEPTH: usize = 127;
/// How many values an object may contain: as many as fit into the longest answer. Thirty lists, each with the previous
/// one twice, contain more, and converting them would take for ever.
const MAX_VALUES: usize = 8 << 20;

/// A list or a dict under construction, and the values still to be added.
enum OpenOutput<'value, 'py> {
    List {
        list: Bound<'py, PyList>,
        rest: slice::Iter<'value, Value>,
    },
    /// `name` is the key of the value under construction.
    Dict {
        dict: Bound<'py, PyDict>,
        rest: map::Iter<'value>,
        name: &'value str,
    },
}

impl<'value, 'py> OpenOutput<'value, 'py> {
    fn next(&mut self) -> Option<&'value Value> {
        match self {
            Self::List { rest, .. } => rest.next(),
            Self::Dict { rest, name, .. } => rest.next().map(|(next, value)| {
                *name = next;
                value
            }),
        }
    }

    fn add(&self, made: Bound<'py, PyAny>) -> PyResult<()> {
        match self {
            Self::List { list, .. } => list.append(made),
            Self::Dict { dict, name, .. } => dict.set_item(name, made),
        }
    }

    fn into_any(self) -> Bound<'py, PyAny> {
        match self {
            Self::List { list, .. } => list.into_any(),
            Self::Dict { dict, .. } => dict.into_any(),
        }
    }
}

/// Converts a value as `json.loads` does. It does not recurse: the caller's stack may be small, and Python must not be
/// called on another one.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let mut open = Vec::new();
    let mut next = value;
    loop {
        let mut made = match next {
            Value::Array(items) => {
                open.push(OpenOutput::List { list: PyList::empty(py), rest: items.iter() });
                None
            }
            Value::Object(fields) => {
                open.push(OpenOutput::Dict { dict: PyDict::new(py), rest: fields.iter(), name: "" });
                None
            }
            Value::Null => Some(py.None().into_bound(py)),
            Value::Bool(flag) => Some(PyBool::new(py, *flag).to_owned().into_any()),
            Value::Number(number) => Some(number_to_python(py, number)?),
            Value::String(text) => Some(PyString::new(py, text).into_any()),
        };
        // A finished value is added to its container.
        next = loop {
            let Some(innermost) = open.last_mut() else {
                return Ok(made.unwrap_or_else(|| py.None().into_bound(py)));
            };
            if let Some(made) = made.take() {
                innermost.add(made)?;
            }
            match innermost.next() {
                Some(value) => break value,
                None => made = open.pop().map(OpenOutput::into_any),
            }
        };
    }
}

pub(crate) fn object_to_python<'py>(py: Python<'py>, fields: &Map<String, Value>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in fields {
        dict.set_item(name, to_python(py, value)?)?;
    }
    Ok(dict)
}

fn number_to_python<'py>(py: Python<'py>, number: &Number) -> PyResult<Bound<'py, PyAny>> {
    if let Some(whole) = number.as_i64() {
        return Ok(PyInt::new(py, whole).into_any());
    }
    let text = number.as_str();
    if text.contains(['.', 'e', 'E']) {
        // A number that is too large is infinite, as in Python.
        let float: f64 = text.parse().map_err(|_| PyValueError::new_err("a number that is none"))?;
        return Ok(PyFloat::new(py, float).into_any());
    }
    if text.len() <= MAX_DIGITS {
        match py.get_type::<PyInt>().call1((text,)) {
            Err(error) if error.is_instance_of::<PyValueError>(py) => {} // the program has set a lower limit
            made => return made,
        }
    }
    Ok(PyString::new(py, text).into_any())
}

/// A Python list or dict that is being read, and what was read of it so far.
enum OpenInput<'py> {
    List {
        rest: Bound<'py, PyIterator>,
        items: Vec<Value>,
    },
    /// `name` is the key of the value that is being read.
    Dict {
        rest: Bound<'py, PyIterator>,
        fields: Map<String, Value>,
        name: String,
    },
}

impl<'py> OpenInput<'py> {
    fn of(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            return Ok(Self::List { rest: value.try_iter()?, items: Vec::new() });
        }
        let rest = items_of(value)?.try_iter()?;
        Ok(Self::Dict { rest, fields: Map::new(), name: String::new() })
    }

    fn next(&mut self) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Self::List { rest, .. } => rest.next().transpose(),
            Self::Dict { rest, name, .. } => match rest.next().transpose()? {
                Some(item) => {
                    let value;
                    (*name, value) = named(&item)?;
                    Ok(Some(value))
                }
                None => Ok(None),
            },
        }
    }

    fn add(&mut self, value: Value) {
        match self {
            Self::List { items, .. } => items.push(value),
            Self::Dict { fields, name, .. } => drop(fields.insert(mem::take(name), value)),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::List { items, .. } => Value::Array(items),
            Self::Dict { fields, .. } => Value::Object(fields),
        }
    }
}

/// Converts a Python value to JSON. Errors quote nothing of it. Like `to_python`, it does not recurse.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let refuse = |problem: String| Err(PyValueError::new_err(problem));
    let mut open = Vec::new();
    let mut next = value.clone();
    for _ in 0..MAX_VALUES {
        let mut read = scalar(&next)?;
        if read.is_none() {
            if open.len() == MAX_DEPTH {
                return refuse(format!("it is nested more than {MAX_DEPTH} deep, or holds itself"));
            }
            open.push(OpenInput::of(&next)?);
        }
        // A finished value is added to its container.
        next = loop {
            let Some(innermost) = open.last_mut() else { return Ok(read.unwrap_or_default()) };
            if let Some(read) = read.take() {
                innermost.add(read);
            }
            match innermost.next()? {
                Some(value) => break value,
                None => read = open.pop().map(OpenInput::into_value),
            }
        };
    }
    refuse(format!("it holds more than {MAX_VALUES} values, or some of them again and again"))
}

#[inline(never)]
fn scalar(value: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    let value = &plain_value(value)?;
    Ok(Some(if value.is_none() {
        Value::Null
    } else if let Ok(flag) = value.cast::<PyBool>() {
        Value::Bool(flag.is_true())
    } else if let Ok(text) = value.cast::<PyString>() {
        Value::String(whole_text(text)?)
    } else if let Ok(number) = value.cast::<PyInt>() {
        int(number)?
    } else if let Ok(number) = value.cast::<PyFloat>() {
        float(number.extract()?)?
    } else {
        return Ok(None);
    }))
}

/// A text. Half a surrogate pair becomes U+FFFD, as in an answer of Studio's.
fn whole_text(text: &Bound<'_, PyString>) -> PyResult<String> {
    if let Ok(text) = text.to_str() {
        return Ok(text.to_owned());
    }
    let encoded = text.call_method1(intern!(text.py(), "encode"), ("utf-16-le", "surrogatepass"))?;
    let units: Vec<u16> =
        encoded.cast::<PyBytes>()?.as_bytes().as_chunks().0.iter().copied().map(u16::from_le_bytes).collect();
    Ok(String::from_utf16_lossy(&units))
}

#[inline(never)]
fn items_of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    match value.cast::<PyMapping>() {
        Ok(mapping) => mapping.items(),
        Err(_) => Err(PyValueError::new_err(format!("it holds a {}", value.get_type().name()?))),
    }
}

#[inline(never)]
fn named<'py>(item: &Bound<'py, PyAny>) -> PyResult<(String, Bound<'py, PyAny>)> {
    let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
    match name.cast::<PyString>() {
        Ok(name) => Ok((whole_text(name)?, value)),
        Err(_) => Err(PyValueError::new_err(format!("a key is a {}, not a str", name.get_type().name()?))),
    }
}

fn int(number: &Bound<'_, PyInt>) -> PyResult<Value> {
    if let Ok(whole) = number.extract::<i64>() {
        return Ok(whole.into());
    }
    // A subclass may override `__repr__`; the digits are needed.
    let digits = PyInt::type_object(number.py()).call_method1(intern!(number.py(), "__repr__"), (number,))?;
    literal(&digits.extract::<String>()?)
}

fn float(number: f64) -> PyResult<Value> {
    match Number::from_f64(number) {
        Some(number) => Ok(number.into()),
        None if number.is_nan() => Ok(Value::Null),
        // Written as a number that is too large for a float.
        None => literal(if number > 0.0 { "1e999" } else { "-1e999" }),
    }
}

fn literal(text: &str) -> PyResult<Value> {
    serde_json::from_str::<Number>(text).map(Value::Number).map_err(|error| PyValueError::new_err(error.to_string()))
}
