//! The classes behind `Listing`: its source, its readings, and its columns.

pub(crate) mod arrow;
pub(crate) mod columns;
pub(crate) mod csv;
pub(crate) mod formulas;
pub(crate) mod reading;
pub(crate) mod source;
