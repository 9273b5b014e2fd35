//! The two runtimes: the caller runtime, which blocking calls drive on their own threads, and the shared one, with a
//! thread.

use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::{block_in_place, yield_now};
use tokio::time::{Sleep, sleep};

use super::exit::{has_begun, refuse_at_exit};
use super::{caller, logs};
use crate::client::process::NEEDS_CLEANUP;
use crate::client::tasks::{self, Host, start_runtime};
use crate::client::{Error, PerProcess};
use crate::python::errors::to_python;
use crate::stack::with_enough_stack;

/// How often a call checks for signals and reports progress.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// A timer of the shared runtime that is due before the usual time limits of requests, so that setting those wakes
/// nothing.
const EARLIEST_TIMER: Duration = Duration::from_secs(10);
/// How often an idle runtime is polled after requests were dropped: once to notice, and once to close their
/// connections.
const IDLE_POLLS: usize = 2;

static SHARED_RUNTIME: PerProcess<SharedRuntime> = PerProcess::new();
static CALLER_RUNTIME: PerProcess<CallerRuntime> = PerProcess::new();

/// Closes the connections of requests that were dropped between two calls.
pub(crate) fn cleanup() {
    NEEDS_CLEANUP.store(true, Ordering::SeqCst);
    drop(CleanupOnDrop);
}

/// When it is dropped, lets the caller runtime close the connections of dropped requests. If a call holds that runtime,
/// that call does it when it ends.
pub(crate) struct CleanupOnDrop;

impl Drop for CleanupOnDrop {
    fn drop(&mut self) {
        while NEEDS_CLEANUP.load(Ordering::SeqCst)
            && Handle::try_current().is_err()
            && let Some(caller_runtime) = CALLER_RUNTIME.existing()
            && let Some(runtime) = caller_runtime.lock()
        {
            NEEDS_CLEANUP.store(false, Ordering::SeqCst);
            IdleRuntime::run_pending(runtime.as_ref());
        }
    }
}

/// A runtime without threads. Blocking calls drive it, one at a time, each on its own thread; in between it is idle.
#[derive(Debug)]
pub(crate) struct CallerRuntime {
    /// None after an exit.
    runtime: Mutex<Option<IdleRuntime>>,
}

thread_local! {
    /// Whether this thread holds the caller runtime.
    static HOLDS_CALLER_RUNTIME: Cell<bool> = const { Cell::new(false) };
}

impl CallerRuntime {
    /// Takes it for a call. `None` if another call holds it: on another thread, or on this one, when Python code that
    /// runs during that call (a finalizer, a signal handler, a progress callable) makes this one; if the thread belongs
    /// to a runtime, which cannot drive another; and after an exit.
    pub(crate) fn hold(&self) -> Option<RuntimeGuard<'_>> {
        if HOLDS_CALLER_RUNTIME.get() || Handle::try_current().is_ok() {
            return None;
        }
        let runtime = self.lock().filter(|runtime| runtime.is_some())?;
        HOLDS_CALLER_RUNTIME.set(true);
        Some(RuntimeGuard { runtime })
    }

    fn lock(&self) -> Option<MutexGuard<'_, Option<IdleRuntime>>> {
        match self.runtime.try_lock() {
            Ok(runtime) => Some(runtime),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The caller runtime, held by one call.
pub(crate) struct RuntimeGuard<'runtime> {
    pub(crate) runtime: MutexGuard<'runtime, Option<IdleRuntime>>,
}

impl Drop for RuntimeGuard<'_> {
    fn drop(&mut self) {
        HOLDS_CALLER_RUNTIME.set(false);
    }
}

/// A runtime without threads: nothing happens on it except during `drive` and `run_pending`.
#[derive(Debug)]
pub(crate) struct IdleRuntime {
    /// One timer for all calls: a new one for each call would be due first, and setting that wakes the runtime.
    tick: Mutex<Pin<Box<Sleep>>>,
    runtime: Runtime,
}

impl IdleRuntime {
    fn start() -> std::io::Result<Self> {
        install_host();
        let runtime = Builder::new_current_thread().thread_name("canvas-studio").enable_all().build()?;
        let tick = {
            let _context = runtime.enter();
            Mutex::new(Box::pin(sleep(TICK)))
        };
        Ok(Self { tick, runtime })
    }

    /// Drives a future until the next tick; `None` if it is not finished then.
    ///
    /// First it processes what arrived while it was idle: if a server has closed a connection, a request sent on that
    /// connection would be lost.
    pub(crate) fn drive<T>(&self, running: impl Future<Output = T>) -> Option<T> {
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

    /// Lets it process what it missed while it was idle.
    pub(crate) fn run_pending(runtime: Option<&Self>) {
        if let Some(runtime) = runtime {
            runtime.block_on(async {
                for _ in 0..IDLE_POLLS {
                    yield_now().await;
                }
            });
        }
    }

    fn block_on<T>(&self, running: impl Future<Output = T>) -> T {
        with_enough_stack(|| self.runtime.block_on(running))
    }
}

/// The caller runtime of this process, started if there is none yet.
pub(crate) fn caller_runtime() -> PyResult<Arc<CallerRuntime>> {
    refuse_at_exit()?;
    let start = || Ok(CallerRuntime { runtime: Mutex::new(Some(IdleRuntime::start()?)) });
    CALLER_RUNTIME.get(start).map_err(no_threads)
}

/// Waits, even on a thread of a runtime, where waiting is not allowed. That happens if Python's garbage collector runs
/// there and calls a `__del__` that makes a call.
pub(crate) fn off_runtime<T: Send>(wait: impl FnOnce() -> T + Send) -> io::Result<T> {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Err(_) => Ok(wait()),
        // Our shared runtime is one of these: another thread takes over the work of this one.
        Ok(RuntimeFlavor::MultiThread) => Ok(block_in_place(wait)),
        Ok(_) => thread::scope(|scope| {
            let started = thread::Builder::new().spawn_scoped(scope, wait)?;
            Ok(started.join().unwrap_or_else(|panic| resume_unwind(panic)))
        }),
    }
}

/// The runtime that all calls of a process share. It has a thread of its own.
#[derive(Debug)]
pub(crate) struct SharedRuntime {
    pub(crate) handle: Handle,
    /// None after an exit.
    runtime: Mutex<Option<Runtime>>,
}

impl Drop for SharedRuntime {
    /// Drops one that another thread was faster to start. Dropping tokio's own would panic on a thread of a runtime.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl SharedRuntime {
    /// Waits on this thread until the next tick; `None` if the future is not finished then. (A timer of this runtime
    /// would wake its thread each time it is set.)
    pub(crate) fn wait<T>(&self, mut running: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let _context = self.handle.enter();
        let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
        let tick = Instant::now() + TICK;
        loop {
            let poll = || running.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(result) = with_enough_stack(poll) {
                return Some(result);
            }
            let remaining = tick.checked_duration_since(Instant::now())?;
            thread::park_timeout(remaining);
        }
    }
}

/// Wakes a thread that waits for a future.
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The shared runtime of this process, started if there is none yet.
pub(crate) fn shared_runtime() -> PyResult<Arc<SharedRuntime>> {
    refuse_at_exit()?;
    started_shared_runtime().map_err(no_threads)
}

fn started_shared_runtime() -> io::Result<Arc<SharedRuntime>> {
    SHARED_RUNTIME.get(|| {
        install_host();
        let runtime = start_runtime()?;
        let handle = runtime.handle().clone();
        // Setting a timer that is due before all others wakes the thread. With this one running, hardly any is.
        handle.spawn(async {
            loop {
                sleep(EARLIEST_TIMER).await;
            }
        });
        Ok(SharedRuntime { handle, runtime: Mutex::new(Some(runtime)) })
    })
}

/// The shared runtime, for work of the core that outlives its call.
fn shared_runtime_of_core() -> Result<Handle, Error> {
    // During an exit it still runs until all calls have ended, but it is not started any more.
    if has_begun() && SHARED_RUNTIME.existing().is_none() {
        return Err(Error::Exiting);
    }
    started_shared_runtime().map(|shared| shared.handle.clone()).map_err(Error::no_threads)
}

/// Tells the core how tasks get the log and the event loop of the call that starts them, and where they may outlive it.
fn install_host() {
    let context = |work| -> tasks::Work { Box::pin(caller::for_task(logs::for_task(work))) };
    tasks::install(Host { context, shared_runtime: shared_runtime_of_core });
}

/// The exception if a runtime cannot be started.
pub(crate) fn no_threads(error: io::Error) -> PyErr {
    to_python(Error::no_threads(error))
}

/// Takes the shared runtime out, at exit.
pub(crate) fn take_shared_runtime() -> Option<Runtime> {
    SHARED_RUNTIME.existing().and_then(|shared| shared.runtime.lock().unwrap_or_else(PoisonError::into_inner).take())
}

/// Stops the caller runtime, at exit.
pub(crate) fn stop_caller_runtime() {
    if let Some(runtime) = CALLER_RUNTIME
        .existing()
        .and_then(|caller_runtime| caller_runtime.lock().and_then(|mut runtime| runtime.take()))
    {
        runtime.runtime.shutdown_background();
    }
}
