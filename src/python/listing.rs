//! Lists as Python reads them: what a `Listing` is made from, and one reading of it.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use pyo3::IntoPyObjectExt;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyList;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};
use tokio::sync::Mutex;

use super::bridge::{self, Operation};
use super::convert::{Deliver, Hint, Hinted};
use super::errors::to_python;
use super::operations::operations;
use crate::api::models::Item;
use crate::api::{InvalidArgument, Page, Request};
use crate::client::{Client, Error, Listing, Reader};

type Running<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A list of any items.
trait AnyListing: Send + Sync {
    fn request(&self) -> String;
    fn fields(&self) -> Vec<&'static str>;
    fn read(&self) -> Box<dyn AnyReader>;
    fn total(&self) -> Running<u64>;
}

impl<T: Item + Deliver + Send + Sync + 'static> AnyListing for Listing<T> {
    fn request(&self) -> String {
        self.shown()
    }

    fn fields(&self) -> Vec<&'static str> {
        T::fields()
    }

    fn read(&self) -> Box<dyn AnyReader> {
        Box::new(Arc::new(Mutex::new(Self::read(self))))
    }

    fn total(&self) -> Running<u64> {
        let listing = self.clone();
        Box::pin(async move { Self::total(&listing).await })
    }
}

/// A reading of any list.
trait AnyReader: Send + Sync {
    fn next_page(&self) -> Running<Option<Batch>>;
}

impl<T: Item + Deliver + Send + 'static> AnyReader for Arc<Mutex<Reader<T>>> {
    fn next_page(&self) -> Running<Option<Batch>> {
        let reader = Arc::clone(self);
        Box::pin(async move {
            let items = reader.lock().await.next_page().await?;
            Ok(items.map(|items| Batch(Box::new(move |py, client| deliver_all(py, client, items)))))
        })
    }
}

fn deliver_all<T: Deliver>(py: Python<'_>, client: Option<&Client>, items: Vec<T>) -> PyResult<Py<PyList>> {
    let items: PyResult<Vec<_>> = items.into_iter().map(|item| item.deliver(py, client)?.into_py_any(py)).collect();
    PyList::new(py, items?).map(Bound::unbind)
}

/// Items on their way to Python.
struct Batch(Box<MakeList>);

type MakeList = dyn FnOnce(Python<'_>, Option<&Client>) -> PyResult<Py<PyList>> + Send;

impl Deliver for Batch {
    type Python = Hinted<AnyList>;

    fn deliver(self, py: Python<'_>, client: Option<&Client>) -> PyResult<Self::Python> {
        (self.0)(py, client).map(Hinted::new)
    }
}

/// A Python list of items of any kind.
#[derive(Debug)]
pub(crate) struct AnyList;

impl Hint for AnyList {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("builtins", "list"), type_hint_identifier!("typing", "Any"));
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
pub(crate) fn make<T: Item + Deliver + Send + Sync + 'static>(
    py: Python<'_>,
    client: Option<&Client>,
    request: Result<Request<Page<T>>, InvalidArgument>,
) -> PyResult<Hinted<ListingOf<T>>> {
    let request = request.map_err(|refusal| to_python(refusal.into()))?;
    let client = client.cloned().ok_or_else(|| to_python(Error::Closed))?;
    let source = ListingSource { listing: Arc::new(client.list(request)), client };
    let listing = bridge::before_exit(|| py.import("canvas_studio.listing")?.getattr("Listing")?.call1((source,)))?;
    Ok(Hinted::new(listing.unbind()))
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

        /// Begin to read; nothing is sent.
        fn read(&self) -> PageReader {
            PageReader { reader: Arc::from(self.listing.read()), client: self.client.clone() }
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
struct NextPage(Arc<dyn AnyReader>);

impl Operation for NextPage {
    type Result = Option<Batch>;

    fn start(&self, _: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static {
        self.0.next_page()
    }
}

operations! { PageReader {
    operations {
        /// Read the items of the next page that has any; `None` at the end.
        next_page / next_page_async (reader) -> Option<Batch> = Ok(NextPage(Arc::clone(&reader.reader)));
    }
    lists {}
    plain {}
} }
