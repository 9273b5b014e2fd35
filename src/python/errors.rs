//! Converts the core's errors to the exceptions of `canvas_studio.errors`, which are written in Python.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyMemoryError, PyUserWarning};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule, PyTuple};
use serde_json::Value;

use super::cached::cached;
use super::convert::json;
use super::convert::output::{IntoPython, JsonObject, Typed};
use crate::api::json::text::read_json;
use crate::api::users::Problem;
use crate::client::secrets::printable;
use crate::client::{Client, Error, Network, RequestInfo, StatusError};

/// The exception for an error. If making it fails, the exception that says why.
pub(crate) fn to_python(error: Error) -> PyErr {
    to_python_with(error, None)
}

/// The exception for an error of an operation. Objects in it with operations of their own get the client.
pub(crate) fn to_python_with(error: Error, client: Option<&Client>) -> PyErr {
    Python::attach(|py| exception(py, error, client).unwrap_or_else(|problem| problem))
}

/// The exception for an operation of an object that has no client.
pub(crate) fn detached(py: Python<'_>, object: &str, instead: &str) -> PyErr {
    let message = format!(
        "this {object} came from a pickle or a dict, so it knows no client: use a StudioClient, as in {instead}"
    );
    raise(py, "DetachedError", &message, &PyDict::new(py)).unwrap_or_else(|problem| problem)
}

fn exception(py: Python<'_>, error: Error, client: Option<&Client>) -> PyResult<PyErr> {
    let message = error.to_string();
    let message = printable(&message);
    let Error::Upload { media_id, state, error } = error else {
        return exception_with(py, error, &message, client);
    };
    let has_own_message = matches!(*error, Error::File { .. } | Error::OutOfMemory);
    let exception = exception_with(py, *error, &message, client)?;
    exception.value(py).setattr("media_id", media_id)?;
    if has_own_message {
        exception.value(py).call_method1("add_note", (state.explained(media_id),))?;
    }
    Ok(exception)
}

/// The exception for an error, with this message.
fn exception_with(py: Python<'_>, error: Error, message: &str, client: Option<&Client>) -> PyResult<PyErr> {
    let attributes = &PyDict::new(py);
    let class = match error {
        Error::InvalidArgument(refusal) => {
            attributes.set_item("argument", refusal.argument)?;
            "InvalidArgumentError"
        }
        Error::Closed | Error::Exiting => "ClientClosedError",
        Error::Connection { request, .. } => {
            set_request_attributes(attributes, &request)?;
            attributes.set_item("outcome_unknown", request.outcome_unknown)?;
            "APIConnectionError"
        }
        Error::Timeout { request, .. } => {
            set_request_attributes(attributes, &request)?;
            attributes.set_item("outcome_unknown", request.outcome_unknown)?;
            "APITimeoutError"
        }
        Error::Status(refusal) => {
            let StatusError { request, status, headers, body, request_id, retry_after, .. } = *refusal;
            set_request_attributes(attributes, &request)?;
            attributes.set_item("outcome_unknown", request.outcome_unknown)?;
            attributes.set_item("status_code", status)?;
            attributes.set_item("headers", headers.into_iter().collect::<BTreeMap<_, _>>())?;
            attributes.set_item("body", parsed(py, &body)?)?;
            attributes.set_item("request_id", request_id)?;
            attributes.set_item("retry_after", retry_after.map(|wait| wait.as_secs_f64()))?;
            class_of_status(status)
        }
        Error::Unreadable(unreadable) => {
            set_request_attributes(attributes, &unreadable.request)?;
            attributes.set_item("status_code", unreadable.status)?;
            attributes.set_item("json_path", unreadable.path)?;
            attributes.set_item("body", unreadable.excerpt)?;
            "ResponseDecodeError"
        }
        Error::SignIn { reason, answer, .. } => {
            set_sign_in_attributes(attributes, reason, answer.as_deref())?;
            "SignInError"
        }
        Error::LoginRequired { reason, answer, .. } => {
            set_sign_in_attributes(attributes, reason, answer.as_deref())?;
            "LoginRequiredError"
        }
        Error::Store { cause, .. } => {
            let error = raise(py, "TokenStoreError", message, attributes)?;
            if let Some(raised) = cause.downcast_ref::<PyErr>() {
                let own = if is_store_error(py, raised) { raised.cause(py) } else { None };
                error.set_cause(py, Some(own.unwrap_or_else(|| raised.clone_ref(py))));
            } else if let Some(cause) = cause.downcast_ref::<Error>() {
                error.set_cause(py, Some(to_python(cause.clone())));
            }
            return Ok(error);
        }
        Error::NotOneUser(not_one) => {
            attributes.set_item("users", not_one.users.into_python(py, client)?)?;
            let name = match not_one.problem {
                Problem::NoUser => "UserNotFoundError",
                Problem::Several => "SeveralUsersError",
            };
            let class = py.import("canvas_studio.user_errors")?.getattr(name)?;
            return class.call((message,), Some(attributes)).map(PyErr::from_value);
        }
        Error::TranscodingFailed(media) => {
            attributes.set_item("media", media.into_python(py, client)?)?;
            "TranscodingFailedError"
        }
        Error::OtherCount { expected, found, .. } => {
            attributes.set_item("expected", expected)?;
            attributes.set_item("media_ids", PyTuple::new(py, found)?)?;
            "MediaCountError"
        }
        Error::ListChanged(_) => "ListingChangedError",
        Error::FileChanged { path, .. } => {
            attributes.set_item("path", path.into_os_string())?;
            "FileChangedError"
        }
        Error::OutOfMemory => return Ok(PyMemoryError::new_err(())),
        Error::OfCaller(cause) => {
            return Ok(match cause.downcast_ref::<PyErr>() {
                Some(raised) => raised.clone_ref(py),
                None => raise(py, "StudioError", message, attributes)?,
            });
        }
        // An upload is taken apart above.
        Error::Upload { .. } | Error::Setup(_) => "StudioError",
        Error::File { path, error } => return os_error(py, path, &error),
    };
    raise(py, class, message, attributes)
}

/// The exception for a file that could not be read or written.
fn os_error(py: Python<'_>, path: PathBuf, error: &io::Error) -> PyResult<PyErr> {
    // From the number Python chooses the class, such as PermissionError.
    let named = |name: &str| py.import("errno")?.getattr(name)?.extract::<i32>();
    let number = match (error.kind(), error.raw_os_error()) {
        (_, Some(number)) => number,
        (ErrorKind::ResourceBusy, None) => named("EBUSY")?,
        (ErrorKind::AlreadyExists, None) => named("EEXIST")?,
        (ErrorKind::PermissionDenied, None) => named("EACCES")?,
        (_, None) => named("EIO")?,
    };
    // A str, as in the errors of Python's own functions.
    let path = path.into_os_string();
    let os_error = py.import("builtins")?.getattr("OSError")?;
    // Windows has error numbers of its own, which Python takes as another argument.
    Ok(PyErr::from_value(match error.raw_os_error() {
        Some(_) if cfg!(windows) => os_error.call1((0, error.to_string(), path, number))?,
        Some(_) => os_error.call1((number, py.import("os")?.call_method1("strerror", (number,))?, path))?,
        None => os_error.call1((number, error.to_string(), path))?,
    }))
}

/// Return the classes that a module had when it was first imported; at the first import, the given ones.
///
/// A program may import the package again (`importlib.reload`, or an emptied `sys.modules`). With the first classes in
/// both modules, `except` and `isinstance` work with the old names and with the new ones.
#[pyfunction]
#[pyo3(name = "_first_classes", signature = (module, classes: "dict[str, type]"))]
pub(crate) fn first_classes(py: Python<'_>, module: &str, classes: Py<PyDict>) -> PyResult<Typed<JsonObject>> {
    static FIRST: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let first = cached(py, &FIRST, || Ok(PyDict::new(py).unbind()))?;
    Ok(Typed::new(first.bind(py).call_method1("setdefault", (module, classes))?.unbind()))
}

/// Whether a token store has raised a `TokenStoreError` itself.
pub(crate) fn is_store_error(py: Python<'_>, raised: &PyErr) -> bool {
    class_named(py, "TokenStoreError").is_ok_and(|class| raised.matches(py, class).unwrap_or(false))
}

fn raise(py: Python<'_>, class: &str, message: &str, attributes: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    class_named(py, class)?.call((message,), Some(attributes)).map(PyErr::from_value)
}

fn class_named<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let errors = cached(py, &ERRORS, || PyModule::import(py, "canvas_studio.errors").map(Bound::unbind))?;
    errors.bind(py).getattr(name)
}

fn set_sign_in_attributes(
    attributes: &Bound<'_, PyDict>,
    reason: String,
    answer: Option<&StatusError>,
) -> PyResult<()> {
    attributes.set_item("reason", reason)?;
    attributes.set_item("status_code", answer.map(|answer| answer.status))?;
    attributes.set_item("body", answer.map(|answer| parsed(attributes.py(), &answer.body)).transpose()?)
}

fn set_request_attributes(attributes: &Bound<'_, PyDict>, request: &RequestInfo) -> PyResult<()> {
    attributes.set_item("method", request.method.as_str())?;
    attributes.set_item("url", &request.url)
}

fn parsed(py: Python<'_>, body: &str) -> PyResult<Py<PyAny>> {
    match read_json::<Value>(body) {
        Ok(value) => Ok(json::to_python(py, &value)?.unbind()),
        Err(_) => body.into_py_any(py),
    }
}

fn class_of_status(status: u16) -> &'static str {
    match status {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        409 => "ConflictError",
        422 => "UnprocessableEntityError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "APIStatusError",
    }
}

/// A warning of a class of `canvas_studio.errors`, which is not given yet.
pub(crate) fn warning<'py>(py: Python<'py>, class: &str, message: &str) -> PyResult<Bound<'py, PyAny>> {
    class_named(py, class)?.call1((message,))
}

/// Warns with a class of `canvas_studio.errors`. At level 1, the warning names the line of the calling Python code.
pub(crate) fn warn(py: Python<'_>, class: &str, message: &str, stack_level: i32) -> PyResult<()> {
    PyErr::warn(py, &class_named(py, class)?, &CString::new(message)?, stack_level)
}

/// Warns of certificates in a bundle that are not trusted.
pub(crate) fn warn_of_left_out(network: &Network) -> PyResult<()> {
    let Some(warning) = network.warning() else { return Ok(()) };
    Python::attach(|py| PyErr::warn(py, &py.get_type::<PyUserWarning>(), &CString::new(warning)?, 1))
}
