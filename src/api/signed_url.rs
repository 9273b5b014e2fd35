//! A signed URL in an answer: whoever has it may use it, so it is shown without its query.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use url::Url;

use super::json::lenient::Lenient;
use super::request::without_query;

/// An http or https URL whose query is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl(Url);

impl SignedUrl {
    /// `None` if it is no http or https URL.
    pub fn parse(text: &str) -> Option<Self> {
        Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme())).map(Self)
    }

    /// The URL with its query.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_query(&self.0))
    }
}

impl Serialize for SignedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl Lenient for SignedUrl {
    fn lenient(sent: &Value) -> Option<Self> {
        Self::parse(sent.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_url_is_shown_without_its_query() {
        let url = SignedUrl::parse("https://storage.example.com/a.mp4?X-Amz-Signature=s3cret").unwrap();
        assert_eq!(format!("{url:?}"), "https://storage.example.com/a.mp4");
        assert!(url.expose().as_str().ends_with("s3cret"));
        assert!(["ftp://a/b", "/a/b", "", "javascript:1"].iter().all(|text| SignedUrl::parse(text).is_none()));
    }
}
