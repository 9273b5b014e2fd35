//! The one place that names, opens and replaces files. It imports nothing of ours.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A companion of a file: `NAME` and an ending, in the same folder.
///
/// If that is longer than the file system takes, the name is cut to the length of `NAME` at most, and a hash of `NAME`
/// tells it from others. A file always has the same companion, since a lock must be found by whoever looks for it.
/// A `NAME` that is itself too long is an error.
pub(crate) fn beside(target: &Path, ending: &str) -> io::Result<PathBuf> {
    let name = target.file_name().unwrap_or_default();
    let mut usual = name.to_owned();
    usual.push(ending);
    let usual = target.with_file_name(usual);
    if too_long(&usual).is_none() {
        return Ok(usual);
    }
    if let Some(error) = too_long(target) {
        return Err(error);
    }
    let ending = format!("~{:016x}{ending}", hash(name.as_encoded_bytes()));
    let room = name.len().saturating_sub(ending.len());
    let name = name.to_string_lossy();
    // Not in the middle of a character, which some file systems refuse.
    let start = (0..=room).rev().find_map(|end| name.get(..end)).unwrap_or_default();
    Ok(target.with_file_name(format!("{start}{ending}")))
}

/// A companion that nobody else has: for what takes the place of a file once it is whole.
pub(crate) fn temporary(target: &Path) -> io::Result<PathBuf> {
    // With the process, since a forked child goes on with the random numbers of its parent.
    beside(target, &format!(".{:x}-{:016x}.part", std::process::id(), fastrand::u64(..)))
}

/// Puts bytes into a file that only its owner can read, in place of one that is there: all of them or none.
pub(crate) fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(target)?;
    let write = || {
        let mut file = private(fs::OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, target)?;
        sync_folder(target);
        Ok(())
    };
    write().inspect_err(|_| {
        // Nothing can be done about a file that cannot be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// Opens a file that nobody else is writing, empty.
pub(crate) fn open_locked(path: &Path) -> io::Result<fs::File> {
    loop {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is not a file is in the way"));
        }
        let file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another download is writing this file")
            }
            fs::TryLockError::Error(error) => error,
        })?;
        // Between opening and locking, another download may have finished it and given it its name, or removed it.
        if is_at(&file, path) {
            // A file that was cut off, even at nothing, is written to the disk by ext4 before it is closed.
            if file.metadata()?.len() > 0 {
                file.set_len(0)?;
            }
            return Ok(file);
        }
    }
}

/// Opens a file that processes use as a lock. Only its owner can read it.
pub(crate) fn open_lock(path: &Path) -> io::Result<fs::File> {
    private(fs::OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
}

/// Makes a folder that only its owner can look into, unless it is there.
#[cfg(unix)]
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// The error of a file system that does not take a name of this length. Each has a limit of its own, so it is asked.
fn too_long(path: &Path) -> Option<io::Error> {
    fs::symlink_metadata(path).err().filter(|error| error.kind() == io::ErrorKind::InvalidFilename)
}

/// FNV-1a: other versions of this package must find the same name, so this can never change.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(unix)]
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

/// Elsewhere a file has the rights of its folder, which in a user's own folders are that user's.
#[cfg(not(unix))]
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

/// Whether an open file is the one that a path leads to.
#[cfg(unix)]
fn is_at(file: &fs::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    file.metadata().ok().map(place) == fs::metadata(path).ok().map(place)
}

/// Elsewhere a file that is open under a name cannot lose it so easily.
#[cfg(not(unix))]
fn is_at(_: &fs::File, path: &Path) -> bool {
    path.exists()
}

/// Makes the new name last through a power cut, where folders can be opened at all.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && let Ok(folder) = fs::File::open(folder)
    {
        // The file itself is safe by now; some file systems cannot do more.
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("canvas-studio-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_companion_has_the_name_and_the_ending_where_that_fits() {
        let folder = folder("companions");
        for name in ["lecture.mp4", "Übung 講義 🎬.mp4", &"L".repeat(250)] {
            let companion = beside(&folder.join(name), ".part").unwrap();
            assert_eq!(companion, folder.join(format!("{name}.part")));
        }
        assert_eq!(beside(Path::new("lecture.mp4"), ".part").unwrap(), Path::new("lecture.mp4.part"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_companion_of_the_longest_name_can_be_written_is_always_the_same_and_cuts_no_character() {
        let folder = folder("longest");
        for character in ["L", "Ü", "講", "🎬"] {
            for before in 0..character.len() {
                let count = (255 - before) / character.len();
                let one = folder.join("x".repeat(before) + &character.repeat(count));
                let other = folder.join("x".repeat(before) + &character.repeat(count - 1) + "y");
                let companion = beside(&one, ".part").unwrap();
                let name = companion.file_name().unwrap().to_str().unwrap();
                assert!(name.starts_with(&("x".repeat(before) + &character.repeat(200 / character.len()))), "{name}");
                assert!(companion.extension() == Some("part".as_ref()) && !name.contains('\u{fffd}'), "{name}");
                assert_eq!(companion, beside(&one, ".part").unwrap());
                assert_ne!(companion, beside(&other, ".part").unwrap());
                fs::write(&companion, "").unwrap();
                replace(&one, b"whole").unwrap();
            }
        }
        assert!(beside(&folder.join("L".repeat(256)), ".part").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
