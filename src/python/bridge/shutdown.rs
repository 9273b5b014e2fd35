//! What Python calls when the interpreter exits, and in the child of a fork.

use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::{exit, logs, runtime};
use crate::client::auth::renewals_under_way;
use crate::client::process;

/// How long an exit waits for the calls that other threads have under way.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits for tokens that are being renewed: without them somebody would have to log in again.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(10);

/// Stops everything before the interpreter is taken apart: a thread that came back later would end the process.
///
/// Registered with `atexit` when the package is imported.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) -> PyResult<()> {
    logs::stop(py);
    exit::begin();
    let runtime = runtime::take_shared();
    let waited = wait_until_none(py, PATIENCE, exit::calls_under_way)
        .and_then(|()| wait_until_none(py, RENEWAL_PATIENCE, renewals_under_way));
    // After Ctrl-C nothing more is waited for.
    let patience = if waited.is_ok() { PATIENCE } else { Duration::ZERO };
    py.detach(|| {
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(patience);
        }
        runtime::stop_lane();
    });
    exit::finish();
    waited
}

/// Waits at exit until nothing is under way any more, but no longer than that. Ctrl-C ends it.
fn wait_until_none(py: Python<'_>, patience: Duration, count: impl Fn() -> usize) -> PyResult<()> {
    let deadline = Instant::now() + patience;
    while count() > 0 && Instant::now() < deadline {
        py.detach(|| thread::sleep(Duration::from_millis(1)));
        py.check_signals()?;
    }
    Ok(())
}

/// Lets the child of a fork know that it is one: what runs the requests stayed in the parent.
///
/// Registered with `os.register_at_fork` when the package is imported.
#[pyfunction]
pub(crate) fn forked() {
    process::forked();
}
