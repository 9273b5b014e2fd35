//! Between Python's ways of waiting and the core's: blocking calls, coroutines, interrupts, forks and exits.
//!
//! Nothing else in this crate knows of threads, of the interpreter's lock, of signals or of processes.

pub(crate) mod caller;
pub(crate) mod coroutine;
pub(crate) mod event_loop;
pub(crate) mod exit;
pub(crate) mod logs;
pub(crate) mod operation;
pub(crate) mod run;
pub(crate) mod runtime;
pub(crate) mod shutdown;
