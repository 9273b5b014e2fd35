//! Tasks that run beside the call that started them, and the runtime for those that outlive it.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::panic::{catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::Error;
use super::process::generation;

/// What a task does.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the program around the core provides.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Gives a task the context of its caller (its log, its event loop), since a task does not inherit it.
    pub context: fn(Work) -> Work,
    /// The runtime that has threads of its own, started if it is not running.
    pub shared_runtime: fn() -> Result<Handle, Error>,
}

static HOST: OnceLock<Host> = OnceLock::new();

/// Tells the core what the program around it provides. Only the first call counts.
pub fn install(host: Host) {
    let _ = HOST.set(host);
}

/// The runtime for work that must not end with its call. The caller's runtime may stop when the call has ended.
pub(super) fn shared_runtime() -> Result<Handle, Error> {
    HOST.get().map_or_else(|| Ok(Handle::current()), |host| (host.shared_runtime)())
}

/// Starts a runtime with a thread of its own.
pub fn start_runtime() -> io::Result<Runtime> {
    // One thread: a second one would take over some work, and cost more than that in wake-ups.
    let build = || Builder::new_multi_thread().worker_threads(1).thread_name("canvas-studio").enable_all().build();
    // tokio panics if the system allows no thread.
    catch_unwind(build).unwrap_or_else(|panic| Err(io::Error::other(panic_text(panic.as_ref()).to_owned())))
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "a panic without a message",
    }
}

/// A running task; dropping it cancels it.
#[derive(Debug)]
pub struct Task<T> {
    handle: JoinHandle<()>,
    result: oneshot::Receiver<T>,
    /// Whether it has ended without a result.
    is_lost: bool,
    generation: u32,
}

impl<T: Send + 'static> Task<T> {
    /// Starts it on a runtime, in the caller's context.
    pub fn begin(runtime: &Handle, running: impl Future<Output = T> + Send + 'static) -> Self {
        let (publish, result) = oneshot::channel();
        let running = Box::pin(running);
        let work: Work = Box::pin(async move {
            // Nobody may be waiting any more.
            let _ = publish.send(running.await);
        });
        let work = match HOST.get() {
            Some(host) => (host.context)(work),
            None => work,
        };
        Self { handle: runtime.spawn(work), result, is_lost: false, generation: generation() }
    }

    pub fn is_done(&self) -> bool {
        self.handle.is_finished()
    }

    /// Whether this process runs it, and not the parent of a fork.
    pub fn is_of_this_process(&self) -> bool {
        self.generation == generation()
    }

    /// Waits for the result. The wait can be cancelled and repeated.
    pub async fn wait(&mut self) -> Result<T, Error> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Waits for the result.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        if !self.is_lost {
            if let Ok(value) = ready!(Pin::new(&mut self.result).poll(context)) {
                return Poll::Ready(Ok(value));
            }
            self.is_lost = true;
        }
        match ready!(Pin::new(&mut self.handle).poll(context)) {
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            _ => Poll::Ready(Err(Error::Exiting)),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        // Another thread of the parent may have held a lock of its runtime during the fork.
        if self.generation == generation() {
            self.handle.abort();
        }
    }
}
