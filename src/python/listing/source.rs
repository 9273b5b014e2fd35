//! `ListingSource`, from which a `Listing` reads: the request of a list and its client; and the macro `lists!`.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_schema::SchemaRef;
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::columns::{Columns, Layout};
use super::reading::{AnyReader, PageReader, PyCheckpoint, Running, any_reader};
use crate::api::item::Item;
use crate::api::{InvalidArgument, Page, Request};
use crate::client::{Checkpoint, Client, Error, Listing, Options, Reading};
use crate::python::bridge::exit::before_exit;
use crate::python::bridge::operation::Operation;
use crate::python::convert::arguments::{Argument, Object};
use crate::python::convert::output::{IntoPython, TypeHint, Typed};
use crate::python::errors::to_python;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

/// A list, without the type of its items.
trait AnyListing: Send + Sync {
    fn request(&self) -> String;
    fn item(&self) -> &'static str;
    fn fields(&self) -> Vec<&'static str>;
    fn first_page(&self) -> Option<i64>;
    fn per_page(&self) -> Option<i64>;
    fn range(&self, first: i64, last: Option<i64>) -> Arc<dyn AnyListing>;
    fn with(&self, options: Options) -> Result<Arc<dyn AnyListing>, Error>;
    fn beginning(&self) -> Option<Checkpoint>;
    fn read(&self, reading: Reading) -> Arc<dyn AnyReader>;
    fn schema(&self, layout: Layout) -> SchemaRef;
    fn total(&self) -> Running<u64>;
}

impl<T: Item + IntoPython + Sync> AnyListing for Listing<T> {
    fn request(&self) -> String {
        self.shown()
    }

    fn item(&self) -> &'static str {
        T::NAME
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
        any_reader(Self::read(self, reading))
    }

    fn schema(&self, layout: Layout) -> SchemaRef {
        Columns::of::<T>(&[], layout).schema
    }

    fn total(&self) -> Running<u64> {
        let listing = self.clone();
        Box::pin(async move { Self::total(&listing).await })
    }
}

/// The type of `canvas_studio.listing.Listing[T]`.
#[derive(Debug)]
pub(crate) struct ListingOf<T>(PhantomData<T>);

impl<T: IntoPython> TypeHint for ListingOf<T> {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("canvas_studio.listing", "Listing"),
        <T::Python as IntoPyObject<'static>>::OUTPUT_TYPE
    );
}

/// A kind of lists that can be resumed. `lists!` registers one for each list.
pub(crate) struct Resumable {
    /// The kind of its items, see [`Item::NAME`].
    item: &'static str,
    resume: Resume,
}

type Resume = fn(&Client, &Checkpoint) -> Result<Arc<dyn AnyListing>, Error>;

inventory::collect!(Resumable);

impl Resumable {
    pub(crate) const fn of<T: Item + IntoPython + Sync>() -> Self {
        Self { item: T::NAME, resume: |client, checkpoint| Ok(Arc::new(client.resume::<T>(checkpoint)?)) }
    }
}

/// Makes the `Listing` of a request. Nothing is sent.
pub(crate) fn make<T: Item + IntoPython + Sync>(
    py: Python<'_>,
    client: Option<&Client>,
    request: Result<Request<Page<T>>, InvalidArgument>,
) -> PyResult<Typed<ListingOf<T>>> {
    let request = request.map_err(|refusal| to_python(refusal.into()))?;
    let client = client.cloned().ok_or_else(|| to_python(Error::Closed))?;
    made_of(py, ListingSource { listing: Arc::new(client.list(request)), client })
}

/// Makes the `Listing` of a source.
pub(crate) fn made_of<H>(py: Python<'_>, source: ListingSource) -> PyResult<Typed<H>> {
    let listing = before_exit(|| py.import("canvas_studio.listing")?.getattr("Listing")?.call1((source,)))?;
    Ok(Typed::new(listing.unbind()))
}

/// Emits a `#[pymethods]` block: `name (this, argument: Type) -> Item = request;` gives a method that returns a
/// `Listing`, and registers lists of such items as ones that can be resumed. The class has a `client` method. What lists
/// of a `StudioClient` hold, `StudioClient.map` collects.
macro_rules! lists {
    (StudioClient { $(
        $(#[doc = $doc:literal])*
        #[pyo3($($signature:tt)*)]
        $name:ident ($this:ident $(, $(#[$how:meta])* $argument:ident: $type:ty)* $(,)?) -> $item:ty = $request:expr;
    )* }) => {
        $crate::python::listing::source::lists! { @of StudioClient { $(
            $(#[doc = $doc])*
            #[pyo3($($signature)*)]
            $name ($this $(, $(#[$how])* $argument: $type)*) -> $item = $request;
        )* } }

        $crate::python::call_builder::builds_calls! { $(
            #[pyo3($($signature)*)]
            $name ($($(#[$how])* $argument: $type),*) = $crate::python::call_builder::PreparedCall::of_list::<$item>($request);
        )* }
    };
    ($class:ident { $($lists:tt)* }) => {
        $crate::python::listing::source::lists! { @of $class { $($lists)* } }
    };
    (@of $class:ident { $(
        $(#[$about:meta])*
        $name:ident ($this:ident $(, $(#[$how:meta])* $argument:ident: $type:ty)* $(,)?) -> $item:ty = $request:expr;
    )* }) => {
        #[pyo3::pymethods]
        impl $class {
            $(
                $(#[$about])*
                fn $name(&self, py: Python<'_> $(, $(#[$how])* $argument: $type)*)
                    -> PyResult<$crate::python::convert::output::Typed<$crate::python::listing::source::ListingOf<$item>>> {
                    let $this = self;
                    $(let $argument = $crate::python::convert::arguments::Argument::read($argument, py, stringify!($argument))?;)*
                    $crate::python::listing::source::make(py, $this.client(py)?, $request)
                }
            )*
        }

        $(inventory::submit! { $crate::python::listing::source::Resumable::of::<$item>() })*
    };
}

pub(crate) use lists;

/// The type of a `Listing` whose items can be of any type.
#[derive(Debug)]
pub(crate) struct ListingOfAny;

impl TypeHint for ListingOfAny {
    #[cfg(feature = "stubs")]
    const HINT: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("canvas_studio.listing", "Listing"),
        type_hint_identifier!("typing", "Any")
    );
}

/// The source from which a `Listing` reads.
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

    /// The columns of its items; without fields if the items have no type.
    pub(crate) fn schema(&self, layout: Layout) -> SchemaRef {
        self.listing.schema(layout)
    }

    fn checkpoint(&self) -> PyResult<PyCheckpoint> {
        // A reading that has not started has nothing left to yield.
        self.listing.beginning().map(PyCheckpoint).ok_or_else(|| to_python(Error::Closed))
    }

    /// The list of a checkpoint.
    pub(crate) fn resumed(client: &Client, checkpoint: &Checkpoint) -> Result<Self, Error> {
        let kind = inventory::iter::<Resumable>.into_iter().find(|kind| kind.item == checkpoint.item);
        let Some(kind) = kind else {
            let expected = format!("is of a list of {}, which this package does not know", checkpoint.item);
            return Err(InvalidArgument::new("checkpoint", expected).into());
        };
        Ok(Self { listing: (kind.resume)(client, checkpoint)?, client: client.clone() })
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
    /// Ask Studio how many items there are.
    total / total_async (source) -> u64 = Ok(Total(Arc::clone(&source.listing)));
} }

#[pymethods]
impl ListingSource {
    /// The request for the first page, without its host.
    #[getter]
    fn request(&self) -> String {
        self.listing.request()
    }

    /// The name of the class of its items; empty if they have no type.
    #[getter]
    fn item(&self) -> &'static str {
        self.listing.item()
    }

    /// The names of the documented fields; none if the items have no type.
    #[getter]
    fn fields(&self) -> Vec<&'static str> {
        self.listing.fields()
    }

    /// The page to start at; `None` for a list without pages, or one that is resumed.
    #[getter]
    fn first_page(&self) -> Option<i64> {
        self.listing.first_page()
    }

    /// How many items to request at once.
    #[getter]
    fn per_page(&self) -> Option<i64> {
        self.listing.per_page()
    }

    /// The pages from the first to the last, or to the end.
    #[pyo3(signature = (first, last))]
    fn range(&self, first: i64, last: Option<i64>) -> Self {
        Self { listing: self.listing.range(first, last), client: self.client.clone() }
    }

    /// The same list with a time limit in seconds, and without retries.
    #[pyo3(signature = (seconds))]
    fn within(&self, seconds: f64) -> PyResult<Self> {
        let timeout = Some(seconds.min(self.client.config().timeout.as_secs_f64()));
        let options = Options { timeout, max_retries: Some(0), ..Options::default() };
        let listing = self.listing.with(options).map_err(to_python)?;
        Ok(Self { listing, client: self.client.clone() })
    }

    /// Start a reading. Nothing is sent.
    #[pyo3(signature = (limit, consistent))]
    fn read(&self, limit: Option<u64>, consistent: bool) -> PageReader {
        let reading = Reading { limit, is_consistent: consistent };
        PageReader::new(self.listing.read(reading), self.client.clone())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (StudioClient, PyCheckpoint))> {
        let source = slf.get();
        let rebuild = slf.py().import("canvas_studio.listing")?.getattr("source_of")?;
        Ok((rebuild, (StudioClient::of(source.client.clone()), source.checkpoint()?)))
    }
}

#[pymethods]
impl StudioClient {
    /// Continue a list at a checkpoint, perhaps in another process.
    ///
    /// Args:
    ///     checkpoint: A checkpoint from `Listing.checkpoint`.
    ///
    /// Returns:
    ///     A listing of the items that were not yielded yet. If items vanished or appeared meanwhile, the list is read
    ///     again, as it is within one process.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the checkpoint belongs to another school.
    ///
    /// Reference: the page of the list.
    #[pyo3(signature = (checkpoint))]
    fn resume(&self, py: Python<'_>, checkpoint: Object<PyCheckpoint>) -> PyResult<Typed<ListingOfAny>> {
        let checkpoint = checkpoint.read(py, "checkpoint")?;
        made_of(py, ListingSource::resumed(&self.client, &checkpoint.get().0).map_err(to_python)?)
    }
}
