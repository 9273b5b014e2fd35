//! `DownloadWithProgress`: a download that reports its progress to a callable or a progress bar.

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "stubs")]
use pyo3::inspect::{PyStaticConstant, PyStaticExpr};
use pyo3::prelude::*;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript, type_hint_union};
use url::Url;

use super::bridge::operation::Operation;
use super::bridge::reports::needs_async_call;
use super::convert::arguments::Argument;
use super::convert::input::{flag_if_it_is, wrong_type};
use crate::api::{InvalidArgument, Request};
use crate::client::{Client, Download, Error, Transferred};

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
        ),
        PyStaticExpr::Constant { value: PyStaticConstant::None }
    );

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(is_wanted) = flag_if_it_is(&given)? {
            if !is_wanted {
                return Ok(Self(None));
            }
            let bar = given.py().import("canvas_studio._progress")?.getattr("Bar")?.call0()?;
            return Ok(Self(Some(bar.unbind())));
        }
        if given.is_none() {
            return Ok(Self(None));
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

/// A download and its progress.
pub(crate) struct DownloadWithProgress {
    download: Download,
    progress: Progress,
    transferred: Arc<Transferred>,
}

impl DownloadWithProgress {
    pub(crate) fn new(
        request: Result<Request<Url>, InvalidArgument>,
        path: PathBuf,
        progress: Progress,
        max_bytes: Option<i64>,
    ) -> Result<Self, InvalidArgument> {
        let download = Download::new(request?, path, max_bytes)?;
        Ok(Self { download, progress, transferred: Arc::new(Transferred::new()) })
    }
}

impl Operation for DownloadWithProgress {
    type Result = PathBuf;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<PathBuf, Error>> + Send + 'static {
        let (download, transferred) = (self.download.clone(), Arc::clone(&self.transferred));
        async move { client.ok_or(Error::Closed)?.download(&download, &transferred).await }
    }

    fn has_progress(&self) -> bool {
        self.progress.0.is_some()
    }

    fn report_progress<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(callable) = &self.progress.0 else { return Ok(None) };
        let returned = callable.bind(py).call1(self.transferred.read())?;
        Ok(returned.get_type().hasattr("__await__")?.then_some(returned))
    }

    fn check(&self, py: Python<'_>, is_blocking: bool) -> PyResult<()> {
        let Some(callable) = self.progress.0.as_ref().filter(|_| is_blocking) else { return Ok(()) };
        let is_async = py.import("canvas_studio._progress")?.call_method1("is_async", (callable,))?.is_truthy()?;
        if is_async { Err(needs_async_call()) } else { Ok(()) }
    }
}
