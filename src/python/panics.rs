//! Converts panics and exhausted memory to exceptions that `except Exception` catches.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::prelude::*;

use crate::client::tasks::panic_text;
use crate::memory::{self, ROOM};

/// Keep Rust from printing panics, since the caller gets an exception. With `CANVAS_STUDIO_LOG=debug` they are printed.
#[pyfunction]
pub(crate) fn print_no_panics() {
    if std::env::var_os("CANVAS_STUDIO_LOG").is_none_or(|level| level != "debug") {
        set_hook(Box::new(|_| {}));
    }
}

/// Runs a call from Python, and converts a panic in it.
pub(crate) fn guarded<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    check_memory()?;
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(exception(panic.as_ref())))
}

/// Raises `MemoryError` if there is too little memory to start a call.
pub(crate) fn check_memory() -> PyResult<()> {
    if memory::is_there(ROOM) { Ok(()) } else { Err(PyMemoryError::new_err(())) }
}

/// The exception for a panic.
pub(crate) fn exception(panic: &(dyn Any + Send)) -> PyErr {
    match (Python::attach(PyErr::take), panic_text(panic)) {
        // A call of Python's C API failed unexpectedly. Python has set the exception, mostly that memory ran out.
        (Some(raised), _) => raised,
        (None, "Python API call failed" | "PyObject pointer is null") => PyMemoryError::new_err(()),
        (None, text) => PyRuntimeError::new_err(format!("a fault in canvas-studio, please report it: {text}")),
    }
}
