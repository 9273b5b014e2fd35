//! Words of Studio's enumerations as Python sees them: the known ones are offered to editors, any other is kept or sent.

use std::borrow::Cow;
use std::marker::PhantomData;

#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::arguments::Argument;
use super::input::text;
use super::output::{IntoPython, TypeHint, Typed};
use crate::api::json::lazy::Value;
#[cfg(feature = "stubs")]
use crate::api::words;
use crate::client::Client;

/// A word that Studio has sent, of the enumeration `E`.
pub(crate) struct Word<'text, E>(Cow<'text, str>, PhantomData<E>);

impl<'text, E> Value<'text> for Option<Word<'text, E>> {
    fn read(raw: Option<&'text str>) -> Self {
        Option::<Cow<'_, str>>::read(raw).map(|text| Word(text, PhantomData))
    }
}

impl<E: TypeHint + 'static> IntoPython for Word<'_, E> {
    type Python = Typed<E>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(PyString::new(py, &self.0).unbind().into_any()))
    }
}

/// A word of the enumeration `E` as an argument. Any other word is taken too, since not all may be known.
#[derive(Debug)]
pub(crate) struct OpenWord<E>(Py<PyAny>, PhantomData<fn() -> E>);

impl<'a, 'py, E: TypeHint> FromPyObject<'a, 'py> for OpenWord<E> {
    type Error = std::convert::Infallible;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = E::HINT;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self(given.to_owned().unbind(), PhantomData))
    }
}

impl<E> Argument for OpenWord<E> {
    type Value = String;

    fn read(self, py: Python<'_>, name: &str) -> PyResult<String> {
        text(name, self.0.bind(py))
    }
}

/// Declares enumerations; the type hint of each is `Literal["known", "words"] | str`.
macro_rules! enumerations {
    ($($name:ident: $words:path;)*) => {
        $(
            #[derive(Debug)]
            pub(crate) struct $name;

            impl TypeHint for $name {
                #[cfg(feature = "stubs")]
                const HINT: PyStaticExpr = {
                    use pyo3::{type_hint_identifier, type_hint_union};
                    const LITERALS: [PyStaticExpr; $words.len()] = literals($words);
                    type_hint_union!(
                        PyStaticExpr::Subscript {
                            value: &type_hint_identifier!("typing", "Literal"),
                            slice: &PyStaticExpr::Tuple { elts: &LITERALS },
                        },
                        type_hint_identifier!("builtins", "str")
                    )
                };
            }
        )*
    };
}

enumerations! {
    CaptionRequestResult: words::RESULTS;
    CollectionType: words::COLLECTION_TYPES;
    Permission: words::PERMISSIONS;
    Role: words::ROLES;
    TranscodingStatus: words::TRANSCODING_STATUSES;
}

#[cfg(feature = "stubs")]
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which reports an overflow")]
const fn literals<const N: usize>(words: &[&'static str]) -> [PyStaticExpr; N] {
    let mut literals = [PyStaticExpr::Constant { value: PyStaticConstant::None }; N];
    let mut index = 0;
    while index < N {
        literals[index] = PyStaticExpr::Constant { value: PyStaticConstant::Str(words[index]) };
        index += 1;
    }
    literals
}
