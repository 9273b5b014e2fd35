//! Exports columns to Python through Arrow's C interface, which polars, pandas, pyarrow and DuckDB read.

use std::ffi::CStr;
use std::sync::{Arc, PoisonError};

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, RecordBatchReader, StructArray};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::columns::{Rows, WordEncoding};
use super::reading::{AnyReader, PageReader};
use super::source::ListingSource;
use crate::client::{Client, Error};
use crate::python::bridge::operation::Operation;
use crate::python::bridge::run::run;
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
    #[pyo3(signature = (source, batches))]
    fn new(source: &ListingSource, batches: Vec<Bound<'_, ArrowBatch>>) -> Self {
        let batches: Vec<RecordBatch> = batches.into_iter().map(|batch| batch.get().batch.clone()).collect();
        let schema = batches.first().map_or_else(|| source.schema(), RecordBatch::schema);
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
pub(crate) struct NextColumns(pub(crate) Arc<dyn AnyReader>, pub(crate) WordEncoding);

impl Operation for NextColumns {
    type Result = Option<Rows>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        self.0.next_columns(self.1)
    }
}

/// A reading as an Arrow stream. It requests pages when its consumer asks for a batch.
struct Stream {
    reader: Arc<dyn AnyReader>,
    client: Client,
    schema: SchemaRef,
    /// A batch that was read already: to find out the columns, or before the progress callable raised an exception.
    next: Option<RecordBatch>,
    progress: Option<Py<PyAny>>,
    done: u64,
}

/// Makes an Arrow stream of a reading. If its items have no type, this reads the first page.
pub(crate) fn stream(
    py: Python<'_>,
    reader: &Arc<dyn AnyReader>,
    client: &Client,
    progress: Option<Py<PyAny>>,
) -> PyResult<Capsule> {
    let (reader, client) = (Arc::clone(reader), client.clone());
    let (schema, next) = match reader.schema() {
        Some(schema) => (schema, None),
        None => match run(py, Some(&client), Ok(NextColumns(Arc::clone(&reader), WordEncoding::Plain)))? {
            Some(next) => (next.batch.schema(), Some(next.batch)),
            None => (reader.empty_schema(), None),
        },
    };
    stream_capsule(py, Box::new(Stream { reader, client, schema, next, progress, done: 0 }))
}

impl Stream {
    /// Reads the next batch; None if the interpreter has exited.
    fn read(&mut self) -> Option<PyResult<Option<RecordBatch>>> {
        Python::try_attach(|py| {
            let batch = match self.next.take() {
                Some(next) => Some(next),
                None => run(py, Some(&self.client), Ok(NextColumns(Arc::clone(&self.reader), WordEncoding::Plain)))?
                    .map(|rows| rows.batch),
            };
            if let (Some(progress), Some(batch)) = (&self.progress, &batch) {
                let done = self.done + batch.num_rows() as u64;
                if let Err(error) = progress.call1(py, (done, self.reader.total())) {
                    // If the consumer asks again, it gets these rows.
                    self.next = Some(batch.clone());
                    self.progress = None;
                    return Err(error);
                }
                self.done = done;
            }
            if batch.is_none() {
                self.progress = None;
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

operations! { PageReader {
    /// Read some thousand rows as columns; `None` at the end of the list.
    next_columns / next_columns_async (reader) -> Option<Rows>
        = Ok(NextColumns(Arc::clone(&reader.reader), WordEncoding::Dictionary));
} }

#[pymethods]
impl PageReader {
    /// Return the reading as an Arrow stream in a capsule. `progress` is called with the rows so far and in total.
    #[pyo3(signature = (progress))]
    fn arrow_stream(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<Capsule> {
        stream(py, &self.reader, &self.client, progress)
    }
}
