//! Converts arguments to the core's types, and results to Python's.

pub(crate) mod arguments;
pub(crate) mod bodies;
pub(crate) mod ids;
pub(crate) mod input;
pub(crate) mod input_records;
pub(crate) mod json;
pub(crate) mod output;
pub(crate) mod scalars;
pub(crate) mod words;
