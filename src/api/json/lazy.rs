//! An object kept as the JSON text that was received: a field is read on access.
//!
//! Most programs read three fields of fifteen. Building all of them is the largest cost of reading a list.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use memchr::memchr;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::super::item::{Doubt, Extra, Identity, Item, Meta, Page};
use super::dates::{Dated, Day, ParseDate, Timestamp};
use super::fields::{Field, Span, field_index};
use super::lenient::{Identifiable, ParseId, lenient_int};
use super::locate::whole as read_whole;
use super::scan::{Order, Scanner};
use crate::stack::with_enough_stack;

/// The fields of an object, as serde reads all of them at once.
pub trait Model:
    Identifiable<Id: Into<Identity>> + Serialize + DeserializeOwned + Clone + fmt::Debug + Send + Sync + 'static
{
    /// The documented fields, in the reference's order; the first is the id.
    const FIELDS: &'static [Field];
    /// One span per field.
    type Spans: AsRef<[Span]> + AsMut<[Span]> + Default + Clone + Send + Sync;
}

/// An object whose fields are read on access. It owns its text, so it keeps no page alive.
#[derive(Clone)]
pub struct Lazy<T: Model> {
    id: T::Id,
    text: Box<str>,
    spans: T::Spans,
    has_extra: bool,
    fields: PhantomData<fn() -> T>,
}

impl<T: Model> Lazy<T> {
    pub fn id(&self) -> T::Id {
        self.id.clone()
    }

    /// The JSON text, as received.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The spans of the documented fields, and whether there are other fields.
    pub fn spans(&self) -> (&[Span], bool) {
        (self.spans.as_ref(), self.has_extra)
    }

    /// The JSON text of a documented field; `None` if it is missing or null.
    pub fn raw(&self, index: usize) -> Option<&str> {
        self.spans.as_ref().get(index)?.of(&self.text)
    }

    /// The value of a documented field.
    pub fn get<'text, V: Value<'text>>(&'text self, index: usize) -> V {
        V::read(self.raw(index))
    }

    /// The value of the documented field of this name.
    pub fn named<'text, V: Value<'text>>(&'text self, name: &str) -> V {
        self.get(field_index(T::FIELDS, name))
    }

    /// The undocumented fields.
    pub fn extra(&self) -> Extra {
        if self.has_extra { spans_and_extra(&self.text, T::FIELDS).1 } else { Extra::new() }
    }

    /// Reads all fields.
    pub fn read_all(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }

    /// Builds it from all fields.
    fn of(whole: &T) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(whole)?;
        let strange = || serde_json::Error::custom("the scanner cannot read its text");
        Self::scan(&mut Scanner::known(&text), &mut Order::default()).ok_or_else(strange)
    }

    /// Scans an object; `None` if serde must read it.
    fn scan(scanner: &mut Scanner<'_>, order: &mut Order) -> Option<Self> {
        scanner.peek()?;
        let start = scanner.at();
        let mut spans = T::Spans::default();
        let mut has_extra = false;
        scanner.object(T::FIELDS, spans.as_mut(), order, &mut |_| has_extra = true)?;
        let text = scanner.since(start)?;
        let id = T::Id::parse_canonical(spans.as_ref().first()?.of(text)?)?;
        Some(Self { id, text: text.into(), spans, has_extra, fields: PhantomData })
    }

    /// Scans a page of objects, unless serde must read it.
    pub fn scan_page(text: &str, key: &str) -> Result<Page<Self>, Doubt> {
        let (items, meta) = scan_envelope(text, key, Self::scan_list)?;
        Ok(Page { items, meta })
    }

    /// Scans the object under a key, unless serde must read it.
    pub fn scan_at_key(text: &str, key: &str) -> Result<Self, Doubt> {
        scan_envelope(text, key, Self::scan).map(|(item, _)| item)
    }

    fn scan_list(scanner: &mut Scanner<'_>, order: &mut Order) -> Option<Vec<Self>> {
        let mut items = Vec::new();
        scanner.expect(b'[')?;
        if scanner.takes(b']')? {
            return Some(items);
        }
        items.reserve(64);
        loop {
            items.push(Self::scan(scanner, order)?);
            if !scanner.takes(b',')? {
                break;
            }
        }
        scanner.expect(b']')?;
        Some(items)
    }
}

/// Scans an object for the value of one key and `meta`.
fn scan_envelope<'text, T>(
    text: &'text str,
    key: &str,
    content: impl Fn(&mut Scanner<'text>, &mut Order) -> Option<T>,
) -> Result<(T, Option<Meta>), Doubt> {
    let mut scanner = Scanner::new(text);
    scan_on(&mut scanner, key, content).ok_or(Doubt::From(scanner.at()))
}

fn scan_on<'text, T>(
    scanner: &mut Scanner<'text>,
    key: &str,
    content: impl Fn(&mut Scanner<'text>, &mut Order) -> Option<T>,
) -> Option<(T, Option<Meta>)> {
    let mut order = Order::default();
    let (mut found, mut meta) = (None, None);
    scanner.expect(b'{')?;
    loop {
        let name = scanner.name()?;
        scanner.expect(b':')?;
        if name == key {
            if found.is_some() {
                return None;
            }
            found = Some(content(scanner, &mut order)?);
        } else {
            scanner.peek()?;
            let start = scanner.at();
            scanner.value(1)?;
            if name == "meta" {
                meta = Meta::read(&read_whole(scanner.since(start)?, Meta::FIELDS).ok()?);
            }
        }
        if !scanner.takes(b',')? {
            break;
        }
    }
    scanner.expect(b'}')?;
    scanner.is_at_end().then_some((found?, meta))
}

/// The spans of the documented fields, and the undocumented fields.
pub fn spans_and_extra(text: &str, fields: &'static [Field]) -> (Vec<Span>, Extra) {
    let mut spans = vec![Span::default(); fields.len()];
    let extra = find_spans(text, fields, &mut Order::default(), &mut spans);
    (spans, extra)
}

/// The same for many objects: it reuses `order` and `spans`.
pub fn find_spans(text: &str, fields: &'static [Field], order: &mut Order, spans: &mut [Span]) -> Extra {
    with_enough_stack(|| {
        let mut others = String::new();
        let scanned = Scanner::known(text).object(fields, spans, order, &mut |other| {
            others.push(if others.is_empty() { '{' } else { ',' });
            others.push_str(other);
        });
        if others.is_empty() {
            return Extra::new();
        }
        others.push('}');
        scanned.and_then(|()| serde_json::from_str(&others).ok()).unwrap_or_default()
    })
}

impl<T: Model + Item> Item for Lazy<T> {
    type Check = T::Check;

    const NAME: &'static str = T::NAME;
    const FIELDS: &'static [Field] = <T as Item>::FIELDS;

    fn identity(&self) -> Identity {
        self.id().into()
    }

    fn scan_page(text: &str, key: &str) -> Result<Page<Self>, Doubt> {
        Self::scan_page(text, key)
    }

    fn scan_at_key(text: &str, key: &str) -> Result<Self, Doubt> {
        Self::scan_at_key(text, key)
    }

    fn json(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.text())
    }

    fn spans(&self) -> Option<(&[Span], bool)> {
        Some(self.spans())
    }
}

/// Serde reads all fields, and reports what is wrong and where.
impl<'de, T: Model> Deserialize<'de> for Lazy<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&T::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<T: Model> Serialize for Lazy<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read_all().map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<T: Model> fmt::Debug for Lazy<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<T: Model + PartialEq> PartialEq for Lazy<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text || matches!((self.read_all(), other.read_all()), (Ok(own), Ok(others)) if own == others)
    }
}

/// Converts a field's JSON text, which was checked when it was received.
pub trait Value<'text>: Sized {
    fn read(raw: Option<&'text str>) -> Self;
}

impl Value<'_> for i64 {
    fn read(raw: Option<&str>) -> Self {
        raw.and_then(whole).unwrap_or_default()
    }
}

impl Value<'_> for Option<i64> {
    fn read(raw: Option<&str>) -> Self {
        raw.and_then(whole)
    }
}

pub(crate) fn whole(raw: &str) -> Option<i64> {
    raw.parse().ok().or_else(|| lenient_int(raw))
}

impl Value<'_> for Option<f64> {
    fn read(raw: Option<&str>) -> Self {
        // Rust parses every JSON number exactly as Python does.
        raw?.parse().ok()
    }
}

impl Value<'_> for Option<bool> {
    fn read(raw: Option<&str>) -> Self {
        raw?.parse().ok()
    }
}

impl<'text> Value<'text> for Option<Cow<'text, str>> {
    fn read(raw: Option<&'text str>) -> Self {
        raw.and_then(text)
    }
}

impl Value<'_> for Option<Vec<String>> {
    fn read(raw: Option<&str>) -> Self {
        serde_json::from_str(raw?).ok()
    }
}

pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr(b'\\', inner.as_bytes()).is_some() {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

impl Value<'_> for Option<Timestamp> {
    fn read(raw: Option<&str>) -> Self {
        dated(raw)
    }
}

impl Value<'_> for Option<Day> {
    fn read(raw: Option<&str>) -> Self {
        dated(raw)
    }
}

fn dated<T: ParseDate>(raw: Option<&str>) -> Option<Dated<T>> {
    raw.and_then(text).and_then(|text| Dated::of(text.into_owned()))
}

/// A date or time, for callers that parse the canonical form themselves.
#[derive(Debug)]
pub enum DateSource<'text, T> {
    Canonical(&'text str),
    Parsed(T),
}

impl<'text, T: ParseDate> Value<'text> for Option<DateSource<'text, T>> {
    fn read(raw: Option<&'text str>) -> Self {
        match raw.and_then(text)? {
            Cow::Borrowed(text) if T::is_canonical(text) => Some(DateSource::Canonical(text)),
            text => T::parse(&text).map(DateSource::Parsed),
        }
    }
}

impl<T: Model> Value<'_> for Option<Lazy<T>> {
    fn read(raw: Option<&str>) -> Self {
        raw.and_then(|raw| Lazy::scan(&mut Scanner::known(raw), &mut Order::default()))
    }
}
