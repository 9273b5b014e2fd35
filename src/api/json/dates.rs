//! Dates and times in the forms that servers commonly write.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, ToSpan as _};
use serde::{Serialize, Serializer};

/// The years that Python's `datetime` supports.
const PYTHON_YEARS: std::ops::RangeInclusive<i16> = 1..=9999;
/// The Unix epoch, from which Arrow counts.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// How many digits of a fraction of a second are kept.
const NANOSECOND_DIGITS: u32 = 9;
/// Forms with the name of a weekday besides RFC 2822, as Ruby, C and JavaScript write them.
const WORDED: [&str; 3] = ["%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a %b %d %Y %H:%M:%S GMT%z"];

/// A date or time as received, with its parsed value.
#[derive(Clone, PartialEq, Eq)]
pub struct Dated<T> {
    text: String,
    value: T,
}

impl<T: ParseDate> Dated<T> {
    /// Parses a text, if it is a date or time.
    pub fn of(text: String) -> Option<Self> {
        T::parse(&text).map(|value| Self { text, value })
    }

    /// Whether a text is a date or time.
    pub fn is_valid(text: &str) -> bool {
        T::is_canonical(text) || T::parse(text).is_some()
    }
}

/// A timestamp, such as `2020-09-18T14:27:40Z`.
pub type Timestamp = Dated<Moment>;
/// A calendar day, such as `2020-09-18`.
pub type Day = Dated<Date>;

impl<T: Copy> Dated<T> {
    pub fn value(&self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for Dated<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<T> Serialize for Dated<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A point in time, in UTC. jiff's `Timestamp` does not fit: it ends a day before Python's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(DateTime);

impl Moment {
    pub fn in_utc(self) -> DateTime {
        self.0
    }

    /// Microseconds since 1970, truncated as in Python.
    pub fn as_microsecond(self) -> Option<i64> {
        let whole = self.0.subsec_nanosecond() / 1000 * 1000;
        let cut = self.0.with().subsec_nanosecond(whole).build().ok()?;
        i64::try_from(cut.duration_since(EPOCH).as_micros()).ok()
    }
}

/// The value of a [`Dated`] text.
pub trait ParseDate: Sized {
    fn parse(text: &str) -> Option<Self>;

    /// Whether a text has the form of the reference's examples, which needs no parsing.
    fn is_canonical(text: &str) -> bool;
}

impl ParseDate for Moment {
    fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text)?;
        let moment = parsed.clock.checked_sub(parsed.offset).ok()?;
        PYTHON_YEARS.contains(&moment.year()).then_some(Self(moment))
    }

    fn is_canonical(text: &str) -> bool {
        is_canonical_timestamp(text.as_bytes())
    }
}

/// Documented as a plain date. Of a date with a time, the written day counts.
impl ParseDate for Date {
    fn parse(text: &str) -> Option<Self> {
        let day = OffsetDateTime::parse(text)?.clock.date();
        PYTHON_YEARS.contains(&day.year()).then_some(day)
    }

    fn is_canonical(text: &str) -> bool {
        is_canonical_day(text.as_bytes())
    }
}

/// A local date and time with its UTC offset.
struct OffsetDateTime {
    clock: DateTime,
    offset: SignedDuration,
}

impl OffsetDateTime {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::numeric(text)
            .or_else(|| Self::iso_8601(text))
            .or_else(|| Self::rfc_2822(text))
            .or_else(|| Self::worded(text))
    }

    /// `2020-09-18T14:27:40Z` and its variants in ISO 8601, RFC 3339, SQL and Ruby.
    fn numeric(text: &str) -> Option<Self> {
        let mut rest = Rest(text.as_bytes());
        let year = rest.number(4)?;
        let month = i8::try_from(rest.passes(b"-").then(|| rest.number(2))??).ok()?;
        let day = i8::try_from(rest.passes(b"-").then(|| rest.number(2))??).ok()?;
        let date = Date::new(year, month, day).ok()?;
        if rest.0.is_empty() {
            return Some(Self::utc(date.to_datetime(Time::midnight())));
        }
        let hour = i8::try_from(rest.passes(b"Tt ").then(|| rest.number(2))??).ok()?;
        let minute = i8::try_from(rest.passes(b":").then(|| rest.number(2))??).ok()?;
        let second = if rest.passes(b":") { i8::try_from(rest.number(2)?).ok()? } else { 0 };
        let nanosecond = if rest.passes(b".,") { rest.fraction()? } else { 0 };
        let offset = zone(rest.text()?)?;
        // The end of a day may be written as 24:00. Python has no leap seconds.
        let is_end_of_day = (hour, minute, second, nanosecond) == (24, 0, 0, 0);
        let time = Time::new(if is_end_of_day { 0 } else { hour }, minute, second.min(59), nanosecond).ok()?;
        let clock = date.to_datetime(time).checked_add(i64::from(is_end_of_day).days()).ok()?;
        (second <= 60).then_some(Self { clock, offset })
    }

    /// The rest of ISO 8601, such as `20200918T142740Z`.
    fn iso_8601(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok()?;
        let clock = pieces.date().to_datetime(pieces.time().unwrap_or_else(Time::midnight));
        match (pieces.to_numeric_offset(), pieces.time_zone_annotation()) {
            (Some(offset), _) => Some(Self { clock, offset: SignedDuration::from_secs(i64::from(offset.seconds())) }),
            (None, None) => Some(Self::utc(clock)),
            // Such as `[Europe/Vienna]`: there is no time zone database here.
            (None, Some(_)) => None,
        }
    }

    /// `Fri, 18 Sep 2020 14:27:40 +0000`: RFC 2822 and HTTP.
    fn rfc_2822(text: &str) -> Option<Self> {
        let zoned = jiff::fmt::rfc2822::parse(&text.replace(" UTC", " GMT")).ok()?;
        let offset = SignedDuration::from_secs(i64::from(zoned.offset().seconds()));
        Some(Self { clock: zoned.datetime(), offset })
    }

    /// `Fri Sep 18 14:27:40 +0000 2020` and similar forms.
    fn worded(text: &str) -> Option<Self> {
        let text = text.split(" (").next()?.replace(" UTC ", " +0000 ").replace(" GMT ", " +0000 ");
        let parts = WORDED.iter().find_map(|form| strtime::parse(form, &text).ok())?;
        let offset = parts.offset().map_or(0, jiff::tz::Offset::seconds);
        Some(Self { clock: parts.to_datetime().ok()?, offset: SignedDuration::from_secs(i64::from(offset)) })
    }

    /// Documented as UTC, so a text without an offset counts as UTC. Inferred.
    fn utc(clock: DateTime) -> Self {
        Self { clock, offset: SignedDuration::ZERO }
    }
}

/// Parses a UTC offset: `Z`, `UTC`, `+02:00`, `+0200`, `+02`, or nothing.
fn zone(text: &str) -> Option<SignedDuration> {
    let text = text.trim_start();
    if ["", "Z", "UTC", "GMT"].iter().any(|utc| text.eq_ignore_ascii_case(utc)) {
        return Some(SignedDuration::ZERO);
    }
    let mut rest = Rest(text.as_bytes());
    let is_negative = rest.passes(b"-");
    if !is_negative && !rest.passes(b"+") {
        return None;
    }
    let hours = rest.number(2)?;
    let _ = rest.passes(b":");
    let minutes = if rest.0.is_empty() { 0 } else { rest.number(2)? };
    if !rest.0.is_empty() || hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = SignedDuration::from_mins(i64::from(hours) * 60 + i64::from(minutes));
    Some(if is_negative { -ahead } else { ahead })
}

/// The rest of a text that is being parsed.
struct Rest<'text>(&'text [u8]);

impl<'text> Rest<'text> {
    /// Skips a byte, if it is one of these.
    fn passes(&mut self, any: &[u8]) -> bool {
        match self.0 {
            [first, rest @ ..] if any.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Reads a number with this many digits.
    fn number(&mut self, digits: usize) -> Option<i16> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |sum: i16, digit| {
            let value = char::from(*digit).to_digit(10).and_then(|value| i16::try_from(value).ok())?;
            Some(sum * 10 + value)
        })
    }

    /// Reads a fraction of a second as nanoseconds.
    fn fraction(&mut self) -> Option<i32> {
        let (mut nanoseconds, mut digits) = (0, 0);
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            if digits < NANOSECOND_DIGITS {
                nanoseconds = nanoseconds * 10 + i32::from(digit - b'0');
                digits += 1;
            }
            self.0 = rest;
        }
        (digits > 0).then(|| nanoseconds * 10_i32.pow(NANOSECOND_DIGITS - digits))
    }

    fn text(&self) -> Option<&'text str> {
        std::str::from_utf8(self.0).ok()
    }
}

/// `2020-09-18T14:27:40Z`, possibly with milliseconds. Days above 28 and a second of 60 need the parser.
fn is_canonical_timestamp(text: &[u8]) -> bool {
    let Some((day, time)) = text.split_at_checked(10) else { return false };
    let is_time = match time {
        [b'T', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] => {
            let is_fraction = match rest {
                [b'Z'] => true,
                [b'.', fraction @ .., b'Z'] => fraction.len() == 3 && fraction.iter().all(u8::is_ascii_digit),
                _ => false,
            };
            is_fraction && two(*h1, *h2) < 24 && two(*m1, *m2) < 60 && two(*s1, *s2) < 60
        }
        _ => false,
    };
    is_time && is_canonical_day(day)
}

/// `2020-09-18`, from 1900 to 2099.
fn is_canonical_day(text: &[u8]) -> bool {
    match text {
        [c1, c2, y1, y2, b'-', m1, m2, b'-', d1, d2] => {
            (19..=20).contains(&two(*c1, *c2))
                && two(*y1, *y2) < 100
                && (1..=12).contains(&two(*m1, *m2))
                && (1..=28).contains(&two(*d1, *d2))
        }
        _ => false,
    }
}

/// The number of two digits; `u8::MAX` if they are no digits.
fn two(tens: u8, ones: u8) -> u8 {
    if tens.is_ascii_digit() && ones.is_ascii_digit() { (tens - b'0') * 10 + (ones - b'0') } else { u8::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Moment::parse(text).map(|moment| moment.in_utc().to_string())
    }

    #[test]
    fn a_moment_is_read_in_every_usual_form() {
        for text in [
            "2020-09-18T14:27:40Z",
            "2020-09-18t14:27:40z",
            "2020-09-18T14:27:40",
            "2020-09-18T14:27:40.000Z",
            "2020-09-18T14:27:40,000Z",
            "2020-09-18T14:27:40.0000000000000Z",
            "2020-09-18T16:27:40+02:00",
            "2020-09-18T16:27:40+0200",
            "2020-09-18T16:27:40+02",
            "2020-09-17T23:57:40-14:30",
            "2020-09-18 14:27:40 UTC",
            "2020-09-18 14:27:40 +0000",
            "2020-09-18 14:27:40 GMT",
            "2020-09-18 09:27:40.000 -0500",
            " 2020-09-18 14:27:40 ",
            "20200918T142740Z",
            "2020-09-18T14:27:40Z[UTC]",
            "Fri, 18 Sep 2020 14:27:40 GMT",
            "Fri, 18 Sep 2020 14:27:40 UTC",
            "Fri, 18 Sep 2020 16:27:40 +0200",
            "18 Sep 2020 14:27:40 +0000",
            "Fri Sep 18 14:27:40 +0000 2020",
            "Fri Sep 18 14:27:40 UTC 2020",
            "Fri Sep 18 14:27:40 2020",
            "Fri Sep 18 2020 16:27:40 GMT+0200 (Central European Summer Time)",
        ] {
            assert_eq!(shown(text).as_deref(), Some("2020-09-18T14:27:40"), "{text}");
        }
    }

    #[test]
    fn the_ends_of_the_calendar_and_of_a_day_are_moments() {
        for (text, expected) in [
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
            ("0001-01-01", "0001-01-01T00:00:00"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59"),
            ("2020-02-28T24:00:00Z", "2020-02-29T00:00:00"),
            ("2020-09-18T14:27Z", "2020-09-18T14:27:00"),
            ("2020-09-18T14:27:40.123456789123Z", "2020-09-18T14:27:40.123456789"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_of_pythons_calendar_is_none() {
        for text in [
            "",
            "yesterday",
            "2020",
            "2020-09",
            "0000-00-00",
            "0000-00-00 00:00:00",
            "0000-01-01T00:00:00Z",
            "2020-02-30T00:00:00Z",
            "+10000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+01:00",
            "2020-09-18T25:00:00Z",
            "2020-09-18T24:00:01Z",
            "2020-09-18T14:60:00Z",
            "2020-09-18T14:27:61Z",
            "2020-09-18T14:27:40.Z",
            "2020-09-18T14:27:40+27:00",
            "2020-09-18T14:27:40+02:60",
            "2020-09-18T14:27:40[Europe/Vienna]",
            "2020-09-18T14:27:40 nonsense",
            "2020-09-18x14:27:40Z",
            "09/18/2020",
            "1600439260",
            "-0500",
            "2020-09-1é",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_may_come_as_a_moment() {
        for text in ["2020-09-18", "2020-09-18T14:27:40Z", "2020-09-18 23:59:59 -0500", "Fri, 18 Sep 2020 14:27:40 GMT"]
        {
            assert_eq!(Date::parse(text).map(|day| day.to_string()).as_deref(), Some("2020-09-18"), "{text}");
        }
    }

    #[test]
    fn microseconds_are_counted_as_python_counts_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.0000019Z", 1),
            ("1969-12-31T23:59:59.9999999Z", -1),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ] {
            assert_eq!(Moment::parse(text).and_then(Moment::as_microsecond), Some(expected), "{text}");
        }
    }
}
