//! A list of Studio's: read ahead of whoever reads it, in order, until it is whole.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task;
use tracing::info;

use super::checkpoint::Checkpoint;
use super::log::{TARGET, to_three_places};
use super::pace::Width;
use super::process::{PerProcess, is_driven_by_callers};
use super::seen::Seen;
use super::tasks::Task;
use super::{Client, Error, Options};
use crate::api::models::{Identity, Item};
use crate::api::request::Meta;
use crate::api::{Answer, Page, Request};

/// How often a list is read from the start because it changed meanwhile.
const MAX_SWEEPS: u32 = 10;
/// How often a list is read whose count rose, in a way that might have hidden that items vanished.
const MAX_SWEEPS_OF_A_GROWING_LIST: u32 = 3;
/// After so many readings in a row that brought nothing new, one that shrinks all the time is taken for whole.
const MAX_BARREN_SWEEPS: u32 = 2;
/// How many pages in a row may bring nothing before it is no list that has an end.
const MAX_BARREN: i64 = 100;
/// How many pages are handed over at once.
const MAX_HANDED_OVER: usize = 32;
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
        self.read(reading).bookmark().checkpoint(None)
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
            is_resuming: self.from.is_some(),
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

    /// How many items there are now: what Studio says, or where it says nothing, what there is to read.
    pub async fn total(&self) -> Result<u64, Error> {
        if self.request.page().is_some() && self.from.is_none() {
            let page = self.client.send(&self.request.at_page(1).with_per_page(1)).await?;
            if let Some(total) = page.meta.and_then(|meta| meta.total_count) {
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

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// What happened to a list while it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// How often it was begun to be read.
    pub readings: u32,
    /// How many items only a repeated reading brought: added meanwhile, or moved out of sight before.
    pub appeared: u64,
    /// How many items were given that the last whole reading found no longer.
    pub vanished: u64,
    /// Studio's own count, at first and at last.
    pub first_total: Option<i64>,
    pub last_total: Option<i64>,
}

/// How far a reading is; all that another process needs to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    is_consistent: bool,
    is_done: bool,
    next_page: i64,
    /// How many items without an identity of the next page were given already.
    skip: usize,
    /// How many items were given, and how many there may still be.
    pub(super) items: u64,
    pub(super) left: Option<u64>,
    /// What was given: while items appear and vanish, those behind them move from page to page.
    seen: Seen,
    /// What the first sweep, the one before, and this one found, once there is more than one.
    first: Option<Seen>,
    before: Option<Seen>,
    current: Option<Seen>,
    /// How many pages there were in the sweep before: so many may well bring nothing new in this one.
    pages_before: i64,
    sweep: Sweep,
    /// How many sweeps in a row brought nothing new.
    barren_sweeps: u32,
    drift: Drift,
}

impl State {
    fn new(first_page: i64, reading: Reading) -> Self {
        Self {
            is_consistent: reading.is_consistent,
            is_done: reading.limit == Some(0),
            next_page: first_page,
            skip: 0,
            items: 0,
            left: reading.limit,
            seen: Seen::default(),
            first: None,
            before: None,
            current: None,
            pages_before: 0,
            sweep: Sweep::default(),
            barren_sweeps: 0,
            drift: Drift { readings: 1, ..Drift::default() },
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.drift.first_total.is_some() || self.items > 0 || self.is_done
    }

    /// Keeps only what tells how it went.
    fn forget(&mut self) {
        self.seen = Seen::default();
        (self.first, self.before, self.current) = (None, None, None);
    }

    /// What tells an item from the others. Where nothing does, only a reading that must agree with another needs it.
    fn identity<T: Item>(&self, item: &T) -> Option<Identity> {
        item.identity().or_else(|| self.is_consistent.then(|| Identity::Text(item.json().into_owned())))
    }
}

/// What is known of one pass over the pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Sweep {
    last_page: Option<i64>,
    total_count: Option<i64>,
    /// Whether Studio's count fell from one page to the next. Then an item may have moved to a page that had been read
    /// already: forward, since items vanished; or backward, since others appeared and the later page was answered first.
    /// Read in order, items that appear only push others to pages that are still to come.
    fell: bool,
    /// How many items came again on a later page.
    again: i64,
    /// Studio's count on the first page that had one, or that of pages.
    first: Option<i64>,
    brought_any: bool,
}

impl Sweep {
    fn take(&mut self, meta: Meta) {
        let fell =
            |before: Option<i64>, now: Option<i64>| matches!((before, now), (Some(before), Some(now)) if now < before);
        self.fell |= if meta.total_count.is_some() {
            fell(self.total_count, meta.total_count)
        } else {
            fell(self.last_page, meta.last_page)
        };
        self.total_count = meta.total_count.or(self.total_count);
        self.last_page = meta.last_page.or(self.last_page);
        self.first = self.first.or(self.count());
    }

    fn count(&self) -> Option<i64> {
        self.total_count.or(self.last_page)
    }

    /// Whether all that moved was pushed back, once for each item that appeared. Where other items vanished, either the
    /// count fell, or as many appeared behind as were missed in front; then fewer come again than the count rose.
    fn is_plain(&self) -> bool {
        let rose = self.count().zip(self.first).map_or(0, |(count, first)| count - first);
        !self.fell && self.again == rose
    }
}

/// A page that was asked for ahead of the reader.
#[derive(Debug)]
struct Ahead<T> {
    number: i64,
    /// What came, and how long it took.
    task: Task<(Result<Fetched<T>, Error>, Duration)>,
    /// How long the reader had been away when it was asked for.
    away: Duration,
}

impl<T: Send + 'static> Ahead<T> {
    fn is_there(&self) -> bool {
        self.task.is_done()
    }
}

/// A caller who drives the requests on a thread of its own takes the answers apart there, while others come in; a task
/// leaves that to those that fetch them.
#[derive(Debug)]
enum Fetched<T> {
    Answer(Answer),
    Page(Page<T>),
}

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
    /// Whether the next page is the first one behind a checkpoint, which was perhaps given in part.
    is_resuming: bool,
    /// When the first page was asked for.
    began: Option<Instant>,
    /// How many pages it has read.
    pages: u64,
    width: Width,
    /// The next page and those behind it, as far as they were asked for.
    ahead: VecDeque<Ahead<T>>,
    home: Arc<Home>,
    /// How long the reader was away between its calls, and since when it is.
    away: Duration,
    left_at: Option<Instant>,
    /// The error of a page behind those that were handed over.
    failed: Option<Error>,
}

/// Where the pages come in that were asked for ahead.
#[derive(Debug, Default)]
pub struct Home {
    /// The runtime of the call that first asked for one.
    runtime: PerProcess<Handle>,
    /// Whether the reader takes its time. Then it is not left to its calls to drive what is under way.
    is_slow: AtomicBool,
}

impl Home {
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
}

/// Where a reading is, for those who ask while it goes on.
#[derive(Debug)]
struct Place {
    state: State,
    /// How many items were taken in so far by this reading, and how many of them were handed over.
    taken: u64,
    handed_over: u64,
    /// What was taken in since the last batch was handed over, and that batch: the number of each page, and the identities
    /// of its items.
    in_hand: Vec<(i64, Vec<Option<Identity>>)>,
}

fn locked(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells where a reading is.
#[derive(Debug)]
pub struct Bookmark<T> {
    client: Client,
    request: Request<Page<T>>,
    last: Option<i64>,
    place: Arc<Mutex<Place>>,
    home: Arc<Home>,
}

impl<T: Item> Bookmark<T> {
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
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Where the reading is, when so many items of it were given on, or all that were handed over; nothing if that was before
    /// what was handed over last.
    pub fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint> {
        let place = locked(&self.place);
        let mut state = place.state.clone();
        let mut unread = usize::try_from(place.taken.saturating_sub(given.unwrap_or(place.handed_over))).ok()?;
        let mut first_unread = None;
        for (number, identities) in place.in_hand.iter().rev() {
            let (given, not_given) = identities.split_at(identities.len().saturating_sub(unread));
            if not_given.is_empty() {
                break;
            }
            unread -= not_given.len();
            not_given.iter().flatten().for_each(|identity| state.seen.remove(identity));
            state.items -= not_given.len() as u64;
            state.left = state.left.map(|left| left + not_given.len() as u64);
            first_unread = Some((*number, given.iter().filter(|identity| identity.is_none()).count()));
        }
        if unread > 0 {
            return None;
        }
        // If another sweep is under way, it comes by what was not given.
        if let Some((page, skip)) = first_unread
            && (state.is_done || state.next_page > page)
        {
            (state.next_page, state.skip, state.is_done) = (page, skip, false);
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
        let are_there = self.hand_over(1, |items| pages.push(items)).await?;
        Ok(are_there.then_some(pages))
    }

    /// Likewise, page by page as they come, and at least so many items if there are. Says whether there were any.
    ///
    /// What it has given it does not give again, also if the call is given up. It must not be called again before that
    /// was handed on, since then it counts as given.
    pub async fn hand_over(&mut self, enough: usize, mut give: impl FnMut(Vec<T>)) -> Result<bool, Error> {
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
            let is_there = pages < MAX_HANDED_OVER && same_sweep && self.ahead.front().is_some_and(Ahead::is_there);
            if is_done || !(may_wait || is_there) {
                break;
            }
            match self.fetch().await {
                Ok(page) => {
                    let items = self.take(page);
                    if !items.is_empty() {
                        (pages, count) = (pages + 1, count + items.len());
                        give(items);
                    }
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
    pub fn bookmark(&self) -> Bookmark<T> {
        let (client, request) = (self.client.clone(), self.request.clone());
        let (place, home) = (Arc::clone(&self.place), Arc::clone(&self.home));
        Bookmark { client, request, last: self.last, place, home }
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
                return Err(Error::ListChanged);
            }
            state.next_page
        };
        self.began.get_or_insert_with(Instant::now);
        if self.home.runtime().is_none() || (self.home.is_driven() && task::try_id().is_some()) {
            // Those who drove it stayed in the parent of a fork, or an event loop reads on, which drives nothing.
            self.leave_home();
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
        let (result, took) = if let Some(next) = self.ahead.front_mut() {
            let (result, took) = next.task.wait().await?;
            if is_driven {
                // Nothing comes in there while the reader is away.
                away = self.away.saturating_sub(next.away);
            }
            self.ahead.pop_front();
            (result, took.saturating_sub(away))
        } else {
            let began = Instant::now();
            (self.client.ask(&request.call).await.map(Fetched::Answer), began.elapsed())
        };
        self.width.answered(took, self.client.pace().throttlings());
        let came = match result {
            // It was asked for together with others, which was too much. Alone, it may be welcome.
            Err(Error::Refused(refusal)) if refusal.status == 429 && !was_alone => {
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
    pub fn leave_home(&mut self) {
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
        let is_task = task::try_id().is_some();
        let before = self.ahead.len();
        while self.ahead.len() < self.width.now() {
            let number = next.saturating_add_unsigned(self.ahead.len() as u64);
            if number > last {
                break;
            }
            let (client, request) = (self.client.clone(), self.request_for(number));
            let task = Task::begin(&home, async move {
                client.pace().hold().await;
                let began = Instant::now();
                let answer = client.ask(&request.call).await;
                let took = began.elapsed();
                let read = |answer| {
                    if is_task {
                        client.read(&request, &answer).map(Fetched::Page)
                    } else {
                        Ok(Fetched::Answer(answer))
                    }
                };
                (answer.and_then(read), took)
            });
            self.ahead.push_back(Ahead { number, task, away: self.away });
        }
        self.ahead.len() > before
    }

    /// The first request is sent as it was made: an operation without paging is not given a page number.
    fn request_for(&self, page: i64) -> Request<Page<T>> {
        if page == self.first_page { self.request.clone() } else { self.request.at_page(page) }
    }

    /// Takes a page in, and decides what to read next.
    fn take(&mut self, page: Page<T>) -> Vec<T> {
        let is_empty = page.items.is_empty();
        let place = Arc::clone(&self.place);
        let mut place = locked(&place);
        let Place { state, taken, in_hand, .. } = &mut *place;
        if let Some(meta) = page.meta {
            state.sweep.take(meta);
            state.drift.first_total = state.drift.first_total.or(meta.total_count);
            state.drift.last_total = meta.total_count.or(state.drift.last_total);
        }
        let last_page = state.sweep.last_page;
        let all: Vec<_> = page.items.iter().map(|item| state.identity(item)).collect();
        // Only pages are held against each other: what one page says twice is Studio's to say.
        let is_in = |set: &Seen, identity: &Option<Identity>| identity.as_ref().is_some_and(|each| set.contains(each));
        let was_given: Vec<bool> = all.iter().map(|identity| is_in(&state.seen, identity)).collect();
        let again = match &state.current {
            Some(of_this_sweep) => all.iter().filter(|identity| is_in(of_this_sweep, identity)).count(),
            None => was_given.iter().filter(|was_given| **was_given).count(),
        };
        // A page that says something new is not the one before.
        let is_repeated = !is_empty && (last_page.is_none() || again == page.items.len()) && {
            let content = fingerprint(&page.items);
            self.previous.replace(content) == Some(content)
        };
        // Without a last page, one that says the very same as that before is the same page, and not another.
        let is_same_page = is_repeated && last_page.is_none();
        if !std::mem::take(&mut self.is_resuming) && !is_same_page {
            state.sweep.again = state.sweep.again.saturating_add_unsigned(again as u64);
        }
        if let Some(current) = &mut state.current {
            current.extend(all.iter().flatten());
        }

        let mut skip = std::mem::take(&mut state.skip);
        let most = state.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let (items, identities): (Vec<_>, Vec<_>) = (page.items.into_iter().zip(all).zip(was_given))
            .filter(|((_, identity), was_given)| {
                let is_skipped = identity.is_none() && skip > 0;
                skip -= usize::from(is_skipped);
                !(is_same_page || *was_given || is_skipped)
            })
            .map(|(item, _)| item)
            .take(most)
            .unzip();
        if let Some(left) = &mut state.left {
            *left -= items.len() as u64;
        }
        state.items += items.len() as u64;
        self.pages += 1;
        state.seen.extend(identities.iter().flatten());
        *taken += items.len() as u64;
        if !items.is_empty() {
            in_hand.push((state.next_page, identities));
        }
        state.sweep.brought_any |= !items.is_empty();
        let is_barren = is_empty || is_repeated || (items.is_empty() && last_page.is_none());
        self.barren = if is_barren { self.barren + 1 } else { 0 };

        let last_wanted = self.last.unwrap_or(i64::MAX);
        let is_last = match last_page {
            Some(last_page) => state.next_page >= last_page.min(last_wanted),
            None => is_empty || is_repeated || !self.is_paged || state.next_page >= last_wanted,
        };
        if state.left == Some(0) {
            // That is as far as was asked for, and not the end of the list.
            state.is_done = true;
            self.ahead.clear();
        } else if !is_last {
            state.next_page = state.next_page.saturating_add(1);
        } else {
            self.end_sweep(state);
        }
        items
    }

    /// Every page was read once more: is that enough?
    fn end_sweep(&mut self, state: &mut State) {
        let found = state.current.take().unwrap_or_else(|| state.seen.clone());
        if let Some(first) = &state.first {
            state.drift.appeared = state.seen.without(first);
            state.drift.vanished = state.seen.without(&found);
        }
        state.barren_sweeps = if state.sweep.brought_any { 0 } else { state.barren_sweeps + 1 };
        let is_enough = if state.is_consistent {
            state.before.as_ref() == Some(&found)
        } else if state.sweep.fell {
            state.barren_sweeps >= MAX_BARREN_SWEEPS
        } else {
            // A list that only grows hides nothing from who reads it in order.
            let only_grew = state.first.is_some() && state.drift.vanished == 0;
            state.sweep.is_plain() || only_grew || state.drift.readings >= MAX_SWEEPS_OF_A_GROWING_LIST
        };
        if is_enough {
            return self.finish(state);
        }
        state.first.get_or_insert_with(|| found.clone());
        state.before = state.is_consistent.then_some(found);
        state.current = Some(Seen::default());
        state.drift.readings += 1;
        state.sweep = Sweep::default();
        state.pages_before = state.next_page.saturating_sub(self.first_page);
        state.next_page = self.first_page;
        self.previous = None;
        self.ahead.clear();
        // The fewer pages are under way together, the less can move between them.
        self.width.at_most(self.width.now() / 4);
        self.tell_again(state);
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
        (self.request.call.method.as_str(), self.client.place(&self.request.call))
    }
}

/// Tells pages apart, for lists that do not say which page is the last.
fn fingerprint<T: Item>(items: &[T]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for item in items {
        match item.identity() {
            Some(identity) => identity.hash(&mut hasher),
            None => item.json().hash(&mut hasher),
        }
    }
    hasher.finish()
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
