//! `Awaitable`: what an async method of Python's awaits, over a Rust future.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration, PyValueError};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTraceback, PyWeakrefReference};
use pyo3::{IntoPyObjectExt, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::event_loop::{TaskWaker, WakeQueue, running_loop};
use super::exit::before_exit;
use super::interruption::ending;
use crate::python::panics;

/// A future with a Python object as its result.
pub(super) type Running = Pin<Box<dyn Future<Output = PyResult<Py<PyAny>>> + Send>>;

/// An awaitable whose result is a `T`.
pub(crate) struct AwaitableOf<T> {
    awaitable: Awaitable,
    result: PhantomData<fn() -> T>,
}

impl<T: for<'py> IntoPyObject<'py> + Send + 'static> AwaitableOf<T> {
    /// Makes an awaitable of a future, which begins when it is awaited.
    pub(crate) fn new(running: impl Future<Output = PyResult<T>> + Send + 'static) -> Self {
        let running = Box::pin(async move {
            let result = running.await?;
            Python::attach(|py| result.into_py_any(py))
        });
        Self {
            awaitable: Awaitable(Mutex::new(State { running: Some(running), wait_state: None })),
            result: PhantomData,
        }
    }
}

impl<'py, T: IntoPyObject<'py>> IntoPyObject<'py> for AwaitableOf<T> {
    type Target = Awaitable;
    type Output = Bound<'py, Awaitable>;
    type Error = PyErr;
    #[cfg(feature = "stubs")]
    const OUTPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("collections.abc", "Awaitable"), T::OUTPUT_TYPE);

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Bound::new(py, self.awaitable)
    }
}

/// The iterator that `await` goes through. Python's own coroutine around it sees to the rest.
#[pyclass(frozen, name = "awaitable", module = "canvas_studio._core")]
pub(crate) struct Awaitable(Mutex<State>);

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

impl Awaitable {
    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        self.0.try_lock().map_err(|_| PyValueError::new_err("coroutine already executing"))
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
impl Awaitable {
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
        ending(py, &error, || self.cancel())?;
        Err(error)
    }

    fn close(&self) -> PyResult<()> {
        self.cancel()
    }

    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.resume(py)
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
