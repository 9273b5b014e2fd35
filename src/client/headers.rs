//! Reads headers of an answer, whatever bytes they contain.

use http::header::{self, HeaderMap};
use percent_encoding::{CONTROLS, percent_encode};
use url::Url;

use crate::api::answer::text_of;
use crate::api::{Call, Target};

/// A header as text.
pub(super) fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(text_of)
}

/// The server's id of a request, under any of its usual names. Which one Studio sends is unknown; Canvas sends
/// `x-request-context-id`, Amazon's storage and its CDN the last two.
const REQUEST_IDS: [&str; 4] = ["x-request-id", "x-request-context-id", "x-amzn-requestid", "x-amz-cf-id"];

/// The server's id of a request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    REQUEST_IDS.iter().find_map(|name| header_text(headers, name).filter(|id| !id.is_empty()))
}

/// The target of a redirect. Bytes that are not allowed in a URL are percent-encoded, as browsers do.
pub(super) fn location(response: &reqwest::Response) -> Option<Url> {
    let location = response.headers().get(header::LOCATION)?;
    let location = percent_encode(location.as_bytes(), CONTROLS).to_string();
    response.url().join(&location).ok().filter(|_| response.status().is_redirection())
}

/// Whether a redirect leads to the same path on another host: then it is the whole Studio that has moved, and not the
/// requested file.
pub(super) fn is_of_a_move(call: &Call, response: &reqwest::Response) -> bool {
    matches!(call.target, Target::Studio(_))
        && location(response).is_some_and(|location| {
            location.origin() != response.url().origin() && location.path() == response.url().path()
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_location_that_is_not_ascii_is_percent_encoded_byte_by_byte() {
        for (location, expected) in [
            ("https://x.example/Übung 1.mp4?s=ü".as_bytes(), "https://x.example/%C3%9Cbung%201.mp4?s=%C3%BC"),
            (b"https://x.example/\xdcbung.mp4", "https://x.example/%DCbung.mp4"),
            ("/講義%20ü".as_bytes(), "http://no.url.provided.local/%E8%AC%9B%E7%BE%A9%20%C3%BC"),
            ("https://übung.example/".as_bytes(), "https://xn--bung-zra.example/"),
        ] {
            let response = http::Response::builder().status(302).header(header::LOCATION, location).body("").unwrap();
            let found = super::location(&reqwest::Response::from(response)).unwrap();
            assert_eq!(found.as_str(), expected);
        }
    }

    #[test]
    fn a_header_that_is_not_ascii_is_read_as_utf_8_or_latin_1() {
        for (value, expected) in [("Ü".as_bytes(), "Ü"), (b"\xdc", "Ü"), (b"plain", "plain")] {
            let headers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_bytes(value).unwrap())]);
            assert_eq!(header_text(&headers, "etag").as_deref(), Some(expected));
        }
    }
}
