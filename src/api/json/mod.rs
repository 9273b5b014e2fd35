//! Reading JSON text. Only this folder knows how that is done.

pub mod dates;
pub mod fields;
pub mod lazy;
pub mod lenient;
pub mod locate;
pub mod outline;
pub mod scan;
pub mod text;
