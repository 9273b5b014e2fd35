//! Reads lists of any length while they change: in order, ahead of the reader, each item once.

mod checkpoint;
mod list;
mod page;
mod prefetch;
mod reader;
mod seen;
mod sweep;

pub use checkpoint::Checkpoint;
pub use list::Listing;
pub use reader::{Reader, ReaderHandle};
pub use sweep::{Drift, Reading};
