//! Warns of blocking calls inside a running event loop, in Python's development mode (`python -X dev`).

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::python::cached::cached;

/// Warns if an event loop is running in this thread; outside of the development mode, does nothing.
pub(super) fn warn_of_blocking_call(py: Python<'_>) -> PyResult<()> {
    static WARN: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    let warn = cached(py, &WARN, || {
        let is_on: bool = py.import("sys")?.getattr("flags")?.getattr("dev_mode")?.extract()?;
        let warn = || py.import("canvas_studio._development")?.getattr("warn_of_blocking_call");
        is_on.then(warn).transpose().map(|warn| warn.map(Bound::unbind))
    })?;
    warn.as_ref().map_or(Ok(()), |warn| warn.call0(py).map(drop))
}
