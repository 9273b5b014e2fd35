//! The Professional Captioning page: its methods of `StudioClient`.

#[cfg(feature = "stubs")]
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyString;
#[cfg(feature = "stubs")]
use pyo3::{type_hint_identifier, type_hint_subscript};

use crate::api::{models, professional_captioning as captioning};
use crate::python::convert::arguments::{Argument, Flag, Text, arguments, named};
use crate::python::convert::bodies::ShortFile;
use crate::python::convert::ids::{Id, Key, ids};
use crate::python::convert::input::{text, wrong_type};
use crate::python::convert::words::{CaptionRequestResult, OpenWord};
use crate::python::listing::source::lists;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

ids! {
    OfCaptionRequest: ("canvas_studio.models", "CaptionFileRequest", "id")
        type_hint_identifier!("canvas_studio.models", "CaptionFileRequest");
    OfServiceType as Key: ("canvas_studio.models", "CaptioningServiceType", "key")
        type_hint_identifier!("canvas_studio.models", "CaptioningServiceType");
}

arguments! {
    Languages: Vec<String> = languages, type_hint_subscript!(
        type_hint_identifier!("collections.abc", "Iterable"),
        type_hint_identifier!("builtins", "str")
    );
}

fn languages(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let is_text = given.is_instance_of::<PyString>();
    if is_text || given.try_iter().is_err() {
        return Err(wrong_type(name, "a list of str", given, is_text.then(|| format!("[{name}]"))));
    }
    let read = |(index, language): (usize, PyResult<_>)| text(&format!("{name}[{index}]"), &language?);
    given.try_iter()?.enumerate().map(read).collect()
}

lists! { StudioClient {
    /// List the requests for captions that a provider has yet to fulfil.
    ///
    /// Args:
    ///     provider: Whose requests. Only `professional` is documented; any other word is sent.
    ///     status: Which requests. Only `requested` is documented; any other word is sent.
    ///
    /// Returns:
    ///     A listing of `CaptionFileRequest`. What is in one is not documented: look into `extra`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see them.
    ///     UnprocessableEntityError: 422, if a word is not valid.
    ///
    /// Reference: Professional Captioning page, GET /caption_file_requests.
    #[pyo3(signature = (provider: "str" = "professional", status: "str" = "requested"))]
    list_caption_requests (studio, #[pyo3(from_py_with = named::provider)] provider: &str,
        #[pyo3(from_py_with = named::status)] status: &str)
        -> models::CaptionFileRequest = captioning::requests(provider, status);

    /// List the types of captioning services of the account.
    ///
    /// Returns:
    ///     A listing of `CaptioningServiceType`.
    ///
    /// Raises, while it is read:
    ///     PermissionDeniedError: 403, if the caller may not see them.
    ///     NotFoundError: 404, if the account has no active captioning service.
    ///
    /// Reference: Professional Captioning page, GET /captioning_service_types.
    #[pyo3(signature = ())]
    list_captioning_services (studio) -> models::CaptioningServiceType = Ok(captioning::services());
} }

operations! { StudioClient {
    /// Report the result of a request for captions.
    ///
    /// A request is fulfilled or failed once.
    ///
    /// Args:
    ///     id: The request, or its id.
    ///     status: `processing`, `fulfilled` or `failed`.
    ///     message: Why it failed.
    ///     file: The captions: a path, an open binary file, or `(name, bytes)`. Only SubRip, named `.srt`. Not with
    ///         `failed`. It is checked as `add_caption` checks it, and must be UTF-8 or UTF-16, since its language is not
    ///         known.
    ///
    /// Returns:
    ///     Nothing.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the file is empty, has no cues, is not SubRip, or has a cue that players would show
    ///         wrongly; the message names the line. Also if there is a file although the captions failed.
    ///     CaptionWarning: As a warning, if the file had to be converted, or is odd in a way that players put up with.
    ///     OSError: If the file cannot be read.
    ///     BadRequestError: 400, if Studio misses a parameter.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     UnprocessableEntityError: 422, if something is not valid.
    ///
    /// Reference: Professional Captioning page, PATCH /caption_file_requests/{caption_file_request_id}.
    #[pyo3(signature = (id, status, message=None, file=None))]
    update_caption_request / update_caption_request_async (studio, id: Id<OfCaptionRequest>,
        status: OpenWord<CaptionRequestResult>, message: Option<Text>, file: Option<ShortFile>) -> ()
        = captioning::update_request(id, &status, message, file);

    /// Insert or update the type of a captioning service.
    ///
    /// Args:
    ///     key: Its name for machines, which comes with requests for captions, or the `CaptioningServiceType` that has it.
    ///     label: Its name for people.
    ///     description: What it is.
    ///     is_asr: Whether a machine makes the captions (automatic speech recognition).
    ///     languages: The languages that it is for, as tags such as `en` or `pt-BR`.
    ///
    /// Returns:
    ///     The type, or `None` if Studio's answer holds none (its body is not documented).
    ///
    /// Raises:
    ///     InvalidArgumentError: If a text is empty, or a language is no tag of one.
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if the account has no active captioning service.
    ///
    /// Reference: Professional Captioning page, PUT /captioning_service_types/{key}.
    #[pyo3(signature = (key, *, label, description, is_asr, languages=None))]
    put_captioning_service / put_captioning_service_async (studio, key: Id<OfServiceType>, label: Text, description: Text,
        is_asr: Flag, languages: Option<Languages>) -> Option<models::CaptioningServiceType>
        = captioning::put_service(&key.0, &label, &description, is_asr, languages.as_deref());

    /// Delete the type of a captioning service, and the captioning roles that belong to it.
    ///
    /// Whoever had such a role no longer has it.
    ///
    /// Args:
    ///     key: The type, or its `key`.
    ///
    /// Returns:
    ///     Nothing.
    ///
    /// Raises:
    ///     PermissionDeniedError: 403, if the caller may not do that.
    ///     NotFoundError: 404, if the account has no active captioning service, or none with this key.
    ///
    /// Reference: Professional Captioning page, DELETE /captioning_service_types/{key}.
    #[pyo3(signature = (key))]
    delete_captioning_service / delete_captioning_service_async (studio, key: Id<OfServiceType>) -> ()
        = captioning::delete_service(&key.0);
} }
