//! Makes a library: who is there from the beginning, who comes later, and what is in the archive at the end.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;

use super::calendar::{Calendar, DAY, START_MILLISECOND, Term, timestamp};
use super::template::Scene;
use super::words::{Language, Subject, Words};
use crate::sandbox::records::words::{COURSE, CUSTOM, FEATURED, GROUP, SOURCES, STATUSES};
use crate::sandbox::records::{Archived, Group, Media, Role, User};
use crate::sandbox::state::State;

/// Somebody who makes media.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) library: u64,
    pub(super) language: &'static Language,
    pub(super) subject: &'static Subject,
    /// The group of those who teach the subject.
    pub(super) department: u64,
    /// From when on nothing more comes from them.
    pub(super) leaves: i64,
    /// The term whose courses these are.
    pub(super) term: Term,
    pub(super) courses: Vec<Course>,
    pub(super) collections: Vec<u64>,
}

/// A course of a person in a term: its collection, and its number in the catalogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) collection: u64,
    pub(super) number: u16,
}

pub(super) struct Maker {
    pub(super) words: &'static Words,
    pub(super) rng: Rng,
    pub(super) state: State,
    pub(super) count: usize,
    pub(super) calendar: Calendar,
    /// When the latest thing came to be.
    pub(super) clock: i64,
    pub(super) teachers: Vec<Person>,
    pub(super) students: Vec<Person>,
    /// Who comes when the media of that index is made; the next to come is last.
    pub(super) arrivals: Vec<(usize, Role)>,
    /// The teachers in the order of how much they make, and the sums of that.
    pub(super) ranks: Vec<usize>,
    pub(super) made_by: Vec<f64>,
    /// What is taught, and the groups of those who do.
    pub(super) departments: Vec<(u64, &'static Subject)>,
    /// The groups of the students, in the order in which they came.
    pub(super) cohorts: Vec<u64>,
    pub(super) courses: Vec<u64>,
    pub(super) course_id: u64,
    /// How many there are so far that may not be finished yet.
    pub(super) late: usize,
    pub(super) statuses: Vec<Arc<str>>,
    pub(super) sources: Vec<Arc<str>>,
    pub(super) kinds: Vec<Arc<str>>,
    pub(super) tags: Vec<Arc<str>>,
}

impl Maker {
    pub(super) fn new(words: &'static Words, count: usize, seed: u64) -> Self {
        Self {
            words,
            rng: Rng::with_seed(seed),
            state: State::default(),
            count,
            calendar: Calendar::new(),
            clock: START_MILLISECOND - 60 * DAY,
            teachers: Vec::new(),
            students: Vec::new(),
            arrivals: Vec::new(),
            ranks: Vec::new(),
            made_by: Vec::new(),
            departments: Vec::new(),
            cohorts: Vec::new(),
            courses: Vec::new(),
            course_id: 4_018_223,
            late: 0,
            statuses: all(STATUSES),
            sources: all(SOURCES),
            kinds: all(&[COURSE, CUSTOM, GROUP, FEATURED]),
            tags: all(&words.tags),
        }
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    /// When something comes to be that is needed at `moment`: shortly before, and not before all that is there.
    pub(super) fn before(&mut self, moment: i64) -> i64 {
        self.clock = self.clock.max(moment - self.rng.i64(0..DAY / 6));
        self.clock
    }

    /// The administrator, the departments, and those who are there from the beginning.
    pub(super) fn found(&mut self) {
        let id = self.state.new_id();
        let library = self.state.new_id();
        let (full_name, email) = (Arc::from("Sandbox Administrator"), Some(Arc::from("admin@sandbox.example")));
        let display_name = Arc::clone(&full_name);
        let user = User { id, full_name, display_name, email, role: Role::Admin, groups: Vec::new(), library };
        self.state.insert_user(user, timestamp(self.clock));
        if self.count == 0 {
            return;
        }

        // One teacher for 25 media, and fewer as they become many.
        let teachers = if self.count <= 5000 { (self.count / 25).max(5) } else { (self.count * 8).isqrt() };
        let students = (3 * self.count.isqrt()).clamp(10, 3000);
        for subject in self.words.subjects.iter().take((teachers / 3).max(3)) {
            let id = self.state.new_id();
            self.state.groups.insert(id, Group { id, name: format!("{} department", subject.name).into() });
            self.departments.push((id, subject));
        }
        for (role, all, founders) in
            [(Role::Teacher, teachers, (teachers / 2).max(5)), (Role::Student, students, (students / 6).max(4))]
        {
            for _ in 0..founders {
                let moment = self.clock + self.rng.i64(0..=(START_MILLISECOND - self.clock) / 8);
                self.person(role, moment);
            }
            for _ in founders..all {
                let index = self.rng.usize(..self.count);
                self.arrivals.push((index, role));
            }
        }
        self.arrivals.sort_by_key(|(index, _)| std::cmp::Reverse(*index));

        self.ranks = (0..teachers).collect();
        if let Some(others) = self.ranks.get_mut(3..) {
            self.rng.shuffle(others);
        }
        let offset = 2 + u32::try_from(teachers / 200).unwrap_or_default();
        let mut sum = 0.0;
        for rank in (offset..).take(teachers) {
            sum += 1.0 / f64::from(rank + 1);
            self.made_by.push(sum);
        }
        for (teacher, kind) in [(0, FEATURED), (1, GROUP), (2, CUSTOM)] {
            self.collection(teacher, kind, START_MILLISECOND);
        }
    }

    /// Lets those come who come before the media of that index is made.
    pub(super) fn arrive(&mut self, index: usize, moment: i64) {
        while let Some((_, role)) = self.arrivals.pop_if(|(at, _)| *at <= index) {
            self.person(role, moment);
        }
    }

    pub(super) fn scene(&self, person: &Person, course: u16, moment: i64) -> Scene {
        Scene { language: person.language, subject: person.subject, course, moment, day: self.calendar.day(moment) }
    }

    /// How many media are made on top and put into the archive, so that the lists show as many as were asked for.
    pub(super) fn archived(&self) -> usize {
        self.count / 50
    }

    pub(super) fn finish(mut self, made: Vec<(u64, Media)>) -> State {
        let mut left = self.archived();
        // In one go, as a school tidies up before the term begins.
        let archived_at =
            timestamp(START_MILLISECOND + DAY * i64::try_from(self.calendar.days.len()).unwrap_or_default());
        let mut homes: HashMap<u64, usize> = HashMap::new();
        for (_, media) in &made {
            *homes.entry(media.collection).or_default() += 1;
        }
        // At once, as that fills the nodes of the tree; one by one leaves nearly half of its room empty.
        self.state.media = made.into_iter().collect();
        self.state.index();
        // Of each kind the oldest that is not empty, and not too large: what nobody needs any more.
        for kind in [COURSE, CUSTOM] {
            let size = |id| homes.get(&id).copied().filter(|size| *size <= left / 2);
            let mut collections = self.state.collections.values().filter(|collection| *collection.kind == *kind);
            if let Some((id, size)) = collections.find_map(|collection| Some((collection.id, size(collection.id)?))) {
                self.state.archive_collection(id, Some(archived_at));
                left -= size;
            }
        }
        let listed = self.state.media.values_mut().filter(|media| media.archived == Archived::No);
        for media in listed.skip(7).step_by(41).take(left) {
            (media.archived, media.archived_at) = (Archived::ByItself, Some(archived_at));
        }
        self.state
    }
}

/// The words as they are shared by all that holds them.
fn all(words: &[impl AsRef<str>]) -> Vec<Arc<str>> {
    words.iter().map(|word| word.as_ref().into()).collect()
}

/// The one of them that is this word.
pub(super) fn shared(list: &[Arc<str>], word: &str) -> Option<Arc<str>> {
    list.iter().find(|own| ***own == *word).cloned()
}
