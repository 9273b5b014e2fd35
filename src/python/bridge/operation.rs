//! `Operation`: anything that can be run, blocking or awaited.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::caller::python_store_of;
use crate::api::Request;
use crate::client::{Client, Error, Save};
use crate::python::convert::output::IntoPython;

/// Anything that can be run. The same value serves both forms, blocking and awaited.
pub(crate) trait Operation: Send + 'static {
    type Result: IntoPython + Send + 'static;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static;

    /// The token store that it may use, if the store is written in Python.
    fn python_store(&self, py: Python<'_>, client: Option<&Client>) -> Option<Py<PyAny>> {
        python_store_of(py, client?)
    }

    /// Whether it reports progress.
    fn has_progress(&self) -> bool {
        false
    }

    /// Reports progress to Python, on the caller's thread. Returns what the callable returned, if it is to be awaited.
    /// An exception ends the operation.
    fn report_progress<'py>(&self, _py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(None)
    }

    /// Whether an exception of the progress callable comes too late to end it: if it has finished, or if its last request
    /// is under way. A caller who gets an exception instead of the result repeats the call, and then there are two media.
    fn is_too_late(&self, is_finished: bool) -> bool {
        is_finished
    }

    /// Ends what it has begun to upload, if anything: no further step begins. Returns what that leaves behind, and what to
    /// do, in a sentence.
    fn end_upload(&self) -> Option<String> {
        None
    }

    /// Refuses what cannot go well, before anything is sent.
    fn check(&self, _py: Python<'_>, _is_blocking: bool) -> PyResult<()> {
        Ok(())
    }
}

impl<T: IntoPython + Send + 'static> Operation for Request<T> {
    type Result = T;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let request = self.clone();
        async move { client.ok_or(Error::Closed)?.send(&request).await }
    }
}

impl Operation for Save {
    type Result = PathBuf;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<PathBuf, Error>> + Send + 'static {
        let save = self.clone();
        async move { client.ok_or(Error::Closed)?.save(save).await }
    }
}
