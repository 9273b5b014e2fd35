//! Studio in a box: a stateful Studio on loopback, to try things on and to test against.
//!
//! It shares nothing with `api` and `client`: it is a second reading of the reference, so that an error in either shows.
//! A server answers for both hosts on a thread of its own, from one [`State`].

mod additions;
mod assumptions;
mod captions;
mod changes;
mod credentials;
mod faults;
mod files;
mod library;
mod lists;
mod log;
mod operation;
mod options;
mod parameters;
mod random;
mod records;
mod routes;
mod server;
mod shapes;
mod state;
mod stored;
mod studio;
mod transcoding;

pub use options::Error;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use serde::Deserialize;
use serde_json::Value as Json;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use assumptions::Assumptions;
use credentials::Credentials;
use faults::Fault;
use options::{Library, Options, check_seed, duration, lifetime, read};
use records::{Role, words};
use state::State;
use studio::Studio;
use transcoding::tick;

/// The largest file that is returned in one piece; downloads have no limit.
const LARGEST_FILE: u64 = 1 << 30;

/// The source of the state at the start and after a reset.
#[derive(Debug)]
enum Origin {
    Library(Library),
    Snapshot(Vec<u8>),
}

impl Origin {
    /// The state at the start, without the credentials of a library.
    fn state(&self, assumptions: &Assumptions) -> Result<State, Error> {
        match self {
            Self::Library(Library { media, seed, .. }) => {
                let mut state = library::library(*media, *seed)?;
                state.disconnect_archived(assumptions);
                Ok(state)
            }
            Self::Snapshot(bytes) => {
                let invalid = |problem: String| {
                    Error::Invalid(format!("snapshot: the file is not a snapshot of a sandbox: {problem}"))
                };
                let mut state: State = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
                state.check().map_err(invalid)?;
                state.index();
                Ok(state)
            }
        }
    }
}

/// A file that was sent to the URL of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
    pub content_type: Option<String>,
    /// None if there are too many bytes.
    pub content: Option<Vec<u8>>,
}

/// A Studio that runs until it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    studio: Arc<Studio>,
    origin: Origin,
    port: u16,
    /// Dropping it stops the server.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The process that it runs in. A forked process has nothing to stop.
    process: u32,
}

impl Sandbox {
    /// Starts a sandbox.
    pub fn start(options: Json) -> Result<Self, Error> {
        let Options { port, token_lifetime, url_lifetime, transcoding_time, assumptions, library, snapshot } =
            read(options)?;
        let token_lifetime = lifetime("token_lifetime", token_lifetime)?;
        let url_lifetime = lifetime("url_lifetime", url_lifetime)?;
        let transcoding_time = duration("transcoding_time", transcoding_time)?;
        let origin = match (library, snapshot) {
            (Some(library), None) => Origin::Library(read::<Library>(library)?.checked()?),
            (None, Some(path)) => Origin::Snapshot(std::fs::read(path)?),
            _ => return Err(Error::Invalid("library, snapshot: expected one of the two".into())),
        };
        let mut state = origin.state(&assumptions)?;
        let admin = state.users.values().find(|user| user.role == Role::Admin).map(|user| user.id);
        let admin = admin.ok_or_else(|| Error::Invalid("the snapshot has no administrator".into()))?;
        if let Origin::Library(Library { redirect_uris, .. }) = &origin {
            state.credentials = Credentials::new(admin, redirect_uris.clone());
        }

        let studio = move |url, storage_url| Studio {
            url,
            storage_url,
            assumptions,
            token_lifetime,
            url_lifetime,
            transcoding_time,
            admin,
            signing_key: fastrand::u64(..),
            state: Mutex::new(state),
            faults: Mutex::default(),
            log: Mutex::default(),
            panics: AtomicUsize::new(0),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (report_start, started) = mpsc::channel();
        let thread = std::thread::Builder::new().name("studio-sandbox".into());
        let thread = thread.spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(report_start.send(Err(error))),
            };
            runtime.block_on(async move {
                let ports = async {
                    let (api, storage) = (server::listen(port)?, server::listen(0)?);
                    let ports = (api.local_addr()?.port(), storage.local_addr()?.port());
                    Ok((api, storage, ports))
                };
                let (api, storage, ports) = match ports.await {
                    Ok(bound) => bound,
                    Err(error) => return drop(report_start.send(Err(error))),
                };
                // A different host as well as a different port, so that a client must not send its token there.
                let studio = studio(format!("http://127.0.0.1:{}", ports.0), format!("http://localhost:{}", ports.1));
                let studio = Arc::new(studio);
                let _ = report_start.send(Ok((Arc::clone(&studio), ports.0)));
                tokio::select! {
                    () = server::serve(studio, api, storage) => {}
                    _ = stopped => {}
                }
            });
        });
        let no_thread =
            |error: io::Error| io::Error::new(error.kind(), format!("no thread for the sandbox's server: {error}"));
        let thread = thread.map_err(no_thread)?;
        let (studio, port) = started.recv().map_err(|_| io::Error::other("the server ended at once"))??;
        Ok(Self { studio, origin, port, stop: Some(stop), thread: Some(thread), process: std::process::id() })
    }

    /// Stops the server and frees its ports. In a forked process it does nothing.
    pub fn stop(&mut self) {
        let (stop, thread) = (self.stop.take(), self.thread.take());
        if self.process != std::process::id() {
            std::mem::forget((stop, thread));
            return;
        }
        drop(stop);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    pub fn url(&self) -> &str {
        &self.studio.url
    }

    pub fn storage_url(&self) -> &str {
        &self.studio.storage_url
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn token(&self) -> String {
        self.studio.state().credentials.token.clone()
    }

    pub fn client_id(&self) -> String {
        self.studio.state().credentials.client_id.clone()
    }

    pub fn client_secret(&self) -> String {
        self.studio.state().credentials.client_secret.clone()
    }

    pub fn redirect_uris(&self) -> Vec<String> {
        self.studio.state().credentials.redirect_uris.clone()
    }

    /// How many requests panicked.
    pub fn panics(&self) -> usize {
        self.studio.panics.load(Ordering::SeqCst)
    }

    /// Resets the state, the faults and the log. The key and the administrator's token stay.
    pub fn reset(&self) -> Result<(), Error> {
        let mut fresh = self.origin.state(&self.studio.assumptions)?;
        let mut state = self.studio.state();
        if matches!(self.origin, Origin::Library(_)) {
            fresh.credentials = state.credentials.renewed(self.studio.admin);
        }
        *state = fresh;
        drop(state);
        self.studio.faults().clear();
        self.studio.log().clear();
        Ok(())
    }

    /// Writes the state, with its secrets, to a private file, atomically.
    pub fn snapshot(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(&*self.studio.state()).map_err(io::Error::other)?;
        crate::files::replace(path, &text).map_err(Error::from)
    }

    /// All users, including the administrator.
    pub fn users(&self) -> Result<Json, Error> {
        let state = self.studio.state();
        let users: Vec<_> = state.users.values().collect();
        Ok(serde_json::to_value(users).map_err(io::Error::other)?)
    }

    /// The request log.
    pub fn requests(&self) -> Result<Json, Error> {
        let seen = self.studio.log().all();
        Ok(serde_json::to_value(seen).map_err(io::Error::other)?)
    }

    pub fn forget_requests(&self) {
        self.studio.log().clear();
    }

    /// Issues a token for a user that does not expire.
    pub fn token_for(&self, user: u64) -> Result<String, Error> {
        let mut state = self.studio.state();
        known(&state, user)?;
        Ok(state.credentials.permanent(user))
    }

    /// Issues tokens as the token endpoint does.
    pub fn oauth_token(&self, user: Option<u64>) -> Result<Json, Error> {
        let user = user.unwrap_or(self.studio.admin);
        let mut state = self.studio.state();
        known(&state, user)?;
        let now = state.now();
        Ok(state.credentials.grant(user, self.studio.token_lifetime, now))
    }

    /// Allows an authorization request, as a user does on the authorize page.
    pub fn allow(&self, query: &HashMap<String, String>, user: Option<u64>) -> Result<String, Error> {
        let user = user.unwrap_or(self.studio.admin);
        let now = self.studio.now();
        routes::oauth::allow(&self.studio, query, user, now).map_err(Error::Invalid)
    }

    /// Adds a user, group, collection, media or request for captions.
    pub fn add(&self, kind: &str, fields: Json) -> Result<u64, Error> {
        let mut state = self.studio.state();
        let now = tick(&mut state);
        additions::add(&mut state, self.studio.admin, kind, fields, now)
    }

    /// Changes the fields of a media, whatever Studio's rules are.
    pub fn change_media(&self, id: u64, fields: Json) -> Result<(), Error> {
        let mut state = self.studio.state();
        let now = tick(&mut state);
        changes::change_media(&mut state, id, fields, now)
    }

    /// Removes a media, as somebody else deletes it.
    pub fn remove_media(&self, id: u64) -> Result<(), Error> {
        let removed = self.studio.state().delete_media(id);
        removed.map(drop).ok_or_else(|| no_media(id))
    }

    /// The time by its clock, in Unix seconds.
    pub fn now(&self) -> f64 {
        self.studio.now().as_duration().as_secs_f64()
    }

    /// Moves its clock ahead.
    pub fn advance(&self, seconds: f64) -> Result<(), Error> {
        let by = duration("seconds", seconds)?;
        self.studio.state().advance(by).map_err(Error::Invalid)
    }

    /// The file that was sent to the URL of an upload, if one was, with its bytes if they were kept.
    pub fn uploaded_file(&self, id: u64) -> Result<Option<UploadedFile>, Error> {
        let state = self.studio.state();
        if !state.media.contains_key(&id) && !state.uploads.contains_key(&id) {
            return Err(Error::Invalid(format!("there is no upload {id} and no media with this id")));
        }
        let file = state.files.get(&id).cloned();
        Ok(file.map(|file| UploadedFile {
            size: file.size,
            sha256: file.sha256,
            content_type: file.content_type,
            content: file.bytes.map(Vec::from),
        }))
    }

    /// The content of a download.
    pub fn media_file(&self, id: u64, quality: Option<&str>) -> Result<Vec<u8>, Error> {
        let mut state = self.studio.state();
        tick(&mut state);
        let media = state.media.get(&id).ok_or_else(|| no_media(id))?;
        let file = files::File::of(&state, media, quality.unwrap_or(files::BEST));
        let file = file.ok_or_else(|| Error::Invalid(format!("media {id} has no file of this quality")))?;
        if *media.transcoding_status != *words::FINISHED {
            return Err(Error::Invalid(format!("media {id} has no file until its transcoding is finished")));
        }
        if file.size() > LARGEST_FILE {
            return Err(Error::Invalid(format!("the file has {} bytes, too many to hold in memory", file.size())));
        }
        drop(state);
        Ok(file.bytes(0, file.size()))
    }

    pub fn add_fault(&self, fields: Json) -> Result<u64, Error> {
        Ok(self.studio.faults().add(fault(fields)?))
    }

    /// Checks a fault; an error names the field.
    pub fn check_fault(fields: Json) -> Result<(), Error> {
        fault(fields).map(drop)
    }

    pub fn remove_fault(&self, id: u64) -> bool {
        self.studio.faults().remove(id)
    }

    pub fn clear_faults(&self) {
        self.studio.faults().clear();
    }

    /// How often a fault was applied.
    pub fn fault_hits(&self, id: u64) -> Option<u64> {
        self.studio.faults().hits(id)
    }

    /// Faults as servers and networks have them, from the `seed` in `options`.
    pub fn chaos(options: Json) -> Result<Json, Error> {
        #[derive(Deserialize)]
        struct Seed {
            seed: u64,
        }
        let Seed { seed } = read(options)?;
        check_seed(seed)?;
        Ok(serde_json::to_value(faults::chaos(seed)).map_err(io::Error::other)?)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop();
    }
}

fn fault(fields: Json) -> Result<Fault, Error> {
    let fault: Fault = read(fields)?;
    fault.check().map_err(Error::Invalid)?;
    Ok(fault)
}

fn no_media(id: u64) -> Error {
    Error::Invalid(format!("there is no media {id}"))
}

fn known(state: &State, user: u64) -> Result<(), Error> {
    if state.users.contains_key(&user) { Ok(()) } else { Err(Error::Invalid(format!("there is no user {user}"))) }
}
