//! The words of the library, read from `words.json`, which says how to change them.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::sandbox::options::Error;

/// All words.
#[derive(Debug, Deserialize)]
pub(super) struct Words {
    pub(super) genres: Vec<Genre>,
    /// Lists of English titles, by the name that genres use.
    pub(super) titles: HashMap<String, Vec<String>>,
    /// Descriptions for owners of every language.
    pub(super) notes: Vec<String>,
    pub(super) tags: Vec<String>,
    /// Names of featured collections, and of collections of a group.
    pub(super) featured: Vec<String>,
    pub(super) shared: Vec<String>,
    pub(super) english: Language,
    /// All but English.
    pub(super) languages: Vec<Language>,
    /// The first is for everyone who teaches in another language than English.
    pub(super) subjects: Vec<Subject>,
}

impl Words {
    /// The words, parsed once per process.
    pub(super) fn get() -> Result<&'static Self, Error> {
        static WORDS: OnceLock<Result<Words, String>> = OnceLock::new();
        let read = || serde_json::from_str(include_str!("words.json")).map_err(|error| error.to_string());
        WORDS.get_or_init(read).as_ref().map_err(|error| Error::Invalid(format!("the words of the library: {error}")))
    }
}

/// A name as written, and as used in an e-mail address.
#[derive(Debug, Deserialize)]
pub(super) struct Name(pub(super) String, pub(super) String);

/// The names and templates of one language.
#[derive(Debug, Deserialize)]
pub(super) struct Language {
    pub(super) given: Vec<Name>,
    pub(super) family: Vec<Name>,
    /// Whether the family name comes first, and what separates the two.
    pub(super) family_first: bool,
    pub(super) between: String,
    pub(super) titles: Vec<String>,
    /// Empty if the topics of the subject are used.
    pub(super) topics: Vec<String>,
    pub(super) descriptions: Vec<String>,
    pub(super) courses: Vec<String>,
    pub(super) collections: Vec<String>,
}

/// A subject that is taught.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) topics: Vec<String>,
}

/// A kind of recording.
#[derive(Debug, Deserialize)]
pub(super) struct Genre {
    /// How many of a thousand media are of this kind.
    pub(super) by_teachers: u32,
    pub(super) by_students: u32,
    pub(super) source: String,
    /// The median of the duration, in seconds, and the standard deviation of its logarithm.
    pub(super) median: f64,
    pub(super) spread: f64,
    /// Bit rate of the file, in kbit/s.
    pub(super) bit_rate: f64,
    /// The name of a list of titles; without one, the titles of the owner's language are used.
    pub(super) titles: Option<String>,
}
