//! Notes for exceptions that end a call from outside: which upload they leave behind, and how far it had come.

use std::cell::RefCell;

use pyo3::intern;
use pyo3::prelude::*;

use super::operation::Operation;

/// Adds a note of the upload that an operation leaves behind, if any, to the exception that ended it.
pub(super) fn with_upload(py: Python<'_>, error: PyErr, operation: &impl Operation) -> PyErr {
    if let Some(note) = operation.end_upload() {
        add_note(py, &error, &note);
    }
    error
}

fn add_note(py: Python<'_>, error: &PyErr, note: &str) {
    // An exception class may have an `add_note` that fails; the exception itself matters more.
    let _ = error.value(py).call_method1(intern!(py, "add_note"), (note,));
}

thread_local! {
    /// The note of the coroutine that was dropped last before its end.
    static NOTE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notices that a coroutine is dropped before its end, as when it is cancelled.
pub(super) struct Interruption<'operation, O: Operation>(Option<&'operation O>);

impl<'operation, O: Operation> Interruption<'operation, O> {
    pub(super) fn of(operation: &'operation O) -> Self {
        Self(Some(operation))
    }

    pub(super) fn did_not_happen(mut self) {
        self.0 = None;
    }
}

impl<O: Operation> Drop for Interruption<'_, O> {
    fn drop(&mut self) {
        let Some(left) = self.0.and_then(Operation::end_upload) else { return };
        let _ = NOTE.try_with(|note| note.replace(Some(left)));
    }
}

/// Drops a coroutine, and adds the note of what it leaves behind to the exception that ends it.
pub(super) fn ending<T>(py: Python<'_>, error: &PyErr, drop: impl FnOnce() -> T) -> T {
    NOTE.take();
    let dropped = drop();
    if let Some(note) = NOTE.take() {
        add_note(py, error, &note);
    }
    dropped
}
