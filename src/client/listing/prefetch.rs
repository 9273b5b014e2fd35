//! Requests pages ahead of the reader, on the runtime on which they come in.

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
use crate::client::limit::Spare;
use crate::client::pace::ConcurrencyLimit;
use crate::client::process::{PerProcess, is_driven_by_callers};
use crate::client::send::Client;
use crate::client::tasks::Task;

/// A reader that is away for longer than this between two calls takes its time. Connections cannot be left alone for long.
const LONG: Duration = Duration::from_secs(1);

/// A page that was asked for ahead of the reader.
#[derive(Debug)]
struct Prefetched<T> {
    number: i64,
    /// What came, unless there was no permit to try it again, and how long it took.
    task: Task<(Option<Fetching<T>>, Duration)>,
    spare: Weak<Spare>,
    /// How long the reader had been away when it was asked for.
    away: Duration,
}

impl<T: Send + 'static> Prefetched<T> {
    fn is_ready(&self) -> bool {
        self.task.is_done()
    }
}

impl<T> Drop for Prefetched<T> {
    fn drop(&mut self) {
        // The request ends when its runtime is driven, which may be much later.
        if let Some(spare) = self.spare.upgrade() {
            spare.leave();
        }
    }
}

/// A caller who drives the requests on a thread of its own takes the answers apart there, while others come in; a task
/// leaves that to those that fetch them.
#[derive(Debug)]
enum Fetched<T> {
    Answer(Answer),
    Page(Page<T>),
}

type Fetching<T> = Result<Fetched<T>, Error>;

/// Where the pages come in that were asked for ahead.
#[derive(Debug, Default)]
pub struct PrefetchRuntime {
    /// The runtime of the call that first asked for one.
    runtime: PerProcess<Handle>,
    /// Whether the reader takes its time. Then it is not left to its calls to drive what is under way.
    is_slow: AtomicBool,
    /// The permits of the pages under way that come in during a blocking call only.
    spares: Mutex<Vec<Weak<Spare>>>,
}

impl PrefetchRuntime {
    /// The runtime, if something was asked for there.
    pub fn runtime(&self) -> Option<Arc<Handle>> {
        self.runtime.existing()
    }

    /// Whether pages come in during a blocking call only.
    pub fn is_driven(&self) -> bool {
        self.runtime().is_some_and(|runtime| is_driven_by_callers(&runtime))
    }

    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    fn keep(&self, spare: &Arc<Spare>) {
        let mut spares = self.spares();
        spares.retain(|spare| spare.strong_count() > 0);
        spares.push(Arc::downgrade(spare));
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Weak<Spare>>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader during a call. Before and after, the permits of pages that nobody drives are for others.
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

/// The pages of one reading that are requested ahead of the reader.
#[derive(Debug)]
pub(super) struct Prefetch<T> {
    client: Client,
    request: Request<Page<T>>,
    pages: PageRange,
    limit: ConcurrencyLimit,
    /// The next page and those behind it, as far as they were requested.
    queue: VecDeque<Prefetched<T>>,
    runtime: Arc<PrefetchRuntime>,
    /// How long the reader was away between its calls, and since when it is.
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
        self.runtime.is_slow.fetch_or(away > LONG, Ordering::Relaxed);
    }

    /// A call of the reader ends.
    pub(super) fn end_call(&mut self) {
        self.left_at = Some(Instant::now());
    }

    /// Whether the next page has come.
    pub(super) fn is_ready(&self) -> bool {
        self.queue.front().is_some_and(Prefetched::is_ready)
    }

    /// Ends what is under way.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Requests anew what was requested, on the runtime of the call that needs it.
    pub(super) fn reset(&mut self) {
        self.queue.clear();
        self.runtime.runtime.clear();
    }

    /// The fewer pages are under way together, the less can move between them.
    pub(super) fn slow_down(&mut self) {
        self.limit.at_most(self.limit.now() / 4);
    }

    /// The next page, which perhaps is there already.
    /// `last` is the last page that may be requested ahead, if it is known that there are any.
    pub(super) async fn fetch(&mut self, number: i64, last: Option<i64>) -> Result<Page<T>, Error> {
        if self.runtime.runtime().is_none() || (self.runtime.is_driven() && task::try_id().is_some()) {
            // Those who drove it stayed in the parent of a fork, or an event loop reads on, which drives nothing.
            self.reset();
        }
        if self.queue.front().is_some_and(|next| next.number != number) {
            // A call was given up when it had the page that should be there.
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
                // Nothing comes in there while the reader is away.
                away = self.away.saturating_sub(next.away);
            }
            self.queue.pop_front();
            came = result.map(|result| (result, took.saturating_sub(away)));
        }
        let (result, took) = if let Some(came) = came {
            came
        } else {
            let began = Instant::now();
            (self.client.ask(&request.call).await.map(Fetched::Answer), began.elapsed())
        };
        self.limit.answered(took, self.client.pace().throttlings());
        let came = match result {
            // It was asked for together with others, which was too much. Alone, it may be welcome.
            Err(Error::Status(refusal)) if refusal.status == 429 && !was_alone => {
                self.client.pace().hold().await;
                self.client.ask(&request.call).await.map(Fetched::Answer)
            }
            // It was the reader who took so long.
            Err(Error::Timeout { .. }) if away > took => self.client.ask(&request.call).await.map(Fetched::Answer),
            result => result,
        };
        let came = came?;
        self.send_prefetch(number.saturating_add(1), last).await;
        match came {
            Fetched::Page(page) => Ok(page),
            Fetched::Answer(answer) => self.client.read(&request, &answer),
        }
    }

    /// Asks for the pages behind one that has come, before that is worked on: Studio need not wait for it.
    async fn send_prefetch(&mut self, next: i64, last: Option<i64>) {
        if self.send(next, last) && is_driven_by_callers(&Handle::current()) {
            // The requests are sent now, since nobody drives them before the next call. The answers wait in the sockets.
            task::yield_now().await;
        }
    }

    /// Asks for the next page and those behind it, if it is known that there are any. Says whether it did.
    ///
    /// While answers wait for the reader, it asks for several at once, when there is room for them: to look after the
    /// connections costs more than one request more.
    fn send(&mut self, next: i64, last: Option<i64>) -> bool {
        if self.queue.len() > self.limit.now() / 2 && self.queue.front().is_some_and(Prefetched::is_ready) {
            return false;
        }
        let Some(last) = last else { return false };
        let Ok(runtime) = self.runtime.runtime.get(|| Ok::<_, Infallible>(Handle::current()));
        if self.runtime.is_slow() && is_driven_by_callers(&runtime) {
            // What is under way there is taken in, and then the reading moves.
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
            let Some(spare) = self.client.spare(!is_driven) else { break };
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
                let answer = client.ask_ahead(&request.call, spare).await;
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

    /// The first request is sent as it was made: an operation without paging is not given a page number.
    fn request_for(&self, page: i64) -> Request<Page<T>> {
        if page == self.pages.first { self.request.clone() } else { self.request.at_page(page) }
    }

    /// The last page that may be requested ahead, by what is known of the list.
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
