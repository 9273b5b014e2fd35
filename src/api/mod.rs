//! What Studio offers: one file per page of the vendor's reference, each operation a function that returns a value.
//!
//! Nothing here performs I/O and nothing here knows Python.

pub mod answer;
pub mod check;
pub mod collections;
pub mod item;
pub mod json;
pub mod media;
pub mod models;
pub mod oauth;
pub mod permissions;
pub mod raw;
pub mod request;

pub use answer::{Answer, DecodeError, Locator};
pub use check::InvalidArgument;
pub use item::Page;
pub use request::{Body, Call, Form, Request, RetrySafety, Target};
