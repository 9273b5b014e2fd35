//! What stands in `NAME.part.json` beside an unfinished download: which file it is, and of which version.
//!
//! It is written while the `.part` is empty and never changed afterwards, so it never claims more than is there: how far the
//! download has come is the length of the `.part`.

use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::ranges::{Known, Version};
use crate::files;

/// Another number means another meaning: such a file is not continued.
const FORMAT: u32 = 1;
/// A longer file is none of ours.
const LONGEST: u64 = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartRecord {
    format: u32,
    /// The school's host and the path that were asked. The signed URL is not kept.
    source: String,
    /// The length of the whole file, if the host has said it.
    length: Option<u64>,
    version: Version,
    /// With which the file started.
    pub(super) content_type: String,
}

impl PartRecord {
    /// What a later process needs; `None` if it could not tell whether it gets the same version of the file.
    pub(super) fn new(source: &str, known: &Known, content_type: &str) -> Option<Self> {
        known.version.has_strong_tag().then(|| Self {
            format: FORMAT,
            source: source.to_owned(),
            length: known.total,
            version: known.version.clone(),
            content_type: content_type.to_owned(),
        })
    }

    /// Reads the record of this source. One that is damaged, of another source, or somebody else's, is none.
    pub(super) fn read(path: &Path, source: &str) -> Option<Self> {
        Self::parse(&files::read_short_of_owner(path, LONGEST).ok()?, source)
    }

    fn parse(text: &[u8], source: &str) -> Option<Self> {
        let record: Self = serde_json::from_slice(text).ok()?;
        (record.format == FORMAT && record.source == source && record.version.has_strong_tag()).then_some(record)
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        files::write_private(path, &serde_json::to_vec(self)?)
    }

    /// What is known of a file of which so many bytes are there. The last byte is always asked for, so that the host says
    /// whether the version is the same.
    pub(super) fn known(&self, there: u64) -> Option<Known> {
        let length = match self.length {
            Some(total) if there > total => return None,
            Some(total) => there.min(total.saturating_sub(1)),
            None => there,
        };
        let version = self.version.clone();
        (length > 0).then_some(Known { length, total: self.length, version, is_unconfirmed: true })
    }
}

/// Removes the record, if there is one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "myschool.instructuremedia.com/api/public/v1/media/42/download";

    fn record(etag: &str, length: Option<u64>) -> Option<PartRecord> {
        let known = Known { total: length, version: Version::with_tag(etag), ..Known::default() };
        PartRecord::new(SOURCE, &known, "video/mp4")
    }

    #[test]
    fn only_a_strong_tag_makes_a_record() {
        assert!(record("\"1\"", Some(9)).is_some());
        for etag in ["W/\"1\"", "1", "", "\"", "\"\u{fc}\"", "\"a\nb\"", "\"a\"b\""] {
            assert!(record(etag, Some(9)).is_none(), "{etag:?}");
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_a_damaged_or_foreign_one_is_none() {
        let record = record("\"1\"", Some(9)).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(PartRecord::parse(text.as_bytes(), SOURCE), Some(record));
        assert_eq!(
            PartRecord::parse(text.as_bytes(), "myschool.instructuremedia.com/api/public/v1/media/43/download"),
            None
        );
        for end in 0..text.len() {
            assert_eq!(PartRecord::parse(&text.as_bytes()[..end], SOURCE), None, "{end}");
        }
        for (from, to) in [
            ("\"format\":1", "\"format\":2"),
            ("\"format\":1", "\"format\":1,\"other\":1"),
            ("\\\"1\\\"", "W/\\\"1\\\""),
            ("\\\"1\\\"", "\\\"1\\r\\nX: y\\\""),
            ("\"length\":9", "\"length\":-9"),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(PartRecord::parse(text.replace(from, to).as_bytes(), SOURCE), None, "{to}");
        }
    }

    #[test]
    fn what_is_there_decides_how_far_the_download_has_come() {
        let length = |total, there| record("\"1\"", total).unwrap().known(there).map(|known| known.length);
        assert_eq!(length(Some(9), 4), Some(4));
        assert_eq!(length(Some(9), 8), Some(8));
        // The last byte is asked for again.
        assert_eq!(length(Some(9), 9), Some(8));
        assert_eq!(length(Some(9), 10), None);
        assert_eq!(length(Some(9), 0), None);
        assert_eq!(length(Some(1), 1), None);
        assert_eq!(length(Some(0), 0), None);
        assert_eq!(length(None, 10), Some(10));
    }
}
