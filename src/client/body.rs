//! The body of an answer: collected, decompressed and converted to UTF-8.
//!
//! Labels are trusted only where the bytes do not contradict them.

use std::borrow::Cow;
use std::collections::TryReserveError;
use std::io::{self, Read};

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::bufread::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::headers::header_text;
use crate::api::answer::{JSON_CONTENT_TYPES, media_type_and_charset};
use crate::memory;

/// The longest answer that is read into memory. A page of fifty media takes about 27 kB.
pub(super) const MAX_ANSWER: usize = 16 << 20;
/// The first bytes of every gzip member. RFC 1952; 8 is the only method.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// How many layers of compression a body may have.
const MAX_LAYERS: usize = 2;
/// How many members a gzip stream may have. Each costs some time, even an empty one.
const MAX_MEMBERS: usize = 10_000;
/// The usual compression ratio of gzip, to reserve memory.
const USUAL_RATIO: usize = 8;
/// How many times longer a text can become in UTF-8.
const TIMES_AS_LONG: usize = 3;

/// The body received so far. It mostly arrives in one chunk, which is not copied.
#[derive(Debug)]
pub(super) enum BodyBuffer {
    AtOnce(Bytes),
    InParts(Vec<u8>),
}

impl Default for BodyBuffer {
    fn default() -> Self {
        Self::AtOnce(Bytes::new())
    }
}

impl BodyBuffer {
    /// Adds a chunk. `expected` is the length of the whole body, as far as the server announced it.
    pub(super) fn add(&mut self, chunk: Bytes, expected: usize) -> Result<(), TryReserveError> {
        match self {
            Self::AtOnce(first) if first.is_empty() => *first = chunk,
            Self::AtOnce(first) => {
                let mut parts = Vec::new();
                parts.try_reserve_exact(expected.min(MAX_ANSWER).max(first.len() + chunk.len()))?;
                parts.extend_from_slice(first);
                parts.extend_from_slice(&chunk);
                *self = Self::InParts(parts);
            }
            Self::InParts(parts) => {
                parts.try_reserve(chunk.len())?;
                parts.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::AtOnce(bytes) => bytes,
            Self::InParts(parts) => parts,
        }
    }

    pub(super) fn whole(self) -> Bytes {
        match self {
            Self::AtOnce(bytes) => bytes,
            Self::InParts(parts) => parts.into(),
        }
    }
}

/// A body that cannot be read.
#[derive(Debug)]
pub(super) struct Damaged {
    pub(super) problem: String,
    /// The start of the body, as far as it can be read.
    pub(super) start: Vec<u8>,
    pub(super) kind: Damage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// A retry may succeed.
    Temporary,
    Permanent,
    /// The body is intact, but there is not enough memory.
    OutOfMemory,
}

impl Damaged {
    pub(super) fn too_long(limit: usize, start: Vec<u8>) -> Self {
        Self { problem: format!("it is longer than {} MiB", limit >> 20), start, kind: Damage::Permanent }
    }

    fn out_of_memory() -> Self {
        Self { problem: String::new(), start: Vec::new(), kind: Damage::OutOfMemory }
    }
}

/// Decompresses a body and converts it to UTF-8 where possible. Takes at most `limit` bytes of memory, whatever was
/// sent.
pub(super) fn read(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Damaged> {
    if !memory::is_there(body.len().saturating_mul(TIMES_AS_LONG)) {
        return Err(Damaged::out_of_memory());
    }
    let content_type = header_text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    Ok(to_utf8(&content_type, decompress(headers, &content_type, body, limit)?))
}

/// Decompresses a body if its headers say that it is gzip, and leaves it unchanged otherwise.
pub(super) fn read_unchanged(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Damaged> {
    if !codings(headers).any(|coding| is_gzip(&coding)) {
        return Ok(body);
    }
    if !memory::is_there(body.len().saturating_mul(TIMES_AS_LONG)) {
        return Err(Damaged::out_of_memory());
    }
    decompress(headers, "", body, limit)
}

fn decompress(headers: &HeaderMap, content_type: &str, mut body: Bytes, limit: usize) -> Result<Bytes, Damaged> {
    let named: Vec<String> = codings(headers).collect();
    // Some servers compress without saying so, and some files are gzip themselves.
    if named.is_empty() && content_type.contains("gzip") {
        return Ok(body);
    }
    let mut layers = 0;
    while layers < MAX_LAYERS && body.starts_with(GZIP) {
        body = decompress_gzip(&body, limit)?.into();
        layers += 1;
    }
    // A layer that is named and missing: the label is wrong only if the rest is plain.
    let missing = named.iter().find(|coding| layers == 0 || !is_gzip(coding));
    match missing {
        Some(coding) if !body.is_empty() && !is_plain(content_type, &body) => Err(Damaged {
            problem: if is_gzip(coding) {
                "its compression is broken: it is labelled gzip and is not gzip".to_owned()
            } else {
                format!("it is compressed ({}), which was not requested", coding.escape_default())
            },
            start: Vec::new(),
            kind: if is_gzip(coding) { Damage::Temporary } else { Damage::Permanent },
        }),
        _ => Ok(body),
    }
}

/// The compressions that the headers name, in lower case.
pub(super) fn codings(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let named = headers.get_all(CONTENT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase());
    named.filter(|coding| !["", "identity", "none"].contains(&coding.as_str()))
}

pub(super) fn is_gzip(coding: &str) -> bool {
    ["gzip", "x-gzip"].contains(&coding)
}

/// Whether the bytes match their type and are not compressed.
fn is_plain(content_type: &str, body: &[u8]) -> bool {
    if media_type_and_charset(content_type).0.ends_with("json") && !matches!(body.trim_ascii_start(), [b'{' | b'[', ..])
    {
        return false;
    }
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    !body.iter().any(is_control) && simdutf8::basic::from_utf8(body).is_ok()
}

/// Decompresses all members of a gzip stream, each with its checksum.
fn decompress_gzip(stream: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    let broken = |problem: &str, start: Vec<u8>| {
        Err(Damaged { problem: format!("its compression is broken: {problem}"), start, kind: Damage::Temporary })
    };
    let mut content = Vec::new();
    let expected = stream.len().saturating_mul(USUAL_RATIO).min(limit);
    content.try_reserve_exact(expected).map_err(|_| Damaged::out_of_memory())?;
    let mut rest = stream;
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        let room = limit.saturating_sub(content.len()).saturating_add(1);
        let read = member.by_ref().take(u64::try_from(room).unwrap_or(u64::MAX)).read_to_end(&mut content);
        if content.len() > limit {
            return Err(Damaged::too_long(limit, content));
        }
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return broken("gzip ends too early", content);
            }
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => return Err(Damaged::out_of_memory()),
            Err(error) => return broken(&error.to_string(), content),
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(content);
        }
        if !rest.starts_with(GZIP) {
            return broken("bytes that are not gzip follow it", content);
        }
    }
    broken(&format!("gzip of more than {MAX_MEMBERS} members"), content)
}

/// The body in UTF-8, or unchanged if it is neither UTF-8 nor in the encoding that its header names.
fn to_utf8(content_type: &str, body: Bytes) -> Bytes {
    let (encoding, mark) = encoding_of(content_type, &body);
    let text = body.slice(mark..);
    if encoding == UTF_8 { text } else { decoded(encoding, &text).unwrap_or(body) }
}

/// A body as text. Bytes that are not in its encoding become U+FFFD.
#[must_use]
pub fn to_text<'body>(content_type: &str, body: &'body [u8]) -> Cow<'body, str> {
    let (encoding, mark) = encoding_of(content_type, body);
    encoding.decode_without_bom_handling(body.get(mark..).unwrap_or_default()).0
}

/// The encoding of a text by its bytes and its label, and the length of its byte order mark. UTF-8 if nothing names
/// another one.
fn encoding_of(content_type: &str, body: &[u8]) -> (&'static Encoding, usize) {
    if let Some(marked) = Encoding::for_bom(body) {
        return marked;
    }
    let is_usual = JSON_CONTENT_TYPES.contains(&content_type);
    let named = if is_usual { None } else { media_type_and_charset(content_type).1 };
    let labelled = |named: &String| Encoding::for_label_no_replacement(named.as_bytes());
    let Some(encoding) = named.as_ref().and_then(labelled) else { return (UTF_8, 0) };
    // Windows-1252 is the default of many servers, and UTF-8 text read as UTF-16 would have a zero in every other byte.
    let is_doubtful = [WINDOWS_1252, UTF_16LE, UTF_16BE].contains(&encoding);
    if is_doubtful && !body.contains(&0) && simdutf8::basic::from_utf8(body).is_ok() {
        return (UTF_8, 0);
    }
    (if named.as_deref() == Some("utf-16") { byte_order(body) } else { encoding }, 0)
}

/// The byte order of UTF-16 without a mark: the zeros of ASCII characters show it.
fn byte_order(body: &[u8]) -> &'static Encoding {
    let zeros = |first: usize| body.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    if zeros(0) > zeros(1) { UTF_16BE } else { UTF_16LE }
}

fn decoded(encoding: &'static Encoding, body: &[u8]) -> Option<Bytes> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(body)?;
    Some(text.into_owned().into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::header::HeaderName;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read_with(headers: &[(HeaderName, &str)], body: &[u8]) -> Result<Bytes, Damaged> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        read(&headers, Bytes::copy_from_slice(body), MAX_ANSWER)
    }

    #[test]
    fn a_body_that_comes_at_once_is_not_copied_and_one_in_parts_is_whole() {
        let mut body = BodyBuffer::default();
        assert!(body.bytes().is_empty());
        let first = Bytes::from(vec![b'a'; 100]);
        body.add(first.clone(), 300).unwrap();
        assert_eq!(body.bytes().as_ptr(), first.as_ptr());
        body.add(Bytes::from_static(b"b"), 300).unwrap();
        body.add(Bytes::from_static(b"c"), 300).unwrap();
        assert_eq!(body.bytes().len(), 102);
        assert_eq!(body.whole(), [first.as_ref(), b"bc"].concat());
    }

    #[test]
    fn gzip_of_many_empty_members_costs_no_more_than_is_allowed() {
        let body = gzip(b"").repeat(MAX_MEMBERS + 1);
        let damaged = read_with(&[(CONTENT_ENCODING, "gzip")], &body).unwrap_err();
        assert!(damaged.problem.contains("members"), "{damaged:?}");
    }

    #[test]
    fn what_is_longer_than_the_limit_is_not_decompressed_further() {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, "gzip".parse().unwrap())]);
        for (length, is_read) in [(1000, true), (1001, false), (1_000_000, false)] {
            let read = read(&headers, gzip(&vec![b' '; length]).into(), 1000);
            assert_eq!(read.is_ok(), is_read, "{length}");
            if let Err(damaged) = read {
                assert_eq!(damaged.start.len(), 1001);
            }
        }
    }

    #[test]
    fn a_text_is_read_in_whatever_encoding_its_bytes_are() {
        let text = "1\n00:00:01,000 --> 00:00:02,000\nGrüße\n";
        let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
        let marked = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
        let latin: Vec<u8> = text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
        for (content_type, body) in [
            ("application/octet-stream", text.as_bytes().to_vec()),
            ("text/plain; charset=iso-8859-1", text.as_bytes().to_vec()),
            ("text/plain; charset=utf-16", text.as_bytes().to_vec()),
            ("text/plain; charset=klingon", text.as_bytes().to_vec()),
            ("text/srt;charset=\"ISO-8859-1\"", latin.clone()),
            ("text/srt; charset = 'windows-1252'", latin.clone()),
            ("text/vtt; charset=utf-16", wide(u16::to_le_bytes)),
            ("text/vtt; charset=UTF-16", wide(u16::to_be_bytes)),
            ("text/vtt; charset=utf-16be", wide(u16::to_be_bytes)),
            ("application/x-subrip", marked(b"\xff\xfe", wide(u16::to_le_bytes))),
            ("application/json", marked(b"\xfe\xff", wide(u16::to_be_bytes))),
            ("text/plain; charset=iso-8859-1", marked(b"\xef\xbb\xbf", text.as_bytes().to_vec())),
        ] {
            assert_eq!(to_utf8(content_type, body.into()), text, "{content_type}");
        }
        // A text that cannot be decoded stays unchanged, so that the error quotes it.
        for content_type in ["text/plain", "text/plain; charset=klingon", "text/plain; charset=utf-8"] {
            assert_eq!(to_utf8(content_type, latin.clone().into()), latin, "{content_type}");
        }
    }
}
