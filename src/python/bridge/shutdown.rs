//! The hooks that Python calls when the interpreter exits, and in the child of a fork.

use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::{exit, logs, runtime};
use crate::client::auth::renewals_under_way;
use crate::client::process;

/// How long an exit waits for calls in other threads.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// How long an exit waits for token refreshes: losing the new tokens would force a new login.
const RENEWAL_LIMIT: Duration = Duration::from_secs(10);

/// Stops all work before the interpreter is finalized: a thread that returned to Python later would abort the process.
///
/// Registered with `atexit` when the package is imported.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) -> PyResult<()> {
    logs::stop(py);
    exit::begin();
    let runtime = runtime::take_shared_runtime();
    // A call ends at its next tick. Ctrl-C does not end this wait, since a call that returned later would end the process
    // by a signal.
    wait_without_signals(py, exit::calls_in_progress);
    let waited = wait_until_none(py, RENEWAL_LIMIT, renewals_under_way);
    // After Ctrl-C, wait for nothing more.
    let limit = if waited.is_ok() { CALL_LIMIT } else { Duration::ZERO };
    // What the end of the runtime wakes parks, and does not return to Python.
    exit::finish();
    py.detach(|| {
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(limit);
        }
        runtime::stop_caller_runtime();
    });
    wait_without_signals(py, exit::native_threads);
    waited
}

/// Waits until the count is zero, for two seconds at most, whatever signals arrive.
fn wait_without_signals(py: Python<'_>, count: impl Fn() -> usize) {
    let deadline = Instant::now() + CALL_LIMIT;
    while count() > 0 && Instant::now() < deadline {
        py.detach(|| thread::sleep(Duration::from_millis(1)));
    }
}

/// Waits until the count is zero, up to a limit. Ctrl-C ends the wait.
fn wait_until_none(py: Python<'_>, limit: Duration, count: impl Fn() -> usize) -> PyResult<()> {
    let deadline = Instant::now() + limit;
    while count() > 0 && Instant::now() < deadline {
        py.detach(|| thread::sleep(Duration::from_millis(1)));
        py.check_signals()?;
    }
    Ok(())
}

/// Marks this process as the child of a fork. The threads that run requests stayed in the parent.
///
/// Registered with `os.register_at_fork` when the package is imported.
#[pyfunction]
pub(crate) fn forked() {
    process::forked();
}
