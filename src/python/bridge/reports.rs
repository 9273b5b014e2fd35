//! Reports progress during a call: by calling the user's callable and, in an async call, by awaiting what it returns.

use std::future::pending;

use pyo3::exceptions::{PyException, PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_async_runtimes::{TaskLocals, into_future_with_locals};

use super::awaitable::Running;
use super::operation::Operation;
use crate::client::secrets::printable;
use crate::python::errors::warning;

/// The caller's frame, as Python counts: an async method is called through a coroutine of ours.
pub(crate) const BLOCKING_LEVEL: i32 = 1;
pub(crate) const ASYNC_LEVEL: i32 = 2;

/// Reports in a blocking call, which can await nothing.
pub(super) fn report(py: Python<'_>, operation: &impl Operation) -> PyResult<()> {
    let Some(awaitable) = operation.report_progress(py)? else { return Ok(()) };
    if let Some(close) = awaitable.getattr_opt("close")? {
        close.call0()?;
    }
    Err(needs_async_call())
}

/// The exception of a progress callable, if it comes too late to end the operation; otherwise it is the error.
pub(super) fn too_late(py: Python<'_>, error: PyErr, operation: &impl Operation, is_finished: bool) -> PyResult<PyErr> {
    // Not KeyboardInterrupt, SystemExit, CancelledError.
    if operation.is_too_late(is_finished) && error.is_instance_of::<PyException>(py) { Ok(error) } else { Err(error) }
}

/// Warns of an exception that came too late.
pub(super) fn warn_of(py: Python<'_>, error: &PyErr, stack_level: i32) -> PyResult<()> {
    let message = format!("the progress callable raised {error}; it came too late to end the transfer");
    let warning = warning(py, "ProgressWarning", &printable(&message))?;
    warning.setattr(intern!(py, "__cause__"), error.value(py))?;
    let how = PyDict::new(py);
    how.set_item("stacklevel", stack_level)?;
    py.import("warnings")?.call_method("warn", (warning,), Some(&how)).map(drop)
}

/// The error for an async callable in a blocking call.
pub(crate) fn needs_async_call() -> PyErr {
    PyTypeError::new_err(
        "progress must not be an async callable in a blocking call, which cannot await it: use the async method, or a \
         callable that is not async",
    )
}

/// The reports of an async call, one at a time. What is transferred does not wait for them.
#[derive(Default)]
pub(super) struct Reports {
    awaited: Option<Report>,
}

/// A report that is being awaited by a task of the caller's event loop.
struct Report {
    ended: Running,
    /// Held, since the loop itself refers to its tasks weakly. None once it has ended.
    task: Option<Py<PyAny>>,
    event_loop: Py<PyAny>,
}

impl Reports {
    /// Reports, unless the last report is still being awaited.
    pub(super) fn report(&mut self, py: Python<'_>, operation: &impl Operation) -> PyResult<()> {
        if self.awaited.is_none()
            && let Some(awaitable) = operation.report_progress(py).map_err(|error| not_the_end(py, error))?
        {
            let locals = TaskLocals::with_running_loop(py)?.copy_context(py)?;
            let task = py.import("asyncio")?.call_method1("ensure_future", (awaitable,))?;
            let ended = Box::pin(into_future_with_locals(&locals, task.clone())?);
            let event_loop = locals.event_loop(py).unbind();
            self.awaited = Some(Report { ended, task: Some(task.unbind()), event_loop });
        }
        Ok(())
    }

    /// Waits until the last report has ended; for ever if that is so already.
    pub(super) async fn next_end(&mut self) -> PyResult<()> {
        let Some(report) = &mut self.awaited else { return pending().await };
        let ended = report.ended.as_mut().await;
        report.task = None;
        self.awaited = None;
        ended.map(drop)
    }

    /// Waits until the last report has ended.
    pub(super) async fn end(&mut self) -> PyResult<()> {
        if self.awaited.is_none() { Ok(()) } else { self.next_end().await }
    }
}

impl Drop for Report {
    /// Cancels a report that a call leaves behind.
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            Python::try_attach(|py| {
                let cancel = task.getattr(py, "cancel")?;
                self.event_loop.call_method1(py, "call_soon_threadsafe", (cancel,))
            });
        }
    }
}

/// A `StopIteration` that leaves a coroutine would become its result.
fn not_the_end(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let instead = PyRuntimeError::new_err("the progress callable raised StopIteration");
    instead.set_cause(py, Some(error));
    instead
}
