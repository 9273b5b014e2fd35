//! Runs operations and waits for them, on the calling thread or in a coroutine.

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use pyo3::prelude::*;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

use super::caller::for_caller;
use super::development::warn_of_blocking_call;
use super::exit::{CallGuard, refuse_at_exit};
use super::interruption::{Interruption, with_upload};
use super::logs::{self, Log};
use super::operation::Operation;
use super::reports::{ASYNC_LEVEL, BLOCKING_LEVEL, Reports, report, too_late, warn_of};
use super::runtime::{
    CallerRuntime, CleanupOnDrop, IdleRuntime, RuntimeGuard, SharedRuntime, TICK, caller_runtime, cleanup, no_threads,
    off_runtime, shared_runtime,
};
use crate::api::InvalidArgument;
use crate::client::{Client, Error, ExtraPermit, RequestLimit};
use crate::python::convert::output::IntoPython;
use crate::python::errors::{to_python, to_python_with};
use crate::python::panics;

/// Runs an operation on the calling thread. Other Python threads keep running; Ctrl-C ends the operation and its
/// request.
pub(crate) fn run<O: Operation>(
    py: Python<'_>,
    client: Option<&Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as IntoPython>::Python> {
    panics::guarded(|| run_on_this_thread(py, client, operation))
}

fn run_on_this_thread<O: Operation>(
    py: Python<'_>,
    client: Option<&Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as IntoPython>::Python> {
    let operation = operation.map_err(|refusal| to_python(refusal.into()))?;
    operation.check(py, true)?;
    warn_of_blocking_call(py)?;
    let caller_runtime = caller_runtime()?;
    let _cleanup = CleanupOnDrop;
    let executor = Executor::new(&caller_runtime)?;
    let _call = CallGuard::enter();
    let _blocking_call = BlockingCall::enter(client);
    let log = Log::begin(py)?;
    let running = Box::pin(operation.start(client.cloned()));
    let running = log.of(for_caller(py, operation.python_store(py, client), false, running)?);
    let result = wait(py, &executor, &log, &operation, running);
    if !matches!(result, Ok(Ok(_))) {
        // Close the connection of a request that was dropped.
        py.detach(|| executor.run_pending());
    }
    drop(executor);
    end(py, client, &operation, result)
}

/// The result of an operation as Python gets it. An exception that is not the operation's own gets a note of the upload
/// that it leaves behind.
fn end<O: Operation>(
    py: Python<'_>,
    client: Option<&Client>,
    operation: &O,
    result: PyResult<Result<O::Result, Error>>,
) -> PyResult<<O::Result as IntoPython>::Python> {
    match result {
        Ok(Err(error)) => Err(to_python_with(error, client)),
        Ok(Ok(result)) => result.into_python(py, client).map_err(|error| with_upload(py, error, operation)),
        Err(error) => Err(with_upload(py, error, operation)),
    }
}

/// Waits for a future. At every tick it checks for signals and an exit, passes on log records, and reports progress.
fn wait<T: Send>(
    py: Python<'_>,
    executor: &Executor<'_>,
    log: &Log,
    operation: &impl Operation,
    running: impl Future<Output = Result<T, Error>> + Send,
) -> PyResult<Result<T, Error>> {
    let mut running = pin!(running);
    let mut late = None;
    loop {
        let finished = py.detach(|| executor.drive(running.as_mut())).map_err(no_threads)?;
        log.flush(py)?;
        if finished.is_none() {
            py.check_signals()?;
            refuse_at_exit()?;
        }
        if late.is_none()
            && !matches!(finished, Some(Err(_)))
            && let Err(error) = report(py, operation)
        {
            late = Some(too_late(py, error, operation, finished.is_some())?);
        }
        if let Some(result) = finished {
            if let Some(error) = late {
                warn_of(py, &error, BLOCKING_LEVEL)?;
            }
            return Ok(result);
        }
        logs::refresh_level(py)?;
        BlockingCall::resume();
    }
}

/// A blocking call of this thread. If Python code that runs during it (a progress callable, a signal handler, a
/// finalizer) makes a call, the outer request is not driven, but holds a permit of `max_connections`. With no other
/// permit left, the inner call would wait for ever. So the outer call lends its permit.
struct BlockingCall {
    limit: Option<RequestLimit>,
    lent: Option<ExtraPermit>,
}

thread_local! {
    /// The innermost call is the last.
    static BLOCKING_CALLS: RefCell<Vec<BlockingCall>> = const { RefCell::new(Vec::new()) };
}

impl BlockingCall {
    /// Starts a call, perhaps inside another.
    fn enter(client: Option<&Client>) -> EndCallOnDrop {
        Self::lend();
        let limit = client.map(|client| client.limit().clone());
        Self::calls(|calls| calls.push(Self { limit, lent: None }));
        EndCallOnDrop
    }

    /// Makes the innermost call lend its permit, since a call starts inside it.
    fn lend() {
        Self::calls(|calls| {
            if let Some(Self { limit: Some(limit), lent }) = calls.last_mut() {
                lent.get_or_insert_with(|| limit.lend());
            }
        });
    }

    /// Takes back the permit that the innermost call lent, since that goes on.
    fn resume() {
        Self::calls(|calls| {
            if let Some(call) = calls.last_mut() {
                call.lent = None;
            }
        });
    }

    fn calls(change: impl FnOnce(&mut Vec<Self>)) {
        // A finalizer may run after the thread's own data are gone; then there is no outer call.
        let _ = BLOCKING_CALLS.try_with(|calls| change(&mut calls.borrow_mut()));
    }
}

/// Ends the innermost call when it is dropped.
struct EndCallOnDrop;

impl Drop for EndCallOnDrop {
    fn drop(&mut self) {
        BlockingCall::calls(|calls| drop(calls.pop()));
    }
}

/// Closes a client, with its connections on the caller runtime.
pub(crate) fn close(client: &Client) {
    client.close();
    cleanup();
}

/// The runtime that drives the I/O of a blocking call: the caller runtime if it is free, or else the shared one.
enum Executor<'runtime> {
    /// On the calling thread: no work is passed to another thread and back.
    Caller(RuntimeGuard<'runtime>),
    Shared(Arc<SharedRuntime>),
}

impl<'runtime> Executor<'runtime> {
    fn new(caller_runtime: &'runtime CallerRuntime) -> PyResult<Self> {
        Ok(match caller_runtime.hold() {
            Some(guard) => Self::Caller(guard),
            None => Self::Shared(shared_runtime()?),
        })
    }

    /// Drives a future until the next tick; `None` if it is not finished then.
    fn drive<T: Send>(&self, running: Pin<&mut (impl Future<Output = T> + Send)>) -> io::Result<Option<T>> {
        match self {
            Self::Caller(guard) => Ok(guard.runtime.as_ref().and_then(|runtime| runtime.drive(running))),
            Self::Shared(shared) => off_runtime(|| shared.wait(running)),
        }
    }

    fn run_pending(&self) {
        if let Self::Caller(guard) = self {
            IdleRuntime::run_pending(guard.runtime.as_ref());
        }
    }
}

/// Runs an operation in a coroutine. Cancelling or dropping the coroutine ends the request.
pub(crate) async fn run_async<O: Operation>(
    client: Option<Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as IntoPython>::Python> {
    panics::check_memory()?;
    let operation = operation.map_err(|refusal| to_python(refusal.into()))?;
    let interruption = Interruption::of(&operation);
    let result = run_in_coroutine(client.as_ref(), &operation).await;
    interruption.did_not_happen();
    let _call = CallGuard::enter();
    Python::attach(|py| end(py, client.as_ref(), &operation, result))
}

async fn run_in_coroutine<O: Operation>(client: Option<&Client>, operation: &O) -> PyResult<Result<O::Result, Error>> {
    let shared = shared_runtime()?;
    let _cleanup = CleanupOnDrop;
    BlockingCall::lend();
    let running = Box::pin(operation.start(client.cloned()));
    let (log, running) = {
        let _call = CallGuard::enter();
        Python::attach(|py| {
            operation.check(py, false)?;
            PyResult::Ok((Log::begin(py)?, for_caller(py, operation.python_store(py, client), true, running)?))
        })?
    };
    let mut task = AbortOnDrop(shared.handle.spawn(log.of(running)));
    let mut reports = Reports::default();
    let mut late = None;
    let finished = loop {
        let has_progress = operation.has_progress() && late.is_none();
        let reported = match wait_for_news(&shared, &mut task.0, &log, has_progress, &mut reports).await {
            Ok(Some(finished)) => break finished,
            Ok(None) => {
                let _call = CallGuard::enter();
                Python::attach(|py| {
                    log.flush(py)?;
                    PyResult::Ok(if late.is_none() { reports.report(py, operation) } else { Ok(()) })
                })?
            }
            Err(error) => Err(error),
        };
        if let Err(error) = reported {
            let is_finished = task.0.is_finished();
            let _call = CallGuard::enter();
            late = Some(Python::attach(|py| too_late(py, error, operation, is_finished))?);
        }
    };
    if finished.is_err() {
        refuse_at_exit()?;
    }
    let result = finished.map_err(|error| {
        error.try_into_panic().map_or_else(|_| to_python(Error::Closed), |panic| panics::exception(panic.as_ref()))
    })?;
    {
        let _call = CallGuard::enter();
        Python::attach(|py| log.flush(py))?;
    }
    if operation.has_progress()
        && late.is_none()
        && result.is_ok()
        && let Err(error) = report_the_end(&mut reports, operation).await
    {
        let _call = CallGuard::enter();
        late = Some(Python::attach(|py| too_late(py, error, operation, true))?);
    }
    if let Some(error) = late {
        let _call = CallGuard::enter();
        Python::attach(|py| warn_of(py, &error, ASYNC_LEVEL))?;
    }
    Ok(result)
}

/// Reports the end, after the last report before it has ended.
async fn report_the_end(reports: &mut Reports, operation: &impl Operation) -> PyResult<()> {
    reports.end().await?;
    {
        let _call = CallGuard::enter();
        Python::attach(|py| reports.report(py, operation))?;
    }
    reports.end().await
}

/// Waits for a task; `None` if there is a log record to pass on, or progress to report, before it is finished.
async fn wait_for_news<T>(
    shared: &SharedRuntime,
    task: &mut JoinHandle<T>,
    log: &Log,
    has_progress: bool,
    reports: &mut Reports,
) -> PyResult<Option<Result<T, JoinError>>> {
    let mut pause = pin!(async {
        if !has_progress {
            return pending().await;
        }
        let tick = {
            let _context = shared.handle.enter();
            sleep(TICK)
        };
        tick.await;
    });
    loop {
        tokio::select! {
            biased;
            finished = &mut *task => return Ok(Some(finished)),
            () = log.new_records() => return Ok(None),
            ended = reports.next_end() => ended?,
            () = &mut pause => return Ok(None),
        }
    }
}

/// A task that is aborted when nothing waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
