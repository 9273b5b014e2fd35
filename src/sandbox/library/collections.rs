//! The collections of a library: courses by term, and other collections of teachers.

use std::sync::Arc;

use super::calendar::{Term, timestamp};
use super::maker::{Course, Maker, shared};
use super::template::{Scene, choose};
use crate::sandbox::records::words::{COURSE, CUSTOM, FEATURED, GROUP};
use crate::sandbox::records::{Collection, Permission, Share, ShareType};

/// The last digits of course numbers.
const COURSE_NUMBERS: &[u16] = &[1, 1, 2, 5, 10, 15, 20, 30, 50, 75, 90];

impl Maker {
    pub(super) fn course_number(&mut self) -> u16 {
        let ending = self.rng.choice(COURSE_NUMBERS).copied().unwrap_or_default();
        self.rng.u16(1..=5) * 100 + ending
    }

    /// A course of the teacher in the current term, created if necessary; none if the teacher has none.
    fn course(&mut self, teacher: usize, moment: i64) -> Option<Course> {
        let term = Term::of(self.calendar.day(moment));
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
        let name = self.name(&scene, &scene.language.courses, 0.25);
        self.course_id += self.rng.u64(3..120);
        let shares = self.course_shares(teacher, &scene);
        let collection = self.insert_collection(teacher, name, COURSE, Some(self.course_id), shares, moment)?;
        let course = Course { collection, number };
        self.courses.push(collection);
        self.teachers.get_mut(teacher)?.courses.push(course);
        Some(course)
    }

    fn name(&mut self, scene: &Scene, templates: &[String], nameless: f64) -> Option<Arc<str>> {
        if self.chance(nameless) {
            return None;
        }
        let template = choose(&mut self.rng, templates);
        Some(scene.fill(&mut self.rng, template).into())
    }

    /// The shares of a course: students may watch, an assistant may edit, colleagues may view.
    fn course_shares(&mut self, teacher: usize, scene: &Scene) -> Vec<Share> {
        let mut shares = Vec::new();
        // There are few students and many courses; otherwise each student would be in hundreds of groups.
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
            && let Some(helper) = self.another_person(teacher)
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

    pub(super) fn collection(&mut self, teacher: usize, kind: &str, moment: i64) -> Option<u64> {
        let number = self.course_number();
        let scene = self.scene(self.teachers.get(teacher)?, number, moment);
        let (templates, chance, permission) = match kind {
            GROUP => (&self.words.shared, 1.0, Permission::Edit),
            FEATURED => (&self.words.featured, 0.7, Permission::Access),
            _ => (&scene.language.collections, 0.25, Permission::View),
        };
        let name = self.name(&scene, templates, 0.0);
        let mut shares = Vec::new();
        if self.chance(chance)
            && let Some(id) = self.teachers.get(teacher).map(|teacher| teacher.department)
        {
            shares.push(Share { share_type: ShareType::Group, id, permission });
        }
        if self.chance(0.4)
            && let Some(id) = self.another_person(teacher)
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

    /// The home collection of a new media, and the number of its course.
    pub(super) fn home(&mut self, teacher: usize, moment: i64) -> (u64, u16) {
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
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
