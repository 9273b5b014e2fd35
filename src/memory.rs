//! Checks that memory is available before it is used, since Rust aborts when a small allocation fails.

use std::hint::black_box;

/// What has to be there for a call, beside what comes in from outside: enough for all small pieces that it needs.
pub(crate) const ROOM: usize = 1 << 20;

/// Whether so many bytes can be had at this moment.
pub(crate) fn is_there(bytes: usize) -> bool {
    let mut piece = Vec::<u8>::new();
    let is_there = piece.try_reserve_exact(bytes).is_ok();
    // So that the compiler does not think that nobody needs it.
    black_box(&piece);
    is_there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_no_machine_has_is_not_there() {
        assert!(is_there(ROOM));
        assert!(!is_there(isize::MAX as usize));
    }
}
