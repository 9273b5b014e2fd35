//! A list that has not been read yet: its request, its pages and its starting point.

use super::checkpoint::Checkpoint;
use super::page::count;
use super::reader::{Reader, total_in_range};
use super::sweep::{Drift, PageRequest, Reading, State, fits};
use crate::api::item::Item;
use crate::api::{Page, Request};
use crate::client::config::Options;
use crate::client::error::Error;
use crate::client::send::Client;

/// A list that has not been read yet. Every reading starts from the beginning, or from the checkpoint.
#[derive(Debug)]
pub struct Listing<T> {
    client: Client,
    request: Request<Page<T>>,
    /// The last page to read, if the range has an end.
    last: Option<i64>,
    from: Option<State>,
}

impl<T> Clone for Listing<T> {
    fn clone(&self) -> Self {
        let (client, request) = (self.client.clone(), self.request.clone());
        Self { client, request, last: self.last, from: self.from.clone() }
    }
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

    /// Only these pages, counted as Studio counts them; without a last page, to the end.
    #[must_use]
    pub fn range(&self, first: i64, last: Option<i64>) -> Self {
        Self { client: self.client.clone(), request: self.request.at_page(first), last, from: None }
    }

    /// The same list with other options of the client.
    pub fn with(&self, options: Options) -> Result<Self, Error> {
        Ok(Self { client: self.client.with_overrides(options)?, ..self.clone() })
    }

    /// The checkpoint of a reading that has not started.
    pub fn beginning(&self, reading: Reading) -> Option<Checkpoint> {
        self.read(reading).handle().checkpoint(None)
    }

    /// Starts a reading.
    pub fn read(&self, reading: Reading) -> Reader<T> {
        let state = match &self.from {
            Some(state) => state.limited_to(reading.limit),
            None => State::new(self.request.page().unwrap_or(1), reading),
        };
        Reader::new(self.client.clone(), self.request.clone(), self.last, state)
    }

    /// All items, one page after another, and how the list changed meanwhile.
    pub async fn collect(&self, reading: Reading) -> Result<(Vec<T>, Drift), Error> {
        let one_by_one = Options { max_concurrency: Some(1), ..Options::default() };
        let listing = if self.first_page().is_some() { self.with(one_by_one)? } else { self.clone() };
        let mut reader = listing.read(reading);
        let mut items = Vec::new();
        while let Some(pages) = reader.next_pages().await? {
            items.extend(pages.into_iter().flatten());
        }
        Ok((items, reader.handle().drift()))
    }

    /// The current number of items: Studio's total, or if that is missing or implausible, the number read.
    pub async fn total(&self) -> Result<u64, Error> {
        if let (Some(first_page), None) = (self.request.page(), &self.from) {
            // The page size matters only for a part of the list.
            let is_part = first_page > 1 || self.last.is_some();
            let request = if is_part { self.request.clone() } else { self.request.with_per_page(1) };
            let page = self.client.send(&request).await?;
            let first = PageRequest { first_page, number: first_page, per_page: request.per_page() };
            let rows = count(&page.items);
            if let Some(meta) = page.meta
                && let Some(total) = meta.total_count
                && fits(meta, first, rows, if is_part { 0 } else { rows })
            {
                return Ok(total_in_range(&self.request, self.last, total));
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

impl Client {
    /// The list of a request; nothing is sent before it is read.
    pub fn list<T>(&self, request: Request<Page<T>>) -> Listing<T> {
        Listing { client: self.clone(), request, last: None, from: None }
    }

    /// The list of a checkpoint, from there on.
    pub fn resume<T: Item>(&self, checkpoint: &Checkpoint) -> Result<Listing<T>, Error> {
        let request = checkpoint.request(self)?;
        let from = checkpoint.has_begun().then(|| checkpoint.state.clone());
        Ok(Listing { client: self.clone(), request, last: checkpoint.last, from })
    }
}
