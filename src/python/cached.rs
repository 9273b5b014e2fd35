//! Caches a value for the whole process.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Returns the cached value, made at the first call. No lock is held while it is made: Python code may run then (a
/// finalizer, say) and come back here. If two callers make it, the first one wins.
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
