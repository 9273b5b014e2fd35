//! How a field is read that was not sent in the very form of the reference, and a text that is not quite JSON.
//!
//! One odd value must not lose the items around it: what cannot be read stays as it was sent, among the fields that nobody
//! has documented. Only an id that cannot be read is an error.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

use super::super::models::Extra;
use super::dates::{Dated, Readable};
use crate::stack::with_enough_stack;

/// A value in a form that Studio might as well have sent.
pub(in crate::api) trait Lenient: Sized {
    fn lenient(sent: &Value) -> Option<Self>;

    /// Whether it says that there is nothing.
    fn is_absent(sent: &Value) -> bool {
        sent.is_null()
    }
}

impl Lenient for String {
    fn lenient(sent: &Value) -> Option<Self> {
        sent.as_str().map(str::to_owned)
    }
}

impl Lenient for f64 {
    fn lenient(sent: &Value) -> Option<Self> {
        number(sent)?.as_f64()
    }
}

/// A whole number may be written as `1000000.0`.
impl Lenient for i64 {
    fn lenient(sent: &Value) -> Option<Self> {
        whole(&number(sent)?)
    }
}

/// An empty text is no date.
impl<T: Readable> Lenient for Dated<T> {
    fn lenient(sent: &Value) -> Option<Self> {
        sent.as_str().and_then(|text| Self::of(text.to_owned()))
    }

    fn is_absent(sent: &Value) -> bool {
        sent.is_null() || sent.as_str() == Some("")
    }
}

/// An object of a type of ours.
macro_rules! objects {
    ($($type:ty),*) => {
        $(impl Lenient for $type {
            fn lenient(sent: &Value) -> Option<Self> {
                // From its text: on the way from value to value serde_json takes some long integers for floats.
                serde_json::from_str(&sent.to_string()).ok()
            }
        })*
    };
}

objects!(super::super::models::Owner, super::super::models::Collection);

/// A number, or a text that is one to the letter, as servers write them for JavaScript.
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
    // A larger integer has too many digits to be a float's.
    number.as_i64().or_else(|| from_float(number.as_f64()?))
}

/// A whole number of an answer.
pub fn whole_number(sent: &Value) -> Option<i64> {
    i64::lenient(sent)
}

/// A whole number from its JSON text.
pub fn lenient_whole(text: &str) -> Option<i64> {
    whole(&serde_json::from_str(text).ok()?)
}

/// What tells an object from the others.
pub(in crate::api) trait FromSent: Sized {
    const EXPECTED: &'static str;
    fn from_sent(sent: &Value) -> Option<Self>;
}

impl FromSent for i64 {
    const EXPECTED: &'static str = "a whole number of 64 bits";

    fn from_sent(sent: &Value) -> Option<Self> {
        Self::lenient(sent)
    }
}

/// A number is as good as its digits.
impl FromSent for String {
    const EXPECTED: &'static str = "a text";

    fn from_sent(sent: &Value) -> Option<Self> {
        Self::lenient(sent).or_else(|| i64::lenient(sent).map(|number| number.to_string()))
    }
}

/// An object's id, and its other fields as they were sent. Of a name that comes twice, the last counts, as in Python.
pub(in crate::api) fn identified<'de, I, D>(name: &'static str, deserializer: D) -> Result<(I, Extra), D::Error>
where
    I: FromSent,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Identified { name, id: PhantomData })
}

struct Identified<I> {
    name: &'static str,
    id: PhantomData<I>,
}

impl<'de, I: FromSent> Visitor<'de> for Identified<I> {
    type Value = (I, Extra);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with \"{}\"", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut id, mut others) = (None, Extra::new());
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

struct IdSeed<I>(PhantomData<I>);

impl<'de, I: FromSent> DeserializeSeed<'de> for IdSeed<I> {
    type Value = I;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<I, D::Error> {
        let sent = Value::deserialize(deserializer)?;
        I::from_sent(&sent).ok_or_else(|| {
            let found = sent.to_string();
            let unexpected = match &sent {
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

/// Takes a documented field out of those that were sent, if it can be read.
pub(in crate::api) fn take<T: Lenient>(fields: &mut Extra, name: &str) -> Option<T> {
    let sent = fields.get(name)?;
    let value = T::lenient(sent);
    if value.is_some() || T::is_absent(sent) {
        fields.shift_remove(name);
    }
    value
}

/// A text without the byte order mark that some Windows programs write before it.
pub fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// Any JSON text, as serde reads it, or as [`mended`].
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = without_mark(text);
    with_enough_stack(|| {
        serde_json::from_str(text).or_else(|problem| match mended(text) {
            Some(text) => serde_json::from_str(&text),
            None => Err(problem),
        })
    })
}

/// A text that Python's `json` reads and serde_json does not, in a form that both read; `None` if there is nothing to mend.
///
/// Half of a pair of surrogates, which is what is left of an emoji where a text was cut, becomes a replacement sign: no
/// text of Rust's can hold it, and none of Python's that holds it can be written to a file. `NaN` becomes null.
pub fn mended(text: &str) -> Option<String> {
    let mut mended = String::with_capacity(text.len());
    let (mut rest, mut is_inside, mut is_mended) = (text, false, false);
    while let Some(at) = rest.find(if is_inside { &['"', '\\'][..] } else { &['"', 'N', 'I'][..] }) {
        let (before, from) = rest.split_at(at);
        mended.push_str(before);
        let (as_it_is, instead) = match from.as_bytes() {
            [b'\\', b'u', ..] => match (surrogate(from), from.get(6..).and_then(surrogate)) {
                (Some(High), Some(Low)) => (12, None),
                (Some(_), _) => (6, Some("\\ufffd")),
                (None, _) => (2, None),
            },
            [b'\\', b'"' | b'\\', ..] => (2, None),
            [b'N', b'a', b'N', ..] => (3, Some("null")),
            // It is the same to Python as a number that is too large for it.
            [b'I', b'n', b'f', b'i', b'n', b'i', b't', b'y', ..] => (8, Some("1e999")),
            [first, ..] => {
                is_inside ^= *first == b'"';
                (1, None)
            }
            [] => break,
        };
        let (passed, after) = from.split_at_checked(as_it_is)?;
        is_mended |= instead.is_some();
        mended.push_str(instead.unwrap_or(passed));
        rest = after;
    }
    mended.push_str(rest);
    is_mended.then_some(mended)
}

/// Which half of a pair an escape is.
enum Half {
    High,
    Low,
}
use Half::{High, Low};

fn surrogate(text: &str) -> Option<Half> {
    match text.as_bytes() {
        [b'\\', b'u', b'd' | b'D', second, third, fourth, ..]
            if third.is_ascii_hexdigit() && fourth.is_ascii_hexdigit() =>
        {
            match second {
                b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(High),
                b'c'..=b'f' | b'C'..=b'F' => Some(Low),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn half_a_pair_of_surrogates_becomes_a_replacement_sign() {
        for (text, expected) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\ud83d\ud83d\ude00\ude00""#, "\u{fffd}😀\u{fffd}"),
            (r#""\\ud83d\ud83dx""#, "\\ud83d\u{fffd}x"),
            (r#""\uDFFF\uD800""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\n\"é\\""#, "\u{fffd}\n\"é\\"),
        ] {
            assert_eq!(read_json::<Value>(text).unwrap(), Value::from(expected), "{text}");
        }
        let fields: Value = read_json(r#"{"\ud83d": ["NaN Infinity", NaN], "b": [Infinity, -Infinity]}"#).unwrap();
        assert_eq!(fields.to_string(), "{\"\u{fffd}\":[\"NaN Infinity\",null],\"b\":[1e+999,-1e+999]}");
    }

    #[test]
    fn what_is_broken_stays_broken() {
        for text in [r#""\ud83"#, r#""\ud83d"#, r#"{"a": NaNo}"#, r#""\u"#, "NaN NaN", r#"["\"#, "Nope", r#""\ud83dé\"#]
        {
            assert!(read_json::<Value>(text).is_err(), "{text}");
        }
        for text in [r#"{"a": "\ud83d\ude00 \" NaN", "b": [1, -2.5e3]}"#, "", "nonsense", "I\"\\"] {
            assert_eq!(mended(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_may_be_written_in_other_ways() {
        for sent in [json!(42), json!(42.0), json!("42"), json!("42.0")] {
            assert_eq!(whole_number(&sent), Some(42), "{sent}");
        }
        for sent in
            [json!(1.5), json!("x"), json!(""), json!("-"), json!("042"), json!(" 42"), json!("42 "), json!(true)]
        {
            assert_eq!(whole_number(&sent), None, "{sent}");
        }
        for text in ["9223372036854775808", "1e400", "9007199254740993.5", "1e17"] {
            assert_eq!(lenient_whole(text), None, "{text}");
        }
        assert_eq!(lenient_whole("-9223372036854775808"), Some(i64::MIN));
    }
}
