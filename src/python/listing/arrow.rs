//! Exports columns to Python through Arrow's C interface, which polars, pandas, pyarrow and DuckDB read.

use std::ffi::CStr;
use std::sync::{Arc, PoisonError};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, RecordBatchReader, StructArray};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use pyo3::exceptions::PyValueError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::intern;
use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::type_hint_identifier;
use pyo3::types::{PyAny, PyCapsule};

use super::columns::{Layout, Rows};
use super::reading::{AnyReader, PageReader};
use super::source::ListingSource;
use crate::client::{Client, Error};
use crate::python::bridge::operation::Operation;
use crate::python::bridge::run::run;
use crate::python::convert::arguments::{Argument, arguments};
use crate::python::convert::output::{AnyJson, IntoPython, Typed};
use crate::python::operations::operations;

impl IntoPython for Rows {
    type Python = ArrowBatch;

    fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<ArrowBatch> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let batch = rows.unwrap_or_else(|| RecordBatch::new_empty(Arc::new(Schema::empty())));
        Ok(ArrowBatch { batch })
    }
}

fn refused(error: &ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A PyCapsule of Arrow's protocol. Its type has no name in the oldest Python that we support.
pub(crate) type Capsule = Typed<AnyJson>;

fn capsule<T: Send + 'static>(py: Python<'_>, value: T, name: &'static CStr) -> PyResult<Capsule> {
    Ok(Typed::new(PyCapsule::new_with_value(py, value, name)?.into_any().unbind()))
}

fn schema_capsule(py: Python<'_>, schema: &SchemaRef) -> PyResult<Capsule> {
    let exported = FFI_ArrowSchema::try_from(schema.as_ref()).map_err(|error| refused(&error))?;
    capsule(py, exported, c"arrow_schema")
}

fn stream_capsule(py: Python<'_>, batches: Box<dyn RecordBatchReader + Send>) -> PyResult<Capsule> {
    capsule(py, FFI_ArrowArrayStream::new(batches), c"arrow_array_stream")
}

/// A batch of rows of a listing, as columns.
#[pyclass(frozen, module = "canvas_studio._core")]
#[derive(Debug)]
pub(crate) struct ArrowBatch {
    batch: RecordBatch,
}

#[pymethods]
impl ArrowBatch {
    /// The number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn __arrow_c_schema__(&self, py: Python<'_>) -> PyResult<Capsule> {
        schema_capsule(py, &self.batch.schema())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__(&self, py: Python<'_>, requested_schema: Option<Py<PyAny>>) -> PyResult<(Capsule, Capsule)> {
        // The protocol allows us to ignore this: a consumer that needs other types converts them.
        drop(requested_schema);
        let rows = StructArray::from(self.batch.clone());
        let (array, _): (FFI_ArrowArray, FFI_ArrowSchema) = to_ffi(&rows.to_data()).map_err(|error| refused(&error))?;
        Ok((self.__arrow_c_schema__(py)?, capsule(py, array, c"arrow_array")?))
    }
}

/// Several batches as one table.
#[pyclass(frozen, module = "canvas_studio._core")]
#[derive(Debug)]
pub(crate) struct ArrowTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

#[pymethods]
impl ArrowTable {
    #[new]
    #[pyo3(signature = (source, batches, flatten))]
    fn new(source: &ListingSource, batches: Vec<Bound<'_, ArrowBatch>>, flatten: bool) -> Self {
        let batches: Vec<RecordBatch> = batches.into_iter().map(|batch| batch.get().batch.clone()).collect();
        let schema = batches.first().map_or_else(|| source.schema(Layout::combined(flatten)), RecordBatch::schema);
        Self { schema, batches }
    }

    fn __arrow_c_schema__(&self, py: Python<'_>) -> PyResult<Capsule> {
        schema_capsule(py, &self.schema)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__(&self, py: Python<'_>, requested_schema: Option<Py<PyAny>>) -> PyResult<Capsule> {
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        stream_capsule(py, Box::new(RecordBatchIterator::new(batches, Arc::clone(&self.schema))))
    }
}

/// Reads the next rows as columns.
pub(crate) struct NextColumns {
    reader: Arc<dyn AnyReader>,
    layout: Layout,
    /// A `canvas_studio.listing.Reports`, if it reports the rows that come meanwhile.
    reports: Option<Py<PyAny>>,
}

impl Operation for NextColumns {
    type Result = Option<Rows>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        self.reader.next_columns(self.layout)
    }

    fn has_progress(&self) -> bool {
        self.reports.is_some()
    }

    fn report_progress<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Whoever gets the finished batch reports it.
        if let (Some(reports), gathered @ 1..) = (&self.reports, self.reader.gathered()) {
            reports.call_method1(py, intern!(py, "show"), (gathered, self.reader.total()))?;
        }
        Ok(None)
    }

    fn is_too_late(&self, _is_finished: bool) -> bool {
        // Nothing is lost: the next call returns the batch.
        false
    }
}

/// A reading as an Arrow stream. It requests pages when its consumer asks for a batch.
struct Stream {
    reader: Arc<dyn AnyReader>,
    client: Client,
    schema: SchemaRef,
    /// A batch that was read already: to find out the columns, or before the progress callable raised an exception.
    next: Option<RecordBatch>,
    reports: Option<Py<PyAny>>,
}

/// Makes an Arrow stream of a reading. If its items have no type, this reads the first page.
pub(crate) fn stream(
    py: Python<'_>,
    reader: &Arc<dyn AnyReader>,
    client: &Client,
    reports: Option<Py<PyAny>>,
) -> PyResult<Capsule> {
    let (reader, client, known) = (Arc::clone(reader), client.clone(), reader.schema());
    let is_known = known.is_some();
    let schema = known.unwrap_or_else(|| reader.empty_schema());
    let mut stream = Stream { reader, client, schema, next: None, reports };
    if !is_known && let Some(first) = stream.read_batch(py)? {
        stream.schema = first.schema();
        stream.next = Some(first);
    }
    stream_capsule(py, Box::new(stream))
}

impl Stream {
    fn read_batch(&self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let reports = self.reports.as_ref().map(|reports| reports.clone_ref(py));
        if let Some(reports) = &reports {
            reports.call_method0(py, intern!(py, "begin"))?;
        }
        let operation = NextColumns { reader: Arc::clone(&self.reader), layout: Layout::STREAM, reports };
        Ok(run(py, Some(&self.client), Ok(operation))?.map(|rows| rows.batch))
    }

    /// Reads the next batch; None if the interpreter has exited.
    fn read(&mut self) -> Option<PyResult<Option<RecordBatch>>> {
        Python::try_attach(|py| {
            let batch = match self.next.take() {
                Some(next) => Some(next),
                None => self.read_batch(py)?,
            };
            if let Some(reports) = &self.reports {
                let count = batch.as_ref().map(RecordBatch::num_rows);
                if let Err(error) = reports.call_method1(py, intern!(py, "add"), (count, self.reader.total())) {
                    // If the consumer asks again, it gets these rows.
                    self.next = batch;
                    self.reports = None;
                    return Err(error);
                }
            }
            if batch.is_none() {
                self.reports = None;
            }
            Ok(batch)
        })
    }
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Some(Ok(batch)) => batch.map(Ok),
            Some(Err(error)) => Some(Err(ArrowError::ExternalError(Box::new(error)))),
            // The list has not ended.
            None => Some(Err(ArrowError::ExternalError(Box::new(Error::Exiting)))),
        }
    }
}

impl RecordBatchReader for Stream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.close();
    }
}

arguments! {
    /// What the progress of a reading is reported to.
    Reports: Py<PyAny> = reports, type_hint_identifier!("canvas_studio.listing", "Reports");
}

#[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
fn reports(_name: &str, given: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    Ok(given.clone().unbind())
}

operations! { PageReader {
    /// Read some thousand rows as columns; `None` at the end of the list. Meanwhile it reports how many have come.
    #[pyo3(signature = (flatten=false, reports=None))]
    next_columns / next_columns_async (reader, flatten: bool, reports: Option<Reports>) -> Option<Rows>
        = Ok(NextColumns { reader: Arc::clone(&reader.reader), layout: Layout::combined(flatten), reports });
} }

#[pymethods]
impl PageReader {
    /// Return the reading as an Arrow stream in a capsule, which reports its rows.
    #[pyo3(signature = (reports))]
    fn arrow_stream(&self, py: Python<'_>, reports: Option<Reports>) -> PyResult<Capsule> {
        stream(py, &self.reader, &self.client, reports.read(py, "reports")?)
    }
}
