//! The maker of a library: its founders, later arrivals, and what is archived at the end.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;
use jiff::Timestamp;

use super::calendar::{Calendar, DAY, START_MILLISECOND, Term, timestamp};
use super::template::Scene;
use super::words::{Language, Subject, Words};
use crate::sandbox::records::words::{COURSE, CUSTOM, FEATURED, FINISHED, GROUP, SOURCES, STATUSES};
use crate::sandbox::records::{
    Archived, CaptionRequest, CaptioningServiceType, Group, Media, RequestStatus, Role, User,
};
use crate::sandbox::state::State;

/// What the captioning service offers: key, label, description, whether a machine makes it, languages. All are invented.
const SERVICE_TYPES: &[(&str, &str, &str, bool, &[&str])] = &[
    ("verbatim", "Verbatim", "Captions that people write, within two days.", false, &["en", "es", "fr"]),
    ("machine", "Machine", "Captions that a machine makes at once.", true, &["en"]),
];
/// How many requests for captions a library has at most.
const MOST_REQUESTS: usize = 20;

/// A person who makes media.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) library: u64,
    pub(super) language: &'static Language,
    pub(super) subject: &'static Subject,
    /// The group of the subject's teachers.
    pub(super) department: u64,
    /// When they leave and stop making media.
    pub(super) leaves: i64,
    /// The term of `courses`.
    pub(super) term: Term,
    pub(super) courses: Vec<Course>,
    pub(super) collections: Vec<u64>,
}

/// A course: its collection, and its number in the catalogue.
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
    /// The latest timestamp so far.
    pub(super) clock: i64,
    pub(super) teachers: Vec<Person>,
    pub(super) students: Vec<Person>,
    /// Who arrives before the media of that index is made; the next arrival is last.
    pub(super) arrivals: Vec<(usize, Role)>,
    /// The teachers ordered by how many media they make, and the cumulative weights.
    pub(super) ranks: Vec<usize>,
    pub(super) made_by: Vec<f64>,
    /// The subjects, with the groups of their teachers.
    pub(super) departments: Vec<(u64, &'static Subject)>,
    /// The groups of students, in order of arrival.
    pub(super) cohorts: Vec<u64>,
    pub(super) courses: Vec<u64>,
    pub(super) course_id: u64,
    /// How many recent media there are so far, which may be unfinished.
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

    /// A timestamp shortly before `moment`, and after everything that exists.
    pub(super) fn before(&mut self, moment: i64) -> i64 {
        self.clock = self.clock.max(moment - self.rng.i64(0..DAY / 6));
        self.clock
    }

    /// Creates the administrator, the departments, and the founders.
    pub(super) fn create_founders(&mut self) {
        let id = self.state.new_id();
        let library = self.state.new_id();
        let (full_name, email) = (Arc::from("Sandbox Administrator"), Some(Arc::from("admin@sandbox.example")));
        let display_name = Arc::clone(&full_name);
        let user = User {
            id,
            full_name,
            display_name,
            email,
            role: Role::Admin,
            other_roles: Vec::new(),
            groups: Vec::new(),
            library,
        };
        self.state.insert_user(user, timestamp(self.clock));
        if self.count == 0 {
            return;
        }

        // One teacher per 25 media, and fewer in large libraries.
        let teachers = if self.count <= 5000 { (self.count / 25).max(5) } else { (self.count * 8).isqrt() };
        let students = (3 * self.count.isqrt()).clamp(10, 3000);
        for subject in self.words.subjects.iter().take((teachers / 3).max(3)) {
            let id = self.state.new_id();
            let name = format!("{} department", subject.name).into();
            self.state.groups.insert(id, Group { id, name, managers: Vec::new() });
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

    /// Adds the people who arrive before the media of that index is made.
    pub(super) fn add_arrivals(&mut self, index: usize, moment: i64) {
        while let Some((_, role)) = self.arrivals.pop_if(|(at, _)| *at <= index) {
            self.person(role, moment);
        }
    }

    pub(super) fn scene(&self, person: &Person, course: u16, moment: i64) -> Scene {
        Scene { language: person.language, subject: person.subject, course, moment, day: self.calendar.day(moment) }
    }

    /// How many extra media are made and archived, so that lists show as many as requested.
    pub(super) fn archived(&self) -> usize {
        self.count / 50
    }

    pub(super) fn finish(mut self, made: Vec<(u64, Media)>) -> State {
        let mut left = self.archived();
        // All at once, as a school cleans up before a term.
        let archived_at =
            timestamp(START_MILLISECOND + DAY * i64::try_from(self.calendar.days.len()).unwrap_or_default());
        let mut homes: HashMap<u64, usize> = HashMap::new();
        for (_, media) in &made {
            *homes.entry(media.collection).or_default() += 1;
        }
        // Collected at once, which fills the nodes of the tree; inserting leaves nearly half of them empty.
        self.state.media = made.into_iter().collect();
        self.state.index();
        // The oldest collection of each kind that is neither empty nor too large.
        for kind in [COURSE, CUSTOM] {
            let size = |id| homes.get(&id).copied().filter(|size| *size <= left / 2);
            let mut collections = self.state.collections.values().filter(|collection| *collection.kind == *kind);
            if let Some((id, size)) = collections.find_map(|collection| Some((collection.id, size(collection.id)?))) {
                self.state.set_archived(id, Some(archived_at));
                left -= size;
            }
        }
        let listed = self.state.media.values_mut().filter(|media| media.archived == Archived::No);
        for media in listed.skip(7).step_by(41).take(left) {
            (media.archived, media.archived_at) = (Archived::ByItself, Some(archived_at));
        }
        self.appoint_managers();
        if self.count > 0 {
            self.request_captions(archived_at);
        }
        self.state
    }

    /// Makes the first teacher of each group its manager.
    fn appoint_managers(&mut self) {
        for user in self.state.users.values().filter(|user| user.role == Role::Teacher) {
            for group in &user.groups {
                if let Some(group) = self.state.groups.get_mut(group).filter(|group| group.managers.is_empty()) {
                    group.managers.push(user.id);
                }
            }
        }
    }

    /// Adds what the captioning service offers, and requests for some of the media that need captions.
    fn request_captions(&mut self, now: Timestamp) {
        for ((key, label, description, is_asr, languages), id) in SERVICE_TYPES.iter().zip(1..) {
            let languages = languages.iter().copied().map(Into::into).collect();
            let (label, description) = ((*label).into(), (*description).into());
            let offered = CaptioningServiceType { id, label, description, is_asr: *is_asr, languages };
            self.state.captioning_service_types.insert((*key).into(), offered);
        }
        let needed = self.state.media.values().filter(|media| {
            media.archived == Archived::No
                && *media.transcoding_status == *FINISHED
                && media.tags.iter().any(|tag| **tag == *"captions needed")
        });
        for (media, id) in needed.take(MOST_REQUESTS).zip(1..) {
            let service_type = SERVICE_TYPES.first().map_or("", |(key, ..)| key).into();
            let (srclang, status) = ("en".into(), RequestStatus::Requested);
            let request =
                CaptionRequest { id, media: media.id, srclang, service_type, status, created_at: now, message: None };
            self.state.caption_requests.insert(id, request);
        }
    }
}

/// The words as shared strings.
fn all(words: &[impl AsRef<str>]) -> Vec<Arc<str>> {
    words.iter().map(|word| word.as_ref().into()).collect()
}

/// The shared string of this word.
pub(super) fn shared(list: &[Arc<str>], word: &str) -> Option<Arc<str>> {
    list.iter().find(|own| ***own == *word).cloned()
}
