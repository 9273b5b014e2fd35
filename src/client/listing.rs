//! A list of Studio's, read page by page until it is whole.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use tracing::info;

use super::log::{TARGET, to_three_places};
use super::{Client, Error};
use crate::api::models::{Identity, Item};
use crate::api::request::Meta;
use crate::api::{Page, Request};

/// How often a list is read from the start because it shrank meanwhile.
const MAX_SWEEPS: u32 = 10;
/// How many pages in a row may bring nothing before it is no list that has an end.
const MAX_BARREN: i64 = 100;

/// A list that has not been read yet. Every reading starts anew.
#[derive(Debug)]
pub struct Listing<T> {
    client: Client,
    request: Request<Page<T>>,
}

impl<T> Clone for Listing<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), request: self.request.clone() }
    }
}

impl<T: Item> Listing<T> {
    /// The request for the first page, as it may be shown.
    pub fn shown(&self) -> String {
        self.client.shown(&self.request.call)
    }

    /// Begins to read it.
    pub fn read(&self) -> Reader<T> {
        Reader {
            client: self.client.clone(),
            request: self.request.clone(),
            first_page: self.request.page().unwrap_or(1),
            next_page: self.request.page().unwrap_or(1),
            is_paged: self.request.page().is_some(),
            seen: HashSet::new(),
            previous: None,
            barren: 0,
            pages_before: 0,
            sweep: Sweep::default(),
            sweeps: 1,
            is_done: false,
            began: None,
            items: 0,
            pages: 0,
        }
    }

    /// How many items there are now: what Studio says, or where it says nothing, what there is to read.
    pub async fn total(&self) -> Result<u64, Error> {
        if self.request.page().is_some() {
            let page = self.client.send(&self.request.at_page(1).with_per_page(1)).await?;
            if let Some(total) = page.meta.and_then(|meta| meta.total_count) {
                let before = self.request.page().unwrap_or(1).saturating_sub(1);
                let skipped = before.saturating_mul(self.request.per_page().unwrap_or(0));
                return Ok(u64::try_from(total.saturating_sub(skipped)).unwrap_or_default());
            }
        }
        let mut reader = self.read();
        let mut total = 0;
        while let Some(items) = reader.next_page().await? {
            total += items.len() as u64;
        }
        Ok(total)
    }
}

/// One reading of a list.
#[derive(Debug)]
pub struct Reader<T> {
    client: Client,
    request: Request<Page<T>>,
    first_page: i64,
    next_page: i64,
    /// Whether the operation takes a page number at all.
    is_paged: bool,
    /// What earlier pages held: while items appear and vanish, those behind them move from page to page.
    seen: HashSet<Identity>,
    /// What the page before held, to tell a server that says the same again and again.
    previous: Option<u64>,
    /// How many pages in a row have brought nothing new.
    barren: i64,
    /// How many pages there were in the sweep before: so many may well bring nothing new in this one.
    pages_before: i64,
    sweep: Sweep,
    sweeps: u32,
    is_done: bool,
    /// When the first page was asked for.
    began: Option<Instant>,
    /// How many items it has given, and how many pages it has read for that.
    items: usize,
    pages: u64,
}

/// What is known of one pass over the pages.
#[derive(Debug, Default)]
struct Sweep {
    last_page: Option<i64>,
    total_count: Option<i64>,
    /// Whether items vanished under way, so that one behind them may have moved to a page that had been read already.
    /// Items that appear only push others to pages that are still to come.
    shrank: bool,
    brought_any: bool,
}

impl Sweep {
    fn take(&mut self, meta: Meta) {
        let fell =
            |before: Option<i64>, now: Option<i64>| matches!((before, now), (Some(before), Some(now)) if now < before);
        self.shrank |= if meta.total_count.is_some() {
            fell(self.total_count, meta.total_count)
        } else {
            fell(self.last_page, meta.last_page)
        };
        self.total_count = meta.total_count.or(self.total_count);
        self.last_page = meta.last_page.or(self.last_page);
    }
}

impl<T: Item> Reader<T> {
    /// The items of the next page that has any which were not there before; `None` at the end.
    ///
    /// After an error it can be called again, and goes on with the page that failed.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        while !self.is_done {
            if self.barren >= self.pages_before.saturating_add(MAX_BARREN) || self.sweeps > MAX_SWEEPS {
                return Err(Error::ListChanged);
            }
            self.began.get_or_insert_with(Instant::now);
            // The first request is sent as it was made: an operation without paging is not given a page number.
            let page = if self.next_page == self.first_page {
                self.client.send(&self.request).await?
            } else {
                self.client.send(&self.request.at_page(self.next_page)).await?
            };
            let items = self.take(page);
            if !items.is_empty() {
                return Ok(Some(items));
            }
        }
        Ok(None)
    }

    /// Takes a page in, and decides what to read next.
    fn take(&mut self, page: Page<T>) -> Vec<T> {
        let is_empty = page.items.is_empty();
        let content = fingerprint(&page.items);
        let is_repeated = !is_empty && self.previous.replace(content) == Some(content);
        if let Some(meta) = page.meta {
            self.sweep.take(meta);
        }
        let last_page = self.sweep.last_page;

        // Without a last page, one that says the very same as that before is the same page, and not another.
        let is_again = is_repeated && last_page.is_none();
        let is_new = |item: &T| !is_again && item.identity().is_none_or(|identity| !self.seen.contains(&identity));
        let items: Vec<T> = page.items.into_iter().filter(is_new).collect();
        self.items += items.len();
        self.pages += 1;
        // Only pages are held against each other: what one page says twice is Studio's to say.
        self.seen.extend(items.iter().filter_map(Item::identity));
        self.sweep.brought_any |= !items.is_empty();
        let is_barren = is_empty || is_repeated || (items.is_empty() && last_page.is_none());
        self.barren = if is_barren { self.barren + 1 } else { 0 };

        let is_last = match last_page {
            Some(last_page) => self.next_page >= last_page,
            None => is_empty || is_again || !self.is_paged,
        };
        if !is_last {
            self.next_page = self.next_page.saturating_add(1);
        } else if self.sweep.shrank && (self.sweeps == 1 || self.sweep.brought_any) {
            self.sweeps += 1;
            self.sweep = Sweep::default();
            self.previous = None;
            self.pages_before = self.next_page.saturating_sub(self.first_page);
            self.next_page = self.first_page;
            self.tell_again();
        } else {
            self.is_done = true;
            self.tell_end();
        }
        items
    }

    fn tell_again(&self) {
        let (method, path) = self.place();
        let (items, pages, reading) = (self.items, self.pages, self.sweeps);
        info!(
            target: TARGET, method, path, items, pages, reading,
            "{method} {path}: the list shrank while it was read, so it is read again (reading {reading})"
        );
    }

    fn tell_end(&self) {
        let seconds = to_three_places(self.began.map_or(0.0, |began| began.elapsed().as_secs_f64()));
        let (method, path) = self.place();
        let (items, pages, readings) = (self.items, self.pages, self.sweeps);
        info!(
            target: TARGET, method, path, items, pages, readings, seconds,
            "{method} {path}: the list is read to its end: {items} items on {pages} pages in {seconds:.1} s"
        );
    }

    fn place(&self) -> (&str, String) {
        (self.request.call.method.as_str(), self.client.place(&self.request.call))
    }
}

/// Tells pages apart, for lists that do not say which page is the last.
fn fingerprint<T: Item>(items: &[T]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for item in items {
        match item.identity() {
            Some(identity) => identity.hash(&mut hasher),
            None => serde_json::to_string(item).unwrap_or_default().hash(&mut hasher),
        }
    }
    hasher.finish()
}

impl Client {
    /// The list that a request asks for; nothing is sent before it is read.
    pub fn list<T>(&self, request: Request<Page<T>>) -> Listing<T> {
        Listing { client: self.clone(), request }
    }
}
