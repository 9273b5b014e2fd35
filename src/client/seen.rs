//! Which items there were: small enough for all numbers of a million, and of as many more as Studio has.

use std::collections::HashSet;
use std::io::Error;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roaring::RoaringTreemap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::api::models::Identity;

/// A set of identities.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    numbers: RoaringTreemap,
    texts: HashSet<String>,
}

impl Seen {
    pub fn contains(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Number(number) => self.numbers.contains(number.cast_unsigned()),
            Identity::Text(text) => self.texts.contains(text),
        }
    }

    /// Takes in those of a page. One by one, each would move all numbers that are larger.
    pub fn extend<'page>(&mut self, identities: impl IntoIterator<Item = &'page Identity>) {
        let mut numbers = RoaringTreemap::new();
        for identity in identities {
            match identity {
                Identity::Number(number) => {
                    numbers.insert(number.cast_unsigned());
                }
                Identity::Text(text) => {
                    self.texts.insert(text.clone());
                }
            }
        }
        self.numbers |= numbers;
    }

    pub fn remove(&mut self, identity: &Identity) {
        match identity {
            Identity::Number(number) => {
                self.numbers.remove(number.cast_unsigned());
            }
            Identity::Text(text) => {
                self.texts.remove(text);
            }
        }
    }

    /// How many of these the other set has not.
    pub fn without(&self, other: &Self) -> u64 {
        let numbers = self.numbers.len() - self.numbers.intersection_len(&other.numbers);
        numbers + self.texts.difference(&other.texts).count() as u64
    }
}

/// As it is written into a checkpoint.
#[derive(Serialize, Deserialize)]
struct Written {
    numbers: String,
    texts: Vec<String>,
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut numbers = Vec::new();
        self.numbers.serialize_into(&mut numbers).map_err(serde::ser::Error::custom)?;
        let mut texts: Vec<String> = self.texts.iter().cloned().collect();
        texts.sort_unstable();
        Written { numbers: STANDARD.encode(numbers), texts }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let numbers = STANDARD.decode(&written.numbers).map_err(de::Error::custom)?;
        let numbers: Result<RoaringTreemap, Error> = RoaringTreemap::deserialize_from(numbers.as_slice());
        Ok(Self { numbers: numbers.map_err(de::Error::custom)?, texts: written.texts.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_set_is_read_back_whatever_is_in_it() {
        let mut seen = Seen::default();
        for identity in [Identity::Number(i64::MIN), Identity::Number(-1), Identity::Number(7), "a".to_owned().into()] {
            assert!(!seen.contains(&identity));
            seen.extend([&identity, &identity]);
            assert!(seen.contains(&identity));
        }
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Seen>(&text).unwrap(), seen);
        assert!(serde_json::from_str::<Seen>(r#"{"numbers": "AAAA", "texts": []}"#).is_err());
    }

    #[test]
    fn sets_can_be_held_against_each_other() {
        let (mut one, mut other) = (Seen::default(), Seen::default());
        for number in (0..1000).rev() {
            one.extend([&number.into()]);
            other.extend([&(number + 300).into()]);
        }
        one.extend([&"x".to_owned().into()]);
        assert_eq!((one.without(&other), other.without(&one)), (301, 300));
    }
}
