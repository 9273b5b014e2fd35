//! Reading JSON text. Only this folder knows how that is done.
//!
//! What the scanner (`scan`) buys: an item of a list keeps its text, and the places of its documented fields in it. serde
//! can do that too, with one `RawValue` for each field, but takes 2.6 times as long for the same service (measured).
//! The price is a second reader of JSON: so whatever is unusual is left to serde, and tests compare the two.

pub mod dates;
pub mod fields;
pub mod lazy;
pub mod lenient;
pub mod locate;
pub mod outline;
pub mod scan;
pub mod text;
