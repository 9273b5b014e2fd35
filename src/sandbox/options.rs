//! The options of a sandbox, and errors about what its user passes in.

use std::io;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::assumptions::Assumptions;
use super::credentials;

/// The largest number of media in a library.
const MOST_MEDIA: usize = 1_000_000;

/// A hundred years, in seconds.
const LONGEST_LIFE: f64 = 100.0 * 365.0 * 86_400.0;

/// The options of a sandbox. The defaults are in Python, where users see them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// 0 means any free port.
    pub(crate) port: u16,
    /// The lifetime of an access token, in seconds.
    pub(crate) token_lifetime: f64,
    /// The lifetime of a signed URL, in seconds.
    pub(crate) url_lifetime: f64,
    /// How long transcoding takes, in seconds; 0 means that it has ended when the upload is completed.
    pub(crate) transcoding_time: f64,
    pub(crate) assumptions: Assumptions,
    /// The fields of a [`Library`].
    pub(crate) library: Option<Json>,
    /// A snapshot file to load instead of a library.
    pub(crate) snapshot: Option<PathBuf>,
}

/// The options of a seeded library.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Library {
    /// The number of media; with 0 there is only an administrator.
    pub(crate) media: usize,
    pub(crate) seed: u64,
    pub(crate) redirect_uris: Vec<String>,
}

impl Library {
    pub(crate) fn checked(self) -> Result<Self, Error> {
        if self.media > MOST_MEDIA {
            return Err(Error::Invalid(format!("media: expected at most {MOST_MEDIA}, not {}", self.media)));
        }
        check_seed(self.seed)?;
        for redirect_uri in &self.redirect_uris {
            credentials::check_redirect_uri(redirect_uri)
                .map_err(|error| Error::Invalid(format!("redirect_uris: {error}")))?;
        }
        Ok(self)
    }
}

/// Why a sandbox cannot do what its user asks.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Rust's number types in a user's words.
const NUMBERS: [(&str, &str); 4] = [
    ("u16", "a whole number from 0 to 65535"),
    ("u64", "a whole number of 0 or more"),
    ("usize", "a whole number of 0 or more"),
    ("f64", "a number"),
];

/// Reads fields that a user passes in. An error names the field.
#[expect(clippy::needless_pass_by_value, reason = "nobody needs them afterwards")]
pub(crate) fn read<T: DeserializeOwned>(fields: Json) -> Result<T, Error> {
    // From text, since for a `Value` serde_json does not name the number that is out of range.
    let text = fields.to_string();
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text)).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        // The user does not see the text, so the position in it is removed.
        let problem = problem.rsplit_once(" at line ").map_or(problem.as_str(), |(problem, _)| problem);
        let number = NUMBERS.iter().find_map(|(name, words)| Some((problem.strip_suffix(*name)?, words)));
        let problem = number.map_or_else(|| problem.to_owned(), |(problem, words)| format!("{problem}{words}"));
        Error::Invalid(if path == "." { problem } else { format!("{path}: {problem}") })
    })
}

/// Checks that a seed fits into a signed 64-bit integer, as in snapshots and TOML files.
pub(crate) fn check_seed(seed: u64) -> Result<(), Error> {
    if i64::try_from(seed).is_ok() {
        Ok(())
    } else {
        Err(Error::Invalid(format!("seed: expected at most {}", i64::MAX)))
    }
}

/// Seconds from 0 to a hundred years.
pub(crate) fn duration(name: &str, seconds: f64) -> Result<SignedDuration, Error> {
    let length = SignedDuration::try_from_secs_f64(seconds).ok().filter(|_| (0.0..=LONGEST_LIFE).contains(&seconds));
    length.ok_or_else(|| Error::Invalid(format!("{name}: expected seconds from 0 to {LONGEST_LIFE}, not {seconds}")))
}

pub(crate) fn lifetime(name: &str, seconds: f64) -> Result<SignedDuration, Error> {
    let length = SignedDuration::try_from_secs_f64(seconds).ok().filter(|_| seconds > 0.0 && seconds <= LONGEST_LIFE);
    length.ok_or_else(|| {
        Error::Invalid(format!("{name}: expected seconds above 0, at most {LONGEST_LIFE}, not {seconds}"))
    })
}
