//! The macros `operations!` and `reads!`: one line for each operation makes two methods, a blocking and an async one.

/// Emits a `#[pymethods]` block: `name / name_async (this, argument: Type) -> Result = request;` gives a blocking and
/// an async method with the same signature and docstring, both over the value that `request` builds. The class has a
/// `client` method.
///
/// So the line
///
/// ```ignore
/// /// Archive a media.
/// #[pyo3(signature = (id))]
/// archive_media / archive_media_async (studio, id: Id<OfMedia>) -> models::Media = media::archive(id);
/// ```
///
/// becomes
///
/// ```ignore
/// /// Archive a media.
/// #[pyo3(signature = (id))]
/// fn archive_media(&self, py: Python<'_>, id: Id<OfMedia>) -> PyResult<<models::Media as IntoPython>::Python> {
///     let studio = self;
///     let id = Argument::read(id, py, "id")?;
///     run(py, studio.client(py)?, media::archive(id))
/// }
/// /// Archive a media.
/// #[pyo3(signature = (id))]
/// fn archive_media_async(slf: Py<Self>, py: Python<'_>, id: Id<OfMedia>)
///     -> PyResult<AwaitableOf<<models::Media as IntoPython>::Python>> {
///     let id = Argument::read(id, py, "id")?;
///     Ok(AwaitableOf::new(async move {
///         let studio = slf.get();
///         let client = Python::attach(|py| studio.client(py).map(Option::<&Client>::cloned))?;
///         run_async(client, media::archive(id)).await
///     }))
/// }
/// ```
macro_rules! operations {
    ($class:ident { $(
        $(#[$about:meta])*
        $name:ident / $name_async:ident ($this:ident $(, $(#[$how:meta])* $argument:ident: $type:ty)* $(,)?) -> $result:ty = $operation:expr;
    )* }) => {
        #[pyo3::pymethods]
        impl $class {
            $(
                $(#[$about])*
                fn $name(&self, py: Python<'_> $(, $(#[$how])* $argument: $type)*)
                    -> PyResult<<$result as $crate::python::convert::output::IntoPython>::Python> {
                    let $this = self;
                    $(let $argument = $crate::python::convert::arguments::Argument::read($argument, py, stringify!($argument))?;)*
                    $crate::python::bridge::run::run(py, $this.client(py)?, $operation)
                }
                $(#[$about])*
                fn $name_async(slf: Py<Self>, py: Python<'_> $(, $(#[$how])* $argument: $type)*)
                    -> PyResult<$crate::python::bridge::awaitable::AwaitableOf<<$result as $crate::python::convert::output::IntoPython>::Python>> {
                    $(let $argument = $crate::python::convert::arguments::Argument::read($argument, py, stringify!($argument))?;)*
                    let _ = py;
                    Ok($crate::python::bridge::awaitable::AwaitableOf::new(async move {
                        let $this = slf.get();
                        let client = Python::attach(|py| $this.client(py).map(Option::<&$crate::client::Client>::cloned))?;
                        $crate::python::bridge::run::run_async(client, $operation).await
                    }))
                }
            )*
        }
    };
}

/// Emits what `operations!` does, for operations of a `StudioClient` that only read: a GET with one answer. So
/// `StudioClient.map` takes them, too.
macro_rules! reads {
    (StudioClient { $(
        $(#[doc = $doc:literal])*
        #[pyo3($($signature:tt)*)]
        $name:ident / $name_async:ident ($this:ident $(, $(#[$how:meta])* $argument:ident: $type:ty)* $(,)?) -> $result:ty = $operation:expr;
    )* }) => {
        $crate::python::operations::operations! { StudioClient { $(
            $(#[doc = $doc])*
            #[pyo3($($signature)*)]
            $name / $name_async ($this $(, $(#[$how])* $argument: $type)*) -> $result = $operation;
        )* } }

        $crate::python::call_builder::builds_calls! { $(
            #[pyo3($($signature)*)]
            $name ($($(#[$how])* $argument: $type),*) = $crate::python::call_builder::PreparedCall::of($operation);
        )* }
    };
}

pub(crate) use {operations, reads};
