//! Lists as Python reads them: what a `Listing` is made from, and one reading of it.

use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex as Slot, MutexGuard, OnceLock, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyList;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};
use serde_json::Value;
use tokio::sync::Mutex;

use super::arrow::{self, Capsule, NextColumns, Rows};
use super::columns::{Columns, Gathering, Words};
use crate::api::check::MAX_PER_PAGE;
use crate::api::item::Item;
use crate::api::models::{Collection, Course, Media, Perspective, Source, User};
use crate::api::{Answer, InvalidArgument, Page, Request, media};
use crate::client::listing::{Drift, ReaderHandle};
use crate::client::{Checkpoint, Client, Error, Listing, Options, Reader, Reading};
use crate::python::bridge::exit::before_exit;
use crate::python::bridge::operation::{Home, Operation};
use crate::python::bridge::runtime::tidy;
use crate::python::convert::arguments::{Argument, Text};
use crate::python::convert::output::{AnyJson, Deliver, Hint, Hinted};
use crate::python::errors::to_python;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

/// How many rows a batch of columns has at least, if there are so many.
const ROWS: usize = 8192;

type Running<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A list of any items.
trait AnyListing: Send + Sync {
    fn request(&self) -> String;
    fn fields(&self) -> Vec<&'static str>;
    fn first_page(&self) -> Option<i64>;
    fn per_page(&self) -> Option<i64>;
    fn range(&self, first: i64, last: Option<i64>) -> Arc<dyn AnyListing>;
    fn with(&self, options: Options) -> Result<Arc<dyn AnyListing>, Error>;
    fn beginning(&self) -> Option<Checkpoint>;
    fn read(&self, reading: Reading) -> Arc<dyn AnyReader>;
    fn schema(&self) -> SchemaRef;
    fn total(&self) -> Running<u64>;
}

impl<T: Item + Deliver + Sync> AnyListing for Listing<T> {
    fn request(&self) -> String {
        self.shown()
    }

    fn fields(&self) -> Vec<&'static str> {
        T::FIELDS.iter().map(|field| field.name).collect()
    }

    fn first_page(&self) -> Option<i64> {
        Self::first_page(self)
    }

    fn per_page(&self) -> Option<i64> {
        Self::per_page(self)
    }

    fn range(&self, first: i64, last: Option<i64>) -> Arc<dyn AnyListing> {
        Arc::new(Self::range(self, first, last))
    }

    fn with(&self, options: Options) -> Result<Arc<dyn AnyListing>, Error> {
        Ok(Arc::new(Self::with(self, options)?))
    }

    fn beginning(&self) -> Option<Checkpoint> {
        Self::beginning(self, Reading::default())
    }

    fn read(&self, reading: Reading) -> Arc<dyn AnyReader> {
        let reader = Self::read(self, reading);
        Arc::new(Shared {
            handle: reader.handle(),
            reader: Arc::new(Mutex::new(reader)),
            columns: Arc::default(),
            ready: Arc::default(),
            gathering: Arc::default(),
            rows: Arc::default(),
        })
    }

    fn schema(&self) -> SchemaRef {
        Columns::of::<T>(&[], Words::Numbered).schema
    }

    fn total(&self) -> Running<u64> {
        let listing = self.clone();
        Box::pin(async move { Self::total(&listing).await })
    }
}

/// A reading of any list.
pub(crate) trait AnyReader: Send + Sync {
    fn next_pages(&self) -> Running<Option<Batch>>;
    fn next_columns(&self, words: Words) -> Running<Option<Rows>>;
    /// The columns of a stream, if they are known before the first items are.
    fn schema(&self) -> Option<SchemaRef>;
    /// Those of a list without any items.
    fn empty_schema(&self) -> SchemaRef;
    fn total(&self) -> Option<u64>;
    fn drift(&self) -> Drift;
    /// Where its pages are under way.
    fn home(&self) -> Home;
    /// Asks for them anew, wherever the next call runs.
    fn leave_home(&self);
    fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint>;
    fn close(&self);
}

/// A reading that is asked from several sides.
struct Shared<T> {
    reader: Arc<Mutex<Reader<T>>>,
    handle: ReaderHandle<T>,
    /// Known from the start, or from the first items on.
    columns: Arc<OnceLock<Columns>>,
    /// The pages that were read and that Python does not have yet. A call that is given up leaves them to the next one.
    ready: Arc<Slot<Vec<Vec<T>>>>,
    /// Likewise, the items on their way into columns, and the columns.
    gathering: Arc<Slot<Option<Gathering<T>>>>,
    rows: Arc<Slot<Option<RecordBatch>>>,
}

fn opened<T>(slot: &Slot<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Item + Deliver + Sync> AnyReader for Shared<T> {
    fn next_pages(&self) -> Running<Option<Batch>> {
        let (reader, ready) = (Arc::clone(&self.reader), Arc::clone(&self.ready));
        Box::pin(async move {
            let mut reader = reader.lock().await;
            let is_ready = !opened(&ready).is_empty();
            if !is_ready && !reader.next_batch(1, |items| opened(&ready).push(items)).await? {
                return Ok(None);
            }
            // Only a call that comes to its end takes them.
            Ok(Some(Batch(Box::new(move |py, client| {
                let pages = mem::take(&mut *opened(&ready));
                deliver_all(py, client, pages)
            }))))
        })
    }

    fn next_columns(&self, words: Words) -> Running<Option<Rows>> {
        let (reader, columns) = (Arc::clone(&self.reader), Arc::clone(&self.columns));
        let (gathering, rows) = (Arc::clone(&self.gathering), Arc::clone(&self.rows));
        Box::pin(async move {
            let mut reader = reader.lock().await;
            if opened(&rows).is_none() {
                let has_some = opened(&gathering).is_some();
                let gather = |items| opened(&gathering).get_or_insert_with(|| Gathering::new(words)).add(items);
                if !has_some && !reader.next_batch(ROWS, gather).await? {
                    return Ok(None);
                }
                if let Some(gathering) = opened(&gathering).as_mut() {
                    gathering.take_in()?;
                }
                let gathered = opened(&gathering).take().unwrap_or_else(|| Gathering::new(words));
                let batch = gathered
                    .finish(&columns)
                    .map_err(|error| Error::Setup(format!("no columns can be made: {error}")))?;
                *opened(&rows) = Some(batch);
            }
            Ok(Some(Rows(rows)))
        })
    }

    fn schema(&self) -> Option<SchemaRef> {
        (!T::FIELDS.is_empty()).then(|| self.empty_schema())
    }

    fn empty_schema(&self) -> SchemaRef {
        Columns::of::<T>(&[], Words::Spelled).schema
    }

    fn total(&self) -> Option<u64> {
        self.handle.total()
    }

    fn drift(&self) -> Drift {
        self.handle.drift()
    }

    fn home(&self) -> Home {
        let home = self.handle.prefetch_runtime();
        if home.is_driven() {
            Home::Callers
        } else if home.runtime().is_none() && !home.is_slow() {
            Home::Anywhere
        } else {
            Home::Shared
        }
    }

    fn leave_home(&self) {
        // Whoever reads at this moment is at home.
        if let Ok(mut reader) = self.reader.try_lock() {
            reader.drop_prefetched();
        }
    }

    fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint> {
        self.handle.checkpoint(given)
    }

    fn close(&self) {
        // Whoever reads at this moment is not done.
        if let Ok(mut reader) = self.reader.try_lock() {
            reader.close();
        }
        tidy();
    }
}

fn deliver_all<T: Deliver>(py: Python<'_>, client: Option<&Client>, pages: Vec<Vec<T>>) -> PyResult<Py<PyList>> {
    let pages: PyResult<Vec<_>> = pages.into_iter().map(|items| deliver_page(py, client, items)).collect();
    PyList::new(py, pages?).map(Bound::unbind)
}

fn deliver_page<'py, T: Deliver>(
    py: Python<'py>,
    client: Option<&Client>,
    items: Vec<T>,
) -> PyResult<Bound<'py, PyList>> {
    let items: PyResult<Vec<_>> = items.into_iter().map(|item| item.deliver(py, client)?.into_py_any(py)).collect();
    PyList::new(py, items?)
}

/// Items on their way to Python.
pub(crate) struct Batch(Box<MakeList>);

type MakeList = dyn FnOnce(Python<'_>, Option<&Client>) -> PyResult<Py<PyList>> + Send;

impl Deliver for Batch {
    type Python = Hinted<AnyList>;

    fn deliver(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        (self.0)(py, client).map(Hinted::new)
    }
}

/// A Python list of lists of items of any kind.
#[derive(Debug)]
pub(crate) struct AnyList;

impl Hint for AnyList {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("builtins", "list"),
        type_hint_subscript!(type_hint_identifier!("builtins", "list"), type_hint_identifier!("typing", "Any"))
    );
}

/// The type of `canvas_studio.listing.Listing[T]`.
#[derive(Debug)]
pub(crate) struct ListingOf<T>(PhantomData<T>);

impl<T: Deliver> Hint for ListingOf<T> {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("canvas_studio.listing", "Listing"),
        <T::Python as IntoPyObject<'static>>::OUTPUT_TYPE
    );
}

/// Makes the `Listing` of a request; nothing is sent.
pub(crate) fn make<T: Item + Deliver + Sync>(
    py: Python<'_>,
    client: Option<&Client>,
    request: Result<Request<Page<T>>, InvalidArgument>,
) -> PyResult<Hinted<ListingOf<T>>> {
    let request = request.map_err(|refusal| to_python(refusal.into()))?;
    let client = client.cloned().ok_or_else(|| to_python(Error::Closed))?;
    made_of(py, ListingSource { listing: Arc::new(client.list(request)), client })
}

/// Makes the `Listing` of a source.
pub(crate) fn made_of<H>(py: Python<'_>, source: ListingSource) -> PyResult<Hinted<H>> {
    let listing = before_exit(|| py.import("canvas_studio.listing")?.getattr("Listing")?.call1((source,)))?;
    Ok(Hinted::new(listing.unbind()))
}

/// The type of a `Listing` of which only the one who asked knows what is in it.
#[derive(Debug)]
pub(crate) struct ListingOfAny;

impl Hint for ListingOfAny {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("canvas_studio.listing", "Listing"),
        type_hint_identifier!("typing", "Any")
    );
}

/// What a `Listing` reads from.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct ListingSource {
    listing: Arc<dyn AnyListing>,
    client: Client,
}

impl ListingSource {
    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }

    /// The columns of its items; none if they have no type.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.listing.schema()
    }

    fn checkpoint(&self) -> PyResult<PyCheckpoint> {
        // A reading that has not begun has given everything that was handed over.
        self.listing.beginning().map(PyCheckpoint).ok_or_else(|| to_python(Error::Closed))
    }

    /// The list of which a checkpoint was taken.
    pub(crate) fn resumed(client: &Client, checkpoint: &Checkpoint) -> Result<Self, Error> {
        let listing: Arc<dyn AnyListing> = match checkpoint.item.as_str() {
            Media::NAME => Arc::new(client.resume::<Media>(checkpoint)?),
            Collection::NAME => Arc::new(client.resume::<Collection>(checkpoint)?),
            Course::NAME => Arc::new(client.resume::<Course>(checkpoint)?),
            Perspective::NAME => Arc::new(client.resume::<Perspective>(checkpoint)?),
            Source::NAME => Arc::new(client.resume::<Source>(checkpoint)?),
            User::NAME => Arc::new(client.resume::<User>(checkpoint)?),
            Value::NAME => Arc::new(client.resume::<Value>(checkpoint)?),
            other => {
                let expected = format!("is of a list of {other}, which this package does not know");
                return Err(InvalidArgument::new("checkpoint", expected).into());
            }
        };
        Ok(Self { listing, client: client.clone() })
    }
}

/// Counts a list.
struct Total(Arc<dyn AnyListing>);

impl Operation for Total {
    type Result = u64;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<u64, Error>> + Send + 'static {
        self.0.total()
    }
}

operations! { ListingSource {
    operations {
        /// Ask how many items there are.
        total / total_async (source) -> u64 = Ok(Total(Arc::clone(&source.listing)));
    }
    lists {}
    plain {
        /// The request for the first page, without its host.
        #[getter]
        fn request(&self) -> String {
            self.listing.request()
        }

        /// The names of the documented fields; none if the items have no type.
        #[getter]
        fn fields(&self) -> Vec<&'static str> {
            self.listing.fields()
        }

        /// The page to begin with; `None` for a list without pages, or one that is resumed.
        #[getter]
        fn first_page(&self) -> Option<i64> {
            self.listing.first_page()
        }

        /// How many items are asked for at once.
        #[getter]
        fn per_page(&self) -> Option<i64> {
            self.listing.per_page()
        }

        /// Only the pages from the first to the last, or to the end.
        #[pyo3(signature = (first, last))]
        fn range(&self, first: i64, last: Option<i64>) -> Self {
            Self { listing: self.listing.range(first, last), client: self.client.clone() }
        }

        /// The same, if it answers within so many seconds.
        #[pyo3(signature = (seconds))]
        fn within(&self, seconds: f64) -> PyResult<Self> {
            let timeout = Some(seconds.min(self.client.config().timeout.as_secs_f64()));
            let options = Options { timeout, max_retries: Some(0), ..Options::default() };
            let listing = self.listing.with(options).map_err(to_python)?;
            Ok(Self { listing, client: self.client.clone() })
        }

        /// Begin to read; nothing is sent.
        #[pyo3(signature = (limit, consistent))]
        fn read(&self, limit: Option<u64>, consistent: bool) -> PageReader {
            let reading = Reading { limit, is_consistent: consistent };
            PageReader { reader: self.listing.read(reading), client: self.client.clone() }
        }

        fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (StudioClient, PyCheckpoint))> {
            let source = slf.get();
            let rebuild = slf.py().import("canvas_studio.listing")?.getattr("source_of")?;
            Ok((rebuild, (StudioClient::of(source.client.clone()), source.checkpoint()?)))
        }
    }
} }

/// One reading of a list.
#[pyclass(frozen, module = "canvas_studio._core")]
pub(crate) struct PageReader {
    reader: Arc<dyn AnyReader>,
    client: Client,
}

impl PageReader {
    #[expect(clippy::unnecessary_wraps, reason = "as the macro asks for it")]
    fn client(&self, _: Python<'_>) -> PyResult<Option<&Client>> {
        Ok(Some(&self.client))
    }
}

/// Reads on.
struct NextPages(Arc<dyn AnyReader>);

impl Operation for NextPages {
    type Result = Option<Batch>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        self.0.next_pages()
    }

    fn home(&self) -> Home {
        self.0.home()
    }

    fn leave_home(&self) {
        self.0.leave_home();
    }
}

/// The fields of `canvas_studio.models.Drift`, in order.
type DriftFields = (u32, u64, u64, Option<i64>, Option<i64>);

operations! { PageReader {
    operations {
        /// Read what is ready: the items of each page that has any; `None` at the end.
        next_pages / next_pages_async (reader) -> Option<Batch> = Ok(NextPages(Arc::clone(&reader.reader)));

        /// Read some thousand rows as columns; `None` at the end.
        next_columns / next_columns_async (reader) -> Option<Rows> = Ok(NextColumns(Arc::clone(&reader.reader), Words::Numbered));
    }
    lists {}
    plain {
        /// How many items there are in all, as Studio said last.
        #[getter]
        fn total(&self) -> Option<u64> {
            self.reader.total()
        }

        /// What happened to the list so far.
        #[getter]
        fn drift(&self) -> DriftFields {
            let Drift { readings, appeared, vanished, first_total, last_total } = self.reader.drift();
            (readings, appeared, vanished, first_total, last_total)
        }

        /// Where it is, when so many items of this reading were given on, or all that were handed over. `None` if that
        /// is before what was handed over last.
        #[pyo3(signature = (given))]
        fn checkpoint(&self, given: Option<u64>) -> Option<PyCheckpoint> {
            self.reader.checkpoint(given).map(PyCheckpoint)
        }

        /// Read it as a stream of Arrow's, in a capsule. `progress` is called with the rows so far and in all.
        #[pyo3(signature = (progress))]
        fn arrow_stream(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<Capsule> {
            arrow::stream(py, &self.reader, &self.client, progress)
        }

        /// Stop reading ahead.
        fn close(&self) {
            self.reader.close();
        }
    }
} }

/// Reads the body of a page of media as a listing does, without a server: only to count what that costs.
#[pyfunction]
#[pyo3(name = "_decode_media_page", signature = (body))]
pub(crate) fn decode_media_page(py: Python<'_>, body: &[u8]) -> PyResult<Hinted<AnyJson>> {
    let request = media::search(&media::Search::default(), 1, MAX_PER_PAGE).map_err(|error| to_python(error.into()))?;
    let answer = Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        location: None,
        body: Bytes::copy_from_slice(body),
    };
    let decoded =
        py.detach(|| request.decode(&answer)).map_err(|problem| PyValueError::new_err(problem.to_string()))?;
    Ok(Hinted::new(deliver_page(py, None, decoded.items)?.into_any().unbind()))
}

/// Where the reading of a list is: exactly behind the last item that was given.
///
/// `StudioClient.resume` goes on there, in any process. It can be pickled and written as JSON. It holds no token, but the
/// query of the list, which may name a person.
#[pyclass(frozen, eq, weakref, name = "Checkpoint", module = "canvas_studio")]
#[derive(Debug, PartialEq)]
pub(crate) struct PyCheckpoint(pub(crate) Checkpoint);

#[pymethods]
impl PyCheckpoint {
    /// How many items were given so far.
    #[getter]
    fn items(&self) -> u64 {
        self.0.items()
    }

    /// Write it as text.
    ///
    /// Returns:
    ///     JSON on one line.
    fn to_json(&self) -> PyResult<String> {
        self.0.to_json().map_err(to_python)
    }

    /// Read what `to_json` wrote.
    ///
    /// Args:
    ///     text: The JSON.
    ///
    /// Returns:
    ///     The checkpoint.
    ///
    /// Raises:
    ///     InvalidArgumentError: If it is something else.
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
