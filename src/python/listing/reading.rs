//! `PageReader`: one reading of a list, page by page, and `Checkpoint`, its position.

use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, OnceLock, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyList;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};
use tokio::sync::Mutex;

use super::columns::{BatchBuilder, Columns, Layout, Rows};
use super::csv::{CsvRows, CsvWriter};
use crate::api::item::Item;
use crate::client::listing::{Drift, ReaderHandle};
use crate::client::{Checkpoint, Client, Error, Reader};
use crate::python::bridge::operation::Operation;
use crate::python::bridge::runtime::cleanup;
use crate::python::convert::arguments::{Argument, Text};
use crate::python::convert::output::{DriftFields, IntoPython, TypeHint, Typed, drift_fields, page_into_python};
use crate::python::errors::to_python;
use crate::python::operations::operations;

/// The minimum number of rows of a batch of columns, except for the last one.
const ROWS: usize = 8192;

pub(super) type Running<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A reading of any list.
pub(crate) trait AnyReader: Send + Sync {
    fn next_pages(&self) -> Running<Option<Batch>>;
    fn next_columns(&self, layout: Layout) -> Running<Option<Rows>>;
    fn next_csv(&self, is_safe: bool) -> Running<Option<CsvRows>>;
    /// How many rows have come for the next batch of columns while that is not finished.
    fn gathered(&self) -> usize;
    /// The columns of a stream, if they are known without reading items.
    fn schema(&self) -> Option<SchemaRef>;
    /// The columns of an empty list.
    fn empty_schema(&self) -> SchemaRef;
    fn total(&self) -> Option<u64>;
    fn drift(&self) -> Drift;
    fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint>;
    fn close(&self);
}

/// A reading that several threads may use.
struct SharedReader<T> {
    reader: Arc<Mutex<Reader<T>>>,
    handle: ReaderHandle<T>,
    /// Set once the columns are known: for items without a type, from the first items.
    columns: Arc<OnceLock<Columns>>,
    /// Pages that were read, but not returned to Python yet. A cancelled call leaves them for the next one.
    ready: Arc<StdMutex<Vec<Vec<T>>>>,
    /// The unfinished batch of columns, and below it the finished one. A cancelled call leaves them, too.
    builder: Arc<StdMutex<Option<BatchBuilder<T>>>>,
    rows: Arc<StdMutex<Option<RecordBatch>>>,
    csv: Arc<StdMutex<Option<CsvWriter>>>,
    gathered: Arc<AtomicUsize>,
}

fn lock<T>(slot: &StdMutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Item + IntoPython + Sync> AnyReader for SharedReader<T> {
    fn next_pages(&self) -> Running<Option<Batch>> {
        let (reader, ready) = (Arc::clone(&self.reader), Arc::clone(&self.ready));
        Box::pin(async move {
            let mut reader = reader.lock().await;
            let is_ready = !lock(&ready).is_empty();
            if !is_ready && !reader.next_batch(1, |items| lock(&ready).push(items)).await? {
                return Ok(None);
            }
            // Only a call that completes takes them.
            Ok(Some(Batch(Box::new(move |py, client| {
                let pages = mem::take(&mut *lock(&ready));
                pages_into_python(py, client, pages)
            }))))
        })
    }

    fn next_columns(&self, layout: Layout) -> Running<Option<Rows>> {
        let (reader, columns) = (Arc::clone(&self.reader), Arc::clone(&self.columns));
        let (builder, rows) = (Arc::clone(&self.builder), Arc::clone(&self.rows));
        let gathered = Arc::clone(&self.gathered);
        Box::pin(async move {
            let mut reader = reader.lock().await;
            if lock(&rows).is_none() {
                let has_some = lock(&builder).is_some();
                let gather = |items: Vec<T>| {
                    let count = items.len();
                    lock(&builder).get_or_insert_with(|| BatchBuilder::new(layout)).add(items);
                    gathered.fetch_add(count, Ordering::Relaxed);
                };
                if !has_some && !reader.next_batch(ROWS, gather).await? {
                    return Ok(None);
                }
                if let Some(builder) = lock(&builder).as_mut() {
                    builder.add_waiting()?;
                }
                let builder = lock(&builder).take().unwrap_or_else(|| BatchBuilder::new(layout));
                let batch = builder
                    .finish(&columns)
                    .map_err(|error| Error::Setup(format!("no columns can be made: {error}")))?;
                *lock(&rows) = Some(batch);
                gathered.store(0, Ordering::Relaxed);
            }
            Ok(Some(Rows(rows)))
        })
    }

    fn next_csv(&self, is_safe: bool) -> Running<Option<CsvRows>> {
        let (reader, csv) = (Arc::clone(&self.reader), Arc::clone(&self.csv));
        Box::pin(async move {
            let mut reader = reader.lock().await;
            let writer = || CsvWriter::of::<T>(is_safe);
            let add = |items: Vec<T>| lock(&csv).get_or_insert_with(writer).add(&items);
            let has_rows = reader.next_batch(1, add).await?;
            let rows = lock(&csv).get_or_insert_with(writer).take()?;
            // A list without items has a header.
            Ok((has_rows || !rows.is_empty()).then_some(rows))
        })
    }

    fn gathered(&self) -> usize {
        self.gathered.load(Ordering::Relaxed)
    }

    fn schema(&self) -> Option<SchemaRef> {
        (!T::FIELDS.is_empty()).then(|| self.empty_schema())
    }

    fn empty_schema(&self) -> SchemaRef {
        Columns::of::<T>(&[], Layout::STREAM).schema
    }

    fn total(&self) -> Option<u64> {
        self.handle.total()
    }

    fn drift(&self) -> Drift {
        self.handle.drift()
    }

    fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint> {
        self.handle.checkpoint(given)
    }

    fn close(&self) {
        // If another thread holds the lock, it is still reading.
        if let Ok(mut reader) = self.reader.try_lock() {
            reader.close();
        }
        cleanup();
    }
}

fn pages_into_python<T: IntoPython>(
    py: Python<'_>,
    client: Option<&Client>,
    pages: Vec<Vec<T>>,
) -> PyResult<Py<PyList>> {
    let pages: PyResult<Vec<_>> = pages.into_iter().map(|items| page_into_python(py, client, items)).collect();
    PyList::new(py, pages?).map(Bound::unbind)
}

/// Pages of items that are converted for Python.
pub(crate) struct Batch(Box<MakeList>);

type MakeList = dyn FnOnce(Python<'_>, Option<&Client>) -> PyResult<Py<PyList>> + Send;

impl IntoPython for Batch {
    type Python = Typed<AnyList>;

    fn into_python(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        (self.0)(py, client).map(Typed::new)
    }
}

/// A Python list of lists of items of any kind.
#[derive(Debug)]
pub(crate) struct AnyList;

impl TypeHint for AnyList {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "list"),
        type_hint_subscript!(type_hint_identifier!("builtins", "list"), type_hint_identifier!("typing", "Any"))
    );
}

/// A reading, without the type of its items.
pub(crate) fn any_reader<T: Item + IntoPython + Sync>(reader: Reader<T>) -> Arc<dyn AnyReader> {
    Arc::new(SharedReader {
        handle: reader.handle(),
        reader: Arc::new(Mutex::new(reader)),
        columns: Arc::default(),
        ready: Arc::default(),
        builder: Arc::default(),
        rows: Arc::default(),
        csv: Arc::default(),
        gathered: Arc::default(),
    })
}

/// One reading of a list.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct PageReader {
    pub(super) reader: Arc<dyn AnyReader>,
    pub(super) client: Client,
}

impl PageReader {
    pub(super) fn new(reader: Arc<dyn AnyReader>, client: Client) -> Self {
        Self { reader, client }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    pub(super) fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }
}

/// Reads the next pages.
struct NextPages(Arc<dyn AnyReader>);

impl Operation for NextPages {
    type Result = Option<Batch>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        self.0.next_pages()
    }
}

/// Reads the next rows as CSV.
struct NextCsv(Arc<dyn AnyReader>, bool);

impl Operation for NextCsv {
    type Result = Option<CsvRows>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        self.0.next_csv(self.1)
    }
}

operations! { PageReader {
    /// Read the pages that are ready: the items of each page that has any; `None` at the end of the list.
    next_pages / next_pages_async (reader) -> Option<Batch> = Ok(NextPages(Arc::clone(&reader.reader)));

    /// Read the rows that are ready as CSV in UTF-8, the first ones behind the header: how many, and their bytes; `None`
    /// at the end of the list. With `safe`, what a spreadsheet may take for a formula gets an apostrophe in front.
    #[pyo3(signature = (safe))]
    next_csv / next_csv_async (reader, safe: bool) -> Option<CsvRows> = Ok(NextCsv(Arc::clone(&reader.reader), safe));
} }

#[pymethods]
impl PageReader {
    /// The number of items in the list, as Studio reported it last.
    #[getter]
    fn total(&self) -> Option<u64> {
        self.reader.total()
    }

    /// How the list has changed during the reading.
    #[getter]
    fn drift(&self) -> DriftFields {
        drift_fields(self.reader.drift())
    }

    /// The position after so many items of this reading, or after all that were returned. `None` if that is before the
    /// last returned pages.
    #[pyo3(signature = (given))]
    fn checkpoint(&self, given: Option<u64>) -> Option<PyCheckpoint> {
        self.reader.checkpoint(given).map(PyCheckpoint)
    }

    /// Stop prefetching.
    fn close(&self) {
        self.reader.close();
    }
}

/// The position of a reading in a list: exactly after the last item that was yielded.
///
/// `StudioClient.resume` continues there, in any process. It can be pickled and written as JSON. It contains no token,
/// but it contains the query of the list, which may name a person.
#[pyclass(frozen, eq, weakref, name = "Checkpoint", module = "canvas_studio")]
#[derive(Debug, PartialEq)]
pub(crate) struct PyCheckpoint(pub(crate) Checkpoint);

#[pymethods]
impl PyCheckpoint {
    /// How many items were yielded so far.
    #[getter]
    fn items(&self) -> u64 {
        self.0.items()
    }

    /// Return it as JSON text.
    ///
    /// Returns:
    ///     JSON on one line.
    fn to_json(&self) -> PyResult<String> {
        self.0.to_json().map_err(to_python)
    }

    /// Make a checkpoint from the text of `to_json`.
    ///
    /// Args:
    ///     text: The JSON.
    ///
    /// Returns:
    ///     The checkpoint.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the text is not a checkpoint.
    #[staticmethod]
    #[pyo3(signature = (text))]
    fn from_json(py: Python<'_>, text: Text) -> PyResult<Self> {
        Checkpoint::from_json(&text.read(py, "text")?).map(Self).map_err(|refusal| to_python(refusal.into()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json()?,)))
    }

    fn __repr__(&self) -> String {
        format!("<Checkpoint of {} behind {} items>", self.0.path(), self.0.items())
    }
}
