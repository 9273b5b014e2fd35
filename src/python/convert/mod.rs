//! Values on their way between Python and the core: arguments in, results out.

pub(crate) mod arguments;
pub(crate) mod ids;
pub(crate) mod input;
pub(crate) mod json;
pub(crate) mod output;
pub(crate) mod scalars;
