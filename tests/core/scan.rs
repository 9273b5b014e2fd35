//! Compares the fast scanner with serde: it may decline to read, but it never reads differently.

use std::borrow::Cow;

use canvas_studio::api::item::Item;
use canvas_studio::api::json::dates::{Day, Timestamp};
use canvas_studio::api::models::{Collection, Media, MediaFields, Owner};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::chance::Chance;

const PAGE: &str = r#"{"media": [
    {"id": 1, "title": "Mitosis \"2\" \u00fcber \ud83d\ude00 / \\ \n", "description": null, "duration": 735.5,
     "created_at": "2026-08-28T21:44:23Z", "last_viewed": "2026-09-01", "last_viewed_by_student": null,
     "thumbnail_url": "https://example.com/1.jpg?a=1&b=2", "transcoding_status": "transcoding_finished",
     "owner": {"id": 7, "full_name": "Ada Okonkwo-Łuczak", "display_name": "תמר", "email": null, "mood": [1, {"x": null}]},
     "size": 20000000, "source": "upload", "embed_id": "a-1", "lti_launch_id": "b-1"},
    {"size": 1e3, "id": 9007199254740993, "title": "", "duration": 13.700000000000001, "created_at": "2020-09-18 14:27:40 UTC",
     "last_viewed": "", "later": {"deep": [[[[1.5e-7, 1e400, true, false, null, "\t"]]]]}, "more": -0.0, "most": 123456789012345678901},
    {"id": 3, "collection": {"id": 5, "name": null, "type": "user", "permission": "edit", "owner": {"id": 7},
     "created_at": "2020-02-29T23:59:59.123Z", "course_id": null, "x": {}}, "created_at": "2020-09-18T16:27:40+02:00"},
    {"id": 4}
], "meta": {"current_page": 1, "last_page": 3, "total_count": 104}}"#;

#[derive(Deserialize)]
struct Wrapped<T> {
    #[serde(alias = "collections")]
    media: Vec<T>,
}

/// Whether a text is read quickly; if it is, whatever it says must be what serde says.
fn agrees<Fields, T>(text: &str, whole: impl Fn(&T) -> Fields) -> bool
where
    Fields: DeserializeOwned + PartialEq + std::fmt::Debug,
    T: Item,
{
    let Ok(quick) = T::scan_page(text, "media") else { return false };
    let slow: Result<Vec<Fields>, String> =
        serde_json::from_str(text).map(|page: Wrapped<Fields>| page.media).map_err(|error| error.to_string());
    assert_eq!(Ok(quick.items.iter().map(whole).collect::<Vec<_>>()), slow, "{text}");
    true
}

pub(crate) fn collections_agree(text: &str) -> bool {
    agrees(text, |collection: &Collection| collection.read_all().unwrap())
}

pub(crate) fn media_agree(text: &str) -> bool {
    let is_quick = agrees(text, |media: &Media| media.read_all().unwrap());
    if is_quick {
        for media in Media::scan_page(text, "media").unwrap().items {
            fields_agree(&media);
        }
    }
    is_quick
}

/// What the scanner leaves to serde is kept as a text too, and has to say what serde read.
pub(crate) fn leniently_agree(text: &str) {
    let whole = serde_json::from_str::<Wrapped<MediaFields>>(text).map_err(|error| error.to_string());
    let kept = serde_json::from_str::<Wrapped<Media>>(text).map_err(|error| error.to_string());
    match (whole, kept) {
        (Ok(whole), Ok(kept)) => {
            assert_eq!(kept.media.len(), whole.media.len(), "{text}");
            for (kept, whole) in kept.media.iter().zip(whole.media) {
                assert_eq!(kept.read_all().unwrap(), whole, "{text}");
                fields_agree(kept);
            }
        }
        (whole, kept) => assert_eq!(whole.map(|_| ()), kept.map(|_| ()), "{text}"),
    }
}

/// A media by itself, as an operation that gets one reads it.
pub(crate) fn alone_agrees(text: &str) {
    #[derive(Deserialize)]
    struct Alone {
        media: MediaFields,
    }
    if let Ok(quick) = Media::scan_at_key(text, "media") {
        let slow = serde_json::from_str::<Alone>(text).map(|read| read.media).map_err(|error| error.to_string());
        assert_eq!(Ok(quick.read_all().unwrap()), slow, "{text}");
        fields_agree(&quick);
    }
}

/// Every field by itself is what it is among the others.
fn fields_agree(media: &Media) {
    fn text<'a>(media: &'a Media, name: &str) -> Option<Cow<'a, str>> {
        media.named(name)
    }
    let all = media.read_all().unwrap();
    assert_eq!(media.id(), all.id);
    for (name, expected) in [
        ("title", &all.title),
        ("description", &all.description),
        ("thumbnail_url", &all.thumbnail_url),
        ("transcoding_status", &all.transcoding_status),
        ("source", &all.source),
        ("embed_id", &all.embed_id),
        ("lti_launch_id", &all.lti_launch_id),
    ] {
        assert_eq!(text(media, name).as_deref(), expected.as_deref(), "{name} of {media:?}");
    }
    assert_eq!(media.named::<Option<i64>>("size"), all.size);
    assert_eq!(media.named::<Option<f64>>("duration").map(f64::to_bits), all.duration.map(f64::to_bits));
    assert_eq!(media.named::<Option<Timestamp>>("created_at"), all.created_at);
    assert_eq!(media.named::<Option<Day>>("last_viewed"), all.last_viewed);
    assert_eq!(media.named::<Option<Day>>("last_viewed_by_student"), all.last_viewed_by_student);
    assert_eq!(media.named::<Option<Owner>>("owner"), all.owner);
    assert_eq!(media.named::<Option<Collection>>("collection"), all.collection);
    assert_eq!(media.extra(), all.extra);
}

#[test]
fn a_date_that_is_written_with_escapes_is_the_same_in_both_readings() {
    for date in [r"\n2026-01-01", r"2026-01-01\t", r"\u0032026-01-01", r"Fri, 18 Sep 2020\u002014:27:40 GMT", r"\n"] {
        leniently_agree(&format!(r#"{{"media":[{{"id":1,"created_at":"{date}","last_viewed":"{date}"}}]}}"#));
    }
}

#[test]
fn an_ordinary_page_is_read_quickly_and_as_serde_reads_it() {
    assert!(media_agree(PAGE));
    let quick = Media::scan_page(PAGE, "media").unwrap();
    let meta = quick.meta.unwrap();
    assert_eq!((meta.last_page, meta.total_count), (Some(3), Some(104)));
    assert_eq!(quick.items.len(), 4);
    let page = PAGE.replace('\n', "").replace("    ", "").replace(": ", ":").replace(", ", ",");
    assert!(media_agree(&page));
}

#[test]
fn a_page_of_collections_is_read_quickly_and_as_serde_reads_it() {
    let page = r#"{"media": [{"id": 5, "name": null, "type": "user", "permission": "edit", "owner": {"id": 7, "email": "a@b"},
        "created_at": "2020-02-29T23:59:59Z", "course_id": 8, "x": [{}]}, {"id": 6, "course_id": 8.0}]}"#;
    assert!(collections_agree(page));
}

#[test]
fn what_serde_refuses_is_never_read_quickly() {
    for item in [
        "{}",
        r#"{"id": null}"#,
        r#"{"id": "x"}"#,
        r#"{"id": 01}"#,
        r#"{"id": -}"#,
        r#"{"id": 9223372036854775808}"#,
        r#"{"id": 1, "title": "\ud800"}"#,
        r#"{"id": 1, "title": "\x"}"#,
        "{\"id\": 1, \"title\": \"a\nb\"}",
        r#"{"id": 1, "duration": .5}"#,
        r#"{"id": 1, "duration": 5.}"#,
        r#"{"id": 1, "duration": 5e}"#,
        r#"{"id": 1, "duration": NaN}"#,
        r#"{"id": 1, "x": nul}"#,
        r#"{"id": 1, "x": [1,]}"#,
        r#"{"id": 1, "x": {"a": 1,}}"#,
        r#"{"id": 1,}"#,
        r#"{"id": 1"#,
        "{id: 1}",
        "[]",
        "5",
    ] {
        let page = format!(r#"{{"media": [{item}]}}"#);
        assert!(serde_json::from_str::<Wrapped<MediaFields>>(&page).is_err(), "{item}");
        assert!(Media::scan_page(&page, "media").is_err(), "{item}");
    }
    let deep = format!(r#"{{"media": [{{"id": 1, "x": {}{}}}]}}"#, "[".repeat(200), "]".repeat(200));
    assert!(Media::scan_page(&deep, "media").is_err());
}

#[test]
fn what_is_not_as_the_reference_has_it_is_left_to_serde() {
    for item in [
        r#"{"id": "1"}"#,
        r#"{"id": 1.0}"#,
        r#"{"id": 1, "id": 2}"#,
        r#"{"id": 1, "\u0069d": 2}"#,
        r#"{"id": 1, "title": 5}"#,
        r#"{"id": 1, "size": 1.5}"#,
        r#"{"id": 1, "size": "5"}"#,
        r#"{"id": 1, "size": true}"#,
        r#"{"id": 1, "duration": 1e999}"#,
        r#"{"id": 1, "created_at": "yesterday"}"#,
        r#"{"id": 1, "created_at": "2020-02-30T00:00:00Z"}"#,
        r#"{"id": 1, "created_at": "2021-02-29T00:00:00Z"}"#,
        r#"{"id": 1, "created_at": 5}"#,
        r#"{"id": 1, "last_viewed": "2020-13-01"}"#,
        r#"{"id": 1, "owner": {"full_name": "x"}}"#,
        r#"{"id": 1, "owner": []}"#,
        r#"{"id": 1, "owner": {"id": 1, "email": 5}, "collection": {"id": 1, "owner": 5}}"#,
    ] {
        let page = format!(r#"{{"media": [{item}]}}"#);
        assert!(Media::scan_page(&page, "media").is_err(), "{item}");
        let fields = serde_json::from_str::<Wrapped<MediaFields>>(&page).unwrap().media.remove(0);
        let media = serde_json::from_str::<Wrapped<Media>>(&page).unwrap().media.remove(0);
        assert_eq!(media.read_all().unwrap(), fields, "{item}");
        fields_agree(&media);
    }
}

#[test]
fn what_is_written_again_says_the_same() {
    for text in
        [r#"{"id": 1, "a\"b": "\u0001", "x": 1e300, "duration": -0.0}"#, r#"{"id": 1, "size": 5.0, "last_viewed": ""}"#]
    {
        let fields: MediaFields = serde_json::from_str(text).unwrap();
        let media: Media = serde_json::from_str(text).unwrap();
        assert_eq!(media.read_all().unwrap(), fields);
        fields_agree(&media);
    }
    let deep = format!(r#"{{"id": 1, "x": {}{}}}"#, "[".repeat(120), "]".repeat(120));
    let media: Media = serde_json::from_str(&deep).unwrap();
    assert!(media.extra().get("x").is_some_and(Value::is_array));
}

/// Bytes that mean something to JSON, numbers and dates.
const TELLING: &[u8] = b"\"\\{}[],:0123456789.-+eEtrufalsn TZ\x00\x1f\x7f/u";

#[test]
fn however_a_page_is_broken_both_are_of_one_opinion() {
    let mut chance = Chance::new(0x5EED);
    let (mut quick, mut tried) = (0, 0);
    for _ in 0..60_000 {
        let mut bytes = PAGE.as_bytes().to_vec();
        for _ in 0..=chance.below(3) {
            if bytes.is_empty() {
                break;
            }
            let at = chance.below(bytes.len());
            match chance.below(5) {
                0 => bytes[at] = TELLING[chance.below(TELLING.len())],
                1 => bytes.insert(at, TELLING[chance.below(TELLING.len())]),
                2 => drop(bytes.remove(at)),
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let (from, length) = (chance.below(bytes.len()), chance.below(40));
                    let piece: Vec<u8> = bytes.iter().skip(from).take(length).copied().collect();
                    bytes.splice(at..at, piece);
                }
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { continue };
        tried += 1;
        quick += usize::from(media_agree(&text));
    }
    // Some breaks are only in a title, so both kinds must have come up often.
    assert!(quick > tried / 20 && quick < tried / 2, "{quick} of {tried}");
}

#[test]
fn the_place_of_a_text_among_sixteen_bytes_does_not_matter() {
    for length in 0..40 {
        for inside in ["", "\\\"", "\\\\", "ü", "\\u00fc", "\u{7f}"] {
            let title = format!("{}{inside}{}", "a".repeat(length), "b".repeat(length % 7));
            assert!(
                media_agree(&format!(r#"{{"media": [{{"id": 1, "title": "{title}", "embed_id": "x"}}]}}"#)),
                "{title}"
            );
        }
    }
}
