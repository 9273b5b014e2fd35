//! The Ping page: checks the connection and the token.

use super::super::operation::{Operation, Reply, TEXT};

pub(super) fn operations() -> Vec<Operation> {
    let ping = Operation::get("/ping", "ping", "Checks that the API answers and the token is valid.", |_, _| {
        Ok(Reply::text(200, TEXT, "pong"))
    });
    vec![ping.produces("text/plain").answers(200, "The text pong.", None)]
}
