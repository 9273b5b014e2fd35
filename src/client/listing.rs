//! A list of Studio's, read page by page until it is whole.

use std::collections::HashSet;

use super::{Client, Error};
use crate::api::models::{Identity, Item};
use crate::api::request::Meta;
use crate::api::{Page, Request};

/// How often a list is read from the start because it changed meanwhile.
const MAX_SWEEPS: u32 = 10;

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
    pub fn request(&self) -> &Request<Page<T>> {
        &self.request
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
            sweep: Sweep::default(),
            sweeps: 1,
            is_done: false,
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
    previous: Option<u64>,
    sweep: Sweep,
    sweeps: u32,
    is_done: bool,
}

/// What is known of one pass over the pages.
#[derive(Debug, Default)]
struct Sweep {
    first_meta: Option<Meta>,
    /// Whether the list changed under way, so that an item may have moved to a page that had been read already.
    moved: bool,
}

impl<T: Item> Reader<T> {
    /// The items of the next page that has any which were not there before; `None` at the end.
    ///
    /// After an error it can be called again, and goes on with the page that failed.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        while !self.is_done {
            // The first request is sent as it was made: an operation without paging is not given a page number.
            let page = if self.next_page == self.first_page {
                self.client.send(&self.request).await?
            } else {
                self.client.send(&self.request.at_page(self.next_page)).await?
            };
            let items = self.take(page)?;
            if !items.is_empty() {
                return Ok(Some(items));
            }
        }
        Ok(None)
    }

    /// Takes a page in, and decides what to read next.
    fn take(&mut self, page: Page<T>) -> Result<Vec<T>, Error> {
        let is_repeated = page.meta.is_none() && self.previous == Some(page.fingerprint);
        self.previous = Some(page.fingerprint);
        let items: Vec<T> = page
            .items
            .into_iter()
            .filter(|item| !is_repeated && item.identity().is_none_or(|identity| !self.seen.contains(&identity)))
            .collect();
        // Only pages are held against each other: what one page says twice is Studio's to say.
        self.seen.extend(items.iter().filter_map(Item::identity));

        let Some(meta) = page.meta else {
            // Nothing tells where it ends, so it ends where nothing new comes.
            self.next_page += 1;
            self.is_done = !self.is_paged || items.is_empty();
            return Ok(items);
        };
        let first_meta = *self.sweep.first_meta.get_or_insert(meta);
        self.sweep.moved |= meta != first_meta;
        if self.next_page < meta.last_page.unwrap_or(0) {
            self.next_page += 1;
        } else if !self.sweep.moved {
            self.is_done = true;
        } else if self.sweeps < MAX_SWEEPS {
            self.sweeps += 1;
            self.sweep = Sweep::default();
            self.next_page = self.first_page;
        } else {
            self.is_done = true;
            return Err(Error::ListChanged { sweeps: self.sweeps });
        }
        Ok(items)
    }
}

impl Client {
    /// The list that a request asks for; nothing is sent before it is read.
    pub fn list<T>(&self, request: Request<Page<T>>) -> Listing<T> {
        Listing { client: self.clone(), request }
    }
}
