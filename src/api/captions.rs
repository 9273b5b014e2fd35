//! The Captions page: the captions of a media, and their files.

use bytes::Bytes;

use super::answer::{Answer, DecodeError, Locator, is_html, media_type_and_charset, text_of_body};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::Caption;
use super::multipart::Multipart;
use super::request::{Call, Request};
use super::subtitles;

/// The name of the part of a body that holds a caption file. Documented.
pub(super) const FIELD: &str = "caption_file";

/// Meanings of a status for the file of a caption. That of 403 is observed.
const FILE_MEANINGS: &[(u16, &str)] = &[
    (403, "only the owner of a media or an administrator may download its captions"),
    (404, "there is no such caption: check that it is the id of a caption, not that of its media"),
];

/// Lists the captions of a media. The page shows no paging.
pub fn list(media_id: i64) -> Result<Request<Page<Caption>>, InvalidArgument> {
    let id = check::id("media_id", media_id)?;
    Ok(Call::get("list_captions", format!("/media/{id}/caption_files")).page("caption_files"))
}

/// A request that sends a file of captions, and what to tell the user about the file.
#[derive(Debug, Clone)]
pub struct WithWarnings<T> {
    pub request: Request<T>,
    pub warnings: Vec<String>,
}

/// Adds a caption to a media: a file, by its name and its content.
pub fn add(
    media_id: i64,
    (name, bytes): (String, Bytes),
    srclang: &str,
) -> Result<WithWarnings<Caption>, InvalidArgument> {
    let id = check::id("media_id", media_id)?;
    check::language("srclang", srclang)?;
    let (file, warnings) = subtitles::read(name, &bytes, srclang)?.into_file(FIELD);
    // `srclang` is documented as a parameter of the query.
    let call = Call::post("add_caption", format!("/media/{id}/caption_files")).query("srclang", srclang);
    let request = call.multipart(Multipart::new(Vec::new(), vec![file])?).at_key(FIELD);
    Ok(WithWarnings { request, warnings })
}

/// Gets the text of a caption.
pub fn text(id: i64) -> Result<Request<String>, InvalidArgument> {
    Ok(file("get_caption_text", id)?.custom(caption_text))
}

/// Gets the file of a caption, byte for byte.
pub fn download(id: i64) -> Result<Request<Bytes>, InvalidArgument> {
    Ok(file("download_caption", id)?.unchanged().custom(|_, answer| {
        // In UTF-16, a zero stands beside each sign of JSON and HTML; its byte order mark is not UTF-8.
        let is_sign = |sign: &char| !['\0', '\u{feff}', char::REPLACEMENT_CHARACTER].contains(sign);
        let text: String = String::from_utf8_lossy(&answer.body).chars().filter(is_sign).collect();
        check_is_caption(&answer.content_type, &text).map(|()| answer.body.clone())
    }))
}

/// The file of a caption. The `url` of a caption may lead to JSON; this path does not. Observed.
fn file(operation: &'static str, id: i64) -> Result<Call, InvalidArgument> {
    let id = check::id("id", id)?;
    Ok(Call::get(operation, format!("/caption_files/{id}/download")).accept("*/*").meaning(FILE_MEANINGS))
}

fn caption_text(_: &Locator, answer: &Answer) -> Result<String, DecodeError> {
    let text = text_of_body(answer).map_err(|mut error| {
        error.problem.push_str("; download_caption() saves it as it is");
        error
    })?;
    check_is_caption(&answer.content_type, text)?;
    if text.contains('\0') {
        return Err(DecodeError::new("it contains zero bytes: it is a binary file, or UTF-16 without a charset"));
    }
    Ok(text.to_owned())
}

/// How texts begin that are no captions, in lower case, and what they are. No format of captions begins like them.
const OTHERS: [(&str, &str); 7] = [
    ("%pdf-", "a PDF file"),
    ("<?xml", "an XML document"),
    ("<error>", "an XML document"),
    ("<head", "an HTML page"),
    ("<body", "an HTML page"),
    ("<script", "an HTML page"),
    ("<div", "an HTML page"),
];

/// Refuses JSON, HTML, XML and PDF: by how they begin, under whatever label they come, and by their label, unless they
/// begin like one of the two formats that Studio takes. An empty caption is one.
fn check_is_caption(content_type: &str, text: &str) -> Result<(), DecodeError> {
    let instead = |what: &str| Err(DecodeError::new(format!("{what} came back instead of captions")));
    let start = text.trim_start();
    if start.is_empty() || begins_like_captions(start) {
        return Ok(());
    }
    if is_html(after_prolog(text)) {
        return instead("an HTML page");
    }
    if begins_like_json(text) {
        return instead("JSON");
    }
    let begins_with = |other: &str| start.get(..other.len()).is_some_and(|start| start.eq_ignore_ascii_case(other));
    if let Some((_, what)) = OTHERS.iter().find(|(other, _)| begins_with(other)) {
        return instead(what);
    }
    let (media_type, _) = media_type_and_charset(content_type);
    match media_type.as_str() {
        json if json.ends_with("json") => instead("JSON"),
        html if html.ends_with("html") || html.ends_with("xhtml+xml") => instead("an HTML page"),
        xml if xml.ends_with("xml") => instead("an XML document"),
        _ => Ok(()),
    }
}

/// Whether a text begins like WebVTT or SubRip.
fn begins_like_captions(start: &str) -> bool {
    let mut lines = start.lines().map(str::trim);
    let is_number = |line: &str| line.bytes().all(|byte| byte.is_ascii_digit());
    let first = lines.next().unwrap_or_default();
    let time = if is_number(first) { lines.find(|line| !line.is_empty()).unwrap_or_default() } else { first };
    start.starts_with("WEBVTT") || (time.contains("-->") && time.starts_with(|sign: char| sign.is_ascii_digit()))
}

/// What follows the XML declaration and the comments at the beginning of a page.
fn after_prolog(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let rest = match text {
            comment if comment.starts_with("<!--") => comment.split_once("-->"),
            declaration if declaration.starts_with("<?") => declaration.split_once("?>"),
            _ => None,
        };
        match rest {
            Some((_, rest)) => text = rest,
            None => return text,
        }
    }
}

/// Whether a text begins with `{"`, `{}`, `[{`, `["` or `[]`. A caption may begin with `[music]`.
fn begins_like_json(text: &str) -> bool {
    let mut signs = text.chars().filter(|sign| !sign.is_whitespace());
    matches!((signs.next(), signs.next()), (Some('{'), Some('"' | '}')) | (Some('['), Some('{' | '"' | ']')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_html_are_no_captions_however_they_begin() {
        for page in [
            "{\"error\": \"Not found\"}",
            " \r\n{ \"caption_file\": {}}",
            "{}",
            "[{\"id\": 1}]",
            "[]",
            "<!DOCTYPE html><title>Sign in</title>",
            "<html lang=en>",
            "<?xml version=\"1.0\"?>\n<!-- 1 --> <!-- --><!doctype HTML>",
            "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>",
            "<Error><Code>NoSuchKey</Code></Error>",
            " <div class=page>",
            "<SCRIPT>",
            "<head>",
            "%PDF-1.7",
        ] {
            assert!(check_is_caption("text/plain", page).is_err(), "{page}");
        }
        for caption in
            ["", "\n", "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}Hi", "WEBVTT", "[music]", "{0}{25}Hi", "<!--"]
        {
            assert!(check_is_caption("text/plain", caption).is_ok(), "{caption}");
        }
    }

    #[test]
    fn what_is_labelled_as_something_else_is_a_caption_only_if_it_begins_like_one() {
        for content_type in ["application/json", "application/problem+json", "text/html; charset=utf-8", "text/xml"] {
            for other in ["null", "\"error\"", "404", "<p>Sorry", "Sorry", "12\nSorry"] {
                assert!(check_is_caption(content_type, other).is_err(), "{content_type} {other}");
            }
            for caption in ["", "WEBVTT\n", "7\r\n00:00:01,000 --> 00:00:02,000\r\nHi", "\n00:01.000 --> 00:02.000\nHi"]
            {
                assert!(check_is_caption(content_type, caption).is_ok(), "{content_type} {caption}");
            }
        }
    }
}
