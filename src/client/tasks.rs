//! Work that goes on beside the call that began it, until it is done or nobody wants it any more.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::OnceLock;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::Error;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Gives work what is known of the caller (whose log, whose event loop), since a task does not inherit it.
pub type Context = fn(Work) -> Work;

static CONTEXT: OnceLock<Context> = OnceLock::new();

/// Installs the function that gives tasks the context of their caller. Only the first call counts.
pub fn install_task_context(context: Context) {
    let _ = CONTEXT.set(context);
}

/// Something under way. Dropped, it is ended.
#[derive(Debug)]
pub struct Task<T> {
    handle: JoinHandle<()>,
    result: oneshot::Receiver<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Begins on a runtime, in the caller's context.
    pub fn begin(runtime: &Handle, running: impl Future<Output = T> + Send + 'static) -> Self {
        let (tell, result) = oneshot::channel();
        let running = Box::pin(running);
        let work: Work = Box::pin(async move {
            // If nobody waits any more, nobody need be told.
            let _ = tell.send(running.await);
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

    /// Waits for the result. It can be left, and waited for again.
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
