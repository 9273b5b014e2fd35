//! Decides whether a downloaded body is audio or video: by its first bytes, then by its headers.

use encoding_rs::UTF_8;
use http::header::{self, HeaderMap};

use crate::api::answer::media_type_and_charset;
use crate::client::body::{self, GZIP, is_gzip};
use crate::client::headers::header_text;

/// How many bytes are examined: two packets of an MPEG transport stream.
pub(super) const START: usize = 512;
/// The first boxes of files of the MP4 and QuickTime family; their names follow four bytes of length.
const BOXES: [&[u8]; 13] = [
    b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"sidx", b"moof", b"uuid", b"emsg", b"prft",
];
/// The first bytes of other recordings: Matroska and WebM, ID3 (MP3, AAC), AVI and WAVE, Ogg, Flash, FLAC, AIFF, Core
/// Audio, Windows Media, MPEG program and video streams.
const SIGNATURES: [&[u8]; 13] = [
    b"\x1a\x45\xdf\xa3",
    b"ID3",
    b"RIFF",
    b"RF64",
    b"OggS",
    b"FLV",
    b"fLaC",
    b"FORM",
    b"caff",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    b"\0\0\x01\xba",
    b"\0\0\x01\xb3",
    b"#!AMR",
];
/// The first byte of an MPEG transport stream packet, and the packet lengths without and with a timestamp.
const PACKET: u8 = 0x47;
const PACKETS: [(usize, usize); 2] = [(0, 188), (4, 192)];

/// Why an answer with this start must not be saved. `start` is shorter than [`START`] only if the body is.
pub(super) fn why_not_saved(headers: &HeaderMap, start: &[u8]) -> Option<String> {
    if is_recording(start) {
        return None;
    }
    let content_type = content_type(headers);
    if start.is_empty() {
        return Some("it is empty".to_owned());
    }
    if start.starts_with(GZIP) {
        return Some("it is compressed (gzip), which was not requested".to_owned());
    }
    // A body labelled gzip that does not start like gzip is not gzip; other compressions cannot be recognized by their
    // bytes.
    if let Some(coding) = body::codings(headers).find(|coding| !is_gzip(coding)) {
        return Some(format!("it is compressed ({}), which was not requested", coding.escape_default()));
    }
    if is_text(&content_type) {
        return Some(not_a_recording(&content_type));
    }
    begins_like_text(&content_type, start).then(|| "it is JSON, HTML or XML, not a video or audio file".to_owned())
}

/// What the answer is instead of a recording, by its media type.
pub(super) fn not_a_recording(content_type: &str) -> String {
    format!("it is {}, not a video or audio file", content_type.escape_debug())
}

/// The content type of an answer.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    header_text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default()
}

/// Error pages and error documents are text; videos and audio never are.
pub(super) fn is_text(content_type: &str) -> bool {
    let (media_type, _) = media_type_and_charset(content_type);
    media_type.starts_with("text/") || media_type.ends_with("json") || media_type.ends_with("xml")
}

fn is_recording(start: &[u8]) -> bool {
    // A text may begin with "RIFF", but every recording contains a byte that no text does.
    start.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
        && (BOXES.iter().any(|name| start.get(4..8) == Some(name))
            || SIGNATURES.iter().any(|signature| start.starts_with(signature))
            || PACKETS.iter().any(|(first, length)| {
                [*first, first + length].iter().all(|position| start.get(*position) == Some(&PACKET))
            })
            // The frames of MP3 and AAC; 0xff 0xfe is the byte order mark of UTF-16.
            || matches!(start, [0xff, second, ..] if second & 0xe0 == 0xe0 && *second < 0xfe))
}

/// Whether a file begins like JSON, HTML or XML. Some videos do as well, but contain a byte that no text does.
pub(super) fn begins_like_text(content_type: &str, start: &[u8]) -> bool {
    // Decoded by its byte order mark, if there is one.
    let (text, ..) = UTF_8.decode(start);
    let (media_type, _) = media_type_and_charset(content_type);
    let is_media = media_type.starts_with("video/") || media_type.starts_with("audio/");
    text.trim_start().starts_with(['{', '[', '<'])
        && !(is_media && text.contains(|letter: char| letter.is_control() && !letter.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_saved(labels: &[(&'static str, &str)], start: &[u8]) -> bool {
        let labels = labels.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        why_not_saved(&labels.collect(), start).is_none()
    }

    const VIDEO: (&str, &str) = ("content-type", "video/mp4");

    fn recordings() -> Vec<Vec<u8>> {
        let boxes = BOXES.iter().flat_map(|name| {
            [b"\0\0\0\x18", b"\x3c\0\0\x10", b"{\0\0\0", b"[\x01\x02\x03", b" \n<\0"]
                .map(|size| [size.as_slice(), *name].concat())
        });
        let mut stream = vec![b'<'; 400];
        for position in [0, 188] {
            stream[position] = PACKET;
        }
        let others = [b"\xff\xfb\x90\x64".to_vec(), b"\xff\xf1\x50\x80".to_vec(), stream];
        let with_rest = |begin: Vec<u8>| [begin.as_slice(), b"\0\x01\x02"].concat();
        boxes.chain(SIGNATURES.iter().map(|signature| signature.to_vec())).chain(others).map(with_rest).collect()
    }

    #[test]
    fn a_recording_is_saved_whatever_its_labels_say() {
        for start in recordings() {
            assert!(is_saved(&[], &start), "{start:?}");
            for label in ["text/plain", "text/html; charset=utf-8", "application/json", "video/mp4", "multipart/mixed"]
            {
                assert!(is_saved(&[("content-type", label)], &start), "{label} {start:?}");
            }
            for label in ["gzip", "br", "deflate", "zstd", "aws-chunked", "gzip, br", "identity"] {
                assert!(is_saved(&[VIDEO, ("content-encoding", label)], &start), "{label} {start:?}");
            }
        }
    }

    #[test]
    fn an_error_document_is_never_saved_whatever_its_labels_say() {
        let plain = [
            "<!DOCTYPE html><title>Sign in</title>",
            "{\"error\": \"expired\"}",
            "[1]",
            "<?xml version=\"1.0\"?>",
            " \r\n\t<html>",
            "[ {\"free\": true}]",
            "{\"a moov\": 1}",
        ];
        let utf_16 = |text: &str| {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            [b"\xff\xfe", units.as_slice()].concat()
        };
        for text in plain {
            for start in [text.as_bytes().to_vec(), format!("\u{feff}{text}").into_bytes(), utf_16(text)] {
                for label in ["", "video/mp4", "video/quicktime", "application/octet-stream", "binary/octet-stream"] {
                    assert!(!is_saved(&[("content-type", label)], &start), "{label} {start:?}");
                }
            }
        }
        for label in ["text/html", "text/plain", "application/json", "application/xml", "application/problem+json"] {
            assert!(!is_saved(&[("content-type", label)], b"Sorry"), "{label}");
            assert!(!is_saved(&[("content-type", label)], b"RIFF is not here"), "{label}");
        }
    }

    #[test]
    fn what_is_compressed_is_never_saved_and_what_only_says_so_is() {
        assert!(!is_saved(&[VIDEO], b"\x1f\x8b\x08\0\0"));
        assert!(!is_saved(&[VIDEO, ("content-encoding", "gzip")], b"\x1f\x8b\x08\0\0"));
        assert!(!is_saved(&[VIDEO, ("content-encoding", "br")], b"whatever"));
        assert!(is_saved(&[VIDEO, ("content-encoding", "gzip")], b"whatever"));
        assert!(!is_saved(&[VIDEO], b""));
    }

    #[test]
    fn a_film_that_begins_like_text_is_saved_under_its_type_alone() {
        let start = b"<\x01\x02\x03 nothing that is known";
        assert!(is_saved(&[("content-type", "video/quicktime")], start));
        assert!(!is_saved(&[("content-type", "application/octet-stream")], start));
    }
}
