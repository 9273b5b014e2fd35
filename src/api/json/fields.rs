//! The documented fields of an object: name, kind, and span in the object's text.

#![expect(clippy::inline_always, reason = "the rest is built small, and here every byte passes")]

use wide::u8x16;

/// How many bytes of a text are compared together.
pub(super) const WIDTH: usize = 16;

/// What a documented field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The object's id: the only required field.
    Id,
    Int,
    Number,
    Flag,
    Text,
    /// A text with few distinct values.
    Word,
    Timestamp,
    Day,
    /// A list of texts with few distinct values.
    Words,
    /// Numbers under names that nobody knows beforehand.
    Numbers,
    Object(&'static [Field]),
}

/// A documented field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub(super) key: Key,
    pub kind: Kind,
}

impl Field {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, key: Key::of(name), kind }
    }
}

/// The bytes before the value of a field, as most servers write them: `"name":`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    text: [u8; 2 * WIDTH],
    pub(super) length: usize,
}

impl Key {
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which reports an overflow")]
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

    /// Whether a text begins with the key. Near the end of a text it may wrongly say no.
    #[inline(always)]
    pub(super) fn begins(&self, text: &[u8]) -> bool {
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

/// A range in a text; empty, if the field is missing or null.
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

    pub(super) fn new(start: usize, end: usize) -> Option<Self> {
        Some(Self { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
    }
}

/// The index of a documented field by its name.
pub const fn field_index(fields: &'static [Field], name: &str) -> usize {
    let mut remaining = fields;
    let mut index = 0;
    while let [field, rest @ ..] = remaining {
        if is_same(field.name, name) {
            return index;
        }
        remaining = rest;
        index += 1;
    }
    usize::MAX
}

const fn is_same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let ([first, rest @ ..], [second, others @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}
