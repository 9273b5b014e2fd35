//! The Python module: it registers the classes.

pub mod api;
pub mod client;
mod files;
mod memory;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod stack;

/// The compiled part of `canvas_studio`. Import from `canvas_studio` instead.
// gil_used: until its tests have run on a free-threaded Python, such a Python turns its GIL on.
#[cfg(feature = "python")]
#[pyo3::pymodule(gil_used = true)]
mod _core {
    #[pymodule_export]
    use crate::python::auth::oauth::OAuth;
    #[pymodule_export]
    use crate::python::auth::token_store::{FileTokenStore, MemoryTokenStore, StoreLock};
    #[pymodule_export]
    use crate::python::auth::tokens::Tokens;
    #[pymodule_export]
    use crate::python::bridge::shutdown::{forked, shut_down};
    #[pymodule_export]
    use crate::python::call_builder::{CallBuilder, PreparedCall};
    #[pymodule_export]
    use crate::python::convert::arguments::{read_bool, read_int, read_json, read_path, read_seconds};
    #[pymodule_export]
    use crate::python::convert::bodies::text_of_answer;
    #[pymodule_export]
    use crate::python::convert::input_records::check_permission_change;
    #[pymodule_export]
    use crate::python::errors::first_classes;
    #[pymodule_export]
    use crate::python::files::{changed_by_others, make_private_folder, put_in_place, replace_file, temporary_path};
    #[pymodule_export]
    use crate::python::listing::arrow::{ArrowBatch, ArrowTable};
    #[pymodule_export]
    use crate::python::listing::formulas::without_formula;
    #[pymodule_export]
    use crate::python::listing::reading::{PageReader, PyCheckpoint};
    #[pymodule_export]
    use crate::python::listing::source::ListingSource;
    #[pymodule_export]
    use crate::python::many_calls::PyCallQueue;
    #[pymodule_export]
    use crate::python::pages::captions::check_captions;
    #[pymodule_export]
    use crate::python::pages::collections::Collection;
    #[pymodule_export]
    use crate::python::pages::groups::check_group_user_change;
    #[pymodule_export]
    use crate::python::pages::media::{Media, decode_media_page};
    #[pymodule_export]
    use crate::python::pages::streams::ByteReader;
    #[pymodule_export]
    use crate::python::panics::print_no_panics;
    #[cfg(feature = "sandbox")]
    #[pymodule_export]
    use crate::python::sandbox::SandboxServer;
    #[pymodule_export]
    use crate::python::studio_client::{StudioClient, school_url};

    #[pymodule_export]
    const OUT_OF_BAND: &str = crate::api::oauth::OUT_OF_BAND;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
