//! The Ping page: whether Studio's API answers, and takes the token.

use super::answer::{Answer, DecodeError, Locator, is_html, text_of_body};
use super::request::{Call, Request};

/// What Studio answers. Documented as plain text; as a JSON string, between quotes, in the tests of a client of 2018.
const PONG: &str = "pong";

/// Asks whether the API answers. True, or else an error.
pub fn ping() -> Request<bool> {
    Call::get("ping", "/ping").accept("*/*").custom(pong)
}

/// The text counts, not its label. A page of a proxy or of a sign-in, which comes with 200 too, is none.
fn pong(_: &Locator, answer: &Answer) -> Result<bool, DecodeError> {
    let text = text_of_body(answer)?;
    let is_around = |sign: char| sign.is_whitespace() || sign == '"';
    if text.trim_matches(is_around) == PONG {
        return Ok(true);
    }
    Err(DecodeError::new(if is_html(text) {
        format!("an HTML page came back instead of \"{PONG}\": is this host a Studio?")
    } else {
        format!("expected \"{PONG}\": is this host a Studio?")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(body: &'static str) -> Result<bool, DecodeError> {
        ping().decode(&Answer { status: 200, body: body.into(), ..Answer::default() })
    }

    #[test]
    fn pong_may_stand_in_quotes_and_between_white_space_and_nothing_else_is_pong() {
        for body in ["pong", "\"pong\"", " pong\r\n", "\u{feff}pong", "\" pong\""] {
            assert_eq!(answered(body), Ok(true), "{body:?}");
        }
        for body in ["", "Pong", "pong!", "{\"ping\": \"pong\"}", "<html>pong</html>", "OK", "'pong'"] {
            assert!(answered(body).is_err(), "{body:?}");
        }
    }
}
