//! Reads JSON values that may be long without building them: keeps the fields and the names that matter.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The key under which serde_json passes a number as text.
const NUMBER: &str = "$serde_json::private::Number";

/// Why a text with such a key is refused: serde_json would take its object for a number.
pub(super) const NUMBER_KEY: &str = "it has the key \"$serde_json::private::Number\", which this package cannot read";

/// Whether a text has such a key, or seems to. Asked before serde_json reads a text; the scanner leaves every text with
/// such a key to serde_json.
pub(super) fn has_number_key(text: &str) -> bool {
    let has_key = |text: &[u8]| memmem::find(text, NUMBER.as_bytes()).is_some();
    has_key(text.as_bytes()) || (memmem::find(text.as_bytes(), b"\\u00").is_some() && has_key(&without_escapes(text)))
}

/// A text in which ASCII characters that were written as `\u0041` stand for themselves.
fn without_escapes(text: &str) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("\\u00") {
        plain.extend_from_slice(before.as_bytes());
        let character = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.extend(character);
        rest = if character.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    plain.extend_from_slice(rest.as_bytes());
    plain
}

/// Keeps the fields of these names and the first field of an object, and whether a list is empty. Nested values are reduced
/// in the same way, without names.
#[derive(Debug, Clone, Copy)]
pub struct Outline(pub &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Outline {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outline {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any valid JSON value")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while items.next_element::<IgnoredAny>()?.is_some() {
            kept.truncate(0);
            kept.push(Value::Null);
        }
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            if name == NUMBER {
                let text: String = fields.next_value()?;
                if let Ok(number) = text.parse::<Number>() {
                    return Ok(number.into());
                }
            } else if kept.is_empty() || self.0.contains(&name.as_ref()) {
                let value = fields.next_value_seed(Self(&[]))?;
                kept.insert(name.into_owned(), value);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(kept))
    }
}

/// The first names of an object's fields, and whether one of all the names is `id`.
#[derive(Debug, Default)]
pub struct Names {
    pub first: Vec<String>,
    pub has_more: bool,
    pub has_id: bool,
}

/// How many names are kept.
const KEPT: usize = 12;

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Names {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Self, A::Error> {
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            self.has_id |= name == "id";
            if self.first.len() < KEPT {
                self.first.push(name.into_owned());
            } else {
                self.has_more = true;
            }
            fields.next_value::<IgnoredAny>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::models::Media;
    use super::*;

    fn outline(text: &str, names: &'static [&'static str]) -> Value {
        Outline(names).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    #[test]
    fn the_scanner_leaves_each_text_with_the_key_of_serde_json_for_numbers_to_serde_json() {
        for key in
            ["$serde_json::private::Number", r"\u0024serde_json::private::Number", r"$serde_json::private::N\u0075mber"]
        {
            for (before, after) in [
                ("{", "1, \"media\": {\"id\": 1}}"),
                ("{\"media\": {\"id\": 1, ", "\"2\"}}"),
                ("{\"media\": {\"id\": 1, \"owner\": {\"id\": 2, ", "\"2\"}}}"),
                ("{\"media\": {\"id\": 1, \"new\": [{ ", "\"2\"}]}}"),
                ("{\"media\": {\"id\": 1, \"new\": {\"a\": 1,\n", "\"2\"}}}"),
            ] {
                let text = format!("{before}\"{key}\": {after}");
                assert!(has_number_key(&text), "{text}");
                assert!(Media::scan_at_key(&text, "media").is_err(), "{text}");
                assert!(Media::scan_at_key(&text.replace(key, "other"), "media").is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn the_key_of_serde_json_for_numbers_is_found_however_it_is_written() {
        for text in [
            r#"{"a": {"$serde_json::private::Number": "12"}}"#,
            r#"{"\u0024serde_json::private::Number": 1}"#,
            r#"{"$serde_json::private::N\u0075mber": 1, "\u00fc": "\u00"}"#,
        ] {
            assert!(has_number_key(text), "{text}");
        }
        for text in [r#"{"Number": "$serde_json::private"}"#, r#"{"\u0024serde": "\u00"}"#, "\\u00é", ""] {
            assert!(!has_number_key(text), "{text}");
        }
    }

    #[test]
    fn an_outline_keeps_what_was_named_and_whether_there_is_something() {
        let text = r#"{"a": [1, 2], "b": {"c": {"d": 5}, "e": 1}, "n": 12345678901234567890123, "o": {"n": 1}, "s": "x", "f": []}"#;
        let kept = outline(text, &["n", "o", "f"]);
        assert_eq!(
            kept,
            serde_json::from_str::<Value>(r#"{"a": [null], "n": 12345678901234567890123, "o": {"n": 1}, "f": []}"#)
                .unwrap()
        );
        for (text, expected) in [
            ("{}", json!({})),
            ("[]", json!([])),
            ("[[5]]", json!([null])),
            ("null", json!(null)),
            ("true", json!(true)),
            ("-1.5", json!(-1.5)),
            (r#""x""#, json!("x")),
            (r#"{"b": {"c": {"d": 5}}, "e": 1}"#, json!({"b": {"c": {"d": 5}}})),
        ] {
            assert_eq!(outline(text, &[]).to_string(), expected.to_string(), "{text}");
        }
    }
}
