//! The Python side of a call, for token stores that are written in Python: their object, context and event loop.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::client::Client;

tokio::task_local! {
    /// The caller of the current call.
    static CALLER: Option<Arc<Caller>>;
}

/// The Python side of a call.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Held by each call. The core's `OAuth` does not hold it: Python's garbage collector must see every
    /// holder, or it could not collect a store that refers to its own client.
    pub(crate) store: Py<PyAny>,
    pub(crate) context: Py<PyAny>,
    pub(crate) event_loop: Option<Py<PyAny>>,
    /// The stores whose own code is making this call, or is interrupted by the finalizer that makes it.
    pub(crate) inside: Vec<usize>,
}

/// Runs a future for the current caller, which only a token store written in Python needs to know.
pub(crate) fn for_caller<F: Future>(
    py: Python<'_>,
    store: Option<Py<PyAny>>,
    is_async: bool,
    running: F,
) -> PyResult<impl Future<Output = F::Output> + use<F>> {
    let caller = store.map(|store| -> PyResult<_> {
        let context = py.import("contextvars")?.call_method0("copy_context")?.unbind();
        let running_loop = || py.import("asyncio")?.call_method0("get_running_loop").map(Bound::unbind);
        let event_loop = if is_async { Some(running_loop()?) } else { None };
        let inside: Vec<Vec<usize>> =
            py.import("canvas_studio._user_stores")?.getattr("running_stores")?.call_method0("get")?.extract()?;
        let inside = inside.concat();
        Ok(Arc::new(Caller { store, context, event_loop, inside }))
    });
    Ok(CALLER.scope(caller.transpose()?, running))
}

/// Gives a task the caller of the call that starts it.
pub(crate) fn for_task<F: Future>(running: F) -> impl Future<Output = F::Output> {
    CALLER.scope(CALLER.try_with(Option::clone).ok().flatten(), running)
}

/// The caller of the current call, if its client has a token store written in Python.
pub(crate) fn current() -> Option<Arc<Caller>> {
    CALLER.try_with(Option::clone).ok().flatten()
}

/// The `OAuth` of a client. It is attached to the core's client, because objects and listings need it too.
#[derive(Debug)]
pub(crate) struct AttachedAuth {
    pub(crate) oauth: Py<PyAny>,
    /// The token store of that `OAuth`.
    store: Py<PyAny>,
}

impl AttachedAuth {
    pub(crate) fn new(oauth: Py<PyAny>, store: Py<PyAny>) -> Self {
        Self { oauth, store }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self { oauth: self.oauth.clone_ref(py), store: self.store.clone_ref(py) }
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.oauth)?;
        visit.call(&self.store)
    }
}

/// The token store of a client, if the store is written in Python.
pub(crate) fn python_store_of(py: Python<'_>, client: &Client) -> Option<Py<PyAny>> {
    if !client.needs_caller() {
        return None;
    }
    client.attached::<AttachedAuth>().map(|attached| attached.store.clone_ref(py))
}
