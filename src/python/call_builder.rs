//! `CallBuilder`, which makes the calls of `StudioClient.map`, and the macro that writes its methods.

use std::pin::Pin;
use std::sync::Arc;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use super::bridge::operation::Operation;
use super::convert::output::{DriftFields, IntoPython, drift_fields, page_into_python};
use super::errors::to_python;
use crate::api::item::Item;
use crate::api::{InvalidArgument, Page, Request};
use crate::client::{Client, Error, QueuedCall, Reading};

type Running<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A result for Python, and how the list changed that it is, if it is one.
pub(crate) type Converted = (Py<PyAny>, Option<DriftFields>);

/// A result that is yet to be converted for Python.
pub(crate) type Convert = Box<dyn FnOnce(Python<'_>, Option<&Client>) -> PyResult<Converted> + Send>;

/// Makes calls: each method has the arguments of the client's method of that name, checks them, and sends nothing.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct CallBuilder;

/// A call that has not been sent. Its queue says how it reads a list.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct PreparedCall(Box<dyn Fn(Reading) -> QueuedCall<Convert> + Send + Sync>);

impl PreparedCall {
    /// A call of an operation that only reads.
    pub(crate) fn of<O: Operation + Sync>(operation: Result<O, InvalidArgument>) -> PyResult<Self> {
        let operation = Arc::new(operation.map_err(|refusal| to_python(refusal.into()))?);
        Ok(Self(Box::new(move |_| {
            let operation = Arc::clone(&operation);
            queued(
                true,
                move |client| Box::pin(operation.start(Some(client))),
                |py, client, result: O::Result| Ok((result.into_python(py, client)?.into_py_any(py)?, None)),
            )
        })))
    }

    /// A call that reads a list to its end.
    pub(crate) fn of_list<T: Item + IntoPython + Sync>(
        request: Result<Request<Page<T>>, InvalidArgument>,
    ) -> PyResult<Self> {
        let request = request.map_err(|refusal| to_python(refusal.into()))?;
        Ok(Self(Box::new(move |reading| {
            let request = request.clone();
            queued(
                request.page().is_none() && !reading.is_consistent,
                move |client: Client| {
                    let listing = client.list(request.clone());
                    Box::pin(async move { listing.collect(reading).await })
                },
                |py, client, (items, drift)| {
                    Ok((page_into_python(py, client, items)?.into_py_any(py)?, Some(drift_fields(drift))))
                },
            )
        })))
    }

    /// The call for a queue, with how it reads a list.
    pub(crate) fn queued(&self, reading: Reading) -> QueuedCall<Convert> {
        (self.0)(reading)
    }
}

fn queued<T: Send + 'static>(
    is_one_request: bool,
    start: impl Fn(Client) -> Running<T> + Send + Sync + 'static,
    convert: fn(Python<'_>, Option<&Client>, T) -> PyResult<Converted>,
) -> QueuedCall<Convert> {
    let start = move |client| {
        let running = start(client);
        let running = async move {
            let result = running.await?;
            Ok(Box::new(move |py: Python<'_>, client: Option<&Client>| convert(py, client, result)) as Convert)
        };
        Box::pin(running) as _
    };
    QueuedCall { start: Arc::new(start), is_one_request }
}

/// Emits the methods of a `CallBuilder`, which read the same arguments and send nothing.
macro_rules! builds_calls {
    ($(
        #[pyo3($($signature:tt)*)]
        $name:ident ($($(#[$how:meta])* $argument:ident: $type:ty),*) = $call:expr;
    )*) => {
        #[pyo3::pymethods]
        impl $crate::python::call_builder::CallBuilder {
            $(
                #[staticmethod]
                #[pyo3($($signature)*)]
                fn $name(py: Python<'_> $(, $(#[$how])* $argument: $type)*) -> PyResult<$crate::python::call_builder::PreparedCall> {
                    $(let $argument = $crate::python::convert::arguments::Argument::read($argument, py, stringify!($argument))?;)*
                    let _ = py;
                    $call
                }
            )*
        }
    };
}

pub(crate) use builds_calls;
