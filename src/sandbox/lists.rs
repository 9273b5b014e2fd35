//! Queries of lists, and the cache of lists and pages: reading page after page must not search each time.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use jiff::civil::Date;

use super::records::Role;

/// The filters of a search, combined with AND.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Criteria {
    pub(crate) title: Option<String>,
    pub(crate) min_size: Option<u64>,
    pub(crate) max_size: Option<u64>,
    pub(crate) created: Period,
    pub(crate) last_viewed: Period,
    pub(crate) last_viewed_by_student: Period,
    pub(crate) owner: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) source: Option<String>,
}

/// A range of days, both ends included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Period {
    pub(crate) start: Option<Date>,
    pub(crate) end: Option<Date>,
}

impl Period {
    /// Whether the day is in it. What has no day matches the unbounded period, and any other if `without_day`.
    pub(super) fn holds(self, day: impl FnOnce() -> Option<Date>, without_day: bool) -> bool {
        if self.start.is_none() && self.end.is_none() {
            return true;
        }
        day().map_or(without_day, |day| {
            self.start.is_none_or(|start| start <= day) && self.end.is_none_or(|end| day <= end)
        })
    }
}

/// The query of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Query {
    Collections,
    CollectionMedia(u64),
    Media(Box<Criteria>),
    /// The address is in lower case.
    Users {
        email: Option<String>,
        role: Option<Role>,
    },
    UserCollections(u64),
    UserMedia(u64),
}

/// The ids of a list, in order.
pub(crate) type Ids = Arc<[u64]>;

/// The most lists in the cache, and the most ids in all of them.
const MAX_LISTS: usize = 64;
const MAX_IDS: usize = 4_000_000;

/// The most bytes of pages in the cache: a benchmark that reads pages again must not wait for rendering.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The approximate size of a key. Searches without results, whose keys can be long, are not cached.
const KEY_SIZE: usize = 512;

/// What a page depends on besides the state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) caller: u64,
    pub(crate) query: Query,
    pub(crate) page: usize,
    pub(crate) per_page: usize,
}

/// The cache of lists and pages. Every change of the state clears it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cache {
    lists: HashMap<(u64, Query), Ids>,
    pages: HashMap<PageKey, Bytes>,
    bytes_of_pages: usize,
}

impl Cache {
    pub(crate) fn clear(&mut self) {
        self.lists.clear();
        self.pages.clear();
        self.bytes_of_pages = 0;
    }

    pub(crate) fn page(&self, key: &PageKey) -> Option<Bytes> {
        self.pages.get(key).cloned()
    }

    pub(crate) fn keep_page(&mut self, key: PageKey, body: Bytes) {
        let size = body.len() + KEY_SIZE;
        if self.bytes_of_pages + size > MAX_BYTES {
            self.pages.clear();
            self.bytes_of_pages = 0;
        }
        self.bytes_of_pages += size;
        self.pages.insert(key, body);
    }

    /// The cached ids of a caller's list.
    pub(crate) fn list(&self, key: &(u64, Query)) -> Option<Ids> {
        self.lists.get(key).map(Arc::clone)
    }

    pub(crate) fn keep_list(&mut self, key: (u64, Query), ids: Ids) {
        let known: usize = self.lists.values().map(|ids| ids.len()).sum();
        if self.lists.len() >= MAX_LISTS || known + ids.len() > MAX_IDS {
            self.lists.clear();
        }
        self.lists.insert(key, ids);
    }
}
