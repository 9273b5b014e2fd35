//! The media of a library: titles, durations, sizes, owners and views.

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;

use super::calendar::timestamp;
use super::maker::{Maker, shared};
use super::template::{Scene, choose};
use super::words::Genre;
use crate::sandbox::records::words::FINISHED;
use crate::sandbox::records::{Archived, Media, Permission, Share, ShareType};

/// In seconds.
pub(super) const DURATIONS: Range<f64> = 2.0..21_600.0;

/// The generated fields of a media's content.
struct Content {
    title: Box<str>,
    description: Option<Box<str>>,
    duration: f64,
    size: u64,
    file: Option<u64>,
    source: Arc<str>,
    status: Arc<str>,
}

impl Maker {
    /// Makes the next media. It always succeeds, since there is always a teacher.
    pub(super) fn media(&mut self, index: usize, moment: i64, made: &[(u64, Media)]) -> Option<Media> {
        let copied = if self.chance(0.03) { self.copied(made) } else { None };
        let teacher = self.teacher(moment);
        let student = if copied.is_none() && self.chance(0.03) {
            let recent = self.students.len().saturating_sub(400);
            self.students.get(recent..).and_then(|recent| self.rng.choice(0..recent.len())).map(|index| index + recent)
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
        let content = match copied.and_then(|index| made.get(index)) {
            Some((_, original)) => {
                if self.chance(0.4) {
                    (owner, collection) = (original.owner, original.collection);
                }
                self.copy(original)
            }
            None => self.content(index, scene, student.is_some())?,
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

    /// The media to copy: mostly a recent one, and only one with a file.
    pub(super) fn copied(&mut self, made: &[(u64, Media)]) -> Option<usize> {
        let oldest = if self.rng.bool() { made.len().saturating_sub(made.len() / 8 + 20) } else { 0 };
        let index = self.rng.choice(oldest..made.len())?;
        let (_, media) = made.get(index)?;
        (media.transcoding_status.as_ref() == FINISHED && !media.is_external()).then_some(index)
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

    fn content(&mut self, index: usize, mut scene: Scene, by_student: bool) -> Option<Content> {
        let genre = self.genre(by_student)?;
        // Some people teach in another language than their own.
        if self.chance(0.05) {
            scene.language = self.rng.choice(&self.words.languages).unwrap_or(scene.language);
        }
        let title = self.title(&scene, genre);
        let description = self.description(&scene);
        let external = genre.bit_rate == 0.0;
        let status = if external { self.statuses.first() } else { self.status(index) };
        let status = status.map_or_else(|| FINISHED.into(), Arc::clone);
        let (duration, size) = if status.as_ref() == FINISHED { self.extent(genre) } else { (0.0, 0) };
        let source = shared(&self.sources, &genre.source).unwrap_or_default();
        Some(Content { title, description, duration, size, file: None, source, status })
    }

    fn genre(&mut self, by_student: bool) -> Option<&'static Genre> {
        let genres = &self.words.genres;
        let weight = |genre: &Genre| if by_student { genre.by_students } else { genre.by_teachers };
        let mut share = self.rng.u32(..genres.iter().map(weight).sum::<u32>());
        genres.iter().find(|genre| {
            let found = share < weight(genre);
            share = share.saturating_sub(weight(genre));
            found
        })
    }

    fn title(&mut self, scene: &Scene, genre: &Genre) -> Box<str> {
        let foreign = !scene.language.topics.is_empty();
        let titles = genre.titles.as_ref().and_then(|name| self.words.titles.get(name));
        let mut template = titles.map_or("", |titles| choose(&mut self.rng, titles));
        if template.is_empty() || (foreign && template.contains("{topic}")) {
            template = choose(&mut self.rng, &scene.language.titles);
        }
        scene.fill(&mut self.rng, template).into()
    }

    fn description(&mut self, scene: &Scene) -> Option<Box<str>> {
        let templates = match self.rng.u8(..100) {
            0..76 => return None,
            76..80 => &self.words.notes,
            _ => &scene.language.descriptions,
        };
        let template = choose(&mut self.rng, templates);
        Some(scene.fill(&mut self.rng, template).into())
    }

    /// The transcoding status: nearly all are finished, some recent ones are in progress, a few have failed.
    fn status(&mut self, index: usize) -> Option<&Arc<str>> {
        if index >= self.count - self.count / 12 {
            self.late += 1;
            if self.late % 7 == 3 {
                return self.statuses.get(1 + self.late % 3);
            }
        }
        if self.chance(0.016) { self.statuses.last() } else { self.statuses.first() }
    }

    /// The duration in seconds, and the size in bytes.
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

    /// A log-normal number around 1. It uses only sums and products, which are the same on every machine; logarithms are
    /// not.
    fn skew(&mut self, spread: f64) -> f64 {
        let normal = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        (0..12).fold(1.0 + normal * spread / 4096.0, |power, _| power * power)
    }

    /// The days of the last view, and of the last view by a student.
    fn views(&mut self, created: Date) -> (Option<Date>, Option<Date>) {
        if self.chance(0.34) {
            return (None, None);
        }
        let first = self.calendar.index_of(created);
        let end = self.calendar.days.len();
        let last = match self.rng.u8(..10) {
            // Within its term.
            0..5 => self.skewed(first..end.min(first + 120)),
            // Recently: media in use are viewed until today.
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
        let day = |index: usize| self.calendar.days.get(index).copied();
        (day(last), student.and_then(day))
    }

    /// A number from a range; low numbers are likelier.
    fn skewed(&mut self, range: Range<usize>) -> usize {
        let first = range.start;
        let low = self.rng.choice(range.clone()).unwrap_or(first);
        self.rng.choice(range).unwrap_or(first).min(low)
    }

    /// The other courses it is added to.
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
            && let Some(id) = self.another_person(teacher)
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
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of files are neither huge nor negative"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
