//! Decides which bytes of a file an answer holds, from its status, headers and length: a pure function.
//!
//! The status is one sign among several. If they contradict each other, the answer is not used.

use http::header::{self, HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

use crate::client::body;
use crate::client::headers::header_text;

/// What distinguishes the versions of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    etag: Option<String>,
    last_modified: Option<String>,
    codings: Vec<String>,
}

impl Version {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            etag: header_text(headers, header::ETAG.as_str()),
            last_modified: header_text(headers, header::LAST_MODIFIED.as_str()),
            codings: body::codings(headers).collect(),
        }
    }

    /// Whether it has a strong entity tag, of which equal ones mean equal bytes. RFC 9110, 8.8.3.
    pub(super) fn has_strong_tag(&self) -> bool {
        let inside = self.etag.as_deref().and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
        inside.is_some_and(|inside| inside.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
    }

    /// Whether this proves, of a file of the same length, that it is of the same version as one of a strong tag or a date.
    pub(super) fn proves_the_same_as(&self, other: &Self) -> bool {
        let is_strong = self.has_strong_tag() && self.etag == other.etag;
        let is_dated = self.last_modified.is_some() && self.last_modified == other.last_modified;
        (is_strong || is_dated) && !other.contradicts(self)
    }

    /// The value for `If-Range`: a strong entity tag, or else the date of the last change.
    pub(super) fn if_range(&self) -> Option<&str> {
        let strong = self.etag.as_deref().filter(|tag| !tag.starts_with("W/"));
        // Text that is not ASCII cannot be sent back.
        strong.or(self.last_modified.as_deref()).filter(|validator| validator.is_ascii())
    }

    /// Whether an answer says that the file has changed. It need not say anything, and a tag may be a weak one.
    fn contradicts(&self, later: &Self) -> bool {
        let differ = |known: &Option<String>, said: &Option<String>| known.is_some() && said.is_some() && known != said;
        differ(&self.etag, &later.etag)
            || differ(&self.last_modified, &later.last_modified)
            || (!later.codings.is_empty() && self.codings != later.codings)
    }

    /// Adds what another answer for the same version says.
    pub(super) fn join(&mut self, later: Self) {
        if self.codings.is_empty() {
            self.codings = later.codings;
        }
        self.etag = later.etag.or(self.etag.take());
        self.last_modified = later.last_modified.or(self.last_modified.take());
    }
}

/// What has been received of a file, and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) length: u64,
    pub(super) total: Option<u64>,
    pub(super) version: Version,
    /// Whether an earlier process received it, and no answer has said since that it is of the same version.
    pub(super) is_unconfirmed: bool,
}

/// The content of a `Content-Range` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    Missing,
    /// It is present but malformed.
    Unreadable,
    /// Only the total length.
    Total(u64),
    /// The first byte, the end (exclusive), and the total length if it is known.
    Bytes(u64, u64, Option<u64>),
}

/// The head of an answer, as far as it describes the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    status: u16,
    range: Range,
    length: Option<u64>,
    pub(super) version: Version,
}

/// Which bytes the answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The whole file, of this length if that is known.
    Whole(Option<u64>),
    /// The next bytes up to `end`, with the total length if it is known.
    Next { end: u64, total: Option<u64> },
}

impl Head {
    pub(super) fn of(response: &reqwest::Response) -> Self {
        let headers = response.headers();
        Self {
            status: response.status().as_u16(),
            range: range(headers),
            length: single(headers, &header::CONTENT_LENGTH).ok().flatten().and_then(|length| length.parse().ok()),
            version: Version::of(headers),
        }
    }

    /// Decides which bytes the answer holds, or says what is wrong. If something was received before, the rest was
    /// requested.
    pub(super) fn holds(&self, known: &Known) -> Result<Holds, String> {
        let is_resumed = known.length > 0;
        match (self.status, self.range) {
            (200, Range::Missing | Range::Total(_)) => {
                let total = match self.range {
                    Range::Total(total) => Some(total),
                    _ => self.length,
                };
                if self.length.is_some_and(|length| Some(length) != total) {
                    return Err(CONTRADICTION.to_owned());
                }
                // With this status, the rest of a file looks like a whole file, except for its length.
                if is_resumed && (total.is_none() || total != known.total) {
                    return Err("it may be the whole file or the rest of it".to_owned());
                }
                Ok(Holds::Whole(total))
            }
            (200 | 206, Range::Bytes(start, end, total)) => self.part(known, start, end, total),
            (206, Range::Missing | Range::Total(_)) => {
                Err("it is a part of the file and does not say which".to_owned())
            }
            (200 | 206, Range::Unreadable) => Err("its Content-Range is malformed".to_owned()),
            (status, _) => Err(format!("{status} is not the status of a file")),
        }
    }

    fn part(&self, known: &Known, start: u64, end: u64, total: Option<u64>) -> Result<Holds, String> {
        let is_resumed = known.length > 0;
        if start != known.length {
            return Err(format!("it begins at byte {start}, not at byte {} as requested", known.length));
        }
        if is_resumed && known.version.contradicts(&self.version) {
            return Err("it belongs to another version of the file".to_owned());
        }
        // A host that heeds `If-Range` repeats the tag. RFC 9110, 15.3.7.
        if known.is_unconfirmed && known.version.etag != self.version.etag {
            return Err("it does not say that it is of the version of which a part is there".to_owned());
        }
        if let (Some(before), Some(now)) = (known.total, total)
            && before != now
        {
            return Err(format!("it belongs to a file of {now} bytes, not of {before}"));
        }
        let total = total.or(known.total);
        if total.is_some_and(|total| total < end) {
            return Err(CONTRADICTION.to_owned());
        }
        match self.length {
            Some(length) if length == end - start => {}
            // The whole file, labelled as its own beginning.
            Some(length) if self.status == 200 && !is_resumed && total == Some(length) => {
                return Ok(Holds::Whole(total));
            }
            // A chunked part is measured while it arrives. Two signs must say that it is a part.
            None if self.status == 206 || !is_resumed => {}
            _ => return Err(CONTRADICTION.to_owned()),
        }
        // The status of a whole file.
        let total = if self.status == 200 && !is_resumed { total.or(Some(end)) } else { total };
        Ok(Holds::Next { end, total })
    }
}

/// The problem of contradicting signs.
const CONTRADICTION: &str = "its status, its Content-Range and its Content-Length contradict each other";

/// The value of a header, if present; an error if it occurs several times with different values.
fn single<'answer>(headers: &'answer HeaderMap, name: &HeaderName) -> Result<Option<&'answer str>, ()> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let text = first.to_str().map_err(drop)?.trim();
    if values.all(|value| value == first) { Ok(Some(text).filter(|text| !text.is_empty())) } else { Err(()) }
}

fn range(headers: &HeaderMap) -> Range {
    match single(headers, &header::CONTENT_RANGE) {
        Ok(None) => Range::Missing,
        Ok(Some(text)) => read_range(text).unwrap_or(Range::Unreadable),
        Err(()) => Range::Unreadable,
    }
}

/// Reads `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn read_range(text: &str) -> Option<Range> {
    let (unit, rest) = text.trim().split_once([' ', '='])?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (bytes, total) = rest.split_once('/')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    if bytes.trim() == "*" {
        return total.map(Range::Total);
    }
    let (first, last) = bytes.split_once('-')?;
    let (start, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let end = last.checked_add(1)?;
    (start < end && total.is_none_or(|total| end <= total)).then_some(Range::Bytes(start, end, total))
}

#[cfg(test)]
impl Version {
    pub(super) fn with_tag(etag: &str) -> Self {
        Self { etag: Some(etag.to_owned()), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers = &'static [(&'static str, &'static str)];

    fn head(status: u16, headers: &[(&'static str, &str)]) -> Head {
        let response = headers
            .iter()
            .fold(http::Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
        Head::of(&reqwest::Response::from(response.body("").unwrap()))
    }

    fn known(length: u64, total: Option<u64>, headers: &[(&'static str, &str)]) -> Known {
        Known { length, total, version: head(200, headers).version, is_unconfirmed: false }
    }

    #[test]
    fn a_content_range_says_which_bytes_and_how_many_in_all() {
        for (text, expected) in [
            ("bytes 5-9/10", Some(Range::Bytes(5, 10, Some(10)))),
            ("Bytes=5-9/*", Some(Range::Bytes(5, 10, None))),
            (" bytes  5 - 9 / 10 ", Some(Range::Bytes(5, 10, Some(10)))),
            ("bytes */10", Some(Range::Total(10))),
            ("bytes */*", None),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes 5-9", None),
            ("bytes 5-/10", None),
            ("bytes 5-18446744073709551615/*", None),
            ("lines 5-9/10", None),
        ] {
            assert_eq!(read_range(text), expected, "{text}");
        }
    }

    #[test]
    fn the_first_answer_is_the_whole_file_or_its_beginning() {
        let next = |end, total| Some(Holds::Next { end, total });
        let table: &[(u16, Headers, Option<Holds>)] = &[
            (200, &[("content-length", "9")], Some(Holds::Whole(Some(9)))),
            (200, &[], Some(Holds::Whole(None))),
            (200, &[("content-range", "bytes 0-8/9"), ("content-length", "9")], next(9, Some(9))),
            (200, &[("content-range", "bytes 0-4/9"), ("content-length", "5")], next(5, Some(9))),
            (200, &[("content-range", "bytes 0-4/9"), ("content-length", "9")], Some(Holds::Whole(Some(9)))),
            (200, &[("content-range", "bytes 0-4/9"), ("content-length", "7")], None),
            (200, &[("content-range", "bytes 0-8/*"), ("content-length", "9")], next(9, Some(9))),
            (200, &[("content-range", "bytes 0-4/9")], next(5, Some(9))),
            (200, &[("content-range", "bytes */9"), ("content-length", "9")], Some(Holds::Whole(Some(9)))),
            (200, &[("content-range", "bytes */9"), ("content-length", "8")], None),
            (200, &[("content-range", "bytes 3-8/9"), ("content-length", "6")], None),
            (200, &[("content-range", "3-8"), ("content-length", "6")], None),
            (200, &[("content-range", "bytes 0-8/9"), ("content-range", "bytes 3-8/9")], None),
            (206, &[("content-range", "bytes 0-4/9"), ("content-length", "5")], next(5, Some(9))),
            (206, &[("content-range", "bytes 0-4/*")], next(5, None)),
            (206, &[("content-range", "bytes 3-8/9"), ("content-length", "6")], None),
            (206, &[("content-length", "9")], None),
            (204, &[], None),
            (203, &[("content-length", "9")], None),
        ];
        for (status, headers, expected) in table {
            let answer = head(*status, headers);
            assert_eq!(answer.holds(&Known::default()).ok(), *expected, "{status} {headers:?}");
        }
    }

    #[test]
    fn a_resumed_answer_is_what_was_asked_for_or_is_not_taken() {
        const EXACT: (&str, &str) = ("content-range", "bytes 3-8/9");
        const SIX: (&str, &str) = ("content-length", "6");
        let rest = Some(Holds::Next { end: 9, total: Some(9) });
        let table: &[(u16, Headers, Option<Holds>)] = &[
            (206, &[EXACT, SIX], rest),
            (206, &[EXACT], rest),
            (206, &[EXACT, ("content-length", "9")], None),
            (206, &[EXACT, ("content-length", "5")], None),
            (206, &[("content-range", "bytes 3-8/*"), SIX], rest),
            (
                206,
                &[("content-range", "bytes 3-5/9"), ("content-length", "3")],
                Some(Holds::Next { end: 6, total: Some(9) }),
            ),
            (206, &[("content-range", "bytes 0-8/9"), ("content-length", "9")], None),
            (206, &[("content-range", "bytes 2-8/9"), ("content-length", "7")], None),
            (206, &[("content-range", "bytes 4-8/9"), ("content-length", "5")], None),
            (206, &[("content-range", "bytes 3-9/10"), ("content-length", "7")], None),
            (206, &[("content-range", "bytes 3-9/*"), ("content-length", "7")], None),
            (206, &[SIX], None),
            (206, &[("content-range", "bytes */9"), SIX], None),
            // The rest of the file, whatever the status says, if two other signs say so.
            (200, &[EXACT, SIX], rest),
            (200, &[EXACT], None),
            (200, &[EXACT, ("content-length", "9")], None),
            (200, &[("content-range", "bytes 4-8/9"), ("content-length", "5")], None),
            // The whole file, if its length says so.
            (200, &[("content-length", "9")], Some(Holds::Whole(Some(9)))),
            (200, &[("content-range", "bytes */9"), ("content-length", "9")], Some(Holds::Whole(Some(9)))),
            (200, &[SIX], None),
            (200, &[("content-length", "8")], None),
            (200, &[], None),
        ];
        for (status, headers, expected) in table {
            let answer = head(*status, headers);
            assert_eq!(answer.holds(&known(3, Some(9), &[])).ok(), *expected, "{status} {headers:?}");
        }
        let of_unknown_length = known(3, None, &[]);
        assert_eq!(head(206, &[EXACT, SIX]).holds(&of_unknown_length).ok(), rest);
        assert_eq!(head(200, &[("content-length", "9")]).holds(&of_unknown_length).ok(), None);
        let part = head(206, &[("content-range", "bytes 3-8/*"), SIX]);
        assert_eq!(part.holds(&of_unknown_length), Ok(Holds::Next { end: 9, total: None }));
    }

    #[test]
    fn what_an_earlier_process_received_is_continued_only_by_an_answer_with_the_same_tag() {
        const REST: [(&str, &str); 2] = [("content-range", "bytes 3-8/9"), ("content-length", "6")];
        let known = Known { is_unconfirmed: true, ..known(3, Some(9), &[("etag", "\"1\"")]) };
        let is_taken = |status, more: Headers| head(status, &[&REST, more].concat()).holds(&known).is_ok();
        assert!(is_taken(206, &[("etag", "\"1\"")]));
        assert!(!is_taken(206, &[("etag", "\"2\"")]));
        assert!(!is_taken(206, &[("etag", "W/\"1\"")]));
        assert!(!is_taken(206, &[]));
        assert!(!is_taken(200, &[]));
    }

    #[test]
    fn a_validator_of_any_strength_that_changed_is_another_version_and_one_that_is_missing_is_not() {
        const DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
        const LATER: &str = "Wed, 21 Oct 2015 07:28:01 GMT";
        const STRONG: Headers = &[("etag", "\"1\""), ("last-modified", DATE)];
        const WEAK: Headers = &[("etag", "W/\"1\"")];
        let table: &[(Headers, Headers, bool)] = &[
            (STRONG, STRONG, true),
            (STRONG, &[], true),
            (&[], STRONG, true),
            (STRONG, &[("etag", "\"1\"")], true),
            (STRONG, &[("last-modified", DATE)], true),
            (STRONG, &[("etag", "\"2\""), ("last-modified", DATE)], false),
            (STRONG, &[("etag", "\"1\""), ("last-modified", LATER)], false),
            (STRONG, &[("last-modified", LATER)], false),
            (STRONG, WEAK, false),
            (WEAK, WEAK, true),
            (WEAK, &[("etag", "W/\"2\"")], false),
            (WEAK, &[("etag", "\"1\"")], false),
            (&[("content-encoding", "gzip")], &[("content-encoding", "gzip")], true),
            (&[("content-encoding", "gzip")], &[], true),
            (&[], &[("content-encoding", "gzip")], false),
            (&[], &[("content-encoding", "identity")], true),
        ];
        for (before, now, is_taken) in table {
            let headers = [&[("content-range", "bytes 3-8/9"), ("content-length", "6")], *now].concat();
            assert_eq!(head(206, &headers).holds(&known(3, Some(9), before)).is_ok(), *is_taken, "{before:?} {now:?}");
        }
    }

    #[test]
    fn if_range_holds_a_strong_tag_or_a_date() {
        let if_range = |headers| head(200, headers).version.if_range().map(str::to_owned);
        assert_eq!(if_range(&[("etag", "\"1\""), ("last-modified", "x")]).as_deref(), Some("\"1\""));
        assert_eq!(if_range(&[("etag", "W/\"1\""), ("last-modified", "x")]).as_deref(), Some("x"));
        assert_eq!(if_range(&[("etag", "W/\"1\"")]), None);
    }
}
