//! Ids as arguments: a number, or the object that has it. Each page declares the kinds of ids of its own objects.

use std::marker::PhantomData;

use pyo3::exceptions::PyTypeError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;

use super::arguments::Argument;
use super::input::{as_int, int_if_it_is, with_article, wrong_type};

/// A kind of id, such as that of a media.
pub(crate) trait IdKind {
    /// The classes whose objects are accepted: module, class, and the attribute that holds the id.
    const CLASSES: &'static [(&'static str, &'static str, &'static str)];
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr;
}

/// Declares kinds of ids: for each, the classes whose objects are accepted, with the attribute that holds the id.
macro_rules! ids {
    ($($(#[$about:meta])* $kind:ident: $(($module:literal, $class:literal, $attribute:literal) $hint:expr),+;)*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy)]
            pub(crate) struct $kind;

            impl $crate::python::convert::ids::IdKind for $kind {
                const CLASSES: &'static [(&'static str, &'static str, &'static str)] =
                    &[$(($module, $class, $attribute)),+];
                #[cfg(feature = "stubs")]
                const HINT: pyo3::inspect::PyStaticExpr = {
                    use pyo3::{type_hint_identifier, type_hint_union};
                    type_hint_union!(type_hint_identifier!("builtins", "int"), $($hint),+)
                };
            }
        )*
    };
}

pub(crate) use ids;

/// An id, passed as a number or as the object that has it.
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
    type Value = i64;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<i64> {
        let given = self.0.bind(py);
        if let Some(id) = int_if_it_is(given)? {
            return Ok(id);
        }
        for (module, class, attribute) in K::CLASSES {
            if given.is_instance(&py.import(*module)?.getattr(*class)?)? {
                let id = given.getattr(*attribute)?;
                let no_id = || PyTypeError::new_err(format!("{name} must have an id: this {class} has no {attribute}"));
                return int_if_it_is(&id)?.ok_or_else(no_id);
            }
        }
        let mut expected = "an int".to_owned();
        for (index, (_, class, _)) in K::CLASSES.iter().enumerate() {
            expected.push_str(if index + 1 == K::CLASSES.len() { " or " } else { ", " });
            expected.push_str(&with_article(class));
        }
        let is_user = K::CLASSES.iter().any(|(_, class, _)| *class == "User");
        let is_address = is_user && given.extract::<String>().is_ok_and(|text| text.contains('@'));
        let remedy = if is_address { Some("studio.find_user(...)".to_owned()) } else { as_int(given) };
        Err(wrong_type(name, &expected, given, remedy))
    }
}
