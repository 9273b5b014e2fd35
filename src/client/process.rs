//! Values that belong to one process or to one of its runtimes: after a fork, the child makes its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwapOption;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Whether requests were dropped while nothing drove the callers' runtime, which then still has to close their
/// connections.
pub static NEEDS_CLEANUP: AtomicBool = AtomicBool::new(false);

/// How many forks separate this process from the one that loaded the library. Asking the system for the process id
/// would cost several calls per request.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Called in the child after a fork, before anything else here.
pub fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// A value and the process that made it.
#[derive(Debug)]
struct Made<T> {
    generation: u32,
    value: Arc<T>,
}

/// Holds a value for the process that made it. It has no lock, which a fork could leave locked forever.
#[derive(Debug)]
pub struct PerProcess<T> {
    made: ArcSwapOption<Made<T>>,
}

impl<T> PerProcess<T> {
    pub const fn new() -> Self {
        Self { made: ArcSwapOption::const_empty() }
    }

    /// The value of this process, made now if there is none yet.
    pub fn get<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let generation = generation();
        let found = self.made.load_full();
        if let Some(made) = found.as_ref().filter(|made| made.generation == generation) {
            return Ok(Arc::clone(&made.value));
        }
        let value = Arc::new(make()?);
        let fresh = Arc::new(Made { generation, value: Arc::clone(&value) });
        let previous = self.made.compare_and_swap(&found, Some(fresh));
        match (&*previous, found) {
            (Some(previous), Some(inherited)) if Arc::ptr_eq(previous, &inherited) => {
                // Its threads stayed in the parent; dropping it here would wait for them.
                std::mem::forget(inherited);
                Ok(value)
            }
            // Another thread of this process was faster.
            (Some(faster), _) => Ok(Arc::clone(&faster.value)),
            (None, _) => Ok(value),
        }
    }

    /// Drops the value; the next `get` makes another.
    pub fn clear(&self) {
        if let Some(made) = self.made.swap(None).filter(|made| made.generation != generation()) {
            // As above.
            std::mem::forget(made);
        }
    }

    /// The value of this process, if there is one.
    pub fn existing(&self) -> Option<Arc<T>> {
        let made = self.made.load();
        made.as_ref().filter(|made| made.generation == generation()).map(|made| Arc::clone(&made.value))
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a runtime has no threads of its own: nothing arrives on it except during a call.
pub(super) fn is_driven_by_callers(runtime: &Handle) -> bool {
    runtime.runtime_flavor() == RuntimeFlavor::CurrentThread
}

/// One value per kind of runtime: a connection is driven only by the runtime on which it was opened.
#[derive(Debug, Default)]
pub struct PerRuntime<T> {
    /// For the runtime that callers drive on their own threads.
    of_callers: PerProcess<T>,
    /// For the runtime that has threads of its own.
    shared: PerProcess<T>,
}

impl<T> PerRuntime<T> {
    /// The value for the current runtime.
    pub fn here(&self) -> &PerProcess<T> {
        match Handle::try_current() {
            Ok(runtime) if is_driven_by_callers(&runtime) => &self.of_callers,
            _ => &self.shared,
        }
    }

    /// Drops both values.
    pub fn clear(&self) {
        self.of_callers.clear();
        self.shared.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_value_is_made_once_however_many_threads_ask() {
        let cell = PerProcess::new();
        let made: Vec<Arc<u8>> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| cell.get(|| Ok::<_, Infallible>(1)).unwrap())).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let kept = cell.existing().unwrap();
        assert!(made.iter().all(|value| Arc::ptr_eq(value, &kept)));
    }

    #[test]
    fn a_failure_to_make_it_is_told_and_can_be_repeated() {
        let cell = PerProcess::new();
        assert_eq!(cell.get(|| Err::<u8, _>("no")).unwrap_err(), "no");
        assert_eq!(*cell.get(|| Ok::<_, &str>(1)).unwrap(), 1);
    }
}
