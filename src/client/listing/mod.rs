//! Reads lists of any length while they change: in order, ahead of the reader, each item once.

mod checkpoint;
mod reader;
mod seen;
mod state;
mod sweep;

pub use checkpoint::Checkpoint;
pub use reader::{Listing, PrefetchRuntime, Reader, ReaderHandle, Reading};
pub use state::Drift;
