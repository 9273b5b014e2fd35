//! Uploaded files: their bytes up to a bound, and the length and hash of all of them.

use std::fmt::Write as _;

use axum::body::Bytes;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// The largest file whose bytes are kept, and the most bytes of all files together.
const MOST_KEPT: usize = 16 << 20;
const MOST_KEPT_IN_ALL: usize = 256 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredFile {
    pub(crate) size: u64,
    /// SHA-256, in hexadecimal digits.
    pub(crate) sha256: String,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    /// None if there are too many.
    #[serde(default, with = "base64_text")]
    pub(crate) bytes: Option<Bytes>,
}

impl StoredFile {
    /// Drops the bytes if those of all files would be too many.
    pub(crate) fn within(mut self, others: usize) -> Self {
        self.bytes = self.bytes.filter(|bytes| others + bytes.len() <= MOST_KEPT_IN_ALL);
        self
    }

    /// How many bytes are kept.
    pub(crate) fn kept(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }
}

/// A file that is being received.
pub(crate) struct Receiver {
    size: u64,
    hash: Context,
    bytes: Option<Vec<u8>>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self { size: 0, hash: Context::new(&SHA256), bytes: Some(Vec::new()) }
    }

    pub(crate) fn push(&mut self, part: &[u8]) {
        self.size += part.len() as u64;
        self.hash.update(part);
        if let Some(bytes) = self.bytes.as_mut().filter(|bytes| bytes.len() + part.len() <= MOST_KEPT) {
            bytes.extend_from_slice(part);
        } else {
            self.bytes = None;
        }
    }

    pub(crate) fn finish(self, content_type: Option<String>) -> StoredFile {
        let mut sha256 = String::new();
        for byte in self.hash.finish().as_ref() {
            // Writing into a string cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        StoredFile { size: self.size, sha256, content_type, bytes: self.bytes.map(Bytes::from) }
    }
}

/// Bytes as text in a snapshot.
mod base64_text {
    use axum::body::Bytes;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(bytes: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64_STANDARD.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'file, D: Deserializer<'file>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let bytes = text.map(|text| BASE64_STANDARD.decode(text)).transpose().map_err(D::Error::custom)?;
        Ok(bytes.map(Bytes::from))
    }
}
