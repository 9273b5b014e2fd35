//! Authorizes requests: tokens, how they are renewed, and requests to the token endpoint.

mod authorization;
mod oauth;
mod token_request;
pub mod token_store;

pub use authorization::Auth;
pub(crate) use authorization::Authorization;
pub use oauth::{OAuth, renewals_under_way};
pub use token_request::SendsTokenRequest;
