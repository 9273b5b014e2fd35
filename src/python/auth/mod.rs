//! The classes `OAuth` and `Tokens`, and the token stores.

pub(crate) mod oauth;
pub(crate) mod token_store;
pub(crate) mod tokens;
