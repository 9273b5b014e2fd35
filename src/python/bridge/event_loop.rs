//! The queue by which Rust futures wake an event loop of Python's.
//!
//! What has something new for a coroutine, on whatever thread, puts it into the queue of the coroutine's loop. If nothing
//! was in there, it also writes a byte into a pipe that the loop watches. The loop's own thread then takes all that is in
//! the queue. So no foreign thread ever waits for the interpreter, and a loop that is closed is simply not there any more.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Wake;
use std::{fmt, mem};

use pyo3::exceptions::{PyNotImplementedError, PyRuntimeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyWeakrefReference;

use crate::client::PerProcess;
use crate::python::cached::cached;

/// What a coroutine waits with: whoever has something new for it puts it into the queue.
pub(crate) struct Ticket {
    /// Not held: a loop that is closed lets go of its queue, whoever is still under way.
    queue: Weak<Queue>,
    is_waiting: AtomicBool,
    /// The future of asyncio's for which the coroutine waits. Its task holds it; if this did, too, the garbage collector
    /// could not see that a loop, its tasks and their coroutines are there for each other only.
    future: Mutex<Option<Py<PyWeakrefReference>>>,
}

impl Ticket {
    pub(crate) fn new(queue: &Arc<Queue>) -> Self {
        Self { queue: Arc::downgrade(queue), is_waiting: AtomicBool::new(false), future: Mutex::new(None) }
    }

    /// Sets what is to be told when there is something new.
    pub(crate) fn wait(&self, future: Option<Py<PyWeakrefReference>>) {
        let before = mem::replace(&mut *self.future.lock().unwrap_or_else(PoisonError::into_inner), future);
        drop(before);
    }

    /// What is to be told, if it is still there.
    fn take<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.is_waiting.swap(false, Ordering::AcqRel);
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        future?.bind(py).upgrade()
    }
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        if !self.is_waiting.swap(true, Ordering::AcqRel)
            && let Some(queue) = self.queue.upgrade()
        {
            queue.put(self);
        }
    }
}

/// The coroutines of one event loop for which there is something new.
pub(crate) struct Queue {
    event_loop: Py<PyWeakrefReference>,
    waiting: Mutex<Waiting>,
    bell: Bell,
}

#[derive(Default)]
struct Waiting {
    tickets: Vec<Arc<Ticket>>,
    /// Whether the loop knows that there are some.
    is_told: bool,
}

/// How a loop is told that there is something in its queue.
enum Bell {
    /// A byte in a pipe that it watches. Neither end ever waits.
    #[cfg(unix)]
    Pipe { rings: std::io::PipeWriter, is_heard: std::io::PipeReader },
    /// By `call_soon_threadsafe`: for loops that watch no pipe, as that of Windows.
    Call,
}

/// The queues, by the address of their loop.
static QUEUES: PerProcess<Mutex<HashMap<usize, Weak<Queue>>>> = PerProcess::new();

impl Queue {
    /// That of a loop, which is made if there is none yet.
    pub(crate) fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let Ok(queues) = QUEUES.get(|| Ok::<_, Infallible>(Mutex::default()));
        let queues = || queues.lock().unwrap_or_else(PoisonError::into_inner);
        let address = event_loop.as_ptr().addr();
        let found = queues().get(&address).and_then(Weak::upgrade);
        // Another loop may have been there before.
        if let Some(queue) = found
            && queue.event_loop.bind(py).upgrade().is_some_and(|found| found.is(event_loop))
        {
            return Ok(queue);
        }
        let queue = Self::watched_by(event_loop)?;
        let mut queues = queues();
        queues.retain(|_, queue| queue.strong_count() > 0);
        queues.insert(address, Arc::downgrade(&queue));
        Ok(queue)
    }

    fn watched_by(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let make = |bell| -> PyResult<Arc<Self>> {
            let event_loop = PyWeakrefReference::new(event_loop)?.unbind();
            Ok(Arc::new(Self { event_loop, waiting: Mutex::default(), bell }))
        };
        #[cfg(unix)]
        {
            use std::io::{PipeReader, PipeWriter};
            use std::os::fd::AsRawFd;
            let (is_heard, rings) = std::io::pipe()?;
            let (is_heard, rings): (PipeReader, PipeWriter) = (never_waiting(is_heard)?, never_waiting(rings)?);
            let watched = is_heard.as_raw_fd();
            let queue = make(Bell::Pipe { rings, is_heard })?;
            // The loop holds it from now on, and lets go of it when it is closed.
            let emptying = Emptying(Arc::clone(&queue));
            match event_loop.call_method1(intern!(py, "add_reader"), (watched, wake(py)?, emptying)) {
                Ok(_) => return Ok(queue),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
                Err(error) => return Err(error),
            }
        }
        make(Bell::Call)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(self: &Arc<Self>, ticket: Arc<Ticket>) {
        let was_told = {
            let mut waiting = self.waiting();
            waiting.tickets.push(ticket);
            mem::replace(&mut waiting.is_told, true)
        };
        if !was_told {
            self.tell();
        }
    }

    /// Rings the bell. If nobody hears it, the loop is closed, and there is nothing to be done.
    fn tell(self: &Arc<Self>) {
        match &self.bell {
            #[cfg(unix)]
            Bell::Pipe { rings, .. } => {
                use std::io::Write;
                let _ = (&*rings).write(&[1]);
            }
            Bell::Call => {
                Python::try_attach(|py| {
                    let event_loop = self.event_loop.bind(py).upgrade()?;
                    let emptying = Emptying(Arc::clone(self));
                    let wake = wake(py).ok()?;
                    event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (wake, emptying)).ok().map(drop)
                });
            }
        }
    }

    /// Takes all that is in it; on the thread of the loop.
    fn empty<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        #[cfg(unix)]
        if let Bell::Pipe { is_heard, .. } = &self.bell {
            use std::io::Read;
            let _ = (&*is_heard).read(&mut [0; 16]);
        }
        let tickets = {
            let mut waiting = self.waiting();
            waiting.is_told = false;
            mem::take(&mut waiting.tickets)
        };
        tickets.iter().filter_map(|ticket| ticket.take(py)).collect()
    }
}

/// Makes one end of a pipe refuse where it would have to wait.
#[cfg(unix)]
fn never_waiting<End: From<std::os::fd::OwnedFd>>(end: impl Into<std::os::fd::OwnedFd>) -> std::io::Result<End> {
    // The standard library sets that of sockets only, but by a call that takes any descriptor.
    let end = std::os::unix::net::UnixStream::from(end.into());
    end.set_nonblocking(true)?;
    Ok(End::from(end.into()))
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// What Python's few lines call when there is something in the queue: the futures to be told.
#[pyclass(frozen, module = "canvas_studio._core")]
#[derive(Debug)]
struct Emptying(Arc<Queue>);

#[pymethods]
impl Emptying {
    fn __call__<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        self.0.empty(py)
    }
}

/// They are Python's, since the interpreter may end a thread in the middle of them, which would end the process in here.
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
