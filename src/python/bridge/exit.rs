//! The state of an exit: whether the interpreter is exiting, and how many calls are in progress.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::Poll;
use std::thread::{self, ThreadId};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::client::{Error, PerProcess};
use crate::python::errors::to_python;

/// Calls that have entered this crate and have not returned to Python.
static CALLS: PerProcess<AtomicUsize> = PerProcess::new();
/// Threads of Rust's that run Python code at this moment.
static NATIVE_THREADS: PerProcess<AtomicUsize> = PerProcess::new();
/// Set when the exit waits for nothing more: the interpreter is finalized next.
static FINALIZED: PerProcess<()> = PerProcess::new();
/// The thread that finalizes the interpreter, once an exit has begun.
static EXITING: PerProcess<ThreadId> = PerProcess::new();

/// Marks this thread as the one that finalizes the interpreter.
pub(crate) fn begin() {
    let Ok(_) = EXITING.get(|| Ok::<_, Infallible>(thread::current().id()));
}

/// Marks the end of all waiting: the interpreter is finalized next.
pub(crate) fn finish() {
    let Ok(_) = FINALIZED.get(|| Ok::<_, Infallible>(()));
}

/// Whether an exit has begun.
pub(crate) fn has_begun() -> bool {
    EXITING.existing().is_some()
}

/// How many calls are in progress.
pub(crate) fn calls_in_progress() -> usize {
    CALLS.existing().map_or(0, |calls| calls.load(Ordering::SeqCst))
}

/// How many threads of Rust's run Python code.
pub(crate) fn native_threads() -> usize {
    fence(Ordering::SeqCst);
    NATIVE_THREADS.existing().map_or(0, |threads| threads.load(Ordering::SeqCst))
}

/// Runs a few lines of Python on a thread of Rust's, unless the interpreter is finalized next. An exit waits for them,
/// even after Ctrl-C: if the interpreter stopped the thread inside of them, the process would abort.
pub(crate) fn on_native_thread(run: impl FnOnce()) {
    let Ok(threads) = NATIVE_THREADS.get(|| Ok::<_, Infallible>(AtomicUsize::new(0)));
    threads.fetch_add(1, Ordering::SeqCst);
    let _thread = CallGuard(threads);
    // Either this sees that the exit has finished, or the exit sees this thread.
    fence(Ordering::SeqCst);
    if FINALIZED.existing().is_none() {
        run();
    }
}

/// Runs a few lines of Python on a thread of their own, because a worker of the runtime must not wait for the
/// interpreter. It is an error if the interpreter is finalized next.
pub(crate) async fn on_new_thread<T: Send + 'static>(
    run: impl FnOnce(Python<'_>) -> T + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = oneshot::channel();
    let run = move |py: Python<'_>| sender.send(run(py));
    // If it does not run, dropping the sender ends the wait.
    thread::Builder::new()
        .spawn(|| on_native_thread(|| drop(Python::try_attach(run))))
        .map_err(|error| Error::Setup(format!("no thread for the token store: {error}")))?;
    receiver.await.map_err(|_| Error::Exiting)
}

/// Awaits a future that may run Python code. It never ends if the interpreter is finalized next.
pub(crate) async fn unless_finalizing<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let mut polled = Poll::Pending;
        on_native_thread(|| polled = future.as_mut().poll(context));
        polled
    })
    .await
}

/// Parks a thread for good once the interpreter is finalized: returning to it would abort the process.
pub(crate) fn park_if_finalizing() {
    while FINALIZED.existing().is_some() {
        thread::park();
    }
}

/// Raises an error if the interpreter is exiting: on the exiting thread (in an `atexit` function, say) that of a closed
/// client, and on any other thread, which must be a daemon, `SystemExit`, which `threading` handles silently.
pub(crate) fn refuse_at_exit() -> PyResult<()> {
    match EXITING.existing() {
        None => Ok(()),
        Some(exiting) if *exiting == thread::current().id() => Err(to_python(Error::Exiting)),
        Some(_) => Err(PySystemExit::new_err("the interpreter is about to exit")),
    }
}

/// Runs Python code, and makes an exit wait for it as it does for calls. If the interpreter stopped the thread inside
/// this code, the process would abort.
pub(crate) fn before_exit<T>(run: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    let _call = CallGuard::enter();
    refuse_at_exit()?;
    run()
}

/// Counts a call as in progress until it is dropped.
pub(crate) struct CallGuard(Arc<AtomicUsize>);

impl CallGuard {
    pub(crate) fn enter() -> Self {
        let Ok(calls) = CALLS.get(|| Ok::<_, Infallible>(AtomicUsize::new(0)));
        calls.fetch_add(1, Ordering::SeqCst);
        Self(calls)
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
