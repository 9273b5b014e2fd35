//! A set of item identities, compact enough for a million numbers.

use std::collections::HashSet;
use std::io::Error;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roaring::RoaringTreemap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::api::item::Identity;

/// A set of item identities.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SeenIds {
    numbers: RoaringTreemap,
    texts: HashSet<String>,
    contents: HashSet<u128>,
}

impl SeenIds {
    pub(super) fn contains(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Number(number) => self.numbers.contains(number.cast_unsigned()),
            Identity::Text(text) => self.texts.contains(text),
            Identity::Content(digest) => self.contents.contains(digest),
        }
    }

    /// Adds one and returns whether it is new. Meant for a page: in a large set, each insertion would move all larger
    /// numbers.
    pub(super) fn insert(&mut self, identity: &Identity) -> bool {
        match identity {
            Identity::Number(number) => self.numbers.insert(number.cast_unsigned()),
            Identity::Text(text) => self.texts.insert(text.clone()),
            Identity::Content(digest) => self.contents.insert(*digest),
        }
    }

    /// Adds those of a page.
    pub(super) fn extend(&mut self, page: &Self) {
        self.numbers |= &page.numbers;
        self.texts.extend(page.texts.iter().cloned());
        self.contents.extend(&page.contents);
    }

    pub(super) fn remove(&mut self, identity: &Identity) {
        match identity {
            Identity::Number(number) => {
                self.numbers.remove(number.cast_unsigned());
            }
            Identity::Text(text) => {
                self.texts.remove(text);
            }
            Identity::Content(digest) => {
                self.contents.remove(digest);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty() && self.contents.is_empty()
    }

    /// Whether it contains texts.
    pub(super) fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Whether it contains items without an id.
    pub(super) fn is_by_content(&self) -> bool {
        !self.contents.is_empty()
    }

    pub(super) fn forget_texts(&mut self) {
        self.texts.clear();
    }

    /// How many equal items there are from the `from`th on. All before the last of them are present.
    pub(super) fn count_of(&self, identity: &Identity, from: u64) -> u64 {
        let has = |number: u64| self.contains(&identity.nth(number));
        let (mut known, mut step) = (from, 1);
        // Finds a million equal rows in forty steps.
        while has(known + step - 1) {
            known += step;
            step *= 2;
        }
        while step > 1 {
            step /= 2;
            if has(known + step - 1) {
                known += step;
            }
        }
        known
    }

    /// How many of these are missing in the other set.
    pub(super) fn without(&self, other: &Self) -> u64 {
        let numbers = self.numbers.len() - self.numbers.intersection_len(&other.numbers);
        numbers
            + self.texts.difference(&other.texts).count() as u64
            + self.contents.difference(&other.contents).count() as u64
    }
}

/// The format in a checkpoint.
#[derive(Serialize, Deserialize)]
struct Written {
    numbers: String,
    texts: Vec<String>,
    #[serde(default)]
    contents: String,
}

impl Serialize for SeenIds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut numbers = Vec::new();
        self.numbers.serialize_into(&mut numbers).map_err(serde::ser::Error::custom)?;
        let mut texts: Vec<String> = self.texts.iter().cloned().collect();
        texts.sort_unstable();
        let mut contents: Vec<u128> = self.contents.iter().copied().collect();
        contents.sort_unstable();
        let contents: Vec<u8> = contents.into_iter().flat_map(u128::to_le_bytes).collect();
        Written { numbers: STANDARD.encode(numbers), texts, contents: STANDARD.encode(contents) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SeenIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let numbers = STANDARD.decode(&written.numbers).map_err(de::Error::custom)?;
        let numbers: Result<RoaringTreemap, Error> = RoaringTreemap::deserialize_from(numbers.as_slice());
        let contents = STANDARD.decode(&written.contents).map_err(de::Error::custom)?;
        let (contents, []) = contents.as_chunks() else {
            return Err(de::Error::custom("the digests of its items are cut off"));
        };
        Ok(Self {
            numbers: numbers.map_err(de::Error::custom)?,
            texts: written.texts.into_iter().collect(),
            contents: contents.iter().copied().map(u128::from_le_bytes).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_set_is_read_back_whatever_is_in_it() {
        let mut seen = SeenIds::default();
        let text = || Identity::Text("a".to_owned());
        for identity in [Identity::Number(i64::MIN), Identity::Number(-1), text(), Identity::Content(u128::MAX)] {
            assert!(!seen.contains(&identity));
            assert!(seen.insert(&identity));
            assert!(!seen.insert(&identity));
            assert!(seen.contains(&identity));
        }
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<SeenIds>(&text).unwrap(), seen);
        assert!(serde_json::from_str::<SeenIds>(r#"{"numbers": "AAAA", "texts": []}"#).is_err());
        assert!(serde_json::from_str::<SeenIds>(r#"{"numbers": "AAAAAAAAAAA=", "texts": []}"#).unwrap().is_empty());
        let cut = r#"{"numbers": "AAAAAAAAAAA=", "texts": [], "contents": "AAAA"}"#;
        assert!(serde_json::from_str::<SeenIds>(cut).is_err());
    }

    #[test]
    fn sets_can_be_held_against_each_other() {
        let (mut one, mut other) = (SeenIds::default(), SeenIds::default());
        for number in 0..1000 {
            one.insert(&number.into());
            other.insert(&(number + 300).into());
        }
        one.insert(&"x".to_owned().into());
        one.insert(&Identity::Content(1));
        assert_eq!((one.without(&other), other.without(&one)), (302, 300));
    }

    #[test]
    fn equal_items_are_counted() {
        let mut seen = SeenIds::default();
        let one = Identity::Content(7);
        for number in 0..100 {
            for from in [0, number / 2, number] {
                assert_eq!(seen.count_of(&one, from), number);
            }
            seen.insert(&one.nth(number));
        }
        assert_eq!(seen.count_of(&Identity::Content(1000), 0), 0);
    }
}
