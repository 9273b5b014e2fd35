//! What a list is of, and the lists and pages that were made already: reading page after page must not search each time.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use jiff::civil::Date;

use super::records::Role;

/// Which media a search asks for; all that is given must hold.
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

/// From a day to a day, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Period {
    pub(crate) start: Option<Date>,
    pub(crate) end: Option<Date>,
}

impl Period {
    /// Whether the day is in it. What was never viewed has no day, and is in no period but the boundless one. A guess.
    pub(super) fn holds(self, day: impl FnOnce() -> Option<Date>) -> bool {
        if self.start.is_none() && self.end.is_none() {
            return true;
        }
        day().is_some_and(|day| self.start.is_none_or(|start| start <= day) && self.end.is_none_or(|end| day <= end))
    }
}

/// What a list is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Query {
    Collections,
    CollectionMedia(u64),
    Media(Box<Criteria>),
    /// By an address in lower case.
    Users {
        email: Option<String>,
        role: Option<Role>,
    },
    UserCollections(u64),
    UserMedia(u64),
}

/// The ids of a list, in its order.
pub(crate) type Ids = Arc<[u64]>;

/// How many lists are remembered, and how many ids in all of them: reading page after page must not search the library
/// each time.
const REMEMBERED: usize = 64;
const REMEMBERED_IDS: usize = 4_000_000;

/// How many bytes of pages are remembered: a benchmark that reads them again must not wait for them to be rendered.
const REMEMBERED_BYTES: usize = 64 * 1024 * 1024;

/// About what a key takes, with all around it: what is searched for in vain, which can be long, is not remembered.
const SIZE_OF_KEY: usize = 512;

/// What a page of a list depends on, besides the state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PageKey {
    pub(crate) caller: u64,
    pub(crate) query: Query,
    pub(crate) page: usize,
    pub(crate) per_page: usize,
}

/// Lists and pages as they were answered. Every change of the state forgets them all.
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
        let size = body.len() + SIZE_OF_KEY;
        if self.bytes_of_pages + size > REMEMBERED_BYTES {
            self.pages.clear();
            self.bytes_of_pages = 0;
        }
        self.bytes_of_pages += size;
        self.pages.insert(key, body);
    }

    /// The ids of the list that a caller asks for.
    pub(crate) fn list(&self, key: &(u64, Query)) -> Option<Ids> {
        self.lists.get(key).map(Arc::clone)
    }

    pub(crate) fn keep_list(&mut self, key: (u64, Query), ids: Ids) {
        let known: usize = self.lists.values().map(|ids| ids.len()).sum();
        if self.lists.len() >= REMEMBERED || known + ids.len() > REMEMBERED_IDS {
            self.lists.clear();
        }
        self.lists.insert(key, ids);
    }
}
