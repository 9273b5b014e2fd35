//! What a user gives to a sandbox, and how an error names what is wrong with it.

use std::io;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::assumptions::Assumptions;
use super::oauth;

/// The most media that a library is made of.
const MOST_MEDIA: usize = 1_000_000;

/// A hundred years, in seconds.
const LONGEST_LIFE: f64 = 100.0 * 365.0 * 86_400.0;

/// How a sandbox is made. What is left open stands in Python, where its user sees it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Any free one, if 0.
    pub(crate) port: u16,
    /// Seconds that an access token from the token endpoint is good for.
    pub(crate) token_lifetime: f64,
    /// Seconds that a signed URL is good for.
    pub(crate) url_lifetime: f64,
    pub(crate) assumptions: Assumptions,
    /// Of a [`Library`].
    pub(crate) library: Option<Json>,
    /// A file to take the state from, instead of a library.
    pub(crate) snapshot: Option<PathBuf>,
}

/// What a library is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Library {
    /// How many media it has; without one there is only an administrator.
    pub(crate) media: usize,
    pub(crate) seed: u64,
    pub(crate) redirect_uris: Vec<String>,
}

impl Library {
    pub(crate) fn checked(self) -> Result<Self, Error> {
        if self.media > MOST_MEDIA {
            return Err(Error::Wrong(format!("media: expected at most {MOST_MEDIA}, not {}", self.media)));
        }
        check_seed(self.seed)?;
        for redirect_uri in &self.redirect_uris {
            oauth::check_redirect_uri(redirect_uri).map_err(|error| Error::Wrong(format!("redirect_uris: {error}")))?;
        }
        Ok(self)
    }
}

/// Why a sandbox cannot do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What Rust's types of numbers are to a user.
const NUMBERS: [(&str, &str); 4] = [
    ("u16", "a whole number from 0 to 65535"),
    ("u64", "a whole number of 0 or more"),
    ("usize", "a whole number of 0 or more"),
    ("f64", "a number"),
];

/// Reads what a user gave; what is wrong is told with the name of its field.
#[expect(clippy::needless_pass_by_value, reason = "nobody needs them afterwards")]
pub(crate) fn read<T: DeserializeOwned>(fields: Json) -> Result<T, Error> {
    // Of its text, since of a `Value` serde_json does not say which number is out of range.
    let text = fields.to_string();
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text)).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        // Nobody has seen the text.
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem);
        let number = NUMBERS.iter().find_map(|(name, words)| Some((problem.strip_suffix(*name)?, words)));
        let problem = number.map_or_else(|| problem.to_owned(), |(problem, words)| format!("{problem}{words}"));
        Error::Wrong(if path == "." { problem } else { format!("{path}: {problem}") })
    })
}

/// Any number that a 64-bit integer with a sign can hold, since snapshots and TOML files have no others.
pub(crate) fn check_seed(seed: u64) -> Result<(), Error> {
    if i64::try_from(seed).is_ok() { Ok(()) } else { Err(Error::Wrong(format!("seed: expected at most {}", i64::MAX))) }
}

pub(crate) fn lifetime(name: &str, seconds: f64) -> Result<SignedDuration, Error> {
    let length = SignedDuration::try_from_secs_f64(seconds).ok().filter(|_| seconds > 0.0 && seconds <= LONGEST_LIFE);
    length
        .ok_or_else(|| Error::Wrong(format!("{name}: expected seconds above 0, at most {LONGEST_LIFE}, not {seconds}")))
}
