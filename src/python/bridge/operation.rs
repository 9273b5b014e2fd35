//! What can be run: an operation, blocking or awaited, and the runtime that it asks for.

use pyo3::prelude::*;

use super::caller::python_store_of;
use crate::api::Request;
use crate::client::{Client, Error};
use crate::python::convert::output::Deliver;

/// The runtime that drives what an operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// That on which it is run.
    Anywhere,
    /// The lane: calls before it have begun something there.
    Callers,
    /// The shared one: it begins something that goes on when the call has ended, or calls before it have.
    Shared,
}

/// Something that can be run: blocking or awaited, it is the same value.
pub(crate) trait Operation: Send + 'static {
    type Result: Deliver + Send + 'static;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static;

    /// The token store that it may use, if that is written in Python.
    fn python_store(&self, py: Python<'_>, client: Option<&Client>) -> Option<Py<PyAny>> {
        python_store_of(py, client?)
    }

    /// Which runtime drives what it waits for.
    fn home(&self) -> Home {
        Home::Anywhere
    }

    /// Begins anew what it waits for: whoever runs it now cannot drive it.
    fn leave_home(&self) {}

    /// Whether it has something to report while it runs.
    fn reports(&self) -> bool {
        false
    }

    /// Tells Python how it goes, on the thread of the caller. An exception ends the operation.
    fn report(&self, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }
}

impl<T: Deliver + Send + 'static> Operation for Request<T> {
    type Result = T;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let request = self.clone();
        async move { client.ok_or(Error::Closed)?.send(&request).await }
    }
}
