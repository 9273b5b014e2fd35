//! The macro that makes a Python class out of one line for each operation.

/// Emits the whole `#[pymethods]` block of a class. Its sections, in this order:
///
/// - `operations`: `name / name_async (this, argument: Type) -> Result = request;` gives a blocking and an async method
///   with the same signature and docstring, both over the value that `request` builds.
/// - `lists`: `name (this, argument: Type) -> Item = request;` gives a method that returns a `Listing`.
/// - `fields`, if it is there: `name: Type;` gives a read-only attribute of the object's value, and a place in
///   `__match_args__`.
/// - `plain`: methods as they are.
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
/// fn archive_media(&self, py: Python<'_>, id: Id<OfMedia>) -> PyResult<<models::Media as Deliver>::Python> {
///     let studio = self;
///     let id = Argument::read(id, py, "id")?;
///     bridge::run(py, studio.client(py)?, media::archive(id))
/// }
/// /// Archive a media.
/// #[pyo3(signature = (id))]
/// fn archive_media_async(slf: Py<Self>, py: Python<'_>, id: Id<OfMedia>)
///     -> PyResult<CoroutineOf<<models::Media as Deliver>::Python>> {
///     let id = Argument::read(id, py, "id")?;
///     Ok(CoroutineOf::new("StudioClient.archive_media_async", async move {
///         let studio = slf.get();
///         let client = Python::attach(|py| studio.client(py).map(Option::<&Client>::cloned))?;
///         bridge::run_async(client, media::archive(id)).await
///     }))
/// }
/// ```
macro_rules! operations {
    ($class:ident {
        operations { $(
            $(#[$about:meta])*
            $name:ident / $name_async:ident ($this:ident $(, $(#[$how:meta])* $argument:ident: $type:ty)* $(,)?) -> $result:ty = $operation:expr;
        )* }
        lists { $(
            $(#[$list_about:meta])*
            $list:ident ($list_this:ident $(, $(#[$list_how:meta])* $list_argument:ident: $list_type:ty)* $(,)?) -> $item:ty = $request:expr;
        )* }
        $(fields { $( $(#[$field_about:meta])* $field:ident: $field_type:ty; )+ })?
        plain { $($plain:tt)* }
    }) => {
        #[pymethods]
        impl $class {
            $(
                $(#[$about])*
                fn $name(&self, py: Python<'_> $(, $(#[$how])* $argument: $type)*) -> PyResult<<$result as Deliver>::Python> {
                    let $this = self;
                    $(let $argument = Argument::read($argument, py, stringify!($argument))?;)*
                    $crate::python::bridge::run::run(py, $this.client(py)?, $operation)
                }
                $(#[$about])*
                fn $name_async(slf: Py<Self>, py: Python<'_> $(, $(#[$how])* $argument: $type)*) -> PyResult<$crate::python::bridge::coroutine::CoroutineOf<<$result as Deliver>::Python>> {
                    $(let $argument = Argument::read($argument, py, stringify!($argument))?;)*
                    let _ = py;
                    Ok($crate::python::bridge::coroutine::CoroutineOf::new(concat!(stringify!($class), ".", stringify!($name_async)), async move {
                        let $this = slf.get();
                        let client = Python::attach(|py| $this.client(py).map(Option::<&Client>::cloned))?;
                        $crate::python::bridge::run::run_async(client, $operation).await
                    }))
                }
            )*
            $(
                $(#[$list_about])*
                fn $list(&self, py: Python<'_> $(, $(#[$list_how])* $list_argument: $list_type)*) -> PyResult<Hinted<ListingOf<$item>>> {
                    let $list_this = self;
                    $(let $list_argument = Argument::read($list_argument, py, stringify!($list_argument))?;)*
                    $crate::python::listing::source::make(py, $list_this.client(py)?, $request)
                }
            )*
            $(
                $(
                    $(#[$field_about])*
                    #[getter]
                    fn $field(&self, py: Python<'_>) -> PyResult<<$field_type as Deliver>::Python> {
                        const INDEX: usize = field_index(<models::$class as Item>::FIELDS, plain_name(stringify!($field)));
                        self.value.get::<$field_type>(INDEX).deliver(py, self.client.as_ref())
                    }
                )+
                #[classattr]
                fn __match_args__(py: Python<'_>) -> PyResult<Hinted<value::MatchArgsOf<Self>>> {
                    value::match_args(py)
                }
            )?
            $($plain)*
        }
        $(impl value::MatchArgs for $class {
            const NAMES: &'static [&'static str] = &[$(plain_name(stringify!($field))),+];
            #[cfg(feature = "stubs")]
            const HINT: PyStaticExpr = type_hint_subscript!(
                type_hint_identifier!("builtins", "tuple"), $(type_hint_subscript!(
                    type_hint_identifier!("typing", "Literal"),
                    PyStaticExpr::Constant { value: PyStaticConstant::Str(plain_name(stringify!($field))) }
                )),+
            );
        })?
    };
}

pub(crate) use operations;
