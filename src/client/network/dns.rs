//! Resolves host names: each name once for all requests that wait for it, and only a few at a time.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

use crate::client::process::PerProcess;

/// How many names are resolved at once. The system's resolver takes a thread for each.
const MOST: usize = 8;

/// The lookups of this process, for all its clients: a forked child starts its own.
static LOOKUPS: PerProcess<Lookups> = PerProcess::new();

/// The addresses of a name; `None` while the lookup runs.
type Lookup = Option<Result<Arc<[SocketAddr]>, Problem>>;

/// An error that can be cloned for every waiting request.
#[derive(Debug, Clone)]
struct Problem {
    code: Option<i32>,
    kind: io::ErrorKind,
    text: String,
}

impl Problem {
    fn of(error: &io::Error) -> Self {
        Self { code: error.raw_os_error(), kind: error.kind(), text: error.to_string() }
    }

    fn error(&self) -> io::Error {
        self.code.map_or_else(|| io::Error::new(self.kind, self.text.clone()), io::Error::from_raw_os_error)
    }
}

/// A name cannot be resolved, since the system starts no more threads.
#[derive(Debug, thiserror::Error)]
#[error("no thread to look the name up: {0}")]
pub(super) struct NoThread(io::Error);

/// The resolver for reqwest, backed by the lookups of this process.
#[derive(Debug)]
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Ok(lookups) = LOOKUPS.get(|| Ok::<_, Infallible>(Lookups::new(system)));
        Box::pin(async move {
            let addresses = lookups.ask(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Resolves a name with the operating system, as other programs do.
fn system(name: &str) -> io::Result<Vec<SocketAddr>> {
    (name, 0).to_socket_addrs().map(Iterator::collect)
}

#[derive(Debug)]
struct Lookups {
    look_up: fn(&str) -> io::Result<Vec<SocketAddr>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The names being resolved.
    wanted: HashMap<String, watch::Receiver<Lookup>>,
    /// The names that no thread has taken yet.
    waiting: VecDeque<(String, watch::Sender<Lookup>)>,
    threads: usize,
}

impl Lookups {
    fn new(look_up: fn(&str) -> io::Result<Vec<SocketAddr>>) -> Self {
        Self { look_up, state: Mutex::default() }
    }

    /// Joins the lookup of a name, or starts it. It continues even if nobody waits any more.
    async fn ask(self: &Arc<Self>, name: &str) -> io::Result<Vec<SocketAddr>> {
        let mut outcome = self.begin(name)?;
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(addresses))) => Ok(addresses.to_vec()),
            Ok(Some(Err(problem))) => Err(problem.error()),
            _ => Err(io::Error::other("the look-up of the name was given up")),
        }
    }

    fn begin(self: &Arc<Self>, name: &str) -> io::Result<watch::Receiver<Lookup>> {
        let mut state = self.state();
        if let Some(outcome) = state.wanted.get(name).filter(|outcome| outcome.has_changed().is_ok()) {
            return Ok(outcome.clone());
        }
        if state.threads < MOST {
            // Not a thread of the runtime, which aborts the process if it cannot start one.
            let lookups = Arc::clone(self);
            let thread = thread::Builder::new().name("canvas-studio".to_owned()).spawn(move || lookups.work());
            match thread {
                Ok(_) => state.threads += 1,
                // The running threads will get to it.
                Err(_) if state.threads > 0 => {}
                Err(error) => return Err(io::Error::new(error.kind(), NoThread(error))),
            }
        }
        let (publish, outcome) = watch::channel(None);
        state.wanted.insert(name.to_owned(), outcome.clone());
        state.waiting.push_back((name.to_owned(), publish));
        Ok(outcome)
    }

    /// Resolves waiting names until there are none.
    fn work(&self) {
        loop {
            let (name, publish) = {
                let mut state = self.state();
                let Some(next) = state.waiting.pop_front() else {
                    state.threads -= 1;
                    return;
                };
                next
            };
            let found = (self.look_up)(&name);
            let found = found.map(Arc::from).map_err(|error| Problem::of(&error));
            // The next request starts a new lookup: nothing is cached.
            self.state().wanted.remove(&name);
            // Nobody may be waiting any more.
            let _ = publish.send(Some(found));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    static NOW: AtomicUsize = AtomicUsize::new(0);
    static HIGHEST: AtomicUsize = AtomicUsize::new(0);
    static ALL: AtomicUsize = AtomicUsize::new(0);

    fn slow(name: &str) -> io::Result<Vec<SocketAddr>> {
        ALL.fetch_add(1, Ordering::SeqCst);
        HIGHEST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        NOW.fetch_sub(1, Ordering::SeqCst);
        if name == "nowhere" {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such name"));
        }
        Ok(vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)])
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_for_all_and_few_at_a_time() {
        let lookups = Arc::new(Lookups::new(slow));
        let asking: Vec<_> = (0..200)
            .map(|number| {
                let lookups = Arc::clone(&lookups);
                tokio::spawn(async move { lookups.ask(&format!("host{}", number % 10)).await })
            })
            .collect();
        let failing = lookups.ask("nowhere").await.unwrap_err();
        assert_eq!((failing.kind(), failing.to_string().as_str()), (io::ErrorKind::NotFound, "no such name"));
        for task in asking {
            assert_eq!(task.await.unwrap().unwrap().len(), 1);
        }
        assert_eq!(ALL.load(Ordering::SeqCst), 11);
        assert!((2..=MOST).contains(&HIGHEST.load(Ordering::SeqCst)));
        // Results are not cached, and a thread that has ended is replaced.
        lookups.ask("host0").await.unwrap();
        assert_eq!(ALL.load(Ordering::SeqCst), 12);
    }
}
