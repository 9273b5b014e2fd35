//! The Ping page: is anybody there, and is the token good.

use super::super::operation::{Operation, Reply};

/// Observed: plain text, not JSON.
const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

pub(super) fn operations() -> Vec<Operation> {
    let ping = Operation::get("/ping", "ping", "Checks that the API answers and the token is valid.", |_, _| {
        Ok(Reply::text(200, CONTENT_TYPE, "pong"))
    });
    vec![ping.produces("text/plain").answers(200, "The text pong.", None)]
}
