//! The queue through which Rust futures wake a Python event loop.
//!
//! A future that can make progress, on whatever thread, puts the waker of its coroutine into the queue of that
//! coroutine's loop. If the queue was empty, it also writes a byte into a pipe that the loop watches. The loop's own
//! thread then drains the queue. So no other thread ever waits for the interpreter, and a closed loop simply has no
//! queue any more.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Wake;
use std::{fmt, mem};

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyWeakrefReference;

use crate::client::PerProcess;
use crate::python::cached::cached;

/// The waker of one coroutine: waking it puts it into the queue of its loop.
pub(crate) struct TaskWaker {
    /// Weak: a closed loop drops its queue, even if a future is still running.
    queue: Weak<WakeQueue>,
    is_queued: AtomicBool,
    /// The asyncio future that the coroutine awaits. Weak: its task holds it. A strong reference here would keep the
    /// garbage collector from seeing that a loop, its tasks and their coroutines are reachable only from each other.
    future: Mutex<Option<Py<PyWeakrefReference>>>,
}

impl TaskWaker {
    pub(crate) fn new(queue: &Arc<WakeQueue>) -> Self {
        Self { queue: Arc::downgrade(queue), is_queued: AtomicBool::new(false), future: Mutex::new(None) }
    }

    /// Sets the future to complete when this waker is woken.
    pub(crate) fn wait(&self, future: Option<Py<PyWeakrefReference>>) {
        let before = mem::replace(&mut *self.future.lock().unwrap_or_else(PoisonError::into_inner), future);
        drop(before);
    }

    /// Takes that future, if it still exists.
    fn take<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.is_queued.swap(false, Ordering::AcqRel);
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        future?.bind(py).upgrade()
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel)
            && let Some(queue) = self.queue.upgrade()
        {
            queue.push(self);
        }
    }
}

/// The wakers of one event loop that were woken.
pub(crate) struct WakeQueue {
    event_loop: Py<PyWeakrefReference>,
    pending: Mutex<PendingWakers>,
    wake_pipe: WakePipe,
}

#[derive(Default)]
struct PendingWakers {
    wakers: Vec<Arc<TaskWaker>>,
    /// Whether the loop was notified that there are some.
    is_notified: bool,
}

/// How a loop is notified that its queue is not empty.
enum WakePipe {
    /// By a byte in a pipe that it watches. Neither end ever blocks.
    #[cfg(unix)]
    Pipe { writer: std::io::PipeWriter, reader: std::io::PipeReader },
    /// By `call_soon_threadsafe`, for loops that cannot watch a pipe, as on Windows.
    CallSoon,
}

/// The queues, by the address of their loop.
static QUEUES: PerProcess<Mutex<HashMap<usize, Weak<WakeQueue>>>> = PerProcess::new();

impl WakeQueue {
    /// The queue of a loop, made if there is none yet.
    pub(crate) fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let Ok(queues) = QUEUES.get(|| Ok::<_, Infallible>(Mutex::default()));
        let queues = || queues.lock().unwrap_or_else(PoisonError::into_inner);
        let address = event_loop.as_ptr().addr();
        let found = queues().get(&address).and_then(Weak::upgrade);
        // Another loop may have had this address before.
        if let Some(queue) = found
            && queue.event_loop.bind(py).upgrade().is_some_and(|found| found.is(event_loop))
        {
            return Ok(queue);
        }
        let queue = Self::new(event_loop)?;
        let mut queues = queues();
        queues.retain(|_, queue| queue.strong_count() > 0);
        queues.insert(address, Arc::downgrade(&queue));
        Ok(queue)
    }

    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let make = |wake_pipe| -> PyResult<Arc<Self>> {
            let event_loop = PyWeakrefReference::new(event_loop)?.unbind();
            Ok(Arc::new(Self { event_loop, pending: Mutex::default(), wake_pipe }))
        };
        #[cfg(unix)]
        {
            use pyo3::exceptions::PyNotImplementedError;
            use std::io::{PipeReader, PipeWriter};
            use std::os::fd::AsRawFd;
            let py = event_loop.py();
            let (reader, writer) = std::io::pipe()?;
            let (reader, writer): (PipeReader, PipeWriter) = (nonblocking(reader)?, nonblocking(writer)?);
            let watched = reader.as_raw_fd();
            let queue = make(WakePipe::Pipe { writer, reader })?;
            // The loop holds it from now on, and drops it when it is closed.
            let drain = DrainQueue(Arc::clone(&queue));
            match event_loop.call_method1(intern!(py, "add_reader"), (watched, wake(py)?, drain)) {
                Ok(_) => return Ok(queue),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
                Err(error) => return Err(error),
            }
        }
        make(WakePipe::CallSoon)
    }

    fn pending(&self) -> MutexGuard<'_, PendingWakers> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, waker: Arc<TaskWaker>) {
        let was_notified = {
            let mut pending = self.pending();
            pending.wakers.push(waker);
            mem::replace(&mut pending.is_notified, true)
        };
        if !was_notified {
            self.notify();
        }
    }

    /// Notifies the loop. If that fails, the loop is closed, and there is nothing to do.
    fn notify(self: &Arc<Self>) {
        match &self.wake_pipe {
            #[cfg(unix)]
            WakePipe::Pipe { writer, .. } => {
                use std::io::Write;
                let _ = (&*writer).write(&[1]);
            }
            WakePipe::CallSoon => {
                Python::try_attach(|py| {
                    let event_loop = self.event_loop.bind(py).upgrade()?;
                    let drain = DrainQueue(Arc::clone(self));
                    let wake = wake(py).ok()?;
                    event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (wake, drain)).ok().map(drop)
                });
            }
        }
    }

    /// Takes the futures of all wakers in it. Called on the thread of the loop.
    fn drain<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        #[cfg(unix)]
        if let WakePipe::Pipe { reader, .. } = &self.wake_pipe {
            use std::io::Read;
            let _ = (&*reader).read(&mut [0; 16]);
        }
        let wakers = {
            let mut pending = self.pending();
            pending.is_notified = false;
            mem::take(&mut pending.wakers)
        };
        wakers.iter().filter_map(|waker| waker.take(py)).collect()
    }
}

/// Makes one end of a pipe non-blocking.
#[cfg(unix)]
fn nonblocking<End: From<std::os::fd::OwnedFd>>(end: impl Into<std::os::fd::OwnedFd>) -> std::io::Result<End> {
    // The standard library offers this for sockets only, but by a call that works on any descriptor.
    let end = std::os::unix::net::UnixStream::from(end.into());
    end.set_nonblocking(true)?;
    Ok(End::from(end.into()))
}

impl fmt::Debug for WakeQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WakeQueue").finish_non_exhaustive()
    }
}

/// Called by `canvas_studio._waking.wake` when the queue is not empty: it returns the futures to complete.
#[pyclass(frozen, module = "canvas_studio._core")]
#[derive(Debug)]
struct DrainQueue(Arc<WakeQueue>);

#[pymethods]
impl DrainQueue {
    fn __call__<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        self.0.drain(py)
    }
}

/// The function that completes the futures. It is written in Python: the interpreter may stop a thread inside of it,
/// and if that happened in here, the process would abort.
fn wake(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("canvas_studio._waking")?.getattr("wake")
}

pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get = cached(py, &GET_RUNNING_LOOP, || Ok(py.import("asyncio")?.getattr("get_running_loop")?.unbind()))?;
    get.bind(py).call0().map_err(|error| {
        if !error.is_instance_of::<PyRuntimeError>(py) {
            return error;
        }
        let instead = PyRuntimeError::new_err(
            "no running event loop of asyncio, which the async methods need: with another library, such as trio, use the \
             blocking ones on a thread (trio.to_thread.run_sync)",
        );
        instead.set_cause(py, Some(error));
        instead
    })
}
