//! The Captions page: the captions of a media, and their files.

use bytes::Bytes;

use super::answer::{Answer, DecodeError, Locator, is_html, text_of_body};
use super::check::{self, InvalidArgument};
use super::item::Page;
use super::models::Caption;
use super::multipart::{File, FileContent, Multipart};
use super::request::{Call, Request};
use super::subtitles;

/// The name of the part of a body that holds a caption file. Documented.
const FIELD: &str = "caption_file";

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

/// A request that adds captions, and what to tell the user about the file.
#[derive(Debug, Clone)]
pub struct Addition {
    pub request: Request<Caption>,
    pub warnings: Vec<String>,
}

/// Adds a caption to a media: the content of a file with this name.
pub fn add(media_id: i64, name: String, bytes: &Bytes, srclang: &str) -> Result<Addition, InvalidArgument> {
    let id = check::id("media_id", media_id)?;
    check::language("srclang", srclang)?;
    if name.chars().any(char::is_control) {
        return Err(InvalidArgument::new(
            "file",
            format!("has a name with a control character: {:?}", check::cut(&name)),
        ));
    }
    let subtitles = subtitles::read(&name, bytes, srclang)?;
    let file = File {
        field: FIELD.to_owned(),
        name,
        media_type: subtitles.media_type.to_owned(),
        content: FileContent::Bytes(subtitles.bytes),
    };
    // `srclang` is documented as a parameter of the query.
    let call = Call::post("add_caption", format!("/media/{id}/caption_files")).query("srclang", srclang);
    let request = call.multipart(Multipart::new(Vec::new(), vec![file])?).at_key(FIELD);
    Ok(Addition { request, warnings: subtitles.warnings })
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
        check_is_caption(&text).map(|()| answer.body.clone())
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
    check_is_caption(text)?;
    if text.contains('\0') {
        return Err(DecodeError::new("it contains zero bytes: it is a binary file, or UTF-16 without a charset"));
    }
    Ok(text.to_owned())
}

/// Refuses JSON and HTML, under whatever label they come. No format of captions begins like them; an empty caption is one.
fn check_is_caption(text: &str) -> Result<(), DecodeError> {
    let instead = |what: &str| Err(DecodeError::new(format!("{what} came back instead of captions")));
    if is_html(after_prolog(text)) {
        return instead("an HTML page");
    }
    if begins_like_json(text) { instead("JSON") } else { Ok(()) }
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
        ] {
            assert!(check_is_caption(page).is_err(), "{page}");
        }
        for caption in
            ["", "\n", "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}Hi", "WEBVTT", "[music]", "{0}{25}Hi", "<!--"]
        {
            assert!(check_is_caption(caption).is_ok(), "{caption}");
        }
    }
}
