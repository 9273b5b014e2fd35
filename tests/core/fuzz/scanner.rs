//! Random pages, which the scanner and serde must read alike.

use std::cell::Cell;

use super::fuzz;
use crate::chance::Chance;
use crate::scan::{alone_agrees, collections_agree, leniently_agree, media_agree};

/// What means something in JSON, numbers and dates.
const TELLING: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"9",
    b"-",
    b".",
    b"+",
    b"e",
    b"E",
    b"true",
    b"null",
    b" ",
    b"\n",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"/",
    b"\\u",
    b"\\ud800",
    b"\\u0000",
    b"\xc3\xbc",
    b"\xf0\x9f\x98\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\"id\":",
    b"\"media\":",
    b"\"meta\":",
    b"[[[[[[[[[[[[[[[[",
    b"1e999",
    b"T",
    b"Z",
];
const NAMES: &[&str] = &[
    "id",
    "title",
    "description",
    "duration",
    "created_at",
    "last_viewed",
    "last_viewed_by_student",
    "thumbnail_url",
    "transcoding_status",
    "owner",
    "size",
    "source",
    "embed_id",
    "lti_launch_id",
    "collection",
    "name",
    "type",
    "permission",
    "course_id",
    "full_name",
    "display_name",
    "email",
    "mood",
    "i\\u0064",
    "",
    "ü",
    "titl",
    "titlee",
    "id ",
    "__class__",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "0.1",
    "1e3",
    "1E+3",
    "-1.5e-7",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1e400",
    "5e-324",
    "2.2250738585072011e-308",
    "0.1e1",
    "13.700000000000001",
    "01",
    "-",
    ".5",
    "5.",
    "5e",
    "1e1000000000000",
    "NaN",
    "Infinity",
    "+1",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "Mitosis",
    "https://example.com/1.jpg?a=1&b=2",
    "ü",
    "תמר",
    "\u{1f600}",
    "\\n",
    "\\\"",
    "\\\\",
    "\\/",
    "\\u00fc",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\udc00\\ud800",
    "\\udc00",
    "\\u0000",
    "\\x",
    "\u{7f}",
    "\t",
    "2026-01-01",
    "transcoding_finished",
    "'",
    "[",
    "}",
];
const DATES: &[&str] = &[
    "2026-08-28T21:44:23Z",
    "2026-08-28",
    "2020-02-29T23:59:59.123Z",
    "2021-02-29T00:00:00Z",
    "2020-09-18 14:27:40 UTC",
    "2020-09-18T16:27:40+02:00",
    "2020-09-18T16:27:40+25:00",
    "9999-12-31T23:59:59Z",
    "0000-00-00T00:00:00Z",
    "-000001-01-01",
    "2016-12-31T23:59:60Z",
    "2026-13-01",
    "2026-08-28T24:00:00Z",
    "yesterday",
    "2026-08-28T21:44:23.999999999999Z",
    "20260828",
    "2026-08-28T21:44Z",
    "Fri Sep 18 14:27:40 UTC 2020",
    "2026-08-28T21:44:23 Z",
    "2026-8-28",
    "2026-08-28T21:44:23z",
];

#[test]
fn fuzz_the_scanner_reads_what_serde_reads() {
    let (tried, quick) = (Cell::new(0), Cell::new(0));
    fuzz(4_000, |chance| {
        let text = if chance.once_in(20) { deep(chance) } else { page(chance) };
        let mut bytes = text.into_bytes();
        if !chance.once_in(3) {
            chance.mutate(&mut bytes, TELLING);
        }
        let Ok(text) = String::from_utf8(bytes) else { return };
        tried.set(tried.get() + 1);
        quick.set(quick.get() + u64::from(media_agree(&text)));
        collections_agree(&text);
        leniently_agree(&text);
        alone_agrees(&text);
    });
    // Both ways of reading must have come up often.
    let (tried, quick) = (tried.get(), quick.get());
    assert!(tried < 1000 || (quick > tried / 20 && quick < tried / 2), "{quick} of {tried}");
}

fn blank(chance: &mut Chance) -> &'static str {
    chance.one_of(&["", "", "", " ", "\n    ", "\t", "\r\n"])
}

fn text(chance: &mut Chance) -> String {
    let inside: String = match chance.below(6) {
        0 | 1 => chance.one_of(DATES).to_owned(),
        // Around sixteen bytes, since so many are looked at together.
        2 => format!("{}{}", "x".repeat(chance.below(36)), chance.one_of(TEXTS)),
        _ => (0..chance.below(4)).map(|_| chance.one_of(TEXTS)).collect(),
    };
    format!("\"{inside}\"")
}

fn value(chance: &mut Chance, depth: usize) -> String {
    match chance.below(if depth > 3 { 6 } else { 9 }) {
        0 => chance.one_of(NUMBERS).to_owned(),
        1 => {
            let digits: String = (0..=chance.below(24)).map(|_| chance.one_of(&["0", "1", "5", "9", "00"])).collect();
            let end = chance.one_of(&["", "", ".5", "e2", "e-30", ".0", ".25e10"]);
            format!("{}{digits}{end}", chance.one_of(&["", "-"]))
        }
        2..=4 => text(chance),
        5 => chance.one_of(&["null", "true", "false", "nul"]).to_owned(),
        6 => {
            let items: Vec<String> = (0..chance.below(4)).map(|_| value(chance, depth + 1)).collect();
            format!("[{}{}]", items.join(","), blank(chance))
        }
        _ => object(chance, depth + 1),
    }
}

/// What Studio would send under a name, mostly.
fn field(chance: &mut Chance, name: &str, depth: usize) -> String {
    if chance.once_in(8) {
        return value(chance, depth);
    }
    match name {
        "id" | "size" | "course_id" => (1 + chance.below(1_000_000)).to_string(),
        "duration" => chance.one_of(&["735.5", "0", "13.700000000000001", "null"]).to_owned(),
        "created_at" | "last_viewed" | "last_viewed_by_student" => format!("\"{}\"", chance.one_of(DATES)),
        "owner" | "collection" if depth < 3 => object(chance, depth + 1),
        _ => text(chance),
    }
}

fn object(chance: &mut Chance, depth: usize) -> String {
    let mut fields = Vec::new();
    if !chance.once_in(12) {
        fields.push(format!("\"id\":{}{}", blank(chance), field(chance, "id", depth)));
    }
    for _ in 0..chance.below(9) {
        let name = chance.one_of(NAMES);
        let value = field(chance, name, depth);
        fields.push(format!("{}\"{name}\"{}:{}{value}", blank(chance), blank(chance), blank(chance)));
    }
    let places = fields.len().max(1);
    fields.rotate_left(chance.below(places));
    format!("{{{}{}}}", fields.join(","), blank(chance))
}

fn page(chance: &mut Chance) -> String {
    let key = chance.one_of(&["media", "media", "media", "collections"]);
    let content = if chance.once_in(4) {
        object(chance, 0)
    } else {
        let items: Vec<String> = (0..chance.below(5)).map(|_| object(chance, 0)).collect();
        format!("[{}]", items.join(","))
    };
    let meta = match chance.below(3) {
        0 => String::new(),
        1 => r#", "meta": {"current_page": 1, "last_page": 3, "total_count": 104}"#.to_owned(),
        _ => format!(r#", "meta": {}"#, value(chance, 1)),
    };
    let other = if chance.once_in(4) { format!("\"other\": {},", value(chance, 1)) } else { String::new() };
    format!("{{{other}\"{key}\"{}:{content}{meta}}}", blank(chance))
}

/// Objects in objects, as deep as the scanner goes and deeper.
fn deep(chance: &mut Chance) -> String {
    let depth = 100 + chance.below(60);
    let (open, close) = if chance.once_in(2) { ("[", "]") } else { ("{\"a\":", "}") };
    let name = chance.one_of(NAMES);
    format!(r#"{{"media": [{{"id": 1, "{name}": {}1{}}}]}}"#, open.repeat(depth), close.repeat(depth))
}
