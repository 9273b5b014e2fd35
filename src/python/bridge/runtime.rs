//! The two runtimes: one without threads that blocking calls drive themselves, and a shared one with a thread.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::{block_in_place, yield_now};
use tokio::time::{Sleep, sleep};

use super::exit::refuse_at_exit;
use super::{caller, logs};
use crate::client::process::BACKGROUND;
use crate::client::{Error, PerProcess, tasks};
use crate::python::errors::to_python;
use crate::python::faults;
use crate::stack::with_enough_stack;

/// How often a call looks for signals, and reports how it goes.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// How often the shared runtime wakes for nothing. Less than the usual time limits of a request.
const SENTINEL: Duration = Duration::from_secs(10);
/// One thread: a second one takes part of the work, but costs more than that in waking each other up.
const THREADS: usize = 1;
/// How often a runtime is asked what is new when something was given up: once to look, and once to act upon it.
const TURNS: usize = 2;

static ENGINE: PerProcess<Engine> = PerProcess::new();
static LANE: PerProcess<Lane> = PerProcess::new();

/// Lets the lane act upon what was given up between two calls.
pub(crate) fn tidy() {
    if let Some(lane) = LANE.existing() {
        lane.is_untidy.store(true, Ordering::SeqCst);
        lane.tidy();
    }
}

/// A runtime without threads. Callers drive it, one at a time, each on its own thread; between their calls it rests.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Taken at exit.
    runtime: Mutex<Option<Resting>>,
    /// Whether connections were given up that it does not know of yet.
    is_untidy: AtomicBool,
    /// The threads that want to drive it as soon as they can.
    waiting: Mutex<Vec<Thread>>,
}

/// Why somebody cannot have the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
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
    pub(crate) fn hold(&self) -> Result<Held<'_>, Taken> {
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
pub(crate) struct Held<'lane> {
    pub(crate) runtime: MutexGuard<'lane, Option<Resting>>,
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
pub(crate) struct Resting {
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

    /// Lets it act upon what was given up.
    pub(crate) fn catch_up(resting: Option<&Self>) {
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

pub(crate) fn lane() -> PyResult<Arc<Lane>> {
    refuse_at_exit()?;
    let start = || {
        let runtime = Mutex::new(Some(Resting::start()?));
        Ok(Lane { runtime, is_untidy: AtomicBool::new(false), waiting: Mutex::default() })
    };
    LANE.get(start).map_err(no_threads)
}

/// Waits, also where this is a thread of a runtime, on which waiting is not allowed. That happens when Python's garbage
/// collector runs there, and with it a `__del__` that makes a call.
pub(crate) fn off_runtime<T: Send>(wait: impl FnOnce() -> T + Send) -> io::Result<T> {
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

/// What runs the requests of one process.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) handle: Handle,
    /// Taken at exit, when it is stopped.
    runtime: Mutex<Option<Runtime>>,
}

impl Engine {
    /// Waits on this thread until the next tick; `None` if it is not finished then, or if the lane that it waits for has
    /// become free. A timer of the runtime's would wake its thread each time it is set.
    pub(crate) fn wait<T>(&self, mut running: Pin<&mut impl Future<Output = T>>, lane: Option<&Lane>) -> Option<T> {
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

pub(crate) fn engine() -> PyResult<Arc<Engine>> {
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
    tasks::install_task_context(|work| Box::pin(caller::for_task(logs::for_task(work))));
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
pub(crate) fn no_threads(error: std::io::Error) -> PyErr {
    let message = "the system gives this process no thread, or nothing to wait with";
    to_python(Error::Setup(format!(
        "{message} ({error}): raise its limits (ulimit -u, ulimit -n, a container's pids limit)"
    )))
}

/// Takes the shared runtime away, at exit.
pub(crate) fn take_shared() -> Option<Runtime> {
    ENGINE.existing().and_then(|engine| engine.runtime.lock().unwrap_or_else(PoisonError::into_inner).take())
}

/// Stops the lane, at exit.
pub(crate) fn stop_lane() {
    if let Some(runtime) = LANE.existing().and_then(|lane| lane.lock().and_then(|mut runtime| runtime.take())) {
        runtime.runtime.shutdown_background();
    }
}
