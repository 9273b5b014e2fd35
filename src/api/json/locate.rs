//! Locates errors in JSON text at about the cost of reading valid text: builds nothing, and rereads only the bad item of a
//! list.

use memchr::memchr_iter;
use serde::de::DeserializeSeed;

use super::scan::Scanner;

/// What is wrong with a text.
#[derive(Debug)]
pub struct ReadError {
    pub problem: String,
    /// Where in the JSON the problem is, such as `media[3].owner.id`.
    pub path: Option<String>,
}

/// Reads a text to its end.
pub(super) fn whole<'text, S: DeserializeSeed<'text>>(
    text: &'text str,
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end().map(|()| value)
}

/// An error that serde found in a text.
pub(super) struct Found {
    error: serde_json::Error,
    path: Option<String>,
}

impl From<Found> for ReadError {
    fn from(found: Found) -> Self {
        Self { problem: found.error.to_string(), path: found.path }
    }
}

/// Reads a text to find an error in it; `None` if it has none.
pub(super) fn find_error<'text, S: DeserializeSeed<'text>>(text: &'text str, seed: S) -> Option<Found> {
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let error = match seed.deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track)) {
        Ok(_) => json.end().err()?,
        Err(error) => error,
    };
    // A question mark stands for a field whose name could not be read.
    let path = track.path().to_string();
    let path = path.strip_suffix('?').map_or(path.as_str(), |path| path.trim_end_matches('.'));
    Some(Found { error, path: Some(path.to_owned()).filter(|path| !["", "."].contains(&path.as_str())) })
}

/// Reads an unreadable text once more, to locate the error.
pub fn locate_error<'text, S: DeserializeSeed<'text>>(text: &'text str, seed: S) -> ReadError {
    let unknown = || ReadError { problem: "unreadable JSON".to_owned(), path: None };
    find_error(text, seed).map_or_else(unknown, ReadError::from)
}

/// Locates this error of serde's in an object with a list under a key. The items before the bad one are not read again.
pub fn locate_in_list<S>(text: &str, key: &str, error: &serde_json::Error, seed: S) -> ReadError
where
    S: for<'part> DeserializeSeed<'part>,
{
    let path = match Cut::before(text, key, offset(text, error)) {
        Some(cut) => find_error(&cut.text, seed).and_then(|found| cut.path(found.path, key)),
        None => find_error(text, seed).and_then(|found| found.path),
    };
    ReadError { problem: error.to_string(), path }
}

/// A text without the items of its list that precede the bad one.
pub(super) struct Cut {
    pub(super) text: String,
    /// The length of the text before the first item.
    head: usize,
    /// The offset of the first item in the whole text, and its index there.
    start: usize,
    index: usize,
}

impl Cut {
    /// Drops the items before the last one that begins before this byte and that the scanner reaches.
    pub(super) fn before(text: &str, key: &str, at: usize) -> Option<Self> {
        let mut last = None;
        // Where the scanner stops, the last item is known already.
        let _ = pass_items(text, key, &mut |start, index| {
            let is_before = start < at || last.is_none();
            if is_before {
                last = Some((start, index));
            }
            is_before
        });
        let (start, index) = last?;
        let mut cut = format!("{{{}:[", serde_json::to_string(key).ok()?);
        let head = cut.len();
        cut.push_str(text.get(start..)?);
        Some(Self { text: cut, head, start, index })
    }

    /// Converts an error in the shortened text to one in the whole text.
    pub(super) fn undo(&self, text: &str, key: &str, found: Found) -> ReadError {
        ReadError { problem: self.problem(text, &found.error), path: self.path(found.path, key) }
    }

    /// Converts a path in the shortened text to one in the whole text.
    fn path(&self, path: Option<String>, key: &str) -> Option<String> {
        let path = path?;
        let inside = path.strip_prefix(key).and_then(|path| path.strip_prefix('['));
        let Some((index, rest)) = inside.and_then(|path| path.split_once(']')) else { return Some(path) };
        let index = self.index + index.parse::<usize>().ok()?;
        Some(format!("{key}[{index}]{rest}"))
    }

    /// The message of an error, with its line and column in the whole text.
    fn problem(&self, text: &str, error: &serde_json::Error) -> String {
        let problem = error.to_string();
        let (line, column) = (error.line(), error.column());
        let Some(problem) = problem.strip_suffix(&format!(" at line {line} column {column}")) else { return problem };
        let before = text.as_bytes().get(..self.start).unwrap_or_default();
        let column = if line == 1 {
            let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            (self.start - line_start + column).saturating_sub(self.head)
        } else {
            column
        };
        format!("{problem} at line {} column {column}", line + memchr_iter(b'\n', before).count())
    }
}

/// Scans the items of the list under a key, as long as `goes_on` returns true for the offset and the index of an item.
fn pass_items(text: &str, key: &str, goes_on: &mut dyn FnMut(usize, usize) -> bool) -> Option<()> {
    let mut scanner = Scanner::new(text);
    scanner.expect(b'{')?;
    loop {
        let name = scanner.name()?;
        scanner.expect(b':')?;
        if name != key || !scanner.takes(b'[')? {
            scanner.value(1)?;
        } else if !scanner.takes(b']')? {
            for index in 0.. {
                // A bracket after a comma is an error of the item before.
                if scanner.peek()? == b']' || !goes_on(scanner.at(), index) {
                    return None;
                }
                scanner.value(2)?;
                if !scanner.takes(b',')? {
                    break;
                }
            }
            scanner.expect(b']')?;
        }
        scanner.expect(b',')?;
    }
}

/// The number of bytes that serde had read when it met an error.
pub(super) fn offset(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |newline| newline + 1),
    };
    line_start + error.column()
}
