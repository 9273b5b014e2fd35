//! One file per page of Studio's reference: its methods of `StudioClient`, its objects and their methods.

pub(crate) mod collections;
pub(crate) mod media;
pub(crate) mod raw;
pub(crate) mod records;
pub(crate) mod value;
