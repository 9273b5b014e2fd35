//! Pickles clients and `OAuth` objects without their secrets, which the other process looks up again.

use std::path::Path;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use secrecy::ExposeSecret;

use super::auth::oauth::OAuth;
use super::convert::output::{AnyJson, JsonObject, Typed};
use super::studio_client::StudioClient;
use crate::client::{Auth, Client};

/// What `__reduce__` returns: a callable and its arguments.
type Reduced<'py> = (Bound<'py, PyAny>, Typed<AnyJson>);

/// The `proxy` and `ca_bundle` of a client. A pickle must not contain the password of a proxy.
fn network_of(client: &Client) -> PyResult<(Option<&str>, Option<&Path>)> {
    client.config().network().given().ok_or_else(|| {
        PyTypeError::new_err("a client is pickled without the password of its proxy: set HTTPS_PROXY instead")
    })
}

impl StudioClient {
    /// The options that do not depend on the school or the network.
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let config = self.client.config();
        let set = config.options();
        let options = PyDict::new(py);
        options.set_item("timeout", set.timeout)?;
        options.set_item("connect_timeout", set.connect_timeout)?;
        options.set_item("read_timeout", set.read_timeout)?;
        options.set_item("max_retries", set.max_retries)?;
        options.set_item("retry_delay", set.retry_delay)?;
        options.set_item("max_retry_wait", set.max_retry_wait)?;
        options.set_item("max_concurrency", set.max_concurrency)?;
        options.set_item("max_connections", set.max_connections)?;
        options.set_item("max_rate", set.max_rate)?;
        options.set_item("app_name", config.app_name())?;
        Ok(options)
    }
}

#[pymethods]
impl StudioClient {
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let pickles = py.import("canvas_studio._pickles")?;
        let (source, auth) = match self.client.auth() {
            Auth::Token(token) => (Some(pickles.call_method1("token_source", (token.expose_secret(),))?), None),
            Auth::OAuth(_) => (None, self.auth().map(|auth| auth.oauth.clone_ref(py))),
        };
        let (proxy, ca_bundle) = network_of(&self.client)?;
        let options = self.options(py)?;
        options.set_item("proxy", proxy)?;
        options.set_item("ca_bundle", ca_bundle)?;
        let config = self.client.config();
        Ok((pickles.getattr("client")?, Typed::new((config.url(), source, auth, options).into_py_any(py)?)))
    }

    /// The options that do not depend on the school or the network; for `canvas_studio.testing.record`.
    fn _options(&self, py: Python<'_>) -> PyResult<Typed<JsonObject>> {
        Ok(Typed::new(self.options(py)?))
    }

    /// The `proxy`, its `Proxy-Authorization` header, and the `ca_bundle`, as they were given; for
    /// `canvas_studio.testing.record`.
    fn _network(&self) -> (Option<&str>, Option<&str>, Option<&Path>) {
        let network = self.client.config().network();
        let (proxy, authorization) = network.given_proxy().unzip();
        (proxy, authorization.flatten(), network.given_bundle())
    }
}

#[pymethods]
impl OAuth {
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let pickles = py.import("canvas_studio._pickles")?;
        let (id, secret) = (self.client_id(), self.oauth.client_secret().expose_secret());
        let source = pickles.call_method1("secret_source", (id, secret))?;
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
        Ok((rebuild, Typed::new((id, source, self.store.clone_ref(py)).into_py_any(py)?)))
    }
}
