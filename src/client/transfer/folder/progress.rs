//! The progress of many transfers together, in bytes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::transfer::transferred::Transferred;

/// How many bytes of all files are dealt with. A file that is skipped counts as a whole at once; one that fails leaves the
/// total. So both numbers are the same at the end.
#[derive(Debug, Default)]
pub struct TotalProgress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// None before the files are known.
    total: Option<u64>,
    /// The bytes of the files that are dealt with.
    ended: u64,
    /// The files that are being sent, and their sizes.
    active: Vec<(Arc<Transferred>, u64)>,
    has_begun: bool,
}

impl TotalProgress {
    /// The bytes so far, and those in all if they are known.
    pub fn read(&self) -> (u64, Option<u64>) {
        let state = self.state();
        let under_way: u64 = state.active.iter().map(|(transferred, size)| transferred.read().0.min(*size)).sum();
        (state.ended + under_way, state.total)
    }

    /// Whether a file was begun.
    pub fn has_begun(&self) -> bool {
        self.state().has_begun
    }

    pub(super) fn set_total(&self, total: u64) {
        self.state().total = Some(total);
    }

    /// Follows a file until [`Active`] is dropped.
    pub(super) fn begin(&self, size: u64) -> Active<'_> {
        let transferred = Arc::<Transferred>::default();
        let mut state = self.state();
        state.active.push((Arc::clone(&transferred), size));
        state.has_begun = true;
        Active { progress: self, transferred, size, has_ended: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is being sent.
#[derive(Debug)]
pub(super) struct Active<'progress> {
    progress: &'progress TotalProgress,
    pub(super) transferred: Arc<Transferred>,
    size: u64,
    has_ended: bool,
}

impl Active<'_> {
    /// The file is dealt with: uploaded or skipped.
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        state.active.retain(|(transferred, _)| !Arc::ptr_eq(transferred, &self.transferred));
        if self.has_ended {
            state.ended += self.size;
        } else {
            state.total = state.total.map(|total| total.saturating_sub(self.size));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_counted_together_and_one_that_fails_leaves_the_total() {
        let progress = TotalProgress::default();
        assert_eq!(progress.read(), (0, None));
        progress.set_total(100);
        let (one, other) = (progress.begin(60), progress.begin(40));
        one.transferred.set_done(10);
        other.transferred.set_done(5);
        assert_eq!(progress.read(), (15, Some(100)));
        // It is sent from byte 0 again.
        one.transferred.set_done(0);
        assert_eq!(progress.read(), (5, Some(100)));
        drop(other);
        assert_eq!(progress.read(), (0, Some(60)));
        one.end();
        assert_eq!(progress.read(), (60, Some(60)));
    }
}
