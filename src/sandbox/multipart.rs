//! Reads a file from a multipart body.

use axum::body::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::Multipart;

/// A file, and its file name; empty if it has none.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

/// Reads the part of this name from a `multipart/form-data` body.
pub(crate) async fn file(headers: &HeaderMap, body: &[u8], name: &str) -> Option<File> {
    let boundary = multer::parse_boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?).ok()?;
    let mut parts = Multipart::with_reader(body, boundary);
    while let Some(part) = parts.next_field().await.ok()? {
        if part.name() == Some(name) {
            let name = part.file_name().unwrap_or_default().to_owned();
            return Some(File { name, bytes: part.bytes().await.ok()? });
        }
    }
    None
}
