//! Checks of arguments before anything is sent. Each error names the argument.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;

/// The largest page size. Documented.
pub const MAX_PER_PAGE: i64 = 50;
/// How many characters of a value a message quotes.
const QUOTED: usize = 100;

/// The form of a UUID.
const UUID_EXAMPLE: &str = "7a0c9d3e-1f52-4a0e-8f6a-0a6d2a3c9b41";

/// An argument that cannot be sent to Studio.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{argument} {expected}")]
pub struct InvalidArgument {
    /// The argument as the caller knows it, such as `per_page` or `changes[0].id`.
    pub argument: String,
    /// What was expected, and what was given.
    pub expected: String,
}

impl InvalidArgument {
    pub fn new(argument: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { argument: argument.into(), expected: expected.into() }
    }
}

/// The quotation marks around what was copied from a program or from prose.
const QUOTATION_MARKS: &[char] =
    &['"', '\'', '`', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}'];

/// Whether a text begins or ends with a quotation mark, which was copied with it.
pub fn is_quoted(text: &str) -> bool {
    text.starts_with(QUOTATION_MARKS) || text.ends_with(QUOTATION_MARKS)
}

/// The start of a value that a message quotes.
pub fn cut(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(QUOTED) {
        Some((end, _)) => Cow::Owned(value.get(..end).unwrap_or_default().to_owned() + "..."),
        None => Cow::Borrowed(value),
    }
}

/// A Studio id: a whole number of 1 or more. `i64::MAX` stands for everything above.
pub fn id(argument: &str, value: i64) -> Result<i64, InvalidArgument> {
    match value {
        i64::MAX => Err(InvalidArgument::new(argument, "is larger than any id can be")),
        1.. => Ok(value),
        _ => Err(InvalidArgument::new(argument, format!("must be a whole number of 1 or more, not {value}"))),
    }
}

/// A UUID in its usual form. Perspectives have one. Documented.
pub fn uuid<'value>(argument: &str, value: &'value str) -> Result<&'value str, InvalidArgument> {
    let fits = |(index, letter): (usize, u8)| match index {
        8 | 13 | 18 | 23 => letter == b'-',
        _ => letter.is_ascii_hexdigit(),
    };
    if value.len() == UUID_EXAMPLE.len() && value.bytes().enumerate().all(fits) {
        return Ok(value);
    }
    Err(InvalidArgument::new(argument, format!("must be a UUID such as \"{UUID_EXAMPLE}\", not {:?}", cut(value))))
}

/// A size in bytes.
pub fn size(argument: &str, value: Option<i64>) -> Result<Option<i64>, InvalidArgument> {
    match value {
        Some(bytes) if bytes < 0 => {
            Err(InvalidArgument::new(argument, format!("must be 0 bytes or more, not {bytes}")))
        }
        Some(i64::MAX) => Err(InvalidArgument::new(argument, "is larger than any size can be")),
        other => Ok(other),
    }
}

/// The most bytes that a download may bring; without a limit, as many as there can be.
pub fn max_bytes(value: Option<i64>) -> Result<u64, InvalidArgument> {
    let refuse = |bytes| InvalidArgument::new("max_bytes", format!("must be 1 byte or more, or None, not {bytes}"));
    value
        .map_or(Ok(u64::MAX), |bytes| u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or_else(|| refuse(bytes)))
}

/// How many bytes a chunk of a stream has.
pub fn chunk_size(value: i64) -> Result<usize, InvalidArgument> {
    const MOST: i64 = 1 << 30;
    let size = usize::try_from(value).ok().filter(|_| (1..=MOST).contains(&value));
    size.ok_or_else(|| InvalidArgument::new("chunk_size", format!("must be 1 to {MOST} bytes, not {value}")))
}

/// A SHA-256, as lower-case hexadecimal digits.
pub fn sha256(value: &str) -> Result<String, InvalidArgument> {
    if value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(value.to_ascii_lowercase());
    }
    let found = format!("must be 64 hexadecimal digits, such as hashlib.sha256(...).hexdigest(), not {value:?}");
    Err(InvalidArgument::new("sha256", found))
}

/// The first page, and the number of items per page.
pub fn paging(page: i64, per_page: i64) -> Result<(), InvalidArgument> {
    if page == i64::MAX {
        return Err(InvalidArgument::new("page", "is larger than any page number can be"));
    }
    if page < 1 {
        return Err(InvalidArgument::new("page", format!("must be 1 or more, not {page}")));
    }
    if !(1..=MAX_PER_PAGE).contains(&per_page) {
        return Err(InvalidArgument::new(
            "per_page",
            format!("must be from 1 to {MAX_PER_PAGE} (Studio's maximum), not {per_page}"),
        ));
    }
    Ok(())
}

/// A text that must not be empty.
pub fn text(argument: &str, value: &str) -> Result<(), InvalidArgument> {
    if value.trim().is_empty() {
        return Err(InvalidArgument::new(argument, "must not be empty"));
    }
    Ok(())
}

/// One of the documented words.
pub fn one_of(argument: &str, value: &str, allowed: &[&'static str]) -> Result<&'static str, InvalidArgument> {
    if let Some(word) = allowed.iter().find(|word| **word == value) {
        return Ok(word);
    }
    let words = allowed.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    Err(InvalidArgument::new(argument, format!("must be one of {words}, not \"{}\"", cut(value))))
}

/// A calendar day written as `YYYY-MM-DD`.
pub fn date(argument: &str, value: Option<&str>) -> Result<Option<Date>, InvalidArgument> {
    let Some(text) = value else { return Ok(None) };
    // jiff reads more than this form; Studio documents only this one.
    let parsed = if text.len() == "YYYY-MM-DD".len() { text.parse::<Date>().ok() } else { None };
    parsed.map(Some).ok_or_else(|| {
        InvalidArgument::new(argument, format!("must be a date or a str such as \"2026-01-31\", not \"{}\"", cut(text)))
    })
}

/// If both ends of a range are given, they must be in order.
pub fn in_order<T: PartialOrd + fmt::Display>(
    (start_argument, start): (&str, Option<&T>),
    (end_argument, end): (&str, Option<&T>),
) -> Result<(), InvalidArgument> {
    match (start, end) {
        (Some(start), Some(end)) if start > end => {
            Err(InvalidArgument::new(end_argument, format!("must be at least {start_argument} ({start}), not {end}")))
        }
        _ => Ok(()),
    }
}

/// The language of a caption: the shape of a tag of BCP 47, such as `en` or `pt-BR`. Which ones Studio takes is unknown.
pub fn language(argument: &str, value: &str) -> Result<(), InvalidArgument> {
    let mut parts = value.split('-');
    let is_language = |part: &str| (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if parts.next().is_some_and(is_language) && parts.all(is_subtag) {
        return Ok(());
    }
    let expected = format!("must be the tag of a language, such as \"en\" or \"pt-BR\", not {:?}", cut(value));
    Err(InvalidArgument::new(argument, expected))
}

/// An e-mail address, as far as that can be checked without sending mail.
pub fn email(argument: &str, value: &str) -> Result<(), InvalidArgument> {
    let well_formed =
        value.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
            && !value.contains(char::is_whitespace);
    if well_formed {
        return Ok(());
    }
    Err(InvalidArgument::new(argument, format!("must be an e-mail address, not \"{}\"", cut(value))))
}
