//! Random input for every parser.
//!
//! `cargo nextest run fuzz` tries a fixed number of cases, the same ones each time. `FUZZ_SECONDS=120` tries new ones for
//! so long; with `FUZZ_FROM=0`, as in `make torture`, the same ones on every run. A failure says which `FUZZ_SEED` repeats its case alone.

mod certificates;
mod checkpoints;
mod journals;
mod masker;
mod scanner;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::abort;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::chance::Chance;

/// How long one case may take before it is taken for one without an end.
const ENDLESS: Duration = Duration::from_secs(60);

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Tries a number of cases, each with a seed of its own; or one case, or as many as time allows.
fn fuzz(cases: u64, case: impl Fn(&mut Chance)) {
    let seconds = variable("FUZZ_SECONDS");
    let seeds = match (variable("FUZZ_SEED"), seconds) {
        (Some(seed), _) => seed..seed + 1,
        (None, None) => 0..cases,
        (None, Some(_)) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            variable("FUZZ_FROM").unwrap_or(u64::try_from(now).unwrap() << 20)..u64::MAX
        }
    };
    let (start, watched) = (seeds.start, Watched::begin(seeds.start));
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX)));
    for seed in seeds {
        watched.seed.store(seed, Ordering::Relaxed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(&mut Chance::new(seed)))) {
            say(&format!("FUZZ_SEED={seed} repeats this case"));
            resume_unwind(panic);
        }
        if Instant::now() > end {
            say(&format!("{} cases, from seed {start} on", seed - start + 1));
            break;
        }
    }
}

/// Ends the program if a case has no end, and says which.
struct Watched {
    seed: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Watched {
    fn begin(first: u64) -> Self {
        let watched = Self { seed: Arc::new(AtomicU64::new(first)), is_over: Arc::default() };
        let (seed, is_over) = (Arc::clone(&watched.seed), Arc::clone(&watched.is_over));
        thread::spawn(move || {
            let (mut last, mut since) = (first, Instant::now());
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(1));
                let now = seed.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() > ENDLESS {
                    say(&format!("no end after {ENDLESS:?}: FUZZ_SEED={now} repeats this case"));
                    abort();
                }
            }
        });
        watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[expect(clippy::print_stderr, reason = "whoever runs it reads that")]
fn say(text: &str) {
    eprintln!("{text}");
}
