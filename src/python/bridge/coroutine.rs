//! `coroutine`: an awaitable over a Rust future that behaves as Python's own coroutines do.

use std::ffi::CString;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyRuntimeWarning, PyStopIteration, PyTypeError, PyValueError};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTraceback, PyWeakrefReference};
use pyo3::{IntoPyObjectExt, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::event_loop::{TaskWaker, WakeQueue, running_loop};
use super::exit::before_exit;
use crate::python::panics;

type Running = Pin<Box<dyn Future<Output = PyResult<Py<PyAny>>> + Send>>;

/// A coroutine that returns a `T`.
pub(crate) struct CoroutineOf<T> {
    coroutine: Coroutine,
    result: PhantomData<fn() -> T>,
}

impl<T: for<'py> IntoPyObject<'py> + Send + 'static> CoroutineOf<T> {
    /// Makes a coroutine from a future, which starts when it is awaited. `name` is `Class.method`.
    pub(crate) fn new(name: &'static str, running: impl Future<Output = PyResult<T>> + Send + 'static) -> Self {
        let running = Box::pin(async move {
            let result = running.await?;
            Python::attach(|py| result.into_py_any(py))
        });
        let coroutine = Coroutine { name, state: Mutex::new(State { running: Some(running), wait_state: None }) };
        Self { coroutine, result: PhantomData }
    }
}

impl<'py, T: IntoPyObject<'py>> IntoPyObject<'py> for CoroutineOf<T> {
    type Target = Coroutine;
    type Output = Bound<'py, Coroutine>;
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const OUTPUT_TYPE: PyStaticExpr = type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Coroutine"),
        type_hint_identifier!("typing", "Any"),
        type_hint_identifier!("typing", "Any"),
        T::OUTPUT_TYPE
    );

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Bound::new(py, self.coroutine)
    }
}

/// A coroutine, with the methods and the errors of Python's own.
#[pyclass(frozen, name = "coroutine", module = "canvas_studio._core", weakref)]
pub(crate) struct Coroutine {
    name: &'static str,
    state: Mutex<State>,
}

struct State {
    /// None once it has ended.
    running: Option<Running>,
    /// None until it is awaited.
    wait_state: Option<WaitState>,
}

/// The queue and the waker of a coroutine that is being awaited.
struct WaitState {
    /// Held, so that it lives as long as a coroutine waits in it.
    _queue: Arc<WakeQueue>,
    task_waker: Arc<TaskWaker>,
}

impl Coroutine {
    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        self.state.try_lock().map_err(|_| PyValueError::new_err("coroutine already executing"))
    }

    /// Runs until there is something to wait for, and gives that to the event loop.
    fn resume(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        // Part of this is Python code, during which another thread may begin an exit.
        before_exit(|| self.next(py))
    }

    fn next(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut state = self.state()?;
        let State { running, wait_state } = &mut *state;
        let Some(future) = running else {
            return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
        };
        let task_waker = match wait_state {
            Some(wait_state) => &wait_state.task_waker,
            None => match WaitState::new(py) {
                Ok(new) => &wait_state.insert(new).task_waker,
                Err(error) => {
                    // The failed attempt counts as awaited.
                    let ended = running.take();
                    drop(state);
                    drop(ended);
                    return Err(error);
                }
            },
        };
        let waker = Waker::from(Arc::clone(task_waker));
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(Poll::Pending) => {
                let future = running_loop(py)?.call_method0(intern!(py, "create_future"))?;
                task_waker.wait(Some(PyWeakrefReference::new(&future)?.unbind()));
                // The iterator of an asyncio future yields the future itself, once.
                let given = PyIterator::from_object(&future)?.next();
                given.unwrap_or_else(|| Ok(py.None().into_bound(py))).map(Bound::unbind)
            }
            Ok(Poll::Ready(result)) => {
                let ended = running.take();
                drop(state);
                drop(ended);
                Err(PyStopIteration::new_err((result?,)))
            }
            Err(panic) => {
                let ended = running.take();
                drop(state);
                drop(ended);
                Err(panics::exception(panic.as_ref()))
            }
        }
    }

    /// Ends it and drops its future.
    fn cancel(&self) -> PyResult<()> {
        let ended = {
            let mut state = self.state()?;
            if let Some(wait_state) = &state.wait_state {
                wait_state.task_waker.wait(None);
            }
            state.running.take()
        };
        drop(ended);
        Ok(())
    }
}

#[pymethods]
impl Coroutine {
    #[getter]
    fn __name__(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        self.name
    }

    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        if !value.is_none() && self.state()?.wait_state.is_none() {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
        }
        self.resume(py)
    }

    #[pyo3(signature = (typ, val=None, tb=None, /))]
    fn throw(
        &self,
        typ: Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyTraceback>>,
    ) -> PyResult<Py<PyAny>> {
        let py = typ.py();
        let error = match val {
            None => PyErr::from_value(typ),
            Some(val) if val.is_instance_of::<PyBaseException>() => PyErr::from_value(val),
            Some(val) => PyErr::from_value(typ.call1((val,))?),
        };
        if tb.is_some() {
            error.set_traceback(py, tb);
        }
        if self.state()?.running.is_none() {
            return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
        }
        self.cancel()?;
        Err(error)
    }

    fn close(&self) -> PyResult<()> {
        self.cancel()
    }

    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        {
            let state = slf.get().state()?;
            if state.running.is_some() && state.wait_state.is_some() {
                return Err(PyRuntimeError::new_err("coroutine is being awaited already"));
            }
        }
        Ok(slf)
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.resume(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<coroutine object {} at {:#x}>", slf.get().name, slf.as_ptr().addr())
    }
}

impl Drop for Coroutine {
    /// Warns of a coroutine that was never awaited, as Python does.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.running.is_none() || state.wait_state.is_some() {
            return;
        }
        let Ok(message) = CString::new(format!("coroutine '{}' was never awaited", self.name)) else { return };
        let warn = |py: Python<'_>| {
            // It may be dropped because of an exception that is being raised.
            let raised = PyErr::take(py);
            if let Err(error) = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1) {
                error.write_unraisable(py, None);
            }
            if let Some(error) = raised {
                error.restore(py);
            }
        };
        let _ = before_exit(|| {
            Python::try_attach(warn);
            Ok(())
        });
    }
}

impl WaitState {
    /// For the running event loop.
    fn new(py: Python<'_>) -> PyResult<Self> {
        let queue = WakeQueue::of(&running_loop(py)?)?;
        let task_waker = Arc::new(TaskWaker::new(&queue));
        Ok(Self { _queue: queue, task_waker })
    }
}
