//! Raw requests: any path of Studio's API, and any of its lists.

use pyo3::prelude::*;

use crate::api::raw::{self, Content};
use crate::python::convert::arguments::{Body, Params, Text, named};
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
    ///     json: The body.
    ///
    /// Returns:
    ///     The parsed JSON; a `str` if the answer is plain text or CSV; `None` if it is empty.
    ///
    /// Raises:
    ///     InvalidArgumentError: If the request would leave Studio's API.
    ///     APIStatusError: If Studio answers with an error status.
    ///     ResponseDecodeError: If the answer is none of these.
    ///
    /// Reference: every page.
    #[pyo3(signature = (method, path, *, params=None, json=None))]
    request / request_async (studio, method: Text, path: Text, params: Option<Params>, json: Option<Body>) -> Content
        = raw::request(&method, &path, params.unwrap_or_default(), json);
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
