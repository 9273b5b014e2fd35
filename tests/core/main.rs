//! The tests of the Rust core from outside: one program, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod requests;
mod road;
mod scan;
