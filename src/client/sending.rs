//! Sends the body of a request: its files are opened anew for each attempt, streamed in flat memory, and checked.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::error::Error;
use super::transfer::transferred::Transferred;
use crate::api::multipart::Piece;
use crate::api::{Body, InvalidArgument};
use crate::files::{self, FileState};

/// How much is read from a file at once.
const CHUNK: usize = 256 << 10;
/// Bytes that are sent as one piece, without watching how far they got: the system's buffers hold as much.
const AT_ONCE: usize = 64 << 10;
/// What the system's buffers may still hold after the last byte was handed over. Observed with Linux: 3 to 4 MB.
const BUFFERED: u64 = 8_000_000;
/// The rate at which the buffers are expected to empty, in bytes per second, as long as nothing faster was seen.
const SLOWEST: f64 = 20_000.0;
/// The content types of bodies.
const JSON: &str = "application/json";
/// Of token requests. Observed.
const FORM: &str = "application/x-www-form-urlencoded";

/// What a call sends, the same in all of its attempts.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) content_type: Option<String>,
    parts: Vec<SourcePart>,
    length: u64,
    transferred: Option<Arc<Transferred>>,
    /// How far the latest attempt came.
    latest: Mutex<Option<Arc<Shared>>>,
}

#[derive(Debug, Clone)]
enum SourcePart {
    Bytes(Bytes),
    File { path: PathBuf, state: FileState },
}

impl Source {
    /// The body of a call. Fails if a file cannot be sent.
    pub(super) fn new(body: Option<&Body>) -> Result<Self, Error> {
        let (content_type, pieces) = match body {
            None => return Ok(Self::default()),
            Some(Body::Json(text)) => (JSON.into(), vec![Piece::Bytes(text.clone().into())]),
            Some(Body::Form(form)) => (FORM.into(), vec![Piece::Bytes(form.encoded().into())]),
            Some(Body::Content(bytes, media_type)) => ((*media_type).into(), vec![Piece::Bytes(bytes.clone())]),
            Some(Body::Multipart(body)) => (body.content_type(), body.pieces()),
            Some(Body::Permissions(changes, form)) => {
                (JSON.into(), vec![Piece::Bytes(changes.json(*form).to_string().into())])
            }
        };
        let parts: Vec<_> = pieces.into_iter().map(SourcePart::new).collect::<Result<_, Error>>()?;
        let length = parts.iter().map(SourcePart::length).sum();
        Ok(Self { content_type: Some(content_type), parts, length, ..Self::default() })
    }

    /// One file, whose progress is told.
    pub(super) fn of_file(path: &Path, media_type: &str, transferred: Arc<Transferred>) -> Result<Self, Error> {
        let part = SourcePart::File { path: path.to_owned(), state: first_state("path", path)? };
        let length = part.length();
        let (content_type, transferred) = (Some(media_type.into()), Some(transferred));
        Ok(Self { content_type, parts: vec![part], length, transferred, ..Self::default() })
    }

    /// Fails if a file has changed since this value was made.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        self.parts.iter().try_for_each(|part| part.open().map(drop))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether the body is sent piece by piece, on a runtime of its own.
    pub(super) fn is_streamed(&self) -> bool {
        !matches!(self.parts.as_slice(), [] | [SourcePart::Bytes(_)]) || self.length > AT_ONCE as u64
    }

    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Sends nothing more in the latest attempt. Returns the bytes that it sent, and those of the whole body, unless it
    /// sent all of them.
    pub(super) fn pause(&self) -> Option<(u64, u64)> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().and_then(|shared| shared.pause())
    }

    /// Opens the files for one attempt that begins now.
    pub(super) fn begin(&self) -> Result<(reqwest::Body, Sending), Error> {
        if self.is_streamed() {
            let sending = Sending::new(self, 0);
            let parts = self.parts.iter().map(SourcePart::open).collect::<Result<_, Error>>()?;
            let (left, shared) = (self.length, Arc::clone(&sending.0));
            let body = StreamedBody { parts, next: None, turn: None, left, shared };
            return Ok((reqwest::Body::wrap(body), sending));
        }
        let body = match self.parts.as_slice() {
            [SourcePart::Bytes(bytes)] => bytes.clone().into(),
            _ => reqwest::Body::default(),
        };
        Ok((body, Sending::new(self, self.length)))
    }
}

impl SourcePart {
    fn new(piece: Piece) -> Result<Self, Error> {
        Ok(match piece {
            Piece::Bytes(bytes) => Self::Bytes(bytes),
            Piece::File(path) => Self::File { state: first_state("files", &path)?, path },
        })
    }

    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { state, .. } => state.length,
        }
    }

    fn open(&self) -> Result<OpenPart, Error> {
        Ok(match self {
            Self::Bytes(bytes) => OpenPart::Bytes(bytes.clone()),
            Self::File { path, state } => {
                let (file, found) = opened(path).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidInput => changed(path, "is no longer a file"),
                    _ => Error::file(path, error),
                })?;
                check_state(path, *state, found)?;
                OpenPart::File { file, left: Some(state.length), path: path.clone(), state: *state }
            }
        })
    }
}

fn opened(path: &Path) -> io::Result<(fs::File, FileState)> {
    let file = files::open_regular(path)?;
    let state = FileState::of(&file)?;
    Ok((file, state))
}

/// What a file is before it is sent for the first time.
fn first_state(argument: &str, path: &Path) -> Result<FileState, Error> {
    let refused = |problem: &str| {
        let expected = format!("names {}, which cannot be sent: {problem}", path.display());
        Error::InvalidArgument(InvalidArgument::new(argument, expected))
    };
    let (mut file, state) = opened(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => refused(&error.to_string()),
        _ => Error::file(path, error),
    })?;
    if files::ends_at(&mut file, state.length).map_err(|error| Error::file(path, error))? {
        return Ok(state);
    }
    let length = state.length;
    Err(refused(&format!("it says that it holds {length} bytes, and holds more or fewer; send a copy of it")))
}

pub(super) fn check_state(path: &Path, expected: FileState, found: FileState) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    if found.length == expected.length {
        return Err(changed(path, "was changed while it was sent"));
    }
    let (before, now) = (expected.length, found.length);
    Err(changed(path, &format!("was changed while it was sent: it had {before} bytes, and now it has {now}")))
}

fn changed(path: &Path, problem: &str) -> Error {
    Error::FileChanged { path: path.to_owned(), problem: problem.to_owned() }
}

/// How far one attempt to send a body has come.
#[derive(Debug)]
pub(super) struct Sending(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    length: u64,
    began: Instant,
    transferred: Option<Arc<Transferred>>,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// How many bytes the connection has taken.
    sent: u64,
    /// When it took the last of them; `None` before the first.
    last: Option<Instant>,
    /// Why the body ended early.
    problem: Option<Error>,
    /// The answer is there already: nothing more is sent, and the connection stays open for the answer.
    is_paused: bool,
}

impl Sending {
    fn new(source: &Source, sent: u64) -> Self {
        let (length, transferred) = (source.length, source.transferred.clone());
        if let Some(transferred) = &transferred {
            transferred.set_total(Some(length));
            transferred.set_done(0);
        }
        let progress = Progress { sent, last: None, problem: None, is_paused: false };
        let shared = Shared { length, began: Instant::now(), transferred, progress: Mutex::new(progress) };
        let shared = Arc::new(shared);
        *source.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&shared));
        Self(shared)
    }

    /// The bytes that were sent, and those of the whole body.
    pub(super) fn sent(&self) -> (u64, u64) {
        (self.0.progress().sent, self.0.length)
    }

    /// Whether the connection has taken the whole body. If not, the server cannot have carried the request out.
    pub(super) fn is_whole(&self) -> bool {
        self.0.progress().sent == self.0.length
    }

    /// Why the body ended early.
    pub(super) fn problem(&self) -> Option<Error> {
        self.0.progress().problem.take()
    }

    /// Sends nothing more, but keeps the connection for the answer. Returns whether the whole body was sent.
    pub(super) fn pause(&self) -> bool {
        self.0.pause().is_none()
    }

    /// When to give up: `read_timeout` after the last byte was taken, or after `connecting` if there was none yet. After
    /// the whole body, also the time in which the system's buffers empty. `None` is never.
    pub(super) fn deadline(&self, connecting: Duration, read_timeout: Duration) -> Option<Instant> {
        let Shared { length, began, .. } = *self.0;
        let Progress { sent, last, .. } = *self.0.progress();
        let from = last.map_or_else(|| began.checked_add(connecting), Some)?;
        let limit = from.checked_add(read_timeout)?;
        if sent < length {
            return Some(limit);
        }
        let elapsed = last.map_or(Duration::ZERO, |last| last - began);
        limit.checked_add(time_to_empty(length, elapsed))
    }
}

/// How long the system's buffers may take to send what they hold of a body that was handed over in this time.
fn time_to_empty(length: u64, elapsed: Duration) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let (held, sent) = (length.min(BUFFERED) as f64, length.saturating_sub(BUFFERED) as f64);
    // What the buffers can hold says nothing about the rate.
    let rate = if elapsed.is_zero() { SLOWEST } else { (sent / elapsed.as_secs_f64()).max(SLOWEST) };
    Duration::from_secs_f64(held / rate)
}

impl Shared {
    /// From now on nothing is taken. Returns the bytes that were sent, and those of the whole body, unless all were.
    fn pause(&self) -> Option<(u64, u64)> {
        let mut progress = self.progress();
        progress.is_paused = progress.sent < self.length;
        progress.is_paused.then_some((progress.sent, self.length))
    }

    /// Lets the connection take so many bytes. Returns whether it may.
    fn take(&self, bytes: u64) -> bool {
        let mut progress = self.progress();
        if progress.is_paused {
            return false;
        }
        progress.sent += bytes;
        progress.last = Some(Instant::now());
        if let Some(transferred) = &self.transferred {
            transferred.set_done(progress.sent);
        }
        true
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum OpenPart {
    Bytes(Bytes),
    /// `left` is how much of it is to be read; `None` behind its end.
    File {
        file: fs::File,
        left: Option<u64>,
        path: PathBuf,
        state: FileState,
    },
}

impl OpenPart {
    /// The next bytes; `None` at the end.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = match self {
            Self::Bytes(bytes) => bytes.split_to(bytes.len().min(CHUNK)),
            Self::File { left: None, .. } => Bytes::new(),
            Self::File { file, left, path, state } => {
                let rest = left.unwrap_or_default();
                let wanted = usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK);
                *left = rest.checked_sub(CHUNK as u64).filter(|left| *left > 0);
                let is_last = left.is_none();
                // There must be nothing behind the end.
                let limit = if is_last { wanted + 1 } else { wanted };
                let chunk = read_at_most(file, limit).map_err(|error| Error::file(path, error))?;
                if is_last || chunk.len() != wanted {
                    let found = FileState::of(file).map_err(|error| Error::file(path, error))?;
                    check_state(path, *state, found)?;
                }
                if chunk.len() != wanted {
                    let found = if chunk.len() < wanted { "fewer" } else { "more" };
                    let problem = format!("says that it holds {} bytes, and holds {found}", state.length);
                    return Err(changed(path, &problem));
                }
                chunk
            }
        };
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

/// Reads so many bytes, or fewer at the end of the file.
fn read_at_most(file: &mut fs::File, limit: usize) -> io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(limit);
    file.take(limit as u64).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}

/// The body of one attempt, as the connection takes it. It reads the files itself: nothing but its connection is on its
/// runtime. The last bytes of a file come only if it is still the same.
#[derive(Debug)]
struct StreamedBody {
    parts: VecDeque<OpenPart>,
    next: Option<Bytes>,
    turn: Option<Arc<Turn>>,
    left: u64,
    shared: Arc<Shared>,
}

impl http_body::Body for StreamedBody {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let body = self.get_mut();
        loop {
            if let Some(turn) = &body.turn {
                ready!(turn.poll(context));
                body.turn = None;
            }
            if let Some(chunk) = body.next.take() {
                if !body.shared.take(chunk.len() as u64) {
                    body.next = Some(chunk);
                    return Poll::Pending;
                }
                body.left -= chunk.len() as u64;
                body.turn = Some(Turn::new(context));
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match body.next_chunk() {
                Ok(None) => return Poll::Ready(None),
                Ok(Some(chunk)) => body.next = Some(chunk),
                Err(problem) => {
                    body.shared.progress().problem = Some(problem);
                    return Poll::Ready(Some(Err(Stopped)));
                }
            }
            body.turn = Some(Turn::new(context));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl StreamedBody {
    /// The next bytes; `None` at the end.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(part) = self.parts.front_mut() {
            if let Some(chunk) = part.next_chunk()? {
                return Ok(Some(chunk));
            }
            self.parts.pop_front();
        }
        Ok(None)
    }
}

/// The body ended early. Why is in its `Sending`.
#[derive(Debug, thiserror::Error)]
#[error("the body was not sent to its end")]
struct Stopped;

/// Lets the runtime look at the network before the body goes on. A server may answer before it has the whole body, and
/// then close the connection. hyper reads before it writes, but it must know that there is something to read: a write
/// that fails makes it forget the answer. hyper asks a body twice in a row, which is why `yield_now` alone is not enough.
#[derive(Debug)]
struct Turn {
    has_come: AtomicBool,
    connection: Mutex<Waker>,
}

impl Turn {
    fn new(context: &Context<'_>) -> Arc<Self> {
        let turn = Arc::new(Self { has_come: AtomicBool::new(false), connection: Mutex::new(context.waker().clone()) });
        let waker = Waker::from(Arc::clone(&turn));
        // It wakes the turn after the runtime has looked at the network, even if it is dropped.
        let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
        turn
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        if self.has_come.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.has_come.store(true, Ordering::Release);
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_more_or_fewer_bytes_than_it_says_is_never_whole() {
        let path = std::env::temp_dir().join(format!("canvas-studio-{:016x}", fastrand::u64(..)));
        fs::write(&path, vec![7; CHUNK + 1]).unwrap();
        let length = CHUNK as u64 + 1;
        for (said, is_whole) in [(length, true), (0, false), (1, false), (length - 1, false), (length + 1, false)] {
            let (file, state) = opened(&path).unwrap();
            // The state is that of the file, as where a file system tells a wrong size again and again.
            let mut part = OpenPart::File { file, left: Some(said), path: path.clone(), state };
            let mut read = 0;
            let ended = loop {
                match part.next_chunk() {
                    Ok(Some(chunk)) => read += chunk.len() as u64,
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            assert_eq!((read == said && ended.is_ok()), is_whole, "{said}");
            assert!(is_whole || matches!(ended, Err(Error::FileChanged { .. })), "{said}");
            assert!(is_whole || read < said.max(1), "{said}");
        }
        fs::remove_file(&path).unwrap();
    }
}
