//! `ByteStream`: the file of a media as a reader takes it, chunk by chunk.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore, mpsc};
use url::Url;

use super::chunks::{ChunkSender, Receiver};
use super::download::Limits;
use super::transferred::Transferred;
use crate::api::{InvalidArgument, Request, check};
use crate::client::error::Error;
use crate::client::process::generation;
use crate::client::send::Client;
use crate::client::tasks::{Task, shared_runtime};

/// The bytes of a file as a reader takes them: nothing is sent before the first one is wanted.
#[derive(Debug)]
pub struct ByteStream {
    client: Client,
    request: Request<Url>,
    limits: Limits,
    chunk_size: usize,
    transferred: Arc<Transferred>,
    generation: u32,
    state: Mutex<State>,
    /// The chunk that the reader gets next. A cancelled call leaves it.
    ready: StdMutex<Option<Bytes>>,
    /// Closed with the stream.
    open: Semaphore,
}

#[derive(Debug)]
enum State {
    New,
    Reading(mpsc::Receiver<Bytes>, Task<Result<(), Error>>),
    Ended(Result<(), Error>),
}

impl ByteStream {
    pub fn new(
        client: Client,
        request: Request<Url>,
        limits: Limits,
        chunk_size: i64,
    ) -> Result<Self, InvalidArgument> {
        Ok(Self {
            client,
            request,
            limits,
            chunk_size: check::chunk_size(chunk_size)?,
            transferred: Arc::default(),
            generation: generation(),
            state: Mutex::new(State::New),
            ready: StdMutex::new(None),
            open: Semaphore::new(0),
        })
    }

    /// Waits until there is a chunk to take; returns whether there is one, or the file has ended.
    pub async fn next(&self) -> Result<bool, Error> {
        if self.generation != generation() {
            let message = "this stream belongs to the process that has forked this one: begin a new one here";
            return Err(Error::Setup(message.to_owned()));
        }
        let mut state = self.state.lock().await;
        if self.ready().is_some() {
            return Ok(true);
        }
        loop {
            match &mut *state {
                State::New => *state = self.begin()?,
                State::Reading(chunks, task) => {
                    let chunk = tokio::select! {
                        biased;
                        _ = self.open.acquire() => {
                            *state = State::Ended(Err(closed()));
                            continue;
                        }
                        chunk = chunks.recv() => chunk,
                    };
                    if chunk.is_some() {
                        *self.ready() = chunk;
                        return Ok(true);
                    }
                    let ended = task.wait().await.and_then(|ended| ended);
                    *state = State::Ended(ended);
                }
                // Raised each time: a second try must not look like the end of the file.
                State::Ended(ended) => return ended.clone().map(|()| false),
            }
        }
    }

    /// Takes the chunk that `next` has found.
    pub fn take(&self) -> Option<Bytes> {
        self.ready().take()
    }

    /// The length of the file, once it is known.
    pub fn length(&self) -> Option<u64> {
        self.transferred.read().1
    }

    /// Ends it, with its request. Nothing can be read any more.
    pub fn close(&self) {
        self.open.close();
        if self.generation == generation()
            && let Ok(mut state) = self.state.try_lock()
            && !matches!(*state, State::Ended(_))
        {
            *state = State::Ended(Err(closed()));
            *self.ready() = None;
        }
    }

    fn begin(&self) -> Result<State, Error> {
        let (sender, chunks) = mpsc::channel(1);
        let (client, request, limits) = (self.client.clone(), self.request.clone(), self.limits.clone());
        let (chunk_size, transferred) = (self.chunk_size, Arc::clone(&self.transferred));
        // Between two calls of a reader, nothing drives the runtime of a blocking one.
        let task = Task::begin(&shared_runtime()?, async move {
            let chunks = ChunkSender::new(Receiver::Reader(sender), chunk_size, limits.is_hashed());
            client.hand_on(&request, &limits, chunks, &transferred).await.map(drop)
        });
        Ok(State::Reading(chunks, task))
    }

    fn ready(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> Error {
    Error::Setup("this stream is closed: begin a new one".to_owned())
}
