//! Runs many calls: a bounded number is under way, and their results come in the order of the calls.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::error::Error;
use super::pace::{ConcurrencyLimit, SLOW};
use super::send::Client;
use super::tasks::{Task, shared_runtime};

/// Sends a call, each time anew.
type Start<T> = dyn Fn(Client) -> Pin<Box<dyn Future<Output = Result<T, Error>> + Send>> + Send + Sync;

/// A call for a queue, which may send it several times: it must change nothing.
pub struct QueuedCall<T> {
    pub start: Arc<Start<T>>,
    /// Whether it takes one request, so that its time shows how quick the server is.
    pub is_one_request: bool,
}

impl<T> Clone for QueuedCall<T> {
    fn clone(&self) -> Self {
        Self { start: Arc::clone(&self.start), is_one_request: self.is_one_request }
    }
}

impl<T> fmt::Debug for QueuedCall<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QueuedCall").finish_non_exhaustive()
    }
}

/// Calls in the queue for each that may be under way. While the first call takes long, those behind it go on.
const CALLS_PER_PLACE: usize = 2;

/// How often a call that was refused to its last retry is sent again, alone. The first time follows at once on others
/// that were sent alone, so a quick server may refuse it; the second follows on the wait that the server asked for.
const TIMES_ALONE: u8 = 2;

/// Calls in order, the next one first. As many as the limit allows are under way, on the shared runtime: they go on
/// while their reader is away, so what they hold is free again without it. Dropping the queue ends them.
#[derive(Debug)]
pub struct CallQueue<T> {
    client: Client,
    limit: ConcurrencyLimit,
    entries: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    call: QueuedCall<T>,
    state: State<T>,
    /// How often it was sent while no other was under way.
    times_alone: u8,
}

#[derive(Debug)]
enum State<T> {
    Waiting,
    UnderWay(Task<Ended<T>>),
    Ended(Ended<T>),
}

/// The result of a call, and how long it took.
type Ended<T> = (Result<T, Error>, Duration);

impl<T: Send + 'static> Entry<T> {
    fn begin(&mut self, runtime: &Handle, client: Client) {
        let start = Arc::clone(&self.call.start);
        self.state = State::UnderWay(Task::begin(runtime, async move {
            client.pace().hold().await;
            let began = Instant::now();
            (start(client).await, began.elapsed())
        }));
    }

    /// Waits until it is not under way.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let State::UnderWay(task) = &mut self.state {
            let ended = ready!(task.poll(context));
            self.state = State::Waiting;
            self.state = State::Ended(ended?);
        }
        Poll::Ready(Ok(()))
    }

    fn result(&self) -> Option<&Result<T, Error>> {
        if let State::Ended((result, _)) = &self.state { Some(result) } else { None }
    }

    /// Whether the server refused it for want of time, and it may be accepted when it is sent alone.
    fn is_crowded_out(&self) -> bool {
        let is_refused =
            matches!(self.result(), Some(Err(Error::Status(refusal))) if matches!(refusal.status, 429 | 503));
        is_refused && self.times_alone < TIMES_ALONE
    }
}

impl<T: Send + 'static> CallQueue<T> {
    pub fn new(client: Client) -> Self {
        let config = client.config();
        let width = config.max_concurrency.min(config.max_connections);
        let limit = ConcurrencyLimit::new(width, client.pace().throttlings());
        Self { client, limit, entries: VecDeque::new() }
    }

    /// How many calls the queue should hold: those under way, and those that have ended or wait.
    pub fn capacity(&self) -> usize {
        CALLS_PER_PLACE * self.limit.now()
    }

    pub fn push(&mut self, call: QueuedCall<T>) {
        self.entries.push_back(Entry { call, state: State::Waiting, times_alone: 0 });
    }

    /// Sends what may be under way, and waits until the first call has ended.
    pub fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.begin_calls(context)?;
            let Some(first) = self.entries.front_mut() else { return Poll::Ready(Ok(())) };
            ready!(first.poll_ended(context))?;
            if !first.is_crowded_out() {
                // Those behind it that have ended are taken with it.
                for other in self.entries.iter_mut().skip(1) {
                    if other.poll_ended(context)?.is_pending() {
                        break;
                    }
                }
                return Poll::Ready(Ok(()));
            }
            for other in self.entries.iter_mut().skip(1) {
                ready!(other.poll_ended(context))?;
            }
            if let Some(first) = self.entries.front_mut() {
                (first.times_alone, first.state) = (first.times_alone + 1, State::Waiting);
            }
        }
    }

    /// Sends calls until as many are under way as may be. Each that ends wakes the reader, which sends another.
    fn begin_calls(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        let mut under_way = 0;
        for entry in &mut self.entries {
            // In the child of a fork, the thread that drove the task stayed in the parent.
            if matches!(&entry.state, State::UnderWay(task) if !task.is_of_this_process()) {
                entry.state = State::Waiting;
            }
            if entry.poll_ended(context)?.is_pending() {
                under_way += 1;
            }
        }
        let is_alone = self.entries.front().is_some_and(|first| first.times_alone > 0 || first.is_crowded_out());
        let (width, candidates) = if is_alone { (1, 1) } else { (self.limit.now(), self.entries.len()) };
        for entry in self.entries.iter_mut().take(candidates) {
            if under_way < width && matches!(entry.state, State::Waiting) {
                entry.begin(&shared_runtime()?, self.client.clone());
                if entry.poll_ended(context)?.is_pending() {
                    under_way += 1;
                }
            }
        }
        Ok(())
    }

    /// The result of the first call, if it has come.
    pub fn first(&self) -> Option<&Result<T, Error>> {
        self.entries.front().filter(|first| !first.is_crowded_out())?.result()
    }

    /// Takes that result out of the queue.
    pub fn take_first(&mut self) -> Option<Result<T, Error>> {
        self.first()?;
        let Entry { call, state: State::Ended((result, took)), .. } = self.entries.pop_front()? else { return None };
        let took = if call.is_one_request { took } else { took.min(SLOW) };
        self.limit.answered(took, self.client.pace().throttlings());
        Some(result)
    }

    /// Ends what is under way. The next wait sends it again, and the first call even if it has failed.
    pub fn stop(&mut self) {
        for entry in &mut self.entries {
            if let State::UnderWay(_) = entry.state {
                entry.state = State::Waiting;
            }
        }
        if let Some(first) = self.entries.front_mut().filter(|first| matches!(first.result(), Some(Err(_)))) {
            (first.times_alone, first.state) = (0, State::Waiting);
        }
    }
}
