//! `NAME.part`, the unfinished file of a download, and what stays of it for the next one.

use std::fs;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::disk::on_disk;
use super::part_record::{self, PartRecord};
use super::ranges::Known;
use crate::client::error::Error;
use crate::files::{self, Locked};

/// How many bytes are buffered before they are written.
const BUFFER: usize = 1 << 17;
/// How much is read at once of what an earlier download left.
const PIECE: usize = 1 << 20;
/// How long a download waits for another one that writes the same file: a cancelled one takes a moment to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// The unfinished file. Unless it is finished, it stays if a later download can go on with it, and is removed otherwise.
pub(super) struct PartFile {
    path: PathBuf,
    record_path: PathBuf,
    /// What is downloaded, as its record says it.
    source: String,
    /// Whether it may stay for a later download.
    may_stay: bool,
    is_hashed: bool,
    /// Opened only when there is something to write, so that an error answer touches no file.
    file: Option<Writer>,
    /// What stands beside it, if a later download can go on with it.
    record: Option<PartRecord>,
}

impl PartFile {
    pub(super) fn new(target: &Path, source: String, may_stay: bool, is_hashed: bool) -> Result<Self, Error> {
        let beside = |ending| files::beside(target, ending).map_err(|error| Error::file(target, error));
        let (path, record_path) = (beside(".part")?, beside(".part.json")?);
        Ok(Self { path, record_path, source, may_stay, is_hashed, file: None, record: None })
    }

    /// Opens what an earlier download of the same source left, and returns what is known of it and its content type.
    /// Nothing is changed: that is up to the next answer.
    pub(super) async fn take_up(&mut self) -> Result<Option<(Known, String)>, Error> {
        if !self.may_stay || PartRecord::read(&self.record_path, &self.source).is_none() {
            return Ok(None);
        }
        let Some(mut file) = self.locked(files::open_locked_as_it_is).await? else { return Ok(None) };
        let failed = |error| Error::file(&self.path, error);
        // Another process may have changed both before the lock was free.
        let there = file.file.metadata().map_err(failed)?.len();
        let found = PartRecord::read(&self.record_path, &self.source);
        let Some((known, record)) = found.and_then(|record| Some((record.known(there)?, record))) else {
            return Ok(None);
        };
        let content_type = record.content_type.clone();
        let hash =
            if self.is_hashed { Some(hash_of(&mut file.file, known.length).await.map_err(failed)?) } else { None };
        file.file.seek(SeekFrom::Start(known.length)).map_err(failed)?;
        self.file = Some(Writer::new(file, hash));
        self.record = Some(record);
        Ok(Some((known, content_type)))
    }

    /// Opens the file for this download alone, and empties it if it was not open. Where nothing is in it yet, it writes the
    /// record first.
    pub(super) async fn open(&mut self, known: &Known, content_type: &str) -> Result<(), Error> {
        if self.file.is_none() {
            let file = self.locked(|path| files::open_locked(path).map(Some)).await?;
            let hash = self.is_hashed.then(|| Context::new(&SHA256));
            self.file = file.map(|file| Writer::new(file, hash));
        }
        if known.length > 0 {
            return Ok(());
        }
        self.record = PartRecord::new(&self.source, known, content_type).filter(|_| self.may_stay);
        match &self.record {
            Some(record) => record.write(&self.record_path),
            None => part_record::remove(&self.record_path),
        }
        .map_err(|error| Error::file(&self.record_path, error))
    }

    /// Opens the file once no other download has it.
    async fn locked(&self, open: impl Fn(&Path) -> io::Result<Option<fs::File>>) -> Result<Option<Locked>, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match open(&self.path) {
                Ok(file) => return Ok(file.map(Locked::of)),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    sleep(PATIENCE / 50).await;
                }
                Err(error) => return Err(Error::file(&self.path, error)),
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write(bytes).map_err(|error| Error::file(&self.path, error))
    }

    /// Discards the content.
    pub(super) fn restart(&mut self) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.restart().map_err(|error| Error::file(&self.path, error))
    }

    /// Writes what is buffered, and returns the SHA-256 of the whole content if that was asked for.
    pub(super) fn sha256(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = &mut self.file else { return Ok(None) };
        file.flush().map_err(|error| Error::file(&self.path, error))?;
        Ok(file.hash.take().map(|hash| hash.finish().as_ref().to_vec()))
    }

    /// The file does not stay, whatever happens.
    pub(super) fn discard(&mut self) {
        self.record = None;
    }

    /// How many bytes stay for a later download if this one ends now, and where.
    pub(super) fn what_stays(&mut self) -> Option<(u64, &Path)> {
        let file = self.file.as_mut().filter(|_| self.record.is_some())?;
        // What the disk did not take is not there; the length says so.
        let _ = file.flush();
        let length = file.locked().file.metadata().ok()?.len();
        (length > 0).then_some((length, &self.path))
    }

    /// Renames the file to its name, replacing an existing one.
    pub(super) fn finish(mut self, target: &Path) -> Result<(), Error> {
        if let Some(file) = &mut self.file {
            file.flush().map_err(|error| Error::file(&self.path, error))?;
            // While the record is there, it describes the `.part`; so it goes first.
            part_record::remove(&self.record_path).map_err(|error| Error::file(&self.record_path, error))?;
            if let Err(error) = files::rename(&file.locked().file, &self.path, target) {
                self.record.take_if(|record| record.write(&self.record_path).is_err());
                return Err(Error::file(target, error));
            }
        }
        // Only now, since this releases the lock.
        self.file = None;
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.what_stays().is_none() && self.file.as_ref().is_some_and(|file| file.locked().is_of_this_process()) {
            // What cannot be removed, the next download overwrites.
            let _ = part_record::remove(&self.record_path);
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The hash of the first bytes of a file.
async fn hash_of(file: &mut fs::File, length: u64) -> io::Result<Context> {
    let (mut hash, mut piece, mut rest) = (Context::new(&SHA256), vec![0; PIECE], length);
    file.rewind()?;
    while rest > 0 {
        let wanted = usize::try_from(rest).unwrap_or(PIECE).min(PIECE);
        let piece = piece.get_mut(..wanted).unwrap_or_default();
        on_disk(|| file.read_exact(piece))?;
        hash.update(piece);
        rest -= piece.len() as u64;
        // Signals have their turn.
        yield_now().await;
    }
    Ok(hash)
}

/// Writes large chunks directly, so that their memory is free again at once, and buffers small ones.
struct Writer {
    file: BufWriter<LockedFile>,
    /// Of all that was written, if that is wanted.
    hash: Option<Context>,
}

/// A locked file as a writer.
struct LockedFile(Locked);

impl Write for LockedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for LockedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.file.seek(to)
    }
}

impl Writer {
    fn new(file: Locked, hash: Option<Context>) -> Self {
        Self { file: BufWriter::with_capacity(BUFFER, LockedFile(file)), hash }
    }

    fn locked(&self) -> &Locked {
        &self.file.get_ref().0
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        if bytes.len() < self.file.capacity() - self.file.buffer().len() {
            self.file.write_all(bytes)
        } else {
            on_disk(|| self.file.write_all(bytes))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        on_disk(|| self.file.flush())
    }

    /// Discards the content.
    fn restart(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        if let Some(hash) = &mut self.hash {
            *hash = Context::new(&SHA256);
        }
        self.locked().file.set_len(0)
    }
}
