//! `SandboxServer`: the sandbox as `canvas_studio.sandbox` uses it, with plain values in and out.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value as Json;

use super::convert::json;
use super::convert::output::{JsonObject, JsonObjects, Typed};
use super::files;
use crate::sandbox::{Error, Sandbox};

/// The server behind `canvas_studio.sandbox.Sandbox`. Use that class instead.
#[pyclass(module = "canvas_studio._core", frozen)]
#[derive(Debug)]
pub(crate) struct SandboxServer {
    /// None after `close`.
    sandbox: RwLock<Option<Sandbox>>,
    /// The process that started it: after a fork, the child has no server.
    process: u32,
    url: String,
    storage_url: String,
    port: u16,
}

/// The size, SHA-256, content type and bytes of a file.
type UploadedFile<'py> = (u64, String, Option<String>, Option<Bound<'py, PyBytes>>);

impl SandboxServer {
    fn with<T: Send>(&self, py: Python<'_>, ask: impl FnOnce(&Sandbox) -> Result<T, Error> + Send) -> PyResult<T> {
        let unusable = |reason: &str| PyRuntimeError::new_err(reason.to_owned());
        if self.process != std::process::id() {
            return Err(unusable(
                "the sandbox runs in another process; here its url and its token are good, and no more",
            ));
        }
        let asked = py.detach(|| {
            let sandbox = self.sandbox.read().unwrap_or_else(PoisonError::into_inner);
            sandbox.as_ref().map(ask)
        });
        asked.ok_or_else(|| unusable("the sandbox is closed"))?.map_err(to_python)
    }

    fn json<H>(&self, py: Python<'_>, ask: impl FnOnce(&Sandbox) -> Result<Json, Error> + Send) -> PyResult<Typed<H>> {
        Ok(Typed::new(json::to_python(py, &self.with(py, ask)?)?.unbind()))
    }
}

#[pymethods]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 passes owned values")]
impl SandboxServer {
    #[new]
    fn new(py: Python<'_>, options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let options: Json = json::from_python(options)?;
        let sandbox = py.detach(|| Sandbox::start(options)).map_err(to_python)?;
        let (url, storage_url, port) = (sandbox.url().to_owned(), sandbox.storage_url().to_owned(), sandbox.port());
        Ok(Self { sandbox: Some(sandbox).into(), process: std::process::id(), url, storage_url, port })
    }

    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    #[getter]
    fn storage_url(&self) -> &str {
        &self.storage_url
    }

    #[getter]
    fn port(&self) -> u16 {
        self.port
    }

    #[getter]
    fn token(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |sandbox| Ok(sandbox.token()))
    }

    #[getter]
    fn client_id(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |sandbox| Ok(sandbox.client_id()))
    }

    #[getter]
    fn client_secret(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |sandbox| Ok(sandbox.client_secret()))
    }

    #[getter]
    fn redirect_uris(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |sandbox| Ok(sandbox.redirect_uris()))
    }

    /// How many requests ended with a panic in the sandbox.
    #[getter]
    fn panics(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |sandbox| Ok(sandbox.panics()))
    }

    fn close(&self, py: Python<'_>) {
        // After a fork, a thread that no longer exists may hold the lock.
        if self.process == std::process::id() {
            py.detach(|| self.sandbox.write().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Sandbox::reset)
    }

    fn snapshot(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let written = self.with(py, |sandbox| match sandbox.snapshot(&path) {
            Err(Error::Io(error)) => Ok(Err(error)),
            other => other.map(Ok),
        })?;
        written.map_err(|error| files::named(&path, error))
    }

    fn users(&self, py: Python<'_>) -> PyResult<Typed<JsonObjects>> {
        self.json(py, Sandbox::users)
    }

    fn requests(&self, py: Python<'_>) -> PyResult<Typed<JsonObjects>> {
        self.json(py, Sandbox::requests)
    }

    fn forget_requests(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |sandbox| {
            sandbox.forget_requests();
            Ok(())
        })
    }

    fn token_for(&self, py: Python<'_>, user_id: u64) -> PyResult<String> {
        self.with(py, |sandbox| sandbox.token_for(user_id))
    }

    fn oauth_token(&self, py: Python<'_>, user_id: Option<u64>) -> PyResult<Typed<JsonObject>> {
        self.json(py, |sandbox| sandbox.oauth_token(user_id))
    }

    fn allow(&self, py: Python<'_>, query: HashMap<String, String>, user_id: Option<u64>) -> PyResult<String> {
        self.with(py, |sandbox| sandbox.allow(&query, user_id))
    }

    fn add(&self, py: Python<'_>, kind: &str, fields: &Bound<'_, PyAny>) -> PyResult<u64> {
        let fields: Json = json::from_python(fields)?;
        self.with(py, |sandbox| sandbox.add(kind, fields))
    }

    fn change_media(&self, py: Python<'_>, id: u64, fields: &Bound<'_, PyAny>) -> PyResult<()> {
        let fields: Json = json::from_python(fields)?;
        self.with(py, |sandbox| sandbox.change_media(id, fields))
    }

    fn remove_media(&self, py: Python<'_>, id: u64) -> PyResult<()> {
        self.with(py, |sandbox| sandbox.remove_media(id))
    }

    /// The time by the sandbox's clock, in Unix seconds.
    fn now(&self, py: Python<'_>) -> PyResult<f64> {
        self.with(py, |sandbox| Ok(sandbox.now()))
    }

    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        self.with(py, |sandbox| sandbox.advance(seconds))
    }

    /// The size, SHA-256, content type and bytes of the file that was sent to the URL of an upload.
    fn uploaded_file<'py>(&self, py: Python<'py>, id: u64) -> PyResult<Option<UploadedFile<'py>>> {
        let file = self.with(py, |sandbox| sandbox.uploaded_file(id))?;
        Ok(file.map(|file| {
            let content = file.content.map(|content| PyBytes::new(py, &content));
            (file.size, file.sha256, file.content_type, content)
        }))
    }

    fn media_file<'py>(&self, py: Python<'py>, id: u64, quality: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.with(py, |sandbox| sandbox.media_file(id, quality))?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn add_fault(&self, py: Python<'_>, fields: &Bound<'_, PyAny>) -> PyResult<u64> {
        let fields: Json = json::from_python(fields)?;
        self.with(py, |sandbox| sandbox.add_fault(fields))
    }

    #[staticmethod]
    fn check_fault(fields: &Bound<'_, PyAny>) -> PyResult<()> {
        Sandbox::check_fault(json::from_python(fields)?).map_err(to_python)
    }

    fn remove_fault(&self, py: Python<'_>, id: u64) -> PyResult<bool> {
        self.with(py, |sandbox| Ok(sandbox.remove_fault(id)))
    }

    fn clear_faults(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |sandbox| {
            sandbox.clear_faults();
            Ok(())
        })
    }

    fn fault_hits(&self, py: Python<'_>, id: u64) -> PyResult<Option<u64>> {
        self.with(py, |sandbox| Ok(sandbox.fault_hits(id)))
    }

    #[staticmethod]
    fn chaos(py: Python<'_>, options: &Bound<'_, PyAny>) -> PyResult<Typed<JsonObjects>> {
        let options: Json = json::from_python(options)?;
        let faults = serde_json::to_value(Sandbox::chaos(options).map_err(to_python)?)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Typed::new(json::to_python(py, &faults)?.unbind()))
    }
}

fn to_python(error: Error) -> PyErr {
    match error {
        Error::Invalid(text) => PyValueError::new_err(text),
        Error::Io(error) => match error.raw_os_error() {
            // Windows has error numbers of its own, which Python takes as another argument.
            Some(number) if cfg!(windows) => PyOSError::new_err((0, error.to_string(), None::<String>, number)),
            Some(number) => PyOSError::new_err((number, error.to_string())),
            None => PyOSError::new_err(error.to_string()),
        },
    }
}
