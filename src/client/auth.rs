//! Who calls: with which token a request is authorized.

use secrecy::SecretString;

use super::secrets::Secrets;
use crate::api::InvalidArgument;

/// What authorizes the requests of a client.
#[derive(Debug, Clone)]
pub enum Auth {
    /// A token that somebody else looks after.
    Token(SecretString),
}

impl Auth {
    pub fn token(token: &str) -> Result<Self, InvalidArgument> {
        // The message must not quote the token, however wrong it is.
        if token.is_empty() {
            return Err(InvalidArgument::new("token", "must not be empty"));
        }
        if !token.chars().all(|character| character.is_ascii_graphic()) {
            return Err(InvalidArgument::new("token", "must hold only visible ASCII characters: was it copied whole?"));
        }
        Ok(Self::Token(token.into()))
    }

    /// What must not be shown.
    pub(super) fn secrets(&self) -> Secrets {
        match self {
            Self::Token(token) => Secrets::from_iter([token.clone()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        for token in ["", " t0ken", "t0ken\n", "t0kén"] {
            let refusal = Auth::token(token).unwrap_err();
            assert_eq!(refusal.argument, "token");
            assert!(!refusal.expected.contains("t0k"));
        }
        assert!(!format!("{:?}", Auth::token("t0ken").unwrap()).contains("t0ken"));
    }
}
