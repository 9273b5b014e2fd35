//! How fast a client goes: how many requests a second begin, and how many pages of a list are asked for at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// An answer that takes longer than this, and so many times as long as the quickest, says that the server is busy.
const SLOW: Duration = Duration::from_millis(500);
const SLOWER: u32 = 4;

/// What all clones of a client know together. There is no lock, which a fork could leave locked for ever.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Shared>);

/// Moments are nanoseconds since [`start`].
#[derive(Debug, Default)]
struct Shared {
    /// When the next request has its turn.
    next: AtomicU64,
    /// When the next one may begin, if others waited for a permit after they had their turn.
    next_start: AtomicU64,
    /// Until when no page is fetched ahead.
    held_until: AtomicU64,
    /// How often the server said that it is too much.
    throttlings: AtomicU64,
}

impl Pace {
    /// Waits for the turn of a request, if only so many a second may begin.
    pub async fn turn(&self, rate: Option<f64>) {
        wait_for_turn(&self.0.next, rate).await;
    }

    /// Keeps the distance between requests that had their turns and begin later, all at once perhaps.
    pub async fn start(&self, rate: Option<f64>) {
        wait_for_turn(&self.0.next_start, rate).await;
    }

    /// The server said that it is too much, and for so long the request waits now.
    pub fn throttled(&self, wait: Duration) {
        self.0.throttlings.fetch_add(1, Ordering::Relaxed);
        let until = since_start().saturating_add(nanoseconds(wait));
        self.0.held_until.fetch_max(until, Ordering::Relaxed);
    }

    pub fn throttlings(&self) -> u64 {
        self.0.throttlings.load(Ordering::Relaxed)
    }

    pub fn is_held(&self) -> bool {
        self.0.held_until.load(Ordering::Relaxed) > since_start()
    }

    /// Waits until pages may be fetched ahead again.
    pub async fn hold(&self) {
        loop {
            let until = self.0.held_until.load(Ordering::Relaxed);
            if until <= since_start() {
                return;
            }
            sleep_until(start() + Duration::from_nanos(until)).await;
        }
    }
}

/// Waits until `next`, which is then so much later that no more than `rate` a second pass.
async fn wait_for_turn(next: &AtomicU64, rate: Option<f64>) {
    let Some(rate) = rate else { return };
    let interval = nanoseconds(Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX));
    let now = since_start();
    let after = |next: u64| Some(next.max(now).saturating_add(interval));
    if let Ok(mine) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after)
        && mine > now
    {
        sleep_until(start() + Duration::from_nanos(mine)).await;
    }
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

fn since_start() -> u64 {
    nanoseconds(start().elapsed())
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// How many pages of one list are under way: throttling halves it, slow answers lower it, success raises it again.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    most: usize,
    now: usize,
    /// How many answers were good since the last change.
    good: usize,
    /// How many answers still belong to the requests before the last cut.
    stale: usize,
    quickest: Duration,
    throttlings: u64,
}

impl ConcurrencyLimit {
    pub fn new(most: usize, throttlings: u64) -> Self {
        Self { most: most.max(1), now: most.max(1), good: 0, stale: 0, quickest: Duration::MAX, throttlings }
    }

    pub fn now(&self) -> usize {
        self.now
    }

    /// Never more than this from now on.
    pub fn at_most(&mut self, most: usize) {
        self.most = self.most.min(most.max(1));
        self.now = self.now.min(self.most);
    }

    /// Takes in how long a page took, and how often the server has said so far that it is too much.
    pub fn answered(&mut self, took: Duration, throttlings: u64) {
        let was_throttled = throttlings > self.throttlings;
        self.throttlings = throttlings;
        self.quickest = self.quickest.min(took);
        if self.stale > 0 {
            // It was asked for before the cut, so it says nothing of what the cut has done.
            self.stale -= 1;
        } else if was_throttled {
            self.stale = self.now;
            self.change(self.now / 2);
        } else if took > SLOW && took > self.quickest.saturating_mul(SLOWER) {
            self.stale = self.now;
            self.change(self.now - 1);
        } else {
            self.good += 1;
            if self.good >= self.now {
                self.change(self.now + 1);
            }
        }
    }

    fn change(&mut self, width: usize) {
        self.now = width.clamp(1, self.most);
        self.good = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(50);

    fn after(answers: impl IntoIterator<Item = (u64, u64)>) -> usize {
        let mut limit = ConcurrencyLimit::new(16, 0);
        for (milliseconds, throttlings) in answers {
            limit.answered(Duration::from_millis(milliseconds), throttlings);
        }
        limit.now()
    }

    #[test]
    fn throttling_halves_the_width_once_for_what_was_under_way() {
        assert_eq!(after([(50, 1)]), 8);
        // The other fifteen of the same round are refused, too.
        assert_eq!(after((1..=16).map(|number| (50, number))), 8);
        assert_eq!(after((1..=18).map(|number| (50, number))), 4);
        assert_eq!(after((1..=200).map(|number| (50, number))), 1);
    }

    #[test]
    fn answers_that_are_slow_beside_the_quickest_lower_it_one_by_one() {
        assert_eq!(after([(50, 0), (600, 0)]), 15);
        // Slow by themselves, but not beside the others: a page simply takes that long.
        assert_eq!(after([(600, 0); 64]), 16);
        // Four times the quickest, but nobody would call that slow.
        assert_eq!(after([(2, 0), (20, 0), (20, 0)]), 16);
    }

    #[test]
    fn success_raises_it_again_up_to_the_most() {
        let mut limit = ConcurrencyLimit::new(4, 0);
        limit.answered(QUICK, 1);
        assert_eq!(limit.now(), 2);
        for expected in [2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4] {
            limit.answered(QUICK, 1);
            assert_eq!(limit.now(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_begin_in_a_second_than_the_rate_says() {
        let pace = Pace::default();
        let began = Instant::now();
        for _ in 0..21 {
            pace.turn(Some(10.0)).await;
        }
        let took = began.elapsed().as_secs_f64();
        assert!((1.99..2.01).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn pages_are_held_back_as_long_as_the_server_asked() {
        let pace = Pace::default();
        pace.throttled(Duration::from_secs(3));
        let began = Instant::now();
        pace.hold().await;
        assert!(began.elapsed() >= Duration::from_secs(3));
        pace.hold().await;
        assert!(began.elapsed() < Duration::from_secs(4));
    }
}
