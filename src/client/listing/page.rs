//! Takes in one page of a list: decides which items are new, and what to read next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use serde_json::Value;

use super::seen::SeenIds;
use super::sweep::{PageContent, PageRange, ReadAgain, State, Sweep};
use crate::api::Page;
use crate::api::item::{Identity, Item};

/// A page whose items were returned to the caller.
#[derive(Debug)]
pub(super) struct ReturnedPage {
    pub(super) number: i64,
    /// The state of the sweep before this page.
    pub(super) sweep: Sweep,
    pub(super) given: Vec<Identity>,
}

/// Remembers repeated pages, to detect a list without an end.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// The content of the previous page, to detect a server that repeats itself.
    previous: Option<u64>,
    /// How many pages in a row brought nothing new.
    pub(super) pages_without_news: i64,
}

/// What follows a page.
#[derive(Debug)]
pub(super) enum NextStep {
    Page,
    /// The page before, once more: items may have moved to it.
    PageBefore,
    /// The limit is reached, which is not the end of the list.
    Stop,
    /// It was the last page. The text says what is missing although every page was read, if anything is.
    EndSweep(Option<String>),
}

impl Repeats {
    /// Starts another sweep.
    pub(super) fn begin_sweep(&mut self) {
        self.previous = None;
    }

    /// Takes in a page: returns its new items, the page if it has any, and the next step.
    pub(super) fn take<T: Item>(
        &mut self,
        state: &mut State,
        page: Page<T>,
        pages: PageRange,
    ) -> (Vec<T>, Option<ReturnedPage>, NextStep) {
        let Page { items: came, meta } = page;
        let number = state.next_page;
        let sweep = state.sweep.clone();
        let is_one_by_one = state.reads_again();
        let read_again = state.read_again.take();
        if let Some(meta) = meta {
            state.sweep.record_meta(meta, is_one_by_one);
            state.drift.first_total = state.drift.first_total.or(meta.total_count);
            state.drift.last_total = meta.total_count.or(state.drift.last_total);
        }
        let last_page = state.sweep.last_page;
        let is_another = meta.and_then(|meta| meta.current_page).is_some_and(|current| current != number);
        let page = ComparedItems::new(state, &sweep, came.iter().map(Item::identity).collect());
        let is_empty = came.is_empty();
        // A page with news is not a repetition.
        let is_repeated = read_again.is_none()
            && !is_empty
            && (last_page.is_none() || page.is_by_content || page.duplicates == came.len())
            && {
                let content = fingerprint(&page.identities);
                self.previous.replace(content) == Some(content)
            };
        // Without a known last page, a page equal to the previous one is the same page again.
        let is_same_page = is_repeated && (last_page.is_none() || (page.is_by_content && is_another));
        let most = state.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let rows = count(&came);
        // After a checkpoint of version 1, it is unknown which of them were returned from this very page.
        let duplicates = if state.is_of_version_1 { 0 } else { i64::try_from(page.duplicates).unwrap_or(i64::MAX) };
        let is_steady = sweep.count().is_none_or(|count| state.sweep.count() == Some(count));
        let (items, given, fresh) = if is_same_page { Default::default() } else { page.pick(state, came, most) };

        if let Some(left) = &mut state.left {
            *left -= items.len() as u64;
        }
        state.items += items.len() as u64;
        if let Some(ReadAgain { page, is_last }) = read_again {
            let has_moved_on = state.sweep.record_page_again(&sweep, fresh, meta);
            let returned = (!items.is_empty()).then_some(ReturnedPage { number, sweep, given });
            state.next_page = if has_moved_on { number } else { page };
            let next = match state.left {
                Some(0) => NextStep::Stop,
                _ if is_last && !has_moved_on => NextStep::EndSweep(state.shortage(pages)),
                _ => NextStep::Page,
            };
            return (items, returned, next);
        }
        let request = pages.request(number);
        state.sweep.record_page(request, PageContent { rows, fresh, duplicates, is_same_page, is_steady }, meta);
        let returned = (!items.is_empty()).then_some(ReturnedPage { number, sweep, given });
        let is_without_news = is_empty || is_repeated || (items.is_empty() && last_page.is_none());
        self.pages_without_news = if is_without_news { self.pages_without_news + 1 } else { 0 };

        let last_wanted = pages.last.unwrap_or(i64::MAX);
        let is_last = number >= last_wanted
            || match last_page {
                Some(last_page) => number >= last_page,
                None => is_empty || is_repeated || !pages.is_paged,
            };
        let reads_behind = is_last && number < last_wanted && fresh > 0 && state.sweep.may_continue(request);
        let is_last = is_last && !reads_behind;
        let next = if state.left == Some(0) {
            NextStep::Stop
        } else if number > pages.first && state.sweep.may_have_moved_back() {
            state.read_again = Some(ReadAgain { page: number, is_last });
            NextStep::PageBefore
        } else if is_last {
            NextStep::EndSweep(state.shortage(pages))
        } else {
            NextStep::Page
        };
        (items, returned, next)
    }
}

pub(super) fn count<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// A fingerprint of a page, for lists that do not name their last page.
fn fingerprint(identities: &[Identity]) -> u64 {
    let mut hasher = DefaultHasher::new();
    identities.hash(&mut hasher);
    hasher.finish()
}

/// The items of a page, compared with those of earlier pages.
struct ComparedItems {
    pub(super) identities: Vec<Identity>,
    pub(super) is_by_content: bool,
    /// Which of them were on an earlier page of this sweep, and how many.
    are_duplicates: Vec<bool>,
    pub(super) duplicates: usize,
}

impl ComparedItems {
    /// `before` is the state of the sweep before this page.
    pub(super) fn new(state: &State, before: &Sweep, identities: Vec<Identity>) -> Self {
        let is_by_content = matches!(identities.first(), Some(Identity::Content(_)));
        // An item without an id that equals one of an earlier page is a different item, unless new items may have
        // pushed the earlier one here. Only another sweep can decide which.
        let may_have_moved = state.current.is_none()
            && match (before.total_count, state.sweep.total_count) {
                (Some(before), Some(now)) => before < now,
                _ => true,
            };
        let may_come_again = !is_by_content || may_have_moved;
        let found = state.found();
        let are_duplicates: Vec<bool> = identities.iter().map(|each| may_come_again && found.contains(each)).collect();
        let duplicates = are_duplicates.iter().filter(|is_duplicate| **is_duplicate).count();
        Self { identities, is_by_content, are_duplicates, duplicates }
    }

    /// Records the items; returns those not returned before (at most `most`), their identities, and how many appeared
    /// in this sweep for the first time.
    pub(super) fn pick<T: Item>(self, state: &mut State, came: Vec<T>, most: usize) -> (Vec<T>, Vec<Identity>, i64) {
        let (mut items, mut given) = (Vec::with_capacity(came.len()), Vec::with_capacity(came.len()));
        let mut page = SeenIds::default();
        let mut fresh = 0;
        let mut earlier = Version1Items::of(state, self.is_by_content);
        for ((item, identity), is_duplicate) in came.into_iter().zip(self.identities).zip(self.are_duplicates) {
            if items.len() == most {
                // Items beyond the limit count as not read.
                break;
            }
            let identity = if self.is_by_content && !is_duplicate {
                identity.nth(page.count_of(&identity, state.found().count_of(&identity, 0)))
            } else {
                identity
            };
            let is_new_here = page.insert(&identity);
            fresh += i64::from(is_new_here && !is_duplicate);
            let was_given = state.seen.contains(&identity) || state.partial.contains(&identity);
            if is_new_here && !was_given && !earlier.was_given(&item, state) {
                items.push(item);
                given.push(identity);
            }
        }
        if let Some(current) = &mut state.current {
            current.extend(&page);
        }
        state.seen.extend(&page);
        if !state.partial.is_empty() {
            state.seen.extend(&mem::take(&mut state.partial));
        }
        (state.is_of_version_1, state.skip) = (false, 0);
        (items, given, fresh)
    }
}

/// Recognizes items without ids that were returned before a checkpoint of version 1, which identified them differently.
struct Version1Items {
    is_asked: bool,
    skip: usize,
}

impl Version1Items {
    fn of(state: &State, is_by_content: bool) -> Self {
        let is_first = state.is_of_version_1;
        let is_asked = is_by_content && (is_first || (state.current.is_some() && state.seen.has_texts()));
        Self { is_asked, skip: if is_first { state.skip } else { 0 } }
    }

    fn was_given<T: Item>(&mut self, item: &T, state: &State) -> bool {
        if !self.is_asked {
            return false;
        }
        if let Some(identity) = identity_of_version_1(item, state.is_consistent) {
            return state.seen.contains(&identity);
        }
        let is_skipped = self.skip > 0;
        self.skip -= usize::from(is_skipped);
        is_skipped
    }
}

/// The identity of an item without a type in version 1.
fn identity_of_version_1<T: Item>(item: &T, is_consistent: bool) -> Option<Identity> {
    let text = item.json();
    let fields: Value = serde_json::from_str(&text).ok()?;
    let kind = fields.get("type").or_else(|| fields.get("share_type")).and_then(Value::as_str).unwrap_or_default();
    let by_id = match fields.get("id").or_else(|| fields.get("uuid")) {
        Some(Value::Number(id)) if T::FIELDS.is_empty() => Some(format!("{kind} {id}")),
        Some(Value::String(id)) if T::FIELDS.is_empty() => Some(format!("{kind} {id}")),
        _ => None,
    };
    by_id.or_else(|| is_consistent.then(|| text.into_owned())).map(Identity::Text)
}
