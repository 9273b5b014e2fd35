//! Reads JSON text as leniently as Python's `json`.

use std::marker::PhantomData;

use memchr::{memchr2, memchr3};
use serde::de::{DeserializeOwned, DeserializeSeed, Error};

use super::locate::{Cut, ReadError, find_error, locate_error, whole};
use super::outline::{NUMBER_KEY, has_number_key};
use crate::stack::with_enough_stack;

/// A text without the byte order mark that some Windows programs write.
pub fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// Reads any JSON text, [`repaired`] if necessary.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let text = without_mark(text);
    if has_number_key(text) {
        return Err(serde_json::Error::custom(NUMBER_KEY));
    }
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
    // Text is copied only from the first repair on.
    let mut repaired = String::new();
    let (mut at, mut copied, mut is_inside) = (0, 0, false);
    loop {
        let bytes = text.as_bytes().get(at..)?;
        let next = if is_inside { memchr2(b'"', b'\\', bytes) } else { memchr3(b'"', b'N', b'I', bytes) };
        let Some(next) = next else { break };
        at += next;
        let from = text.get(at..)?;
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
        let end = at + as_it_is;
        text.get(at..end)?;
        if let Some(instead) = instead {
            repaired.push_str(text.get(copied..at)?);
            repaired.push_str(instead);
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(text.get(copied..)?);
    Some(repaired)
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

/// The error for a text that serde_json must not read.
fn number_key(text: &str) -> Option<ReadError> {
    has_number_key(text).then(|| ReadError { problem: NUMBER_KEY.to_owned(), path: None })
}

/// Reads a text; an error says where the problem is.
pub fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    read_seed(text, || PhantomData::<T>, |text, _| locate_error(text, PhantomData::<T>))
}

/// Reads a text with a seed. Only text that is not plain JSON pays for the repair, and only a failure for `locate`, which
/// locates the error.
pub fn read_seed<T, S>(
    text: &str,
    seed: impl Fn() -> S,
    locate: impl Fn(&str, &serde_json::Error) -> ReadError,
) -> Result<T, ReadError>
where
    S: for<'text> DeserializeSeed<'text, Value = T>,
{
    number_key(text).map_or(Ok(()), Err)?;
    whole(text, seed()).or_else(|error| match repaired(text) {
        Some(text) => whole(&text, seed()).map_err(|error| locate(&text, &error)),
        None => Err(locate(text, &error)),
    })
}

/// Checks a text with a seed that builds nothing; `None` if it can be read, or perhaps after a repair.
pub fn check<S>(text: &str, seed: S) -> Option<ReadError>
where
    S: for<'part> DeserializeSeed<'part>,
{
    if let Some(error) = number_key(text) {
        return Some(error);
    }
    let error = find_error(text, seed)?;
    repaired(text).is_none().then(|| error.into())
}

/// Checks an object with a list under a key, from the item that holds this byte to the end.
pub fn check_list<S>(text: &str, key: &str, at: usize, seed: S) -> Option<ReadError>
where
    S: for<'part> DeserializeSeed<'part>,
{
    if let Some(error) = number_key(text) {
        return Some(error);
    }
    let cut = Cut::before(text, key, at)?;
    let error = find_error(&cut.text, seed)?;
    repaired(&cut.text).is_none().then(|| cut.undo(text, key, error))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::Value;

    use super::super::locate::{locate_in_list, offset};
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

    #[test]
    fn an_error_behind_many_items_is_said_as_if_the_whole_text_had_been_read() {
        type Ids = HashMap<String, Vec<HashMap<String, i64>>>;
        let seed = || PhantomData::<Ids>;
        for bad in [r#"{"id": "x"}"#, r#"{"id": tru}"#, r#"{"id": 1"#, "5", "{\n\"id\":\n[]}", r#"{"id": 1}, }"#, ""] {
            for glue in [",", ",\n", " ,\n\n  "] {
                let items = vec![r#"{"id": 1}"#; 20].join(glue);
                for end in ["]}", "], \"more\": []}", "", "]", "]}]", ",{\"id\": 2}]}"] {
                    let text = format!("{{\"media\": [{items}{glue}{bad}{end}");
                    let slow = locate_error(&text, seed());
                    let error = whole(&text, seed()).unwrap_err();
                    for at in [offset(&text, &error), text.find(bad).unwrap(), 3] {
                        let quick = check_list(&text, "media", at, seed()).unwrap_or_else(|| panic!("{text} {at}"));
                        assert_eq!((&quick.problem, &quick.path), (&slow.problem, &slow.path), "{text}");
                    }
                    let quick = locate_in_list(&text, "media", &error, seed());
                    assert_eq!((&quick.problem, &quick.path), (&slow.problem, &slow.path), "{text}");
                }
            }
        }
        assert!(check(r#"{"media": []}"#, PhantomData::<Value>).is_none());
    }
}
