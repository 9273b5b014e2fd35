//! What the object classes have in common: the macro `object!`, dicts, equality, hashes, `repr` and HTML.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::{PoisonError, RwLock};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::api::InvalidArgument;
use crate::api::item::{Extra, Identity};
use crate::api::json::fields::{Field, Kind, field_index};
use crate::api::json::lazy::{Lazy, Model, Value as _, spans_and_extra};
use crate::api::json::locate::ReadError;
use crate::api::json::text::read_text;
use crate::client::secrets::Secrets;
#[cfg(feature = "stubs")]
use crate::python::convert::arguments::MAPPING;
use crate::python::convert::json::{self, from_python};
use crate::python::convert::output::{JsonObject, TypeHint, Typed};
use crate::python::errors::{self, to_python};
use crate::python::panics::guarded;
use crate::stack::with_enough_stack;

/// How many bytes of what serde says about a dict are quoted. It may quote a value.
const QUOTED: usize = 500;

/// The argument of `from_dict`.
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
    /// Reads it like an object that Studio has sent.
    pub(crate) fn read<T: DeserializeOwned>(self) -> PyResult<T> {
        let refuse = |problem: String| to_python(InvalidArgument::new("fields", problem).into());
        let value = from_python(&self.0).map_err(|problem| {
            let py = self.0.py();
            if problem.is_instance_of::<PyValueError>(py) {
                refuse(format!("cannot be JSON: {}", problem.value(py)))
            } else {
                problem
            }
        })?;
        let read = with_enough_stack(move || read_text(&value.to_string()));
        read.map_err(|ReadError { problem, path }| {
            // The user passed a dict and never saw its text, so a line number means nothing.
            let problem = problem.split_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem);
            let location = path.map_or_else(String::new, |path| format!(" at {path}"));
            let problem = Secrets::default().mask_body(problem.as_bytes(), QUOTED);
            refuse(format!("cannot be right{location}: {problem}"))
        })
    }
}

/// A dict as `json.loads` makes one.
pub(crate) type Json = Typed<JsonObject>;

/// The documented fields of an object, `None` where one is missing, then the others as they were sent.
pub(crate) fn to_dict<T: Model>(py: Python<'_>, value: &Lazy<T>) -> PyResult<Json> {
    guarded(|| {
        let spans: Vec<Option<&str>> = (0..T::FIELDS.len()).map(|index| value.raw(index)).collect();
        let dict = fields_to_dict(py, T::FIELDS, &spans)?;
        add_extra(&dict, &value.extra())?;
        Ok(Typed::new(dict.unbind()))
    })
}

/// Adds the undocumented fields, and the documented ones that could not be read.
fn add_extra(dict: &Bound<'_, PyDict>, extra: &Extra) -> PyResult<()> {
    extra.iter().try_for_each(|(name, value)| dict.set_item(name, json::to_python(dict.py(), value)?))
}

fn fields_to_dict<'py>(
    py: Python<'py>,
    fields: &'static [Field],
    texts: &[Option<&str>],
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for ((field, name), raw) in fields.iter().zip(names(py, fields)).zip(texts) {
        dict.set_item(name.bind(py), field_to_python(py, field, *raw)?)?;
    }
    Ok(dict)
}

/// The names of fields as Python's strings, made once for each model: to make them takes longer than to fill a dict.
fn names(py: Python<'_>, fields: &'static [Field]) -> &'static [Py<PyString>] {
    /// Where the fields of a model are, how many, and their names.
    type OfModel = ((usize, usize), &'static [Py<PyString>]);
    static NAMES: RwLock<Vec<OfModel>> = RwLock::new(Vec::new());
    let place = (fields.as_ptr().addr(), fields.len());
    let known = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, names)) = known.iter().find(|(known, _)| *known == place) {
        return names;
    }
    drop(known);
    let names = fields.iter().map(|field| PyString::intern(py, field.name).unbind()).collect::<Vec<_>>().leak();
    NAMES.write().unwrap_or_else(PoisonError::into_inner).push((place, names));
    names
}

/// A documented field as JSON has it.
fn field_to_python<'py>(py: Python<'py>, field: &Field, raw: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
    match (field.kind, raw) {
        (_, None) => Ok(py.None().into_bound(py)),
        (Kind::Id | Kind::Int, raw) => Option::<i64>::read(raw).into_bound_py_any(py),
        (Kind::Number, raw) => Option::<f64>::read(raw).into_bound_py_any(py),
        (Kind::Flag, raw) => Option::<bool>::read(raw).into_bound_py_any(py),
        (Kind::Text | Kind::Word | Kind::Timestamp | Kind::Day, raw) => {
            Option::<Cow<'_, str>>::read(raw).into_bound_py_any(py)
        }
        (Kind::Words, raw) => Option::<Vec<String>>::read(raw).into_bound_py_any(py),
        (Kind::Numbers, Some(raw)) => json::to_python(py, &serde_json::from_str(raw).unwrap_or_default()),
        (Kind::Object(fields), Some(raw)) => {
            let (spans, extra) = spans_and_extra(raw, fields);
            let texts: Vec<Option<&str>> = spans.iter().map(|span| span.of(raw)).collect();
            let dict = fields_to_dict(py, fields, &texts)?;
            add_extra(&dict, &extra)?;
            Ok(dict.into_any())
        }
    }
}

/// The documented fields of a class, in the order in which `match` takes them by position.
pub(crate) trait MatchArgs {
    const NAMES: &'static [&'static str];
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

/// The type of a class's `__match_args__`.
#[derive(Debug)]
pub(crate) struct MatchArgsOf<T>(PhantomData<T>);

impl<T: MatchArgs> TypeHint for MatchArgsOf<T> {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = T::HINT;
}

pub(crate) type MatchArgsTuple<T> = Typed<MatchArgsOf<T>>;

pub(crate) fn match_args<T: MatchArgs>(py: Python<'_>) -> PyResult<MatchArgsTuple<T>> {
    Ok(Typed::new(PyTuple::new(py, T::NAMES)?.unbind()))
}

/// How pydantic reads and writes an object of this class.
pub(crate) fn pydantic_schema<'py>(
    class: &Bound<'py, PyType>,
    fields: &'static [Field],
) -> PyResult<Bound<'py, PyAny>> {
    let properties = json::to_python(class.py(), &json_schema(fields))?;
    class.py().import("canvas_studio._pydantic")?.call_method1("of_object", (class, properties))
}

/// The JSON Schema of each field.
fn json_schema(fields: &'static [Field]) -> Value {
    let schema = |field: &Field| {
        let schema = match field.kind {
            Kind::Id => return json!({"type": "integer"}),
            Kind::Int => json!({"type": "integer"}),
            Kind::Number => json!({"type": "number"}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Text | Kind::Word => json!({"type": "string"}),
            Kind::Timestamp => json!({"type": "string", "format": "date-time"}),
            Kind::Day => json!({"type": "string", "format": "date"}),
            Kind::Words => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Numbers => json!({"type": "object", "additionalProperties": {"type": ["number", "null"]}}),
            Kind::Object(fields) => json!({"type": "object", "properties": json_schema(fields), "required": ["id"]}),
        };
        json!({"anyOf": [schema, {"type": "null"}]})
    };
    Value::Object(fields.iter().map(|field| (field.name.to_owned(), schema(field))).collect::<Map<_, _>>())
}

/// The error for an operation of an object without a client.
pub(crate) fn detached<T: Model>(py: Python<'_>, class: &str, fetch: &str, value: &Lazy<T>) -> PyErr {
    errors::detached(py, class, &format!("studio.{fetch}({:?})", value.id()))
}

/// A hash of the class and the identity, which decide equality too.
pub(crate) fn hash(class: &str, identity: &Identity) -> u64 {
    let mut hasher = DefaultHasher::new();
    (class, identity).hash(&mut hasher);
    hasher.finish()
}

/// A `repr` such as `Media(id=1, title='Intro')`, without the fields that are missing.
pub(crate) fn repr<T: Model>(py: Python<'_>, class: &str, value: &Lazy<T>, names: &[&str]) -> PyResult<String> {
    let mut shown = Vec::new();
    for name in names {
        let index = field_index(T::FIELDS, name);
        if let (Some(field), Some(raw)) = (T::FIELDS.get(index), value.raw(index)) {
            shown.push(format!("{name}={}", field_to_python(py, field, Some(raw))?.repr()?));
        }
    }
    Ok(format!("{class}({})", shown.join(", ")))
}

/// A table for a notebook.
pub(crate) fn html_table(value: &Bound<'_, PyAny>) -> PyResult<String> {
    value.py().import("canvas_studio._notebook")?.call_method1("of_record", (value,))?.extract()
}

/// Emits the class of an object, which holds a value of the model with its name, and a client. The method of
/// `StudioClient` fetches one by its id. `name: Type;` gives a read-only attribute and an item of `__match_args__`; `repr`
/// names the fields that it shows. What else objects have is the same for all of them: weak references, dicts, equality,
/// pickles, copies and tables in a notebook.
macro_rules! object {
    (
        $(#[$about_class:meta])*
        $class:ident from $fetch:literal { $( $(#[$about:meta])* $field:ident: $type:ty; )+ }
        repr: $($shown:ident),+;
    ) => {
        $(#[$about_class])*
        #[pyo3::pyclass(frozen, weakref, module = "canvas_studio")]
        #[derive(Debug)]
        pub(crate) struct $class {
            pub(super) value: models::$class,
            client: Option<$crate::client::Client>,
        }

        impl $class {
            pub(super) fn client(&self, py: Python<'_>) -> PyResult<Option<&$crate::client::Client>> {
                if self.client.is_none() {
                    return Err(value::detached(py, stringify!($class), $fetch, &self.value));
                }
                Ok(self.client.as_ref())
            }
        }

        #[pyo3::pymethods]
        impl $class {
            $(
                $(#[$about])*
                #[getter]
                fn $field(&self, py: Python<'_>) -> PyResult<<$type as $crate::python::convert::output::IntoPython>::Python> {
                    const INDEX: usize = $crate::api::json::fields::field_index(
                        <models::$class as $crate::api::item::Item>::FIELDS,
                        $crate::api::models::plain_name(stringify!($field)),
                    );
                    $crate::python::convert::output::IntoPython::into_python(self.value.get::<$type>(INDEX), py, self.client.as_ref())
                }
            )+

            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<value::MatchArgsTuple<Self>> {
                value::match_args(py)
            }

            /// Undocumented fields, as they were sent.
            #[getter]
            fn extra(&self, py: Python<'_>) -> PyResult<value::Json> {
                $crate::python::convert::output::IntoPython::into_python(self.value.extra(), py, None)
            }

            /// Return it as a dict that `json.dumps` accepts.
            ///
            /// Returns:
            ///     Every documented field, `None` where Studio sent none, then the undocumented ones as they were sent.
            fn to_dict(&self, py: Python<'_>) -> PyResult<value::Json> {
                value::to_dict(py, &self.value)
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                value::repr(py, stringify!($class), &self.value, &[$(stringify!($shown)),+])
            }

            fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
                value::html_table(slf.as_any())
            }

            /// Make an object from a dict such as `to_dict()` returns. It has no client.
            ///
            /// Args:
            ///     fields: The fields; all but `id` may be missing.
            ///
            /// Returns:
            ///     The object.
            ///
            /// Raises:
            ///     InvalidArgumentError: If there is no `id` that can be read, or if it cannot be JSON. Any other field
            ///         that cannot be read stands in `extra`.
            #[staticmethod]
            #[pyo3(signature = (fields))]
            fn from_dict(fields: value::Fields<'_>) -> PyResult<Self> {
                Ok(Self { value: fields.read()?, client: None })
            }

            fn __eq__(&self, other: &Bound<'_, Self>) -> bool {
                $crate::api::item::Item::identity(&other.get().value) == $crate::api::item::Item::identity(&self.value)
            }

            /// Let pydantic, and with it FastAPI, read and write the object. Only pydantic calls this.
            #[classmethod]
            fn __get_pydantic_core_schema__<'py>(
                cls: &Bound<'py, pyo3::types::PyType>,
                source: &Bound<'py, PyAny>,
                handler: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                let _ = (source, handler);
                value::pydantic_schema(cls, <models::$class as $crate::api::item::Item>::FIELDS)
            }

            fn __hash__(&self) -> u64 {
                value::hash(stringify!($class), &$crate::api::item::Item::identity(&self.value))
            }

            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (value::Json,))> {
                Ok((slf.get_type().getattr("from_dict")?, (slf.get().to_dict(slf.py())?,)))
            }

            fn __copy__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
                slf
            }
        }

        impl value::MatchArgs for $class {
            const NAMES: &'static [&'static str] = &[$($crate::api::models::plain_name(stringify!($field))),+];
            #[cfg(feature = "stubs")]
            const HINT: pyo3::inspect::PyStaticExpr = {
                use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
                use pyo3::{type_hint_identifier, type_hint_subscript};
                type_hint_subscript!(
                    type_hint_identifier!("builtins", "tuple"), $(type_hint_subscript!(
                        type_hint_identifier!("typing", "Literal"),
                        PyStaticExpr::Constant {
                            value: PyStaticConstant::Str($crate::api::models::plain_name(stringify!($field)))
                        }
                    )),+
                )
            };
        }

        impl $crate::python::convert::output::IntoPython for models::$class {
            type Python = $class;

            fn into_python(self, _: Python<'_>, client: Option<&$crate::client::Client>) -> PyResult<$class> {
                Ok($class { value: self, client: client.cloned() })
            }
        }
    };
}

pub(crate) use object;
