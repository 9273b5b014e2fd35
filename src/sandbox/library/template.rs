//! Fills the templates of titles, descriptions, and names of collections.

use std::fmt::Write as _;

use fastrand::Rng;
use jiff::civil::Date;

use super::calendar::{DAY, Term};
use super::words::{Language, Subject};

/// The values that fill a template.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) language: &'static Language,
    pub(super) subject: &'static Subject,
    pub(super) course: u16,
    pub(super) moment: i64,
    pub(super) day: Date,
}

impl Scene {
    pub(super) fn fill(&self, rng: &mut Rng, template: &str) -> String {
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
                let own = &self.language.topics;
                text.write_str(choose(rng, if own.is_empty() { &self.subject.topics } else { own }))
            }
            "week" => write!(text, "{}", rng.u8(1..=15)),
            "part" => write!(text, "{}", rng.u8(1..=4)),
            "number" => write!(text, "{}", rng.u8(1..=40)),
            "section" => write!(text, "{:02}", rng.u8(1..=12)),
            "file" => write!(text, "{:04}", rng.u16(1..=9999)),
            "code" => text.write_str(&self.subject.code),
            "subject" => text.write_str(&self.subject.name),
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

/// A random entry of a list; an empty text from an empty list.
pub(super) fn choose<'words>(rng: &mut Rng, list: &'words [String]) -> &'words str {
    rng.choice(list).map(String::as_str).unwrap_or_default()
}
