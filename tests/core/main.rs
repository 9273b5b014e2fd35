//! The tests of the Rust core from outside: one program, so that it is linked once.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod chance;
mod fuzz;
mod media_upload;
mod pipeline;
mod requests;
mod scan;
mod uploads;
