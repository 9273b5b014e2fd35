//! The shared state of a sandbox's two hosts, the API and the storage: URLs, assumptions, faults, log.

use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::assumptions::Assumptions;
use super::faults::Faults;
use super::log::Log;
use super::state::State;

/// A simulated Studio: its URLs, assumptions, state, faults and log.
#[derive(Debug)]
pub(crate) struct Studio {
    pub(crate) url: String,
    pub(crate) storage_url: String,
    pub(crate) assumptions: Assumptions,
    pub(crate) token_lifetime: SignedDuration,
    pub(crate) url_lifetime: SignedDuration,
    pub(crate) transcoding_time: SignedDuration,
    /// The administrator whose token the sandbox returns.
    pub(crate) admin: u64,
    pub(crate) signing_key: u64,
    pub(crate) state: Mutex<State>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) log: Mutex<Log>,
    pub(crate) panics: AtomicUsize,
}

impl Studio {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by the sandbox's clock. It takes the lock of the state.
    pub(crate) fn now(&self) -> Timestamp {
        self.state().now()
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
