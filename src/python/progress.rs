//! `WithProgress`: a download or an upload that reports its progress to a callable or a progress bar.

use std::sync::Arc;

#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};
use url::Url;

use super::bridge::operation::Operation;
use super::bridge::reports::{ASYNC_LEVEL, BLOCKING_LEVEL, needs_async_call};
use super::convert::arguments::Argument;
use super::convert::input::{flag_if_it_is, wrong_type};
use super::convert::output::IntoPython;
use crate::api::{InvalidArgument, Request};
use crate::client::{Client, Download, Error, Limits, Saved, Target, Transferred};

/// The argument `progress`: a callable, a progress bar, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Progress(Option<Py<PyAny>>);

impl<'a, 'py> FromPyObject<'a, 'py> for Progress {
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const INPUT_TYPE: PyStaticExpr = type_hint_union!(
        type_hint_identifier!("builtins", "bool"),
        type_hint_subscript!(
            type_hint_identifier!("collections.abc", "Callable"),
            PyStaticExpr::List {
                elts: &[
                    type_hint_identifier!("builtins", "int"),
                    type_hint_union!(
                        type_hint_identifier!("builtins", "int"),
                        PyStaticExpr::Constant { value: PyStaticConstant::None }
                    )
                ]
            },
            type_hint_identifier!("builtins", "object")
        )
    );

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(is_wanted) = flag_if_it_is(&given)? {
            if !is_wanted {
                return Ok(Self(None));
            }
            let bar = given.py().import("canvas_studio._progress")?.getattr("Bar")?.call0()?;
            return Ok(Self(Some(bar.unbind())));
        }
        if given.is_callable() {
            return Ok(Self(Some(given.to_owned().unbind())));
        }
        Err(wrong_type("progress", "True, False or a callable", &given, None))
    }
}

impl Argument for Progress {
    type Value = Self;

    fn read(self, _: Python<'_>, _: &str) -> PyResult<Self> {
        Ok(self)
    }
}

impl Progress {
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Reports the bytes so far and in all. Returns what the callable returned, if it is to be awaited.
    pub(crate) fn report<'py>(&self, py: Python<'py>, read: (u64, Option<u64>)) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(callable) = &self.0 else { return Ok(None) };
        let returned = callable.bind(py).call1(read)?;
        Ok(returned.get_type().hasattr("__await__")?.then_some(returned))
    }

    /// Refuses an async callable in a blocking call.
    pub(crate) fn check(&self, py: Python<'_>, is_blocking: bool) -> PyResult<()> {
        let Some(callable) = self.0.as_ref().filter(|_| is_blocking) else { return Ok(()) };
        let is_async = py.import("canvas_studio._progress")?.call_method1("is_async", (callable,))?.is_truthy()?;
        if is_async { Err(needs_async_call()) } else { Ok(()) }
    }
}

/// How far a transfer has come, read from another thread while it runs.
pub(crate) trait Measure: Default + Send + Sync + 'static {
    /// The bytes transferred so far, and the total if it is known.
    fn read(&self) -> (u64, Option<u64>);

    /// Whether its last request is under way.
    fn is_ending(&self) -> bool {
        false
    }

    /// As [`Operation::end_upload`].
    fn end_upload(&self) -> Option<String> {
        None
    }
}

impl Measure for Transferred {
    fn read(&self) -> (u64, Option<u64>) {
        self.read()
    }
}

/// A transfer of a file, or of many.
pub(crate) trait Transfer: Clone + Send + Sync + 'static {
    type Result: IntoPython + Send + 'static;
    type Measure: Measure;

    fn run(
        self,
        client: Client,
        transferred: Arc<Self::Measure>,
    ) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static;

    /// The call has ended, or was cancelled.
    fn end(&self) {}

    /// Warns of what may go wrong, before anything is sent. `stack_level` is that of the caller.
    fn warn(&self, _py: Python<'_>, _stack_level: i32) -> PyResult<()> {
        Ok(())
    }
}

impl Transfer for Download {
    type Result = Saved;
    type Measure = Transferred;

    async fn run(self, client: Client, transferred: Arc<Transferred>) -> Result<Saved, Error> {
        client.download(&self, &transferred).await
    }

    fn end(&self) {
        Self::end(self);
    }
}

/// A transfer and its progress.
pub(crate) struct WithProgress<T: Transfer> {
    transfer: T,
    progress: Progress,
    transferred: Arc<T::Measure>,
}

impl<T: Transfer> Drop for WithProgress<T> {
    fn drop(&mut self) {
        self.transfer.end();
    }
}

pub(crate) type DownloadWithProgress = WithProgress<Download>;

impl<T: Transfer> WithProgress<T> {
    pub(crate) fn of(transfer: T, progress: Option<Progress>) -> Self {
        Self { transfer, progress: progress.unwrap_or_default(), transferred: Arc::default() }
    }
}

impl DownloadWithProgress {
    pub(crate) fn new(
        request: Result<Request<Url>, InvalidArgument>,
        target: Target,
        progress: Option<Progress>,
        limits: Result<Limits, InvalidArgument>,
        resume: bool,
    ) -> Result<Self, InvalidArgument> {
        Ok(Self::of(Download::new(request?, target, limits?, resume)?, progress))
    }
}

impl<T: Transfer> Operation for WithProgress<T> {
    type Result = T::Result;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<T::Result, Error>> + Send + 'static {
        let (transfer, transferred) = (self.transfer.clone(), Arc::clone(&self.transferred));
        async move { transfer.run(client.ok_or(Error::Closed)?, transferred).await }
    }

    fn has_progress(&self) -> bool {
        self.progress.is_wanted()
    }

    fn report_progress<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.progress.report(py, self.transferred.read())
    }

    fn is_too_late(&self, is_finished: bool) -> bool {
        is_finished || self.transferred.is_ending()
    }

    fn end_upload(&self) -> Option<String> {
        self.transferred.end_upload()
    }

    fn check(&self, py: Python<'_>, is_blocking: bool) -> PyResult<()> {
        self.progress.check(py, is_blocking)?;
        self.transfer.warn(py, if is_blocking { BLOCKING_LEVEL } else { ASYNC_LEVEL })
    }
}
