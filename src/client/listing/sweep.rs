//! One sweep over the pages of a list: what was found, whether it fits what Studio says, and whether the list is whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::seen::SeenIds;
use crate::api::item::{Identity, Item, Meta};
use crate::api::models::Source;

/// How many sweeps a changing list gets.
pub(super) const MAX_SWEEPS: u32 = 10;
/// How many sweeps a list gets whose total rose in a way that may have hidden that items vanished.
const MAX_SWEEPS_OF_A_GROWING_LIST: u32 = 3;
/// How many sweeps request several pages at once. In the later ones, pages from which items may have moved back are
/// followed by the page before them, once more.
const MAX_PREFETCHED_SWEEPS: u32 = 2;
/// How often in a sweep a page is read once more because new items appeared while the page before it was read again.
const MAX_PAGES_READ_ONCE_MORE: i64 = 100;

/// How a list is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// The most items to read.
    pub limit: Option<u64>,
    /// Whether to read until two sweeps agree.
    pub is_consistent: bool,
}

/// What happened to a list while it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// How many sweeps were started.
    pub readings: u32,
    /// How many items only a later sweep found: added meanwhile, or moved out of sight before.
    pub appeared: u64,
    /// How many returned items the last complete sweep did not find any more.
    pub vanished: u64,
    /// Studio's own total, the first and the last.
    pub first_total: Option<i64>,
    pub last_total: Option<i64>,
}

/// The state of a reading: all that another process needs to continue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) is_consistent: bool,
    pub(super) is_done: bool,
    pub(super) next_page: i64,
    /// The items of the next page that were returned already. They are not in `seen`, since they will be seen again.
    #[serde(default)]
    pub(super) partial: SeenIds,
    /// Whether the next page is the first after a checkpoint of version 1, and how many of its items without an id had
    /// been returned.
    #[serde(default)]
    pub(super) is_of_version_1: bool,
    pub(super) skip: usize,
    /// How many items were returned, and how many more may be.
    pub(super) items: u64,
    pub(super) left: Option<u64>,
    /// The returned items: while items appear and vanish, those after them move from page to page.
    pub(super) seen: SeenIds,
    /// What the first, the previous and the current sweep found, once there is more than one.
    pub(super) first: Option<SeenIds>,
    pub(super) before: Option<SeenIds>,
    pub(super) current: Option<SeenIds>,
    /// How many pages the previous sweep had: so many may bring nothing new in this one.
    pub(super) pages_before: i64,
    pub(super) sweep: Sweep,
    /// Set while the next page is one that is read again.
    #[serde(default)]
    pub(super) read_again: Option<ReadAgain>,
    pub(super) drift: Drift,
}

/// Where a sweep continues after it has read a page again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadAgain {
    /// The page after the one that is read again.
    pub(super) page: i64,
    /// Whether that was the last page of the sweep.
    pub(super) is_last: bool,
}

impl State {
    pub(super) fn new(first_page: i64, reading: Reading) -> Self {
        Self {
            is_consistent: reading.is_consistent,
            is_done: reading.limit == Some(0),
            next_page: first_page,
            partial: SeenIds::default(),
            is_of_version_1: false,
            skip: 0,
            items: 0,
            left: reading.limit,
            seen: SeenIds::default(),
            first: None,
            before: None,
            current: None,
            pages_before: 0,
            sweep: Sweep::new(),
            read_again: None,
            drift: Drift { readings: 1, ..Drift::default() },
        }
    }

    /// The same state with at most this many items to come.
    pub(super) fn limited_to(&self, limit: Option<u64>) -> Self {
        Self { left: self.left.into_iter().chain(limit).min(), ..self.clone() }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.drift.first_total.is_some() || self.items > 0 || self.is_done
    }

    /// Whether its counts can be those of a reading, so that adding to them cannot go wrong.
    pub(super) fn is_possible(&self) -> bool {
        let Drift { readings, appeared, vanished, first_total, last_total } = self.drift;
        let said = [first_total, last_total].into_iter().flatten();
        let own = [self.items, self.skip as u64, appeared, vanished, readings.into()];
        let again = self.read_again.map(|again| again.page);
        own.into_iter().all(|count| count <= MOST.cast_unsigned())
            && [self.next_page, self.pages_before].into_iter().chain(again).chain(said).all(|count| count >= 0)
            && self.left.is_none_or(|left| i64::try_from(left).is_ok())
            && self.sweep.is_possible()
    }

    /// Keeps only the statistics.
    pub(super) fn forget(&mut self) {
        self.seen = SeenIds::default();
        (self.first, self.before, self.current) = (None, None, None);
    }

    /// Converts the state of a checkpoint of version 1, which identified items without a type by their ids.
    pub(super) fn upgrade_from_version_1(mut self, item: &str, first_page: Option<i64>) -> Self {
        self.is_of_version_1 = true;
        if self.drift.readings > 1 && [Value::NAME, Source::NAME].contains(&item) {
            // The sweeps' findings cannot be converted, so the current sweep starts anew.
            (self.first, self.before, self.current) = (None, None, Some(SeenIds::default()));
            (self.next_page, self.skip, self.sweep) = (first_page.unwrap_or(1), 0, Sweep::new());
        }
        self
    }

    /// Whether this sweep reads a page again if the total fell after it. That needs the pages one by one, and items
    /// that are recognized.
    pub(super) fn reads_again(&self) -> bool {
        self.drift.readings > MAX_PREFETCHED_SWEEPS && !self.is_consistent && !self.seen.is_by_content()
    }

    /// What is missing although every page was read up to the next one, if anything is. Of a range of pages, nothing is
    /// known.
    pub(super) fn shortage(&self, pages: PageRange) -> Option<String> {
        if pages.last.is_none() { self.sweep.shortage(pages.request(self.next_page)) } else { None }
    }

    /// The items found so far in this sweep.
    pub(super) fn found(&self) -> &SeenIds {
        self.current.as_ref().unwrap_or(&self.seen)
    }

    /// Goes back to a page whose items were only partly returned. `sweep` is the state before it arrived, and `given`
    /// what was returned of it.
    pub(super) fn go_back_to(&mut self, page: i64, sweep: &Sweep, given: &[Identity], first_page: i64) {
        self.is_done = false;
        if self.drift.readings > 1 {
            // The order of this sweep's findings is not kept, so the sweep starts anew.
            (self.next_page, self.current, self.read_again) = (first_page, Some(SeenIds::default()), None);
            self.sweep = Sweep::new();
            return;
        }
        (self.next_page, self.sweep) = (page, sweep.clone());
        for identity in given {
            self.seen.remove(identity);
            self.partial.insert(identity);
        }
    }

    /// Ends a sweep and decides whether the list is whole; if not, starts the next. `shortage` says what is missing
    /// although every page was read.
    pub(super) fn end_sweep(&mut self, shortage: Option<String>, first_page: i64) -> SweepEnd {
        let is_by_content = self.seen.is_by_content();
        if is_by_content && self.current.is_some() {
            // Items returned before a checkpoint of version 1 are known by their content now.
            self.seen.forget_texts();
        }
        let found = self.current.as_ref().unwrap_or(&self.seen);
        if let Some(first) = &self.first {
            (self.drift.appeared, self.drift.vanished) = (self.seen.without(first), self.seen.without(found));
        }
        let signs = Signs {
            is_consistent: self.is_consistent,
            agrees_with_previous: self.before.as_ref() == Some(found),
            total_decreased: self.sweep.total_decreased,
            only_grew: self.first.is_some() && self.drift.vanished == 0,
            only_pushed_back: self.sweep.only_pushed_back(is_by_content),
            sweeps: self.drift.readings,
        };
        let is_whole = is_whole(signs);
        if let Some(shortage) = shortage.filter(|_| is_whole) {
            // The next call requests the last page again.
            return SweepEnd::Incomplete(shortage);
        }
        if is_whole {
            self.is_done = true;
            return SweepEnd::Whole;
        }
        let found = self.current.take().unwrap_or_else(|| self.seen.clone());
        self.first.get_or_insert_with(|| found.clone());
        self.before = self.is_consistent.then_some(found);
        self.current = Some(SeenIds::default());
        self.drift.readings += 1;
        self.sweep = Sweep::new();
        self.pages_before = self.next_page.saturating_sub(first_page);
        self.next_page = first_page;
        SweepEnd::Again
    }
}

/// What follows a sweep.
#[derive(Debug)]
pub(super) enum SweepEnd {
    Whole,
    /// Every page was read, and items are missing: the text says which.
    Incomplete(String),
    /// Another sweep starts.
    Again,
}

/// The signs by which a list is whole after a sweep, or not.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are signs, and each can be there without the others")]
struct Signs {
    /// Whether two sweeps must agree, and whether this one agrees with the one before.
    is_consistent: bool,
    agrees_with_previous: bool,
    /// Whether Studio's count fell during this sweep, and the pages around were not read again.
    total_decreased: bool,
    /// Whether all items of earlier sweeps were found again. A list that only grows hides nothing from a reader that
    /// goes in order.
    only_grew: bool,
    /// Whether everything that moved during this sweep was pushed back by new items.
    only_pushed_back: bool,
    /// How many sweeps there were, this one included.
    sweeps: u32,
}

/// The rule: whether a list is whole after a sweep over all its pages.
fn is_whole(signs: Signs) -> bool {
    if signs.is_consistent {
        signs.agrees_with_previous
    } else {
        !signs.total_decreased
            && (signs.only_pushed_back || signs.only_grew || signs.sweeps >= MAX_SWEEPS_OF_A_GROWING_LIST)
    }
}

/// More than any reading counts: a page of 50 items each millisecond takes half a day for so many.
const MOST: i64 = 1 << 31;

/// What is known of one sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are signs, and each can be there without the others")]
pub(super) struct Sweep {
    pub(super) last_page: Option<i64>,
    pub(super) total_count: Option<i64>,
    /// Whether Studio's total fell from one page to the next. Then an item may have moved to a page that had been read
    /// already: forward, since items vanished; or backward, since others appeared and the later page was answered
    /// first. In a reading in order, new items only push others to pages still to come.
    #[serde(rename = "fell")]
    pub(super) total_decreased: bool,
    /// At most how many items may have moved from the next page to the end of the last one since that was read, and
    /// are to be found there if it is read again.
    #[serde(default)]
    moved_back: i64,
    /// How often new items appeared while a page was read again.
    #[serde(default)]
    moved_on: i64,
    /// How many items appeared again on a later page.
    #[serde(rename = "again")]
    duplicates: i64,
    /// Studio's total on the first page that had one, or else its number of pages.
    first: Option<i64>,
    /// How many items its pages had, without repeated pages. Unknown after a checkpoint of version 1.
    #[serde(default)]
    rows: Option<i64>,
    /// How many of them were distinct, and how many the fullest page had.
    #[serde(default)]
    found: i64,
    #[serde(default)]
    fullest: i64,
    /// Whether a page's statements did not fit its content.
    #[serde(default)]
    is_odd: bool,
    /// Whether the last page had a total.
    #[serde(default)]
    is_counted: bool,
    /// Whether a page announced a next one.
    #[serde(default)]
    has_next: bool,
    /// The last page that only repeated others, although Studio counts it as one of several.
    #[serde(default)]
    stuck_at: Option<i64>,
}

/// Which pages of a list are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageRange {
    pub(super) first: i64,
    pub(super) last: Option<i64>,
    pub(super) per_page: Option<i64>,
    /// Whether the operation takes a page number at all.
    pub(super) is_paged: bool,
}

impl PageRange {
    /// How a page is requested.
    pub(super) fn request(self, number: i64) -> PageRequest {
        PageRequest { first_page: self.first, number, per_page: self.per_page }
    }
}

/// How a page was requested.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageRequest {
    /// The page on which the list begins to be read, and this one.
    pub(super) first_page: i64,
    pub(super) number: i64,
    pub(super) per_page: Option<i64>,
}

impl PageRequest {
    /// How many items the pages before the first one have, if they are full.
    fn before(self) -> i64 {
        self.first_page.saturating_sub(1).saturating_mul(self.per_page.unwrap_or(0))
    }
}

/// The content of a page, in numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageContent {
    pub(super) rows: i64,
    /// How many items were new in this sweep.
    pub(super) fresh: i64,
    /// How many were on an earlier page of this sweep.
    pub(super) duplicates: i64,
    /// Whether it is the previous page again, and was left out.
    pub(super) is_same_page: bool,
    /// Whether Studio's total is the same as on the previous page.
    pub(super) is_steady: bool,
}

impl Sweep {
    pub(super) fn new() -> Self {
        Self { rows: Some(0), ..Self::default() }
    }

    /// Whether its counts can be those of a reading.
    pub(super) fn is_possible(&self) -> bool {
        let said = [self.last_page, self.total_count, self.first, self.stuck_at].into_iter().flatten();
        let own =
            [self.duplicates, self.found, self.fullest, self.moved_back, self.moved_on].into_iter().chain(self.rows);
        said.chain(own.clone()).all(|count| count >= 0) && own.into_iter().all(|count| count <= MOST)
    }

    /// Records what a page says about the list. `reads_again`: whether the page before is read again if the total fell.
    pub(super) fn record_meta(&mut self, meta: Meta, reads_again: bool) {
        let fall = |before: Option<i64>, now: Option<i64>| {
            before.zip(now).map_or(0, |(before, now)| before.saturating_sub(now).max(0))
        };
        let by_total = fall(self.total_count, meta.total_count);
        if meta.total_count.is_none() {
            self.total_decreased |= fall(self.last_page, meta.last_page) > 0;
        } else if reads_again {
            self.moved_back = self.moved_back.saturating_add(by_total);
        } else {
            self.total_decreased |= by_total > 0;
        }
        self.total_count = meta.total_count.or(self.total_count);
        self.last_page = meta.last_page.or(self.last_page);
        self.first = self.first.or(self.count());
    }

    /// Records the content of a page, and compares it with what the page says.
    pub(super) fn record_page(&mut self, request: PageRequest, content: PageContent, meta: Option<Meta>) {
        self.fullest = self.fullest.max(content.rows);
        self.found += content.fresh;
        if !content.is_same_page {
            self.duplicates += content.duplicates;
        }
        let is_repeated = content.is_same_page || (content.rows > 0 && content.fresh == 0 && content.is_steady);
        if !is_repeated {
            self.rows = self.rows.map(|rows| rows + content.rows);
        } else if self.last_page.is_some_and(|last| request.number <= last) || self.has_next {
            self.stuck_at = Some(request.number);
        }
        self.is_counted = meta.is_some_and(|meta| meta.total_count.is_some());
        self.has_next = meta.map_or(self.has_next, |meta| meta.has_next);
        // The last page must fit what the others said, too.
        let is_last = content.fresh > 0 && self.last_page == Some(request.number);
        let known =
            is_last.then(|| Meta { last_page: self.last_page, total_count: self.total_count, ..Meta::default() });
        // Studio may count an item once that is on the page twice.
        let fits = |meta| {
            [content.rows, content.fresh + content.duplicates]
                .iter()
                .any(|rows| fits(meta, request, *rows, self.fullest))
        };
        self.is_odd |= meta.or(known).is_some_and(|meta| !fits(meta));
    }

    /// Whether items may have moved to the page before, which that page shows if it is read again.
    pub(super) fn may_have_moved_back(&self) -> bool {
        self.moved_back > 0
    }

    /// Records the content of a page that was read again. `before` is the sweep before it, `meta` what it said. Returns
    /// whether the page after it has to be read again, too.
    ///
    /// What had moved to its end is on it, unless more moved than a page holds. If new items appeared meanwhile, some of
    /// it may be on the page after it again.
    pub(super) fn record_page_again(&mut self, before: &Self, fresh: i64, meta: Option<Meta>) -> bool {
        self.found += fresh;
        let total = meta.and_then(|meta| meta.total_count);
        self.total_decreased |= total.is_none() || self.moved_back > self.fullest;
        // What moved since this page was read is still to be found.
        self.moved_back -= before.moved_back;
        let has_grown = total > before.total_count;
        self.moved_on += i64::from(has_grown);
        self.total_decreased |= self.moved_on > MAX_PAGES_READ_ONCE_MORE;
        has_grown && self.moved_on <= MAX_PAGES_READ_ONCE_MORE
    }

    pub(super) fn count(&self) -> Option<i64> {
        self.total_count.or(self.last_page)
    }

    /// Whether everything that moved was pushed back, once for each new item. If other items vanished, either the total
    /// fell, or as many appeared at the end as were missed at the front; then fewer items repeat than the total rose.
    ///
    /// Items without an id that repeat may also be different items with equal content, which only another sweep can
    /// decide.
    pub(super) fn only_pushed_back(&self, is_by_content: bool) -> bool {
        let rose = self.count().zip(self.first).map_or(0, |(count, first)| count - first);
        !self.total_decreased && self.duplicates == rose && !(is_by_content && self.duplicates > 0)
    }

    /// Whether there may be more items after the announced last page. If the total changes, the list is read again
    /// anyway.
    pub(super) fn may_continue(&mut self, request: PageRequest) -> bool {
        let is_steady = self.first == self.count();
        let lacks = |total: i64| request.before().saturating_add(self.found) < total;
        let is_incomplete = self.rows.is_some() && self.is_counted && self.total_count.is_some_and(lacks);
        self.is_odd |= is_steady && is_incomplete;
        !self.total_decreased && (self.is_odd || self.has_next || self.shortage(request).is_some())
    }

    /// What is missing although every page was read, if anything is.
    pub(super) fn shortage(&self, request: PageRequest) -> Option<String> {
        let rows = self.rows.filter(|_| !self.total_decreased)?;
        let last = self.last_page.map_or_else(String::new, |last| format!(" (it says that {last} is the last one)"));
        match (self.total_count, self.stuck_at) {
            (Some(total), _) if (self.is_odd || self.is_counted) && request.before().saturating_add(rows) < total => {
                Some(format!(
                    "Studio counts {total} items, but there are only {rows} on its pages {} to {}{last}",
                    request.first_page, request.number
                ))
            }
            (None, Some(stuck_at)) => {
                Some(format!("page {stuck_at} only repeats items of earlier pages{last}, so its own items are missing"))
            }
            _ => None,
        }
    }

    /// Whether the requested page is past the end that Studio announces.
    pub(super) fn is_past_end(&self, request: PageRequest) -> bool {
        let has_all = |total: i64| self.rows.is_some_and(|rows| request.before().saturating_add(rows) >= total);
        request.number > request.first_page
            && (self.last_page.is_some_and(|last| request.number > last)
                || self.total_count.is_some_and(has_all)
                || request.per_page.is_none())
    }
}

/// Whether this many items on a page fit what the page says of the list, either with the requested page size, or with
/// that of the fullest page.
pub(super) fn fits(meta: Meta, request: PageRequest, rows: i64, fullest: i64) -> bool {
    let Some(total) = meta.total_count else {
        return match (meta.last_page, request.per_page) {
            (Some(last), Some(per_page)) if request.number < last => rows == per_page,
            (Some(last), _) if request.number > last => rows == 0,
            _ => true,
        };
    };
    let would_be = |size: i64| {
        let before = request.number.saturating_sub(1).saturating_mul(size);
        let pages = total.saturating_add(size - 1) / size;
        meta.last_page.is_none_or(|last| last.max(1) == pages.max(1))
            && rows == total.saturating_sub(before).clamp(0, size)
    };
    request.per_page.into_iter().chain([fullest]).filter(|size| *size > 0).any(would_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(last_page: i64, total_count: i64) -> Meta {
        let known = |number: i64| (number >= 0).then_some(number);
        Meta { last_page: known(last_page), total_count: known(total_count), ..Meta::default() }
    }

    fn page(number: i64) -> PageRequest {
        PageRequest { first_page: 1, number, per_page: Some(50) }
    }

    #[test]
    fn signs_that_agree_are_no_reason_to_read_on() {
        for (last, total, number, rows, fullest) in [
            (2, 100, 1, 50, 50),
            (2, 100, 2, 50, 50),
            (3, 101, 3, 1, 50),
            (1, 0, 1, 0, 0),
            (0, 0, 1, 0, 0),
            (0, 45, 1, 45, 45),
            // Twenty to a page, although fifty were asked for.
            (5, 90, 1, 20, 20),
            (5, 90, 5, 10, 20),
            (-1, 45, 1, 45, 45),
            (1, -1, 1, 7, 7),
            (-1, -1, 9, 7, 7),
        ] {
            assert!(fits(meta(last, total), page(number), rows, fullest), "{last} {total} {number} {rows}");
        }
    }

    #[test]
    fn signs_that_contradict_each_other_are_seen() {
        for (last, total, number, rows, fullest) in [
            (2, 100, 1, 20, 20),
            (2, 100, 2, 20, 20),
            (1, 100, 1, 50, 50),
            (0, 45, 1, 20, 20),
            (1, 10, 1, 50, 50),
            (3, 100, 1, 50, 50),
            (2, -1, 1, 20, 20),
            (1, -1, 2, 5, 5),
            (2, i64::MAX, 1, 50, 50),
        ] {
            assert!(!fits(meta(last, total), page(number), rows, fullest), "{last} {total} {number} {rows}");
        }
    }

    #[test]
    fn a_list_is_whole_by_this_table() {
        let signs = Signs { sweeps: 1, ..Signs::default() };
        let (grew, fell) = (Signs { sweeps: 2, ..signs }, Signs { total_decreased: true, ..signs });
        let twice = Signs { is_consistent: true, ..signs };
        for (signs, expected) in [
            // Nothing moved, or items that appeared pushed others back.
            (Signs { only_pushed_back: true, ..signs }, true),
            // More came again than appeared, or fewer: something vanished.
            (signs, false),
            (Signs { only_grew: true, ..grew }, true),
            (grew, false),
            (Signs { sweeps: MAX_SWEEPS_OF_A_GROWING_LIST, ..signs }, true),
            // The count fell: items may have moved to pages that had been read.
            (fell, false),
            (Signs { only_pushed_back: true, only_grew: true, ..fell }, false),
            (Signs { sweeps: MAX_SWEEPS, ..fell }, false),
            // Two sweeps must agree, whatever else is known.
            (Signs { only_pushed_back: true, only_grew: true, sweeps: MAX_SWEEPS, ..twice }, false),
            (Signs { agrees_with_previous: true, ..twice }, true),
            (Signs { agrees_with_previous: true, total_decreased: true, ..twice }, true),
        ] {
            assert_eq!(is_whole(signs), expected, "{signs:?}");
        }
    }
}
