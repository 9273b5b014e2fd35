//! Tasks that run beside the call that started them, until they finish or are dropped.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::OnceLock;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::Error;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Gives a task the context of its caller (its log, its event loop), since a task does not inherit it.
pub type Context = fn(Work) -> Work;

static CONTEXT: OnceLock<Context> = OnceLock::new();

/// Installs the function that gives tasks the context of their caller. Only the first call counts.
pub fn install_task_context(context: Context) {
    let _ = CONTEXT.set(context);
}

/// A running task; dropping it cancels it.
#[derive(Debug)]
pub struct Task<T> {
    handle: JoinHandle<()>,
    result: oneshot::Receiver<T>,
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
        let work = match CONTEXT.get() {
            Some(context) => context(work),
            None => work,
        };
        Self { handle: runtime.spawn(work), result }
    }

    pub fn is_done(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for the result. The wait can be cancelled and repeated.
    pub async fn wait(&mut self) -> Result<T, Error> {
        match (&mut self.result).await {
            Ok(value) => Ok(value),
            Err(_) => match (&mut self.handle).await {
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                _ => Err(Error::Exiting),
            },
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
