//! One pass over JSON text that finds where each documented field stands, and builds nothing.
//!
//! It is quick because it knows what to expect, and safe because it need not succeed: what it does not take for granted,
//! it leaves to serde, which has the last word. Tests hold the two against each other.

#![expect(clippy::inline_always, reason = "the rest is built small, and here every byte passes")]

use serde_json::Number;
use wide::u8x16;

use super::dates::{Day, Timestamp};
use super::lenient::lenient_whole;

/// How deep objects and lists may be nested in what comes from outside; serde_json itself reads a little deeper.
const DEEPEST: usize = 100;
/// The most fields whose order is remembered; those behind are looked up.
const REMEMBERED: usize = 32;
/// A whole number of so many digits fits into 64 bits for sure.
const SAFE_DIGITS: usize = 18;
/// How many bytes are looked at together.
const WIDTH: usize = 16;

/// What a documented field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Studio's own number of the object; the only field that must be there.
    Id,
    Whole,
    Number,
    Text,
    /// One of a few words, over and over again.
    Word,
    Moment,
    Day,
    Object(&'static [Field]),
}

/// A documented field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    key: Key,
    pub kind: Kind,
}

impl Field {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, key: Key::of(name), kind }
    }
}

/// What stands before the value of a field, as most servers write it: `"name":`.
#[derive(Debug, Clone, Copy)]
struct Key {
    text: [u8; 2 * WIDTH],
    length: usize,
}

impl Key {
    #[expect(clippy::indexing_slicing, reason = "it is carried out by the compiler, which would say so")]
    const fn of(name: &str) -> Self {
        let mut text = [0; 2 * WIDTH];
        let (name, end) = (name.as_bytes(), name.len() + 1);
        let mut at = 0;
        while at < name.len() {
            text[at + 1] = name[at];
            at += 1;
        }
        (text[0], text[end], text[end + 1]) = (b'"', b'"', b':');
        Self { text, length: end + 2 }
    }

    /// Whether a text begins with it. Near the end of a text it is in doubt, and says that it does not.
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        let (first, second) = self.text.split_at(WIDTH);
        let is_same = |text: &[u8], key: &[u8], length: usize| match (text.first_chunk(), key.first_chunk()) {
            (Some(text), Some(key)) => {
                let same = u8x16::new(*text).simd_eq(u8x16::new(*key)).to_bitmask();
                same.trailing_ones() as usize >= length
            }
            _ => false,
        };
        is_same(text, first, self.length.min(WIDTH))
            && (self.length <= WIDTH
                || text.get(WIDTH..).is_some_and(|text| is_same(text, second, self.length - WIDTH)))
    }
}

/// From where to where in a text; nothing, if the field is missing or null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub fn of(self, text: &str) -> Option<&str> {
        if self.end == 0 {
            return None;
        }
        text.get(self.start as usize..self.end as usize)
    }

    fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }
}

/// In which order the fields came in the objects before, which is how they will come again; at first, that of the
/// reference. One row for each depth.
#[derive(Debug, Clone)]
pub struct Order([Row; 3]);

type Row = [u8; REMEMBERED];

impl Default for Order {
    fn default() -> Self {
        let reference = std::array::from_fn(|place| u8::try_from(place).unwrap_or(u8::MAX));
        Self([reference; 3])
    }
}

/// What is sure about a number before it is looked at more closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sure {
    /// That it is a whole one of less than 64 bits.
    Whole,
    /// That it is a float of a common size.
    Float,
    /// That it is a number.
    Nothing,
}

/// Reads on in a text. Every method returns `None` where it is in doubt.
#[derive(Debug, Clone)]
pub struct Scanner<'text> {
    text: &'text str,
    at: usize,
    /// Whether serde has read or written this very text already.
    is_known: bool,
}

impl<'text> Scanner<'text> {
    pub fn new(text: &'text str) -> Self {
        Self { text, at: 0, is_known: false }
    }

    /// For a text that was read or written here before.
    pub fn again(text: &'text str) -> Self {
        Self { text, at: 0, is_known: true }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn since(&self, start: usize) -> Option<&'text str> {
        self.text.get(start..self.at)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not white space.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Whether the next byte is this one; if it is, it is passed.
    #[inline(always)]
    pub fn takes(&mut self, byte: u8) -> Option<bool> {
        if self.byte() == Some(byte) {
            self.at += 1;
            return Some(true);
        }
        let is_next = self.peek()? == byte;
        self.at += usize::from(is_next);
        Some(is_next)
    }

    /// Passes this byte, or is in doubt.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Option<()> {
        self.takes(byte)?.then_some(())
    }

    /// Whether nothing but white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Passes a text, and says whether there is an escape in it.
    #[inline(always)]
    pub fn string(&mut self) -> Option<bool> {
        self.expect(b'"')?;
        let mut has_escape = false;
        loop {
            self.at = next_special(self.text.as_bytes(), self.at)?;
            match self.byte()? {
                b'"' => break,
                b'\\' => {
                    has_escape = true;
                    self.at += self.escape()?;
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(has_escape)
    }

    /// How long the escape is that begins here. Half of a pair of surrogates is a mistake.
    fn escape(&self) -> Option<usize> {
        let rest = self.text.as_bytes().get(self.at..)?;
        if let [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] = rest {
            return Some(2);
        }
        let is_high = |unit: u16| (0xd800..0xdc00).contains(&unit);
        let is_low = |unit: u16| (0xdc00..0xe000).contains(&unit);
        match unit(rest)? {
            high if is_high(high) => unit(rest.get(6..)?).filter(|low| is_low(*low)).map(|_| 12),
            low if is_low(low) => None,
            _ => Some(6),
        }
    }

    /// What is between the quotes of a text that was just passed.
    fn inside(&self, start: usize) -> Option<&'text str> {
        self.text.get(start + 1..self.at - 1)
    }

    /// Passes a name, and returns it, and whether there is an escape in it.
    pub fn name(&mut self) -> Option<(&'text str, bool)> {
        self.peek()?;
        let start = self.at;
        let has_escape = self.string()?;
        Some((self.inside(start)?, has_escape))
    }

    /// Passes a number, and says what is sure about it.
    #[inline(always)]
    fn number(&mut self) -> Option<Sure> {
        self.peek()?;
        let start = self.at;
        self.at += usize::from(self.byte()? == b'-');
        let first = self.byte()?;
        let is_negative = self.at > start;
        let digits = self.digits();
        let is_short = match digits {
            0 => return None,
            // To serde, "-0" is not a whole number.
            1 if is_negative && first == b'0' => false,
            1 => true,
            _ if first == b'0' => return None,
            _ => digits <= SAFE_DIGITS,
        };
        if !matches!(self.byte(), Some(b'.' | b'e' | b'E')) {
            return Some(if is_short { Sure::Whole } else { Sure::Nothing });
        }
        let mut is_plain = is_short;
        if self.byte()? == b'.' {
            self.at += 1;
            let digits = self.digits();
            is_plain &= (1..=SAFE_DIGITS).contains(&digits);
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            is_plain = false;
            self.at += 1;
            self.at += usize::from(matches!(self.byte()?, b'+' | b'-'));
            self.digits();
        }
        if is_plain {
            return Some(Sure::Float);
        }
        serde_json::from_str::<Number>(self.since(start)?).ok()?;
        Some(Sure::Nothing)
    }

    #[inline(always)]
    fn digits(&mut self) -> usize {
        let start = self.at;
        let bytes = self.text.as_bytes();
        while let Some(chunk) = chunk(bytes, self.at) {
            let values = chunk - u8x16::splat(b'0');
            let count = values.simd_eq(values.min(u8x16::splat(9))).to_bitmask().trailing_ones() as usize;
            self.at += count;
            if count < WIDTH {
                return self.at - start;
            }
        }
        let rest = bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at - start
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let end = self.at + word.len();
        (self.text.as_bytes().get(self.at..end)? == word.as_bytes()).then_some(())?;
        self.at = end;
        Some(())
    }

    /// Passes whatever comes.
    pub fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST && !self.is_known {
            return None;
        }
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                self.at += 1;
                if self.takes(b'}')? {
                    return Some(());
                }
                loop {
                    self.string()?;
                    self.expect(b':')?;
                    self.value(depth + 1)?;
                    if !self.takes(b',')? {
                        return self.expect(b'}');
                    }
                    self.peek()?;
                }
            }
            b'[' => {
                self.at += 1;
                if self.takes(b']')? {
                    return Some(());
                }
                loop {
                    self.value(depth + 1)?;
                    if !self.takes(b',')? {
                        return self.expect(b']');
                    }
                }
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    /// Passes an object, and finds where its documented fields are, counted from the object's own start.
    ///
    /// `others` is given each field that is not documented, and of a text that is known each that is not what it should be.
    pub fn object(
        &mut self,
        fields: &'static [Field],
        spans: &mut [Span],
        order: &mut Order,
        others: &mut dyn FnMut(&'text str),
    ) -> Option<()> {
        self.object_in(fields, spans, &mut order.0, 0, others)
    }

    /// Likewise, at some depth. `rows` are those of this depth and of what is deeper.
    fn object_in(
        &mut self,
        fields: &'static [Field],
        spans: &mut [Span],
        rows: &mut [Row],
        depth: usize,
        others: &mut dyn FnMut(&'text str),
    ) -> Option<()> {
        self.expect(b'{')?;
        let origin = self.at - 1;
        let (row, rows) = match rows {
            [row, rows @ ..] => (row.as_mut_slice(), rows),
            [] => Default::default(),
        };
        let mut row = row.iter_mut();
        let mut came: u64 = 0;
        if !self.takes(b'}')? {
            loop {
                self.peek()?;
                let start = self.at;
                if let Some((place, field)) = self.key(fields, row.next())? {
                    let bit = 1 << place;
                    if came & bit != 0 {
                        return None;
                    }
                    came |= bit;
                    let value = self.at;
                    if let Some(span) = self.field(field.kind, origin, rows, depth) {
                        *spans.get_mut(place)? = span;
                    } else {
                        // What serde has passed is not what it should be, and goes with what is not documented; but an
                        // object without its id is none.
                        (self.is_known && !matches!(field.kind, Kind::Id)).then_some(())?;
                        self.at = value;
                        self.value(depth + 1)?;
                        others(self.since(start)?);
                    }
                } else {
                    self.value(depth + 1)?;
                    others(self.since(start)?);
                }
                if !self.takes(b',')? {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        // Without its id it is nothing.
        (came & 1 != 0 || !matches!(fields.first()?.kind, Kind::Id)).then_some(())
    }

    /// Passes a name and its colon, and says which documented field it is the name of.
    #[inline(always)]
    #[expect(clippy::option_option, reason = "in doubt, or sure that there is none")]
    fn key(&mut self, fields: &'static [Field], expected: Option<&mut u8>) -> Option<Option<(usize, &'static Field)>> {
        if let Some(expected) = &expected
            && let Some(field) = fields.get(usize::from(**expected))
            && field.key.begins(self.text.as_bytes().get(self.at..)?)
        {
            self.at += field.key.length;
            return Some(Some((usize::from(**expected), field)));
        }
        let (name, has_escape) = self.name()?;
        self.expect(b':')?;
        if has_escape {
            // It might mean a documented name. What serde has written writes those as they are.
            return self.is_known.then_some(None);
        }
        let found = fields.iter().enumerate().find(|(_, field)| field.name == name);
        if let Some(expected) = expected {
            *expected = found.and_then(|(place, _)| u8::try_from(place).ok()).unwrap_or(u8::MAX);
        }
        Some(found)
    }

    /// Passes the value of a documented field, if it is what it should be.
    #[inline(always)]
    fn field(&mut self, kind: Kind, origin: usize, rows: &mut [Row], depth: usize) -> Option<Span> {
        let first = self.peek()?;
        let start = self.at;
        if first == b'n' && !matches!(kind, Kind::Id) {
            self.word("null")?;
            return Some(Span::default());
        }
        match kind {
            Kind::Id => {
                if self.number()? != Sure::Whole {
                    self.since(start)?.parse::<i64>().ok().filter(|id| *id != 0)?;
                }
            }
            Kind::Whole => {
                if self.number()? != Sure::Whole {
                    lenient_whole(self.since(start)?)?;
                }
            }
            Kind::Number => {
                if self.number()? == Sure::Nothing {
                    self.since(start)?.parse().ok().filter(|float: &f64| float.is_finite())?;
                }
            }
            Kind::Text | Kind::Word => self.string().map(drop)?,
            Kind::Moment | Kind::Day => {
                let has_escape = self.string()?;
                let text = self.inside(start)?;
                if text.is_empty() {
                    // An empty text is no date.
                    return Some(Span::default());
                }
                let is_date = !has_escape
                    && match kind {
                        Kind::Moment => Timestamp::reads(text),
                        _ => Day::reads(text),
                    };
                is_date.then_some(())?;
            }
            Kind::Object(fields) => {
                let mut unused = [Span::default(); REMEMBERED];
                self.object_in(fields, unused.get_mut(..fields.len())?, rows, depth + 1, &mut |_| {})?;
            }
        }
        Span::new(start - origin, self.at - origin)
    }
}

/// The UTF-16 unit that an escape such as `\u00fc` at the beginning stands for.
fn unit(text: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = text else { return None };
    let (digits, _) = digits.split_first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let value = char::from(*digit).to_digit(16).and_then(|value| u16::try_from(value).ok())?;
        Some(unit << 4 | value)
    })
}

/// So many bytes of a text from there on as are looked at together, if there are as many.
#[inline(always)]
fn chunk(bytes: &[u8], at: usize) -> Option<u8x16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u8x16::new(*chunk))
}

/// Where the next quote, backslash or control character is.
#[inline(always)]
fn next_special(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = chunk(bytes, at) {
        let is_control = chunk.simd_eq(chunk.min(u8x16::splat(0x1f)));
        let is_special = chunk.simd_eq(u8x16::splat(b'"')) | chunk.simd_eq(u8x16::splat(b'\\')) | is_control;
        let hits = is_special.to_bitmask();
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize);
        }
        at += WIDTH;
    }
    let rest = bytes.get(at..)?.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
    Some(at + rest)
}

/// `2020-09-18T14:27:40Z`, perhaps with three digits of a second. Days above 28 and seconds of 60 are for others to judge.
pub(in crate::api) fn is_usual_moment(text: &[u8]) -> bool {
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
    is_time && is_usual_day(day)
}

/// `2020-09-18`, in a year that all calendars know.
pub(in crate::api) fn is_usual_day(text: &[u8]) -> bool {
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

/// The number that two digits make, or one that is too large for anything.
fn two(tens: u8, ones: u8) -> u8 {
    if tens.is_ascii_digit() && ones.is_ascii_digit() { (tens - b'0') * 10 + (ones - b'0') } else { u8::MAX }
}
