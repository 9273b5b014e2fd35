//! Files where there are no owners and modes as on Unix: a file has the rights of its folder, which in a user's own folders are
//! that user's.

#![expect(clippy::unnecessary_wraps, reason = "on Unix they can fail")]

use std::fs;
use std::io;
use std::path::Path;

pub(super) fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

pub(super) fn no_link(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

pub(super) fn no_wait(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

pub(super) fn identity(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}

pub(super) fn changed(_: &fs::Metadata) -> (i64, i64) {
    (0, 0)
}

pub(super) fn is_link(_: &io::Error) -> bool {
    false
}

pub(super) fn keep_private(_: &fs::File) -> io::Result<()> {
    Ok(())
}

pub(super) fn make_one_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

/// A file that is open under a name cannot lose it so easily.
pub(super) fn is_at(_: &fs::File, path: &Path) -> bool {
    path.exists()
}

pub(super) fn check_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn check_file(_: &fs::Metadata, _: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn check_owner(_: &fs::Metadata, _: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn check_only_name(_: &fs::Metadata) -> io::Result<()> {
    Ok(())
}
