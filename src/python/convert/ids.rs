//! Ids as arguments: a number, a UUID or a key, or the object that has it. Each page declares the kinds of ids of its own objects.

use std::marker::PhantomData;

use pyo3::exceptions::PyTypeError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyString;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_union};

use super::arguments::Argument;
use super::input::{as_int, borrowed_text, int_if_it_is, with_article, wrong_type};
use super::scalars::{is_instance, plain_value};

/// The type of an id.
pub(crate) trait IdValue: Sized {
    const EXPECTED: &'static str;
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;

    fn read(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<Self>>;

    /// The expression that makes an id of something else, if there is an obvious one.
    fn remedy(given: &Bound<'_, PyAny>) -> Option<String>;
}

impl IdValue for i64 {
    const EXPECTED: &'static str = "an int";
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("builtins", "int");

    fn read(_: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        int_if_it_is(given)
    }

    fn remedy(given: &Bound<'_, PyAny>) -> Option<String> {
        as_int(given)
    }
}

/// The text of a UUID, whose form the core checks.
impl IdValue for String {
    const EXPECTED: &'static str = "a UUID";
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr =
        type_hint_union!(type_hint_identifier!("builtins", "str"), type_hint_identifier!("uuid", "UUID"));

    fn read(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let given = plain_value(given)?;
        let text = if is_instance(&given, "uuid", "UUID")? { given.str()?.into_any() } else { given };
        if text.is_instance_of::<PyString>() {
            borrowed_text(name, &text).map(|text| Some(text.to_owned()))
        } else {
            Ok(None)
        }
    }

    fn remedy(given: &Bound<'_, PyAny>) -> Option<String> {
        given.hasattr("perspectives").is_ok_and(|has| has).then(|| "one of its perspectives()".to_owned())
    }
}

/// A text that names something, such as the key of a type of captioning service. The core checks its form.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) String);

impl IdValue for Key {
    const EXPECTED: &'static str = "a str";
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_identifier!("builtins", "str");

    fn read(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let is_text = given.is_instance_of::<PyString>();
        is_text.then(|| borrowed_text(name, given).map(|text| Self(text.to_owned()))).transpose()
    }

    fn remedy(_: &Bound<'_, PyAny>) -> Option<String> {
        None
    }
}

/// A kind of id, such as that of a media.
pub(crate) trait IdKind {
    type Value: IdValue;
    /// The classes whose objects are accepted: module, class, and the attribute that holds the id.
    const CLASSES: &'static [(&'static str, &'static str, &'static str)];
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

/// Declares kinds of ids: for each, the type if it is not a number, and the classes whose objects are accepted, with the
/// attribute that holds the id.
macro_rules! ids {
    ($($(#[$about:meta])* $kind:ident $(as $value:ty)?: $(($module:literal, $class:literal, $attribute:literal) $hint:expr),+;)*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy)]
            pub(crate) struct $kind;

            impl $crate::python::convert::ids::IdKind for $kind {
                type Value = $crate::python::convert::ids::ids!(@value $($value)?);

                const CLASSES: &'static [(&'static str, &'static str, &'static str)] =
                    &[$(($module, $class, $attribute)),+];
                #[cfg(feature = "stubs")]
                const HINT: pyo3::inspect::PyStaticExpr = {
                    #[allow(unused_imports, reason = "kinds of classes that the core defines need no identifier")]
                    use pyo3::{type_hint_identifier, type_hint_union};
                    type_hint_union!(<Self::Value as $crate::python::convert::ids::IdValue>::HINT, $($hint),+)
                };
            }
        )*
    };
    (@value) => { i64 };
    (@value $value:ty) => { $value };
}

pub(crate) use ids;

/// An id, passed as it is or as the object that has it.
#[derive(Debug)]
pub(crate) struct Id<K>(Py<PyAny>, PhantomData<K>);

impl<'a, 'py, K: IdKind> FromPyObject<'a, 'py> for Id<K> {
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = K::HINT;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(given.to_owned().unbind(), PhantomData))
    }
}

impl<K: IdKind> Argument for Id<K> {
    type Value = K::Value;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<K::Value> {
        let given = self.0.bind(py);
        if let Some(id) = K::Value::read(name, given)? {
            return Ok(id);
        }
        for (module, class, attribute) in K::CLASSES {
            if given.is_instance(&py.import(*module)?.getattr(*class)?)? {
                let id = given.getattr(*attribute)?;
                let no_id = || PyTypeError::new_err(format!("{name} must have an id: this {class} has no {attribute}"));
                return K::Value::read(name, &id)?.ok_or_else(no_id);
            }
        }
        let mut expected = K::Value::EXPECTED.to_owned();
        for (index, (_, class, _)) in K::CLASSES.iter().enumerate() {
            expected.push_str(if index + 1 == K::CLASSES.len() { " or " } else { ", " });
            expected.push_str(&with_article(class));
        }
        let is_user = K::CLASSES.iter().any(|(_, class, _)| *class == "User");
        let is_address = is_user && given.extract::<String>().is_ok_and(|text| text.contains('@'));
        let remedy = if is_address { Some("studio.find_user(...)".to_owned()) } else { K::Value::remedy(given) };
        Err(wrong_type(name, &expected, given, remedy))
    }
}
