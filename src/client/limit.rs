//! Limits how many requests of a client run at once: a request without a free permit waits in a queue.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::process::{PerProcess, generation};

/// The request limit of a client, shared with the clients that `with_options` derives from it.
#[derive(Debug, Clone)]
pub struct RequestLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    /// A forked child has none of its parent's requests, so it has its own permits.
    permits: PerProcess<Permits>,
}

#[derive(Debug)]
struct Permits {
    /// Granted first come, first served.
    free: Semaphore,
    /// How many more pages may be prefetched. On the caller's runtime, a prefetched page holds no other permit while
    /// its reader is away, but it is still a connection.
    ahead: Semaphore,
    /// How many extra permits were withdrawn while in use; the next permit that is returned pays one back.
    owed: AtomicUsize,
    generation: u32,
}

impl RequestLimit {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, permits: PerProcess::new() }))
    }

    /// A permit, if one is free. It never overtakes a waiting request, since a permit that one waits for is never free.
    pub(super) fn try_take(&self) -> Option<Permit> {
        Permits::try_take(&self.permits())
    }

    /// Waits for a permit.
    pub(super) async fn take(&self) -> Permit {
        let permits = self.permits();
        // It is never closed.
        if let Ok(permit) = permits.free.acquire().await {
            permit.forget();
        }
        Permit(permits)
    }

    /// A permit for a prefetched page. A page that arrives even while its reader is away leaves the last free permit to
    /// a call.
    pub(super) fn prefetch_permit(&self, comes_by_itself: bool) -> Option<Arc<PrefetchPermit>> {
        let permits = self.permits();
        if comes_by_itself && permits.free.available_permits() < 2 {
            return None;
        }
        let ahead = permits.ahead.try_acquire().ok()?;
        let permit = Permits::try_take(&permits)?;
        ahead.forget();
        let state = Mutex::new(State { permit: Some(permit), is_under_way: true, is_away: false });
        Some(Arc::new(PrefetchPermit { state, permits }))
    }

    /// Adds a permit while Python code runs in the middle of a call, whose requests then make no progress: that code
    /// may wait for a request of its own.
    pub fn lend(&self) -> ExtraPermit {
        let permits = self.permits();
        permits.free.add_permits(1);
        ExtraPermit(permits)
    }

    fn permits(&self) -> Arc<Permits> {
        let Ok(permits) = self.0.permits.get(|| {
            Ok::<_, Infallible>(Permits {
                free: Semaphore::new(self.0.most),
                ahead: Semaphore::new(self.0.most),
                owed: AtomicUsize::new(0),
                generation: generation(),
            })
        });
        permits
    }
}

impl Permits {
    fn try_take(self: &Arc<Self>) -> Option<Permit> {
        self.free.try_acquire().ok()?.forget();
        Some(Permit(Arc::clone(self)))
    }

    /// Whether the permits belong to this process. Another thread may have held one of their locks during the fork.
    fn are_own(&self) -> bool {
        self.generation == generation()
    }
}

/// The permit for one running request.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        let pay = |owed: usize| owed.checked_sub(1);
        if self.0.are_own() && self.0.owed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, pay).is_err() {
            self.0.free.add_permits(1);
        }
    }
}

/// One extra permit, until it is dropped.
#[derive(Debug)]
pub struct ExtraPermit(Arc<Permits>);

impl Drop for ExtraPermit {
    fn drop(&mut self) {
        if self.0.are_own() && self.0.free.forget_permits(1) == 0 {
            self.0.owed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The permit of a prefetched page. While its reader is away and nothing drives the request, the permit is free for
/// others.
#[derive(Debug)]
pub(super) struct PrefetchPermit {
    state: Mutex<State>,
    permits: Arc<Permits>,
}

#[derive(Debug)]
struct State {
    permit: Option<Permit>,
    is_under_way: bool,
    is_away: bool,
}

impl PrefetchPermit {
    /// Starts an attempt if there is a permit, and returns whether there is. It never waits: a permit could be granted
    /// while nothing drives the request.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state();
        if state.permit.is_none() && !state.is_away {
            state.permit = self.permits.try_take();
            state.is_under_way = state.permit.is_some();
            return state.is_under_way;
        }
        state.is_under_way = true;
        true
    }

    /// Ends the attempt.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_under_way = false;
        state.permit = None;
    }

    /// The reader is away, or no longer wants the page.
    pub(super) fn leave(&self) {
        if self.permits.are_own() {
            let mut state = self.state();
            state.is_away = true;
            state.permit = None;
        }
    }

    /// The reader is back. A running request continues even if no permit is free by now.
    pub(super) fn come_back(&self) {
        let mut state = self.state();
        state.is_away = false;
        if state.is_under_way && state.permit.is_none() {
            state.permit = self.permits.try_take();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PrefetchPermit {
    fn drop(&mut self) {
        if self.permits.are_own() {
            self.permits.ahead.add_permits(1);
        }
    }
}

/// The permit of one call: taken for each attempt, released during the waits in between.
#[derive(Debug, Default)]
pub(super) struct CallPermit {
    permit: Option<Permit>,
    /// For a prefetched page.
    spare: Option<Arc<PrefetchPermit>>,
    /// Whether the call is stopped for want of a permit.
    pub(super) is_missing: bool,
    /// How long the call waited for a permit; taken by the next log line.
    pub(super) waited: Option<Duration>,
}

impl CallPermit {
    pub(super) fn ahead(spare: Arc<PrefetchPermit>) -> Self {
        Self { spare: Some(spare), ..Self::default() }
    }

    /// Takes a permit if one is free.
    pub(super) fn try_begin(&mut self, limit: &RequestLimit) -> bool {
        let is_there = if let Some(spare) = &self.spare {
            spare.begin()
        } else {
            self.permit = self.permit.take().or_else(|| limit.try_take());
            self.permit.is_some()
        };
        self.is_missing = !is_there;
        is_there
    }

    /// Waits for a permit. A prefetched page never does.
    pub(super) async fn begin(&mut self, limit: &RequestLimit) {
        let began = Instant::now();
        self.permit = Some(limit.take().await);
        self.is_missing = false;
        self.waited = Some(self.waited.unwrap_or_default() + began.elapsed());
    }

    pub(super) fn may_wait(&self) -> bool {
        self.spare.is_none()
    }

    /// Awaits something other than a request of this call, and releases the permit while it takes.
    pub(super) async fn not_during<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        poll_fn(|context| {
            let turn = waiting.as_mut().poll(context);
            if turn.is_pending() {
                self.end();
            }
            turn
        })
        .await
    }

    /// Releases the permit until the next attempt.
    pub(super) fn end(&mut self) {
        self.permit = None;
        if let Some(spare) = &self.spare {
            spare.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(limit: &RequestLimit) -> usize {
        limit.permits().free.available_permits()
    }

    #[tokio::test]
    async fn a_permit_goes_to_whoever_waits_longest() {
        let limit = RequestLimit::new(1);
        let first = limit.take().await;
        let (other, order) = (limit.clone(), Arc::new(Mutex::new(Vec::new())));
        let waiting: Vec<_> = (0..3)
            .map(|number| {
                let (limit, order) = (other.clone(), Arc::clone(&order));
                tokio::spawn(async move {
                    let _permit = limit.take().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(first);
        assert!(limit.try_take().is_none(), "it belongs to the first who waits");
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
        assert_eq!(free(&limit), 1);
    }

    #[tokio::test]
    async fn what_was_lent_is_paid_back_at_once_or_with_the_next_permit() {
        let limit = RequestLimit::new(1);
        let outer = limit.take().await;
        let lent = limit.lend();
        let nested = limit.try_take().unwrap();
        drop(lent);
        drop(nested);
        assert_eq!(free(&limit), 0);
        drop(outer);
        assert_eq!(free(&limit), 1);
        drop(limit.lend());
        assert_eq!(free(&limit), 1);
    }

    #[test]
    fn a_page_asked_for_ahead_holds_a_permit_only_while_its_reader_is_there() {
        let limit = RequestLimit::new(2);
        let (one, two) = (limit.prefetch_permit(false).unwrap(), limit.prefetch_permit(false).unwrap());
        assert!(limit.prefetch_permit(false).is_none());
        one.leave();
        two.leave();
        assert_eq!(free(&limit), 2);
        // They are still connections.
        assert!(limit.prefetch_permit(false).is_none());
        let call = limit.try_take().unwrap();
        one.come_back();
        two.come_back();
        assert_eq!(free(&limit), 0);
        drop(call);
        one.end();
        assert_eq!(free(&limit), 2);
        assert!(one.begin());
        drop((one, two));
        assert_eq!(free(&limit), 2);
        assert!(limit.prefetch_permit(false).is_some());
    }

    #[test]
    fn a_page_that_comes_by_itself_leaves_the_last_permit_to_a_call() {
        let limit = RequestLimit::new(2);
        let spare = limit.prefetch_permit(true);
        assert!(spare.is_some());
        assert!(limit.prefetch_permit(true).is_none());
        assert!(limit.try_take().is_some());
    }

    #[test]
    fn an_attempt_ahead_does_not_wait_for_a_permit() {
        let limit = RequestLimit::new(1);
        let spare = limit.prefetch_permit(false).unwrap();
        spare.end();
        let _call = limit.try_take().unwrap();
        let mut hold = CallPermit::ahead(Arc::clone(&spare));
        assert!(!hold.try_begin(&limit));
        assert!(hold.is_missing && !hold.may_wait());
        // A page that waits for the rate limit when the reader leaves continues.
        spare.leave();
        assert!(hold.try_begin(&limit));
    }
}
