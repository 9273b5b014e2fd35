//! `OAuth` and `Tokens`: signing in, as Python sees it.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyLookupError, PyTypeError, PyUserWarning};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict};
use pyo3::{PyTraverseError, PyVisit};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::token_store::{AnyStore, MemoryTokenStore};
use crate::api::InvalidArgument;
use crate::api::oauth::{self, OUT_OF_BAND};
use crate::client::address::school_url;
use crate::client::config::{Config, Options};
use crate::client::{self, Auth, Client, Error, Network};
use crate::python::bridge::operation::{Home, Operation};
use crate::python::convert::arguments::{AnyMapping, Argument, FilePath, Text};
use crate::python::convert::input::{borrowed_text, wrong_type};
use crate::python::convert::json;
use crate::python::convert::output::{AnyJson, Deliver, Hinted, JsonObject, Nothing};
use crate::python::errors::to_python;
use crate::python::operations::operations;

/// A moment that a datetime with a zone stands for.
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

/// The tokens that a person's signing in gave. They are secrets: they are shown to nobody, and not pickled.
///
/// Args:
///     access_token: What authorizes requests.
///     refresh_token: What gives the next access token, once.
///     expires_at: When the access token ends, as a datetime with a zone; `None` if that is not known.
///     url: The school's URL; tokens are sent to no other.
///
/// Raises:
///     InvalidArgumentError: If something is no token.
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

impl Deliver for client::Tokens {
    type Python = Tokens;

    fn deliver(self, _: Python<'_>, _: Option<&Client>) -> PyResult<Tokens> {
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
            oauth::given_token(argument, &text.read(py, argument)?).map_err(|refusal| to_python(refusal.into()))
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

    /// What authorizes requests.
    #[getter]
    fn access_token(&self) -> &str {
        self.tokens.access.expose_secret()
    }

    /// What gives the next access token, once.
    #[getter]
    fn refresh_token(&self) -> Option<&str> {
        self.tokens.refresh.as_ref().map(ExposeSecret::expose_secret)
    }

    /// When the access token ends, in UTC, if that is known.
    #[getter]
    fn expires_at(&self) -> Option<Timestamp> {
        self.tokens.expires_at
    }

    /// The school's URL.
    #[getter]
    fn url(&self) -> Option<&str> {
        self.tokens.url.as_deref()
    }

    /// Return them as a dict that `json.dumps` takes, for a database. The dict holds the secrets as they are.
    ///
    /// Returns:
    ///     `access_token`, `refresh_token`, `expires_at` (ISO 8601) and `url`.
    fn to_dict(&self, py: Python<'_>) -> PyResult<Hinted<JsonObject>> {
        Ok(Hinted::new(json::to_python(py, &self.tokens.to_json())?.unbind()))
    }

    /// Make them from a dict such as `to_dict()` returns, or from the token endpoint's own answer.
    ///
    /// Args:
    ///     values: The dict. Of other names in it, such as the columns of a table, nothing is read.
    ///
    /// Returns:
    ///     The tokens.
    ///
    /// Raises:
    ///     InvalidArgumentError: If something in it cannot be right; the text does not quote it.
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
                    // As in the token endpoint's answer, these need not be right.
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

/// The sign-in of one person at one school: a developer key, and where the person's tokens are kept.
///
/// Share it between clients: they refresh the tokens together, once.
///
/// Args:
///     client_id: The developer key's id.
///     client_secret: Its secret.
///     store: Where the tokens are: a `FileTokenStore`, a `KeyringTokenStore`, a `MemoryTokenStore` (if left out), or a
///         store of your own.
///     url: The school, as for `StudioClient`. Only `authorization_url()` and `exchange()` need it.
///     redirect_uri: Where Studio sends the browser with the code. It is one of the developer key's; with the default
///         Studio shows the code instead.
///     proxy: For `exchange()`, as for `StudioClient`, which has its own for refreshing.
///     ca_bundle: Likewise.
///
/// Raises:
///     InvalidArgumentError: If an argument cannot be right.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct OAuth {
    pub(crate) oauth: Arc<client::OAuth>,
    /// For the school that it is of, if that was said.
    client: Option<Client>,
    redirect_uri: String,
    pub(crate) store: Py<PyAny>,
}

impl OAuth {
    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(self.client.as_ref())
    }

    fn at_school(&self) -> Result<&Client, InvalidArgument> {
        self.client.as_ref().ok_or_else(|| {
            InvalidArgument::new("url", "is missing: name the school, as in OAuth(..., url=\"myschool\")")
        })
    }

    /// Refuses to be used for another school.
    pub(crate) fn check_school(&self, config: &Config) -> Result<(), InvalidArgument> {
        match self.client.as_ref().map(|client| client.config().url()).or_else(|| self.oauth.school()) {
            Some(own) if own != config.url() => {
                Err(InvalidArgument::new("auth", format!("is for {own}, not for {}", config.url())))
            }
            _ => Ok(()),
        }
    }

    fn exchanging(
        &self,
        code: &str,
        state: Option<String>,
        code_verifier: Option<String>,
    ) -> Result<Exchange, InvalidArgument> {
        self.at_school()?;
        code_verifier.as_deref().map_or(Ok(()), oauth::check_code_verifier)?;
        let (oauth, redirect_uri) = (Arc::clone(&self.oauth), self.redirect_uri.clone());
        Ok(Exchange {
            oauth,
            code: code.into(),
            redirect_uri,
            state,
            code_verifier: code_verifier.map(Into::into),
            store: self.python_store(),
        })
    }

    fn forgetting(&self) -> Forgetting {
        Forgetting { oauth: Arc::clone(&self.oauth), store: self.python_store() }
    }

    fn python_store(&self) -> Option<Arc<Py<PyAny>>> {
        self.oauth.needs_caller().then(|| Python::attach(|py| Arc::new(self.store.clone_ref(py))))
    }
}

/// What `__reduce__` returns: what to call, and with what.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, Hinted<AnyJson>);

/// The proxy and the authorities that were given to a client. A pickle holds no password.
pub(crate) fn network_of(client: &Client) -> PyResult<(Option<&str>, Option<&Path>)> {
    client.config().network().given().ok_or_else(|| {
        PyTypeError::new_err("a client is pickled without the password of its proxy: set HTTPS_PROXY instead")
    })
}

/// Warns of the certificates in a bundle that are left out.
pub(crate) fn warn_of_left_out(network: &Network) -> PyResult<()> {
    let Some(warning) = network.warning() else { return Ok(()) };
    Python::attach(|py| PyErr::warn(py, &py.get_type::<PyUserWarning>(), &CString::new(warning)?, 1))
}

/// A code that is about to become tokens.
#[derive(Clone)]
struct Exchange {
    oauth: Arc<client::OAuth>,
    code: SecretString,
    redirect_uri: String,
    state: Option<String>,
    code_verifier: Option<SecretString>,
    store: Option<Arc<Py<PyAny>>>,
}

impl Operation for Exchange {
    type Result = client::Tokens;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<client::Tokens, Error>> + Send + 'static {
        let Self { oauth, code, redirect_uri, state, code_verifier, .. } = self.clone();
        async move {
            let client = client.ok_or(Error::Closed)?;
            let verifier = code_verifier.as_ref().map(ExposeSecret::expose_secret);
            oauth.exchange(&client, code.expose_secret(), &redirect_uri, state.as_deref(), verifier).await
        }
    }

    fn home(&self) -> Home {
        Home::Shared
    }

    fn python_store(&self, py: Python<'_>, _: Option<&Client>) -> Option<Py<PyAny>> {
        self.store.as_ref().map(|store| store.clone_ref(py))
    }
}

/// Tokens that are about to be forgotten.
struct Forgetting {
    oauth: Arc<client::OAuth>,
    store: Option<Arc<Py<PyAny>>>,
}

impl Operation for Forgetting {
    type Result = Nothing;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Nothing, Error>> + Send + 'static {
        let oauth = Arc::clone(&self.oauth);
        async move { oauth.forget().await.map(|()| Nothing) }
    }

    fn home(&self) -> Home {
        Home::Shared
    }

    fn python_store(&self, py: Python<'_>, _: Option<&Client>) -> Option<Py<PyAny>> {
        self.store.as_ref().map(|store| store.clone_ref(py))
    }
}

/// pyo3 asks for a value of the default's own type.
fn redirect_uri_text<'a>(given: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    borrowed_text("redirect_uri", given)
}

// Python shows defaults only as literals, so this one is written once more below; here it is held to the core's.
const _: () = assert!(matches!(OUT_OF_BAND.as_bytes(), b"urn:ietf:wg:oauth:2.0:oob"));

operations! { OAuth {
operations {
    /// Turn the code of a person's signing in into tokens, and keep them in the store.
    ///
    /// Args:
    ///     code: The code, or the whole URL that the browser was redirected to, as a person pastes it.
    ///     state: The `state` that `authorization_url()` was given. If the URL has another one, nothing is sent. One
    ///         without any is accepted: Studio sent none back in 2024, and does in 2026 (observed).
    ///     code_verifier: The `code_verifier` that `authorization_url()` was given.
    ///
    /// Returns:
    ///     The tokens; by then they are in the store.
    ///
    /// Raises:
    ///     InvalidArgumentError: If there is no code in it, or if the URL is another one than the redirect URI.
    ///     SignInError: If the person did not allow it, if Studio takes the code or the key for wrong, or if the URL has
    ///         another `state` (its `reason` is then `other_state`).
    ///     TokenStoreError: If the tokens could not be kept.
    ///
    /// Reference: none; observed in several clients, and in the vendor's guide for Postman.
    #[pyo3(signature = (code, state=None, *, code_verifier=None))]
    exchange / exchange_async (oauth, code: Text, state: Option<Text>, code_verifier: Option<Text>) -> client::Tokens
        = oauth.exchanging(&code, state, code_verifier);

    /// Log out: forget the tokens, here and in the store. Studio has no documented way to revoke them.
    ///
    /// Returns:
    ///     None.
    ///
    /// Raises:
    ///     TokenStoreError: If the store cannot be written.
    ///
    /// Reference: none; nothing is sent.
    #[pyo3(signature = ())]
    forget / forget_async (oauth) -> Nothing = Ok::<_, InvalidArgument>(oauth.forgetting());
}
lists {}
plain {
    #[new]
    #[pyo3(signature = (client_id, client_secret, *, store=None, url=None, redirect_uri: "str" = "urn:ietf:wg:oauth:2.0:oob",
        proxy=None, ca_bundle=None))]
    fn new(py: Python<'_>, client_id: Text, client_secret: Text, store: Option<AnyStore>, url: Option<Text>,
        #[pyo3(from_py_with = redirect_uri_text)] redirect_uri: &str, proxy: Option<Text>, ca_bundle: Option<FilePath>) -> PyResult<Self> {
        let (client_id, client_secret) = (client_id.read(py, "client_id")?, client_secret.read(py, "client_secret")?);
        let (url, proxy, ca_bundle) = (url.read(py, "url")?, proxy.read(py, "proxy")?, ca_bundle.read(py, "ca_bundle")?);
        let refuse = |refusal: InvalidArgument| to_python(refusal.into());
        let store = match store {
            Some(store) => store,
            None => py.get_type::<MemoryTokenStore>().call0()?.extract()?,
        };
        oauth::check_redirect_uri(redirect_uri).map_err(refuse)?;
        let oauth = Arc::new(client::OAuth::new(&client_id, &client_secret, store.store).map_err(refuse)?);
        let network = Network::new(proxy.as_deref(), ca_bundle).map_err(refuse)?;
        warn_of_left_out(&network)?;
        let config = url.map(|url| Config::new(&url, network, Options::default())).transpose().map_err(refuse)?;
        let client = config.map(|config| Client::new(config, Auth::OAuth(Arc::clone(&oauth))));
        Ok(Self { oauth, client, redirect_uri: redirect_uri.to_owned(), store: store.object })
    }

    /// The developer key's id.
    #[getter]
    fn client_id(&self) -> &str {
        self.oauth.client_id()
    }

    /// The school's URL, if it was given.
    #[getter]
    fn url(&self) -> Option<String> {
        self.client.as_ref().map(|client| client.config().url())
    }

    /// Where Studio sends the browser with the code.
    #[getter]
    fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Where the tokens are.
    #[getter]
    fn store(&self, py: Python<'_>) -> Hinted<super::token_store::AnyStoreHint> {
        Hinted::new(self.store.clone_ref(py))
    }

    /// Make the URL of the page on which a person signs in and allows it. Nothing is sent.
    ///
    /// Args:
    ///     state: A value of your own that nobody can guess, such as `secrets.token_urlsafe()`. Keep it in the session of
    ///         the person, and give it to `exchange()`: Studio sends it back (observed in 2026; it did not in 2024).
    ///     code_verifier: A second such value, `secrets.token_urlsafe(48)`, for PKCE (RFC 7636): the code is then good only
    ///         together with it, so nobody can slip in a code of their own. Keep it like the `state`, and give it to
    ///         `exchange()`. Studio tolerates it (inferred); whether it checks it is unknown.
    ///
    /// Returns:
    ///     The URL, for a browser.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the school was not given, or the `code_verifier` is none.
    #[pyo3(signature = (*, state=None, code_verifier=None))]
    fn authorization_url(&self, py: Python<'_>, state: Option<Text>, code_verifier: Option<Text>) -> PyResult<String> {
        let (state, code_verifier) = (state.read(py, "state")?, code_verifier.read(py, "code_verifier")?);
        let client = self.at_school().map_err(|refusal| to_python(refusal.into()))?;
        let (state, verifier) = (state.as_deref(), code_verifier.as_deref());
        let url = self.oauth.authorization_url(client, &self.redirect_uri, state, verifier);
        url.map_err(|refusal| to_python(refusal.into()))
    }

    // It cannot be changed, so whatever closes a circle with it is something else, which can be cleared.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands it over")]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let pickles = py.import("canvas_studio._pickles")?;
        let (id, secret) = (self.client_id(), self.oauth.client_secret().expose_secret());
        let place = pickles.call_method1("secret_place", (id, secret))?;
        let rest = PyDict::new(py);
        rest.set_item("redirect_uri", &self.redirect_uri)?;
        if let Some(client) = &self.client {
            rest.set_item("url", client.config().url())?;
            let (proxy, ca_bundle) = network_of(client)?;
            rest.set_item("proxy", proxy)?;
            rest.set_item("ca_bundle", ca_bundle)?;
        }
        let partial = py.import("functools")?.getattr("partial")?;
        let rebuild = partial.call((pickles.getattr("oauth")?,), Some(&rest))?;
        Ok((rebuild, Hinted::new((id, place, self.store.clone_ref(py)).into_py_any(py)?)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = |value: Py<PyAny>| -> PyResult<String> { Ok(value.bind(py).repr()?.to_string()) };
        let client_id = shown(self.client_id().into_py_any(py)?)?;
        let url = shown(self.url().into_py_any(py)?)?;
        Ok(format!("OAuth({client_id}, '***', url={url}, store={})", shown(self.store.clone_ref(py))?))
    }
}
} }
