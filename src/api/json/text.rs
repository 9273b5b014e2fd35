//! Reads JSON text as leniently as Python's `json`, and locates errors.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};

use crate::stack::with_enough_stack;

/// What is wrong with a text.
#[derive(Debug)]
pub struct ReadError {
    pub problem: String,
    /// Where in the JSON the problem is, such as `media[3].owner.id`.
    pub path: Option<String>,
}

/// A text without the byte order mark that some Windows programs write.
pub fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// Reads any JSON text, [`repaired`] if necessary.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = without_mark(text);
    with_enough_stack(|| {
        serde_json::from_str(text).or_else(|problem| match repaired(text) {
            Some(text) => serde_json::from_str(&text),
            None => Err(problem),
        })
    })
}

/// Rewrites a text that Python's `json` reads and serde_json does not into a form that both read; `None` if there is
/// nothing to repair.
///
/// Half a surrogate pair, which remains of an emoji in a truncated text, becomes a replacement character: Rust strings
/// cannot hold it, and Python strings that hold it cannot be written to a file. `NaN` becomes null.
pub fn repaired(text: &str) -> Option<String> {
    let mut repaired = String::with_capacity(text.len());
    let (mut rest, mut is_inside, mut is_repaired) = (text, false, false);
    while let Some(at) = rest.find(if is_inside { &['"', '\\'][..] } else { &['"', 'N', 'I'][..] }) {
        let (before, from) = rest.split_at(at);
        repaired.push_str(before);
        let (as_it_is, instead) = match from.as_bytes() {
            [b'\\', b'u', ..] => match (surrogate(from), from.get(6..).and_then(surrogate)) {
                (Some(High), Some(Low)) => (12, None),
                (Some(_), _) => (6, Some("\\ufffd")),
                (None, _) => (2, None),
            },
            [b'\\', b'"' | b'\\', ..] => (2, None),
            [b'N', b'a', b'N', ..] => (3, Some("null")),
            // Python reads a number that is too large in the same way.
            [b'I', b'n', b'f', b'i', b'n', b'i', b't', b'y', ..] => (8, Some("1e999")),
            [first, ..] => {
                is_inside ^= *first == b'"';
                (1, None)
            }
            [] => break,
        };
        let (passed, after) = from.split_at_checked(as_it_is)?;
        is_repaired |= instead.is_some();
        repaired.push_str(instead.unwrap_or(passed));
        rest = after;
    }
    repaired.push_str(rest);
    is_repaired.then_some(repaired)
}

/// Which half of a surrogate pair an escape is.
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

/// Reads a text; an error says where the problem is.
pub fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    read_seed(text, || PhantomData::<T>)
}

/// Reads a text with a seed. Only text that is not plain JSON pays for the repair, and only a failure for locating the
/// error.
pub fn read_seed<T, S>(text: &str, seed: impl Fn() -> S) -> Result<T, ReadError>
where
    S: for<'text> DeserializeSeed<'text, Value = T>,
{
    let whole = |text: &str| {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = seed().deserialize(&mut deserializer)?;
        deserializer.end().map(|()| value)
    };
    whole(text).or_else(|_| {
        let text = repaired(text).map_or(Cow::Borrowed(text), Cow::Owned);
        whole(&text).map_err(|_| locate_error(&text, seed()))
    })
}

/// Reads an unreadable text once more, to locate the error.
fn locate_error<'text, S: DeserializeSeed<'text>>(text: &'text str, seed: S) -> ReadError {
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let problem = match seed.deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track)) {
        Ok(_) => json.end().err().map_or_else(|| "unreadable JSON".to_owned(), |error| error.to_string()),
        Err(error) => error.to_string(),
    };
    let path = track.path().to_string();
    let path = (![".", "?"].contains(&path.as_str())).then_some(path);
    ReadError { problem, path }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

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
            assert_eq!(repaired(text), None, "{text}");
        }
    }
}
