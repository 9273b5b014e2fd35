//! Reads records that go in, such as `PermissionChange`, with serde: each is an object of its class, or a mapping with the
//! same names.

use std::fmt::Display;
use std::marker::PhantomData;
use std::vec;

#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

#[cfg(feature = "stubs")]
use super::arguments::MAPPING;
use super::arguments::{Argument, Int, Text};
use super::input::{flag, int, number, refused, text, with_article, wrong_type};
use crate::api::permissions::PermissionChange;
use crate::python::errors::to_python;

/// A record that goes in. Serde knows its fields, and its name is that of its class in `canvas_studio.models`.
pub(crate) trait InputRecord: DeserializeOwned {
    const NAME: &'static str;
}

impl InputRecord for PermissionChange {
    const NAME: &'static str = "PermissionChange";
}

/// Records as an argument.
#[derive(Debug)]
pub(crate) struct Records<T>(Py<PyAny>, PhantomData<fn() -> T>);

impl<'a, 'py, T: InputRecord> FromPyObject<'a, 'py> for Records<T> {
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Iterable"),
        type_hint_union!(type_hint_identifier!("canvas_studio.models", T::NAME), MAPPING)
    );

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(given.to_owned().unbind(), PhantomData))
    }
}

impl<T: InputRecord> Argument for Records<T> {
    type Value = Vec<T>;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<Vec<T>> {
        let given = self.0.bind(py);
        let is_one = given.is_instance(&class(py, T::NAME)?)? || given.cast::<PyMapping>().is_ok();
        if is_one || given.is_instance_of::<PyString>() || given.try_iter().is_err() {
            let remedy = is_one.then(|| format!("[{name}]"));
            return Err(wrong_type(name, &format!("a list of {}", T::NAME), given, remedy));
        }
        let read = |(index, value): (usize, PyResult<_>)| {
            let path = format!("{name}[{index}]");
            let given = Given { path: path.clone(), value: value? };
            T::deserialize(given).map_err(|problem| problem.at(&path))
        };
        given.try_iter()?.enumerate().map(read).collect()
    }
}

/// Check the fields of a `PermissionChange` when it is made.
#[pyfunction]
#[pyo3(signature = (action, id, share_type, permission_type))]
pub(crate) fn check_permission_change(
    py: Python<'_>,
    action: Text,
    id: Int,
    share_type: Text,
    permission_type: Text,
) -> PyResult<()> {
    let change = PermissionChange {
        action: action.read(py, "action")?,
        id: id.read(py, "id")?,
        share_type: share_type.read(py, "share_type")?,
        permission_type: permission_type.read(py, "permission_type")?,
    };
    change.check(str::to_owned).map_err(|refusal| to_python(refusal.into()))
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("canvas_studio.models")?.getattr(name)
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Raised(PyErr),
    /// Something that serde found, which knows no path: perhaps the name of a field, and what is wrong.
    #[error("{0}{1}")]
    Found(String, String),
}

impl Problem {
    fn at(self, path: &str) -> PyErr {
        match self {
            Self::Raised(error) => error,
            Self::Found(field, problem) => refused(&format!("{path}{field}"), problem),
        }
    }
}

impl From<PyErr> for Problem {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl Error for Problem {
    fn custom<T: Display>(problem: T) -> Self {
        Self::Found(String::new(), problem.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Found(format!(".{field}"), "is missing".to_owned())
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::Found(format!(".{field}"), format!("is not known; the fields are {}", known.join(", ")))
    }
}

/// A value that was passed: a record, or one of its fields.
struct Given<'py> {
    /// Where it stands, such as `changes[0].id`.
    path: String,
    value: Bound<'py, PyAny>,
}

impl<'de> Deserializer<'de> for Given<'_> {
    type Error = Problem;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let Self { path, value } = self;
        let given = if value.is_instance(&class(value.py(), name)?)? {
            let read = |field: &&str| Ok((String::from(*field), value.getattr(*field)?));
            fields.iter().map(read).collect::<PyResult<Vec<_>>>()?
        } else if let Ok(mapping) = value.cast::<PyMapping>() {
            mapping.items()?.iter().map(|item| named(&item)).collect::<PyResult<_>>()?
        } else {
            return Err(wrong_type(&path, &format!("{} or a dict", with_article(name)), &value, None).into());
        };
        let fields = Fields { path: path.clone(), rest: given.into_iter(), value: None };
        visitor.visit_map(fields).map_err(|problem| problem.at(&path).into())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.value.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_i64(int(&self.path, &self.value)?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_f64(number(&self.path, &self.value)?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_bool(flag(&self.path, &self.value)?)
    }

    /// Of all other types, only texts are used.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_string(text(&self.path, &self.value)?)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// The name of a field, and its value.
fn named<'py>(item: &Bound<'py, PyAny>) -> PyResult<(String, Bound<'py, PyAny>)> {
    let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
    let name = match name.cast::<PyString>() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => name.str()?.to_string(),
    };
    Ok((name, value))
}

/// The fields of a record.
struct Fields<'py> {
    path: String,
    rest: vec::IntoIter<(String, Bound<'py, PyAny>)>,
    /// The value of the field whose name was given last.
    value: Option<Given<'py>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(Given { path: format!("{}.{name}", self.path), value });
        let name: StringDeserializer<Problem> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let value = self.value.take().ok_or_else(|| Problem::custom("a value came before its name"))?;
        seed.deserialize(value)
    }
}
