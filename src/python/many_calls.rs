//! `StudioClient.map`, and `CallQueue`, which sends its calls.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use pyo3::IntoPyObjectExt;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::bridge::exit::before_exit;
use super::bridge::operation::Operation;
use super::call_builder::{Convert, Converted, PreparedCall};
use super::convert::arguments::{Argument, Int, named};
use super::convert::input::{text, word, wrong_type};
use super::convert::output::{IntoPython, TypeHint, Typed};
use super::errors::{to_python, to_python_with};
use super::operations::operations;
use super::studio_client::StudioClient;
use crate::client::{CallQueue, Client, Error, Options, Reading};

/// The calls of one loop over a `Map`.
#[pyclass(frozen, name = "CallQueue", module = "canvas_studio._core")]
pub(crate) struct PyCallQueue {
    client: Client,
    queue: Queue,
    raises: bool,
    reading: Reading,
}

type Queue = Arc<Mutex<CallQueue<Convert>>>;

fn lock(queue: &Queue) -> MutexGuard<'_, CallQueue<Convert>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PyCallQueue {
    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }
}

/// Sends calls, and waits for the result of the first one.
struct NextResults {
    queue: Queue,
    waits: bool,
    raises: bool,
}

impl Operation for NextResults {
    type Result = Results;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Results, Error>> + Send + 'static {
        let (queue, waits, raises) = (Arc::clone(&self.queue), self.waits, self.raises);
        async move {
            poll_fn(|context| match lock(&queue).poll_first(context) {
                Poll::Pending if !waits => Poll::Ready(Ok(())),
                polled => polled,
            })
            .await?;
            Ok(Results { queue, raises })
        }
    }
}

/// The results that have come. They stay in the queue until they are converted, so that a cancelled call loses none.
struct Results {
    queue: Queue,
    raises: bool,
}

impl IntoPython for Results {
    type Python = Typed<AnyResults>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        let mut results: Vec<Converted> = Vec::new();
        loop {
            let result = {
                let mut queue = lock(&self.queue);
                match queue.first() {
                    Some(Err(error)) if self.raises || is_of_all_calls(error) => {
                        // The results in front of it come first.
                        if !results.is_empty() {
                            break;
                        }
                        let error = error.clone();
                        queue.stop();
                        return Err(to_python_with(error, client));
                    }
                    _ => queue.take_first(),
                }
            };
            match result {
                Some(Ok(convert)) => results.push(convert(py, client)?),
                Some(Err(error)) => results.push((to_python_with(error, client).into_py_any(py)?, None)),
                None => break,
            }
        }
        Ok(Typed::new(PyList::new(py, results)?.into_any().unbind()))
    }
}

/// Whether an error is not about one call.
fn is_of_all_calls(error: &Error) -> bool {
    matches!(error, Error::Closed | Error::Exiting | Error::OutOfMemory)
}

/// Results of any type and errors, each with the fields of a list's drift or `None`.
#[derive(Debug)]
pub(crate) struct AnyResults;

impl TypeHint for AnyResults {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("builtins", "list"), type_hint_identifier!("typing", "Any"));
}

operations! { PyCallQueue {
    /// Send as many calls as may be under way. Return the results that have come, in the order of the calls, each with
    /// the fields of the drift of a list, or `None`. If none has come, wait for the first.
    #[pyo3(signature = (wait))]
    next_results / next_results_async (queue, wait: bool) -> Results
        = Ok(NextResults { queue: Arc::clone(&queue.queue), waits: wait, raises: queue.raises });
} }

#[pymethods]
impl PyCallQueue {
    #[new]
    #[pyo3(signature = (studio, raises, consistent))]
    fn new(studio: &StudioClient, raises: bool, consistent: bool) -> Self {
        let client = studio.client.clone();
        let reading = Reading { limit: None, is_consistent: consistent };
        Self { queue: Arc::new(Mutex::new(CallQueue::new(client.clone()))), client, raises, reading }
    }

    /// How many calls it should hold at this moment: under way, ended, or waiting.
    #[getter]
    fn capacity(&self) -> usize {
        lock(&self.queue).capacity()
    }

    /// Add a call at the end. `next_results` sends it.
    #[pyo3(signature = (call))]
    fn add(&self, call: &PreparedCall) {
        lock(&self.queue).push(call.queued(self.reading));
    }

    /// End what is under way. `next_results` sends it again, and a call that failed too.
    fn stop(&self) {
        lock(&self.queue).stop();
    }
}

/// The type of `canvas_studio.many_calls.Map`.
#[derive(Debug)]
pub(crate) struct MapOfAny;

impl TypeHint for MapOfAny {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("canvas_studio.many_calls", "Map"),
        type_hint_identifier!("typing", "Any")
    );
}

/// A reader for an argument with a default: pyo3 requires a value of the default's own type.
fn errors(given: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    word("errors", given, &["raise", "return"])
}

/// The name of the operation. A method in its place is refused with its name, since the client that it is bound to would
/// be ignored.
fn operation_name(given: &Bound<'_, PyAny>) -> PyResult<String> {
    match given.getattr("__name__").and_then(|name| name.extract::<String>()) {
        Ok(name) if given.is_callable() => Err(wrong_type(
            "operation",
            "the name of a method",
            given,
            Some(format!("{:?}", name.trim_end_matches("_async"))),
        )),
        _ => text("operation", given),
    }
}

#[pymethods]
impl StudioClient {
    /// Make the same call for many items, several at a time, and get the results in the order of the items.
    ///
    /// Nothing is sent before you read it, with `for`, `async for` or `collect()`. If Studio throttles requests, all of
    /// them wait. A call that Studio refuses to the last retry (429 or 503) is sent again, alone, at most twice, before it
    /// counts as failed. If you leave the loop early, the calls under way end.
    ///
    /// Args:
    ///     operation: The name of a method that reads, such as `"get_media"` or `"list_media_courses"`. Each list is read
    ///         to its end.
    ///     items: The first argument of each call: ids or objects; tuples of several arguments; or dicts of keyword
    ///         arguments. A collection is checked before anything is sent. From an iterator, a generator or a `Listing`,
    ///         an item is taken when there is room for its call. `async for` also takes async iterables.
    ///     max_concurrency: How many calls may be under way, 1 to 64; the client's own number if omitted.
    ///     errors: `"raise"` raises the error of a call in its place. `"return"` gives the exception in place of the
    ///         result, and goes on.
    ///     consistent: Whether to read each list until two readings in a row agree, as `Listing.with_options` does. Only
    ///         for lists.
    ///     progress: `True` for a bar in a terminal or a notebook (the extra `progress`), or a callable that gets the
    ///         number of results so far and the number of items, `None` if that is unknown.
    ///     arguments: Keyword arguments for all calls.
    ///
    /// Returns:
    ///     A `Map` of the results.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the operation is none that reads, or an item or an argument is invalid.
    ///     TypeError: If an item or an argument has the wrong type.
    ///
    /// Reference: the page of the operation.
    #[pyo3(signature = (operation: "str", items, *, max_concurrency=None, errors: "Literal['raise', 'return']" = "raise", consistent: "bool" = false, progress=None, **arguments))]
    fn map(
        &self,
        py: Python<'_>,
        operation: &Bound<'_, PyAny>,
        items: Py<PyAny>,
        max_concurrency: Option<Int>,
        #[pyo3(from_py_with = errors)] errors: &'static str,
        #[pyo3(from_py_with = named::consistent)] consistent: bool,
        progress: Option<Py<PyAny>>,
        arguments: Option<Py<PyDict>>,
    ) -> PyResult<Typed<MapOfAny>> {
        let operation = operation_name(operation)?;
        let options = Options { max_concurrency: max_concurrency.read(py, "max_concurrency")?, ..Options::default() };
        let studio = StudioClient::of(self.client.with_overrides(options).map_err(to_python)?);
        let arguments = arguments.unwrap_or_else(|| PyDict::new(py).unbind());
        let given = (studio, operation, items, errors == "raise", consistent, progress, arguments);
        before_exit(|| Ok(Typed::new(py.import("canvas_studio.many_calls")?.getattr("Map")?.call1(given)?.unbind())))
    }
}
