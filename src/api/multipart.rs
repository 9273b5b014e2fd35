//! A `multipart/form-data` body as a value (RFC 7578): its fields, its files, and what stands before each of them.

use std::path::PathBuf;

use bytes::Bytes;

use super::check::{InvalidArgument, cut};

/// The media type of a file that is given without one.
pub const ANY_TYPE: &str = "application/octet-stream";

/// A file of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name of the field.
    pub field: String,
    /// The name of the file, as the server sees it.
    pub name: String,
    pub media_type: String,
    pub content: FileContent,
}

#[derive(Clone, PartialEq, Eq)]
pub enum FileContent {
    /// A file on the disk, opened anew for each attempt.
    Path(PathBuf),
    Bytes(Bytes),
}

/// A body of fields and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    fields: Vec<(String, String)>,
    files: Vec<File>,
}

/// A stretch of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Bytes(Bytes),
    /// The whole content of a file.
    File(PathBuf),
}

impl Multipart {
    /// Checks the media types: each becomes part of a header.
    pub fn new(fields: Vec<(String, String)>, files: Vec<File>) -> Result<Self, InvalidArgument> {
        for file in &files {
            let is_type =
                file.media_type.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
            if !is_type || !file.media_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                let expected = format!("must have a media type such as \"text/vtt\", not {:?}", cut(&file.media_type));
                return Err(InvalidArgument::new(format!("files[{:?}]", cut(&file.field)), expected));
            }
        }
        // 128 random bits, so that no content holds them.
        let boundary = format!("canvas-studio-{:032x}", fastrand::u128(..));
        Ok(Self { boundary, fields, files })
    }

    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The body, piece by piece.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let open =
            |field: &str| format!("--{}\r\nContent-Disposition: form-data; name=\"{}\"", self.boundary, quoted(field));
        for (field, value) in &self.fields {
            text = text + &open(field) + "\r\n\r\n" + value + "\r\n";
        }
        for file in &self.files {
            let (name, media_type) = (quoted(&file.name), &file.media_type);
            text =
                text + &open(&file.field) + "; filename=\"" + &name + "\"\r\nContent-Type: " + media_type + "\r\n\r\n";
            pieces.push(Piece::Bytes(std::mem::take(&mut text).into()));
            pieces.push(match &file.content {
                FileContent::Path(path) => Piece::File(path.clone()),
                FileContent::Bytes(bytes) => Piece::Bytes(bytes.clone()),
            });
            text += "\r\n";
        }
        text = text + "--" + &self.boundary + "--\r\n";
        pieces.push(Piece::Bytes(text.into()));
        pieces
    }

    /// The names of the fields and files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name).chain(self.files.iter().map(|file| &file.field)).map(String::as_str)
    }
}

/// A name between quotes, in UTF-8, as RFC 7578 has it. What would end it is percent-encoded, as browsers do (WHATWG).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Without the content.
impl std::fmt::Debug for FileContent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "{}", path.display()),
            Self::Bytes(bytes) => write!(formatter, "{} bytes", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, media_type: &str, content: FileContent) -> File {
        File { field: "caption_file".into(), name: name.into(), media_type: media_type.into(), content }
    }

    #[test]
    fn fields_come_before_files_and_each_part_says_what_it_is() {
        let files = vec![
            file("a.vtt", "text/vtt", FileContent::Bytes(Bytes::from_static(b"WEBVTT"))),
            file("b.vtt", ANY_TYPE, FileContent::Path("/tmp/b.vtt".into())),
        ];
        let body = Multipart::new(vec![("status".into(), "done".into())], files).unwrap();
        let mut text = String::new();
        for piece in body.pieces() {
            match piece {
                Piece::Bytes(bytes) => text += str::from_utf8(&bytes).unwrap(),
                Piece::File(path) => text = text + "<" + path.to_str().unwrap() + ">",
            }
        }
        let expected = "--#\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\ndone\r\n\
             --#\r\nContent-Disposition: form-data; name=\"caption_file\"; filename=\"a.vtt\"\r\n\
             Content-Type: text/vtt\r\n\r\nWEBVTT\r\n\
             --#\r\nContent-Disposition: form-data; name=\"caption_file\"; filename=\"b.vtt\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n</tmp/b.vtt>\r\n--#--\r\n";
        assert_eq!(text, expected.replace('#', &body.boundary));
        assert_eq!(body.content_type(), format!("multipart/form-data; boundary={}", body.boundary));
    }

    #[test]
    fn a_name_is_utf_8_between_quotes_and_cannot_end_its_header() {
        assert_eq!(quoted("Übung \"1\"\r\n講義\\.srt"), "Übung %221%22%0D%0A講義\\.srt");
    }

    #[test]
    fn a_media_type_that_cannot_be_a_header_is_refused() {
        for wrong in ["", "text", "text/", "/vtt", "text/vtt\r\nX: y", "text/vtt\0", "text/ü"] {
            let content = FileContent::Bytes(Bytes::new());
            let refusal = Multipart::new(Vec::new(), vec![file("a", wrong, content)]).unwrap_err();
            assert_eq!(refusal.argument, "files[\"caption_file\"]");
        }
    }

    #[test]
    fn two_bodies_have_two_boundaries() {
        let body = || Multipart::new(Vec::new(), Vec::new()).unwrap().boundary;
        assert_ne!(body(), body());
    }
}
