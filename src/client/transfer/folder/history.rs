//! What a journal of uploads says: its lines, and what is known of a file by them.
//!
//! The journal is JSON Lines. The first line has the version and the school; each further line is one step of one upload.
//! Lines are only ever added, and each is on the disk before the next step is taken. So a crash can damage the last line
//! alone, and what that line said can be found out again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hash::hexadecimal;

/// The version of the journals that this one writes, and the latest that it can read.
const VERSION: u64 = 1;
/// The key of the version, by which a journal is told from other files.
const VERSION_KEY: &str = "canvas_studio_uploads";

/// How far an upload has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Studio has given an id and a URL. The file is not there.
    Created,
    /// The storage host has the whole file. Studio may have been told so.
    Sent,
    /// Studio has the media.
    Completed,
    /// A caption is being added to the media. It may be there.
    Captioning,
    /// The media has its caption.
    Captioned,
}

/// By what a file is known: its path relative to the folder, and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKey {
    pub path: PathBuf,
    /// In hexadecimal digits.
    pub sha256: String,
    pub size: u64,
}

/// An id that Studio gave for a file, and how far its upload has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub media_id: i64,
    pub file: FileKey,
    pub collection_id: Option<i64>,
    pub user_id: Option<i64>,
    /// None if an older version wrote the line.
    pub title: Option<String>,
    pub description: Option<String>,
    /// The caption that is being added, or was.
    pub caption: Option<CaptionKey>,
    pub step: Step,
}

/// By what a caption is known: its language, and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptionKey {
    pub srclang: String,
    /// In hexadecimal digits.
    pub sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    canvas_studio_uploads: u64,
    url: String,
}

/// A line. It repeats what earlier ones said of the file, so that each can be read alone.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    step: Step,
    media_id: i64,
    path: String,
    /// The bytes of a path that is not UTF-8, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    sha256: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collection_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    caption: Option<CaptionKey>,
    /// When, for people who read it.
    #[serde(default)]
    at: String,
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("is not a journal of uploads: choose another path")]
    NotAJournal,
    #[error("is the journal of uploads to {0}, not to this client's school: choose another path")]
    OtherSchool(String),
    #[error("was written by a newer version of canvas-studio (its journals have version {0}): upgrade canvas-studio")]
    Newer(u64),
    #[error("is damaged in line {0}: {1}. Restore a copy; without the journal, files would be uploaded again")]
    Damaged(usize, String),
}

/// What a journal says.
#[derive(Debug, Default)]
pub struct History {
    /// In the order in which they were created.
    slots: Vec<Slot>,
    by_id: HashMap<i64, usize>,
    by_content: HashMap<String, Vec<usize>>,
}

/// A journal that was read.
#[derive(Debug)]
pub struct Read {
    pub history: History,
    /// How many bytes of it are whole lines; what follows was never finished.
    pub length: usize,
    /// Whether the last line lacks its end, which somebody's editor may have taken away.
    pub lacks_end: bool,
}

/// The first line.
pub(super) fn header(url: &str) -> String {
    line_of(&Header { canvas_studio_uploads: VERSION, url: url.to_owned() })
}

/// The line of a step that was taken now.
pub(super) fn line(slot: &Slot) -> String {
    let (path, path_bytes) = as_text(&slot.file.path);
    line_of(&Line {
        step: slot.step,
        media_id: slot.media_id,
        path,
        path_bytes,
        sha256: slot.file.sha256.clone(),
        size: slot.file.size,
        collection_id: slot.collection_id,
        user_id: slot.user_id,
        title: slot.title.clone(),
        description: slot.description.clone(),
        caption: slot.caption.clone(),
        at: Timestamp::now().to_string(),
    })
}

fn line_of(value: &impl Serialize) -> String {
    // Structures of texts and numbers are always JSON.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

impl History {
    /// Reads a journal of this school.
    pub fn read(bytes: &[u8], url: &str) -> Result<Read, Unusable> {
        let expected = header(url);
        let mut read = Read { history: Self::default(), length: 0, lacks_end: false };
        let Some(first) = bytes.split(|byte| *byte == b'\n').next().filter(|first| first.len() < bytes.len()) else {
            // Not even the first line was finished: its start, or what a file system leaves of it after a power cut.
            let is_unfinished = expected.as_bytes().starts_with(bytes) || bytes.iter().all(|byte| *byte == 0);
            return if is_unfinished { Ok(read) } else { Err(Unusable::NotAJournal) };
        };
        check_header(first, url)?;
        read.length = first.len() + 1;
        let mut number = 1;
        while let Some(rest) = bytes.get(read.length..).filter(|rest| !rest.is_empty()) {
            number += 1;
            let end = rest.iter().position(|byte| *byte == b'\n');
            let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let is_last = end.is_none_or(|end| end + 1 == rest.len());
            match serde_json::from_slice::<Line>(text).map_err(|problem| (problem.is_data(), problem.to_string())) {
                Ok(line) => {
                    let slot = line.slot().map_err(|problem| Unusable::Damaged(number, problem))?;
                    read.history.note(slot);
                }
                // Only the last line can have been cut off, and a part of an object is never JSON.
                Err((false, _)) if is_last => return Ok(read),
                Err((_, problem)) => return Err(Unusable::Damaged(number, problem)),
            }
            read.length += end.map_or(text.len(), |end| end + 1);
            read.lacks_end = end.is_none();
        }
        Ok(read)
    }

    /// Adds a step.
    pub fn note(&mut self, slot: Slot) {
        if let Some(known) = self.by_id.get(&slot.media_id).and_then(|index| self.slots.get_mut(*index)) {
            known.step = known.step.max(slot.step);
            if slot.title.is_some() {
                (known.title, known.description) = (slot.title, slot.description);
            }
            known.caption = slot.caption.or_else(|| known.caption.take());
            return;
        }
        let index = self.slots.len();
        self.by_id.insert(slot.media_id, index);
        self.by_content.entry(slot.file.sha256.clone()).or_default().push(index);
        self.slots.push(slot);
    }

    /// The upload of a content that must be taken up: one that is completed or, if there is none, the last one, if its
    /// file was sent.
    pub fn of_content(&self, sha256: &str) -> Option<&Slot> {
        let mut slots = self.by_content.get(sha256)?.iter().filter_map(|index| self.slots.get(*index));
        let last = slots.clone().next_back();
        slots.find(|slot| slot.step >= Step::Completed).or(last.filter(|slot| slot.step == Step::Sent))
    }

    /// The upload of a media.
    pub(super) fn of_media(&self, media_id: i64) -> Option<&Slot> {
        self.by_id.get(&media_id).and_then(|index| self.slots.get(*index))
    }

    /// The last completed upload of a path, if its content was another one.
    pub fn before(&self, file: &FileKey) -> Option<&Slot> {
        let is_completed = |slot: &&Slot| slot.step >= Step::Completed && slot.file.path == file.path;
        self.slots.iter().rev().find(is_completed).filter(|slot| slot.file.sha256 != file.sha256)
    }

    /// The uploads that were never completed, as far as is known.
    pub fn unfinished(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.step < Step::Completed)
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

fn check_header(first: &[u8], url: &str) -> Result<(), Unusable> {
    let first: Value = serde_json::from_slice(first).map_err(|_| Unusable::NotAJournal)?;
    let version = first.get(VERSION_KEY).and_then(Value::as_u64).ok_or(Unusable::NotAJournal)?;
    if version > VERSION {
        return Err(Unusable::Newer(version));
    }
    let header: Header = serde_json::from_value(first).map_err(|_| Unusable::NotAJournal)?;
    if header.url == url { Ok(()) } else { Err(Unusable::OtherSchool(header.url)) }
}

impl Line {
    fn slot(self) -> Result<Slot, String> {
        if self.media_id < 1 {
            return Err(format!("{} is no id of a media", self.media_id));
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("its sha256 has not 64 hexadecimal digits".to_owned());
        }
        let path = from_text(self.path, self.path_bytes.as_deref());
        Ok(Slot {
            media_id: self.media_id,
            file: FileKey { path, sha256: self.sha256, size: self.size },
            collection_id: self.collection_id,
            user_id: self.user_id,
            title: self.title,
            description: self.description,
            caption: self.caption,
            step: self.step,
        })
    }
}

/// A path as it stands in the journal, with `/` between its parts on every system.
pub(super) fn as_text(path: &Path) -> (String, Option<String>) {
    let shown = path.to_string_lossy();
    let shown = if cfg!(windows) { shown.replace('\\', "/") } else { shown.into_owned() };
    (shown, path.to_str().is_none().then(|| bytes_of(path)))
}

fn from_text(path: String, bytes: Option<&str>) -> PathBuf {
    match bytes.and_then(path_of) {
        Some(path) => path,
        None if cfg!(windows) => path.replace('/', "\\").into(),
        None => path.into(),
    }
}

fn bytes_of(path: &Path) -> String {
    hexadecimal(path.as_os_str().as_encoded_bytes())
}

/// A path from its bytes. Only Unix has paths that are bytes.
#[cfg(unix)]
fn path_of(digits: &str) -> Option<PathBuf> {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let pairs = digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    Some(OsString::from_vec(pairs.collect::<Option<_>>()?).into())
}

#[cfg(not(unix))]
fn path_of(_: &str) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://myschool.instructuremedia.com";

    fn slot(media_id: i64, path: &str, content: char, step: Step) -> Slot {
        let file = FileKey { path: path.into(), sha256: content.to_string().repeat(64), size: 7 };
        let (title, description) = (Some("Mitosis".to_owned()), None);
        Slot { media_id, file, collection_id: Some(3), user_id: None, title, description, caption: None, step }
    }

    fn written(slots: &[Slot]) -> String {
        header(URL) + &slots.iter().map(line).collect::<String>()
    }

    fn read(text: &str) -> Result<Read, Unusable> {
        History::read(text.as_bytes(), URL)
    }

    #[test]
    fn what_was_written_is_read_and_each_line_says_everything_but_secrets() {
        let slots = [slot(7, "Week 1/ü \u{1f3ac}.mp4", 'a', Step::Created), slot(8, "b.mp4", 'b', Step::Captioned)];
        let text = written(&slots);
        let found = read(&text).unwrap();
        assert_eq!(found.history.slots(), slots);
        assert_eq!((found.length, found.lacks_end), (text.len(), false));
        assert_eq!(text.lines().next().unwrap(), format!(r#"{{"canvas_studio_uploads":1,"url":"{URL}"}}"#));
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with(r#"{"step":"created","media_id":7,"path":"Week 1/ü 🎬.mp4","sha256":"aaa"#), "{line}");
    }

    #[test]
    fn a_later_line_changes_title_and_caption_and_a_line_of_an_older_version_changes_nothing() {
        let caption = CaptionKey { srclang: "en".to_owned(), sha256: "c".repeat(64) };
        let captioned = Slot { caption: Some(caption), ..slot(7, "a.mp4", 'a', Step::Captioned) };
        let title = Some("Cells".to_owned());
        let renamed = Slot { title, ..slot(7, "a.mp4", 'a', Step::Completed) };
        let older = Slot { title: None, ..slot(7, "a.mp4", 'a', Step::Sent) };
        let text = written(&[older.clone(), captioned.clone(), renamed.clone(), older.clone()]);
        assert_eq!(read(&text).unwrap().history.slots(), [Slot { title: renamed.title, ..captioned }]);
        assert!(!line(&older).contains("title") && !line(&older).contains("caption"));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_is_kept() {
        use std::os::unix::ffi::OsStringExt;

        let path = PathBuf::from(std::ffi::OsString::from_vec(b"caf\xe9/x.mp4".to_vec()));
        let mut odd = slot(7, "", 'a', Step::Sent);
        odd.file.path = path;
        assert_eq!(read(&written(std::slice::from_ref(&odd))).unwrap().history.slots(), [odd]);
    }

    #[test]
    fn a_last_line_that_was_cut_off_anywhere_is_dropped_and_the_lines_before_it_stay() {
        let before = written(&[slot(7, "a.mp4", 'a', Step::Completed)]);
        let last = line(&slot(8, "b.mp4", 'b', Step::Created));
        for cut in 0..last.len() - 1 {
            let found = read(&format!("{before}{}", &last[..cut])).unwrap();
            assert_eq!((found.history.slots().len(), found.length), (1, before.len()), "{cut}");
        }
        let zeros = [before.as_bytes(), &vec![0; last.len()]].concat();
        assert_eq!(History::read(&zeros, URL).unwrap().length, before.len());
        // Somebody's editor took the end of the last line away.
        let text = before.clone() + last.trim_end();
        let found = read(&text).unwrap();
        assert_eq!((found.history.slots().len(), found.length, found.lacks_end), (2, text.len(), true));
    }

    #[test]
    fn a_first_line_that_was_cut_off_begins_anew_and_another_file_is_left_alone() {
        let first = header(URL);
        for cut in 0..first.len() {
            assert_eq!(read(&first[..cut]).unwrap().length, 0, "{cut}");
        }
        assert_eq!(read("\0\0\0").unwrap().length, 0);
        for other in
            ["thesis", "thesis\n", "{}\n", "[]\n", "{\"canvas_studio_uploads\":\"x\"}\n", "\n", "video,owner\n"]
        {
            assert_eq!(read(other).unwrap_err(), Unusable::NotAJournal, "{other}");
        }
    }

    #[test]
    fn a_journal_of_another_school_a_newer_one_and_a_damaged_one_are_refused() {
        let other = "https://other.instructuremedia.com";
        assert_eq!(read(&header(other)).unwrap_err(), Unusable::OtherSchool(other.to_owned()));
        assert_eq!(read("{\"canvas_studio_uploads\":2}\n").unwrap_err(), Unusable::Newer(2));
        let good = line(&slot(7, "a.mp4", 'a', Step::Sent));
        for (bad, part) in [
            ("{\n", "EOF"),
            ("\n", "EOF"),
            (r#"{"step":"eaten"}"#, "eaten"),
            (&good.replace("\"media_id\":7", "\"media_id\":0"), "0 is no id"),
            (&good.replace("aaaa", "AAAA"), "64 hexadecimal digits"),
        ] {
            let text = format!("{}{}\n{good}", header(URL), bad.trim_end());
            let Err(Unusable::Damaged(2, problem)) = read(&text) else { panic!("{bad}") };
            assert!(problem.contains(part), "{problem}");
        }
        // A whole line of an unknown kind is no line that was cut off.
        assert!(read(&format!("{}{{\"step\":\"eaten\"}}\n", header(URL))).is_err());
    }

    #[test]
    fn a_content_is_known_by_its_completed_upload_or_by_its_last_one_if_its_file_was_sent() {
        let of = |slots: &[Slot]| {
            let history = read(&written(slots)).unwrap().history;
            history.of_content(&"a".repeat(64)).map(|slot| (slot.media_id, slot.step))
        };
        let slot = |id, step| slot(id, "a.mp4", 'a', step);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[slot(7, Step::Created)]), None);
        assert_eq!(of(&[slot(7, Step::Created), slot(7, Step::Sent)]), Some((7, Step::Sent)));
        assert_eq!(of(&[slot(7, Step::Sent), slot(8, Step::Created)]), None);
        assert_eq!(of(&[slot(7, Step::Sent), slot(8, Step::Sent)]), Some((8, Step::Sent)));
        assert_eq!(of(&[slot(7, Step::Completed), slot(8, Step::Sent)]), Some((7, Step::Completed)));
        // No step is taken back.
        assert_eq!(of(&[slot(7, Step::Completed), slot(7, Step::Sent)]), Some((7, Step::Completed)));
    }

    #[test]
    fn a_changed_content_is_told_from_an_unchanged_one_and_slots_without_an_end_are_listed() {
        let slots = [
            slot(7, "a.mp4", 'a', Step::Completed),
            slot(8, "b.mp4", 'b', Step::Created),
            slot(9, "c.mp4", 'c', Step::Sent),
        ];
        let history = read(&written(&slots)).unwrap().history;
        let before =
            |path: &str, content| history.before(&slot(1, path, content, Step::Sent).file).map(|slot| slot.media_id);
        assert_eq!(before("a.mp4", 'x'), Some(7));
        assert_eq!((before("a.mp4", 'a'), before("b.mp4", 'x'), before("z.mp4", 'x')), (None, None, None));
        assert_eq!(history.unfinished().map(|slot| slot.media_id).collect::<Vec<_>>(), [8, 9]);
    }
}
