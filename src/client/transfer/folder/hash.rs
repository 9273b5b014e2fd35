//! The SHA-256 of a file, read piece by piece, so that transfers and signals have their turn in between.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

use ring::digest::{Context, SHA256};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{spawn_blocking, yield_now};

use crate::client::error::Error;
use crate::client::sending::check_state;
use crate::files::{self, FileState};

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// The content of a file, and the file as it was then.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// In hexadecimal digits.
    pub(super) sha256: String,
    state: FileState,
}

/// Reads the content of a file.
pub(super) async fn content(path: &Path) -> Result<Content, Error> {
    let failed = |error| Error::file(path, error);
    let file = files::open_regular(path).map_err(failed)?;
    let state = FileState::of(&file).map_err(failed)?;
    let mut reading = Reading { file, hash: Context::new(&SHA256), piece: vec![0; PIECE] };
    loop {
        let read;
        (reading, read) = if on_threads() {
            let Ok(read) = spawn_blocking(move || reading.next()).await else { return Err(Error::Exiting) };
            read
        } else {
            yield_now().await;
            reading.next()
        };
        if read.map_err(failed)? == 0 {
            check_state(path, state, FileState::of(&reading.file).map_err(failed)?)?;
            return Ok(Content { sha256: hexadecimal(reading.hash.finish().as_ref()), state });
        }
    }
}

/// Whether the runtime has threads, so that it need not wait for the disk.
fn on_threads() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Fails if a file is no longer the one whose content was read.
pub(super) fn check_unchanged(path: &Path, content: &Content) -> Result<(), Error> {
    let found = files::open_regular(path).and_then(|file| FileState::of(&file));
    check_state(path, content.state, found.map_err(|error| Error::file(path, error))?)
}

/// A file that is being read.
struct Reading<F> {
    file: F,
    hash: Context,
    piece: Vec<u8>,
}

impl<F: Read> Reading<F> {
    /// Reads the next piece; 0 bytes at the end.
    fn next(mut self) -> (Self, io::Result<usize>) {
        let read = loop {
            match self.file.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        if let Ok(length) = read {
            self.hash.update(self.piece.get(..length).unwrap_or_default());
        }
        (self, read)
    }
}

pub(in crate::client::transfer) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing into a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_that_of_the_whole_file() {
        let path = std::env::temp_dir().join(format!("canvas-studio-hash-{}", std::process::id()));
        for (length, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (5 * PIECE + 7, ""),
        ] {
            let bytes: Vec<u8> = b"abc".iter().copied().cycle().take(length).collect();
            std::fs::write(&path, &bytes).unwrap();
            let whole = hexadecimal(ring::digest::digest(&SHA256, &bytes).as_ref());
            assert_eq!(content(&path).await.unwrap().sha256, whole);
            assert!(expected.is_empty() || whole == expected);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(content(&path).await.is_err());
    }
}
