//! Runs the core's futures for Python: blocking calls, coroutines, interrupts, forks and exits.
//!
//! Nothing else in this crate deals with threads, the interpreter's lock, signals or processes.

pub(crate) mod awaitable;
pub(crate) mod caller;
mod development;
pub(crate) mod event_loop;
pub(crate) mod exit;
mod interruption;
pub(crate) mod logs;
pub(crate) mod operation;
pub(crate) mod reports;
pub(crate) mod run;
pub(crate) mod runtime;
pub(crate) mod shutdown;
