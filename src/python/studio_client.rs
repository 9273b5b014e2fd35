//! `StudioClient`: its constructor, options and context manager. Its operations are in `pages`.

use std::env;
use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

use super::auth::oauth::OAuth;
use super::bridge::awaitable::AwaitableOf;
use super::bridge::caller::AttachedAuth;
use super::bridge::run::close;
use super::convert::arguments::{Argument, FilePath, Number, Object, Text, changed, named};
use super::convert::output::{NoResult, Typed};
use super::errors::{to_python, warn_of_left_out};
use super::platform::platform;
use crate::api::InvalidArgument;
use crate::api::check::MAX_PER_PAGE;
use crate::client::address;
use crate::client::config::{
    CONNECT_TIMEOUT, MAX_CONCURRENCY, MAX_RETRIES, MAX_RETRY_WAIT, READ_TIMEOUT, RETRY_DELAY, TIMEOUT,
};
use crate::client::{Auth, Client, Config, Network, Options};

/// A client of one school's Studio.
///
/// It can be used from any number of threads and event loops, and after a fork. Every operation has two forms: `f`
/// blocks, and `f_async` is a coroutine with the same arguments, result and exceptions. List operations return a
/// `Listing`, which is read with `for` or `async for`.
///
/// It can be pickled for other processes, which look up its secrets where this one finds them: in the environment
/// (`CANVAS_STUDIO_TOKEN`), or in a profile and the token store of its `OAuth`. The pickle contains no secret.
///
/// Args:
///     url: The school's name (`"myschool"`), its host, or its URL. `http` only on this machine.
///     token: An access token that you manage yourself.
///     auth: Instead of a token, an `OAuth`, which refreshes and stores its tokens.
///     proxy: The proxy's URL (`"http://host:port"`, or `"http://user:password@host:port"`), instead of `HTTPS_PROXY`,
///         `NO_PROXY` and the system's settings.
///     ca_bundle: A file in PEM form, or a folder of such files, with the certificate authorities to trust, instead of
///         `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and the system's trust store.
///     timeout: Seconds (or a timedelta) for one call with all its retries; `float("inf")` for no limit. Downloads have
///         none.
///     connect_timeout: Seconds for opening a connection, at most `read_timeout`.
///     read_timeout: Seconds without a byte from the server.
///     max_retries: How often a request is retried. A request that may have been processed is never retried blindly.
///     retry_delay: Seconds before the first retry. The delay doubles with each retry, and is shortened at random.
///     max_retry_wait: The longest wait in seconds that a server may ask for; if it asks for more, the error is raised.
///     max_concurrency: How many pages of one list to request at once, 1 to 64. It is lowered automatically if Studio
///         reports too many requests or becomes slow.
///     max_connections: How many requests may be in progress at once, 1 to 1000, and so how many connections. Further
///         calls wait, which counts towards `timeout`. Clients made by `with_options` share it with this one, unless
///         they set their own.
///     max_rate: How many requests to start per second at most; no limit if omitted. Clients made by `with_options`
///         share it with this one.
///     app_name: The name of your program (`"my-tool/1.2"`), the first word of the `User-Agent` header, so that the
///         school's logs tell it from others.
///
/// Raises:
///     InvalidArgumentError: If an argument is invalid.
#[pyclass(frozen, weakref, module = "canvas_studio")]
#[derive(Debug)]
pub(crate) struct StudioClient {
    pub(crate) client: Client,
}

impl StudioClient {
    pub(crate) fn of(client: Client) -> Self {
        Self { client }
    }

    /// A client that shares everything with another one. Each holds a reference of its own to what is attached, so that
    /// Python's garbage collector can count them.
    pub(crate) fn sharing(py: Python<'_>, client: Client) -> Self {
        Self::of(match client.attached::<AttachedAuth>().map(|auth| auth.clone_ref(py)) {
            Some(auth) => client.with_attached(Arc::new(auth)),
            None => client,
        })
    }

    /// The `OAuth` that it was made with.
    pub(crate) fn auth(&self) -> Option<&AttachedAuth> {
        self.client.attached()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    pub(crate) fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }
}

/// Return the URL of a school, as `StudioClient` understands it.
///
/// Args:
///     school: Its name, host or URL.
///
/// Returns:
///     The URL.
///
/// Raises:
///     InvalidArgumentError: If it is not a valid school.
#[pyfunction]
#[pyo3(signature = (school))]
pub(crate) fn school_url(py: Python<'_>, school: Text) -> PyResult<String> {
    address::school_url(&school.read(py, "url")?).map_err(|refusal| to_python(refusal.into()))
}

/// The variable that `canvas-studio record` and `replay` set for their program.
const RECORDING: &str = "CANVAS_STUDIO_RECORDING";

// A signature shows only literal defaults, so they are repeated below. These checks keep them equal to the core's.
const _: () = assert!(TIMEOUT == 120.0 && CONNECT_TIMEOUT == 5.0 && READ_TIMEOUT == 30.0);
const _: () = assert!(MAX_RETRIES == 2 && RETRY_DELAY == 0.5 && MAX_RETRY_WAIT == 60.0);
const _: () = assert!(MAX_PER_PAGE == 50 && MAX_CONCURRENCY == 16);

#[pymethods]
impl StudioClient {
    #[new]
    #[pyo3(signature = (url, *, token=None, auth=None, proxy=None, ca_bundle=None, timeout: "float | timedelta" = 120.0, connect_timeout: "float | timedelta" = 5.0,
        read_timeout: "float | timedelta" = 30.0, max_retries: "int" = 2, retry_delay: "float | timedelta" = 0.5,
        max_retry_wait: "float | timedelta" = 60.0, max_concurrency: "int" = 16, max_connections: "int" = 100, max_rate=None,
        app_name=None))]
    fn new(
        py: Python<'_>,
        url: Text,
        token: Option<Text>,
        auth: Option<Object<OAuth>>,
        proxy: Option<Text>,
        ca_bundle: Option<FilePath>,
        #[pyo3(from_py_with = named::timeout)] timeout: f64,
        #[pyo3(from_py_with = named::connect_timeout)] connect_timeout: f64,
        #[pyo3(from_py_with = named::read_timeout)] read_timeout: f64,
        #[pyo3(from_py_with = named::max_retries)] max_retries: i64,
        #[pyo3(from_py_with = named::retry_delay)] retry_delay: f64,
        #[pyo3(from_py_with = named::max_retry_wait)] max_retry_wait: f64,
        #[pyo3(from_py_with = named::max_concurrency)] max_concurrency: i64,
        #[pyo3(from_py_with = named::max_connections)] max_connections: i64,
        max_rate: Option<Number>,
        app_name: Option<Text>,
    ) -> PyResult<Self> {
        let url = url.read(py, "url")?;
        let token = token.read(py, "token")?;
        let auth = auth.read(py, "auth")?;
        let proxy = proxy.read(py, "proxy")?;
        let ca_bundle = ca_bundle.read(py, "ca_bundle")?;
        let options = Options {
            timeout: Some(timeout),
            connect_timeout: Some(connect_timeout),
            read_timeout: Some(read_timeout),
            max_retries: Some(max_retries),
            retry_delay: Some(retry_delay),
            max_retry_wait: Some(max_retry_wait),
            max_concurrency: Some(max_concurrency),
            max_connections: Some(max_connections),
            max_rate: max_rate.read(py, "max_rate")?,
        };
        let app_name = app_name.read(py, "app_name")?;
        let config = Network::new(proxy.as_deref(), ca_bundle)
            .and_then(|network| Config::new(&url, network, options))
            .and_then(|config| config.with_user_agent(app_name.as_deref(), &platform(py)));
        let made = config.and_then(|config| {
            let known = match (&token, auth.as_ref().map(Py::get)) {
                (Some(token), None) => Auth::token(token)?,
                (None, Some(auth)) => {
                    auth.check_school(&config)?;
                    Auth::OAuth(Arc::clone(&auth.oauth))
                }
                (None, None) => {
                    return Err(InvalidArgument::new("token", "is missing: give a token, or auth=OAuth(...)"));
                }
                (Some(_), Some(_)) => {
                    return Err(InvalidArgument::new("auth", "is given beside a token: give one of the two"));
                }
            };
            let client = Client::new(config, known);
            Ok(match auth {
                Some(auth) => {
                    let store = auth.get().store.clone_ref(py);
                    client.with_attached(Arc::new(AttachedAuth::new(auth.into_any(), store)))
                }
                None => client,
            })
        });
        let client = made.map_err(|refusal| to_python(refusal.into()))?;
        warn_of_left_out(client.config().network())?;
        Ok(Self { client })
    }

    /// Make a client from arguments, environment variables, and a profile that `canvas-studio login` has made.
    ///
    /// An argument overrides a variable, and a variable overrides the profile: `CANVAS_STUDIO_URL`,
    /// `CANVAS_STUDIO_TOKEN`, or `CANVAS_STUDIO_CLIENT_ID`, `CANVAS_STUDIO_CLIENT_SECRET` and
    /// `CANVAS_STUDIO_TOKEN_FILE`; `CANVAS_STUDIO_PROFILE` names the profile. With the argument `profile`, the
    /// variables are ignored. A secret is never sent to a URL from another source.
    ///
    /// Args:
    ///     profile: The profile; if omitted, that of the variable, or the only one that exists.
    ///     url: Instead of `CANVAS_STUDIO_URL`.
    ///     token: Instead of `CANVAS_STUDIO_TOKEN`.
    ///     auth: Instead of a token.
    ///     proxy: The same as for the client itself.
    ///     ca_bundle: The same.
    ///     timeout: The same.
    ///     connect_timeout: The same.
    ///     read_timeout: The same.
    ///     max_retries: The same.
    ///     retry_delay: The same.
    ///     max_retry_wait: The same.
    ///     max_concurrency: The same.
    ///     max_connections: The same.
    ///     max_rate: The same.
    ///     app_name: The same.
    ///
    /// Returns:
    ///     A client.
    ///
    /// Raises:
    ///     InvalidArgumentError: If a setting is missing, invalid, or contradicts another.
    #[expect(clippy::used_underscore_items, reason = "the underscore is for Python, where it is private")]
    #[staticmethod]
    #[pyo3(signature = (profile=None, *, url=None, token=None, auth=None, proxy=None, ca_bundle=None, timeout: "float | timedelta" = 120.0, connect_timeout: "float | timedelta" = 5.0,
        read_timeout: "float | timedelta" = 30.0, max_retries: "int" = 2, retry_delay: "float | timedelta" = 0.5,
        max_retry_wait: "float | timedelta" = 60.0, max_concurrency: "int" = 16, max_connections: "int" = 100, max_rate=None,
        app_name=None))]
    fn from_env(
        py: Python<'_>,
        profile: Option<Text>,
        url: Option<Text>,
        token: Option<Text>,
        auth: Option<Object<OAuth>>,
        proxy: Option<Text>,
        ca_bundle: Option<FilePath>,
        #[pyo3(from_py_with = named::timeout)] timeout: f64,
        #[pyo3(from_py_with = named::connect_timeout)] connect_timeout: f64,
        #[pyo3(from_py_with = named::read_timeout)] read_timeout: f64,
        #[pyo3(from_py_with = named::max_retries)] max_retries: i64,
        #[pyo3(from_py_with = named::retry_delay)] retry_delay: f64,
        #[pyo3(from_py_with = named::max_retry_wait)] max_retry_wait: f64,
        #[pyo3(from_py_with = named::max_concurrency)] max_concurrency: i64,
        #[pyo3(from_py_with = named::max_connections)] max_connections: i64,
        max_rate: Option<Number>,
        app_name: Option<Text>,
    ) -> PyResult<Self> {
        let given = PyDict::new(py);
        given.set_item("profile", profile.read(py, "profile")?)?;
        given.set_item("url", url.read(py, "url")?)?;
        given.set_item("token", token.read(py, "token")?)?;
        given.set_item("auth", auth.read(py, "auth")?)?;
        given.set_item("proxy", proxy.read(py, "proxy")?)?;
        given.set_item("ca_bundle", ca_bundle.read(py, "ca_bundle")?)?;
        let found = py.import("canvas_studio.profiles")?.call_method("find", (), Some(&given))?;
        let (url, token, auth) = (found.getattr("url")?, found.getattr("token")?, found.getattr("auth")?);
        let (proxy, ca_bundle) = (found.getattr("proxy")?, found.getattr("ca_bundle")?);
        let made = Self::new(
            py,
            url.extract()?,
            token.extract()?,
            auth.extract()?,
            proxy.extract()?,
            ca_bundle.extract()?,
            timeout,
            connect_timeout,
            read_timeout,
            max_retries,
            retry_delay,
            max_retry_wait,
            max_concurrency,
            max_connections,
            max_rate,
            app_name,
        )?;
        // As `canvas_studio.testing` has it: lists send the same requests each time.
        Ok(if env::var_os(RECORDING).is_some() { made._without_prefetch(py) } else { made })
    }

    /// The school's URL.
    #[getter]
    fn url(&self) -> String {
        self.client.config().url()
    }

    /// Make a client with other options, for some calls.
    ///
    /// It shares the connections of this one, unless `connect_timeout` differs, and is closed separately.
    ///
    /// Args:
    ///     timeout: The same as for the client itself; an option that is omitted stays as it is. `None` is refused:
    ///         `float("inf")` means no limit.
    ///     connect_timeout: The same.
    ///     read_timeout: The same.
    ///     max_retries: The same.
    ///     retry_delay: The same.
    ///     max_retry_wait: The same.
    ///     max_concurrency: The same.
    ///     max_connections: The same; a new limit counts for the new client, and for clients made from it.
    ///     max_rate: The same; `float("inf")` for no limit.
    ///
    /// Returns:
    ///     The client.
    ///
    /// Raises:
    ///     InvalidArgumentError: If an argument is invalid.
    ///     TypeError: If an argument is `None`.
    #[pyo3(signature = (*, timeout: "float | timedelta" = Option::None, connect_timeout: "float | timedelta" = Option::None,
        read_timeout: "float | timedelta" = Option::None, max_retries: "int" = Option::None,
        retry_delay: "float | timedelta" = Option::None, max_retry_wait: "float | timedelta" = Option::None,
        max_concurrency: "int" = Option::None, max_connections: "int" = Option::None, max_rate: "float" = Option::None))]
    fn with_options(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = changed::timeout)] timeout: Option<f64>,
        #[pyo3(from_py_with = changed::connect_timeout)] connect_timeout: Option<f64>,
        #[pyo3(from_py_with = changed::read_timeout)] read_timeout: Option<f64>,
        #[pyo3(from_py_with = changed::max_retries)] max_retries: Option<i64>,
        #[pyo3(from_py_with = changed::retry_delay)] retry_delay: Option<f64>,
        #[pyo3(from_py_with = changed::max_retry_wait)] max_retry_wait: Option<f64>,
        #[pyo3(from_py_with = changed::max_concurrency)] max_concurrency: Option<i64>,
        #[pyo3(from_py_with = changed::max_connections)] max_connections: Option<i64>,
        #[pyo3(from_py_with = changed::max_rate)] max_rate: Option<f64>,
    ) -> PyResult<Self> {
        let options = Options {
            timeout,
            connect_timeout,
            read_timeout,
            max_retries,
            retry_delay,
            max_retry_wait,
            max_concurrency,
            max_connections,
            max_rate,
        };
        let client = self.client.with(options);
        let client = client.map_err(to_python)?;
        Ok(Self::sharing(py, client))
    }

    /// A client that requests a page of a list only when its reader wants it, so that a program sends the same requests
    /// each time; for `canvas_studio.testing`.
    fn _without_prefetch(&self, py: Python<'_>) -> Self {
        Self::sharing(py, self.client.without_prefetch())
    }

    // As in `OAuth`. If an object, a listing or a call holds the client too, the owner of that keeps it alive.
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 passes an owned value")]
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.client.attached_to_this_alone::<AttachedAuth>().map_or(Ok(()), |auth| auth.traverse(&visit))
    }

    /// End calls in progress with `ClientClosedError`, and refuse new ones.
    fn close(&self) {
        close(&self.client);
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(&self, _kind: &Bound<'_, PyAny>, _error: &Bound<'_, PyAny>, _traceback: &Bound<'_, PyAny>) {
        close(&self.client);
    }

    fn __aenter__(slf: Py<Self>) -> AwaitableOf<Py<Self>> {
        AwaitableOf::new(async { Ok(slf) })
    }

    fn __aexit__(&self, _kind: Py<PyAny>, _error: Py<PyAny>, _traceback: Py<PyAny>) -> AwaitableOf<Typed<NoResult>> {
        let client = self.client.clone();
        AwaitableOf::new(async move {
            close(&client);
            Ok(Python::attach(|py| Typed::new(py.None())))
        })
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let config = self.client.config();
        let rows = PyDict::new(py);
        rows.set_item("School", config.url())?;
        rows.set_item("Signed in with", if self.auth().is_some() { "OAuth" } else { "a token" })?;
        rows.set_item("Timeout", format!("{} s", config.timeout.as_secs_f64()))?;
        rows.set_item("Pages at once", config.max_concurrency)?;
        rows.set_item("Requests at once", config.max_connections)?;
        rows.set_item("Requests a second", config.max_rate)?;
        let card = py.import("canvas_studio._notebook")?.getattr("card")?;
        card.call1(("StudioClient", rows))?.extract()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("StudioClient({})", self.url().into_py_any(py)?.bind(py).repr()?))
    }
}
