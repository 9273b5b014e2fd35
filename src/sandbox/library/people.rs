//! The people of a library: teachers, students, and the groups they are in.

use std::sync::Arc;

use super::calendar::{DAY, START_MILLISECOND, Term, timestamp};
use super::maker::{Maker, Person};
use super::template::Scene;
use super::words::Name;
use crate::sandbox::records::{Group, Role, User};

/// How many students arrive together.
const COHORT: usize = 24;
/// The name from an empty list.
static NOBODY: Name = Name(String::new(), String::new());

impl Maker {
    pub(super) fn person(&mut self, role: Role, moment: i64) {
        let (words, languages) = (self.words, &self.words.languages);
        let created_at = self.before(moment);
        let known = if role == Role::Teacher { self.teachers.len() } else { self.students.len() };
        let foreign = if role == Role::Teacher { known % 5 % 2 == 1 } else { self.chance(0.25) };
        let (departments, language) = if foreign {
            // In turn, so that even a small library has many scripts.
            let index = if role == Role::Teacher { (known / 5 * 2 + known % 5 / 2) * 5 } else { self.rng.usize(..) };
            (self.departments.get(..1), languages.get(index % languages.len().max(1)).unwrap_or(&words.english))
        } else {
            (self.departments.get(1..), &words.english)
        };
        let department = departments.and_then(|departments| self.rng.choice(departments)).copied();
        let Some((department, subject)) = department else { return };
        let id = self.state.new_id();
        let library = self.state.new_id();

        let given = self.rng.choice(&language.given).unwrap_or(&NOBODY);
        let family = self.rng.choice(&language.family).unwrap_or(&NOBODY);
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
            together(&given.0).into()
        };
        let display_name = match self.rng.u8(..100) {
            0..7 => together(&self.rng.choice(&language.given).unwrap_or(&NOBODY).0).into(),
            7..14 if role == Role::Teacher => format!("Dr. {}", family.0).into(),
            14..30 if foreign => format!("{} {}", capitalized(&given.1), capitalized(&family.1)).into(),
            30..33 => given.0.as_str().into(),
            _ => Arc::clone(&full_name),
        };
        let nameless = (role == Role::Teacher && known == 1) || self.chance(0.04);
        let email = (!nameless).then(|| match role {
            Role::Student => format!("{}{id}@students.example.edu", family.1),
            _ => format!("{}.{}{id}@example.edu", given.1, family.1),
        });
        let groups = if role == Role::Student { vec![self.cohort(known, moment)] } else { vec![department] };
        let email = email.map(Arc::from);
        let user = User { id, full_name, display_name, email, role, other_roles: Vec::new(), groups, library };
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

    /// The group of students who arrived together.
    fn cohort(&mut self, known: usize, moment: i64) -> u64 {
        if let Some(cohort) = self.cohorts.get(known / COHORT) {
            return *cohort;
        }
        let id = self.state.new_id();
        let name = format!("Class of {}, group {}", self.calendar.day(moment).year() + 4, known / COHORT + 1);
        self.state.groups.insert(id, Group { id, name: name.into(), managers: Vec::new() });
        self.cohorts.push(id);
        id
    }

    /// A teacher who is active at that moment; some are chosen far more often than others.
    pub(super) fn teacher(&mut self, moment: i64) -> usize {
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

    /// Creates a group of the students of a course and their teacher.
    pub(super) fn section(&mut self, teacher: usize, scene: &Scene) -> u64 {
        let id = self.state.new_id();
        let section = self.rng.u8(1..=12);
        let term = Term::of(scene.day);
        let (code, course) = (&scene.subject.code, scene.course);
        let name = format!("{code} {course}-{section:02} {} {}", term.season, term.year);
        self.state.groups.insert(id, Group { id, name: name.into(), managers: Vec::new() });
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

    /// Another person: a colleague or a student.
    pub(super) fn another_person(&mut self, teacher: usize) -> Option<u64> {
        let people = if self.rng.bool() { &self.teachers } else { &self.students };
        let own = self.teachers.get(teacher)?.id;
        self.rng.choice(people).map(|person| person.id).filter(|id| *id != own)
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
