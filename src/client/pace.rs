//! Rate and concurrency: how many requests start per second, and how many pages of a list are requested at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A server counts as busy when an answer takes longer than this, and this many times as long as the fastest.
pub(super) const SLOW: Duration = Duration::from_millis(500);
const SLOWER: u32 = 4;

/// State that all clones of a client share. It has no lock, which a fork could leave locked forever.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Shared>);

/// Times are nanoseconds since [`start`].
#[derive(Debug, Default)]
struct Shared {
    /// When the next request may pass.
    next: AtomicU64,
    /// When the next request may start, if requests had to wait for a permit after they had passed.
    next_start: AtomicU64,
    /// Until when no page is prefetched.
    held_until: AtomicU64,
    /// How often the server throttled a request.
    throttlings: AtomicU64,
}

impl Pace {
    /// Waits until the rate limit lets a request pass.
    pub async fn turn(&self, rate: Option<f64>) {
        wait_for_turn(&self.0.next, rate).await;
    }

    /// Keeps requests apart that passed earlier and start later, perhaps all at once.
    pub async fn start(&self, rate: Option<f64>) {
        wait_for_turn(&self.0.next_start, rate).await;
    }

    /// The server throttled a request, which now waits for this long.
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

    /// Waits until pages may be prefetched again.
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

/// Waits until `next` and moves it on, so that at most `rate` requests per second pass.
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

/// How many pages of one list are requested at once: throttling halves it, slow answers lower it, success raises it.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    most: usize,
    now: usize,
    /// How many answers in a row were good since the last change.
    good: usize,
    /// How many answers are still to come of the requests sent before the last cut.
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

    /// Lowers the maximum for good.
    pub fn at_most(&mut self, most: usize) {
        self.most = self.most.min(most.max(1));
        self.now = self.now.min(self.most);
    }

    /// Records how long a page took, and how often the server has throttled requests so far.
    pub fn answered(&mut self, took: Duration, throttlings: u64) {
        let was_throttled = throttlings > self.throttlings;
        self.throttlings = throttlings;
        self.quickest = self.quickest.min(took);
        if self.stale > 0 {
            // It was requested before the cut, so it does not show what the cut achieved.
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
        // The other fifteen of the same round are throttled, too.
        assert_eq!(after((1..=16).map(|number| (50, number))), 8);
        assert_eq!(after((1..=18).map(|number| (50, number))), 4);
        assert_eq!(after((1..=200).map(|number| (50, number))), 1);
    }

    #[test]
    fn answers_that_are_slow_beside_the_quickest_lower_it_one_by_one() {
        assert_eq!(after([(50, 0), (600, 0)]), 15);
        // Slow in absolute terms, but no slower than the others: a page simply takes that long.
        assert_eq!(after([(600, 0); 64]), 16);
        // Many times the fastest, but too short to count as slow.
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
