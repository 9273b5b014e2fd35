//! The one place that names, opens and replaces files. It imports nothing of ours.
//!
//! On Unix it follows no link where it writes, and trusts files and folders as ssh does: they belong to this user or to
//! root, and nobody else can change them.

use std::fs;
use std::io::{self, Read, Seek, Write};
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

/// Puts bytes into a file, in place of one that is there: all of them or none.
pub(crate) fn put(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(target)?;
    let write = || {
        fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?.write_all(bytes)?;
        put_in_place(&temporary, target)
    };
    write().inspect_err(|_| {
        // Nothing can be done about a file that cannot be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// Reads a file that is no longer than a limit. A longer one, and what is no regular file, is `InvalidInput`.
pub(crate) fn read_short(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_regular(path)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        let problem = format!("it is longer than {} MiB", limit >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(content)
}

/// Reads a file of this user or of root that is no longer than a limit. No link leads to it.
pub(crate) fn read_short_of_owner(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = no_link(fs::OpenOptions::new().read(true)).open(path)?;
    let found = file.metadata()?;
    check_is_file(&found)?;
    check_owner(&found, path)?;
    let mut content = Vec::new();
    file.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// Writes a file that only its owner can read, in place of what has its name. A process that is killed meanwhile leaves a
/// part of it.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private(fs::OpenOptions::new().write(true).create_new(true)).open(path)?.write_all(bytes)
}

/// Puts bytes into a file that only its owner can read, in place of one that is there: all of them or none.
pub(crate) fn replace(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(target)?;
    let write = || {
        let mut file = private(fs::OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        keep_private(&file)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        put_in_place(&temporary, target)?;
        sync_folder(target);
        Ok(())
    };
    write().inspect_err(|_| {
        // Nothing can be done about a file that cannot be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// Puts bytes into a file as [`replace`] does, in a folder that nobody else can change.
pub(crate) fn replace_in_own_folder(target: &Path, bytes: &[u8]) -> io::Result<()> {
    check_folder(folder_of(target))?;
    replace(target, bytes)
}

/// Reads a file that nobody else can change. A link may lead to it, as [`resolve`] says.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let target = resolve(path)?;
    check_folder(folder_of(&target))?;
    let mut file = no_link(fs::OpenOptions::new().read(true)).open(&target)?;
    let found = file.metadata()?;
    check_is_file(&found)?;
    check_file(&found, &target)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// Checks what [`read`] checks: whether nobody else can change a file. One that is not there is fine.
#[cfg(feature = "python")]
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let checked = resolve(path).and_then(|target| {
        check_folder(folder_of(&target))?;
        check_file(&fs::symlink_metadata(&target)?, &target)
    });
    checked.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The file itself, under one name for all who know it under several.
///
/// Where the path is a link, it must be this user's own and in a folder that nobody else can change, since the file that
/// it leads to is going to be replaced.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    // As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let folder = match folder_of(&path) {
            folder if folder.as_os_str().is_empty() => Path::new("."),
            folder => folder,
        };
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                check_folder(folder)?;
                check_owner(&found, &path)?;
                path = folder.join(fs::read_link(&path)?);
            }
            _ => {
                return Ok(match (fs::canonicalize(folder), path.file_name()) {
                    (Ok(folder), Some(name)) => folder.join(name),
                    _ => path,
                });
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many links lead from one to the next"))
}

/// Opens a file that nobody else is writing, empty.
pub(crate) fn open_locked(path: &Path) -> io::Result<fs::File> {
    let file = open_for_download(path)?;
    // A file that was cut off, even at nothing, is written to the disk by ext4 before it is closed.
    if file.metadata()?.len() > 0 {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Opens a file that nobody else is writing as it is; `None` if there is none.
pub(crate) fn open_locked_as_it_is(path: &Path) -> io::Result<Option<fs::File>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => open_for_download(path).map(Some),
    }
}

fn open_for_download(path: &Path) -> io::Result<fs::File> {
    let options = &mut fs::OpenOptions::new();
    let options = no_link(options.read(true).write(true));
    open_alone(path, options, "another download is writing this file", |file| check_only_name(&file.metadata()?))
}

/// Opens a file as it is, or makes it, to read and write it as long as nobody else does. Only its owner can read a new one,
/// which lasts through a power cut. `busy` says who else may have it.
pub(crate) fn open_exclusively(path: &Path, busy: &'static str) -> io::Result<Locked> {
    let options = &mut fs::OpenOptions::new();
    let options = private(no_link(options.read(true).write(true)));
    let file = open_alone(path, options, busy, |file| {
        check_file(&file.metadata()?, path)?;
        keep_private(file)
    })?;
    sync_folder(path);
    Ok(Locked::of(file))
}

/// A file that this process has locked, until this is dropped or the process exits.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) file: fs::File,
    of_process: u32,
}

impl Locked {
    pub(crate) fn of(file: fs::File) -> Self {
        Self { file, of_process: std::process::id() }
    }

    /// Whether this process locked it, and not the parent of a fork.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.of_process == std::process::id()
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file is not enough: a child forked meanwhile has it open as well. And that child's copy must not
        // release the parent's lock.
        if self.is_of_this_process() {
            let _ = self.file.unlock();
        }
    }
}

/// Opens a file, or makes it, and locks it.
fn open_alone(
    path: &Path,
    options: &mut fs::OpenOptions,
    busy: &'static str,
    check: impl Fn(&fs::File) -> io::Result<()>,
) -> io::Result<fs::File> {
    loop {
        let file = open_or_create(path, options)?;
        check_owner(&file.metadata()?, path)?;
        check(&file)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::new(io::ErrorKind::ResourceBusy, busy),
            fs::TryLockError::Error(error) => error,
        })?;
        // Between opening and locking, its last user may have given it another name, or removed it.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// What tells a file from another one, and from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) length: u64,
    modified: Option<std::time::SystemTime>,
    /// When anything about the file changed last, in seconds and nanoseconds. Unlike `modified`, no program can set it.
    /// Only Unix has it.
    changed: (i64, i64),
    /// The device and the number on it, where files have one.
    identity: (u64, u64),
}

impl FileState {
    pub(crate) fn of(file: &fs::File) -> io::Result<Self> {
        let found = file.metadata()?;
        let modified = found.modified().ok();
        Ok(Self { length: found.len(), modified, changed: changed(&found), identity: identity(&found) })
    }
}

/// Whether a file ends where its length says. Files of the kernel do not, and those of some network drives.
pub(crate) fn ends_at(file: &mut fs::File, length: u64) -> io::Result<bool> {
    let last = length.saturating_sub(1);
    file.seek(io::SeekFrom::Start(last))?;
    let mut rest = Vec::new();
    file.take(2).read_to_end(&mut rest)?;
    Ok(rest.len() as u64 == length - last)
}

/// Opens a file to read it. What is no regular file is `InvalidInput`: it is not opened, and nothing waits for the other
/// end of a pipe.
pub(crate) fn open_regular(path: &Path) -> io::Result<fs::File> {
    let check = |found: &fs::Metadata| {
        let problem = if found.is_dir() { "it is a folder" } else { "it is not a regular file" };
        if found.is_file() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, problem)) }
    };
    check(&fs::metadata(path)?)?;
    // Something else may be there by now.
    let file = no_wait(fs::OpenOptions::new().read(true)).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Gives an open file another name, in place of one that has it.
///
/// The file is renamed by its name, under which somebody may have put another one if others can write to the folder.
pub(crate) fn rename(file: &fs::File, path: &Path, target: &Path) -> io::Result<()> {
    if !is_at(file, path) {
        let problem = format!("something else is at {}: choose a folder that others do not change", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
    }
    put_in_place(path, target)
}

/// Gives a file another name, in place of one that has it.
///
/// On Windows that fails while a virus scanner, an indexer or a backup has one of the two open, which is moments after
/// each was written. So it is tried again for 200 ms.
pub(crate) fn put_in_place(path: &Path, target: &Path) -> io::Result<()> {
    retry(|| fs::rename(path, target), is_held_open)
}

/// Tries what fails with certain errors again, ten times, 20 ms apart.
fn retry(mut rename: impl FnMut() -> io::Result<()>, passes: impl Fn(&io::Error) -> bool) -> io::Result<()> {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    for _ in 0..10 {
        match rename() {
            Err(error) if passes(&error) => std::thread::sleep(PAUSE),
            ended => return ended,
        }
    }
    rename()
}

/// Whether somebody else has a file open who does not share it. Only Windows has that.
fn is_held_open(error: &io::Error) -> bool {
    const ACCESS_DENIED: i32 = 5;
    const SHARING_VIOLATION: i32 = 32;
    cfg!(windows) && matches!(error.raw_os_error(), Some(ACCESS_DENIED | SHARING_VIOLATION))
}

/// Opens a file that processes use as a lock. Only its owner can read it, and nobody else can change it or its folder.
pub(crate) fn open_lock(path: &Path) -> io::Result<fs::File> {
    check_folder(folder_of(path))?;
    let file = open_or_create(path, private(no_link(fs::OpenOptions::new().read(true).write(true))))?;
    check_file(&file.metadata()?, path)?;
    keep_private(&file)?;
    Ok(file)
}

/// Makes a folder that only its owner can look into, and those above it that are missing, unless it is there.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    match make_one_folder(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_private_folder(folder_of(folder))?;
            make_one_folder(folder)
        }
        made => made,
    }
    // Another process may have made it meanwhile.
    .or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) })
}

/// Opens a file as it is, or makes it. One that is being removed, or swapped for a link, is looked at again.
fn open_or_create(path: &Path, options: &mut fs::OpenOptions) -> io::Result<fs::File> {
    loop {
        match options.create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        if let Ok(found) = fs::symlink_metadata(path) {
            check_is_file(&found)?;
        }
        match options.create_new(false).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_link(&error) => {}
            opened => {
                let file = opened?;
                check_is_file(&file.metadata()?)?;
                return Ok(file);
            }
        }
    }
}

fn check_is_file(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is not a file is in the way"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
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
use unix::{
    changed, check_file, check_folder, check_only_name, check_owner, identity, is_at, is_link, keep_private,
    make_one_folder, no_link, no_wait, private,
};

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    const ROOT: u32 = 0;
    const CHANGED_BY_OTHERS: u32 = 0o022;
    /// In such a folder, such as /tmp, a file is removed and renamed by its owner alone.
    const STICKY: u32 = 0o1000;

    pub(super) fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
        options.mode(0o600)
    }

    /// Has the opening of a link fail, and that of a pipe not wait for somebody at its other end.
    pub(super) fn no_link(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
    }

    /// Has the opening of a pipe not wait for somebody at its other end.
    pub(super) fn no_wait(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
    }

    pub(super) fn identity(found: &fs::Metadata) -> (u64, u64) {
        (found.dev(), found.ino())
    }

    pub(super) fn changed(found: &fs::Metadata) -> (i64, i64) {
        (found.ctime(), found.ctime_nsec())
    }

    /// Whether a file could not be opened because it is a link: each kind of Unix has a number of its own for that.
    pub(super) fn is_link(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EMLINK))
    }

    /// Gives a new file the mode that an unusual umask has taken away.
    pub(super) fn keep_private(file: &fs::File) -> io::Result<()> {
        // A drive without modes refuses, or shows the same as before.
        if file.metadata()?.mode() & 0o600 != 0o600 {
            let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
        }
        Ok(())
    }

    pub(super) fn make_one_folder(folder: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
        let found = fs::symlink_metadata(folder)?;
        if found.is_dir() && found.mode() & 0o700 != 0o700 {
            let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
        }
        Ok(())
    }

    /// Whether an open file is the one that has a name.
    pub(super) fn is_at(file: &fs::File, path: &Path) -> bool {
        let place = |found: fs::Metadata| identity(&found);
        file.metadata().ok().map(place) == fs::symlink_metadata(path).ok().map(place)
    }

    /// Refuses a folder in which others can put a file in place of ours.
    pub(super) fn check_folder(folder: &Path) -> io::Result<()> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let found = fs::metadata(folder)?;
        let shown = folder.display();
        if is_foreign(&found) {
            let problem = format!("its folder {shown} belongs to another user: choose a folder of your own");
            return refuse_if_known(folder, problem);
        }
        if found.mode() & CHANGED_BY_OTHERS != 0 && found.mode() & STICKY == 0 {
            return refuse_if_known(folder, format!("others can change its folder {shown}: chmod go-w '{shown}'"));
        }
        Ok(())
    }

    /// Refuses a file that others can change.
    pub(super) fn check_file(found: &fs::Metadata, path: &Path) -> io::Result<()> {
        check_owner(found, path)?;
        if found.mode() & CHANGED_BY_OTHERS != 0 {
            let shown = path.display();
            return refuse_if_known(super::folder_of(path), format!("others can change {shown}: chmod 600 '{shown}'"));
        }
        Ok(())
    }

    /// Refuses a file or a link of another user.
    pub(super) fn check_owner(found: &fs::Metadata, path: &Path) -> io::Result<()> {
        if is_foreign(found) {
            let problem = format!("{} belongs to another user: remove it, or choose another path", path.display());
            return refuse_if_known(super::folder_of(path), problem);
        }
        Ok(())
    }

    /// Refuses a file that is about to lose its content under other names, too.
    pub(super) fn check_only_name(found: &fs::Metadata) -> io::Result<()> {
        if found.nlink() > 1 {
            let problem = "this file has a second name (a hard link), and would lose its content there too: remove it";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        Ok(())
    }

    fn is_foreign(found: &fs::Metadata) -> bool {
        found.uid() != ROOT && found.uid() != this_user()
    }

    #[expect(unsafe_code, reason = "the standard library cannot say who this process is")]
    fn this_user() -> u32 {
        // SAFETY: it takes nothing, touches no memory and cannot fail.
        unsafe { libc::geteuid() }
    }

    /// Refuses, unless the file system does not keep owners and modes, or cannot be written: then nothing can be done.
    ///
    /// Some drives (FAT, shares, those of Windows in WSL) show one owner and one mode for everything.
    fn refuse_if_known(folder: &Path, problem: String) -> io::Result<()> {
        let probe = super::temporary(&folder.join("probe"))?;
        let is_known = match private(fs::OpenOptions::new().write(true).create_new(true)).open(&probe) {
            Ok(file) => {
                let found = file.metadata();
                let _ = fs::remove_file(&probe);
                found.map_or(true, |found| found.uid() == this_user() && (found.mode() & 0o777) | 0o600 == 0o600)
            }
            Err(error) => error.kind() != io::ErrorKind::ReadOnlyFilesystem,
        };
        if is_known { Err(io::Error::new(io::ErrorKind::PermissionDenied, problem)) } else { Ok(()) }
    }
}

#[cfg(not(unix))]
use elsewhere::{
    changed, check_file, check_folder, check_only_name, check_owner, identity, is_at, is_link, keep_private,
    make_one_folder, no_link, no_wait, private,
};

#[cfg(not(unix))]
mod elsewhere;

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
    fn a_rename_that_fails_for_a_moment_is_tried_again_and_one_that_fails_for_good_is_an_error() {
        let fails = |times: usize| {
            let mut tries = 0;
            let ended = retry(
                || {
                    tries += 1;
                    if tries > times { Ok(()) } else { Err(io::Error::from_raw_os_error(32)) }
                },
                |error| error.raw_os_error() == Some(32),
            );
            (ended.is_ok(), tries)
        };
        assert_eq!(fails(0), (true, 1));
        assert_eq!(fails(10), (true, 11));
        assert_eq!(fails(100), (false, 11));
        let other = retry(|| Err(io::Error::from_raw_os_error(2)), |error| error.raw_os_error() == Some(32));
        assert_eq!(other.unwrap_err().raw_os_error(), Some(2));
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
