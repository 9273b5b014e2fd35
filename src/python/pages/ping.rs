//! The Ping page: its methods of `StudioClient`.

use pyo3::prelude::*;

use super::records::TupleOf;
use crate::api::ping;
use crate::client::{Client, Error, Step};
use crate::python::bridge::operation::Operation;
use crate::python::bridge::run::run;
use crate::python::convert::output::{IntoPython, Typed};
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

#[pymethods]
impl StudioClient {
    /// Checks step by step whether Studio can be reached: name, state, what was found, seconds; for `canvas-studio ping`.
    fn _diagnose(&self, py: Python<'_>) -> PyResult<Typed<TupleOf<Step>>> {
        run(py, Some(&self.client), Ok(Diagnosis))
    }
}

/// Checks step by step whether Studio can be reached.
struct Diagnosis;

impl Operation for Diagnosis {
    type Result = Vec<Step>;

    fn start(&self, client: Option<Client>) -> impl Future<Output = Result<Vec<Step>, Error>> + Send + 'static {
        let client = client.ok_or(Error::Closed);
        async move { client?.diagnose().await }
    }
}

/// A step as Python has it: name, state, what was found, seconds.
impl IntoPython for Step {
    type Python = (&'static str, &'static str, String, Option<f64>);

    fn into_python(self, _: Python<'_>, _: Option<&Client>) -> PyResult<Self::Python> {
        Ok((self.name, self.state, self.detail, self.seconds))
    }
}
