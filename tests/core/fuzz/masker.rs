//! Texts with secrets in them, written in every way that servers quote them: none may be shown.

use canvas_studio::client::secrets::Secrets;

use super::fuzz;
use crate::chance::Chance;

/// What tokens and signatures are made of.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";
const TELLING: &[&[u8]] = &[
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"%2",
    b"\\u00",
    b"&",
    b"&amp;",
    b"?",
    b"://",
    b"@",
    b"<",
    b">",
    b" ",
    b"\n",
    b"access_token",
    b"=",
    b":",
    b"[",
    b"{",
    b"}",
    b"null",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xa8",
    b"\x00",
    b"#",
    b",",
    b";",
];
/// What stands around secrets.
const AROUND: &[&str] = &[
    "{\"error\": \"",
    "\"}",
    "<p>The URL ",
    " was not found.</p>",
    "Bearer ",
    " ",
    "\n",
    "https://s.example.com/a/b.mp4",
    "ü",
    "\u{1f600}",
    "%",
    "\\",
    "&",
    "?",
    "<Code>SignatureDoesNotMatch</Code>",
    "100% of 3 & 4",
    "://",
    "\"access_token\": null",
    "at line 1: ",
];
/// So many letters of a secret together give it away.
const TOO_MANY: usize = 12;

#[test]
fn fuzz_no_secret_survives_the_masker() {
    fuzz(600, |chance| {
        let known = secret(chance);
        let hidden = secret(chance);
        let mut text = Vec::new();
        for _ in 0..=chance.below(8) {
            match chance.below(7) {
                0..=2 => text.extend(escaped(chance, &known)),
                3 => {
                    let url = format!("https://s.example.com/a.mp4?Expires=9&Signature={hidden}");
                    text.extend(escaped(chance, &url));
                    text.extend(chance.one_of::<[u8]>(&[b" ", b"\"", b"<", b">", b"\n"]).iter());
                }
                4 => {
                    let name =
                        chance.one_of(&["access_token", "refresh_token", "client_secret", "id_token", "code_verifier"]);
                    let quoted = format!("\"{name}\": \"{hidden}\"");
                    let of_form = format!("{name}={hidden}&x=1");
                    let one = chance.one_of::<str>(&[&quoted, &of_form]);
                    text.extend(escaped_as_a_whole(chance, one));
                    text.extend(b" ");
                }
                _ => text.extend(chance.one_of(AROUND).bytes()),
            }
            // As long as what is quoted, so that secrets lie across its end.
            if chance.once_in(4) {
                text.extend("x".repeat(chance.below(300)).bytes());
            }
        }
        let limit = if chance.once_in(2) { chance.below(text.len() + 1) } else { 1000 };
        let secrets = Secrets::from_iter([known.clone().into()]);
        let shown = secrets.mask_body(&text, limit);
        assert!(shown.len() <= 4 * limit + 4, "{limit} of {}: {}", text.len(), shown.len());
        for secret in [&known, &hidden] {
            for layer in layers(&shown) {
                for piece in secret.as_bytes().windows(TOO_MANY.min(secret.len())) {
                    let is_there = layer.windows(piece.len()).any(|found| found == piece);
                    assert!(!is_there, "{secret} in {shown}\nof {}", String::from_utf8_lossy(&text));
                }
            }
        }
        // Whatever it was, it is text, and as short; a secret that stands there as it is, is found.
        chance.mutate(&mut text, TELLING);
        text.extend_from_slice(known.as_bytes());
        let shown = secrets.mask_body(&text, text.len());
        assert!(!shown.contains(&known), "{known} in {shown}");
    });
}

#[test]
fn fuzz_no_text_is_made_to_be_slow() {
    // A case that is not linear has no end within the time that one may take.
    fuzz(16, |chance| {
        let mut part = Vec::new();
        for _ in 0..=chance.below(3) {
            part.extend(chance.one_of(TELLING).iter().chain(chance.one_of(AROUND).as_bytes()));
        }
        if chance.once_in(2) {
            chance.mutate(&mut part, TELLING);
        }
        let text = part.repeat((256 << 10) / part.len().max(1));
        let known = secret(chance);
        let shown = Secrets::from_iter([known.into()]).mask_body(&text, text.len());
        assert!(shown.len() <= 4 * text.len() + 4);
    });
}

fn secret(chance: &mut Chance) -> String {
    let length = TOO_MANY + chance.below(50);
    (0..length).map(|_| char::from(LETTERS[chance.below(LETTERS.len())])).collect()
}

/// A text with any of its characters escaped, once or one time over the other.
fn escaped(chance: &mut Chance, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..chance.below(3) {
        let often = 1 + chance.below(6);
        bytes = bytes
            .iter()
            .flat_map(|byte| {
                let must = matches!(byte, b'%' | b'\\' | b'&' | b'"');
                if must || chance.once_in(often) { written(chance, *byte) } else { vec![*byte] }
            })
            .collect();
    }
    bytes
}

/// One character as JSON, a URL or HTML writes it.
fn written(chance: &mut Chance, byte: u8) -> Vec<u8> {
    match (chance.below(8), byte) {
        (0, b'/' | b'"' | b'\\') => vec![b'\\', byte],
        (1, _) => format!("\\u{byte:04x}").into(),
        (2, _) => format!("\\u{byte:04X}").into(),
        (3, b'&') => b"&amp;".to_vec(),
        (3, b'"') => b"&quot;".to_vec(),
        (5, 10..100) => format!("&#{byte};").into(),
        (6, _) => format!("&#x{byte:02X};").into(),
        (7, _) => format!("&#x{byte:02x};").into(),
        (4, _) => format!("%{byte:02x}").into(),
        _ => format!("%{byte:02X}").into(),
    }
}

/// A piece of JSON or of a form, as it stands in JSON or in a URL.
fn escaped_as_a_whole(chance: &mut Chance, text: &str) -> Vec<u8> {
    match chance.below(4) {
        0 => text.into(),
        3 => text.replace('&', "&amp;").replace('"', "&quot;").into(),
        1 => text.replace('\\', "\\\\").replace('"', "\\\"").into(),
        _ => text
            .bytes()
            .flat_map(|byte| if byte.is_ascii_alphanumeric() { vec![byte] } else { format!("%{byte:02X}").into() })
            .collect(),
    }
}

/// A text as it is, and with its escapes undone, once and twice.
fn layers(text: &str) -> [Vec<u8>; 3] {
    let first = text.as_bytes().to_vec();
    let second = unescaped(&first);
    let third = unescaped(&second);
    [first, second, third]
}

/// Written anew, since what is tested has its own.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let read = match rest {
            [b'%', high, low, ..] => hex(&[*high, *low]).map(|byte| (byte, 3)),
            [b'\\', b'u', b'0', b'0', high, low, ..] => hex(&[*high, *low]).map(|byte| (byte, 6)),
            [b'\\', byte @ (b'/' | b'"' | b'\\'), ..] => Some((*byte, 2)),
            _ if rest.starts_with(b"&amp;") => Some((b'&', 5)),
            _ if rest.starts_with(b"&quot;") => Some((b'"', 6)),
            [b'&', b'#', b'x', high, low, b';', ..] => hex(&[*high, *low]).map(|byte| (byte, 6)),
            [b'&', b'#', tens @ b'1'..=b'9', ones @ b'0'..=b'9', b';', ..] => {
                Some((10 * (tens - b'0') + ones - b'0', 5))
            }
            _ => None,
        };
        if let Some((byte, length)) = read {
            plain.push(byte);
            rest = &rest[length..];
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    plain
}
