//! Token stores: where tokens are kept between requests, programs and processes.

use std::any::Any;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::api::InvalidArgument;
use crate::api::oauth::{self, Grant};
use crate::client::address::school_url;
use crate::client::error::Error;
use crate::client::process::PerProcess;
use crate::files::{self, Locked};

/// How long to wait for a store's lock: longer than several refreshes in a row can take. Calls mostly time out earlier.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);
/// The pause before trying a lock again: at first, and at most.
const LOCK_PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A future on the heap, of any type.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The tokens of a person's sign-in.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: SecretString,
    pub refresh: Option<SecretString>,
    /// When the access token expires, by this machine's clock, if known.
    pub expires_at: Option<Timestamp>,
    /// The school of the tokens.
    pub url: Option<String>,
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl Tokens {
    /// The tokens that the token endpoint granted; their lifetime counts from just before the request. Without a new
    /// refresh token, the old one stays valid.
    pub(super) fn granted(grant: Grant, sent: Option<&SecretString>, asked_at: Timestamp, url: String) -> Self {
        Self {
            access: grant.access_token,
            refresh: grant.refresh_token.or_else(|| sent.cloned()),
            expires_at: grant.expires_in.and_then(|lifetime| asked_at.checked_add(lifetime).ok()),
            url: Some(url),
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.access.expose_secret() == other.access.expose_secret()
    }

    /// Whether the access token is known to have expired.
    pub(super) fn have_ended(&self) -> bool {
        self.expires_at.is_some_and(|end| end <= Timestamp::now())
    }

    pub(super) fn secrets(&self) -> impl Iterator<Item = SecretString> + use<> {
        std::iter::once(self.access.clone()).chain(self.refresh.clone())
    }

    /// All fields, including the secrets.
    pub fn to_json(&self) -> Value {
        json!({
            "access_token": self.access.expose_secret(),
            "refresh_token": self.refresh.as_ref().map(ExposeSecret::expose_secret),
            "expires_at": self.expires_at.map(|moment| moment.to_string()),
            "url": self.url,
        })
    }

    /// Reads the output of [`Tokens::to_json`], or an answer of the token endpoint.
    pub fn from_json(fields: &Value) -> Result<Self, InvalidArgument> {
        let wrong = |name: &str, expected: &str| InvalidArgument::new(name, expected);
        if !fields.is_object() {
            return Err(wrong("values", "must be a mapping"));
        }
        let grant = oauth::read(fields).map_err(|error| {
            wrong(error.path.as_deref().unwrap_or("values"), "must be a token of visible ASCII characters")
        })?;
        oauth::checked_token("access_token", grant.access_token.expose_secret())?;
        // There is no older refresh token to fall back on here, unlike after a refresh, so an invalid one is an error.
        let has_refresh = !matches!(fields.get("refresh_token"), None | Some(Value::Null))
            && fields.get("refresh_token").and_then(Value::as_str).is_none_or(|text| !text.trim().is_empty());
        if has_refresh && grant.refresh_token.is_none() {
            return Err(wrong("refresh_token", "must be a token of visible ASCII characters"));
        }
        let written = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            None | Some(Value::Null) => Ok(None),
            Some(_) => Err(wrong(name, "must be a text or null")),
        };
        let expires_at = match written("expires_at")? {
            Some(moment) => Some(moment.parse().map_err(|_| {
                wrong("expires_at", "must be a moment with its zone, such as \"2026-11-22T12:00:00Z\"")
            })?),
            None => oauth::number(fields.get("created_at"))
                .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
                .and_then(|created_at| Timestamp::from_duration(created_at).ok())
                .zip(grant.expires_in)
                .and_then(|(created_at, lifetime)| created_at.checked_add(lifetime).ok()),
        };
        let url = written("url")?.map(school_url).transpose()?;
        Ok(Self { access: grant.access_token, refresh: grant.refresh_token, expires_at, url })
    }
}

/// What to do with the content of a store.
#[derive(Debug)]
pub enum Change {
    Keep,
    /// Save these; `None` deletes the tokens.
    Save(Option<Tokens>),
}

/// Decides by the content of the store.
pub type Decide = Box<dyn FnOnce(Option<Tokens>) -> BoxFuture<Result<Change, Error>> + Send>;

/// A token store.
pub trait TokenStore: Any + Send + Sync + fmt::Debug {
    /// Locks, loads, calls `decide`, saves and unlocks. The change is safe when the future completes, and not before.
    ///
    /// It runs to completion even if nobody waits for it any more.
    fn update(&self, decide: Decide) -> BoxFuture<Result<(), Error>>;

    /// Whether it needs to know its caller.
    fn needs_caller(&self) -> bool {
        false
    }

    /// The site where it works for the current caller. A caller on another site does not wait for work in progress
    /// there: that event loop may have stopped, or be the caller's own.
    fn work_site(&self) -> usize {
        0
    }

    /// Whether the caller runs inside the store, and would wait for itself.
    fn is_waiting_for_caller(&self) -> bool {
        false
    }
}

/// Keeps tokens in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Memory>);

#[derive(Debug, Default)]
struct Memory {
    tokens: ArcSwapOption<Tokens>,
    /// After a fork, nothing in the child could release a lock that a thread of the parent holds.
    lock: PerProcess<Mutex<()>>,
}

impl MemoryStore {
    pub fn load(&self) -> Option<Tokens> {
        self.0.tokens.load().as_deref().cloned()
    }

    pub fn save(&self, tokens: Option<Tokens>) {
        self.0.tokens.store(tokens.map(Arc::new));
    }

    pub async fn lock(&self) -> OwnedMutexGuard<()> {
        let Ok(lock) = self.0.lock.get(|| Ok::<_, std::convert::Infallible>(Mutex::default()));
        lock.lock_owned().await
    }
}

impl TokenStore for MemoryStore {
    fn update(&self, decide: Decide) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move {
            let _locked = store.lock().await;
            if let Change::Save(tokens) = decide(store.load()).await? {
                store.save(tokens);
            }
            Ok(())
        })
    }
}

/// Keeps tokens in a file that only its owner can read, shared by all processes that know its path.
#[derive(Debug, Clone)]
pub struct FileStore {
    path: PathBuf,
}

/// The lock of a file store; it is released when it is dropped, or when its process exits.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "it is only held")] Locked);

impl FileStore {
    pub fn new(path: &Path) -> Result<Self, InvalidArgument> {
        if path.file_name().is_none() || path.is_dir() {
            let expected = format!("must name a file, such as \"tokens.json\"; \"{}\" is a folder", path.display());
            return Err(InvalidArgument::new("path", expected));
        }
        match std::path::absolute(path) {
            Ok(path) => Ok(Self { path }),
            Err(error) => Err(InvalidArgument::new("path", format!("cannot be right: {error}"))),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn load(&self) -> Result<Option<Tokens>, Error> {
        let text = match files::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
        if text.trim_ascii() == b"null" {
            return Ok(None);
        }
        let unreadable = |problem: String| {
            let problem = format!("{problem}: log in again, or restore a copy of the file");
            self.failed("read", io::Error::new(io::ErrorKind::InvalidData, problem))
        };
        let fields =
            serde_json::from_slice(text).map_err(|_| unreadable("it does not hold tokens as JSON".to_owned()))?;
        Tokens::from_json(&fields).map(Some).map_err(|refusal| unreadable(refusal.to_string()))
    }

    /// Writes a new file and renames it over the old one, so that the file is always complete. To delete tokens, the
    /// new file says that there are none.
    pub fn save(&self, tokens: Option<&Tokens>) -> Result<(), Error> {
        let text = tokens.map_or(Value::Null, Tokens::to_json).to_string();
        self.make_folder()
            .and_then(|()| files::replace_in_own_folder(&files::resolve(&self.path)?, (text + "\n").as_bytes()))
            .map_err(|error| self.failed("written", error))
    }

    /// Waits until no other process or thread holds the lock.
    pub async fn lock(&self) -> Result<FileLock, Error> {
        let lock = || files::open_lock(&files::beside(&files::resolve(&self.path)?, ".lock")?);
        let opened = self.make_folder().and_then(|()| lock());
        let file = opened.map_err(|error| self.failed("locked", error))?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        let (mut pause, longest) = LOCK_PAUSES;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(FileLock(Locked::of(file))),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                    pause = (pause * 2).min(longest);
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let problem = format!("another process or thread has held its lock for {LOCK_PATIENCE:?}");
                    return Err(self.failed("locked", io::Error::new(io::ErrorKind::TimedOut, problem)));
                }
                Err(fs::TryLockError::Error(error)) => return Err(self.failed("locked", error)),
            }
        }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn make_folder(&self) -> io::Result<()> {
        files::make_private_folder(self.folder())
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        let message = format!("the tokens in {} could not be {what}: {error}", self.path.display());
        Error::Store { message, cause: Arc::new(Error::file(&self.path, error)) }
    }
}

impl TokenStore for FileStore {
    fn update(&self, decide: Decide) -> BoxFuture<Result<(), Error>> {
        let store = self.clone();
        Box::pin(async move {
            let _locked = store.lock().await?;
            if let Change::Save(tokens) = decide(store.load()?).await? {
                store.save(tokens.as_ref())?;
            }
            Ok(())
        })
    }
}
