//! The Ping page: its method of `StudioClient`.

use pyo3::prelude::*;

use crate::api::ping;
use crate::python::operations::operations;
use crate::python::studio_client::StudioClient;

operations! { StudioClient {
    /// Check that Studio's API answers, and takes the token.
    ///
    /// Returns:
    ///     `True`. Whatever else happens is an error.
    ///
    /// Raises:
    ///     AuthenticationError: 401, if the token is missing or not valid.
    ///     APIConnectionError: If there is no connection.
    ///     APITimeoutError: If there is no answer in time.
    ///     ResponseDecodeError: If something else answers, such as the page of a proxy: its body is not `pong`.
    ///
    /// Reference: Ping page, GET /ping.
    ping / ping_async (studio) -> bool = Ok(ping::ping());
} }
