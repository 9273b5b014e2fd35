//! Between Python's ways of waiting and the core's: blocking calls, coroutines, interrupts, forks and exits.

pub(crate) mod coroutine;
pub(crate) mod logs;
pub(crate) mod run;
