//! The bridge between Python's ways of waiting and the core's: blocking, awaiting, interrupting, forking, exiting.
//!
//! Nothing else in this crate knows of threads, of the interpreter's lock, of signals or of processes.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PySystemExit};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::{JoinError, JoinHandle, block_in_place};
use tokio::time::{sleep, timeout};

use super::convert::Deliver;
use super::errors::to_python;
use super::logs::{self, Log};
use super::token_store::{self, for_caller};
use crate::api::{InvalidArgument, Request};
use crate::client::auth::renewals_under_way;
use crate::client::{Client, Error, PerProcess, tasks};

/// How often a call looks for signals, and reports how it goes.
const TICK: Duration = Duration::from_millis(50);
/// Two threads: while one waits for the interpreter's lock to wake a coroutine, the other goes on.
const THREADS: usize = 2;
/// How long an exit waits for the calls that other threads have under way.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits for tokens that are being renewed: without them somebody would have to log in again.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(10);

static ENGINE: PerProcess<Engine> = PerProcess::new();
/// How many calls are between their entry into this crate and their return to Python.
static CALLS: PerProcess<AtomicUsize> = PerProcess::new();
/// Set when nothing more is waited for.
static OVER: PerProcess<()> = PerProcess::new();
/// The thread that is about to take the interpreter apart, if one is.
static EXITING: PerProcess<ThreadId> = PerProcess::new();

/// Something that can be run: blocking or awaited, it is the same value.
pub(crate) trait Operation: Send + 'static {
    type Result: Deliver + Send + 'static;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static;

    /// Whether it has to know who calls: only for token stores that are written in Python.
    fn needs_caller(&self, client: Option<&Client>) -> bool {
        client.is_some_and(Client::needs_caller)
    }

    /// Whether it has something to report while it runs.
    fn reports(&self) -> bool {
        false
    }

    /// Tells Python how it goes, on the thread of the caller. An exception ends the operation.
    fn report(&self, _py: Python<'_>) -> PyResult<()> {
        Ok(())
    }
}

impl<T: Deliver + Send + 'static> Operation for Request<T> {
    type Result = T;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let request = self.clone();
        async move { client.ok_or(Error::Closed)?.send(&request).await }
    }
}

/// Runs an operation on the calling thread. Other Python threads go on meanwhile; Ctrl-C ends it, request and all.
pub(crate) fn run<O: Operation>(
    py: Python<'_>,
    client: Option<&Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as Deliver>::Python> {
    let operation = operation.map_err(|refusal| to_python(refusal.into()))?;
    let engine = engine()?;
    let _call = Call::enter();
    let log = Log::begin(py)?;
    let mut running =
        pin!(log.of(for_caller(py, operation.needs_caller(client), false, operation.start(client.cloned()))?));
    loop {
        let turn =
            py.detach(|| off_runtime(|| engine.handle.block_on(async { timeout(TICK, running.as_mut()).await.ok() })));
        log.hand_over(py)?;
        if let Some(result) = turn {
            let result = result.map_err(to_python)?;
            operation.report(py)?;
            return result.deliver(py, client);
        }
        py.check_signals()?;
        refuse_at_exit()?;
        operation.report(py)?;
        logs::look(py)?;
    }
}

/// Waits, also where this is a thread of a runtime, on which waiting is not allowed. That happens when Python's garbage
/// collector runs there, and with it a `__del__` that makes a call.
fn off_runtime<T: Send>(wait: impl FnOnce() -> T + Send) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Err(_) => wait(),
        // As ours is: another thread takes over what this one would do.
        Ok(RuntimeFlavor::MultiThread) => block_in_place(wait),
        Ok(_) => match std::thread::scope(|scope| scope.spawn(wait).join()) {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// Runs an operation in a coroutine. If that is cancelled or dropped, the request is ended.
pub(crate) async fn run_async<O: Operation>(
    client: Option<Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as Deliver>::Python> {
    let operation = operation.map_err(|refusal| to_python(refusal.into()))?;
    let engine = engine()?;
    let running = operation.start(client.clone());
    let (log, running) = {
        let _call = Call::enter();
        Python::attach(|py| {
            PyResult::Ok((Log::begin(py)?, for_caller(py, operation.needs_caller(client.as_ref()), true, running)?))
        })?
    };
    let mut task = AbortOnDrop(engine.handle.spawn(log.of(running)));
    let finished = loop {
        if let Some(finished) = turn(&engine, &mut task.0, &log, operation.reports()).await {
            break finished;
        }
        let _call = Call::enter();
        Python::attach(|py| {
            log.hand_over(py)?;
            report(py, &operation)
        })?;
    };
    if finished.is_err() {
        refuse_at_exit()?;
    }
    let result = finished.map_err(|error| {
        if error.is_panic() {
            PyRuntimeError::new_err(format!("a fault in canvas-studio: {error}"))
        } else {
            to_python(Error::Closed)
        }
    })?;
    let _call = Call::enter();
    Python::attach(|py| {
        log.hand_over(py)?;
        let result = result.map_err(to_python)?;
        report(py, &operation)?;
        result.deliver(py, client.as_ref())
    })
}

/// Out of a coroutine, a StopIteration would be taken for its result.
fn report(py: Python<'_>, operation: &impl Operation) -> PyResult<()> {
    operation.report(py).map_err(|error| {
        if !error.is_instance_of::<PyStopIteration>(py) {
            return error;
        }
        let instead = PyRuntimeError::new_err("the progress callable raised StopIteration");
        instead.set_cause(py, Some(error));
        instead
    })
}

/// Waits for a task; `None` if it is not finished, but there may be something to tell.
async fn turn<T>(engine: &Engine, task: &mut JoinHandle<T>, log: &Log, reports: bool) -> Option<Result<T, JoinError>> {
    let pause = async {
        if !reports {
            return pending().await;
        }
        let tick = {
            let _context = engine.handle.enter();
            sleep(TICK)
        };
        tick.await;
    };
    tokio::select! {
        biased;
        finished = task => Some(finished),
        () = log.filled() => None,
        () = pause => None,
    }
}

/// Stops everything before the interpreter is taken apart: a thread that came back later would end the process.
///
/// Registered with `atexit` when the package is imported.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) {
    logs::stop(py);
    let Ok(_) = EXITING.get(|| Ok::<_, Infallible>(std::thread::current().id()));
    let runtime =
        ENGINE.existing().and_then(|engine| engine.runtime.lock().unwrap_or_else(PoisonError::into_inner).take());
    py.detach(|| {
        let deadline = Instant::now() + PATIENCE;
        while CALLS.existing().is_some_and(|calls| calls.load(Ordering::SeqCst) > 0) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let deadline = Instant::now() + RENEWAL_PATIENCE;
        while renewals_under_way() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(PATIENCE);
        }
    });
    let Ok(_) = OVER.get(|| Ok::<_, Infallible>(()));
}

/// Keeps a thread from going back to an interpreter that is about to be taken apart, which would end the process.
pub(crate) fn stay_if_over() {
    while OVER.existing().is_some() {
        std::thread::park();
    }
}

/// What runs the requests of one process.
#[derive(Debug)]
struct Engine {
    handle: Handle,
    /// Taken at exit, when it is stopped.
    runtime: Mutex<Option<Runtime>>,
}

fn engine() -> PyResult<Arc<Engine>> {
    refuse_at_exit()?;
    let start = || {
        tasks::travels(|work| Box::pin(token_store::for_task(logs::for_task(work))));
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("canvas-studio").enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Engine { handle, runtime: Mutex::new(Some(runtime)) })
    };
    ENGINE.get(start).map_err(|error: std::io::Error| to_python(Error::Setup(format!("no threads: {error}"))))
}

/// During exit, refuses what is asked (in an `atexit` function, say). Another thread, which can only be a daemon, is told
/// to exit, which threading does without a word.
fn refuse_at_exit() -> PyResult<()> {
    match EXITING.existing() {
        None => Ok(()),
        Some(exiting) if *exiting == std::thread::current().id() => Err(to_python(Error::Exiting)),
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
struct Call(Arc<AtomicUsize>);

impl Call {
    fn enter() -> Self {
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

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
