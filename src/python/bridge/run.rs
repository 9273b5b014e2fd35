//! Runs operations, and waits for them: on the calling thread, or in a coroutine.

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

use super::caller::for_caller;
use super::exit::{Call, refuse_at_exit};
use super::logs::{self, Log};
use super::operation::{Home, Operation};
use super::runtime::{Engine, Held, Lane, Resting, TICK, Taken, engine, lane, no_threads, off_runtime, tidy};
use crate::api::InvalidArgument;
use crate::client::{Client, Error, Lent, Limit};
use crate::python::convert::output::Deliver;
use crate::python::errors::to_python;
use crate::python::faults;

/// Runs an operation on the calling thread. Other Python threads go on meanwhile; Ctrl-C ends it, request and all.
pub(crate) fn run<O: Operation>(
    py: Python<'_>,
    client: Option<&Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as Deliver>::Python> {
    faults::guarded(|| run_here(py, client, operation))
}

fn run_here<O: Operation>(
    py: Python<'_>,
    client: Option<&Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as Deliver>::Python> {
    let operation = operation.map_err(|refusal| to_python(refusal.into()))?;
    let lane = lane()?;
    let mut driver = Driver::of(&operation, &lane)?;
    if client.is_some_and(Client::renews) {
        // What it may begin goes on over there.
        engine()?;
    }
    let _call = Call::enter();
    let _outer = Outer::enter(client);
    let log = Log::begin(py)?;
    let running = Box::pin(operation.start(client.cloned()));
    let running = log.of(for_caller(py, operation.python_store(py, client), false, running)?);
    let result = wait(py, &mut driver, &log, &operation, running);
    if !matches!(result, Ok(Ok(_))) {
        // What was given up is taken from the server, too.
        py.detach(|| driver.catch_up());
    }
    drop(driver);
    result?.map_err(to_python)?.deliver(py, client)
}

/// Waits for what runs, and comes back now and then to look after everything else.
fn wait<T: Send>(
    py: Python<'_>,
    driver: &mut Driver<'_>,
    log: &Log,
    operation: &impl Operation,
    running: impl Future<Output = Result<T, Error>> + Send,
) -> PyResult<Result<T, Error>> {
    let mut running = pin!(running);
    loop {
        let turn = py.detach(|| driver.drive(running.as_mut())).map_err(no_threads)?;
        log.hand_over(py)?;
        if let Some(result) = turn {
            if result.is_ok() {
                operation.report(py)?;
            }
            return Ok(result);
        }
        py.check_signals()?;
        refuse_at_exit()?;
        operation.report(py)?;
        logs::look(py)?;
        Outer::goes_on();
        driver.take_over();
    }
}

/// A blocking call of this thread. While Python runs something in the middle of it (a progress callable, a signal handler,
/// a finalizer), nobody drives its request, and yet that holds a permit: what is called there, on this thread or in an
/// event loop on it, would wait for ever if there was no other. So one is lent meanwhile.
struct Outer {
    limit: Option<Limit>,
    lent: Option<Lent>,
}

thread_local! {
    /// The innermost is the last.
    static OUTER: RefCell<Vec<Outer>> = const { RefCell::new(Vec::new()) };
}

impl Outer {
    /// Begins a call, perhaps in the middle of another.
    fn enter(client: Option<&Client>) -> Entered {
        Self::lend();
        let limit = client.map(|client| client.limit().clone());
        Self::calls(|calls| calls.push(Self { limit, lent: None }));
        Entered
    }

    /// A call begins: if it does in the middle of another, that lends a permit.
    fn lend() {
        Self::calls(|calls| {
            if let Some(Self { limit: Some(limit), lent }) = calls.last_mut() {
                lent.get_or_insert_with(|| limit.lend());
            }
        });
    }

    /// The call goes on, and takes back what it lent.
    fn goes_on() {
        Self::calls(|calls| {
            if let Some(call) = calls.last_mut() {
                call.lent = None;
            }
        });
    }

    fn calls(change: impl FnOnce(&mut Vec<Self>)) {
        // A finalizer may run when the thread has ended, and is in the middle of nothing.
        let _ = OUTER.try_with(|calls| change(&mut calls.borrow_mut()));
    }
}

/// Ends the call when it is dropped.
struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        Outer::calls(|calls| drop(calls.pop()));
    }
}

/// Closes a client, and the connections that nobody drives.
pub(crate) fn close(client: &Client) {
    client.close();
    tidy();
}

/// What drives the I/O of a blocking call.
enum Driver<'lane> {
    /// The caller itself: nothing has to be handed to another thread and back.
    Caller(Held<'lane>),
    /// The shared runtime, and the lane if it has to be taken over when it becomes free.
    Shared(Arc<Engine>, Option<&'lane Lane>),
}

impl<'lane> Driver<'lane> {
    fn of(operation: &impl Operation, lane: &'lane Lane) -> PyResult<Self> {
        let home = operation.home();
        if home == Home::Shared {
            return Ok(Self::Shared(engine()?, None));
        }
        match lane.hold() {
            Ok(held) => Ok(Self::Caller(held)),
            // Whoever has it drives what this call waits for, too, but only until his own call ends.
            Err(Taken::ByAnother) if home == Home::Callers => Ok(Self::Shared(engine()?, Some(lane))),
            Err(_) => {
                if home == Home::Callers {
                    operation.leave_home();
                }
                Ok(Self::Shared(engine()?, None))
            }
        }
    }

    /// Drives something for a while; `None` if it is not finished then.
    fn drive<T: Send>(&self, running: Pin<&mut (impl Future<Output = T> + Send)>) -> io::Result<Option<T>> {
        match self {
            Self::Caller(held) => Ok(held.runtime.as_ref().and_then(|runtime| runtime.drive(running))),
            Self::Shared(engine, lane) => off_runtime(|| engine.wait(running, *lane)),
        }
    }

    /// Takes the lane, if it was waited for and is free.
    fn take_over(&mut self) {
        if let Self::Shared(_, Some(lane)) = self
            && let Ok(held) = lane.hold()
        {
            *self = Self::Caller(held);
        }
    }

    fn catch_up(&self) {
        if let Self::Caller(Held { runtime, .. }) = self {
            Resting::catch_up(runtime.as_ref());
        }
    }
}

/// Runs an operation in a coroutine. If that is cancelled or dropped, the request is ended.
pub(crate) async fn run_async<O: Operation>(
    client: Option<Client>,
    operation: Result<O, InvalidArgument>,
) -> PyResult<<O::Result as Deliver>::Python> {
    faults::check_memory()?;
    let operation = operation.map_err(|refusal| to_python(refusal.into()))?;
    let engine = engine()?;
    Outer::lend();
    let running = Box::pin(operation.start(client.clone()));
    let (log, running) = {
        let _call = Call::enter();
        Python::attach(|py| {
            PyResult::Ok((Log::begin(py)?, for_caller(py, operation.python_store(py, client.as_ref()), true, running)?))
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
        error.try_into_panic().map_or_else(|_| to_python(Error::Closed), |panic| faults::exception(panic.as_ref()))
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

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
