//! The target of a download: a path, or a file object of the caller's.

#[cfg(feature = "stubs")]
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

use bytes::Bytes;
use pyo3::exceptions::{PyBlockingIOError, PyOSError, PyRuntimeError, PyStopIteration};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyo3::{IntoPyObjectExt, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};

use super::bridge::exit::on_new_thread;
#[cfg(feature = "stubs")]
use super::convert::arguments::FilePath;
use super::convert::arguments::{Argument, arguments};
use super::convert::input::{file_path, refused, wrong_type};
use super::convert::output::{IntoPython, TypeHint, Typed};
use crate::client::{Client, Error, Saved, Target, WritesBytes};

/// What a target must be, for messages.
const TARGET: &str = "a str, a path or a binary file object";
/// What to do with a file object whose `write` is async.
const WITH_ASYNC: &str = "async for chunk in media.iter_bytes(): await file.write(chunk)";

arguments! {
    /// Where a download goes.
    DownloadTarget: Target = target, type_hint_union!(
        FilePath::INPUT_TYPE,
        type_hint_subscript!(type_hint_identifier!("_typeshed", "SupportsWrite"), type_hint_identifier!("builtins", "bytes"))
    );
}

fn target(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Target> {
    let py = given.py();
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() || given.hasattr("__fspath__")? {
        return file_path(name, given).map(Target::Path);
    }
    if !given.hasattr("write")? {
        return Err(wrong_type(name, TARGET, given, None));
    }
    if given.hasattr("encoding")? || given.is_instance(&py.import("io")?.getattr("TextIOBase")?)? {
        let remedy = "one that is opened with mode \"wb\", or its buffer".to_owned();
        return Err(wrong_type(name, "a binary file object, since a media is no text", given, Some(remedy)));
    }
    if py.import("inspect")?.call_method1("iscoroutinefunction", (given.getattr("write")?,))?.is_truthy()? {
        let remedy = Some(WITH_ASYNC.to_owned());
        return Err(wrong_type(name, "a file object whose write() is not async", given, remedy));
    }
    if let Some(writable) = given.getattr_opt("writable")?
        && !writable.call0()?.is_truthy()?
    {
        return Err(refused(name, "must be open for writing"));
    }
    let file = Arc::new(given.clone().unbind());
    Ok(Target::Writer(Arc::new(FileObject { file, called_on: thread::current().id(), has_ended: Arc::default() })))
}

/// A file object of the caller's. It is only written to: nobody closes, flushes or moves it.
#[derive(Debug)]
struct FileObject {
    file: Arc<Py<PyAny>>,
    /// The thread of the caller.
    called_on: ThreadId,
    has_ended: Arc<AtomicBool>,
}

impl WritesBytes for FileObject {
    fn write(&self, bytes: Bytes) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> {
        let (file, called_on, has_ended) = (Arc::clone(&self.file), self.called_on, Arc::clone(&self.has_ended));
        Box::pin(async move {
            // A blocking call is driven by the thread of the caller; that of an event loop has other things to do.
            let written = if thread::current().id() == called_on {
                Python::attach(|py| write_all(file.bind(py), &bytes, &has_ended))
            } else {
                on_new_thread(move |py| write_all(file.bind(py), &bytes, &has_ended)).await?
            };
            written.map_err(|error| Error::OfCaller(Arc::new(error)))
        })
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }
}

/// Writes all bytes, with as many calls as the file object needs, until the download ends. A cancelled one ends on the
/// caller's thread, which has the interpreter then, as this thread has now; so no `write` begins afterwards.
fn write_all(file: &Bound<'_, PyAny>, bytes: &[u8], has_ended: &AtomicBool) -> PyResult<()> {
    let py = file.py();
    let mut rest = bytes;
    while !rest.is_empty() && !has_ended.load(Ordering::SeqCst) {
        let chunk = PyBytes::new_with(py, rest.len(), |place| {
            place.copy_from_slice(rest);
            Ok(())
        })?;
        let returned = file.call_method1(intern!(py, "write"), (chunk,)).map_err(|error| not_the_end(py, error))?;
        rest = rest.get(written(file, &returned, rest.len())?..).unwrap_or_default();
    }
    Ok(())
}

/// How many bytes a call of `write` took, by what it returned.
fn written(file: &Bound<'_, PyAny>, returned: &Bound<'_, PyAny>, length: usize) -> PyResult<usize> {
    let py = file.py();
    if returned.is_none() {
        // Raw files say by it that they took nothing; others that they took all.
        if file.is_instance(&py.import("io")?.getattr("RawIOBase")?)? {
            return Err(PyBlockingIOError::new_err("the file object took nothing: it must not be a non-blocking one"));
        }
        return Ok(length);
    }
    if returned.hasattr("__await__")? {
        if let Some(close) = returned.getattr_opt("close")? {
            close.call0()?;
        }
        let remedy = Some(WITH_ASYNC.to_owned());
        return Err(wrong_type("path", "a file object whose write() is not async", file, remedy));
    }
    match returned.extract::<usize>() {
        Ok(count) if (1..=length).contains(&count) => Ok(count),
        _ => {
            let shown: String = returned.repr()?.to_string_lossy().chars().take(50).collect();
            let problem =
                format!("write() of the file object returned {shown}, not how many of {length} bytes it took");
            Err(PyOSError::new_err(problem))
        }
    }
}

/// A `StopIteration` that leaves a coroutine would become its result.
fn not_the_end(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let instead = PyRuntimeError::new_err("write() of the file object raised StopIteration");
    instead.set_cause(py, Some(error));
    instead
}

impl IntoPython for Saved {
    type Python = Typed<Self>;

    fn into_python(self, py: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok(Typed::new(match self {
            Self::Path(path) => path.into_py_any(py)?,
            Self::Written(bytes) => bytes.into_py_any(py)?,
        }))
    }
}

impl TypeHint for Saved {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr =
        type_hint_union!(<PathBuf as IntoPyObject<'_>>::OUTPUT_TYPE, type_hint_identifier!("builtins", "int"));
}
