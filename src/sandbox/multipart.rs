//! A file that came in a body of several parts.

use axum::body::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::Multipart;

/// A file, and what it is called on the sender's side; empty if it has no name.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

/// The part of that name in a body that is `multipart/form-data`.
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
