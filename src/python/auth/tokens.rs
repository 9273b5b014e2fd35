//! `Tokens`: the tokens of a sign-in, as Python sees them.

use jiff::Timestamp;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyLookupError, PyTypeError};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyDateTime;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::api::{InvalidArgument, oauth};
use crate::client::address::school_url;
use crate::client::{self, Client};
use crate::python::convert::arguments::{AnyMapping, Argument, Text};
use crate::python::convert::input::wrong_type;
use crate::python::convert::json;
use crate::python::convert::output::{IntoPython, JsonObject, Typed};
use crate::python::errors::to_python;

/// The argument `expires_at`: a datetime with a time zone.
struct Moment(Timestamp);

impl<'a, 'py> FromPyObject<'a, 'py> for Moment {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = <Timestamp as FromPyObject<'_, '_>>::INPUT_TYPE;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if !given.is_instance_of::<PyDateTime>() {
            return Err(wrong_type("expires_at", "a datetime", &given, None));
        }
        let refused = |problem: PyErr| {
            let expected = format!("must have a zone, and be a moment that can be counted: {problem}");
            to_python(InvalidArgument::new("expires_at", expected).into())
        };
        given.extract().map(Self).map_err(refused)
    }
}

/// The tokens of a sign-in. They are secrets: `repr` does not show them, and they cannot be pickled.
///
/// Args:
///     access_token: The token that authorizes requests.
///     refresh_token: The token that gets the next access token. It works once.
///     expires_at: When the access token expires, as a datetime with a time zone; `None` if unknown.
///     url: The school's URL; tokens are sent to no other.
///
/// Raises:
///     InvalidArgumentError: If an argument is invalid.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) tokens: client::Tokens,
}

impl From<client::Tokens> for Tokens {
    fn from(tokens: client::Tokens) -> Self {
        Self { tokens }
    }
}

impl IntoPython for client::Tokens {
    type Python = Tokens;

    fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<Tokens> {
        Ok(self.into())
    }
}

#[pymethods]
impl Tokens {
    #[new]
    #[pyo3(signature = (access_token, *, refresh_token=None, expires_at=None, url=None))]
    fn new(
        py: Python<'_>,
        access_token: Text,
        refresh_token: Option<Text>,
        expires_at: Option<Moment>,
        url: Option<Text>,
    ) -> PyResult<Self> {
        let token = |argument: &str, text: Text| {
            oauth::checked_token(argument, &text.read(py, argument)?).map_err(|refusal| to_python(refusal.into()))
        };
        let access = token("access_token", access_token)?;
        let refresh = refresh_token.map(|text| token("refresh_token", text)).transpose()?;
        let expires_at = expires_at.map(|moment| moment.0);
        let url = url
            .read(py, "url")?
            .map(|url| school_url(&url))
            .transpose()
            .map_err(|refusal| to_python(refusal.into()))?;
        Ok(Self { tokens: client::Tokens { access, refresh, expires_at, url } })
    }

    /// The token that authorizes requests.
    #[getter]
    fn access_token(&self) -> &str {
        self.tokens.access.expose_secret()
    }

    /// The token that gets the next access token. It works once.
    #[getter]
    fn refresh_token(&self) -> Option<&str> {
        self.tokens.refresh.as_ref().map(ExposeSecret::expose_secret)
    }

    /// When the access token expires, in UTC, if known.
    #[getter]
    fn expires_at(&self) -> Option<Timestamp> {
        self.tokens.expires_at
    }

    /// The school's URL.
    #[getter]
    fn url(&self) -> Option<&str> {
        self.tokens.url.as_deref()
    }

    /// Return them as a dict that `json.dumps` accepts, for a database. The dict contains the secrets in plain text.
    ///
    /// Returns:
    ///     `access_token`, `refresh_token`, `expires_at` (ISO 8601) and `url`.
    fn to_dict(&self, py: Python<'_>) -> PyResult<Typed<JsonObject>> {
        Ok(Typed::new(json::to_python(py, &self.tokens.to_json())?.unbind()))
    }

    /// Make them from a dict such as `to_dict()` returns, or from the token endpoint's own answer.
    ///
    /// Args:
    ///     values: The dict. Other keys in it, such as further columns of a table, are ignored.
    ///
    /// Returns:
    ///     The tokens.
    ///
    /// Raises:
    ///     InvalidArgumentError: If a value is invalid. The message does not quote it.
    #[staticmethod]
    #[pyo3(signature = (values))]
    fn from_dict(py: Python<'_>, values: AnyMapping<'_>) -> PyResult<Self> {
        let AnyMapping(values) = values;
        let refuse = |refusal: InvalidArgument| to_python(refusal.into());
        let mut known = Map::new();
        for name in ["access_token", "refresh_token", "expires_at", "expires_in", "created_at", "url"] {
            let value = match values.get_item(name) {
                Err(error) if error.is_instance_of::<PyLookupError>(py) => None,
                found => Some(found?),
            };
            if let Some(value) = value.filter(|value| !value.is_none()) {
                let is_moment = value.hasattr("isoformat")?;
                let value = if is_moment { value.call_method0("isoformat")? } else { value };
                match json::from_python(&value) {
                    Ok(value) => drop(known.insert(name.to_owned(), value)),
                    // Like in an answer of the token endpoint, these may be invalid.
                    Err(_) if ["expires_in", "created_at"].contains(&name) => {}
                    Err(_) => return Err(refuse(InvalidArgument::new(name, "must be a text"))),
                }
            }
        }
        client::Tokens::from_json(&Value::Object(known)).map(Self::from).map_err(refuse)
    }

    fn __eq__(&self, other: &Bound<'_, Self>) -> bool {
        other.get().tokens == self.tokens
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let refresh_token = self.tokens.refresh.as_ref().map_or("None", |_| "'***'");
        let expires_at = self.tokens.expires_at.into_py_any(py)?;
        let url = self.url().into_py_any(py)?;
        Ok(format!(
            "Tokens('***', refresh_token={refresh_token}, expires_at={}, url={})",
            expires_at.bind(py).repr()?,
            url.bind(py).repr()?
        ))
    }

    #[expect(clippy::unused_self, reason = "Python passes it")]
    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err("tokens are secrets, so they are not pickled or copied: to_dict() has what they hold"))
    }
}
