//! `OAuth`: the sign-in of one person, as Python sees it.

use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use secrecy::{ExposeSecret, SecretString};

use super::token_store::{AnyStore, MemoryTokenStore};
use crate::api::InvalidArgument;
use crate::api::oauth::{self, OUT_OF_BAND};
use crate::client::config::{Config, Options};
use crate::client::{self, Auth, Client, Error, Network};
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, FilePath, Text};
use crate::python::convert::input::borrowed_text;
use crate::python::convert::output::Typed;
use crate::python::errors::{to_python, warn_of_left_out};
use crate::python::operations::operations;
use crate::python::platform::platform;

/// The sign-in of one person at one school: a developer key, and where the person's tokens are kept.
///
/// Share it between clients: a token is then refreshed once for all of them.
///
/// Args:
///     client_id: The developer key's id.
///     client_secret: Its secret.
///     store: Where the tokens are kept: a `FileTokenStore`, a `KeyringTokenStore`, a `MemoryTokenStore` (if omitted),
///         or a store of your own.
///     url: The school, as for `StudioClient`. Only `authorization_url()` and `exchange()` need it.
///     redirect_uri: Where Studio sends the browser with the code: one of the developer key's URIs. With the default
///         Studio shows the code instead.
///     proxy: For `exchange()`, as for `StudioClient`, which has its own for refreshing.
///     ca_bundle: Likewise.
///
/// Raises:
///     InvalidArgumentError: If an argument is invalid.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct OAuth {
    pub(crate) oauth: Arc<client::OAuth>,
    /// The client of its school, if the school was given.
    pub(crate) client: Option<Client>,
    pub(crate) redirect_uri: String,
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

    /// Returns an error if it belongs to another school.
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

/// The exchange of a code for tokens.
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
            oauth
                .exchange(client.config(), &client, code.expose_secret(), &redirect_uri, state.as_deref(), verifier)
                .await
        }
    }

    /// The code works once, so a store that would refuse the tokens is asked before.
    fn check(&self, py: Python<'_>, _is_blocking: bool) -> PyResult<()> {
        let Some(store) = &self.store else { return Ok(()) };
        match store.bind(py).getattr_opt("_refuse_sign_in")? {
            Some(refuse) => refuse.call0().map(drop),
            None => Ok(()),
        }
    }

    fn python_store(&self, py: Python<'_>, _: Option<&Client>) -> Option<Py<PyAny>> {
        self.store.as_ref().map(|store| store.clone_ref(py))
    }
}

/// The deletion of the tokens.
struct Forgetting {
    oauth: Arc<client::OAuth>,
    store: Option<Arc<Py<PyAny>>>,
}

impl Operation for Forgetting {
    type Result = ();

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let oauth = Arc::clone(&self.oauth);
        async move { oauth.forget().await }
    }

    fn python_store(&self, py: Python<'_>, _: Option<&Client>) -> Option<Py<PyAny>> {
        self.store.as_ref().map(|store| store.clone_ref(py))
    }
}

/// A reader for an argument with a default: pyo3 requires a value of the default's own type.
fn redirect_uri_text<'a>(given: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    borrowed_text("redirect_uri", given)
}

// A signature shows only literal defaults, so this one is repeated below. This check keeps it equal to the core's.
const _: () = assert!(matches!(OUT_OF_BAND.as_bytes(), b"urn:ietf:wg:oauth:2.0:oob"));

operations! { OAuth {
    /// Exchange the code of a sign-in for tokens, and save them in the store.
    ///
    /// Args:
    ///     code: The code, or the whole URL that the browser was redirected to, as a person pastes it.
    ///     state: The `state` that `authorization_url()` was given. If the URL has another one, nothing is sent. A URL
    ///         without one is accepted: Studio did not send it back in 2024, and does in 2026 (observed).
    ///     code_verifier: The `code_verifier` that `authorization_url()` was given.
    ///
    /// Returns:
    ///     The tokens, after they were saved.
    ///
    /// Raises:
    ///     InvalidArgumentError: If there is no code in it, or if the URL is another one than the redirect URI.
    ///     SignInError: If the person denied access, if Studio rejects the code or the key, or if the URL has
    ///         another `state` (its `reason` is then `other_state`).
    ///     TokenStoreError: If the tokens could not be saved.
    ///
    /// Reference: none; observed in several clients, and in the vendor's guide for Postman.
    #[pyo3(signature = (code, state=None, *, code_verifier=None))]
    exchange / exchange_async (oauth, code: Text, state: Option<Text>, code_verifier: Option<Text>) -> client::Tokens
        = oauth.exchanging(&code, state, code_verifier);

    /// Log out: delete the tokens, here and in the store. Studio documents no way to revoke them.
    ///
    /// Returns:
    ///     None.
    ///
    /// Raises:
    ///     TokenStoreError: If the store cannot be written.
    ///
    /// Reference: none; nothing is sent.
    #[pyo3(signature = ())]
    forget / forget_async (oauth) -> () = Ok::<_, InvalidArgument>(oauth.forgetting());
} }

#[pymethods]
impl OAuth {
    #[new]
    #[pyo3(signature = (client_id, client_secret, *, store=None, url=None,
        redirect_uri: "str" = "urn:ietf:wg:oauth:2.0:oob",
        proxy=None, ca_bundle=None))]
    fn new(
        py: Python<'_>,
        client_id: Text,
        client_secret: Text,
        store: Option<AnyStore>,
        url: Option<Text>,
        #[pyo3(from_py_with = redirect_uri_text)] redirect_uri: &str,
        proxy: Option<Text>,
        ca_bundle: Option<FilePath>,
    ) -> PyResult<Self> {
        let (client_id, client_secret) = (client_id.read(py, "client_id")?, client_secret.read(py, "client_secret")?);
        let (url, proxy, ca_bundle) =
            (url.read(py, "url")?, proxy.read(py, "proxy")?, ca_bundle.read(py, "ca_bundle")?);
        let refuse = |refusal: InvalidArgument| to_python(refusal.into());
        let store = match store {
            Some(store) => store,
            None => py.get_type::<MemoryTokenStore>().call0()?.extract()?,
        };
        oauth::check_redirect_uri(redirect_uri).map_err(refuse)?;
        let oauth = Arc::new(client::OAuth::new(&client_id, &client_secret, store.store).map_err(refuse)?);
        let network = Network::new(proxy.as_deref(), ca_bundle).map_err(refuse)?;
        warn_of_left_out(&network)?;
        let configured =
            |url: String| Config::new(&url, network, Options::default())?.with_user_agent(None, &platform(py));
        let config = url.map(configured).transpose().map_err(refuse)?;
        let client = config.map(|config| Client::new(config, Auth::OAuth(Arc::clone(&oauth))));
        Ok(Self { oauth, client, redirect_uri: redirect_uri.to_owned(), store: store.object })
    }

    /// The developer key's id.
    #[getter]
    pub(crate) fn client_id(&self) -> &str {
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

    /// Where the tokens are kept.
    #[getter]
    fn store(&self, py: Python<'_>) -> Typed<super::token_store::AnyStoreHint> {
        Typed::new(self.store.clone_ref(py))
    }

    /// Make the URL of the page on which a person signs in and allows access. Nothing is sent.
    ///
    /// Args:
    ///     state: An unguessable value of your own, such as `secrets.token_urlsafe()`. Keep it in the person's session
    ///         and pass it to `exchange()`: Studio sends it back (observed in 2026; it did not in 2024).
    ///     code_verifier: A second such value, `secrets.token_urlsafe(48)`, for PKCE (RFC 7636): the code then works
    ///         only together with it, so nobody can inject a code of their own. Keep it like the `state`, and pass it
    ///         to `exchange()`. Studio tolerates it (inferred); whether it checks it is unknown.
    ///
    /// Returns:
    ///     The URL, for a browser.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the school was not given, or the `code_verifier` is not a valid one.
    #[pyo3(signature = (*, state=None, code_verifier=None))]
    fn authorization_url(&self, py: Python<'_>, state: Option<Text>, code_verifier: Option<Text>) -> PyResult<String> {
        let (state, code_verifier) = (state.read(py, "state")?, code_verifier.read(py, "code_verifier")?);
        let client = self.at_school().map_err(|refusal| to_python(refusal.into()))?;
        let (state, verifier) = (state.as_deref(), code_verifier.as_deref());
        let url = self.oauth.authorization_url(client.config(), &self.redirect_uri, state, verifier);
        url.map_err(|refusal| to_python(refusal.into()))
    }

    // It is immutable, so a reference cycle always has another object in it, which Python can clear.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 passes an owned value")]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = |value: Py<PyAny>| -> PyResult<String> { Ok(value.bind(py).repr()?.to_string()) };
        let client_id = shown(self.client_id().into_py_any(py)?)?;
        let url = shown(self.url().into_py_any(py)?)?;
        Ok(format!("OAuth({client_id}, '***', url={url}, store={})", shown(self.store.clone_ref(py))?))
    }
}
