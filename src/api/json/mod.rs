//! JSON text: the only folder that knows how it is read.

pub mod dates;
pub mod fields;
pub mod lazy;
pub mod lenient;
pub mod scan;
pub mod text;
