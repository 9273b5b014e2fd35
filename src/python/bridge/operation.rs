//! `Operation`: anything that can be run, blocking or awaited, and the runtime that it needs.

use pyo3::prelude::*;

use super::caller::python_store_of;
use crate::api::Request;
use crate::client::{Client, Error};
use crate::python::convert::output::IntoPython;

/// The runtime that must drive the I/O of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeChoice {
    /// Either: whichever runs the operation.
    Any,
    /// The caller runtime: earlier calls started requests there.
    Caller,
    /// The shared runtime: this operation or an earlier one started work that outlives its call.
    Shared,
}

/// Anything that can be run. The same value serves both forms, blocking and awaited.
pub(crate) trait Operation: Send + 'static {
    type Result: IntoPython + Send + 'static;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static;

    /// The token store that it may use, if the store is written in Python.
    fn python_store(&self, py: Python<'_>, client: Option<&Client>) -> Option<Py<PyAny>> {
        python_store_of(py, client?)
    }

    /// Which runtime must drive its I/O.
    fn runtime(&self) -> RuntimeChoice {
        RuntimeChoice::Any
    }

    /// Drops the requests that earlier calls started on the caller runtime, which is unavailable now, and sends them
    /// again.
    fn restart_elsewhere(&self) {}

    /// Whether it reports progress.
    fn has_progress(&self) -> bool {
        false
    }

    /// Reports progress to Python, on the caller's thread. An exception ends the operation.
    fn report_progress(&self, _py: Python<'_>) -> PyResult<()> {
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
