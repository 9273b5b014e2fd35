//! Lists: what a `Listing` reads from, page by page or as columns.

pub(crate) mod arrow;
pub(crate) mod columns;
pub(crate) mod reading;
pub(crate) mod source;
