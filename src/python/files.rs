//! How Python's own writers name and replace files, by the rule that everything here follows.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;

use super::errors::to_python;
use crate::client::Error;
use crate::files;

/// A file beside `path` that nobody else has, for what takes its place once it is whole.
///
/// Args:
///     path: The file that is to be there in the end.
///
/// Returns:
///     Where to write meanwhile; nothing is there yet.
///
/// Raises:
///     OSError: If the file system does not take a name as long as that of `path`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands over what it made")]
pub(crate) fn temporary_path(path: PathBuf) -> PyResult<PathBuf> {
    files::temporary(&path).map_err(|error| named(&path, error))
}

/// Put bytes into a file that only its owner can read, in place of one that is there: all of them or none.
///
/// Args:
///     path: The file.
///     content: What it is to hold.
///
/// Raises:
///     OSError: If it cannot be written, or others can change its folder.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands over what it made")]
pub(crate) fn replace_file(py: Python<'_>, path: PathBuf, content: &[u8]) -> PyResult<()> {
    py.detach(|| files::replace_in_own_folder(&path, content)).map_err(|error| named(&path, error))
}

/// Say what is wrong with a file that others can change, or in whose folder they can replace it; as ssh does.
///
/// Args:
///     path: The file.
///
/// Returns:
///     What is wrong and what to do; nothing if all is well, if there is no file, or if it cannot be looked at.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands over what it made")]
pub(crate) fn changed_by_others(py: Python<'_>, path: PathBuf) -> Option<String> {
    let refused = py.detach(|| files::check(&path)).err()?;
    // What the system refuses has a number, and is told by whoever reads the file.
    refused.raw_os_error().is_none().then(|| refused.to_string())
}

/// Make a folder that only its owner can look into, and those above it that are missing, unless it is there.
///
/// Args:
///     path: The folder.
///
/// Raises:
///     OSError: If it cannot be made.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands over what it made")]
pub(crate) fn make_private_folder(path: PathBuf) -> PyResult<()> {
    files::make_private_folder(&path).map_err(|error| named(&path, error))
}

/// An error that says which file it is about.
pub(crate) fn named(path: &Path, error: std::io::Error) -> PyErr {
    to_python(Error::file(path, error))
}
