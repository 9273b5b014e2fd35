//! A believable library to try things on: people, courses and eight years of media, the same for the same seed.

mod words;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use fastrand::Rng;
use jiff::civil::{Date, Weekday, date};
use jiff::{Timestamp, ToSpan as _};

use self::words::{ENGLISH, GENRES, Genre, LANGUAGES, Language, SUBJECTS, Subject};
use super::records::words::{COURSE, CUSTOM, FEATURED, FINISHED, GROUP, SOURCES, STATUSES};
use super::records::{Archived, Collection, Group, Media, Permission, Role, Share, ShareType, User};
use super::state::State;

/// The day on which the library is looked at: never that of the clock, or no two runs would be alike.
const AS_OF: Date = date(2026, 9, 1);
/// The day of the first media, and its beginning in milliseconds since the epoch.
const START: Date = date(2018, 9, 1);
const START_MILLISECOND: i64 = 1_535_760_000_000;
const DAY: i64 = 86_400_000;
/// Hours (UTC) at which media are made, each as often as it is likely.
const HOURS: &[i64] = &[
    0, 1, 2, 3, 12, 13, 13, 14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 17, 17, 18, 18, 18, 19, 19, 19, 20, 20, 20, 21, 21,
    22, 22, 23,
];
/// What the numbers of courses end in.
const COURSE_NUMBERS: &[u16] = &[1, 1, 2, 5, 10, 15, 20, 30, 50, 75, 90];
/// How many students come together.
const COHORT: usize = 24;
/// In seconds.
const DURATIONS: Range<f64> = 2.0..21_600.0;

/// Makes a library from a seed, in which the lists show so many media; a fiftieth of that is in the archive besides. The
/// same seed gives the same library, to the byte.
pub(crate) fn library(media: usize, seed: u64) -> State {
    let mut maker = Maker::new(media, seed);
    maker.found();
    let mut made = Vec::with_capacity(media + maker.archived());
    for (index, moment) in maker.moments().into_iter().enumerate() {
        maker.arrive(index, moment);
        let media = maker.media(index, moment, &made);
        made.extend(media.map(|media| (media.id, media)));
    }
    maker.finish(made)
}

/// Somebody who makes media.
#[derive(Debug)]
struct Person {
    id: u64,
    library: u64,
    language: &'static Language,
    subject: &'static Subject,
    /// The group of those who teach the subject.
    department: u64,
    /// From when on nothing more comes from them.
    leaves: i64,
    /// The term whose courses these are.
    term: Term,
    courses: Vec<Course>,
    collections: Vec<u64>,
}

/// A course of a person in a term: its collection, and its number in the catalogue.
#[derive(Debug, Clone, Copy)]
struct Course {
    collection: u64,
    number: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    year: i16,
    season: &'static str,
}

impl Term {
    fn of(day: Date) -> Self {
        let season = match (day.month(), day.day()) {
            (1..=4, _) | (5, ..=24) => "Spring",
            (8, 16..) | (9..=12, _) => "Fall",
            _ => "Summer",
        };
        Self { year: day.year(), season }
    }
}

/// What the templates are filled with.
#[derive(Debug, Clone, Copy)]
struct Scene {
    language: &'static Language,
    subject: &'static Subject,
    course: u16,
    moment: i64,
    day: Date,
}

impl Scene {
    fn fill(&self, rng: &mut Rng, template: &str) -> String {
        let mut text = String::with_capacity(64);
        let mut rest = template;
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            text.push_str(before);
            // Writing into a string cannot fail.
            let _ = self.fill_one(rng, name, &mut text);
            rest = after;
        }
        text.push_str(rest);
        text
    }

    fn fill_one(&self, rng: &mut Rng, name: &str, text: &mut String) -> std::fmt::Result {
        let minutes = self.moment.rem_euclid(DAY) / 60_000;
        let (hour, minute) = (minutes / 60, minutes % 60);
        match name {
            "topic" => {
                let own = self.language.topics;
                text.write_str(choose(rng, if own.is_empty() { self.subject.topics } else { own }))
            }
            "week" => write!(text, "{}", rng.u8(1..=15)),
            "part" => write!(text, "{}", rng.u8(1..=4)),
            "number" => write!(text, "{}", rng.u8(1..=40)),
            "section" => write!(text, "{:02}", rng.u8(1..=12)),
            "file" => write!(text, "{:04}", rng.u16(1..=9999)),
            "code" => text.write_str(self.subject.code),
            "subject" => text.write_str(self.subject.name),
            "course" => write!(text, "{}", self.course),
            "year" => write!(text, "{}", self.day.year()),
            "date" => write!(text, "{:04}-{:02}-{:02}", self.day.year(), self.day.month(), self.day.day()),
            "day" => write!(text, "{:04}{:02}{:02}", self.day.year(), self.day.month(), self.day.day()),
            "time" => write!(text, "{hour:02}.{minute:02}"),
            "clock" => write!(text, "{hour:02}{minute:02}{:02}", rng.u8(0..60)),
            "term" => {
                let term = Term::of(self.day);
                write!(text, "{} {}", term.season, term.year)
            }
            other => write!(text, "{{{other}}}"),
        }
    }
}

/// What a title, a duration and a file come to.
struct Content {
    title: Box<str>,
    description: Option<Box<str>>,
    duration: f64,
    size: u64,
    file: Option<u64>,
    source: Arc<str>,
    status: Arc<str>,
}

struct Maker {
    rng: Rng,
    state: State,
    count: usize,
    /// The days from START on, and how much is made until the end of each.
    days: Vec<Date>,
    made_until: Vec<u64>,
    /// When the latest thing came to be.
    clock: i64,
    teachers: Vec<Person>,
    students: Vec<Person>,
    /// Who comes when the media of that index is made; the next to come is last.
    arrivals: Vec<(usize, Role)>,
    /// The teachers in the order of how much they make, and the sums of that.
    ranks: Vec<usize>,
    made_by: Vec<f64>,
    /// What is taught, and the groups of those who do.
    departments: Vec<(u64, &'static Subject)>,
    /// The groups of the students, in the order in which they came.
    cohorts: Vec<u64>,
    courses: Vec<u64>,
    course_id: u64,
    /// How many there are so far that may not be finished yet.
    late: usize,
    statuses: Vec<Arc<str>>,
    sources: Vec<Arc<str>>,
    kinds: Vec<Arc<str>>,
    tags: Vec<Arc<str>>,
}

impl Maker {
    fn new(count: usize, seed: u64) -> Self {
        let mut made_until = Vec::new();
        let mut sum = 0;
        let days: Vec<Date> = START.series(1.day()).take_while(|day| *day < AS_OF).collect();
        for day in &days {
            sum += made_on(*day);
            made_until.push(sum);
        }
        let all = |list: &[&str]| list.iter().map(|word| Arc::from(*word)).collect::<Vec<Arc<str>>>();
        Self {
            rng: Rng::with_seed(seed),
            state: State::default(),
            count,
            days,
            made_until,
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
            tags: all(words::TAGS),
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    /// The day of a moment, by the table: the calendar itself would take as long as all the rest.
    fn day(&self, moment: i64) -> Date {
        let index = usize::try_from((moment - START_MILLISECOND).div_euclid(DAY)).unwrap_or_default();
        self.days.get(index).or(self.days.last()).copied().unwrap_or(START)
    }

    fn index_of(&self, day: Date) -> usize {
        self.days.partition_point(|other| *other < day)
    }

    /// When something comes to be that is needed at `moment`: shortly before, and not before all that is there.
    fn before(&mut self, moment: i64) -> i64 {
        self.clock = self.clock.max(moment - self.rng.i64(0..DAY / 6));
        self.clock
    }

    /// When the media are made, in order, no two at once.
    fn moments(&mut self) -> Vec<i64> {
        let all = self.made_until.last().copied().unwrap_or(1);
        let mut moments = Vec::with_capacity(self.count + self.archived());
        for _ in 0..self.count + self.archived() {
            let share = self.rng.u64(0..all);
            let day = i64::try_from(self.made_until.partition_point(|until| *until <= share)).unwrap_or_default();
            let hour = self.rng.choice(HOURS).copied().unwrap_or_default();
            moments.push(START_MILLISECOND + day * DAY + hour * 3_600_000 + self.rng.i64(0..3_600_000));
        }
        moments.sort_unstable();
        let mut latest = START_MILLISECOND;
        for moment in &mut moments {
            *moment = (*moment).max(latest + 1);
            latest = *moment;
        }
        moments
    }

    /// The administrator, the departments, and those who are there from the beginning.
    fn found(&mut self) {
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
        for subject in SUBJECTS.iter().take((teachers / 3).max(3)) {
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
    fn arrive(&mut self, index: usize, moment: i64) {
        while let Some((_, role)) = self.arrivals.pop_if(|(at, _)| *at <= index) {
            self.person(role, moment);
        }
    }

    fn person(&mut self, role: Role, moment: i64) {
        let created_at = self.before(moment);
        let known = if role == Role::Teacher { self.teachers.len() } else { self.students.len() };
        let foreign = if role == Role::Teacher { known % 5 % 2 == 1 } else { self.chance(0.25) };
        let (departments, language) = if foreign {
            // One after the other, so that a small library has many scripts.
            let place = if role == Role::Teacher { (known / 5 * 2 + known % 5 / 2) * 5 } else { self.rng.usize(..) };
            (self.departments.get(..1), LANGUAGES.get(place % LANGUAGES.len()).unwrap_or(&ENGLISH))
        } else {
            (self.departments.get(1..), &ENGLISH)
        };
        let department = departments.and_then(|departments| self.rng.choice(departments)).copied();
        let Some((department, subject)) = department else { return };
        let id = self.state.new_id();
        let library = self.state.new_id();

        let given = self.rng.choice(language.given).copied().unwrap_or_default();
        let family = self.rng.choice(language.family).copied().unwrap_or_default();
        let together = |given: &str| {
            if language.family_first {
                format!("{}{}{given}", family.0, language.between)
            } else {
                format!("{given}{}{}", language.between, family.0)
            }
        };
        let full_name: Arc<str> = if self.chance(0.2) && !foreign {
            let initial = char::from(self.rng.u8(b'A'..=b'Z'));
            format!("{} {initial}. {}", given.0, family.0).into()
        } else {
            together(given.0).into()
        };
        let display_name = match self.rng.u8(..100) {
            0..7 => together(self.rng.choice(language.given).copied().unwrap_or_default().0).into(),
            7..14 if role == Role::Teacher => format!("Dr. {}", family.0).into(),
            14..30 if foreign => format!("{} {}", capitalized(given.1), capitalized(family.1)).into(),
            30..33 => given.0.into(),
            _ => Arc::clone(&full_name),
        };
        let nameless = (role == Role::Teacher && known == 1) || self.chance(0.04);
        let email = (!nameless).then(|| match role {
            Role::Student => format!("{}{id}@students.example.edu", family.1),
            _ => format!("{}.{}{id}@example.edu", given.1, family.1),
        });
        let groups = if role == Role::Student { vec![self.cohort(known, moment)] } else { vec![department] };
        let email = email.map(Arc::from);
        let user = User { id, full_name, display_name, email, role, groups, library };
        self.state.insert_user(user, timestamp(created_at));

        let end = START_MILLISECOND + 8 * 365 * DAY;
        let leaves =
            if known >= 5 && self.chance(0.25) { self.rng.i64(created_at..end.max(created_at + 1)) } else { i64::MAX };
        let person = Person {
            id,
            library,
            language,
            subject,
            department,
            leaves,
            term: Term { year: 0, season: "" },
            courses: Vec::new(),
            collections: Vec::new(),
        };
        if role == Role::Teacher { self.teachers.push(person) } else { self.students.push(person) }
    }

    /// The group of those students who came together.
    fn cohort(&mut self, known: usize, moment: i64) -> u64 {
        if let Some(cohort) = self.cohorts.get(known / COHORT) {
            return *cohort;
        }
        let id = self.state.new_id();
        let name = format!("Class of {}, group {}", self.day(moment).year() + 4, known / COHORT + 1);
        self.state.groups.insert(id, Group { id, name: name.into() });
        self.cohorts.push(id);
        id
    }

    /// A teacher who is there at that moment, some far more often than others.
    fn teacher(&mut self, moment: i64) -> usize {
        let all = self.made_by.last().copied().unwrap_or_default();
        for _ in 0..32 {
            let share = self.rng.f64() * all;
            let rank = self.made_by.partition_point(|until| *until <= share);
            let teacher = self.ranks.get(rank).copied().unwrap_or_default();
            if self.teachers.get(teacher).is_some_and(|teacher| moment < teacher.leaves) {
                return teacher;
            }
        }
        0
    }

    fn scene(&self, person: &Person, course: u16, moment: i64) -> Scene {
        Scene { language: person.language, subject: person.subject, course, moment, day: self.day(moment) }
    }

    fn course_number(&mut self) -> u16 {
        let ending = self.rng.choice(COURSE_NUMBERS).copied().unwrap_or_default();
        self.rng.u16(1..=5) * 100 + ending
    }

    /// A course of the teacher in the term of that moment, made if need be; none if the teacher does without.
    fn course(&mut self, teacher: usize, moment: i64) -> Option<Course> {
        let term = Term::of(self.day(moment));
        let person = self.teachers.get_mut(teacher)?;
        if person.term != term {
            person.term = term;
            person.courses = Vec::new();
        }
        let more = match person.courses.len() {
            0 => 0.4,
            1..4 => 0.06,
            _ => 0.0,
        };
        if self.rng.f64() >= more {
            return self.rng.choice(&person.courses).copied();
        }
        let number = self.course_number();
        let scene = self.scene(self.teachers.get(teacher)?, number, moment);
        let name = self.name(&scene, scene.language.courses, 0.25);
        self.course_id += self.rng.u64(3..120);
        let shares = self.course_shares(teacher, &scene);
        let collection = self.insert_collection(teacher, name, COURSE, Some(self.course_id), shares, moment)?;
        let course = Course { collection, number };
        self.courses.push(collection);
        self.teachers.get_mut(teacher)?.courses.push(course);
        Some(course)
    }

    fn name(&mut self, scene: &Scene, templates: &'static [&'static str], nameless: f64) -> Option<Arc<str>> {
        if self.chance(nameless) {
            return None;
        }
        let template = choose(&mut self.rng, templates);
        Some(scene.fill(&mut self.rng, template).into())
    }

    /// The students of a course may watch; who helps in it may change it; colleagues may look.
    fn course_shares(&mut self, teacher: usize, scene: &Scene) -> Vec<Share> {
        let mut shares = Vec::new();
        // Students are few and courses are many: else each would be in hundreds of groups.
        let often = 3.3 * float(self.students.len()) / float(self.count);
        let recent = self.cohorts.len().saturating_sub(12);
        let members = if self.chance(often) {
            Some(self.section(teacher, scene))
        } else if self.chance(0.6) {
            self.cohorts.get(recent..).and_then(|recent| self.rng.choice(recent)).copied()
        } else {
            None
        };
        shares.extend(members.map(|id| Share { share_type: ShareType::Group, id, permission: Permission::Access }));
        if self.chance(0.12)
            && let Some(helper) = self.someone(teacher)
        {
            shares.push(Share { share_type: ShareType::User, id: helper, permission: Permission::Edit });
        }
        if self.chance(0.15)
            && let Some(id) = self.teachers.get(teacher).map(|teacher| teacher.department)
        {
            shares.push(Share { share_type: ShareType::Group, id, permission: Permission::View });
        }
        shares
    }

    /// The students of a course, as a group with their teacher.
    fn section(&mut self, teacher: usize, scene: &Scene) -> u64 {
        let id = self.state.new_id();
        let section = self.rng.u8(1..=12);
        let term = Term::of(scene.day);
        let (code, course) = (scene.subject.code, scene.course);
        let name = format!("{code} {course}-{section:02} {} {}", term.season, term.year);
        self.state.groups.insert(id, Group { id, name: name.into() });
        let recent = self.students.len().saturating_sub(250);
        let students = self.students.get(recent..).unwrap_or_default();
        let size = self.rng.usize(8..=28).min(students.len());
        let first = self.rng.usize(0..=students.len() - size);
        let members = students.get(first..first + size).unwrap_or_default().iter().map(|student| student.id);
        for member in members.chain(self.teachers.get(teacher).map(|teacher| teacher.id)) {
            if let Some(user) = self.state.users.get_mut(&member) {
                user.groups.push(id);
            }
        }
        id
    }

    /// Somebody else: a colleague or a student.
    fn someone(&mut self, teacher: usize) -> Option<u64> {
        let people = if self.rng.bool() { &self.teachers } else { &self.students };
        let own = self.teachers.get(teacher)?.id;
        self.rng.choice(people).map(|person| person.id).filter(|id| *id != own)
    }

    fn collection(&mut self, teacher: usize, kind: &str, moment: i64) -> Option<u64> {
        let number = self.course_number();
        let scene = self.scene(self.teachers.get(teacher)?, number, moment);
        let (templates, chance, permission) = match kind {
            GROUP => (words::SHARED, 1.0, Permission::Edit),
            FEATURED => (words::FEATURED, 0.7, Permission::Access),
            _ => (scene.language.collections, 0.25, Permission::View),
        };
        let name = self.name(&scene, templates, 0.0);
        let mut shares = Vec::new();
        if self.chance(chance)
            && let Some(id) = self.teachers.get(teacher).map(|teacher| teacher.department)
        {
            shares.push(Share { share_type: ShareType::Group, id, permission });
        }
        if self.chance(0.4)
            && let Some(id) = self.someone(teacher)
        {
            let permission = if self.rng.bool() { Permission::Edit } else { Permission::View };
            shares.push(Share { share_type: ShareType::User, id, permission });
        }
        let id = self.insert_collection(teacher, name, kind, None, shares, moment)?;
        self.teachers.get_mut(teacher)?.collections.push(id);
        Some(id)
    }

    fn insert_collection(
        &mut self,
        teacher: usize,
        name: Option<Arc<str>>,
        kind: &str,
        course_id: Option<u64>,
        mut shares: Vec<Share>,
        moment: i64,
    ) -> Option<u64> {
        let kind = shared(&self.kinds, kind)?;
        let owner = self.teachers.get(teacher)?.id;
        let created_at = timestamp(self.before(moment));
        let id = self.state.new_id();
        shares.shrink_to_fit();
        let collection =
            Collection { id, name, kind, owner, created_at, course_id, archived: false, archived_at: None, shares };
        self.state.collections.insert(id, collection);
        Some(id)
    }

    /// Where a new media of the teacher lives, and the number of the course that it is for.
    fn home(&mut self, teacher: usize, moment: i64) -> (u64, u16) {
        let library = self.teachers.get(teacher).map_or(0, |teacher| teacher.library);
        let course = self.course(teacher, moment);
        let number = course.map_or_else(|| self.course_number(), |course| course.number);
        let home = match self.rng.u8(..100) {
            0..62 => course.map(|course| course.collection),
            62..74 => {
                let own = self.teachers.get(teacher).map_or(&[][..], |teacher| &teacher.collections);
                if own.is_empty() || self.rng.usize(..8 * own.len()) == 0 {
                    let kind = match self.rng.u8(..100) {
                        0..78 => CUSTOM,
                        78..92 => GROUP,
                        _ => FEATURED,
                    };
                    self.collection(teacher, kind, moment)
                } else {
                    self.rng.choice(own).copied()
                }
            }
            _ => None,
        };
        (home.unwrap_or(library), number)
    }

    /// The next media. There is always one, as there is always a teacher.
    fn media(&mut self, index: usize, moment: i64, made: &[(u64, Media)]) -> Option<Media> {
        let copied = if self.chance(0.03) { self.copied(made) } else { None };
        let teacher = self.teacher(moment);
        let student = if copied.is_none() && self.chance(0.03) {
            let recent = self.students.len().saturating_sub(400);
            self.students.get(recent..).and_then(|recent| self.rng.choice(0..recent.len())).map(|place| place + recent)
        } else {
            None
        };
        let (mut owner, mut collection, scene) = if let Some(student) = student {
            let number = self.course_number();
            let student = self.students.get(student)?;
            (student.id, student.library, self.scene(student, number, moment))
        } else {
            let (home, number) = self.home(teacher, moment);
            let teacher = self.teachers.get(teacher)?;
            (teacher.id, home, self.scene(teacher, number, moment))
        };
        let content = match copied.and_then(|place| made.get(place)) {
            Some((_, original)) => {
                if self.chance(0.4) {
                    (owner, collection) = (original.owner, original.collection);
                }
                self.copy(original)
            }
            None => self.content(index, scene, student.is_some()),
        };
        let ready = content.status.as_ref() == FINISHED;
        let (last_viewed, last_viewed_by_student) = if ready { self.views(scene.day) } else { (None, None) };
        self.clock = moment;
        let id = self.state.new_id();
        Some(Media {
            id,
            title: content.title,
            description: content.description,
            duration: content.duration,
            created_at: timestamp(moment),
            last_viewed,
            last_viewed_by_student,
            transcoding_status: content.status,
            owner,
            size: content.size,
            source: content.source,
            collection,
            placed: self.placed(collection),
            tags: self.tags(),
            archived: Archived::No,
            archived_at: None,
            shares: self.media_shares(teacher, owner),
            file: content.file.unwrap_or(id),
        })
    }

    /// What is copied: mostly something of late, and only what has a file.
    fn copied(&mut self, made: &[(u64, Media)]) -> Option<usize> {
        let oldest = if self.rng.bool() { made.len().saturating_sub(made.len() / 8 + 20) } else { 0 };
        let place = self.rng.choice(oldest..made.len())?;
        let (_, media) = made.get(place)?;
        (media.transcoding_status.as_ref() == FINISHED && !media.is_external()).then_some(place)
    }

    fn copy(&mut self, original: &Media) -> Content {
        let title = match self.rng.u8(..10) {
            0..5 => original.title.clone(),
            5..9 => format!("Copy of {}", original.title).into(),
            _ => format!("{} (1)", original.title).into(),
        };
        Content {
            title,
            description: original.description.clone(),
            duration: original.duration,
            size: original.size,
            file: Some(original.file),
            source: Arc::clone(&original.source),
            status: Arc::clone(&original.transcoding_status),
        }
    }

    fn content(&mut self, index: usize, mut scene: Scene, by_student: bool) -> Content {
        let genre = self.genre(by_student);
        // Some teach in a language that is not theirs.
        if self.chance(0.05) {
            scene.language = self.rng.choice(LANGUAGES).unwrap_or(&ENGLISH);
        }
        let title = self.title(&scene, genre);
        let description = self.description(&scene);
        let external = genre.bit_rate == 0.0;
        let status = if external { self.statuses.first() } else { self.status(index) };
        let status = status.map_or_else(|| FINISHED.into(), Arc::clone);
        let (duration, size) = if status.as_ref() == FINISHED { self.extent(genre) } else { (0.0, 0) };
        let source = shared(&self.sources, genre.source).unwrap_or_default();
        Content { title, description, duration, size, file: None, source, status }
    }

    fn genre(&mut self, by_student: bool) -> &'static Genre {
        let weight = |genre: &Genre| if by_student { genre.by_students } else { genre.by_teachers };
        let mut share = self.rng.u32(..GENRES.iter().map(weight).sum::<u32>());
        let chosen = GENRES.iter().find(|genre| {
            let found = share < weight(genre);
            share = share.saturating_sub(weight(genre));
            found
        });
        chosen.unwrap_or(&GENRES[0])
    }

    fn title(&mut self, scene: &Scene, genre: &Genre) -> Box<str> {
        let foreign = !scene.language.topics.is_empty();
        let mut template = choose(&mut self.rng, genre.titles);
        if template.is_empty() || (foreign && template.contains("{topic}")) {
            template = choose(&mut self.rng, scene.language.titles);
        }
        scene.fill(&mut self.rng, template).into()
    }

    fn description(&mut self, scene: &Scene) -> Option<Box<str>> {
        let templates = match self.rng.u8(..100) {
            0..76 => return None,
            76..80 => words::NOTES,
            _ => scene.language.descriptions,
        };
        let template = choose(&mut self.rng, templates);
        Some(scene.fill(&mut self.rng, template).into())
    }

    /// Nearly all are finished; some of the latest are not, and a few never will be.
    fn status(&mut self, index: usize) -> Option<&Arc<str>> {
        if index >= self.count - self.count / 12 {
            self.late += 1;
            if self.late % 7 == 3 {
                return self.statuses.get(1 + self.late % 3);
            }
        }
        if self.chance(0.016) { self.statuses.last() } else { self.statuses.first() }
    }

    /// The duration in seconds, and the bytes of the file.
    fn extent(&mut self, genre: &Genre) -> (f64, u64) {
        let mut duration = genre.median * self.skew(genre.spread);
        if !DURATIONS.contains(&duration) {
            duration = if duration < genre.median {
                DURATIONS.start + self.rng.f64() * 3.0
            } else {
                DURATIONS.end / 2.0 * (1.0 + self.rng.f64())
            };
        }
        let milliseconds = (duration * 1000.0).round();
        let duration = milliseconds / 1000.0;
        (duration, whole(milliseconds * genre.bit_rate * self.skew(0.4) / 8.0))
    }

    /// A number around 1, log-normal. Made of sums and products alone, which are the same on every machine; logarithms
    /// are not.
    fn skew(&mut self, spread: f64) -> f64 {
        let normal = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        (0..12).fold(1.0 + normal * spread / 4096.0, |power, _| power * power)
    }

    /// When somebody and when a student saw it last.
    fn views(&mut self, created: Date) -> (Option<Date>, Option<Date>) {
        if self.chance(0.34) {
            return (None, None);
        }
        let first = self.index_of(created);
        let end = self.days.len();
        let last = match self.rng.u8(..10) {
            // In its term, and hardly ever after.
            0..5 => self.skewed(first..end.min(first + 120)),
            // Of late: what is used is used until today.
            5..9 => {
                let recent = first.max(end.saturating_sub(700));
                end - 1 - (self.skewed(recent..end) - recent)
            }
            _ => self.rng.choice(first..end).unwrap_or(first),
        };
        let student = match self.rng.u8(..10) {
            0..2 => None,
            2..6 => Some(last),
            _ => Some(self.rng.usize(first..=last)),
        };
        let day = |index: usize| self.days.get(index).copied();
        (day(last), student.and_then(day))
    }

    /// One of these, the lower the likelier.
    fn skewed(&mut self, range: Range<usize>) -> usize {
        let first = range.start;
        let low = self.rng.choice(range.clone()).unwrap_or(first);
        self.rng.choice(range).unwrap_or(first).min(low)
    }

    /// The courses it is shown in besides.
    fn placed(&mut self, home: u64) -> Vec<u64> {
        let count = match self.rng.u8(..100) {
            0..90 => return Vec::new(),
            90..98 => 1,
            _ => 3,
        };
        let recent = self.courses.len().saturating_sub(300);
        let first = self.rng.usize(recent..=self.courses.len().saturating_sub(count).max(recent));
        self.courses.iter().skip(first).take(count).copied().filter(|course| *course != home).collect()
    }

    fn tags(&mut self) -> Vec<Arc<str>> {
        let count = match self.rng.u8(..100) {
            0..62 => return Vec::new(),
            62..85 => 1,
            85..95 => 2,
            _ => 3,
        };
        self.rng.choose_multiple(&self.tags, count).into_iter().map(Arc::clone).collect()
    }

    fn media_shares(&mut self, teacher: usize, owner: u64) -> Vec<Share> {
        let mut shares = Vec::new();
        if self.chance(0.05)
            && let Some(id) = self.someone(teacher)
            && id != owner
        {
            let permission = match self.rng.u8(..3) {
                0 => Permission::Access,
                1 => Permission::View,
                _ => Permission::Edit,
            };
            shares.push(Share { share_type: ShareType::User, id, permission });
        }
        if self.chance(0.015)
            && let Some(id) = self.rng.choice(&self.departments).map(|(id, _)| *id)
        {
            shares.push(Share { share_type: ShareType::Group, id, permission: Permission::View });
        }
        shares.shrink_to_fit();
        shares
    }

    /// How many media are made on top and put into the archive, so that the lists show as many as were asked for.
    fn archived(&self) -> usize {
        self.count / 50
    }

    fn finish(mut self, made: Vec<(u64, Media)>) -> State {
        let mut left = self.archived();
        // In one go, as a school tidies up before the term begins.
        let archived_at = timestamp(START_MILLISECOND + DAY * i64::try_from(self.days.len()).unwrap_or_default());
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

/// How much is made on a day, against others.
fn made_on(day: Date) -> u64 {
    let busy = match (day.month(), day.day()) {
        (12, 16..) | (1, ..=12) => 8,
        (5, 15..) => 45,
        (6 | 7, _) | (8, ..=16) => 28,
        (3, 10..=17) => 35,
        (9 | 1, _) => 115,
        _ => 100,
    };
    let week = match day.weekday() {
        Weekday::Saturday => 2,
        Weekday::Sunday => 3,
        Weekday::Friday => 7,
        _ => 10,
    };
    let years = u64::try_from(day.year() - START.year()).unwrap_or_default();
    // When nobody could come to class, everything was recorded.
    let remote = if (date(2020, 3, 15)..date(2021, 5, 25)).contains(&day) { 19 } else { 10 };
    busy * week * (6 + years) * remote
}

fn timestamp(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or_default()
}

fn choose(rng: &mut Rng, list: &'static [&'static str]) -> &'static str {
    rng.choice(list).copied().unwrap_or_default()
}

/// The one of them that is this word.
fn shared(list: &[Arc<str>], word: &str) -> Option<Arc<str>> {
    list.iter().find(|own| ***own == *word).cloned()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of files are neither huge nor negative"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests;
