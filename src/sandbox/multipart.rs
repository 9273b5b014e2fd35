//! Reads what a form with a file sends, as far as one file needs it: RFC 7578, no nesting.

/// A part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part<'body> {
    /// The name of the file on the sender's side; empty if it has none.
    pub(crate) name: &'body str,
    pub(crate) bytes: &'body [u8],
}

/// The part of that name in a body that is `multipart/form-data`.
pub(crate) fn part<'body>(content_type: &str, body: &'body [u8], name: &str) -> Option<Part<'body>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let delimiter = format!("--{}", parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty())?);
    let (_, mut rest) = split(body, delimiter.as_bytes())?;
    let delimiter = format!("\r\n{delimiter}");
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let (inside, next) = split(after, delimiter.as_bytes())?;
        rest = next;
        let (head, bytes) = split(inside, b"\r\n\r\n")?;
        let head = std::str::from_utf8(head).unwrap_or_default();
        let disposition = head.split("\r\n").filter_map(|line| line.split_once(':'));
        let mut disposition = disposition.filter(|(field, _)| field.eq_ignore_ascii_case("content-disposition"));
        let disposition = disposition.next().map_or("", |(_, value)| value);
        if parameter(disposition, "name") == Some(name) {
            let file = parameter(disposition, "filename").or_else(|| parameter(disposition, "filename*"));
            return Some(Part { name: file.unwrap_or_default(), bytes });
        }
    }
    None
}

/// A parameter of a header, without its quotation marks.
fn parameter<'text>(header: &'text str, name: &str) -> Option<&'text str> {
    let mut quoted = false;
    let separates = |letter: char| {
        quoted ^= letter == '"';
        letter == ';' && !quoted
    };
    let mut parameters = header.split(separates).filter_map(|each| each.split_once('='));
    let (_, value) = parameters.find(|(own, _)| own.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

/// What stands before the first occurrence of some bytes, and what after.
fn split<'bytes>(bytes: &'bytes [u8], around: &[u8]) -> Option<(&'bytes [u8], &'bytes [u8])> {
    let place = bytes.windows(around.len()).position(|window| window == around)?;
    let (before, rest) = bytes.split_at_checked(place)?;
    Some((before, rest.get(around.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a;b=c.srt\"\r\nContent-Type: text/srt\r\n\r\n\
        1\r\n\r\n--\r\n--b--\r\n";

    #[test]
    fn a_part_is_found_by_its_name_and_given_as_it_was_sent() {
        let content_type = "multipart/form-data; boundary=\"b\"";
        let found = Part { name: "a;b=c.srt", bytes: b"1\r\n\r\n--" };
        assert_eq!(part(content_type, BODY, "file"), Some(found));
        assert_eq!(part(content_type, BODY, "other"), Some(Part { name: "", bytes: b"x" }));
        assert_eq!(part(content_type, BODY, "none"), None);
    }

    #[test]
    fn an_empty_file_is_a_file() {
        let body = b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n\r\n--b--\r\n";
        assert_eq!(part("multipart/form-data; boundary=b", body, "file"), Some(Part { name: "", bytes: b"" }));
    }

    #[test]
    fn what_is_cut_short_or_something_else_has_no_parts() {
        let content_type = "multipart/form-data; boundary=b";
        for length in 0..BODY.len() - 6 {
            assert_eq!(part(content_type, &BODY[..length], "file"), None, "{length}");
        }
        for content_type in ["", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=b"] {
            assert_eq!(part(content_type, BODY, "file"), None, "{content_type}");
        }
    }
}
