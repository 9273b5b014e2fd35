//! Raw requests: any path of Studio's API, and any of its lists.

use pyo3::prelude::*;

use crate::api::raw::{self, Content, Given};
use crate::python::convert::arguments::{Body, Params, Text, named};
use crate::python::convert::bodies::{Files, Headers, RawContent};
use crate::python::listing::source::lists;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

operations! { StudioClient {
    /// Send any request to Studio's API, with the same token, retries and errors as every other request.
    ///
    /// Args:
    ///     method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. Only a `GET` is retried if it may have been processed.
    ///     path: The part after `/api/public/v1`, such as `"/users/7"`.
    ///     params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
    ///     json: The body, as JSON.
    ///     data: Fields, with values as in `params`: a form, or with `files` the fields of a multipart body.
    ///     files: Files of a multipart body, each under the name of its field: a path; `(name, path or bytes)`;
    ///         `(name, path or bytes, media type)`; or a list of them. A path is opened anew for each attempt and
    ///         streamed. An open binary file is read into memory.
    ///     content: The body as it is: bytes, or a str in UTF-8.
    ///     headers: More headers, such as `{"Accept": "text/csv"}`.
    ///     raw: Whether to return a `Response`, whatever the status. Such an answer is never retried, and its body is not
    ///         parsed; only a request without an answer raises.
    ///
    /// Returns:
    ///     The parsed JSON; a `str` if the answer is text, such as CSV; `bytes` if it is neither; `None` if it is empty.
    ///     With `raw`, a `Response`.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the request would leave Studio's API, or the arguments do not go together.
    ///     FileChangedError: If a file changes while it is sent.
    ///     OSError: If a file cannot be read.
    ///     APIStatusError: If Studio answers with an error status.
    ///     ResponseDecodeError: If the answer is none of these, or longer than 16 MiB.
    ///
    /// Reference: every page.
    #[pyo3(signature = (method, path, *, params=None, json=None, data=None, files=None, content=None, headers=None, raw: "bool" = false))]
    request / request_async (studio, method: Text, path: Text, params: Option<Params>, json: Option<Body>,
        data: Option<Params>, files: Option<Files>, content: Option<RawContent>, headers: Option<Headers>,
        #[pyo3(from_py_with = named::raw)] raw: bool) -> Content
        = raw::request(&method, &path, params.unwrap_or_default(), Given { json, data, files, content },
            headers.unwrap_or_default(), raw);
} }

lists! { StudioClient {
    /// Read any list of Studio's API, like every other list.
    ///
    /// Args:
    ///     path: The part after `/api/public/v1`, such as `"/users/7/media"`.
    ///     key: The key of the items in the answer, such as `"media"`.
    ///     params: The query: strings, numbers, bools, dates, UUIDs, or lists of them; `None` is left out.
    ///     page: The page to start at.
    ///     per_page: How many items to request at once, 1 to 50.
    ///
    /// Returns:
    ///     A listing of dicts.
    ///
    /// Reference: every page with `page` and `per_page`.
    #[pyo3(signature = (path, *, key, params=None, page: "int" = 1, per_page: "int" = 50))]
    paginate (studio, path: Text, key: Text, params: Option<Params>,
        #[pyo3(from_py_with = named::page)] page: i64, #[pyo3(from_py_with = named::per_page)] per_page: i64)
        -> serde_json::Value
        = raw::paginate(&path, key, params.unwrap_or_default(), page, per_page);
} }
