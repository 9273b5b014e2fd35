//! What is awaited: a coroutine as Python's own are, over a Rust future, and the queue by which such futures wake the
//! event loop.
//!
//! What has something new for a coroutine, on whatever thread, puts it into the queue of the coroutine's loop. If nothing
//! was in there, it also writes a byte into a pipe that the loop watches. The loop's own thread then takes all that is in
//! the queue. So no foreign thread ever waits for the interpreter, and a loop that is closed is simply not there any more.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ffi::CString;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::{fmt, mem};

use pyo3::exceptions::{
    PyBaseException, PyNotImplementedError, PyRuntimeError, PyRuntimeWarning, PyStopIteration, PyTypeError,
    PyValueError,
};
#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyIterator, PyTraceback, PyWeakrefReference};
use pyo3::{IntoPyObjectExt, intern};
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use super::exit::before_exit;
use crate::client::PerProcess;
use crate::python::cached::cached;
use crate::python::faults;

type Running = Pin<Box<dyn Future<Output = PyResult<Py<PyAny>>> + Send>>;

/// A coroutine that returns a `T`.
pub(crate) struct CoroutineOf<T> {
    coroutine: Coroutine,
    result: PhantomData<fn() -> T>,
}

impl<T: for<'py> IntoPyObject<'py> + Send + 'static> CoroutineOf<T> {
    /// Makes a coroutine of a future, which begins when it is awaited. `name` is the method's, with its class.
    pub(crate) fn new(name: &'static str, running: impl Future<Output = PyResult<T>> + Send + 'static) -> Self {
        let running = Box::pin(async move {
            let result = running.await?;
            Python::attach(|py| result.into_py_any(py))
        });
        let coroutine = Coroutine { name, state: Mutex::new(State { running: Some(running), place: None }) };
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

/// A coroutine: what Python's own can do, and what they refuse, this one does, too.
#[pyclass(frozen, name = "coroutine", module = "canvas_studio._core", weakref)]
pub(crate) struct Coroutine {
    name: &'static str,
    state: Mutex<State>,
}

struct State {
    /// Nothing, once it has ended.
    running: Option<Running>,
    /// Nothing before it is awaited.
    place: Option<Place>,
}

/// Where a coroutine waits.
struct Place {
    /// Held, so that it lives as long as somebody waits in it.
    _queue: Arc<Queue>,
    ticket: Arc<Ticket>,
}

impl Coroutine {
    fn state(&self) -> PyResult<MutexGuard<'_, State>> {
        self.state.try_lock().map_err(|_| PyValueError::new_err("coroutine already executing"))
    }

    /// Goes on until there is something to wait for, and gives that to the event loop.
    fn go_on(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        // What runs here is Python's in part, which may let another thread end the interpreter.
        before_exit(|| self.next(py))
    }

    fn next(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut state = self.state()?;
        let State { running, place } = &mut *state;
        let Some(future) = running else {
            return Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"));
        };
        let ticket = match place {
            Some(place) => &place.ticket,
            None => match Place::here(py) {
                Ok(here) => &place.insert(here).ticket,
                Err(error) => {
                    // It was awaited, if in vain.
                    let ended = running.take();
                    drop(state);
                    drop(ended);
                    return Err(error);
                }
            },
        };
        let waker = Waker::from(Arc::clone(ticket));
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(Poll::Pending) => {
                let future = running_loop(py)?.call_method0(intern!(py, "create_future"))?;
                ticket.wait(Some(PyWeakrefReference::new(&future)?.unbind()));
                // A future of asyncio gives out itself, once.
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
                Err(faults::exception(panic.as_ref()))
            }
        }
    }

    /// Ends it. What it was about is given up.
    fn end(&self) -> PyResult<()> {
        let ended = {
            let mut state = self.state()?;
            if let Some(place) = &state.place {
                place.ticket.wait(None);
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
        if !value.is_none() && self.state()?.place.is_none() {
            return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
        }
        self.go_on(py)
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
        self.end()?;
        Err(error)
    }

    fn close(&self) -> PyResult<()> {
        self.end()
    }

    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        {
            let state = slf.get().state()?;
            if state.running.is_some() && state.place.is_some() {
                return Err(PyRuntimeError::new_err("coroutine is being awaited already"));
            }
        }
        Ok(slf)
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.go_on(py)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!("<coroutine object {} at {:#x}>", slf.get().name, slf.as_ptr().addr())
    }
}

impl Drop for Coroutine {
    /// Tells of a coroutine that was forgotten, as Python does of its own.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.running.is_none() || state.place.is_some() {
            return;
        }
        let Ok(message) = CString::new(format!("coroutine '{}' was never awaited", self.name)) else { return };
        let warn = |py: Python<'_>| {
            // It may be dropped because of an exception, which is on its way.
            let under_way = PyErr::take(py);
            if let Err(error) = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1) {
                error.write_unraisable(py, None);
            }
            if let Some(error) = under_way {
                error.restore(py);
            }
        };
        let _ = before_exit(|| {
            Python::try_attach(warn);
            Ok(())
        });
    }
}

/// What a coroutine waits with: whoever has something new for it puts it into the queue.
struct Ticket {
    /// Not held: a loop that is closed lets go of its queue, whoever is still under way.
    queue: Weak<Queue>,
    is_waiting: AtomicBool,
    /// The future of asyncio's for which the coroutine waits. Its task holds it; if this did, too, the garbage collector
    /// could not see that a loop, its tasks and their coroutines are there for each other only.
    future: Mutex<Option<Py<PyWeakrefReference>>>,
}

impl Ticket {
    /// Sets what is to be told when there is something new.
    fn wait(&self, future: Option<Py<PyWeakrefReference>>) {
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

impl Place {
    /// In the loop that runs.
    fn here(py: Python<'_>) -> PyResult<Self> {
        let queue = Queue::of(&running_loop(py)?)?;
        let ticket =
            Ticket { queue: Arc::downgrade(&queue), is_waiting: AtomicBool::new(false), future: Mutex::new(None) };
        Ok(Self { _queue: queue, ticket: Arc::new(ticket) })
    }
}

impl Queue {
    /// That of a loop, which is made if there is none yet.
    fn of(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
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

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
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
