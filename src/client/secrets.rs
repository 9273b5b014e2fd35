//! What must not be shown, and how it is taken out of texts that quote a server or a request.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::api::lenient::read_json;

/// Shorter secrets are not masked: they are none, and would be found in the middle of words.
const SHORTEST: usize = 4;

/// Under these names JSON holds secrets, whoever's they are. RFC 6749.
const NAMES: [&str; 3] = ["access_token", "client_secret", "refresh_token"];

/// The secrets that a client knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl FromIterator<SecretString> for Secrets {
    fn from_iter<I: IntoIterator<Item = SecretString>>(secrets: I) -> Self {
        Self(secrets.into_iter().filter(|secret| secret.expose_secret().len() >= SHORTEST).collect())
    }
}

impl Secrets {
    /// These, and others.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = SecretString>) -> Self {
        self.0.extend(Self::from_iter(others).0);
        self
    }

    /// Hides what must not be shown in a body: inside the strings if it is JSON, since they may be escaped.
    pub(crate) fn mask_body(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        if let Ok(value) = read_json::<Value>(&text) {
            let mut masked = value.clone();
            self.mask_strings(&mut masked);
            return if masked == value { text.into_owned() } else { masked.to_string() };
        }
        // Perhaps it is cut JSON, in which what makes up a URL or a token may be escaped.
        let text = unescaped(&text);
        // What stands behind such a name is cut off with all that follows.
        let cut = NAMES.iter().filter_map(|name| text.find(name).map(|start| start + name.len())).min();
        match cut.and_then(|cut| text.get(..cut)) {
            Some(start) => self.mask(start) + "***",
            None => self.mask(&text),
        }
    }

    fn mask_strings(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.mask(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_strings(item)),
            Value::Object(fields) => {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, mut value)| {
                        if NAMES.contains(&name.as_str()) && value.is_string() {
                            value = Value::from("***");
                        }
                        self.mask_strings(&mut value);
                        (self.mask(&name), value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Hides in a text what must not be shown: the token, and of any URL the query and the user.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let text = self.mask_plain(text);
        let mut rest = text.as_str();
        while let Some((start, marks)) = next_url(rest) {
            let (before, url) = rest.split_at(start + marks.scheme.len());
            masked.push_str(before);
            let end = url.find(|c: char| c.is_whitespace() || c == '<' || c == '>').unwrap_or(url.len());
            // Another URL may follow at once, in the other kind of writing, say.
            let end = next_url(url).map_or(end, |(next, _)| end.min(next));
            let (url, after) = url.split_at(end);
            let place = find_ignoring_case(url, marks.query).map_or(url, |query| url.split_at(query).0);
            let host_ends = find_ignoring_case(place, marks.slash).unwrap_or(place.len());
            let user = find_ignoring_case(place.split_at(host_ends).0, marks.at);
            masked.push_str(user.map_or(place, |user| place.split_at(user + marks.at.len()).1));
            if place.len() < url.len() {
                masked.push_str("?***");
            }
            rest = after;
        }
        masked.push_str(rest);
        masked
    }

    /// Hides the secrets alone, as they are and as they stand in a URL.
    pub(crate) fn mask_plain(&self, text: &str) -> String {
        self.0.iter().map(ExposeSecret::expose_secret).fold(text.to_owned(), |text, secret| without(&text, secret))
    }
}

/// A text in which a secret of ASCII characters is hidden, whichever of its characters are percent-encoded.
fn without(text: &str, secret: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, length)) =
        (0..rest.len()).find_map(|start| Some((start, length_of(rest.as_bytes().get(start..)?, secret)?)))
    {
        let (before, found) = rest.split_at(start);
        masked.push_str(before);
        masked.push_str("***");
        rest = found.split_at(length).1;
    }
    masked.push_str(rest);
    masked
}

/// How long a secret is at the beginning of a text, if it stands there.
fn length_of(text: &[u8], secret: &str) -> Option<usize> {
    let mut at = 0;
    for expected in secret.bytes() {
        at += match text.get(at..)? {
            [found, ..] if *found == expected => 1,
            [b'%', high, low, ..] if hex(*high)? * 16 + hex(*low)? == expected => 3,
            _ => return None,
        };
    }
    Some(at)
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// Undoes the escapes that JSON allows for ASCII characters.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.strip_prefix('u').and_then(|after| after.get(..4)).filter(|code| code.starts_with("00"));
        let character = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(u8::is_ascii_graphic);
        rest = if let Some(character) = character {
            plain.push(char::from(character));
            after.get(5..).unwrap_or_default()
        } else {
            if !after.starts_with('/') {
                plain.push('\\');
            }
            after
        };
    }
    plain.push_str(rest);
    plain
}

/// How the parts of a URL are told apart, in plain text and where it was percent-encoded.
struct Marks {
    scheme: &'static str,
    at: &'static str,
    slash: &'static str,
    query: &'static str,
}

const MARKS: [Marks; 2] = [
    Marks { scheme: "://", at: "@", slash: "/", query: "?" },
    Marks { scheme: "%3a%2f%2f", at: "%40", slash: "%2f", query: "%3f" },
];

fn next_url(text: &str) -> Option<(usize, &'static Marks)> {
    MARKS
        .iter()
        .filter_map(|marks| find_ignoring_case(text, marks.scheme).map(|start| (start, marks)))
        .min_by_key(|(start, _)| *start)
}

/// Where an ASCII text stands in another.
fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_whichever_of_its_characters_are_encoded() {
        for text in ["a+b/c=d", "a%2Bb/c%3Dd", "a%2bb%2Fc%3dd", "%61%2B%62%2f%63%3D%64"] {
            assert_eq!(secrets("a+b/c=d").mask_plain(&format!("ü{text}ü {text}")), "ü***ü ***", "{text}");
        }
        assert_eq!(secrets("a+b/c=d").mask_plain("a+b/c= 100% %"), "a+b/c= 100% %");
    }

    fn secrets(secret: &str) -> Secrets {
        Secrets::from_iter([secret.into()])
    }

    #[test]
    fn a_masked_text_holds_no_token_and_no_signature() {
        let body = br#"{"got": "Bearer t0/ken", "see": "https:\/\/me:pw@s.example.com\/a?Signature=x\u0026\"Expires=1", "t": "t0\/ken"}"#;
        let shown = r#"{"got":"Bearer ***","see":"https://s.example.com/a?***","t":"***"}"#;
        assert_eq!(secrets("t0/ken").mask_body(body), shown);
        let cut = secrets("t0/ken").mask_body(&body[..body.len() - 2]);
        for secret in ["t0/ken", "t0\\/ken", "Signature", "Expires", "pw"] {
            assert!(!cut.contains(secret), "{secret} in {cut}");
        }
        assert_eq!(
            secrets("t0ken").mask("go=https%3A%2F%2Fs.example.com%2Fa%3FSignature%3Dx y"),
            "go=https%3A%2F%2Fs.example.com%2Fa?*** y"
        );
        let two = "at=https%3A%2F%2Fa.example.com%2Fb&see=https://s.example.com/a?Signature=x";
        assert_eq!(secrets("").mask(two), "at=https%3A%2F%2Fa.example.com%2Fb&see=https://s.example.com/a?***");
        assert_eq!(secrets("").mask_body(br#"{"refresh_token": "the-to"#), r#"{"refresh_token***"#);
        assert_eq!(secrets("").mask("no secret: 1 ? 2 @ 3"), "no secret: 1 ? 2 @ 3");
    }
}
