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
    let waited = wait_until_none(py, CALL_LIMIT, exit::calls_in_progress)
        .and_then(|()| wait_until_none(py, RENEWAL_LIMIT, renewals_under_way));
    // After Ctrl-C, wait for nothing more.
    let limit = if waited.is_ok() { CALL_LIMIT } else { Duration::ZERO };
    py.detach(|| {
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(limit);
        }
        runtime::stop_caller_runtime();
    });
    exit::finish();
    // Ctrl-C does not end this wait: it is short, and without it the process could abort.
    let deadline = Instant::now() + CALL_LIMIT;
    while exit::native_threads() > 0 && Instant::now() < deadline {
        py.detach(|| thread::sleep(Duration::from_millis(1)));
    }
    waited
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
