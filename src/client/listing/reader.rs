//! Reads a list page by page, in order, until it is whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::info;

use super::checkpoint::Checkpoint;
use super::page::{NextStep, Repeats, ReturnedPage};
use super::prefetch::{Prefetch, PresentReader};
use super::sweep::{Drift, MAX_SWEEPS, PageRange, State, SweepEnd};
use crate::api::item::Item;
use crate::api::{Page, Request};
use crate::client::error::Error;
use crate::client::log::{TARGET, to_three_places};
use crate::client::send::Client;

/// How many pages in a row may bring nothing new before the list counts as endless.
const MAX_PAGES_WITHOUT_NEWS: i64 = 100;
/// Error statuses that may mean that a page does not exist, where other servers send an empty one.
const NO_SUCH_PAGE: [u16; 4] = [400, 404, 416, 422];
/// The most pages in a batch.
const MAX_BATCH_PAGES: usize = 32;

/// How many of a list's items are in the range of pages.
pub(super) fn total_in_range<T>(request: &Request<Page<T>>, last: Option<i64>, total: i64) -> u64 {
    let per_page = request.per_page().unwrap_or(0);
    let before = request.page().unwrap_or(1).saturating_sub(1).saturating_mul(per_page);
    let end = last.map_or(total, |last| total.min(last.saturating_mul(per_page)));
    u64::try_from(end.saturating_sub(before)).unwrap_or_default()
}

/// One reading of a list.
#[derive(Debug)]
pub struct Reader<T> {
    client: Client,
    request: Request<Page<T>>,
    pages: PageRange,
    position: Arc<Mutex<ReaderPosition>>,
    repeats: Repeats,
    /// When the first page was requested.
    began: Option<Instant>,
    /// How many pages it has read.
    pages_read: u64,
    prefetch: Prefetch<T>,
    /// The error of a page after the last batch.
    failed: Option<Error>,
}

/// The position of a reading, shared with its handles.
#[derive(Debug)]
struct ReaderPosition {
    state: State,
    /// How many items this reading has taken in, and how many of them it has returned.
    taken: u64,
    returned: u64,
    /// The pages taken in since the last batch, and that batch.
    returned_pages: Vec<ReturnedPage>,
}

fn locked(position: &Mutex<ReaderPosition>) -> MutexGuard<'_, ReaderPosition> {
    position.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the position of a reading while it runs.
#[derive(Debug)]
pub struct ReaderHandle<T> {
    client: Client,
    request: Request<Page<T>>,
    last: Option<i64>,
    position: Arc<Mutex<ReaderPosition>>,
}

impl<T: Item> ReaderHandle<T> {
    /// The total number of items, as Studio said last.
    pub fn total(&self) -> Option<u64> {
        let state = &locked(&self.position).state;
        let total = total_in_range(&self.request, self.last, state.sweep.total_count.or(state.drift.last_total)?);
        Some(state.left.map_or(total, |left| total.min(state.items + left)))
    }

    pub fn drift(&self) -> Drift {
        locked(&self.position).state.drift
    }

    /// The checkpoint after so many items were passed on, or after all that were returned; `None` if that was before
    /// the last batch.
    pub fn checkpoint(&self, given: Option<u64>) -> Option<Checkpoint> {
        let position = locked(&self.position);
        let mut state = position.state.clone();
        let mut unread = usize::try_from(position.taken.saturating_sub(given.unwrap_or(position.returned))).ok()?;
        let mut first_unread = None;
        for page in position.returned_pages.iter().rev() {
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
        // If another sweep is running, it finds what was not passed on.
        if let Some((page, given)) = first_unread
            && (state.is_done || state.next_page > page.number || state.read_again.is_some())
        {
            let first_page = self.request.page().unwrap_or(1);
            state.go_back_to(page.number, &page.sweep, given, first_page);
        }
        Some(Checkpoint::new(&self.client, &self.request, self.last, state))
    }
}

impl<T: Item> Reader<T> {
    /// `last` is the last page to read, if the range has an end.
    pub(super) fn new(client: Client, request: Request<Page<T>>, last: Option<i64>, state: State) -> Self {
        let first = request.page().unwrap_or(1);
        let pages = PageRange { first, last, per_page: request.per_page(), is_paged: request.page().is_some() };
        let position = ReaderPosition { state, taken: 0, returned: 0, returned_pages: Vec::new() };
        Self {
            client: client.clone(),
            request: request.clone(),
            pages,
            position: Arc::new(Mutex::new(position)),
            repeats: Repeats::default(),
            began: None,
            pages_read: 0,
            prefetch: Prefetch::new(client, request, pages),
            failed: None,
        }
    }

    /// All pages that are ready, at least one with new items; `None` at the end.
    ///
    /// After an error or a cancelled call, it can be called again, and continues with the page that failed.
    pub async fn next_pages(&mut self) -> Result<Option<Vec<Vec<T>>>, Error> {
        let mut pages = Vec::new();
        let are_there = self.next_batch(1, |items| pages.push(items)).await?;
        Ok(are_there.then_some(pages))
    }

    /// Passes on pages as they arrive, with at least `enough` items if there are so many. Returns whether there were
    /// any.
    ///
    /// It passes every item on once, even if the call is cancelled. Pass the items on before you call it again, which
    /// counts them as returned.
    pub async fn next_batch(&mut self, enough: usize, mut give: impl FnMut(Vec<T>)) -> Result<bool, Error> {
        let _present = PresentReader::new(&self.prefetch);
        let sweep = {
            let mut position = locked(&self.position);
            // A caller that asks for more has passed on the last batch.
            position.returned_pages.clear();
            position.state.drift.readings
        };
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.prefetch.begin_call();
        let (mut pages, mut count) = (0, 0);
        loop {
            let (is_done, same_sweep, next) = {
                let state = &locked(&self.position).state;
                (state.is_done, state.drift.readings == sweep, state.next_page)
            };
            let may_wait = count == 0 || (count < enough && same_sweep);
            let is_there = pages < MAX_BATCH_PAGES && same_sweep && self.prefetch.is_ready(next);
            if is_done || !(may_wait || is_there) {
                break;
            }
            let fetched = match self.fetch().await {
                // There might have been more pages, but the list ends here.
                Err(Error::Status(refusal)) if NO_SUCH_PAGE.contains(&refusal.status) && self.is_past_end() => {
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
                    // The next call continues with the page that failed.
                    self.prefetch.clear();
                    if count == 0 {
                        return Err(error);
                    }
                    self.failed = Some(error);
                    break;
                }
            }
        }
        if count == 0 {
            // A finished reading keeps only its statistics.
            locked(&self.position).state.forget();
            return Ok(false);
        }
        {
            let position = &mut *locked(&self.position);
            position.returned = position.taken;
        }
        self.prefetch.end_call();
        Ok(true)
    }

    /// A handle that shows the position while the reading runs.
    pub fn handle(&self) -> ReaderHandle<T> {
        let (client, request) = (self.client.clone(), self.request.clone());
        ReaderHandle { client, request, last: self.pages.last, position: Arc::clone(&self.position) }
    }

    /// Cancels prefetched pages: the reading is abandoned.
    pub fn close(&mut self) {
        self.prefetch.clear();
    }

    /// The next page, which may have arrived already.
    async fn fetch(&mut self) -> Result<Page<T>, Error> {
        let (number, last) = {
            let state = &locked(&self.position).state;
            let most = state.pages_before.saturating_add(MAX_PAGES_WITHOUT_NEWS);
            if self.repeats.pages_without_news >= most || state.drift.readings > MAX_SWEEPS {
                return Err(self.given_up(state));
            }
            (state.next_page, self.prefetch.last_page(state))
        };
        self.began.get_or_insert_with(Instant::now);
        self.prefetch.fetch(number, last).await
    }

    /// Whether the next page is beyond the end that Studio announces.
    fn is_past_end(&self) -> bool {
        let state = &locked(&self.position).state;
        state.sweep.is_past_end(self.pages.request(state.next_page))
    }

    /// Takes in a page and decides what to read next. Fails only if the page has nothing new.
    fn take(&mut self, page: Page<T>) -> Result<Vec<T>, Error> {
        let position = Arc::clone(&self.position);
        let ReaderPosition { state, taken, returned_pages, .. } = &mut *locked(&position);
        let (items, page, next) = self.repeats.take(state, page, self.pages);
        self.pages_read += 1;
        *taken += items.len() as u64;
        returned_pages.extend(page);
        match next {
            NextStep::Page => state.next_page = state.next_page.saturating_add(1),
            NextStep::PageBefore => state.next_page = state.next_page.saturating_sub(1),
            NextStep::Stop => {
                state.is_done = true;
                self.prefetch.clear();
            }
            NextStep::EndSweep(shortage) => self.end_sweep(state, shortage)?,
        }
        Ok(items)
    }

    /// Ends a sweep over all pages.
    fn end_sweep(&mut self, state: &mut State, shortage: Option<String>) -> Result<(), Error> {
        match state.end_sweep(shortage, self.pages.first) {
            SweepEnd::Whole => {
                self.prefetch.clear();
                self.log_end(state);
            }
            SweepEnd::Incomplete(shortage) => {
                return Err(self.problem(&format!(
                    "{shortage}. The {} items received so far were returned. Read the list again, or in smaller parts \
                     (by date, owner or collection)",
                    state.items
                )));
            }
            SweepEnd::Again => {
                self.repeats.begin_sweep();
                self.prefetch.clear();
                self.prefetch.slow_down();
                self.log_sweep(state);
            }
        }
        Ok(())
    }

    /// The error if the reading does not continue.
    fn given_up(&self, state: &State) -> Error {
        let (items, page) = (state.items, state.next_page.saturating_sub(1));
        self.problem(&if state.drift.readings > MAX_SWEEPS {
            let counts = match (state.drift.first_total, state.drift.last_total) {
                (Some(first), Some(last)) => format!(" (Studio counted {first} items at first, and {last} at last)"),
                _ => String::new(),
            };
            format!(
                "the list changed during each of {MAX_SWEEPS} readings{counts}. The {items} items received so far were \
                 returned, but others may be missing. Read it at a quieter hour, or in smaller parts (by date, owner \
                 or collection)"
            )
        } else {
            format!(
                "the list has no end: {} pages in a row, up to page {page}, brought nothing new. The {items} items \
                 received so far were returned. Read it in smaller parts (by date, owner or collection), or with a \
                 limit",
                self.repeats.pages_without_news
            )
        })
    }

    fn problem(&self, what: &str) -> Error {
        let (method, path) = self.method_and_path();
        Error::ListChanged(format!("{method} {path}: {what}"))
    }

    /// Logs that another sweep starts.
    fn log_sweep(&self, state: &State) {
        let (method, path) = self.method_and_path();
        let (items, pages, reading) = (state.items, self.pages_read, state.drift.readings);
        let why = if state.is_consistent { "two readings must agree" } else { "the list changed while it was read" };
        info!(
            target: TARGET, method, path, items, pages, reading,
            "{method} {path}: {why}; reading it again (reading {reading})"
        );
    }

    /// Logs that the list is complete.
    fn log_end(&self, state: &State) {
        let seconds = to_three_places(self.began.map_or(0.0, |began| began.elapsed().as_secs_f64()));
        let (method, path) = self.method_and_path();
        let (items, pages, readings) = (state.items, self.pages_read, state.drift.readings);
        info!(
            target: TARGET, method, path, items, pages, readings, seconds,
            "{method} {path}: the list is complete: {items} items on {pages} pages in {seconds:.1} s"
        );
    }

    fn method_and_path(&self) -> (&str, String) {
        (self.request.call.method.as_str(), self.client.context(&self.request.call).display_path())
    }
}
