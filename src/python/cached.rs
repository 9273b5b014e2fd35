//! Values that are made once for the process.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A value that is made once. Python code may run while it is made, a finalizer for one, and come back here, so nothing is
/// locked meanwhile; whoever is second throws theirs away.
pub(crate) fn cached<'cell, T>(
    py: Python<'_>,
    cell: &'cell PyOnceLock<T>,
    make: impl FnOnce() -> PyResult<T>,
) -> PyResult<&'cell T> {
    match cell.get(py) {
        Some(value) => Ok(value),
        None => make().map(|value| cell.get_or_init(py, || value)),
    }
}
