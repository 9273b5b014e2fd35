//! Masks secrets in texts that quote a server or a request.
//!
//! A text is cut to a bounded length first, and each rule then reads each of its characters once.

use std::borrow::Cow;

use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

/// Shorter values are not masked: they are no secrets, and would be found inside words.
const SHORTEST: usize = 4;
/// The longest secret that is found across the end of the quoted text. Tokens and signed URLs are shorter.
const LONGEST: usize = 8 << 10;
/// So much of the beginning of a secret may be missing: where an escape seems to stand in front of it, as in `%` before
/// `ab`, they are read together.
const SWALLOWED: usize = 4;
/// The shortest rest of a secret that gives it away.
const SHORTEST_REST: usize = 8;
/// How many bytes beyond the quoted text are needed, so that no secret survives at the cut.
pub(crate) const MARGIN: usize = LONGEST * WRITTEN_LONGEST;
/// How many characters may encode one character, as in `\u002f`.
const WRITTEN_LONGEST: usize = 6;
/// How many layers of escapes are undone, as of a URL in JSON inside JSON.
const LAYERS: usize = 3;
/// The replacement of a secret.
const MASK: &str = "***";

/// Under these names JSON and forms hold secrets, no matter whose. RFC 6749, RFC 7636, OpenID Connect, Amazon S3.
/// Of `access_token` only what is left if it seems to begin with an escape: `%ac` is one byte.
const NAMES: [&str; 7] = [
    "Amz-Security-Token",
    "Amz-Signature",
    "cess_token",
    "client_secret",
    "code_verifier",
    "id_token",
    "refresh_token",
];

/// The secrets that a client knows.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<SecretString>);

impl FromIterator<SecretString> for Secrets {
    fn from_iter<I: IntoIterator<Item = SecretString>>(secrets: I) -> Self {
        Self(secrets.into_iter().filter(|secret| secret.expose_secret().len() >= SHORTEST).collect())
    }
}

impl Secrets {
    /// Adds other secrets.
    pub(crate) fn and(mut self, others: impl IntoIterator<Item = SecretString>) -> Self {
        self.0.extend(Self::from_iter(others).0);
        self
    }

    /// The start of a body with secrets masked. No secret survives at the cut.
    pub fn mask_body(&self, body: &[u8], limit: usize) -> String {
        let text = String::from_utf8_lossy(body.get(..limit.saturating_add(MARGIN)).unwrap_or(body));
        self.masked(&text, limit, true)
    }

    /// Masks secrets in a text, and the query and the user of every URL.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.masked(text, text.len(), true)
    }

    /// Masks only the known secrets, plain and URL-encoded.
    pub(crate) fn mask_plain(&self, text: &str) -> String {
        self.masked(text, text.len(), false)
    }

    /// A text up to a limit. A span that begins before the limit is masked as a whole.
    fn masked(&self, text: &str, limit: usize, is_foreign: bool) -> String {
        let mut spans = Vec::new();
        let mut layer = Layer::of(text);
        for _ in 0..LAYERS {
            for secret in &self.0 {
                let secret = secret.expose_secret();
                layer.find(secret.as_bytes(), &mut spans);
                let plain = Layer::of(secret).below();
                if plain.bytes != secret.as_bytes() && plain.bytes.len() >= SHORTEST {
                    layer.find(&plain.bytes, &mut spans);
                }
            }
            if is_foreign {
                layer.find_named(&mut spans);
                layer.find_in_urls(&mut spans);
                layer.find_queries(&mut spans);
            }
            let below = layer.below();
            if below.bytes.len() == layer.bytes.len() {
                break;
            }
            layer = below;
        }
        replaced(text, limit, spans)
    }
}

/// Escapes a text for a terminal or a log: characters that move the cursor, end a line or change the writing direction.
/// Servers, certificates and file names can contain them.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_odd = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_odd(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// A masked part of a text, and its replacement.
struct Span {
    start: usize,
    end: usize,
    instead: &'static str,
}

/// A text with its spans replaced, up to a limit.
fn replaced(text: &str, limit: usize, mut spans: Vec<Span>) -> String {
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut limit = limit.min(text.len());
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let mut shown = String::with_capacity(limit);
    let mut at = 0;
    for span in spans {
        if span.start >= limit {
            break;
        }
        if span.start >= at {
            shown.push_str(text.get(at..span.start).unwrap_or_default());
            shown.push_str(span.instead);
        }
        at = at.max(span.end);
    }
    shown.push_str(text.get(at..limit).unwrap_or_default());
    shown
}

/// A text with one layer of escapes undone, and the original position of each byte.
struct Layer {
    bytes: Vec<u8>,
    /// The position of each byte, and at the end that of the end.
    origins: Vec<usize>,
}

impl Layer {
    fn of(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), origins: (0..=text.len()).collect() }
    }

    /// Undoes one more layer: percent-encoding, and the escapes of JSON and HTML.
    fn below(&self) -> Self {
        let mut below = Self { bytes: Vec::with_capacity(self.bytes.len()), origins: Vec::new() };
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, length) = unescaped(rest);
            below.bytes.push(byte);
            below.origins.push(self.origin(at));
            at += length;
        }
        below.origins.push(self.origin(self.bytes.len()));
        below
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or_default()
    }

    /// Whether a byte is unescaped in the original text.
    fn is_plain(&self, at: usize) -> bool {
        self.origin(at + 1) == self.origin(at) + 1
    }

    fn hide(&self, start: usize, end: usize, instead: &'static str, spans: &mut Vec<Span>) {
        if start < end {
            spans.push(Span { start: self.origin(start), end: self.origin(end), instead });
        }
    }

    fn find(&self, secret: &[u8], spans: &mut Vec<Span>) {
        let (before, rest) = secret
            .split_at_checked(SWALLOWED)
            .filter(|(_, rest)| rest.len() >= SHORTEST_REST)
            .unwrap_or_else(|| secret.split_at(0));
        for start in memmem::find_iter(&self.bytes, rest) {
            self.hide(start.saturating_sub(before.len()), start + rest.len(), MASK, spans);
        }
    }

    /// Masks values whose names mark them as secrets.
    fn find_named(&self, spans: &mut Vec<Span>) {
        for name in NAMES {
            // A name in a value without quotes has a value that ends where that one does.
            let mut end_without_quotes = 0;
            for found in memmem::find_iter(&self.bytes, name) {
                let mut at = self.skip(found + name.len(), |byte| matches!(byte, b'"' | b'\'' | b'\\'));
                at = self.skip(at, |byte| byte.is_ascii_whitespace());
                if !matches!(self.bytes.get(at), Some(b':' | b'=')) {
                    continue;
                }
                at = self.skip(at + 1, |byte| byte.is_ascii_whitespace());
                let end = match self.bytes.get(at..) {
                    Some([b'n', b'u', b'l', b'l', ..]) => continue,
                    Some([b'\\', quote @ (b'"' | b'\''), ..]) => {
                        at += 2;
                        self.quote_ends(at, *quote, true)
                    }
                    Some([quote @ (b'"' | b'\''), ..]) => {
                        at += 1;
                        self.quote_ends(at, *quote, false)
                    }
                    // A list or an object: it is unknown where the secrets in it end.
                    Some([b'[' | b'{', ..]) | None => self.bytes.len(),
                    Some(_) => {
                        let is_inside = |byte: u8| !byte.is_ascii_whitespace() && !b"&,;\"'<>})".contains(&byte);
                        end_without_quotes = self.skip(at.max(end_without_quotes), is_inside);
                        end_without_quotes
                    }
                };
                self.hide(at, end, MASK, spans);
            }
        }
    }

    /// The end of a quoted text; the end of everything if it was cut off.
    fn quote_ends(&self, start: usize, quote: u8, is_escaped: bool) -> usize {
        let mut at = start;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'\\' if is_escaped && self.bytes.get(at + 1) == Some(&quote) => return at,
                b'\\' => at += 2,
                byte if *byte == quote => return at,
                _ => at += 1,
            }
        }
        self.bytes.len()
    }

    /// Masks the query and the user of every URL.
    fn find_in_urls(&self, spans: &mut Vec<Span>) {
        let starts: Vec<usize> = memmem::find_iter(&self.bytes, "://").map(|found| found + 3).collect();
        for (index, start) in starts.iter().copied().enumerate() {
            // Another URL may follow directly.
            let next = starts.get(index + 1).map_or(self.bytes.len(), |next| next - 3);
            let end = self.url_ends(start, next);
            let url = self.bytes.get(start..end).unwrap_or_default();
            let host_ends = memchr::memchr3(b'/', b'?', b'#', url).unwrap_or(url.len());
            if let Some(user) = memchr::memrchr(b'@', url.get(..host_ends).unwrap_or_default()) {
                self.hide(start, start + user + 1, "", spans);
            }
            if let Some(query) = memchr::memchr(b'?', url) {
                self.hide(start + query, end, "?***", spans);
            }
        }
    }

    /// Masks what looks like a query without a URL before it, such as that of a relative URL: `?name=value`.
    fn find_queries(&self, spans: &mut Vec<Span>) {
        let mut masked = 0;
        for query in memchr::memchr_iter(b'?', &self.bytes) {
            if query < masked {
                continue;
            }
            let is_in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.[]".contains(&byte);
            let name_ends = self.skip(query + 1, is_in_name);
            if name_ends > query + 1 && self.bytes.get(name_ends) == Some(&b'=') {
                masked = self.url_ends(name_ends, self.bytes.len());
                self.hide(query, masked, "?***", spans);
            }
        }
    }

    /// Where a URL ends that is not longer than up to `limit`.
    fn url_ends(&self, mut at: usize, limit: usize) -> usize {
        while at < limit {
            let byte = self.bytes.get(at).copied().unwrap_or_default();
            if self.is_plain(at) && (byte.is_ascii_whitespace() || b"<>\"".contains(&byte)) {
                // A quote escaped by JSON does not end the URL.
                let is_escaped = byte == b'"' && at > 0 && self.bytes.get(at - 1) == Some(&b'\\');
                if !is_escaped {
                    break;
                }
            }
            at += 1;
        }
        at
    }

    fn skip(&self, mut at: usize, is_passed: impl Fn(u8) -> bool) -> usize {
        while self.bytes.get(at).is_some_and(|byte| is_passed(*byte)) {
            at += 1;
        }
        at
    }
}

/// The first byte of a text, and how many bytes encode it.
fn unescaped(text: &[u8]) -> (u8, usize) {
    let (byte, length) = match text {
        [b'%', high, low, ..] => (byte_of([*high, *low]), 3),
        [b'\\', b'u', b'0', b'0', high, low, ..] => (byte_of([*high, *low]), 6),
        [b'\\', byte @ (b'/' | b'"' | b'\\'), ..] => (Some(*byte), 2),
        [b'&', b'a', b'm', b'p', b';', ..] => (Some(b'&'), 5),
        [b'&', b'q', b'u', b'o', b't', b';', ..] => (Some(b'"'), 6),
        [b'&', b'#', rest @ ..] => numbered(rest),
        _ => (None, 1),
    };
    match (byte, text.first()) {
        (Some(byte), _) => (byte, length),
        (None, Some(byte)) => (*byte, 1),
        (None, None) => (0, 1),
    }
}

/// The character that HTML writes as a number, as in `&#x2f;` and `&#47;`, and the length of that.
fn numbered(rest: &[u8]) -> (Option<u8>, usize) {
    let longest = rest.get(..WRITTEN_LONGEST - 2).unwrap_or(rest);
    let Some(end) = memchr::memchr(b';', longest) else { return (None, 1) };
    let byte = match longest.get(..end) {
        Some([b'x' | b'X', digits @ ..]) => number_of(digits, 16),
        Some(digits) => number_of(digits, 10),
        None => None,
    };
    (byte, end + 3)
}

fn byte_of(digits: [u8; 2]) -> Option<u8> {
    number_of(&digits, 16)
}

fn number_of(digits: &[u8], radix: u32) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, radix).ok().filter(|_| !digits.contains('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(secret: &str) -> Secrets {
        Secrets::from_iter([secret.into()])
    }

    fn masked(secret: &str, body: &str) -> String {
        secrets(secret).mask_body(body.as_bytes(), 1000)
    }

    #[test]
    fn a_secret_is_masked_whichever_of_its_characters_are_encoded() {
        for text in [
            "a+b/c=d",
            "a%2Bb/c%3Dd",
            "a%2bb%2Fc%3dd",
            "%61%2B%62%2f%63%3D%64",
            r"a+b\/c=d",
            r"a\u002bb\u002Fc=d",
            "a%252Bb%252Fc%253Dd",
            r"a%2Bb\\\/c=d",
            "a&#43;b&#x2F;c&#x3d;d",
            "a&amp;#43;b/c=d",
        ] {
            assert_eq!(secrets("a+b/c=d").mask_plain(&format!("ü{text}ü {text}")), "ü***ü ***", "{text}");
        }
        assert_eq!(secrets("a+b/c=d").mask_plain("a+b/c= 100% %"), "a+b/c= 100% %");
        assert_eq!(secrets("a%2Bb=").mask_plain("a%2Bb= a+b= a%252Bb="), "*** *** ***");
    }

    #[test]
    fn a_masked_text_holds_no_token_and_no_signature() {
        let body = r#"{"got": "Bearer t0/ken", "see": "https:\/\/me:pw@s.example.com\/a?Signature=x\u0026\"Expires=1", "t": "t0\/ken"}"#;
        let shown = r#"{"got": "Bearer ***", "see": "https:\/\/s.example.com\/a?***", "t": "***"}"#;
        assert_eq!(masked("t0/ken", body), shown);
        let cut = masked("t0/ken", body.get(..body.len() - 2).unwrap());
        for secret in ["t0/ken", "t0\\/ken", "Signature", "Expires", "pw"] {
            assert!(!cut.contains(secret), "{secret} in {cut}");
        }
        for (text, shown) in [
            ("go=https%3A%2F%2Fs.example.com%2Fa%3FSignature%3Dx y", "go=https%3A%2F%2Fs.example.com%2Fa?*** y"),
            (
                "at=https%3A%2F%2Fa.example.com%2Fb&see=https://s.example.com/a?Signature=x",
                "at=https%3A%2F%2Fa.example.com%2Fb&see=https://s.example.com/a?***",
            ),
            ("<a href=\"https://s.example.com/a?x=1&amp;y=2\">b</a>", "<a href=\"https://s.example.com/a?***\">b</a>"),
            ("{\"url\": \"/a/b?X-Amz-Signature=x&y=z\", \"b\": 1}", "{\"url\": \"/a/b?***\", \"b\": 1}"),
            ("see a.mp4?Signature=x, or %2Fa%3Fsig%3Dx%26y b", "see a.mp4?*** or %2Fa?*** b"),
            (r#"{"a": "{\"url\": \"b?sig=x&\"}"}"#, r#"{"a": "{\"url\": \"b?***"}"#),
            ("no secret: 1 ? 2 @ 3, why?", "no secret: 1 ? 2 @ 3, why?"),
            ("https://a?b https://c?d", "https://a?*** https://c?***"),
        ] {
            assert_eq!(secrets("").mask(text), shown);
        }
    }

    #[test]
    fn what_stands_under_the_name_of_a_secret_is_hidden() {
        for (body, shown) in [
            (r#"{"refresh_token": "the-to"#, r#"{"refresh_token": "***"#),
            (r#"{"access_token": "a\"b", "x": 1}"#, r#"{"access_token": "***", "x": 1}"#),
            (r#"{"access_token": null, "x": 1}"#, r#"{"access_token": null, "x": 1}"#),
            (
                r#"{"raw": "{\"access_token\": \"ab\", \"x\": 1}"}"#,
                r#"{"raw": "{\"access_token\": \"***\", \"x\": 1}"}"#,
            ),
            (r#"{"access_token": ["a"], "x": 1}"#, r#"{"access_token": ***"#),
            ("{&quot;access_token&quot;:&#34;ab&quot;}", "{&quot;access_token&quot;:&#34;***&quot;}"),
            ("access_token=abcd&x=1", "access_token=***&x=1"),
            ("client_secret%3Dabcd%26x%3D1", "client_secret%3D***%26x%3D1"),
            ("the access_token is missing", "the access_token is missing"),
        ] {
            assert_eq!(masked("", body), shown);
        }
    }

    #[test]
    fn no_secret_survives_where_a_text_is_cut() {
        let secret = "t0ken-of-twenty-letters";
        for written in [secret.to_owned(), secret.replace('-', "%2D"), secret.replace('-', "\\u002d")] {
            for before in 0..40 {
                let body = format!("{}{written} and more", "x".repeat(before));
                let shown = secrets(secret).mask_body(body.as_bytes(), 30);
                assert!(shown.len() <= 33 && !shown.contains("t0k"), "{shown}");
            }
        }
        let long = format!("https://x?{} ", "a".repeat(500));
        let shown = secrets(secret).mask_body(format!("{long}{secret}").as_bytes(), long.len() + 5);
        assert_eq!(shown, "https://x?*** ***");
    }

    #[test]
    fn a_signature_is_hidden_however_it_is_quoted() {
        let signature = "5f3759df0badcafe5f3759df0badcafe";
        for text in [
            format!("<p>The URL /f.mp4?Expires=9&amp;Signature={signature} was not found."),
            format!("<SignatureProvided>{signature}</SignatureProvided>"),
            format!(r#"{{"path": "/f.mp4?Expires=9&Signature={signature}"}}"#),
        ] {
            let shown = masked(signature, &text);
            assert!(!shown.contains(signature), "{shown}");
        }
    }

    #[test]
    fn what_moves_the_cursor_is_escaped() {
        assert_eq!(printable("a\x1b[2J\r\n\u{202e}b\u{85} ü😀"), "a\\u{1b}[2J\\r\\n\\u{202e}b\\u{85} ü😀");
    }

    #[test]
    fn a_text_that_is_made_to_be_slow_is_not() {
        // Each of these was quadratic once. They are long enough that a quadratic search would not finish.
        let size = 1 << 18;
        for part in [
            "https://a/ ",
            "%",
            "\\",
            "access_token:\"",
            "access_token=[",
            "access_token:/",
            "aaaa",
            "://@?",
            "?a=",
            "?a",
            "&amp;",
            "\\u00",
        ] {
            let text = part.repeat(size / part.len());
            assert!(secrets("aaaaaaaab").mask(&text).len() <= text.len() + size);
        }
    }
}
