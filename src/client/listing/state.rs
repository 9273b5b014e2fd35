//! How far the reading of a list is, and which items of a page it has not given yet.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checkpoint::identity_of_version_1;
use super::reader::Reading;
use super::seen::Seen;
use super::sweep::Sweep;
use crate::api::item::Identity;
use crate::api::item::Item;
use crate::api::models::Source;

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
pub(super) struct State {
    pub(super) is_consistent: bool,
    pub(super) is_done: bool,
    pub(super) next_page: i64,
    /// Which items of the next page were given already. They are not among those that were seen, since they will be.
    #[serde(default)]
    pub(super) partial: Seen,
    /// Whether the next page is the first one behind a checkpoint of version 1, and how many of its items without an id
    /// had been given.
    #[serde(default)]
    pub(super) is_of_version_1: bool,
    pub(super) skip: usize,
    /// How many items were given, and how many there may still be.
    pub(super) items: u64,
    pub(super) left: Option<u64>,
    /// What was given: while items appear and vanish, those behind them move from page to page.
    pub(super) seen: Seen,
    /// What the first sweep, the one before, and this one found, once there is more than one.
    pub(super) first: Option<Seen>,
    pub(super) before: Option<Seen>,
    pub(super) current: Option<Seen>,
    /// How many pages there were in the sweep before: so many may well bring nothing new in this one.
    pub(super) pages_before: i64,
    pub(super) sweep: Sweep,
    /// How many sweeps in a row brought nothing new.
    pub(super) barren_sweeps: u32,
    pub(super) drift: Drift,
}

impl State {
    pub(super) fn new(first_page: i64, reading: Reading) -> Self {
        Self {
            is_consistent: reading.is_consistent,
            is_done: reading.limit == Some(0),
            next_page: first_page,
            partial: Seen::default(),
            is_of_version_1: false,
            skip: 0,
            items: 0,
            left: reading.limit,
            seen: Seen::default(),
            first: None,
            before: None,
            current: None,
            pages_before: 0,
            sweep: Sweep::new(),
            barren_sweeps: 0,
            drift: Drift { readings: 1, ..Drift::default() },
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.drift.first_total.is_some() || self.items > 0 || self.is_done
    }

    /// Keeps only what tells how it went.
    pub(super) fn forget(&mut self) {
        self.seen = Seen::default();
        (self.first, self.before, self.current) = (None, None, None);
    }

    /// That of a checkpoint of version 1, which told items without a type by their ids.
    pub(super) fn of_version_1(mut self, item: &str, first_page: Option<i64>) -> Self {
        self.is_of_version_1 = true;
        if self.drift.readings > 1 && [Value::NAME, Source::NAME].contains(&item) {
            // What the sweeps found is not known as it is now, so this one begins anew.
            (self.first, self.before, self.current) = (None, None, Some(Seen::default()));
            (self.next_page, self.skip, self.sweep) = (first_page.unwrap_or(1), 0, Sweep::new());
        }
        self
    }

    /// What was found so far in this sweep.
    pub(super) fn found(&self) -> &Seen {
        self.current.as_ref().unwrap_or(&self.seen)
    }

    /// Goes back to a page of which not everything was given, with what was known before it came.
    pub(super) fn go_back_to(&mut self, page: &InHand, given: &[Identity], first_page: i64) {
        self.is_done = false;
        if self.drift.readings > 1 {
            // In which order the pages of this sweep were found is not kept, so the sweep begins anew.
            (self.next_page, self.current) = (first_page, Some(Seen::default()));
            self.sweep = Sweep::new();
            self.sweep.brought_any = page.sweep.brought_any;
            return;
        }
        (self.next_page, self.sweep) = (page.number, page.sweep.clone());
        for identity in given {
            self.seen.remove(identity);
            self.partial.insert(identity);
        }
    }
}

/// A page of which items are given out.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) number: i64,
    /// What was known of the sweep before it came.
    pub(super) sweep: Sweep,
    pub(super) given: Vec<Identity>,
}

/// Tells pages apart, for lists that do not say which page is the last.
pub(super) fn fingerprint(identities: &[Identity]) -> u64 {
    let mut hasher = DefaultHasher::new();
    identities.hash(&mut hasher);
    hasher.finish()
}

/// The items of a page, told apart from those of the pages before.
pub(super) struct Sorted {
    pub(super) identities: Vec<Identity>,
    pub(super) is_by_content: bool,
    /// Which of them were on an earlier page of this sweep, and how many.
    are_again: Vec<bool>,
    pub(super) again: usize,
}

impl Sorted {
    /// `before` is what was known of the sweep before this page came.
    pub(super) fn new(state: &State, before: &Sweep, identities: Vec<Identity>) -> Self {
        let is_by_content = matches!(identities.first(), Some(Identity::Content(_)));
        // An item without an id that says the same as one of a page before is another one, unless others may have pushed
        // that one back here. Which of the two it is, only another sweep can tell.
        let may_have_moved = state.current.is_none()
            && match (before.total_count, state.sweep.total_count) {
                (Some(before), Some(now)) => before < now,
                _ => true,
            };
        let may_come_again = !is_by_content || may_have_moved;
        let found = state.found();
        let are_again: Vec<bool> = identities.iter().map(|each| may_come_again && found.contains(each)).collect();
        let again = are_again.iter().filter(|is_again| **is_again).count();
        Self { identities, is_by_content, are_again, again }
    }

    /// Takes in what was found; returns what was not given yet, at most so much of it, with its identities, and how many
    /// came in this sweep for the first time.
    pub(super) fn pick<T: Item>(self, state: &mut State, came: Vec<T>, most: usize) -> (Vec<T>, Vec<Identity>, i64) {
        let (mut items, mut given) = (Vec::with_capacity(came.len()), Vec::with_capacity(came.len()));
        let mut page = Seen::default();
        let mut fresh = 0;
        let mut earlier = Earlier::of(state, self.is_by_content);
        for ((item, identity), is_again) in came.into_iter().zip(self.identities).zip(self.are_again) {
            if items.len() == most {
                // What is behind a limit was not read.
                break;
            }
            let identity = if self.is_by_content && !is_again {
                identity.nth(page.count_of(&identity, state.found().count_of(&identity, 0)))
            } else {
                identity
            };
            let is_new_here = page.insert(&identity);
            fresh += i64::from(is_new_here && !is_again);
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

/// Tells which items of a list without ids were given before a checkpoint of version 1, which knew them by other names.
struct Earlier {
    is_asked: bool,
    skip: usize,
}

impl Earlier {
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
