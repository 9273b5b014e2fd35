//! A JSON scanner: one pass that finds the span of each documented field and builds nothing.
//!
//! It is fast because it knows which fields to expect, and safe because it may give up: whatever is unusual goes to
//! serde, which decides. Tests compare the two on pages that are broken in every way. Without the scanner, serde reads every
//! object in full, which is the largest cost of a list.

#![expect(clippy::inline_always, reason = "the rest is built small, and here every byte passes")]

use serde_json::Number;
use wide::u8x16;

use super::dates::{Day, Timestamp};
use super::fields::{Field, Kind, Span, WIDTH};
use super::lenient::lenient_int;

/// The deepest nesting in received text; serde_json itself reads a little deeper.
const DEEPEST: usize = 100;
/// How many fields the order is remembered for; later ones are looked up.
const REMEMBERED: usize = 32;
/// A whole number with this many digits fits into 64 bits.
const SAFE_DIGITS: usize = 18;

/// The order of the fields in the previous object, which the next one probably has too; at first, the order of the
/// reference. One row per depth.
#[derive(Debug, Clone)]
pub struct Order([Row; 3]);

type Row = [u8; REMEMBERED];

impl Default for Order {
    fn default() -> Self {
        let reference = std::array::from_fn(|index| u8::try_from(index).unwrap_or(u8::MAX));
        Self([reference; 3])
    }
}

/// What scanning alone tells about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberClass {
    /// A whole number that fits into 64 bits.
    Int,
    /// A float of a common size.
    Float,
    /// A number that must be parsed to know more.
    Other,
}

/// A position in a text. Every method returns `None` if serde must decide.
#[derive(Debug, Clone)]
pub struct Scanner<'text> {
    text: &'text str,
    at: usize,
    /// Whether serde has already read or written this text.
    is_known: bool,
}

impl<'text> Scanner<'text> {
    pub fn new(text: &'text str) -> Self {
        Self { text, at: 0, is_known: false }
    }

    /// For a text that serde has already read or written.
    pub fn known(text: &'text str) -> Self {
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

    /// Whether the next byte is this one; if so, skips it.
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

    /// Skips this byte, or gives up.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Option<()> {
        self.takes(byte)?.then_some(())
    }

    /// Whether only white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Skips a string. Returns whether it contains an escape.
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

    /// The length of the escape that begins here. Half a surrogate pair is an error.
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

    /// The text between the quotes of the string that was just skipped.
    fn inside(&self, start: usize) -> Option<&'text str> {
        self.text.get(start + 1..self.at - 1)
    }

    /// Reads the name of a field, without escapes, or with some if the text is known. To serde_json, a name that begins
    /// with `$` may have a meaning of its own.
    pub fn name(&mut self) -> Option<&'text str> {
        self.peek()?;
        let start = self.at;
        let has_escape = self.string()?;
        let name = self.inside(start)?;
        (self.is_known || !(has_escape || name.starts_with('$'))).then_some(name)
    }

    /// Skips a number, and classifies it.
    #[inline(always)]
    fn number(&mut self) -> Option<NumberClass> {
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
            return Some(if is_short { NumberClass::Int } else { NumberClass::Other });
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
            return Some(NumberClass::Float);
        }
        serde_json::from_str::<Number>(self.since(start)?).ok()?;
        Some(NumberClass::Other)
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

    /// Skips any value.
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
                    self.name()?;
                    self.expect(b':')?;
                    self.value(depth + 1)?;
                    if !self.takes(b',')? {
                        return self.expect(b'}');
                    }
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

    /// Scans an object for the spans of its documented fields, relative to the start of the object.
    ///
    /// `others` receives each undocumented field, and in a known text each field that cannot be read.
    pub fn object(
        &mut self,
        fields: &'static [Field],
        spans: &mut [Span],
        order: &mut Order,
        others: &mut dyn FnMut(&'text str),
    ) -> Option<()> {
        self.object_in(fields, spans, &mut order.0, 0, others)
    }

    /// The same at a given depth. `rows` are the rows from this depth on.
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
                if let Some((index, field)) = self.key(fields, row.next())? {
                    let bit = 1 << index;
                    if came & bit != 0 {
                        return None;
                    }
                    came |= bit;
                    let value = self.at;
                    if let Some(span) = self.field(field.kind, origin, rows, depth) {
                        *spans.get_mut(index)? = span;
                    } else {
                        // Serde has accepted the text, so the field goes with the undocumented ones; an object without
                        // an id is an error.
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
        // The id is required.
        (came & 1 != 0 || !matches!(fields.first()?.kind, Kind::Id)).then_some(())
    }

    /// Skips a name and its colon. Returns the documented field of that name.
    #[inline(always)]
    #[expect(clippy::option_option, reason = "undecided, or known to be undocumented")]
    fn key(&mut self, fields: &'static [Field], expected: Option<&mut u8>) -> Option<Option<(usize, &'static Field)>> {
        if let Some(expected) = &expected
            && let Some(field) = fields.get(usize::from(**expected))
            && field.key.begins(self.text.as_bytes().get(self.at..)?)
        {
            self.at += field.key.length;
            return Some(Some((usize::from(**expected), field)));
        }
        // In a text that serde has written, documented names have no escapes.
        let name = self.name()?;
        self.expect(b':')?;
        let found = fields.iter().enumerate().find(|(_, field)| field.name == name);
        if let Some(expected) = expected {
            *expected = found.and_then(|(index, _)| u8::try_from(index).ok()).unwrap_or(u8::MAX);
        }
        Some(found)
    }

    /// Skips the value of a documented field, if it is valid.
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
                if self.number()? != NumberClass::Int {
                    self.since(start)?.parse::<i64>().ok().filter(|id| *id != 0)?;
                }
            }
            Kind::Int => {
                if self.number()? != NumberClass::Int {
                    lenient_int(self.since(start)?)?;
                }
            }
            Kind::Number => {
                if self.number()? == NumberClass::Other {
                    self.since(start)?.parse().ok().filter(|float: &f64| float.is_finite())?;
                }
            }
            Kind::Flag => self.word(if first == b't' { "true" } else { "false" })?,
            Kind::Text | Kind::Word => self.string().map(drop)?,
            Kind::Timestamp | Kind::Day => {
                let has_escape = self.string()?;
                let text = self.inside(start)?;
                if text.is_empty() {
                    // An empty text means no date.
                    return Some(Span::default());
                }
                let is_valid = |text: &str| match kind {
                    Kind::Timestamp => Timestamp::is_valid(text),
                    _ => Day::is_valid(text),
                };
                let is_date = if has_escape {
                    serde_json::from_str::<String>(self.since(start)?).is_ok_and(|text| is_valid(&text))
                } else {
                    is_valid(text)
                };
                is_date.then_some(())?;
            }
            Kind::Words => {
                self.expect(b'[')?;
                if !self.takes(b']')? {
                    loop {
                        self.string()?;
                        if !self.takes(b',')? {
                            break;
                        }
                    }
                    self.expect(b']')?;
                }
            }
            Kind::Numbers => self.value(depth + 1)?,
            Kind::Object(fields) => {
                let mut unused = [Span::default(); REMEMBERED];
                self.object_in(fields, unused.get_mut(..fields.len())?, rows, depth + 1, &mut |_| {})?;
            }
        }
        Span::new(start - origin, self.at - origin)
    }
}

/// The UTF-16 unit of an escape such as `\u00fc` at the beginning.
fn unit(text: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = text else { return None };
    let (digits, _) = digits.split_first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let value = char::from(*digit).to_digit(16).and_then(|value| u16::try_from(value).ok())?;
        Some(unit << 4 | value)
    })
}

/// The next [`WIDTH`] bytes, if there are as many.
#[inline(always)]
fn chunk(bytes: &[u8], at: usize) -> Option<u8x16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u8x16::new(*chunk))
}

/// The index of the next quote, backslash or control character.
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
