//! The bridge between Python's ways of waiting and the core's: blocking, awaiting, interrupting, forking, exiting.
//!
//! Nothing else in this crate knows of threads, of the interpreter's lock, of signals or of processes.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PySystemExit};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::{JoinError, JoinHandle, block_in_place, yield_now};
use tokio::time::{Sleep, sleep};

use super::logs::{self, Log};
use crate::api::{InvalidArgument, Request};
use crate::client::auth::renewals_under_way;
use crate::client::process::{self, BACKGROUND};
use crate::client::{Client, Error, Lent, Limit, PerProcess, tasks};
use crate::python::auth::token_store::{self, for_caller};
use crate::python::convert::output::Deliver;
use crate::python::errors::to_python;
use crate::python::faults;
use crate::stack::with_enough_stack;

/// How often a call looks for signals, and reports how it goes.
const TICK: Duration = Duration::from_millis(50);
/// How often the shared runtime wakes for nothing. Less than the usual time limits of a request.
const SENTINEL: Duration = Duration::from_secs(10);
/// One thread: a second one takes part of the work, but costs more than that in waking each other up.
const THREADS: usize = 1;
/// How long an exit waits for the calls that other threads have under way.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits for tokens that are being renewed: without them somebody would have to log in again.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(10);

/// How often a runtime is asked what is new when something was given up: once to look, and once to act upon it.
const TURNS: usize = 2;

static ENGINE: PerProcess<Engine> = PerProcess::new();
static LANE: PerProcess<Lane> = PerProcess::new();
/// How many calls are between their entry into this crate and their return to Python.
static CALLS: PerProcess<AtomicUsize> = PerProcess::new();
/// Set when nothing more is waited for.
static OVER: PerProcess<()> = PerProcess::new();
/// The thread that is about to take the interpreter apart, if one is.
static EXITING: PerProcess<ThreadId> = PerProcess::new();

/// The runtime that drives what an operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// That on which it is run.
    Anywhere,
    /// The lane: calls before it have begun something there.
    Callers,
    /// The shared one: it begins something that goes on when the call has ended, or calls before it have.
    Shared,
}

/// Something that can be run: blocking or awaited, it is the same value.
pub(crate) trait Operation: Send + 'static {
    type Result: Deliver + Send + 'static;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Self::Result, Error>> + Send + 'static;

    /// The token store that it may use, if that is written in Python.
    fn python_store(&self, py: Python<'_>, client: Option<&Client>) -> Option<Py<PyAny>> {
        token_store::python_store_of(py, client?)
    }

    /// Which runtime drives what it waits for.
    fn home(&self) -> Home {
        Home::Anywhere
    }

    /// Begins anew what it waits for: whoever runs it now cannot drive it.
    fn leave_home(&self) {}

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

/// Lets the lane act upon what was given up between two calls.
pub(crate) fn tidy() {
    if let Some(lane) = LANE.existing() {
        lane.is_untidy.store(true, Ordering::SeqCst);
        lane.tidy();
    }
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

/// A runtime without threads. Callers drive it, one at a time, each on its own thread; between their calls it rests.
#[derive(Debug)]
struct Lane {
    /// Taken at exit.
    runtime: Mutex<Option<Resting>>,
    /// Whether connections were given up that it does not know of yet.
    is_untidy: AtomicBool,
    /// The threads that want to drive it as soon as they can.
    waiting: Mutex<Vec<Thread>>,
}

/// Why somebody cannot have the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// Another thread has it, for the time of its call.
    ByAnother,
    /// This very thread has it, or belongs to a runtime; or it is gone.
    ForGood,
}

thread_local! {
    /// Whether this thread has the lane.
    static HAS_LANE: Cell<bool> = const { Cell::new(false) };
}

impl Lane {
    /// Takes it for a call, unless another call has it: that of another thread, or one on this very thread, in the middle
    /// of which Python runs something that calls (a finalizer, a signal handler, a progress callable).
    fn hold(&self) -> Result<Held<'_>, Taken> {
        // A thread that belongs to a runtime cannot drive another.
        if HAS_LANE.get() || Handle::try_current().is_ok() {
            return Err(Taken::ForGood);
        }
        let runtime = self.lock().ok_or(Taken::ByAnother)?;
        if runtime.is_none() {
            return Err(Taken::ForGood);
        }
        HAS_LANE.set(true);
        Ok(Held { runtime, _tidy: Tidy(self) })
    }

    fn lock(&self) -> Option<MutexGuard<'_, Option<Resting>>> {
        match self.runtime.try_lock() {
            Ok(runtime) => Some(runtime),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The threads that wait for it.
    fn waiting(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what was given up. Whoever has the lane does it when leaving.
    fn tidy(&self) {
        while self.is_untidy.load(Ordering::SeqCst)
            && Handle::try_current().is_err()
            && let Some(runtime) = self.lock()
        {
            self.is_untidy.store(false, Ordering::SeqCst);
            Resting::catch_up(runtime.as_ref());
        }
    }
}

/// The lane, in the hands of one call.
struct Held<'lane> {
    runtime: MutexGuard<'lane, Option<Resting>>,
    /// Dropped after the lock.
    _tidy: Tidy<'lane>,
}

struct Tidy<'lane>(&'lane Lane);

impl Drop for Tidy<'_> {
    fn drop(&mut self) {
        HAS_LANE.set(false);
        self.0.tidy();
        self.0.waiting().iter().for_each(Thread::unpark);
    }
}

/// A thread that waits for the lane.
struct Queued<'lane>(&'lane Lane);

impl<'lane> Queued<'lane> {
    fn new(lane: &'lane Lane) -> Self {
        lane.waiting().push(thread::current());
        Self(lane)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        if let Some(place) = waiting.iter().position(|thread| thread.id() == thread::current().id()) {
            waiting.swap_remove(place);
        }
    }
}

/// What the lane drives.
#[derive(Debug)]
struct Resting {
    /// One timer for all calls: one for each would be sooner than all others, and that wakes the runtime from its rest.
    tick: Mutex<Pin<Box<Sleep>>>,
    runtime: Runtime,
}

impl Resting {
    fn start() -> std::io::Result<Self> {
        context_travels();
        let runtime = Builder::new_current_thread().thread_name("canvas-studio").enable_all().build()?;
        let tick = {
            let _context = runtime.enter();
            Mutex::new(Box::pin(sleep(TICK)))
        };
        Ok(Self { tick, runtime })
    }

    /// Drives something until the next tick; `None` if it is not finished then.
    ///
    /// Before, it looks at what has come while it rested, above all whether a server has closed a connection, on which the
    /// next request would be lost.
    fn drive<T>(&self, running: impl Future<Output = T>) -> Option<T> {
        let mut tick = self.tick.lock().unwrap_or_else(PoisonError::into_inner);
        self.block_on(async {
            if tick.is_elapsed() {
                tick.as_mut().reset(tokio::time::Instant::now() + TICK);
            }
            tokio::select! {
                biased;
                () = tick.as_mut() => None,
                result = async {
                    yield_now().await;
                    running.await
                } => Some(result),
            }
        })
    }

    /// Lets it act upon what was given up.
    fn catch_up(resting: Option<&Self>) {
        if let Some(resting) = resting {
            resting.block_on(async {
                for _ in 0..TURNS {
                    yield_now().await;
                }
            });
        }
    }

    fn block_on<T>(&self, running: impl Future<Output = T>) -> T {
        with_enough_stack(|| self.runtime.block_on(running))
    }
}

fn lane() -> PyResult<Arc<Lane>> {
    refuse_at_exit()?;
    let start = || {
        let runtime = Mutex::new(Some(Resting::start()?));
        Ok(Lane { runtime, is_untidy: AtomicBool::new(false), waiting: Mutex::default() })
    };
    LANE.get(start).map_err(no_threads)
}

/// Waits, also where this is a thread of a runtime, on which waiting is not allowed. That happens when Python's garbage
/// collector runs there, and with it a `__del__` that makes a call.
fn off_runtime<T: Send>(wait: impl FnOnce() -> T + Send) -> io::Result<T> {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Err(_) => Ok(wait()),
        // As ours is: another thread takes over what this one would do.
        Ok(RuntimeFlavor::MultiThread) => Ok(block_in_place(wait)),
        Ok(_) => thread::scope(|scope| {
            let started = thread::Builder::new().spawn_scoped(scope, wait)?;
            Ok(started.join().unwrap_or_else(|panic| resume_unwind(panic)))
        }),
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

/// Stops everything before the interpreter is taken apart: a thread that came back later would end the process.
///
/// Registered with `atexit` when the package is imported.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) -> PyResult<()> {
    logs::stop(py);
    let Ok(_) = EXITING.get(|| Ok::<_, Infallible>(thread::current().id()));
    let runtime =
        ENGINE.existing().and_then(|engine| engine.runtime.lock().unwrap_or_else(PoisonError::into_inner).take());
    let calls_under_way = || CALLS.existing().map_or(0, |calls| calls.load(Ordering::SeqCst));
    let waited = wait_until_none(py, PATIENCE, calls_under_way)
        .and_then(|()| wait_until_none(py, RENEWAL_PATIENCE, renewals_under_way));
    // After Ctrl-C nothing more is waited for.
    let patience = if waited.is_ok() { PATIENCE } else { Duration::ZERO };
    py.detach(|| {
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(patience);
        }
        if let Some(runtime) = LANE.existing().and_then(|lane| lane.lock().and_then(|mut runtime| runtime.take())) {
            runtime.runtime.shutdown_background();
        }
    });
    let Ok(_) = OVER.get(|| Ok::<_, Infallible>(()));
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

/// Keeps a thread from going back to an interpreter that is about to be taken apart, which would end the process.
pub(crate) fn stay_if_over() {
    while OVER.existing().is_some() {
        thread::park();
    }
}

/// Lets the child of a fork know that it is one: what runs the requests stayed in the parent.
///
/// Registered with `os.register_at_fork` when the package is imported.
#[pyfunction]
pub(crate) fn forked() {
    process::forked();
}

/// What runs the requests of one process.
#[derive(Debug)]
struct Engine {
    handle: Handle,
    /// Taken at exit, when it is stopped.
    runtime: Mutex<Option<Runtime>>,
}

impl Engine {
    /// Waits on this thread until the next tick; `None` if it is not finished then, or if the lane that it waits for has
    /// become free. A timer of the runtime's would wake its thread each time it is set.
    fn wait<T>(&self, mut running: Pin<&mut impl Future<Output = T>>, lane: Option<&Lane>) -> Option<T> {
        let _context = self.handle.enter();
        let _queued = lane.map(Queued::new);
        let waker = Waker::from(Arc::new(Waiting(thread::current())));
        let tick = Instant::now() + TICK;
        loop {
            let poll = || running.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(result) = with_enough_stack(poll) {
                return Some(result);
            }
            if lane.is_some_and(|lane| lane.lock().is_some()) {
                return None;
            }
            let remaining = tick.checked_duration_since(Instant::now())?;
            thread::park_timeout(remaining);
        }
    }
}

/// A thread that waits.
struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn engine() -> PyResult<Arc<Engine>> {
    refuse_at_exit()?;
    let start = || {
        context_travels();
        let build =
            || Builder::new_multi_thread().worker_threads(THREADS).thread_name("canvas-studio").enable_all().build();
        let runtime = faults::as_io_error(build)?;
        let handle = runtime.handle().clone();
        // A timer that is sooner than all others wakes the thread when it is set. With this one there, hardly any is.
        handle.spawn(async {
            loop {
                sleep(SENTINEL).await;
            }
        });
        Ok(Engine { handle, runtime: Mutex::new(Some(runtime)) })
    };
    let engine = ENGINE.get(start).map_err(no_threads)?;
    let Ok(_) = BACKGROUND.get(|| Ok::<_, Infallible>(engine.handle.clone()));
    Ok(engine)
}

/// What a call begins has the log and the event loop of that call.
fn context_travels() {
    tasks::install_task_context(|work| Box::pin(token_store::for_task(logs::for_task(work))));
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn no_threads(error: std::io::Error) -> PyErr {
    let message = "the system gives this process no thread, or nothing to wait with";
    to_python(Error::Setup(format!(
        "{message} ({error}): raise its limits (ulimit -u, ulimit -n, a container's pids limit)"
    )))
}

/// During exit, refuses what is asked (in an `atexit` function, say). Another thread, which can only be a daemon, is told
/// to exit, which threading does without a word.
fn refuse_at_exit() -> PyResult<()> {
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
