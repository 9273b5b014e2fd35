//! Runs attempts that stream a body, each on a runtime of its own, so that giving one up closes its connection.

use std::convert::Infallible;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, Runtime};

use super::connections::Connections;
use super::error::Error;
use super::failure::Failure;
use super::process::{PerProcess, generation};
use super::sending::Sending;
use super::tasks::{Task, start_runtime};

/// How many idle runtimes are kept. Each is a thread.
const IDLE_RUNTIMES: usize = 4;

/// The idle runtimes of a client, with their open connections.
#[derive(Debug, Default)]
pub(super) struct OwnRuntimes(PerProcess<Mutex<Vec<OwnRuntime>>>);

/// A runtime with one thread, for one attempt at a time that streams its body, and its connections.
///
/// hyper closes a connection only after it has sent what it holds. A server that takes nothing would keep the socket, the
/// file and the body of an upload that was given up. Stopping the runtime closes them.
#[derive(Debug)]
struct OwnRuntime {
    /// `None` once it was stopped.
    runtime: Option<Runtime>,
    handle: Handle,
    connections: Arc<Connections>,
    generation: u32,
}

impl OwnRuntimes {
    /// Runs an attempt, which gets connections of its own. When this future is dropped, or the attempt ends before its
    /// body does, the runtime is stopped, and with it the connection.
    pub(super) async fn run<T: Send + 'static, F>(
        &self,
        attempt: impl FnOnce(Arc<Connections>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<(T, Sending), Failure>> + Send + 'static,
    {
        let runtime = self.take().map_or_else(OwnRuntime::start, Ok).map_err(Failure::last)?;
        let mut task = Task::begin(&runtime.handle, attempt(Arc::clone(&runtime.connections)));
        let (result, sending) = task.wait().await.map_err(Failure::last)??;
        if sending.is_whole() {
            self.keep(runtime);
        }
        Ok(result)
    }

    /// Stops the idle runtimes.
    pub(super) fn clear(&self) {
        self.0.clear();
    }

    fn take(&self) -> Option<OwnRuntime> {
        self.0.existing()?.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, runtime: OwnRuntime) {
        let Ok(idle) = self.0.get(|| Ok::<_, Infallible>(Mutex::default()));
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_RUNTIMES {
            idle.push(runtime);
        }
    }
}

impl OwnRuntime {
    fn start() -> Result<Self, Error> {
        let runtime = start_runtime().map_err(Error::no_threads)?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle, connections: Arc::default(), generation: generation() })
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        match self.runtime.take() {
            // Its thread stayed in the parent of a fork.
            Some(runtime) if self.generation != generation() => mem::forget(runtime),
            Some(runtime) => runtime.shutdown_background(),
            None => {}
        }
    }
}
