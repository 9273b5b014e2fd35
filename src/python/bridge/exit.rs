//! Whether the interpreter is about to exit, and how many calls are under way.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use crate::client::{Error, PerProcess};
use crate::python::errors::to_python;

/// How many calls are between their entry into this crate and their return to Python.
static CALLS: PerProcess<AtomicUsize> = PerProcess::new();
/// Set when nothing more is waited for.
static OVER: PerProcess<()> = PerProcess::new();
/// The thread that is about to take the interpreter apart, if one is.
static EXITING: PerProcess<ThreadId> = PerProcess::new();

/// Says that this thread is about to take the interpreter apart.
pub(crate) fn begin() {
    let Ok(_) = EXITING.get(|| Ok::<_, Infallible>(thread::current().id()));
}

/// Says that nothing more is waited for.
pub(crate) fn finish() {
    let Ok(_) = OVER.get(|| Ok::<_, Infallible>(()));
}

pub(crate) fn calls_under_way() -> usize {
    CALLS.existing().map_or(0, |calls| calls.load(Ordering::SeqCst))
}

/// Keeps a thread from going back to an interpreter that is about to be taken apart, which would end the process.
pub(crate) fn stay_if_over() {
    while OVER.existing().is_some() {
        thread::park();
    }
}

/// During exit, refuses what is asked (in an `atexit` function, say). Another thread, which can only be a daemon, is told
/// to exit, which threading does without a word.
pub(crate) fn refuse_at_exit() -> PyResult<()> {
    match EXITING.existing() {
        None => Ok(()),
        Some(exiting) if *exiting == thread::current().id() => Err(to_python(Error::Exiting)),
        Some(_) => Err(PySystemExit::new_err("the interpreter is about to exit")),
    }
}

/// Runs Python code for a caller; an exit waits for it, as it does for calls. A thread that the interpreter ends inside of
/// it would end the process.
pub(crate) fn before_exit<T>(run: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    let _call = Call::enter();
    refuse_at_exit()?;
    run()
}

/// Counts a call for as long as it is under way.
pub(crate) struct Call(Arc<AtomicUsize>);

impl Call {
    pub(crate) fn enter() -> Self {
        let Ok(calls) = CALLS.get(|| Ok::<_, Infallible>(AtomicUsize::new(0)));
        calls.fetch_add(1, Ordering::SeqCst);
        Self(calls)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
