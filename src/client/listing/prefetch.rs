//! Prefetches pages ahead of the reader, all on one runtime.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task;

use super::sweep::{PageRange, State};
use crate::api::{Answer, Page, Request};
use crate::client::error::Error;
use crate::client::limit::PrefetchPermit;
use crate::client::pace::ConcurrencyLimit;
use crate::client::process::{NEEDS_CLEANUP, PerProcess, is_driven_by_callers};
use crate::client::send::Client;
use crate::client::tasks::{Task, shared_runtime};

/// The longest that a reader may be away between two calls if nothing but its calls drives its requests.
const LONGEST_ABSENCE: Duration = Duration::from_secs(1);
/// How often the caller's runtime looks at its sockets before the pages that have not arrived are dropped.
const LAST_LOOKS: usize = 8;

/// A page that was requested ahead of the reader.
#[derive(Debug)]
struct Prefetched<T> {
    number: i64,
    /// The result and how long it took; no result if a retry got no permit.
    task: Task<(Option<Fetching<T>>, Duration)>,
    spare: Weak<PrefetchPermit>,
    /// How long the reader had been away in total when the page was requested; `None` if it arrives even then.
    away: Option<Duration>,
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

/// The runtime on which the pages of a reading arrive.
#[derive(Debug)]
pub(super) struct PrefetchRuntime {
    handle: Handle,
    /// The permits of the pages that arrive only during a blocking call.
    spares: Mutex<Vec<Weak<PrefetchPermit>>>,
}

impl PrefetchRuntime {
    fn new(handle: Handle) -> Self {
        Self { handle, spares: Mutex::default() }
    }

    /// Whether pages arrive only during a blocking call.
    fn is_driven(&self) -> bool {
        is_driven_by_callers(&self.handle)
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
pub(super) struct PresentReader(Arc<PerProcess<PrefetchRuntime>>);

impl PresentReader {
    pub(super) fn new<T>(prefetch: &Prefetch<T>) -> Self {
        let present = Self(Arc::clone(&prefetch.runtime));
        present.each(PrefetchPermit::come_back);
        present
    }

    fn each(&self, change: fn(&PrefetchPermit)) {
        if let Some(runtime) = self.0.existing() {
            runtime.spares().iter().filter_map(Weak::upgrade).for_each(|spare| change(&spare));
        }
    }
}

impl Drop for PresentReader {
    fn drop(&mut self) {
        self.each(PrefetchPermit::leave);
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
    /// Set by the call that first requests a page.
    runtime: Arc<PerProcess<PrefetchRuntime>>,
    /// How long the reader was away between its calls in total, and since when it is away now.
    away: Duration,
    left_at: Option<Instant>,
    /// Whether the reader was away for too long before this call.
    was_long_away: bool,
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
            was_long_away: false,
        }
    }

    /// A call of the reader begins.
    pub(super) fn begin_call(&mut self) {
        let away = self.left_at.take().map_or(Duration::ZERO, |left| left.elapsed());
        self.away += away;
        let config = self.client.config();
        self.was_long_away |= away > LONGEST_ABSENCE.min(config.read_timeout / 2).min(config.timeout / 2);
    }

    /// A call of the reader ends.
    pub(super) fn end_call(&mut self) {
        self.left_at = Some(Instant::now());
    }

    /// Whether a page that is to be read next has arrived.
    pub(super) fn is_ready(&self, number: i64) -> bool {
        self.queue.front().is_some_and(|next| next.number == number && next.is_ready())
    }

    /// Cancels the requests.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Requests fewer pages at once, so that less can move between them.
    pub(super) fn slow_down(&mut self) {
        self.limit.at_most(self.limit.now() / 4);
    }

    /// Moves the reading to the shared runtime for good if this call does not drive the requests under way, or if the
    /// reader was away for too long: connections cannot be left alone.
    async fn choose_runtime(&mut self) -> Result<(), Error> {
        match self.runtime.existing() {
            None => {
                // In the child of a fork, the threads that drove the requests stayed in the parent.
                self.queue.clear();
                if !self.was_long_away {
                    return Ok(());
                }
            }
            Some(runtime) if !runtime.is_driven() => return Ok(()),
            Some(runtime) if runtime.handle.id() != Handle::current().id() => {
                NEEDS_CLEANUP.store(true, Ordering::SeqCst);
            }
            Some(_) if self.was_long_away => {
                for _ in 0..LAST_LOOKS {
                    task::yield_now().await;
                }
            }
            Some(_) => return Ok(()),
        }
        self.queue.retain(Prefetched::is_ready);
        self.runtime.clear();
        self.was_long_away = false;
        self.runtime.get(|| shared_runtime().map(PrefetchRuntime::new)).map(drop)
    }

    /// The next page, which may have arrived already. `last` is the last page that may be prefetched, if it is known.
    pub(super) async fn fetch(&mut self, number: i64, last: Option<i64>) -> Result<Page<T>, Error> {
        self.choose_runtime().await?;
        self.send(number, last);
        let was_alone = self.queue.is_empty();
        let request = self.request_for(number);
        let mut away = Duration::ZERO;
        let mut came = None;
        if let Some(next) = self.queue.front_mut().filter(|next| next.number == number) {
            let (result, took) = next.task.wait().await?;
            away = next.away.map_or(Duration::ZERO, |before| self.away.saturating_sub(before));
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
        if self.send(next, last) && self.runtime.existing().is_some_and(|runtime| runtime.is_driven()) {
            // Sends the requests now, since nothing drives them before the next call. The answers wait in the sockets.
            task::yield_now().await;
        }
    }

    /// Requests those of the next page and the pages after it, if any are known, that were not requested yet. Returns
    /// whether there were any.
    ///
    /// While answers wait for the reader, it requests several pages at once when there is room: switching to the
    /// connections costs more than one more request.
    fn send(&mut self, next: i64, last: Option<i64>) -> bool {
        if self.queue.len() > self.limit.now() / 2 && self.is_ready(next) {
            return false;
        }
        let Some(last) = last else { return false };
        let Ok(runtime) = self.runtime.get(|| Ok::<_, Infallible>(PrefetchRuntime::new(Handle::current())));
        let (is_task, is_driven) = (task::try_id().is_some(), runtime.is_driven());
        let mut has_sent = false;
        for index in 0..self.limit.now() {
            let number = next.saturating_add_unsigned(index as u64);
            if number > last {
                break;
            }
            if self.queue.get(index).is_some_and(|page| page.number == number) {
                continue;
            }
            let Some(spare) = self.client.prefetch_permit(!is_driven) else { break };
            let permit = Arc::downgrade(&spare);
            if is_driven {
                runtime.keep(&spare);
            }
            let (client, request) = (self.client.clone(), self.request_for(number));
            let task = Task::begin(&runtime.handle, async move {
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
            let away = is_driven.then_some(self.away);
            self.queue.insert(index, Prefetched { number, task, spare: permit, away });
            has_sent = true;
        }
        has_sent
    }

    /// The first request is sent unchanged: an operation without paging gets no page number.
    fn request_for(&self, page: i64) -> Request<Page<T>> {
        if page == self.pages.first { self.request.clone() } else { self.request.at_page(page) }
    }

    /// The last page that may be prefetched, by what is known of the list. None may if pages are read one by one.
    pub(super) fn last_page(&self, state: &State) -> Option<i64> {
        if state.reads_again() || !self.client.config().prefetches {
            return None;
        }
        let known = state.sweep.last_page.filter(|_| self.pages.is_paged)?;
        let mut last = self.pages.last.map_or(known, |wanted| wanted.min(known));
        if let (Some(left), Some(per_page)) = (state.left, self.pages.per_page) {
            let pages = left.div_ceil(u64::try_from(per_page).unwrap_or(1).max(1));
            last = last.min(state.next_page.saturating_add_unsigned(pages.saturating_sub(1)));
        }
        Some(last)
    }
}
