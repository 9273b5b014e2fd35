//! The calendar of a library: its eight years of days, its terms, and how many media are made when.

use fastrand::Rng;
use jiff::civil::{Date, Weekday, date};
use jiff::{Timestamp, ToSpan as _};

/// The "today" of a library: fixed, so that all runs are alike.
pub(super) const AS_OF: Date = date(2026, 9, 1);
/// The day of the first media, and its start in milliseconds since the epoch.
pub(super) const START: Date = date(2018, 9, 1);
pub(super) const START_MILLISECOND: i64 = 1_535_760_000_000;
pub(super) const DAY: i64 = 86_400_000;
/// The hours (UTC) at which media are made; likely hours are repeated.
const HOURS: &[i64] = &[
    0, 1, 2, 3, 12, 13, 13, 14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 17, 17, 18, 18, 18, 19, 19, 19, 20, 20, 20, 21, 21,
    22, 22, 23,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) year: i16,
    pub(super) season: &'static str,
}

impl Term {
    pub(super) fn of(day: Date) -> Self {
        let season = match (day.month(), day.day()) {
            (1..=4, _) | (5, ..=24) => "Spring",
            (8, 16..) | (9..=12, _) => "Fall",
            _ => "Summer",
        };
        Self { year: day.year(), season }
    }
}

/// The days from [`START`] on, with the cumulative weight of each.
pub(super) struct Calendar {
    pub(super) days: Vec<Date>,
    made_until: Vec<u64>,
}

impl Calendar {
    pub(super) fn new() -> Self {
        let mut made_until = Vec::new();
        let mut sum = 0;
        let days: Vec<Date> = START.series(1.day()).take_while(|day| *day < AS_OF).collect();
        for day in &days {
            sum += made_on(*day);
            made_until.push(sum);
        }
        Self { days, made_until }
    }

    /// The day of a timestamp, from the table: computing it would take as long as everything else.
    pub(super) fn day(&self, moment: i64) -> Date {
        let index = usize::try_from((moment - START_MILLISECOND).div_euclid(DAY)).unwrap_or_default();
        self.days.get(index).or(self.days.last()).copied().unwrap_or(START)
    }

    pub(super) fn index_of(&self, day: Date) -> usize {
        self.days.partition_point(|other| *other < day)
    }

    /// Draws the timestamps of this many media, in order, all distinct.
    pub(super) fn moments(&self, rng: &mut Rng, count: usize) -> Vec<i64> {
        let all = self.made_until.last().copied().unwrap_or(1);
        let mut moments = Vec::with_capacity(count);
        for _ in 0..count {
            let share = rng.u64(0..all);
            let day = i64::try_from(self.made_until.partition_point(|until| *until <= share)).unwrap_or_default();
            let hour = rng.choice(HOURS).copied().unwrap_or_default();
            moments.push(START_MILLISECOND + day * DAY + hour * 3_600_000 + rng.i64(0..3_600_000));
        }
        moments.sort_unstable();
        let mut latest = START_MILLISECOND;
        for moment in &mut moments {
            *moment = (*moment).max(latest + 1);
            latest = *moment;
        }
        moments
    }
}

/// The weight of a day: how many media are made on it, relative to others.
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
    // During remote teaching everything was recorded.
    let remote = if (date(2020, 3, 15)..date(2021, 5, 25)).contains(&day) { 19 } else { 10 };
    busy * week * (6 + years) * remote
}

pub(super) fn timestamp(millisecond: i64) -> Timestamp {
    Timestamp::from_millisecond(millisecond).unwrap_or_default()
}
