//! Runs work on a larger stack when little is left: Python threads may have only 32 kB.

/// How much such work needs at the most: a request with TLS 80 kB, JSON nested 127 deep 96 kB; a debug build three times
/// as much.
const ENOUGH: usize = 384 << 10;
/// How much it gets where there is less: as much as Rust's own threads.
const OTHER: usize = 2 << 20;

/// Runs work that may need much stack. It must not call Python: from 3.14 on, Python looks where its stack ends.
pub(crate) fn with_enough_stack<T>(work: impl FnOnce() -> T) -> T {
    if stacker::remaining_stack().is_some_and(|left| left < ENOUGH) { stacker::grow(OTHER, work) } else { work() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_a_small_stack_gets_another_one_and_gives_its_result() {
        let left = || stacker::remaining_stack().unwrap();
        let work = move || (left(), with_enough_stack(left));
        let (before, inside) = std::thread::Builder::new().stack_size(64 << 10).spawn(work).unwrap().join().unwrap();
        assert!(before < ENOUGH && ENOUGH < inside, "{before}, {inside}");
        let (before, inside) = std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
        assert!(inside <= before);
    }
}
