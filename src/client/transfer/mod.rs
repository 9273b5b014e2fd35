//! Downloads files: from Studio's redirect to a file that is whole or not there.

mod download;
mod ranges;
mod recordings;

pub use download::{Download, Transferred};
