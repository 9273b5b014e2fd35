//! What this program runs on.

use pyo3::prelude::*;

/// The Python of this process, as the user agent has it.
pub(crate) fn platform(py: Python<'_>) -> String {
    let version = py.version_info();
    format!("Python/{}.{}.{}", version.major, version.minor, version.patch)
}
