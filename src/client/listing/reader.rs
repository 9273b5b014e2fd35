//! A list of Studio's: read ahead of whoever reads it, in order, until it is whole.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task;
use tracing::info;

use super::checkpoint::Checkpoint;
use super::seen::Seen;
use super::state::{Drift, InHand, Sorted, State, fingerprint};
use super::sweep::{Asked, Came, Sweep, fits};
use crate::api::item::Item;
use crate::api::{Answer, Page, Request};
use crate::client::config::Options;
use crate::client::error::Error;
use crate::client::limit::Spare;
use crate::client::log::{TARGET, to_three_places};
use crate::client::pace::Width;
use crate::client::process::{PerProcess, is_driven_by_callers};
use crate::client::send::Client;
use crate::client::tasks::Task;

/// How often a list is read from the start because it changed meanwhile.
const MAX_SWEEPS: u32 = 10;
/// How often a list is read whose count rose, in a way that might have hidden that items vanished.
const MAX_SWEEPS_OF_A_GROWING_LIST: u32 = 3;
/// After so many readings in a row that brought nothing new, one that shrinks all the time is taken for whole.
const MAX_BARREN_SWEEPS: u32 = 2;
/// How many pages in a row may bring nothing before it is no list that has an end.
const MAX_BARREN: i64 = 100;
/// Statuses that say of a page that there is none, where others say so with an empty one.
const NO_SUCH_PAGE: [u16; 4] = [400, 404, 416, 422];
/// How many pages are handed over at once.
const MAX_BATCH_PAGES: usize = 32;
/// A reader that is away for longer than this between two calls takes its time. Connections cannot be left alone for long.
const LONG: Duration = Duration::from_secs(1);

/// A list that has not been read yet. Every reading starts anew, or where the checkpoint is.
#[derive(Debug)]
pub struct Listing<T> {
    client: Client,
    request: Request<Page<T>>,
    /// The last page of the range that is wanted, if not all are.
    last: Option<i64>,
    from: Option<State>,
}

impl<T> Clone for Listing<T> {
    fn clone(&self) -> Self {
        let (client, request) = (self.client.clone(), self.request.clone());
        Self { client, request, last: self.last, from: self.from.clone() }
    }
}

/// How a list is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// How many items at the most.
    pub limit: Option<u64>,
    /// Whether to read until two sweeps agree.
    pub is_consistent: bool,
}

impl<T: Item> Listing<T> {
    /// The request for the first page, as it may be shown.
    pub fn shown(&self) -> String {
        let request = format!(
            "{}{}",
            self.client.shown(&self.request.call),
            match self.last {
                Some(last) => format!(" to page {last}"),
                None => String::new(),
            }
        );
        match &self.from {
            Some(state) => format!("{request}, behind {} items", state.items),
            None => request,
        }
    }

    pub fn first_page(&self) -> Option<i64> {
        self.request.page()
    }

    pub fn per_page(&self) -> Option<i64> {
        self.request.per_page()
    }

    /// Only the pages from the first to the last, as Studio counts them; without a last, to the end.
    #[must_use]
    pub fn range(&self, first: i64, last: Option<i64>) -> Self {
        Self { client: self.client.clone(), request: self.request.at_page(first), last, from: None }
    }

    /// The same list by the same client, but with other options.
    pub fn with(&self, options: Options) -> Result<Self, Error> {
        Ok(Self { client: self.client.likewise(options)?, ..self.clone() })
    }

    /// Where a reading is that has not begun.
    pub fn beginning(&self, reading: Reading) -> Option<Checkpoint> {
        self.read(reading).handle().checkpoint(None)
    }

    /// Begins to read it.
    pub fn read(&self, reading: Reading) -> Reader<T> {
        let first_page = self.request.page().unwrap_or(1);
        let state = self.from.clone().unwrap_or_else(|| State::new(first_page, reading));
        let pace = self.client.pace();
        Reader {
            client: self.client.clone(),
            request: self.request.clone(),
            last: self.last,
            first_page,
            is_paged: self.request.page().is_some(),
            previous: None,
            barren: 0,
            place: Arc::new(Mutex::new(Place {
                state: State { left: least(state.left, reading.limit), ..state },
                taken: 0,
                handed_over: 0,
                in_hand: Vec::new(),
            })),
            began: None,
            pages: 0,
            width: Width::new(self.client.config().max_concurrency, pace.throttlings()),
            ahead: VecDeque::new(),
            home: Arc::default(),
            away: Duration::ZERO,
            left_at: None,
            failed: None,
        }
    }

    /// How many items there are now: what Studio says, or where it says nothing that can be right, what there is to read.
    pub async fn total(&self) -> Result<u64, Error> {
        if let (Some(first_page), None) = (self.request.page(), &self.from) {
            // Only of a part it matters how many there are on a page.
            let is_part = first_page > 1 || self.last.is_some();
            let request = if is_part { self.request.clone() } else { self.request.with_per_page(1) };
            let page = self.client.send(&request).await?;
            let asked = Asked { first_page, number: first_page, per_page: request.per_page() };
            let rows = count(&page.items);
            if let Some(meta) = page.meta
                && let Some(total) = meta.total_count
                && fits(meta, asked, rows, if is_part { 0 } else { rows })
            {
                return Ok(within(&self.request, self.last, total));
            }
        }
        let mut reader = self.read(Reading::default());
        let mut total = 0;
        while let Some(pages) = reader.next_pages().await? {
            total += pages.iter().map(|items| items.len() as u64).sum::<u64>();
        }
        Ok(total)
    }
}

/// How many of a list's items are on the pages that are wanted.
fn within<T>(request: &Request<Page<T>>, last: Option<i64>, total: i64) -> u64 {
    let per_page = request.per_page().unwrap_or(0);
    let before = request.page().unwrap_or(1).saturating_sub(1).saturating_mul(per_page);
    let end = last.map_or(total, |last| total.min(last.saturating_mul(per_page)));
    u64::try_from(end.saturating_sub(before)).unwrap_or_default()
}

fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// A page that was asked for ahead of the reader.
#[derive(Debug)]
struct Ahead<T> {
    number: i64,
    /// What came, unless there was no permit to try it again, and how long it took.
    task: Task<(Option<Outcome<T>>, Duration)>,
    spare: Weak<Spare>,
    /// How long the reader had been away when it was asked for.
    away: Duration,
}

impl<T: Send + 'static> Ahead<T> {
    fn is_there(&self) -> bool {
        self.task.is_done()
    }
}

impl<T> Drop for Ahead<T> {
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

type Outcome<T> = Result<Fetched<T>, Error>;

/// One reading of a list.
#[derive(Debug)]
pub struct Reader<T> {
    client: Client,
    request: Request<Page<T>>,
    last: Option<i64>,
    first_page: i64,
    /// Whether the operation takes a page number at all.
    is_paged: bool,
    /// What the page before held, to tell a server that says the same again and again.
    previous: Option<u64>,
    /// How many pages in a row have brought nothing new.
    barren: i64,
    place: Arc<Mutex<Place>>,
    /// When the first page was asked for.
    began: Option<Instant>,
    /// How many pages it has read.
    pages: u64,
    width: Width,
    /// The next page and those behind it, as far as they were asked for.
    ahead: VecDeque<Ahead<T>>,
    home: Arc<PrefetchRuntime>,
    /// How long the reader was away between its calls, and since when it is.
    away: Duration,
    left_at: Option<Instant>,
    /// The error of a page behind those that were handed over.
    failed: Option<Error>,
}

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
struct Present(Arc<PrefetchRuntime>);

impl Present {
    fn new(home: &Arc<PrefetchRuntime>) -> Self {
        if home.is_driven() {
            home.spares().iter().filter_map(Weak::upgrade).for_each(|spare| spare.come_back());
        }
        Self(Arc::clone(home))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if self.0.is_driven() {
            self.0.spares().iter().filter_map(Weak::upgrade).for_each(|spare| spare.leave());
        }
    }
}

/// Where a reading is, for those who ask while it goes on.
#[derive(Debug)]
struct Place {
    state: State,
    /// How many items were taken in so far by this reading, and how many of them were handed over.
    taken: u64,
    handed_over: u64,
    /// What was taken in since the last batch was handed over, and that batch.
    in_hand: Vec<InHand>,
}

fn locked(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells where a reading is.
#[derive(Debug)]
pub struct ReaderHandle<T> {
    client: Client,
    request: Request<Page<T>>,
    last: Option<i64>,
    place: Arc<Mutex<Place>>,
    home: Arc<PrefetchRuntime>,
}

impl<T: Item> ReaderHandle<T> {
    /// How many items there are in all, as Studio said last.
    pub fn total(&self) -> Option<u64> {
        let state = &locked(&self.place).state;
        let total = within(&self.request, self.last, state.sweep.total_count.or(state.drift.last_total)?);
        Some(state.left.map_or(total, |left| total.min(state.items + left)))
    }

    pub fn drift(&self) -> Drift {
        locked(&self.place).state.drift
    }

    /// Where pages are under way.
    pub fn prefetch_runtime(&self) -> &PrefetchRuntime {
        &self.home
    }

    /// Where the reading is, when so many items of it were given on, or all that were handed over; nothing if that was before
    /// what was handed over last.
    pub fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint> {
        let place = locked(&self.place);
        let mut state = place.state.clone();
        let mut unread = usize::try_from(place.taken.saturating_sub(given.unwrap_or(place.handed_over))).ok()?;
        let mut first_unread = None;
        for page in place.in_hand.iter().rev() {
            let (given, not_given) = page.given.split_at(page.given.len().saturating_sub(unread));
            if not_given.is_empty() {
                break;
            }
            unread -= not_given.len();
            for identity in not_given {
                state.seen.remove(identity);
            }
            state.items -= not_given.len() as u64;
            state.left = state.left.map(|left| left + not_given.len() as u64);
            first_unread = Some((page, given));
        }
        if unread > 0 {
            return None;
        }
        // If another sweep is under way, it comes by what was not given.
        if let Some((page, given)) = first_unread
            && (state.is_done || state.next_page > page.number)
        {
            state.go_back_to(page, given, self.request.page().unwrap_or(1));
        }
        Some(Checkpoint::new(&self.client, &self.request, self.last, state))
    }
}

impl<T: Item> Reader<T> {
    /// All that is ready, at least one page with items which were not there before; `None` at the end.
    ///
    /// After an error, or when the call was given up, it can be called again, and goes on with the page that failed.
    pub async fn next_pages(&mut self) -> Result<Option<Vec<Vec<T>>>, Error> {
        let mut pages = Vec::new();
        let are_there = self.next_batch(1, |items| pages.push(items)).await?;
        Ok(are_there.then_some(pages))
    }

    /// Likewise, page by page as they come, and at least so many items if there are. Says whether there were any.
    ///
    /// What it has given it does not give again, also if the call is given up. It must not be called again before that
    /// was handed on, since then it counts as given.
    pub async fn next_batch(&mut self, enough: usize, mut give: impl FnMut(Vec<T>)) -> Result<bool, Error> {
        let _present = Present::new(&self.home);
        let sweep = {
            let mut place = locked(&self.place);
            // Whoever asks for more has given on what was handed over.
            place.in_hand.clear();
            place.state.drift.readings
        };
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let away = self.left_at.take().map_or(Duration::ZERO, |left| left.elapsed());
        self.away += away;
        self.home.is_slow.fetch_or(away > LONG, Ordering::Relaxed);
        let (mut pages, mut count) = (0, 0);
        loop {
            let (is_done, same_sweep) = {
                let state = &locked(&self.place).state;
                (state.is_done, state.drift.readings == sweep)
            };
            let may_wait = count == 0 || (count < enough && same_sweep);
            let is_there = pages < MAX_BATCH_PAGES && same_sweep && self.ahead.front().is_some_and(Ahead::is_there);
            if is_done || !(may_wait || is_there) {
                break;
            }
            let fetched = match self.fetch().await {
                // There might have been more, but that is where the list ends.
                Err(Error::Status(refusal)) if NO_SUCH_PAGE.contains(&refusal.status) && self.is_behind() => {
                    Ok(Page { items: Vec::new(), meta: None })
                }
                fetched => fetched,
            };
            match fetched.and_then(|page| self.take(page)) {
                Ok(items) if items.is_empty() => {}
                Ok(items) => {
                    (pages, count) = (pages + 1, count + items.len());
                    give(items);
                }
                Err(error) => {
                    // It goes on with the page that failed, and with nothing behind it.
                    self.ahead.clear();
                    if count == 0 {
                        return Err(error);
                    }
                    self.failed = Some(error);
                    break;
                }
            }
        }
        if count == 0 {
            // Whoever keeps the reading wants to know how it went, and not what there was.
            locked(&self.place).state.forget();
            return Ok(false);
        }
        {
            let place = &mut *locked(&self.place);
            place.handed_over = place.taken;
        }
        self.left_at = Some(Instant::now());
        Ok(true)
    }

    /// Tells where it is, also while it goes on.
    pub fn handle(&self) -> ReaderHandle<T> {
        let (client, request) = (self.client.clone(), self.request.clone());
        let (place, home) = (Arc::clone(&self.place), Arc::clone(&self.home));
        ReaderHandle { client, request, last: self.last, place, home }
    }

    /// Ends what is under way: nobody reads on.
    pub fn close(&mut self) {
        self.ahead.clear();
    }

    /// The next page, which perhaps is there already.
    async fn fetch(&mut self) -> Result<Page<T>, Error> {
        let number = {
            let state = &locked(&self.place).state;
            let is_endless = self.barren >= state.pages_before.saturating_add(MAX_BARREN);
            if is_endless || state.drift.readings > MAX_SWEEPS {
                return Err(self.given_up(state));
            }
            state.next_page
        };
        self.began.get_or_insert_with(Instant::now);
        if self.home.runtime().is_none() || (self.home.is_driven() && task::try_id().is_some()) {
            // Those who drove it stayed in the parent of a fork, or an event loop reads on, which drives nothing.
            self.drop_prefetched();
        }
        if self.ahead.front().is_some_and(|next| next.number != number) {
            // A call was given up when it had the page that should be there.
            self.ahead.clear();
        }
        let is_driven = self.home.is_driven();
        self.fetch_ahead(number);
        let was_alone = self.ahead.is_empty();
        let request = self.request_for(number);
        let mut away = Duration::ZERO;
        let mut came = None;
        if let Some(next) = self.ahead.front_mut() {
            let (result, took) = next.task.wait().await?;
            if is_driven {
                // Nothing comes in there while the reader is away.
                away = self.away.saturating_sub(next.away);
            }
            self.ahead.pop_front();
            came = result.map(|result| (result, took.saturating_sub(away)));
        }
        let (result, took) = if let Some(came) = came {
            came
        } else {
            let began = Instant::now();
            (self.client.ask(&request.call).await.map(Fetched::Answer), began.elapsed())
        };
        self.width.answered(took, self.client.pace().throttlings());
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
        self.fetch_meanwhile(number.saturating_add(1)).await;
        match came {
            Fetched::Page(page) => Ok(page),
            Fetched::Answer(answer) => self.client.read(&request, &answer),
        }
    }

    /// Asks for the pages behind one that has come, before that is worked on: Studio need not wait for it.
    async fn fetch_meanwhile(&mut self, next: i64) {
        if self.fetch_ahead(next) && is_driven_by_callers(&Handle::current()) {
            // The requests are sent now, since nobody drives them before the next call. The answers wait in the sockets.
            task::yield_now().await;
        }
    }

    /// Asks anew for what was asked for ahead, on the runtime of the call that needs it.
    pub fn drop_prefetched(&mut self) {
        self.ahead.clear();
        self.home.runtime.clear();
    }

    /// Asks for the next page and those behind it, if it is known that there are any. Says whether it did.
    ///
    /// While answers wait for the reader, it asks for several at once, when there is room for them: to look after the
    /// connections costs more than one request more.
    fn fetch_ahead(&mut self, next: i64) -> bool {
        if self.ahead.len() > self.width.now() / 2 && self.ahead.front().is_some_and(Ahead::is_there) {
            return false;
        }
        let (last, first, left) = {
            let state = &locked(&self.place).state;
            (state.sweep.last_page, state.next_page, state.left)
        };
        let Some(last) = last.filter(|_| self.is_paged) else { return false };
        let mut last = self.last.map_or(last, |wanted| wanted.min(last));
        if let (Some(left), Some(per_page)) = (left, self.request.per_page()) {
            let pages = left.div_ceil(u64::try_from(per_page).unwrap_or(1).max(1));
            last = last.min(first.saturating_add_unsigned(pages.saturating_sub(1)));
        }
        let Ok(home) = self.home.runtime.get(|| Ok::<_, Infallible>(Handle::current()));
        if self.home.is_slow() && is_driven_by_callers(&home) {
            // What is under way there is taken in, and then the reading moves.
            if self.ahead.is_empty() {
                self.home.runtime.clear();
            }
            return false;
        }
        let (is_task, is_driven) = (task::try_id().is_some(), is_driven_by_callers(&home));
        let before = self.ahead.len();
        while self.ahead.len() < self.width.now() {
            let number = next.saturating_add_unsigned(self.ahead.len() as u64);
            if number > last {
                break;
            }
            let Some(spare) = self.client.spare(!is_driven) else { break };
            let permit = Arc::downgrade(&spare);
            if is_driven {
                self.home.keep(&spare);
            }
            let (client, request) = (self.client.clone(), self.request_for(number));
            let task = Task::begin(&home, async move {
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
            self.ahead.push_back(Ahead { number, task, spare: permit, away: self.away });
        }
        self.ahead.len() > before
    }

    /// The first request is sent as it was made: an operation without paging is not given a page number.
    fn request_for(&self, page: i64) -> Request<Page<T>> {
        if page == self.first_page { self.request.clone() } else { self.request.at_page(page) }
    }

    /// How the next page is asked for.
    fn asks(&self, number: i64) -> Asked {
        Asked { first_page: self.first_page, number, per_page: self.request.per_page() }
    }

    /// Whether the next page is behind all that Studio says there are.
    fn is_behind(&self) -> bool {
        let state = &locked(&self.place).state;
        state.sweep.is_behind(self.asks(state.next_page))
    }

    /// Takes a page in, and decides what to read next. It is an error only where there is nothing new on the page.
    fn take(&mut self, page: Page<T>) -> Result<Vec<T>, Error> {
        let Page { items: came, meta } = page;
        let place = Arc::clone(&self.place);
        let mut place = locked(&place);
        let Place { state, taken, in_hand, .. } = &mut *place;
        let number = state.next_page;
        let sweep = state.sweep.clone();
        if let Some(meta) = meta {
            state.sweep.hear(meta);
            state.drift.first_total = state.drift.first_total.or(meta.total_count);
            state.drift.last_total = meta.total_count.or(state.drift.last_total);
        }
        let last_page = state.sweep.last_page;
        let is_another = meta.and_then(|meta| meta.current_page).is_some_and(|current| current != number);
        let page = Sorted::new(state, &sweep, came.iter().map(Item::identity).collect());
        let is_empty = came.is_empty();
        // A page that says something new is not the one before.
        let is_repeated = !is_empty && (last_page.is_none() || page.is_by_content || page.again == came.len()) && {
            let content = fingerprint(&page.identities);
            self.previous.replace(content) == Some(content)
        };
        // Without a last page, one that says the very same as that before is the same page, and not another.
        let is_same_page = is_repeated && (last_page.is_none() || (page.is_by_content && is_another));
        let most = state.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let rows = count(&came);
        // Behind a checkpoint of version 1, nobody knows which of them were given on this very page.
        let again = if state.is_of_version_1 { 0 } else { i64::try_from(page.again).unwrap_or(i64::MAX) };
        let is_steady = sweep.count().is_none_or(|count| state.sweep.count() == Some(count));
        let (items, given, fresh) = if is_same_page { Default::default() } else { page.pick(state, came, most) };

        let asked = self.asks(number);
        state.sweep.count_in(asked, Came { rows, fresh, again, is_same_page, is_steady }, meta);
        state.sweep.brought_any |= !items.is_empty();
        if let Some(left) = &mut state.left {
            *left -= items.len() as u64;
        }
        state.items += items.len() as u64;
        *taken += items.len() as u64;
        self.pages += 1;
        if !items.is_empty() {
            in_hand.push(InHand { number, sweep, given });
        }
        let is_barren = is_empty || is_repeated || (items.is_empty() && last_page.is_none());
        self.barren = if is_barren { self.barren + 1 } else { 0 };

        let last_wanted = self.last.unwrap_or(i64::MAX);
        let is_last = number >= last_wanted
            || match last_page {
                Some(last_page) => number >= last_page,
                None => is_empty || is_repeated || !self.is_paged,
            };
        let reads_behind = is_last && number < last_wanted && fresh > 0 && state.sweep.is_doubtful(asked);
        if state.left == Some(0) {
            // That is as far as was asked for, and not the end of the list.
            state.is_done = true;
            self.ahead.clear();
        } else if !is_last || reads_behind {
            state.next_page = number.saturating_add(1);
        } else {
            let shortage = if self.last.is_none() { state.sweep.shortage(asked) } else { None };
            self.end_sweep(state, shortage)?;
        }
        Ok(items)
    }

    /// Every page was read once more: is that enough?
    fn end_sweep(&mut self, state: &mut State, shortage: Option<String>) -> Result<(), Error> {
        let is_by_content = state.seen.is_by_content();
        if is_by_content && state.current.is_some() {
            // What was given before a checkpoint of version 1 is known by its content now.
            state.seen.forget_texts();
        }
        let found = state.current.as_ref().unwrap_or(&state.seen);
        if let Some(first) = &state.first {
            (state.drift.appeared, state.drift.vanished) = (state.seen.without(first), state.seen.without(found));
        }
        let barren_sweeps = if state.sweep.brought_any { 0 } else { state.barren_sweeps + 1 };
        let is_enough = if state.is_consistent {
            state.before.as_ref() == Some(found)
        } else if state.sweep.fell {
            barren_sweeps >= MAX_BARREN_SWEEPS
        } else {
            // A list that only grows hides nothing from who reads it in order.
            let only_grew = state.first.is_some() && state.drift.vanished == 0;
            state.sweep.is_plain(is_by_content) || only_grew || state.drift.readings >= MAX_SWEEPS_OF_A_GROWING_LIST
        };
        if is_enough && let Some(shortage) = shortage {
            // Whoever asks once more asks for the last page again.
            return Err(self.problem(&format!(
                "{shortage}. The {} items that came were given. Read the list again, or in smaller parts (by date, owner \
                 or collection)",
                state.items
            )));
        }
        state.barren_sweeps = barren_sweeps;
        if is_enough {
            self.finish(state);
            return Ok(());
        }
        let found = state.current.take().unwrap_or_else(|| state.seen.clone());
        state.first.get_or_insert_with(|| found.clone());
        state.before = state.is_consistent.then_some(found);
        state.current = Some(Seen::default());
        state.drift.readings += 1;
        state.sweep = Sweep::new();
        state.pages_before = state.next_page.saturating_sub(self.first_page);
        state.next_page = self.first_page;
        self.previous = None;
        self.ahead.clear();
        // The fewer pages are under way together, the less can move between them.
        self.width.at_most(self.width.now() / 4);
        self.tell_again(state);
        Ok(())
    }

    /// Why it is not read once more, or not on.
    fn given_up(&self, state: &State) -> Error {
        let (items, page) = (state.items, state.next_page.saturating_sub(1));
        self.problem(&if state.drift.readings > MAX_SWEEPS {
            let counts = match (state.drift.first_total, state.drift.last_total) {
                (Some(first), Some(last)) => format!(" (Studio counted {first} items at first, and {last} at last)"),
                _ => String::new(),
            };
            format!(
                "the list changed during each of {MAX_SWEEPS} readings{counts}. The {items} items that came were given, \
                 but others may be missing. Read it at a quieter hour, or in smaller parts (by date, owner or collection)"
            )
        } else {
            format!(
                "the list has no end: {} pages in a row, up to page {page}, brought nothing new. The {items} items that \
                 came were given. Read it in smaller parts (by date, owner or collection), or with a limit",
                self.barren
            )
        })
    }

    fn problem(&self, what: &str) -> Error {
        let (method, path) = self.asked();
        Error::ListChanged(format!("{method} {path}: {what}"))
    }

    fn finish(&mut self, state: &mut State) {
        state.is_done = true;
        self.ahead.clear();
        self.tell_end(state);
    }

    fn tell_again(&self, state: &State) {
        let (method, path) = self.asked();
        let (items, pages, reading) = (state.items, self.pages, state.drift.readings);
        let why = if state.is_consistent { "two readings must agree" } else { "the list changed while it was read" };
        info!(
            target: TARGET, method, path, items, pages, reading,
            "{method} {path}: {why}, so it is read again (reading {reading})"
        );
    }

    fn tell_end(&self, state: &State) {
        let seconds = to_three_places(self.began.map_or(0.0, |began| began.elapsed().as_secs_f64()));
        let (method, path) = self.asked();
        let (items, pages, readings) = (state.items, self.pages, state.drift.readings);
        info!(
            target: TARGET, method, path, items, pages, readings, seconds,
            "{method} {path}: the list is read to its end: {items} items on {pages} pages in {seconds:.1} s"
        );
    }

    fn asked(&self) -> (&str, String) {
        (self.request.call.method.as_str(), self.client.context(&self.request.call).display_path())
    }
}

impl Client {
    /// The list that a request asks for; nothing is sent before it is read.
    pub fn list<T>(&self, request: Request<Page<T>>) -> Listing<T> {
        Listing { client: self.clone(), request, last: None, from: None }
    }

    /// The list of which a checkpoint was taken, from there on.
    pub fn resume<T: Item>(&self, checkpoint: &Checkpoint) -> Result<Listing<T>, Error> {
        let request = checkpoint.request(self)?;
        let from = checkpoint.has_begun().then(|| checkpoint.state.clone());
        Ok(Listing { client: self.clone(), request, last: checkpoint.last, from })
    }
}
