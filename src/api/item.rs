//! Items of lists: the trait of all item types, their identity, and a page of items.

use std::borrow::Cow;

use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::json::fields::{Field, Span};
use super::json::lenient::lenient_integer;
use super::json::outline::Outline;

/// Undocumented fields, as received.
pub type Extra = Map<String, Value>;

/// An item of a list.
pub trait Item: Serialize + DeserializeOwned + Send + 'static {
    /// The name of the type, for callers that know it only by name.
    const NAME: &'static str;
    /// The documented fields, in the reference's order; empty for items without a type.
    const FIELDS: &'static [Field];

    /// Reads a page that is CSV: the fields of each item, or what is wrong. Without it, pages are JSON.
    const READ_CSV: Option<ReadCsv> = None;

    /// What distinguishes the item from others.
    fn identity(&self) -> Identity;

    /// What serde reads to check an item and to locate an error in it, without building anything.
    type Check: DeserializeOwned;

    /// Reads a page with the scanner, if the type has one and the page is plain JSON.
    fn scan_page(_text: &str, _key: &str) -> Result<Page<Self>, Doubt> {
        Err(Doubt::Everything)
    }

    /// Reads a single item under its key, in the same way.
    fn scan_at_key(_text: &str, _key: &str) -> Result<Self, Doubt> {
        Err(Doubt::Everything)
    }

    /// The item's JSON text.
    fn json(&self) -> Cow<'_, str> {
        Cow::Owned(serde_json::to_string(self).unwrap_or_default())
    }

    /// The spans of the documented fields in that text, if known, and whether there are other fields.
    fn spans(&self) -> Option<(&[Span], bool)> {
        None
    }
}

/// Reads a page that is CSV.
pub type ReadCsv = fn(&str) -> Result<Vec<Extra>, String>;

/// What serde must read because the scanner did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The type has no scanner.
    Everything,
    /// The scanner read up to this byte.
    From(usize),
}

/// An item without a type of its own.
impl Item for Value {
    type Check = IgnoredAny;

    const NAME: &'static str = "";
    const FIELDS: &'static [Field] = &[];

    fn identity(&self) -> Identity {
        // A field named `id` may identify something else, such as the course of a row in a report.
        Identity::of_value(self)
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub meta: Option<Meta>,
}

/// `meta`, which comes with a list. Documented for searches, observed for the other paged lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meta {
    pub last_page: Option<i64>,
    pub total_count: Option<i64>,
    pub current_page: Option<i64>,
    /// Whether it announces another page. No Studio is known to do so. Guess.
    pub has_next: bool,
}

/// The names under which other servers announce another page.
const NEXT: [&str; 4] = ["next", "next_page", "next_page_url", "has_more"];

impl Meta {
    /// The fields that are read.
    pub const FIELDS: Outline =
        Outline(&["last_page", "total_count", "current_page", NEXT[0], NEXT[1], NEXT[2], NEXT[3]]);

    /// Reads `meta`; anything but an object counts as missing.
    pub fn read(meta: &Value) -> Option<Self> {
        // A negative number means unknown.
        let number = |name: &str| meta.get(name).and_then(lenient_integer).filter(|number| *number >= 0);
        let says_so = |name: &&str| meta.get(name).is_some_and(has_value);
        meta.is_object().then(|| Self {
            last_page: number("last_page"),
            total_count: number("total_count"),
            current_page: number("current_page"),
            has_next: NEXT.iter().any(says_so),
        })
    }
}

/// Whether a value is more than an empty field.
pub(super) fn has_value(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// What distinguishes an item of a list from others: its id, or its whole content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    Number(i64),
    Text(String),
    /// A digest of the whole item. [`Identity::nth`] distinguishes equal items.
    Content(u128),
}

impl From<i64> for Identity {
    fn from(id: i64) -> Self {
        Self::Number(id)
    }
}

impl From<String> for Identity {
    fn from(id: String) -> Self {
        Self::Text(id)
    }
}

impl Identity {
    /// The identity of an item without an id. The order of an object's fields does not matter.
    ///
    /// Checkpoints store it, so the digest must never change.
    pub fn of_content(item: &impl Serialize) -> Self {
        let value = serde_json::to_value(item).unwrap_or_default();
        Self::of_value(&value)
    }

    pub fn of_value(value: &Value) -> Self {
        let mut context = Context::new(&SHA256);
        feed(&mut context, value);
        let digest = context.finish();
        Self::Content(digest.as_ref().first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes)))
    }

    /// The identity of the `number`th of several equal items, counted from 0.
    #[must_use]
    pub fn nth(&self, number: u64) -> Self {
        match self {
            Self::Content(digest) => Self::Content(digest.wrapping_add(number.into())),
            one => one.clone(),
        }
    }
}

fn feed(context: &mut Context, value: &Value) {
    match value {
        Value::Null => context.update(b"n"),
        Value::Bool(true) => context.update(b"t"),
        Value::Bool(false) => context.update(b"f"),
        Value::Number(number) => feed_text(context, b"#", &number.to_string()),
        Value::String(text) => feed_text(context, b"\"", text),
        Value::Array(items) => {
            context.update(b"[");
            context.update(&(items.len() as u64).to_le_bytes());
            for item in items {
                feed(context, item);
            }
        }
        Value::Object(fields) => {
            context.update(b"{");
            context.update(&(fields.len() as u64).to_le_bytes());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in fields {
                feed_text(context, b"\"", name);
                feed(context, value);
            }
        }
    }
}

fn feed_text(context: &mut Context, kind: &[u8], text: &str) {
    context.update(kind);
    context.update(&(text.len() as u64).to_le_bytes());
    context.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Identity {
        Identity::of_value(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn items_are_told_apart_by_all_that_they_say_and_not_by_the_order_of_their_fields() {
        assert_eq!(of(r#"{"id": 1, "week": 2}"#), of(r#"{"week": 2, "id": 1}"#));
        let different =
            [r#"{"id": 1}"#, r#"{"id": "1"}"#, r#"{"id": [1]}"#, r#"{"id": null}"#, r#"{"id": 1, "b": 2}"#, "{}", "[]"];
        for (index, one) in different.iter().enumerate() {
            assert!(different.iter().skip(index + 1).all(|other| of(one) != of(other)), "{one}");
        }
        assert_ne!(of(r#"["ab", "c"]"#), of(r#"["a", "bc"]"#));
    }

    #[test]
    fn what_a_checkpoint_holds_of_an_item_stays_the_same_in_every_version() {
        let digest = 0x4f45_573d_8029_9a48_052c_3f0a_b381_721d;
        assert_eq!(of(r#"{"id": 1, "name": "one", "more": [true, null, 2.5]}"#), Identity::Content(digest));
    }

    #[test]
    fn equal_items_have_numbers() {
        let one = of("{}");
        assert_eq!(one.nth(0), one);
        assert_ne!(one.nth(1), one);
        assert_eq!(Identity::Number(7).nth(3), Identity::Number(7));
    }
}
