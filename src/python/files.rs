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
///     OSError: If it cannot be written.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands over what it made")]
pub(crate) fn replace_file(py: Python<'_>, path: PathBuf, content: &[u8]) -> PyResult<()> {
    py.detach(|| files::replace(&path, content)).map_err(|error| named(&path, error))
}

/// An error that says which file it is about.
pub(crate) fn named(path: &Path, error: std::io::Error) -> PyErr {
    to_python(Error::file(path, error))
}
