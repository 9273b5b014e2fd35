//! The progress of a transfer, read from another thread while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for an unknown length.
const UNKNOWN: u64 = u64::MAX;

/// How many bytes of how many were transferred.
#[derive(Debug)]
pub struct Transferred {
    done: AtomicU64,
    total: AtomicU64,
}

impl Transferred {
    pub fn new() -> Self {
        Self { done: AtomicU64::new(0), total: AtomicU64::new(UNKNOWN) }
    }

    /// The bytes transferred so far, and the total if it is known.
    pub fn read(&self) -> (u64, Option<u64>) {
        let total = self.total.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed), (total != UNKNOWN).then_some(total))
    }

    pub(in crate::client) fn set_done(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }

    pub(in crate::client) fn set_total(&self, bytes: Option<u64>) {
        self.total.store(bytes.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}

impl Default for Transferred {
    fn default() -> Self {
        Self::new()
    }
}
