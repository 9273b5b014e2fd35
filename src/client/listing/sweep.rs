//! One pass over the pages of a list: what came, and whether it fits what Studio says of the list.

use serde::{Deserialize, Serialize};

use crate::api::item::Meta;

/// What is known of one pass over the pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are signs, and each can be there without the others")]
pub(super) struct Sweep {
    pub last_page: Option<i64>,
    pub total_count: Option<i64>,
    /// Whether Studio's count fell from one page to the next. Then an item may have moved to a page that had been read
    /// already: forward, since items vanished; or backward, since others appeared and the later page was answered first.
    /// Read in order, items that appear only push others to pages that are still to come.
    pub fell: bool,
    /// How many items came again on a later page.
    again: i64,
    /// Studio's count on the first page that had one, or that of pages.
    first: Option<i64>,
    pub brought_any: bool,
    /// How many items were on its pages, repeated pages left out. Unknown behind a checkpoint of version 1.
    #[serde(default)]
    rows: Option<i64>,
    /// How many of them were different ones, and how many were on the fullest page.
    #[serde(default)]
    found: i64,
    #[serde(default)]
    fullest: i64,
    /// Whether something that a page said did not fit what came.
    #[serde(default)]
    is_odd: bool,
    /// Whether the last page counted the list itself.
    #[serde(default)]
    is_counted: bool,
    /// Whether a page said that there is another one behind it.
    #[serde(default)]
    has_next: bool,
    /// The last page that only repeated others, although Studio says that it is one of several.
    #[serde(default)]
    stuck_at: Option<i64>,
}

/// How a page was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The page on which the list begins to be read, and this one.
    pub first_page: i64,
    pub number: i64,
    pub per_page: Option<i64>,
}

impl Asked {
    /// How many items are on the pages before the first one, if they are full.
    fn before(self) -> i64 {
        self.first_page.saturating_sub(1).saturating_mul(self.per_page.unwrap_or(0))
    }
}

/// What was on a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came {
    pub rows: i64,
    /// How many came in this sweep for the first time.
    pub fresh: i64,
    /// How many were on an earlier page of this sweep.
    pub again: i64,
    /// Whether the page is the one before once more, and was left out.
    pub is_same_page: bool,
    /// Whether Studio's count is that of the page before.
    pub is_steady: bool,
}

impl Sweep {
    pub(super) fn new() -> Self {
        Self { rows: Some(0), ..Self::default() }
    }

    /// Takes in what a page says of the list.
    pub(super) fn hear(&mut self, meta: Meta) {
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

    /// Takes in what was on the page, which is held against what it says.
    pub(super) fn count_in(&mut self, asked: Asked, came: Came, meta: Option<Meta>) {
        self.fullest = self.fullest.max(came.rows);
        self.found += came.fresh;
        if !came.is_same_page {
            self.again += came.again;
        }
        let is_repeated = came.is_same_page || (came.rows > 0 && came.fresh == 0 && came.is_steady);
        if !is_repeated {
            self.rows = self.rows.map(|rows| rows + came.rows);
        } else if self.last_page.is_some_and(|last| asked.number <= last) || self.has_next {
            self.stuck_at = Some(asked.number);
        }
        self.is_counted = meta.is_some_and(|meta| meta.total_count.is_some());
        self.has_next = meta.map_or(self.has_next, |meta| meta.has_next);
        // The last page has to fit what the others said, too.
        let is_last = came.fresh > 0 && self.last_page == Some(asked.number);
        let known =
            is_last.then(|| Meta { last_page: self.last_page, total_count: self.total_count, ..Meta::default() });
        // It may count an item once that is on it twice.
        let fits =
            |meta| [came.rows, came.fresh + came.again].iter().any(|rows| fits(meta, asked, *rows, self.fullest));
        self.is_odd |= meta.or(known).is_some_and(|meta| !fits(meta));
    }

    pub(super) fn count(&self) -> Option<i64> {
        self.total_count.or(self.last_page)
    }

    /// Whether all that moved was pushed back, once for each item that appeared. Where other items vanished, either the
    /// count fell, or as many appeared behind as were missed in front; then fewer come again than the count rose.
    ///
    /// Items without an id that come again may also be others that say the same, which only another sweep can tell.
    pub(super) fn is_plain(&self, is_by_content: bool) -> bool {
        let rose = self.count().zip(self.first).map_or(0, |(count, first)| count - first);
        !self.fell && self.again == rose && !(is_by_content && self.again > 0)
    }

    /// Whether there may be more behind the page that is said to be the last. If the count moves, the list is read again
    /// anyway.
    pub(super) fn is_doubtful(&mut self, asked: Asked) -> bool {
        let is_steady = self.first == self.count();
        let lacks = |total: i64| asked.before().saturating_add(self.found) < total;
        let is_incomplete = self.rows.is_some() && self.is_counted && self.total_count.is_some_and(lacks);
        self.is_odd |= is_steady && is_incomplete;
        !self.fell && (self.is_odd || self.has_next || self.shortage(asked).is_some())
    }

    /// Why it is not whole although every page was read, if it is not.
    pub(super) fn shortage(&self, asked: Asked) -> Option<String> {
        let rows = self.rows.filter(|_| !self.fell)?;
        let last = self.last_page.map_or_else(String::new, |last| format!(" (it names {last} as the last one)"));
        match (self.total_count, self.stuck_at) {
            (Some(total), _) if (self.is_odd || self.is_counted) && asked.before().saturating_add(rows) < total => {
                Some(format!(
                    "Studio counts {total} items, but there are only {rows} on its pages {} to {}{last}",
                    asked.first_page, asked.number
                ))
            }
            (None, Some(stuck_at)) => Some(format!(
                "page {stuck_at} only repeats items of the pages before{last}, so that those which belong on it are missing"
            )),
            _ => None,
        }
    }

    /// Whether the page of which this was asked is behind all that Studio says there are.
    pub(super) fn is_behind(&self, asked: Asked) -> bool {
        let has_all = |total: i64| self.rows.is_some_and(|rows| asked.before().saturating_add(rows) >= total);
        asked.number > asked.first_page
            && (self.last_page.is_some_and(|last| asked.number > last)
                || self.total_count.is_some_and(has_all)
                || asked.per_page.is_none())
    }
}

/// Whether so many items on a page are what it says of the list, either with as many on a page as were asked for, or with
/// as many as there were on the fullest one.
pub(super) fn fits(meta: Meta, asked: Asked, rows: i64, fullest: i64) -> bool {
    let Some(total) = meta.total_count else {
        return match (meta.last_page, asked.per_page) {
            (Some(last), Some(per_page)) if asked.number < last => rows == per_page,
            (Some(last), _) if asked.number > last => rows == 0,
            _ => true,
        };
    };
    let would_be = |size: i64| {
        let before = asked.number.saturating_sub(1).saturating_mul(size);
        let pages = total.saturating_add(size - 1) / size;
        meta.last_page.is_none_or(|last| last.max(1) == pages.max(1))
            && rows == total.saturating_sub(before).clamp(0, size)
    };
    asked.per_page.into_iter().chain([fullest]).filter(|size| *size > 0).any(would_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(last_page: i64, total_count: i64) -> Meta {
        let known = |number: i64| (number >= 0).then_some(number);
        Meta { last_page: known(last_page), total_count: known(total_count), ..Meta::default() }
    }

    fn page(number: i64) -> Asked {
        Asked { first_page: 1, number, per_page: Some(50) }
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
}
