//! Prefetches pages ahead of the reader, on the runtime on which they arrive.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task;

use super::sweep::{PageRange, State};
use crate::api::{Answer, Page, Request};
use crate::client::error::Error;
use crate::client::limit::PrefetchPermit;
use crate::client::pace::ConcurrencyLimit;
use crate::client::process::{PerProcess, is_driven_by_callers};
use crate::client::send::Client;
use crate::client::tasks::Task;

/// A reader that is away longer than this between two calls counts as slow. Connections cannot be left alone for long.
const SLOW_READER_AFTER: Duration = Duration::from_secs(1);

/// A page that was requested ahead of the reader.
#[derive(Debug)]
struct Prefetched<T> {
    number: i64,
    /// The result and how long it took; no result if a retry got no permit.
    task: Task<(Option<Fetching<T>>, Duration)>,
    spare: Weak<PrefetchPermit>,
    /// How long the reader had been away in total when the page was requested.
    away: Duration,
}

impl<T: Send + 'static> Prefetched<T> {
    fn is_ready(&self) -> bool {
        self.task.is_done()
    }
}

impl<T> Drop for Prefetched<T> {
    fn drop(&mut self) {
        // The request is cancelled only when its runtime is driven again, which may be much later.
        if let Some(spare) = self.spare.upgrade() {
            spare.leave();
        }
    }
}

/// A blocking caller decodes the answers on its own thread, while others arrive; in an async call, the prefetch tasks
/// decode them.
#[derive(Debug)]
enum Fetched<T> {
    Answer(Answer),
    Page(Page<T>),
}

type Fetching<T> = Result<Fetched<T>, Error>;

/// The runtime on which prefetched pages arrive.
#[derive(Debug, Default)]
pub struct PrefetchRuntime {
    /// The runtime of the call that first requested one.
    runtime: PerProcess<Handle>,
    /// Whether the reader is slow. Then its calls are not relied on to drive the requests.
    is_slow: AtomicBool,
    /// The permits of the pages that arrive only during a blocking call.
    spares: Mutex<Vec<Weak<PrefetchPermit>>>,
}

impl PrefetchRuntime {
    /// The runtime, if pages were requested on it.
    pub fn runtime(&self) -> Option<Arc<Handle>> {
        self.runtime.existing()
    }

    /// Whether pages arrive only during a blocking call.
    pub fn is_driven(&self) -> bool {
        self.runtime().is_some_and(|runtime| is_driven_by_callers(&runtime))
    }

    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    fn keep(&self, spare: &Arc<PrefetchPermit>) {
        let mut spares = self.spares();
        spares.retain(|spare| spare.strong_count() > 0);
        spares.push(Arc::downgrade(spare));
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Weak<PrefetchPermit>>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the reader as present during a call. Otherwise, permits of pages that nothing drives are free for others.
pub(super) struct PresentReader(Arc<PrefetchRuntime>);

impl PresentReader {
    pub(super) fn new(runtime: &Arc<PrefetchRuntime>) -> Self {
        if runtime.is_driven() {
            runtime.spares().iter().filter_map(Weak::upgrade).for_each(|spare| spare.come_back());
        }
        Self(Arc::clone(runtime))
    }
}

impl Drop for PresentReader {
    fn drop(&mut self) {
        if self.0.is_driven() {
            self.0.spares().iter().filter_map(Weak::upgrade).for_each(|spare| spare.leave());
        }
    }
}

/// The prefetched pages of one reading.
#[derive(Debug)]
pub(super) struct Prefetch<T> {
    client: Client,
    request: Request<Page<T>>,
    pages: PageRange,
    limit: ConcurrencyLimit,
    /// The next page and the pages after it, as far as they were requested.
    queue: VecDeque<Prefetched<T>>,
    runtime: Arc<PrefetchRuntime>,
    /// How long the reader was away between its calls in total, and since when it is away now.
    away: Duration,
    left_at: Option<Instant>,
}

impl<T: Send + 'static> Prefetch<T> {
    pub(super) fn new(client: Client, request: Request<Page<T>>, pages: PageRange) -> Self {
        let limit = ConcurrencyLimit::new(client.config().max_concurrency, client.pace().throttlings());
        Self {
            client,
            request,
            pages,
            limit,
            queue: VecDeque::new(),
            runtime: Arc::default(),
            away: Duration::ZERO,
            left_at: None,
        }
    }

    pub(super) fn runtime(&self) -> &Arc<PrefetchRuntime> {
        &self.runtime
    }

    /// A call of the reader begins.
    pub(super) fn begin_call(&mut self) {
        let away = self.left_at.take().map_or(Duration::ZERO, |left| left.elapsed());
        self.away += away;
        self.runtime.is_slow.fetch_or(away > SLOW_READER_AFTER, Ordering::Relaxed);
    }

    /// A call of the reader ends.
    pub(super) fn end_call(&mut self) {
        self.left_at = Some(Instant::now());
    }

    /// Whether the next page has arrived.
    pub(super) fn is_ready(&self) -> bool {
        self.queue.front().is_some_and(Prefetched::is_ready)
    }

    /// Cancels the requests.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Cancels the requests, and lets the next call choose its own runtime.
    pub(super) fn reset(&mut self) {
        self.queue.clear();
        self.runtime.runtime.clear();
    }

    /// Requests fewer pages at once, so that less can move between them.
    pub(super) fn slow_down(&mut self) {
        self.limit.at_most(self.limit.now() / 4);
    }

    /// The next page, which may have arrived already. `last` is the last page that may be prefetched, if it is known.
    pub(super) async fn fetch(&mut self, number: i64, last: Option<i64>) -> Result<Page<T>, Error> {
        if self.runtime.runtime().is_none() || (self.runtime.is_driven() && task::try_id().is_some()) {
            // The threads that drove the runtime stayed in the parent of a fork, or an event loop continues the
            // reading, which does not drive it.
            self.reset();
        }
        if self.queue.front().is_some_and(|next| next.number != number) {
            // A cancelled call had already taken the page that should be here.
            self.queue.clear();
        }
        let is_driven = self.runtime.is_driven();
        self.send(number, last);
        let was_alone = self.queue.is_empty();
        let request = self.request_for(number);
        let mut away = Duration::ZERO;
        let mut came = None;
        if let Some(next) = self.queue.front_mut() {
            let (result, took) = next.task.wait().await?;
            if is_driven {
                // Nothing arrives there while the reader is away.
                away = self.away.saturating_sub(next.away);
            }
            self.queue.pop_front();
            came = result.map(|result| (result, took.saturating_sub(away)));
        }
        let (result, took) = if let Some(came) = came {
            came
        } else {
            let began = Instant::now();
            (self.client.send_call(&request.call).await.map(Fetched::Answer), began.elapsed())
        };
        self.limit.answered(took, self.client.pace().throttlings());
        let came = match result {
            // Requested together with others, it was throttled. Alone, it may be accepted.
            Err(Error::Status(refusal)) if refusal.status == 429 && !was_alone => {
                self.client.pace().hold().await;
                self.client.send_call(&request.call).await.map(Fetched::Answer)
            }
            // The time out was the reader's, not the server's.
            Err(Error::Timeout { .. }) if away > took => {
                self.client.send_call(&request.call).await.map(Fetched::Answer)
            }
            result => result,
        };
        let came = came?;
        self.send_prefetch(number.saturating_add(1), last).await;
        match came {
            Fetched::Page(page) => Ok(page),
            Fetched::Answer(answer) => self.client.read(&request, &answer),
        }
    }

    /// Requests the pages after one that has arrived, before that page is processed, so that Studio is not idle.
    async fn send_prefetch(&mut self, next: i64, last: Option<i64>) {
        if self.send(next, last) && is_driven_by_callers(&Handle::current()) {
            // Sends the requests now, since nothing drives them before the next call. The answers wait in the sockets.
            task::yield_now().await;
        }
    }

    /// Requests the next page and the pages after it, if any are known. Returns whether it did.
    ///
    /// While answers wait for the reader, it requests several pages at once when there is room: switching to the
    /// connections costs more than one more request.
    fn send(&mut self, next: i64, last: Option<i64>) -> bool {
        if self.queue.len() > self.limit.now() / 2 && self.queue.front().is_some_and(Prefetched::is_ready) {
            return false;
        }
        let Some(last) = last else { return false };
        let Ok(runtime) = self.runtime.runtime.get(|| Ok::<_, Infallible>(Handle::current()));
        if self.runtime.is_slow() && is_driven_by_callers(&runtime) {
            // Pages requested there are read first, and then the reading moves.
            if self.queue.is_empty() {
                self.runtime.runtime.clear();
            }
            return false;
        }
        let (is_task, is_driven) = (task::try_id().is_some(), is_driven_by_callers(&runtime));
        let before = self.queue.len();
        while self.queue.len() < self.limit.now() {
            let number = next.saturating_add_unsigned(self.queue.len() as u64);
            if number > last {
                break;
            }
            let Some(spare) = self.client.prefetch_permit(!is_driven) else { break };
            let permit = Arc::downgrade(&spare);
            if is_driven {
                self.runtime.keep(&spare);
            }
            let (client, request) = (self.client.clone(), self.request_for(number));
            let task = Task::begin(&runtime, async move {
                if client.pace().is_held() {
                    spare.end();
                    client.pace().hold().await;
                }
                let began = Instant::now();
                let answer = client.prefetch(&request.call, spare).await;
                let took = began.elapsed();
                let read = |answer| {
                    if is_task {
                        client.read(&request, &answer).map(Fetched::Page)
                    } else {
                        Ok(Fetched::Answer(answer))
                    }
                };
                (answer.map(|answer| answer.and_then(read)), took)
            });
            self.queue.push_back(Prefetched { number, task, spare: permit, away: self.away });
        }
        self.queue.len() > before
    }

    /// The first request is sent unchanged: an operation without paging gets no page number.
    fn request_for(&self, page: i64) -> Request<Page<T>> {
        if page == self.pages.first { self.request.clone() } else { self.request.at_page(page) }
    }

    /// The last page that may be prefetched, by what is known of the list.
    pub(super) fn last_page(&self, state: &State) -> Option<i64> {
        let known = state.sweep.last_page.filter(|_| self.pages.is_paged)?;
        let mut last = self.pages.last.map_or(known, |wanted| wanted.min(known));
        if let (Some(left), Some(per_page)) = (state.left, self.pages.per_page) {
            let pages = left.div_ceil(u64::try_from(per_page).unwrap_or(1).max(1));
            last = last.min(state.next_page.saturating_add_unsigned(pages.saturating_sub(1)));
        }
        Some(last)
    }
}
