//! Finds the files of a folder that are to be uploaded, in a stable order, and says why it passes over the others.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use tokio::task::yield_now;

use super::history::as_text;
use crate::client::error::Error;

/// How many entries are looked at before others have their turn.
const AT_ONCE: usize = 256;

/// What was found in a folder. Paths are relative to it, in natural order.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) files: Vec<PathBuf>,
    /// What is passed over, and why.
    pub(super) skipped: Vec<(PathBuf, &'static str)>,
    /// Folders that cannot be read.
    pub(super) failed: Vec<(PathBuf, Error)>,
}

/// Looks through a folder. A pattern without `/` is for names, one with `/` for paths relative to the folder.
pub(super) async fn scan(folder: &Path, pattern: &Pattern, recursive: bool, journal: &Path) -> Result<Scan, Error> {
    let journal = real(journal);
    let mut found = Scan::default();
    let mut folders = vec![PathBuf::new()];
    let mut count = 0;
    while let Some(inside) = folders.pop() {
        let path = folder.join(&inside);
        let entries = match fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if inside.as_os_str().is_empty() => return Err(Error::file(folder, error)),
            Err(error) => {
                found.failed.push((inside, Error::file(&path, error)));
                continue;
            }
        };
        for entry in entries {
            count += 1;
            if count % AT_ONCE == 0 {
                yield_now().await;
            }
            let relative = inside.join(entry.file_name());
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) => {
                    found.failed.push((relative, Error::file(&entry.path(), error)));
                    continue;
                }
            };
            let reason = if kind.is_file() && entry.file_name() == journal.name && real(&entry.path()) == journal {
                "journal"
            } else if kind.is_symlink() {
                "link"
            } else if is_hidden(&entry) {
                "hidden"
            } else if kind.is_dir() && recursive {
                folders.push(relative);
                continue;
            } else if kind.is_dir() {
                "folder"
            } else if !kind.is_file() {
                "not a file"
            } else if !matches(pattern, &relative) {
                "does not match the pattern"
            } else {
                found.files.push(relative);
                continue;
            };
            found.skipped.push((relative, reason));
        }
    }
    found.files.sort_by(|one, other| natural(one, other));
    found.skipped.sort_by(|(one, _), (other, _)| natural(one, other));
    found.failed.sort_by(|(one, _), (other, _)| natural(one, other));
    Ok(found)
}

/// A file by the real path of its folder, since the journal may be named in another way than the folder is.
#[derive(Debug, PartialEq, Eq)]
struct Real {
    folder: Option<PathBuf>,
    name: std::ffi::OsString,
}

fn real(path: &Path) -> Real {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Real { folder: fs::canonicalize(folder).ok(), name: path.file_name().unwrap_or_default().to_owned() }
}

fn matches(pattern: &Pattern, relative: &Path) -> bool {
    // Cameras write `A.MP4`.
    let options =
        MatchOptions { case_sensitive: false, require_literal_separator: true, require_literal_leading_dot: false };
    let (path, _) = as_text(relative);
    let is_of_paths = pattern.as_str().contains('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    pattern.matches_with(if is_of_paths { &path } else { name }, options)
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".") || has_hidden_attribute(entry)
}

#[cfg(windows)]
fn has_hidden_attribute(entry: &fs::DirEntry) -> bool {
    use std::os::windows::fs::MetadataExt;

    const HIDDEN: u32 = 2;
    entry.metadata().is_ok_and(|found| found.file_attributes() & HIDDEN != 0)
}

#[cfg(not(windows))]
fn has_hidden_attribute(_: &fs::DirEntry) -> bool {
    false
}

/// The order in which people count: `Week 2` comes before `Week 10`. Capitals count only between names that are otherwise
/// the same.
pub(super) fn natural(one: &Path, other: &Path) -> Ordering {
    let parts = |path: &Path| -> Vec<String> {
        path.components().map(|part| part.as_os_str().to_string_lossy().to_lowercase()).collect()
    };
    let (one_parts, other_parts) = (parts(one), parts(other));
    let different =
        one_parts.iter().zip(&other_parts).map(|(one, other)| natural_text(one, other)).find(|order| order.is_ne());
    different.unwrap_or_else(|| one_parts.len().cmp(&other_parts.len())).then_with(|| one.cmp(other))
}

fn natural_text(mut one: &str, mut other: &str) -> Ordering {
    let is_digit = |letter: &char| letter.is_ascii_digit();
    loop {
        let (first, second) = match (one.chars().next(), other.chars().next()) {
            (Some(first), Some(second)) => (first, second),
            (first, second) => return first.is_some().cmp(&second.is_some()),
        };
        let order = if is_digit(&first) && is_digit(&second) {
            let (digits, rest) = split_digits(one);
            let (other_digits, other_rest) = split_digits(other);
            (one, other) = (rest, other_rest);
            // A longer number is larger, without the zeros in front.
            digits.len().cmp(&other_digits.len()).then_with(|| digits.cmp(other_digits))
        } else {
            one = one.get(first.len_utf8()..).unwrap_or_default();
            other = other.get(second.len_utf8()..).unwrap_or_default();
            first.cmp(&second)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The number at the beginning, without the zeros in front, and what follows it.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_in_the_order_in_which_people_count() {
        let ordered = [
            "lecture 1.mp4",
            "Lecture 2.mp4",
            "lecture 02b.mp4",
            "lecture 10.mp4",
            "lecture 99999999999999999999999.mp4",
            "lecture 100000000000000000000000.mp4",
            "lecture.mp4",
            "Week 2/a.mp4",
            "week 10/a.mp4",
            "ä.mp4",
        ];
        let mut paths: Vec<PathBuf> = ordered.iter().rev().map(PathBuf::from).collect();
        paths.sort_by(|one, other| natural(one, other));
        assert_eq!(paths, ordered.map(PathBuf::from));
        assert!(natural(Path::new("A.mp4"), Path::new("a.mp4")).is_lt(), "no two paths are equal");
        assert!(natural(Path::new("1.mp4"), Path::new("01.mp4")).is_ne());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_hidden_a_link_a_folder_no_file_or_the_journal_is_passed_over_with_its_reason() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let folder = std::env::temp_dir().join(format!("canvas-studio-scan-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("Week 2/.cache")).unwrap();
        for name in ["b.mp4", "a.MP4", ".hidden.mp4", ".journal", "notes.txt", "Week 2/c.mp4", "Week 2/.cache/d.mp4"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let odd = Path::new(OsStr::from_bytes(b"caf\xe9.mp4"));
        fs::write(folder.join(odd), "x").unwrap();
        std::os::unix::fs::symlink(folder.join("b.mp4"), folder.join("link.mp4")).unwrap();
        std::os::unix::fs::symlink(&folder, folder.join("Week 2/loop")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(folder.join("socket.mp4")).unwrap());

        let journal = folder.join("Week 2/../.journal");
        let flat = scan(&folder, &Pattern::new("*").unwrap(), false, &journal).await.unwrap();
        assert_eq!(flat.files, [Path::new("a.MP4"), Path::new("b.mp4"), odd, Path::new("notes.txt")]);
        let expected = [
            (".hidden.mp4", "hidden"),
            (".journal", "journal"),
            ("link.mp4", "link"),
            ("socket.mp4", "not a file"),
            ("Week 2", "folder"),
        ];
        assert_eq!(flat.skipped, expected.map(|(path, reason)| (PathBuf::from(path), reason)));

        let deep = scan(&folder, &Pattern::new("*.mp4").unwrap(), true, &journal).await.unwrap();
        assert_eq!(deep.files, [Path::new("a.MP4"), Path::new("b.mp4"), odd, Path::new("Week 2/c.mp4")]);
        let why =
            |path: &str| deep.skipped.iter().find(|(found, _)| found == Path::new(path)).map(|(_, reason)| *reason);
        assert_eq!((why("Week 2/.cache"), why("Week 2/loop")), (Some("hidden"), Some("link")));
        assert_eq!(why("notes.txt"), Some("does not match the pattern"));

        let of_a_week = scan(&folder, &Pattern::new("Week */*").unwrap(), true, &journal).await.unwrap();
        assert_eq!(of_a_week.files, [Path::new("Week 2/c.mp4")]);
        assert!(scan(&folder.join("none"), &Pattern::new("*").unwrap(), true, &journal).await.is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
