//! Reads fields that do not have the documented form.
//!
//! One odd value must not lose the items around it: a value that cannot be read stays, as received, among the
//! undocumented fields. Only an unreadable id is an error.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use super::dates::{Dated, ParseDate};

/// A type that can be read from more than its documented form.
pub(crate) trait Lenient: Sized {
    fn lenient(sent: &Value) -> Option<Self>;

    /// Whether the value means "missing".
    fn is_absent(sent: &Value) -> bool {
        sent.is_null()
    }
}

impl Lenient for String {
    fn lenient(sent: &Value) -> Option<Self> {
        sent.as_str().map(str::to_owned)
    }
}

impl<T: Lenient> Lenient for Vec<T> {
    fn lenient(sent: &Value) -> Option<Self> {
        sent.as_array()?.iter().map(T::lenient).collect()
    }
}

impl Lenient for f64 {
    fn lenient(sent: &Value) -> Option<Self> {
        number(sent)?.as_f64()
    }
}

impl Lenient for bool {
    fn lenient(sent: &Value) -> Option<Self> {
        sent.as_bool()
    }
}

/// A whole number may be written as `1000000.0`.
impl Lenient for i64 {
    fn lenient(sent: &Value) -> Option<Self> {
        whole(&number(sent)?)
    }
}

/// An empty text means no date.
impl<T: ParseDate> Lenient for Dated<T> {
    fn lenient(sent: &Value) -> Option<Self> {
        sent.as_str().and_then(|text| Self::of(text.to_owned()))
    }

    fn is_absent(sent: &Value) -> bool {
        sent.is_null() || sent.as_str() == Some("")
    }
}

/// A number, or a string that is exactly a number, as servers write them for JavaScript.
fn number(sent: &Value) -> Option<Number> {
    match sent {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            let ends_in_a_digit = text.ends_with(|last: char| last.is_ascii_digit());
            ends_in_a_digit.then(|| serde_json::from_str(text).ok())?
        }
        _ => None,
    }
}

fn whole(number: &Number) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it was found to be whole and small enough")]
    let from_float = |float: f64| (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64);
    // A larger integer has more digits than a float can hold.
    number.as_i64().or_else(|| from_float(number.as_f64()?))
}

/// Reads a whole number.
pub fn lenient_integer(sent: &Value) -> Option<i64> {
    i64::lenient(sent)
}

/// Reads an object. It parses the text: from value to value, serde_json takes some long integers for floats.
pub(crate) fn lenient_object<T: DeserializeOwned>(sent: &Value) -> Option<T> {
    serde_json::from_str(&sent.to_string()).ok()
}

/// Reads a whole number from JSON text.
pub fn lenient_int(text: &str) -> Option<i64> {
    whole(&serde_json::from_str(text).ok()?)
}

/// The type of an id.
pub trait ParseId: Clone + fmt::Debug + Send + Sync {
    const EXPECTED: &'static str;
    fn parse_id(sent: &Value) -> Option<Self>;
    /// Reads the usual form of its JSON text.
    fn parse_canonical(raw: &str) -> Option<Self>;
}

impl ParseId for i64 {
    const EXPECTED: &'static str = "a whole number of 64 bits";

    fn parse_id(sent: &Value) -> Option<Self> {
        Self::lenient(sent)
    }

    fn parse_canonical(raw: &str) -> Option<Self> {
        raw.parse().ok()
    }
}

/// A number counts as its digits.
impl ParseId for String {
    const EXPECTED: &'static str = "a text";

    fn parse_id(sent: &Value) -> Option<Self> {
        Self::lenient(sent).or_else(|| i64::lenient(sent).map(|number| number.to_string()))
    }

    fn parse_canonical(raw: &str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }
}

/// Reads an object's id, and its other fields as received. Of a repeated name the last counts, as in Python.
pub(crate) fn read_with_id<'de, I, D>(name: &'static str, deserializer: D) -> Result<(I, Map<String, Value>), D::Error>
where
    I: ParseId,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(IdVisitor { name, id: PhantomData })
}

struct IdVisitor<I> {
    name: &'static str,
    id: PhantomData<I>,
}

impl<'de, I: ParseId> Visitor<'de> for IdVisitor<I> {
    type Value = (I, Map<String, Value>);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with \"{}\"", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut others) = (None, Map::new());
        while let Some(name) = map.next_key::<String>()? {
            if name == self.name {
                id = Some(map.next_value_seed(IdSeed(PhantomData))?);
            } else {
                others.insert(name, map.next_value()?);
            }
        }
        id.map(|id| (id, others)).ok_or_else(|| de::Error::missing_field(self.name))
    }
}

/// Checks that an object has a readable id. Its other fields are always readable.
#[derive(Debug)]
pub struct Checked<T>(PhantomData<T>);

/// A model with an id.
pub trait Identifiable {
    type Id: ParseId;
    const ID: &'static str;
}

impl<'de, T: Identifiable> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(PhantomData))
    }
}

impl<'de, T: Identifiable> Visitor<'de> for Checked<T> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        IdVisitor::<T::Id> { name: T::ID, id: PhantomData }.expecting(formatter)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut has_id = false;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == T::ID {
                map.next_value_seed(IdSeed::<T::Id>(PhantomData))?;
                has_id = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if has_id { Ok(self) } else { Err(de::Error::missing_field(T::ID)) }
    }
}

struct IdSeed<I>(PhantomData<I>);

impl<I: ParseId> IdSeed<I> {
    fn read<E: de::Error>(sent: &Value) -> Result<I, E> {
        I::parse_id(sent).ok_or_else(|| {
            let found = sent.to_string();
            let unexpected = match sent {
                Value::Null => Unexpected::Unit,
                Value::Bool(flag) => Unexpected::Bool(*flag),
                Value::String(text) => Unexpected::Str(text),
                Value::Number(_) => Unexpected::Other(&found),
                Value::Array(_) => Unexpected::Seq,
                Value::Object(_) => Unexpected::Map,
            };
            de::Error::invalid_type(unexpected, &I::EXPECTED)
        })
    }
}

impl<'de, I: ParseId> DeserializeSeed<'de> for IdSeed<I> {
    type Value = I;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<I, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Lists and objects are refused at their first byte, however long they are.
impl<'de, I: ParseId> Visitor<'de> for IdSeed<I> {
    type Value = I;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(I::EXPECTED)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<I, E> {
        Self::read(&flag.into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<I, E> {
        Self::read(&number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<I, E> {
        Self::read(&number.into())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<I, E> {
        Self::read(&number.into())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<I, E> {
        Self::read(&text.into())
    }

    fn visit_unit<E: de::Error>(self) -> Result<I, E> {
        Self::read(&Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<I, A::Error> {
        // serde_json passes a number as text in a map.
        match Number::deserialize(MapAccessDeserializer::new(map)) {
            Ok(number) => Self::read(&number.into()),
            Err(_) => Err(de::Error::invalid_type(Unexpected::Map, &I::EXPECTED)),
        }
    }
}

/// Takes a documented field out of the received ones, if it can be read.
pub(crate) fn take<T: Lenient>(fields: &mut Map<String, Value>, name: &str) -> Option<T> {
    let sent = fields.get(name)?;
    let value = T::lenient(sent);
    if value.is_some() || T::is_absent(sent) {
        fields.shift_remove(name);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_may_be_written_in_other_ways() {
        for sent in [json!(42), json!(42.0), json!("42"), json!("42.0")] {
            assert_eq!(lenient_integer(&sent), Some(42), "{sent}");
        }
        for sent in
            [json!(1.5), json!("x"), json!(""), json!("-"), json!("042"), json!(" 42"), json!("42 "), json!(true)]
        {
            assert_eq!(lenient_integer(&sent), None, "{sent}");
        }
        for text in ["9223372036854775808", "1e400", "9007199254740993.5", "1e17"] {
            assert_eq!(lenient_int(text), None, "{text}");
        }
        assert_eq!(lenient_int("-9223372036854775808"), Some(i64::MIN));
    }
}
