//! Functions with which the Python part writes and checks files, by the same rules as the core.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;

use super::errors::to_python;
use crate::client::Error;
use crate::files;

/// Choose a new name beside `path`, for a file that replaces it once it is complete.
///
/// Args:
///     path: The file to replace.
///
/// Returns:
///     The path to write to. No file exists there yet.
///
/// Raises:
///     OSError: If the file system does not allow a name as long as that of `path`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 passes owned values")]
pub(crate) fn temporary_path(path: PathBuf) -> PyResult<PathBuf> {
    files::temporary(&path).map_err(|error| named(&path, error))
}

/// Give a file the name of another one, which it replaces.
///
/// Args:
///     temporary: The file, which is complete.
///     path: Its new name.
///
/// Raises:
///     OSError: If it cannot be done.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 passes owned values")]
pub(crate) fn put_in_place(py: Python<'_>, temporary: PathBuf, path: PathBuf) -> PyResult<()> {
    py.detach(|| files::put_in_place(&temporary, &path)).map_err(|error| named(&path, error))
}

/// Replace a file with new content, all of it or none, so that only its owner can read it.
///
/// Args:
///     path: The file.
///     content: The new content.
///
/// Raises:
///     OSError: If it cannot be written, or others can change its folder.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 passes owned values")]
pub(crate) fn replace_file(py: Python<'_>, path: PathBuf, content: &[u8]) -> PyResult<()> {
    py.detach(|| files::replace_in_own_folder(&path, content)).map_err(|error| named(&path, error))
}

/// Check, as ssh does, that no other user can change a file, or replace it in its folder.
///
/// Args:
///     path: The file.
///
/// Returns:
///     What is wrong and what to do; `None` if all is well, if there is no file, or if it cannot be checked.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 passes owned values")]
pub(crate) fn changed_by_others(py: Python<'_>, path: PathBuf) -> Option<String> {
    let refused = py.detach(|| files::check(&path)).err()?;
    // An error of the system has a number; whoever reads the file reports it.
    refused.raw_os_error().is_none().then(|| refused.to_string())
}

/// Make a folder that only its owner can open, with its missing parents, unless it exists.
///
/// Args:
///     path: The folder.
///
/// Raises:
///     OSError: If it cannot be made.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 passes owned values")]
pub(crate) fn make_private_folder(path: PathBuf) -> PyResult<()> {
    files::make_private_folder(&path).map_err(|error| named(&path, error))
}

/// The `OSError` for a file.
pub(crate) fn named(path: &Path, error: std::io::Error) -> PyErr {
    to_python(Error::file(path, error))
}
