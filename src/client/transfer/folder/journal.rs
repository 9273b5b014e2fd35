//! The journal of uploads on the disk: opened by one run at a time, and each line is safe before the next step is taken.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::history::{self, History, Slot, Unusable};
use crate::api::InvalidArgument;
use crate::client::error::Error;
use crate::client::transfer::disk::on_disk;
use crate::files::{self, Locked};

/// The name of the journal of a folder.
pub const JOURNAL: &str = ".canvas-studio-uploads.jsonl";
/// How long a run waits for another one: a cancelled one takes a moment to end.
const PATIENCE: Duration = Duration::from_secs(1);
const BUSY: &str = "another upload is using this journal: wait until it has ended, or choose another journal";

/// The journal of a run, and what it says so far.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None if it is only looked at.
    file: Option<Locked>,
    /// Up to where it is whole.
    length: u64,
    history: History,
    /// Why nothing can be added any more.
    broken: Option<Error>,
}

impl Journal {
    /// Opens the journal of a school, or makes it. Fails if another run has it.
    pub async fn open(path: &Path, url: &str) -> Result<Self, Error> {
        let deadline = Instant::now() + PATIENCE;
        let file = loop {
            match files::open_exclusively(path, BUSY) {
                Ok(file) => break file,
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    sleep(PATIENCE / 50).await;
                }
                Err(error) => return Err(Error::file(path, error)),
            }
        };
        Self::begin(path, url, file)
    }

    fn begin(path: &Path, url: &str, mut file: Locked) -> Result<Self, Error> {
        let failed = |error| Error::file(path, error);
        let mut bytes = Vec::new();
        file.file.read_to_end(&mut bytes).map_err(failed)?;
        let read = History::read(&bytes, url).map_err(|problem| unusable(path, &problem))?;
        let length = u64::try_from(read.length).unwrap_or(u64::MAX);
        if bytes.len() > read.length {
            file.file.set_len(length).map_err(failed)?;
        }
        let mut state = State { file: Some(file), length, history: read.history, broken: None };
        if length == 0 {
            state.append(&history::header(url)).map_err(failed)?;
        } else if read.lacks_end {
            state.append("\n").map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// Looks at a journal without a lock and without changing it: nothing can be added. One that is not there is empty.
    pub fn look(path: &Path, url: &str) -> Result<Self, Error> {
        let history = match fs::read(path) {
            Ok(bytes) => History::read(&bytes, url).map_err(|problem| unusable(path, &problem))?.history,
            Err(error) if error.kind() == io::ErrorKind::NotFound => History::default(),
            Err(error) => return Err(Error::file(path, error)),
        };
        let state = State { file: None, length: 0, history, broken: None };
        Ok(Self { path: path.to_owned(), state: Mutex::new(state) })
    }

    /// Adds a step. It is on the disk when this returns; if it cannot be, nothing more is added.
    pub fn record(&self, slot: Slot) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(error) = &state.broken {
            return Err(error.clone());
        }
        if let Err(error) = on_disk(|| state.append(&history::line(&slot))) {
            let error = Error::file(&self.path, error);
            state.broken = Some(error.clone());
            return Err(error);
        }
        state.history.note(slot);
        Ok(())
    }

    /// Looks at what it says so far.
    pub fn with_history<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.state().history)
    }

    /// Why nothing can be added any more.
    pub fn broken(&self) -> Option<Error> {
        self.state().broken.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, text: &str) -> io::Result<()> {
        let written = self.write(text);
        if written.is_err() {
            // Nothing stays of the line. If even that fails, the next run cuts it off.
            let _ = self.file.as_ref().map(|locked| locked.file.set_len(self.length));
        }
        written
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(Locked { file, .. }) = &mut self.file else {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the journal is only looked at"));
        };
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        self.length += text.len() as u64;
        Ok(())
    }
}

fn unusable(path: &Path, problem: &Unusable) -> Error {
    Error::InvalidArgument(InvalidArgument::new("journal", format!("{} {problem}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::super::history::{FileKey, Step};
    use super::*;

    const URL: &str = "https://myschool.instructuremedia.com";

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("canvas-studio-journal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn slot(media_id: i64, step: Step) -> Slot {
        let file = FileKey { path: "a.mp4".into(), sha256: "a".repeat(64), size: 7 };
        let (collection_id, user_id, title, description, caption) = (None, None, None, None, None);
        Slot { media_id, file, collection_id, user_id, title, description, caption, step }
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_is_private_and_used_by_one_run_at_a_time() {
        let folder = folder("alone");
        let path = folder.join(JOURNAL);
        let journal = Journal::open(&path, URL).await.unwrap();
        journal.record(slot(7, Step::Created)).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let second = Journal::open(&path, URL).await.unwrap_err();
        assert!(second.to_string().ends_with(BUSY), "{second}");
        // Looking needs no lock.
        assert_eq!(Journal::look(&path, URL).unwrap().with_history(|history| history.slots().len()), 1);
        drop(journal);
        let journal = Journal::open(&path, URL).await.unwrap();
        journal.record(slot(7, Step::Sent)).unwrap();
        assert_eq!(journal.with_history(|history| history.slots().to_vec()), [slot(7, Step::Sent)]);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_run_goes_on_after_a_torn_line_and_the_journal_is_whole_again() {
        let folder = folder("torn");
        let path = folder.join(JOURNAL);
        let journal = Journal::open(&path, URL).await.unwrap();
        journal.record(slot(7, Step::Created)).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for end in [&b"{\"step\":\"se"[..], b"\0\0\0\0", b"\xff"] {
            fs::write(&path, [&whole, end].concat()).unwrap();
            assert_eq!(Journal::look(&path, URL).unwrap().with_history(|history| history.slots().len()), 1);
            let journal = Journal::open(&path, URL).await.unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
            journal.record(slot(8, Step::Created)).unwrap();
            drop(journal);
            assert_eq!(Journal::look(&path, URL).unwrap().with_history(|history| history.slots().len()), 2);
        }
        // Without the end of its last line.
        fs::write(&path, whole.trim_ascii_end()).unwrap();
        Journal::open(&path, URL).await.unwrap().record(slot(9, Step::Sent)).unwrap();
        assert_eq!(Journal::look(&path, URL).unwrap().with_history(|history| history.slots().len()), 2);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_journal_of_this_school_stays_as_it_was() {
        let folder = folder("others");
        let path = folder.join("thesis.txt");
        for content in ["all my work", &history::header("https://other.instructuremedia.com")] {
            fs::write(&path, content).unwrap();
            let refused = Journal::open(&path, URL).await.unwrap_err();
            let Error::InvalidArgument(refused) = refused else { panic!("{refused}") };
            assert!(refused.argument == "journal" && refused.expected.contains("choose another path"), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    /// A device that is always full takes no line.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_an_error_and_nothing_more_is_added() {
        let full = Locked::of(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let state = State { file: Some(full), length: 0, history: History::default(), broken: None };
        let journal = Journal { path: "j".into(), state: Mutex::new(state) };
        for _ in 0..2 {
            let Err(Error::File { error, .. }) = journal.record(slot(7, Step::Created)) else { panic!("it is full") };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        assert!(journal.broken().is_some() && journal.with_history(|history| history.slots().is_empty()));
    }
}
