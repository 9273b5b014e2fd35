//! What tells an item of a list from the others: its id, or where it has none of its own, its whole content.

use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::Value;

/// What tells an item of a list from the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    Number(i64),
    Text(String),
    /// A digest of all that the item says. Equal items are told apart by [`Identity::nth`].
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
    /// That of an item without an id of its own. The order of an object's fields does not count.
    ///
    /// It is written into checkpoints, so what it is made from must stay as it is.
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

    /// That of the item which is the `number`th to say the very same, counted from 0.
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
        for (place, one) in different.iter().enumerate() {
            assert!(different.iter().skip(place + 1).all(|other| of(one) != of(other)), "{one}");
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
